// How positional embeddings single out one position, as Sparse attention 4 reads it off its
// figures. With learned positions p_0 ... p_(T-1), the last one asking, and the position that it
// must attend to (task copy: the source; other tasks: the previous position), a separation
// direction s is fitted: the unit vector from that position to the mean of all others. The first
// attention layer then prefers the position by s^T W_Q W_K^T s < 0: equal signs along s repel,
// opposite ones attract.
//
//   separation.target       s . p of the position
//   separation.others       the lowest s . p of the others
//   separation.circuit      s^T W_Q W_K^T s of the first attention layer, over all heads
//   separation.circuit.h1   of one head, where there are several
//   separation[2]           s . p_2, for contexts of up to 64: the path of every position along s
//
// The direction is fitted anew at every measurement. `fovea probe RUN` holds one fast instead, the
// last fitted or a given one, and follows a run's snapshots along it.
#include "probes/probes.h"
#include "probes/tensors.h"
#include "tasks/task_type.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_PATHS = 64 };

static int target_of(const fv_task_config *config) {
    const task_type *task = task_of(config);
    return task->attended ? task->attended(config) : config->context_length - 2;
}

static double dot_row(probe_matrix a, int row, const double *s) {
    double sum = 0;
    for (int c = 0; c < a.cols; c++) sum += matrix_at(a, row, c) * s[c];
    return sum;
}

// The rows that the model's sequences use.
static probe_matrix positions_of(const fv_model *model, const fv_tensor *pos, const float *params) {
    probe_matrix positions = matrix_of_tensor(pos, params);
    int context = fv_model_config_of(model)->task.context_length;
    if (positions.rows > context) positions.rows = context;
    return positions;
}

// s [d]: from the target to the mean of the others, of length 1. Returns false where they coincide.
static bool fit_direction(probe_matrix positions, int target, double *s) {
    double square = 0;
    for (int c = 0; c < positions.cols; c++) {
        double mean = 0;
        for (int r = 0; r < positions.rows; r++)
            if (r != target) mean += matrix_at(positions, r, c) / (positions.rows - 1);
        s[c] = mean - matrix_at(positions, target, c);
        square += s[c] * s[c];
    }
    for (int c = 0; c < positions.cols && square > 0; c++) s[c] /= sqrt(square);
    return square > 0;
}

bool fv_separation_fit(const fv_model *model, const float *params, double *s) {
    const fv_tensor *pos = fv_model_tensor(model, "pos_embed.W_pos");
    if (pos == NULL) return false;
    probe_matrix positions = positions_of(model, pos, params);
    int target = target_of(&fv_model_config_of(model)->task);
    return positions.rows > 1 && fit_direction(positions, target, s);
}

// The W_Q and W_K of an attention layer; false where there is none.
static bool find_circuit(const fv_model *model, const float *params, int layer, probe_matrix *q,
                         probe_matrix *k) {
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    for (int i = 0; i < n; i++) {
        if (!probe_ends_with(tensors[i].name, ".attn.W_Q") || layer-- > 0) continue;
        char name[sizeof tensors[i].name];
        snprintf(name, sizeof name, "%s", tensors[i].name);
        name[strlen(name) - 1] = 'K';
        const fv_tensor *keys = fv_model_tensor(model, name);
        if (keys == NULL) return false;
        *q = matrix_of_tensor(&tensors[i], params);
        *k = matrix_of_tensor(keys, params);
        return true;
    }
    return false;
}

// (s W_Q) . (s W_K)
double fv_qk_form(const fv_model *model, const float *params, int layer, int head,
                  const double *s) {
    probe_matrix q, k;
    if (!find_circuit(model, params, layer, &q, &k)) return NAN;
    q = matrix_transposed(q);
    k = matrix_transposed(k);
    int n_head = fv_model_config_of(model)->model.n_head, d_head = q.rows / n_head;
    int first = head < 0 ? 0 : head * d_head, end = head < 0 ? q.rows : first + d_head;
    int n_kv = k.rows / d_head;
    double sum = 0;
    for (int j = first; j < end; j++) {
        int shared = j / d_head * n_kv / n_head; // the head of keys that this one of queries reads
        sum += dot_row(q, j, s) * dot_row(k, shared * d_head + j % d_head, s);
    }
    return sum;
}

static fv_status add_circuits(const fv_model *model, const float *params, const double *s, int step,
                              fv_record *record, fv_error *error) {
    int n_head = fv_model_config_of(model)->model.n_head;
    fv_status status = probe_add(record, "separation", "circuit", step,
                                 fv_qk_form(model, params, 0, -1, s), error);
    for (int h = 0; h < n_head && n_head > 1 && status == FV_OK; h++) {
        char name[32];
        snprintf(name, sizeof name, "circuit.h%d", h);
        status =
            probe_add(record, "separation", name, step, fv_qk_form(model, params, 0, h, s), error);
    }
    return status;
}

static fv_status add_positions(probe_matrix positions, int target, const double *s, int step,
                               fv_record *record, fv_error *error) {
    double others = INFINITY;
    for (int r = 0; r < positions.rows; r++)
        if (r != target) others = fmin(others, dot_row(positions, r, s));
    fv_status status =
        probe_add(record, "separation", "target", step, dot_row(positions, target, s), error);
    if (status == FV_OK) status = probe_add(record, "separation", "others", step, others, error);
    for (int r = 0; r < positions.rows && positions.rows <= MAX_PATHS && status == FV_OK; r++) {
        char name[32];
        snprintf(name, sizeof name, "separation[%d]", r);
        if (fv_record_add(record, name, step, (float)dot_row(positions, r, s)) != FV_OK)
            status = fv_fail(error, FV_NO_MEMORY, "no memory for the series '%s'", name);
    }
    return status;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const fv_model *model = view->model;
    const float *params = view->params;
    int step = view->step;
    const fv_tensor *pos = fv_model_tensor(model, "pos_embed.W_pos");
    if (pos == NULL || fv_model_n_attention(model) == 0) return FV_OK;
    probe_matrix positions = positions_of(model, pos, params);
    double *s = malloc((size_t)positions.cols * sizeof *s);
    if (s == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for a separation direction");
    fv_status status = FV_OK;
    if (fv_separation_fit(model, params, s)) {
        int target = target_of(&fv_model_config_of(model)->task);
        status = add_positions(positions, target, s, step, record, error);
        if (status == FV_OK) status = add_circuits(model, params, s, step, record, error);
    }
    free(s);
    return status;
}

const fv_probe probe_separation = {
    .name = "separation",
    .help = "positional embeddings along the direction that separates the position to attend to, "
            "and the QK circuit's quadratic form along it",
    .needs = "model: {positions: learned}",
    .measure = measure,
};
