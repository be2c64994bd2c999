// The form of a head's circuits M = QK and OV: how near M is to c I, which compares or copies tokens as they
// are, and its eigenvalues, of which negative ones attend away from, or predict against, what is like the
// query.
//
// Series, of "circuit_form.blocks.0.attn.QK" (with several heads ".QK.h0", ...): ".scale", c = tr M / d, of
// all c I the nearest to M; ".residual", |M - c I| / |M|, Frobenius norms: 0 for a multiple of I, 1 where
// the trace is 0; ".negative", how many of the d_head eigenvalues that M can have beside 0 have a negative
// real part; ".lowest" and ".highest" of the real parts.
#include "probes/circuits.h"
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>
#include <stdlib.h>

// An eigenvalue counts as 0 within this share of the largest |real part|: rounding of a matrix that lacks
// rank.
#define NEGLIGIBLE 1e-9

typedef struct form {
    double scale, residual, negative, lowest, highest;
} form;

// The eigenvalues of a b^T that are not 0 are those of b^T a, [k][k], whose trace it shares.
static fv_status measure_eigenvalues(const head_circuit *circuit, double *room, double *trace,
                                     form *found, fv_error *error) {
    int k = circuit->a.cols;
    double *parts = room + (size_t)k * k, largest = 0;
    circuits_multiply(circuit->b, circuit->a, room);
    for (int i = 0; i < k; i++) *trace += room[(size_t)i * k + i];
    fv_status status = eigen_real_parts(room, k, parts, error);
    found->negative = found->lowest = found->highest = k > 0 ? parts[0] : NAN;
    if (status != FV_OK || isnan(found->lowest)) return status;
    found->negative = 0;
    for (int i = 0; i < k; i++) largest = fmax(largest, fabs(parts[i]));
    for (int i = 0; i < k; i++) {
        found->lowest = fmin(found->lowest, parts[i]);
        found->highest = fmax(found->highest, parts[i]);
        found->negative += parts[i] < -NEGLIGIBLE * largest;
    }
    return FV_OK;
}

static fv_status measure_form(const head_circuit *circuit, form *found, fv_error *error) {
    int d = circuit->a.rows, k = circuit->a.cols;
    double *room = calloc((size_t)k * (size_t)k + (size_t)k + 1, sizeof *room), trace = 0, norm;
    if (room == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for %s", circuit->name);
    fv_status status = measure_eigenvalues(circuit, room, &trace, found, error);
    if (status == FV_OK) status = circuits_norm(circuit, &norm, error);
    free(room);
    if (status != FV_OK) return status;
    double share = trace / norm;
    found->scale = trace / d;
    found->residual = norm == 0 ? NAN : share * share >= d ? 0 : sqrt(1 - share * share / d);
    return FV_OK;
}

typedef struct place {
    int step;
    fv_record *record;
} place;

static fv_status add(const head_circuit *circuit, const form *found, const place *at,
                     fv_error *error) {
    const struct {
        const char *name;
        double value;
    } series[] = {{"scale", found->scale},
                  {"residual", found->residual},
                  {"negative", found->negative},
                  {"lowest", found->lowest},
                  {"highest", found->highest}};
    fv_status status = FV_OK;
    for (size_t i = 0; i < sizeof series / sizeof *series && status == FV_OK; i++) {
        char name[sizeof circuit->name + 16];
        snprintf(name, sizeof name, "%s.%s", circuit->name, series[i].name);
        status = probe_add(at->record, "circuit_form", name, at->step, series[i].value, error);
    }
    return status;
}

static fv_status measure_layer(const attention_matrices *layer, void *context, fv_error *error) {
    fv_status status = FV_OK;
    for (int h = 0; h < layer->n_head; h++) {
        head_circuit circuits[2];
        circuits_of_head(layer, h, circuits);
        for (int i = 0; i < 2 && status == FV_OK; i++) {
            form found = {0};
            status = measure_form(&circuits[i], &found, error);
            if (status == FV_OK) status = add(&circuits[i], &found, context, error);
        }
    }
    return status;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    place at = {view->step, record};
    return circuits_each_layer(view->model, view->params, measure_layer, &at, error);
}

const fv_probe probe_circuit_form = {
    .name = "circuit_form",
    .help = "how near the circuits QK and OV are to a multiple of the identity, and the signs of "
            "their eigenvalues",
    .measure = measure,
};
