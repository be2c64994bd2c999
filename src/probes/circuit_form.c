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

// product [k][k] = x^T y of x, y [d][k].
static void multiply(probe_matrix x, probe_matrix y, double *product) {
    int k = x.cols;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < k; j++) {
            double sum = 0;
            for (int r = 0; r < x.rows; r++) sum += matrix_at(x, r, i) * matrix_at(y, r, j);
            product[(size_t)i * k + j] = sum;
        }
}

// tr(M), and |M|^2 = tr(a^T a b^T b); `room` [2][k][k].
static void measure_norms(const head_circuit *circuit, double *room, double *trace, double *norm) {
    int k = circuit->a.cols;
    double *other = room + (size_t)k * k;
    *trace = *norm = 0;
    for (int r = 0; r < circuit->a.rows; r++)
        for (int c = 0; c < k; c++)
            *trace += matrix_at(circuit->a, r, c) * matrix_at(circuit->b, r, c);
    multiply(circuit->a, circuit->a, room);
    multiply(circuit->b, circuit->b, other);
    for (int i = 0; i < k * k; i++) *norm += room[i] * other[i];
}

// The eigenvalues of a b^T that are not 0 are those of b^T a, [k][k].
static fv_status measure_eigenvalues(const head_circuit *circuit, double *room, form *found,
                                     fv_error *error) {
    int k = circuit->a.cols;
    double *parts = room + (size_t)k * k, largest = 0;
    multiply(circuit->b, circuit->a, room);
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
    double *room = calloc(2 * (size_t)k * (size_t)k + 1, sizeof *room), trace, norm;
    if (room == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for %s", circuit->name);
    measure_norms(circuit, room, &trace, &norm);
    found->scale = trace / d;
    found->residual = norm > 0 ? sqrt(fmax(0, 1 - trace * trace / d / norm)) : NAN;
    fv_status status = measure_eigenvalues(circuit, room, found, error);
    free(room);
    return status;
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
