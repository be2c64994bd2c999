// Probes of the embeddings: "effective_dimension.embed.W_E", "embedding_norm.pos_embed.W_pos", ...
#include "probes/probes.h"
#include "probes/tensors.h"

#include <math.h>

typedef fv_status (*matrix_measure)(fv_matrix a, double *value, fv_error *error);

static fv_status measure_embeddings(const fv_model *model, const float *params, int step,
                                    const char *probe, matrix_measure measure, fv_record *record,
                                    fv_error *error) {
    static const char *const names[] = {"embed.W_E", "pos_embed.W_pos"};
    for (int i = 0; i < 2; i++) {
        const fv_tensor *tensor = fv_model_tensor(model, names[i]);
        if (tensor == NULL) continue;
        double value = NAN;
        fv_status status = measure(fv_matrix_of_tensor(tensor, params), &value, error);
        if (status != FV_OK) return status;
        status = fv_probe_add(record, probe, names[i], step, value, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

static fv_status mean_square_norm(fv_matrix a, double *norm, fv_error *error) {
    (void)error;
    double sum = 0;
    for (int r = 0; r < a.rows; r++)
        for (int c = 0; c < a.cols; c++) sum += fv_matrix_at(a, r, c) * fv_matrix_at(a, r, c);
    *norm = sqrt(sum / a.rows);
    return FV_OK;
}

fv_status fv_measure_effective_dimension(const fv_model *model, const float *params, int step,
                                         fv_record *record, fv_error *error) {
    return measure_embeddings(model, params, step, "effective_dimension", fv_effective_dimension,
                              record, error);
}

fv_status fv_measure_embedding_norm(const fv_model *model, const float *params, int step,
                                    fv_record *record, fv_error *error) {
    return measure_embeddings(model, params, step, "embedding_norm", mean_square_norm, record,
                              error);
}
