// Probes of the embeddings: "effective_dimension.embed.W_E", "embedding_norm.pos_embed.W_pos", ...
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>

typedef fv_status (*matrix_measure)(probe_matrix a, double *value, fv_error *error);

static fv_status measure_embeddings(const fv_probe_view *view, const char *probe,
                                    matrix_measure measure, fv_record *record, fv_error *error) {
    static const char *const names[] = {"embed.W_E", "pos_embed.W_pos"};
    for (int i = 0; i < 2; i++) {
        const fv_tensor *tensor = fv_model_tensor(view->model, names[i]);
        if (tensor == NULL) continue;
        double value = NAN;
        fv_status status = measure(matrix_of_tensor(tensor, view->params), &value, error);
        if (status != FV_OK) return status;
        status = probe_add(record, probe, names[i], view->step, value, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

static fv_status mean_square_norm(probe_matrix a, double *norm, fv_error *error) {
    (void)error;
    double sum = 0;
    for (int r = 0; r < a.rows; r++)
        for (int c = 0; c < a.cols; c++) sum += matrix_at(a, r, c) * matrix_at(a, r, c);
    *norm = sqrt(sum / a.rows);
    return FV_OK;
}

static fv_status measure_dimension(const fv_probe_view *view, fv_record *record, fv_error *error) {
    return measure_embeddings(view, "effective_dimension", linalg_effective_dimension, record,
                              error);
}

const fv_probe probe_effective_dimension = {
    .name = "effective_dimension",
    .help = "effective dimension of each embedding: exp of the entropy of its PCA "
            "explained-variance ratios",
    .measure = measure_dimension,
};

static fv_status measure_norm(const fv_probe_view *view, fv_record *record, fv_error *error) {
    return measure_embeddings(view, "embedding_norm", mean_square_norm, record, error);
}

const fv_probe probe_embedding_norm = {
    .name = "embedding_norm",
    .help = "root mean square length of each embedding's rows",
    .measure = measure_norm,
};
