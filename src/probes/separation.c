// How positional embeddings single out one position, as Sparse attention 4 reads it off its
// figures. With learned positions p_0 ... p_(T-1), the last one asking, and the position that it
// must attend to (task copy: the source; other tasks: the previous position), a separation
// direction s is fitted: the unit vector from that position to the mean of all others. The first
// attention layer then prefers the position by s^T W_Q W_K^T s < 0: equal signs along s repel,
// opposite ones attract.
//
//   separation.target    s . p of the position
//   separation.others    the lowest s . p of the others
//   separation.circuit   s^T W_Q W_K^T s, over all heads
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>
#include <stdlib.h>

static int target_of(const fv_task_config *task) {
    int last = task->context_length - 1;
    if (task->name != FV_TASK_COPY) return last - 1;
    return task->index >= 0 ? task->index : last - task->offset;
}

static double dot_row(fv_matrix a, int row, const double *s) {
    double sum = 0;
    for (int c = 0; c < a.cols; c++) sum += fv_matrix_at(a, row, c) * s[c];
    return sum;
}

// s [d]: from the target to the mean of the others, of length 1. Returns false where they coincide.
static bool fit_direction(fv_matrix positions, int target, double *s) {
    double square = 0;
    for (int c = 0; c < positions.cols; c++) {
        double mean = 0;
        for (int r = 0; r < positions.rows; r++)
            if (r != target) mean += fv_matrix_at(positions, r, c) / (positions.rows - 1);
        s[c] = mean - fv_matrix_at(positions, target, c);
        square += s[c] * s[c];
    }
    for (int c = 0; c < positions.cols && square > 0; c++) s[c] /= sqrt(square);
    return square > 0;
}

// (s W_Q) . (s W_K)
static double circuit(fv_matrix q, fv_matrix k, const double *s) {
    double sum = 0;
    for (int j = 0; j < q.cols; j++)
        sum += dot_row(fv_matrix_transposed(q), j, s) * dot_row(fv_matrix_transposed(k), j, s);
    return sum;
}

fv_status fv_measure_separation(const fv_model *model, const float *params, int step,
                                fv_record *record, fv_error *error) {
    const fv_tensor *pos = fv_model_tensor(model, "pos_embed.W_pos");
    const fv_tensor *q = fv_model_tensor(model, "blocks.0.attn.W_Q");
    const fv_tensor *k = fv_model_tensor(model, "blocks.0.attn.W_K");
    if (pos == NULL || q == NULL || k == NULL || pos->shape[0] < 2) return FV_OK;
    fv_matrix positions = fv_matrix_of_tensor(pos, params);
    int target = target_of(&fv_model_config_of(model)->task);
    double *s = malloc((size_t)positions.cols * sizeof *s), others = INFINITY;
    if (s == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for a separation direction");
    fv_status status = FV_OK;
    if (fit_direction(positions, target, s)) {
        for (int r = 0; r < positions.rows; r++)
            if (r != target) others = fmin(others, dot_row(positions, r, s));
        const struct {
            const char *name;
            double value;
        } found[] = {{"target", dot_row(positions, target, s)},
                     {"others", others},
                     {"circuit",
                      circuit(fv_matrix_of_tensor(q, params), fv_matrix_of_tensor(k, params), s)}};
        for (int i = 0; i < 3 && status == FV_OK; i++)
            status = fv_probe_add(record, "separation", found[i].name, step, found[i].value, error);
    }
    free(s);
    return status;
}
