#include "train/embeddings.h"

#include <stdlib.h>
#include <string.h>

fv_status fv_embeddings_create(const fv_model *model, fv_embeddings *e, fv_error *error) {
    *e = (fv_embeddings){.model = model, .kind = model->config.model.embedding};
    if (e->kind == FV_EMBEDDING_LEARNED || e->kind == FV_EMBEDDING_FIXED) return FV_OK;
    while (strcmp(model->tensors[e->tensor].name, "embed.W_E") != 0) e->tensor++;
    size_t size = model->tensors[e->tensor].size;
    e->values = malloc(size * sizeof *e->values);
    e->learned = malloc(size * sizeof *e->learned);
    if (e->values && e->learned) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for changing embeddings");
}

void fv_embeddings_free(fv_embeddings *e) {
    free(e->values);
    free(e->learned);
    *e = (fv_embeddings){0};
}

void fv_embeddings_before(fv_embeddings *e, int step, real *params) {
    if (e->values == NULL) return;
    const fv_tensor *tensor = &e->model->tensors[e->tensor];
    const fv_config *config = &e->model->config;
    real *table = params + tensor->offset;
    uint64_t seed = (uint64_t)config->train.seed;
    if (e->kind == FV_EMBEDDING_RESAMPLED) {
        fv_model_init_tensor(e->model, e->tensor, seed, (uint32_t)step + 1, e->values);
        for (size_t i = 0; i < tensor->size; i++) table[i] = e->values[i];
        return;
    }
    fv_random random;
    fv_random_init(&random, seed, FV_STREAM_INIT, (uint32_t)e->tensor, (uint32_t)step + 1);
    memcpy(e->learned, table, tensor->size * sizeof *table);
    for (size_t i = 0; i < tensor->size; i++)
        table[i] += (real)(config->model.embedding_noise * fv_random_normal(&random));
}

void fv_embeddings_after(fv_embeddings *e, real *params) {
    if (e->kind != FV_EMBEDDING_NOISY || e->learned == NULL) return;
    const fv_tensor *tensor = &e->model->tensors[e->tensor];
    memcpy(params + tensor->offset, e->learned, tensor->size * sizeof *e->learned);
}
