// How much of what an earlier head writes a later head reads (Elhage et al., A Mathematical Framework for
// Transformer Circuits, 2021): by its queries, keys and values. With rows that are multiplied from the right,
//
//   Q: |OV QK|    K: |QK OV^T|    V: |OV OV'|    each over the product of both norms (Frobenius)
//
// OV of the earlier head, QK and OV' of the later. Random matrices of these shapes do not give 0: the mean
// over pairs of factors of normal numbers is subtracted, so that 0 is what chance gives.
//
// Series: "composition.K.0.1" of the layers 0 and 1; with several heads "composition.K.0.h1.1.h0".
#include "base/random.h"
#include "probes/circuits.h"
#include "probes/head_scores.h"
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_PAIRS = 1024, DRAWS = 8 };

// The circuits of every head, layer by layer.
typedef struct heads {
    int n, n_layers, n_head;
    head_circuit (*circuits)[2]; // QK, OV
} heads;

static fv_status collect(const attention_matrices *layer, void *context, fv_error *error) {
    heads *all = context;
    size_t n = (size_t)all->n + (size_t)layer->n_head;
    head_circuit(*grown)[2] = realloc(all->circuits, n * sizeof *grown);
    if (grown == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for %zu heads", n);
    all->circuits = grown;
    all->n_head = layer->n_head;
    all->n_layers++;
    for (int h = 0; h < layer->n_head; h++) circuits_of_head(layer, h, grown[all->n++]);
    return FV_OK;
}

// How much the later head reads of the earlier one, by letter.
static fv_status compose(char by, const head_circuit earlier[2], const head_circuit later[2],
                         double *score, fv_error *error) {
    head_circuit turned = circuits_transposed(&earlier[1]);
    const head_circuit *first = by == 'K' ? &later[0] : &earlier[1];
    const head_circuit *second = by == 'K' ? &turned : by == 'Q' ? &later[0] : &later[1];
    double product = 0, one = 0, other = 0;
    fv_status status = circuits_product_norm(first, second, &product, error);
    if (status == FV_OK) status = circuits_norm(first, &one, error);
    if (status == FV_OK) status = circuits_norm(second, &other, error);
    *score = one * other != 0 ? product / (one * other) : NAN;
    return status;
}

// The mean score of two heads [d][k] of normal numbers: the same for all three letters, as all factors are
// alike.
static fv_status chance(int d, int k, double *score, fv_error *error) {
    size_t size = (size_t)d * (size_t)k;
    float *numbers = calloc(4 * size, sizeof *numbers);
    if (numbers == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for heads of chance");
    fv_status status = FV_OK;
    *score = 0;
    for (int draw = 0; draw < DRAWS && status == FV_OK; draw++) {
        random_source random;
        random_init(&random, 0, FV_STREAM_INIT, 0, (uint32_t)draw);
        for (size_t i = 0; i < 4 * size; i++) numbers[i] = (float)random_normal(&random);
        head_circuit pair[2][2] = {0};
        for (int i = 0; i < 2; i++) {
            pair[i][1].a = probe_matrix_of(numbers + (size_t)(2 * i) * size, d, k);
            pair[i][1].b = probe_matrix_of(numbers + (size_t)(2 * i + 1) * size, d, k);
        }
        double one;
        status = compose('V', pair[0], pair[1], &one, error);
        *score += one / DRAWS;
    }
    free(numbers);
    return status;
}

typedef struct measured {
    int step;
    fv_record *record;
    double chance;
} measured;

static fv_status add_pair(const heads *all, int earlier, int later, const measured *at,
                          fv_error *error) {
    char from[24], to[24], name[64];
    head_name(from, sizeof from, all->n_head, earlier / all->n_head, earlier % all->n_head);
    head_name(to, sizeof to, all->n_head, later / all->n_head, later % all->n_head);
    fv_status status = FV_OK;
    for (const char *by = "QKV"; *by != '\0' && status == FV_OK; by++) {
        double score = NAN;
        status = compose(*by, all->circuits[earlier], all->circuits[later], &score, error);
        if (status != FV_OK) break;
        snprintf(name, sizeof name, "%c.%s.%s", *by, from, to);
        status = probe_add(at->record, "composition", name, at->step, score - at->chance, error);
    }
    return status;
}

static fv_status add_pairs(const heads *all, const measured *at, fv_error *error) {
    fv_status status = FV_OK;
    for (int later = 0; later < all->n && status == FV_OK; later++)
        for (int earlier = 0; earlier / all->n_head < later / all->n_head && status == FV_OK;
             earlier++)
            status = add_pair(all, earlier, later, at, error);
    return status;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    heads all = {0};
    measured at = {.step = view->step, .record = record};
    fv_status status = circuits_each_layer(view->model, view->params, collect, &all, error);
    int pairs = all.n_head * all.n_head * all.n_layers * (all.n_layers - 1) / 2;
    if (status == FV_OK && pairs > MOST_PAIRS)
        status = fv_fail(error, FV_USAGE,
                         "composition measures at most %d pairs of heads, the model has %d",
                         MOST_PAIRS, pairs);
    if (status == FV_OK && pairs > 0)
        status = chance(all.circuits[0][0].a.rows, all.circuits[0][0].a.cols, &at.chance, error);
    if (status == FV_OK && pairs > 0) status = add_pairs(&all, &at, error);
    free(all.circuits);
    return status;
}

const fv_probe probe_composition = {
    .name = "composition",
    .help = "how much of what earlier heads write later ones read, by queries, keys and values, "
            "beyond chance",
    .needs = "model: {layers: [attention*2], residual: true}",
    .measure = measure,
};
