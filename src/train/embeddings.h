// Token embeddings that change from step to step: drawn anew, or under noise.
#ifndef TRAIN_EMBEDDINGS_H
#define TRAIN_EMBEDDINGS_H

#include "model/layers.h"

typedef struct train_embeddings {
    const fv_model *model;
    int kind;      // FV_EMBEDDING_*
    int tensor;    // index of embed.W_E
    float *values; // [V][d], resampled: drawn for the step
    real *learned; // [V][d], noisy: what the noise was added to
} train_embeddings;

fv_status embeddings_create(const fv_model *model, train_embeddings *embeddings, fv_error *error);
void embeddings_free(train_embeddings *embeddings);

// Changes the embeddings in params for the given step, and takes noise off again after it.
void embeddings_before(train_embeddings *embeddings, int step, real *params);
void embeddings_after(train_embeddings *embeddings, real *params);

#endif
