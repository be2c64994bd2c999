// Effective ranks of the attention layers' matrices, and of the two products that act on the
// residual stream (the circuits of a head h): QK = W_Q^h W_K^h^T decides where it looks, OV =
// W_V^h W_O^h what it moves. Circuits are measured from [d][d_head] factors, never from d x d.
//
// Series: "effective_rank.blocks.0.attn.W_Q", ... of the whole matrix, and
// "effective_rank.blocks.0.attn.QK"; with several heads ".QK.h0", ".QK.h1", ...
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>

static const char probe_name[] = "effective_rank";

// One attention layer: "blocks.0.attn", its matrices, its heads.
typedef struct layer {
    char prefix[48];
    probe_matrix q, k, v, o; // [d][H d_head], [d][n_kv d_head] twice, [H d_head][d]
    int n_head, d_head;
} layer;

static bool find_layer(const fv_model *model, const float *params, const fv_tensor *q,
                       layer *found) {
    static const char *const letters = "KVO";
    *found = (layer){.n_head = fv_model_sizes_of(model).n_head};
    snprintf(found->prefix, sizeof found->prefix, "%.*s", (int)(strlen(q->name) - 4), q->name);
    probe_matrix *others[] = {&found->k, &found->v, &found->o};
    for (int i = 0; i < 3; i++) {
        char name[sizeof q->name + 8];
        snprintf(name, sizeof name, "%s.W_%c", found->prefix, letters[i]);
        const fv_tensor *tensor = fv_model_tensor(model, name);
        if (tensor == NULL) return false;
        *others[i] = matrix_of_tensor(tensor, params);
    }
    found->q = matrix_of_tensor(q, params);
    found->d_head = found->q.cols / found->n_head;
    return true;
}

// Columns [h d_head, (h + 1) d_head).
static probe_matrix head_of(probe_matrix a, int head, int d_head) {
    a.data += (ptrdiff_t)head * d_head * a.col_stride;
    a.cols = d_head;
    return a;
}

static fv_status add(const layer *at, const char *what, int head, double rank, int step,
                     fv_record *record, fv_error *error) {
    char name[sizeof at->prefix + 24];
    if (head >= 0 && at->n_head > 1)
        snprintf(name, sizeof name, "%s.%s.h%d", at->prefix, what, head);
    else
        snprintf(name, sizeof name, "%s.%s", at->prefix, what);
    return probe_add(record, probe_name, name, step, rank, error);
}

static fv_status measure_matrices(const layer *at, int step, fv_record *record, fv_error *error) {
    const struct {
        const char *name;
        probe_matrix matrix;
    } matrices[] = {{"W_Q", at->q}, {"W_K", at->k}, {"W_V", at->v}, {"W_O", at->o}};
    for (int i = 0; i < 4; i++) {
        double rank = NAN;
        fv_status status = linalg_effective_rank(matrices[i].matrix, &rank, error);
        if (status == FV_OK) status = add(at, matrices[i].name, -1, rank, step, record, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

static fv_status measure_circuits(const layer *at, int step, fv_record *record, fv_error *error) {
    probe_matrix o = matrix_transposed(at->o);
    int n_kv = at->k.cols / at->d_head;
    for (int h = 0; h < at->n_head; h++) {
        int shared = h * n_kv / at->n_head; // the head of keys and values that h reads
        const struct {
            const char *name;
            probe_matrix a, b;
        } circuits[] = {{"QK", head_of(at->q, h, at->d_head), head_of(at->k, shared, at->d_head)},
                        {"OV", head_of(at->v, shared, at->d_head), head_of(o, h, at->d_head)}};
        for (int i = 0; i < 2; i++) {
            double rank = NAN;
            fv_status status = effective_rank_product(circuits[i].a, circuits[i].b, &rank, error);
            if (status == FV_OK) status = add(at, circuits[i].name, h, rank, step, record, error);
            if (status != FV_OK) return status;
        }
    }
    return FV_OK;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const fv_model *model = view->model;
    const float *params = view->params;
    int step = view->step;
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    for (int i = 0; i < n; i++) {
        layer at;
        if (!probe_ends_with(tensors[i].name, ".attn.W_Q")) continue;
        if (!find_layer(model, params, &tensors[i], &at)) continue;
        fv_status status = measure_matrices(&at, step, record, error);
        if (status == FV_OK) status = measure_circuits(&at, step, record, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

const fv_probe probe_effective_rank = {
    .name = "effective_rank",
    .help = "effective rank of W_Q, W_K, W_V, W_O and the circuits QK and OV: exp of the entropy "
            "of their normalised squared singular values",
    .measure = measure,
};
