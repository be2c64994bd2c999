#include "train/embeddings.h"

#include <stdlib.h>
#include <string.h>

fv_status embeddings_create(const fv_model *model, train_embeddings *e, fv_error *error) {
    *e = (train_embeddings){.model = model, .kind = model->config.model.embedding};
    if (e->kind == FV_EMBEDDING_LEARNED || e->kind == FV_EMBEDDING_FIXED ||
        e->kind == FV_EMBEDDING_DIRECT)
        return FV_OK;
    while (strcmp(model->tensors[e->tensor].name, "embed.W_E") != 0) e->tensor++;
    size_t size = model->tensors[e->tensor].size;
    e->values = malloc(size * sizeof *e->values);
    e->learned = malloc(size * sizeof *e->learned);
    if (e->values && e->learned) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for changing embeddings");
}

void embeddings_free(train_embeddings *e) {
    free(e->values);
    free(e->learned);
    *e = (train_embeddings){0};
}

void embeddings_before(train_embeddings *e, int step, real *params) {
    if (e->values == NULL) return;
    const fv_tensor *tensor = &e->model->tensors[e->tensor];
    const fv_config *config = &e->model->config;
    real *table = params + tensor->offset;
    uint64_t seed = (uint64_t)config->train.seed;
    if (e->kind == FV_EMBEDDING_RESAMPLED) {
        model_init_tensor(e->model, e->tensor, seed, (uint32_t)step + 1, e->values);
        for (size_t i = 0; i < tensor->size; i++) table[i] = e->values[i];
        return;
    }
    random_source random;
    random_init(&random, seed, FV_STREAM_INIT, (uint32_t)e->tensor, (uint32_t)step + 1);
    memcpy(e->learned, table, tensor->size * sizeof *table);
    for (size_t i = 0; i < tensor->size; i++)
        table[i] += (real)(config->model.embedding_noise * random_normal(&random));
}

void embeddings_after(train_embeddings *e, real *params) {
    if (e->kind != FV_EMBEDDING_NOISY || e->learned == NULL) return;
    const fv_tensor *tensor = &e->model->tensors[e->tensor];
    memcpy(params + tensor->offset, e->learned, tensor->size * sizeof *e->learned);
}
