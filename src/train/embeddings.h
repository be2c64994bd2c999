// Token embeddings that change from step to step: drawn anew, or under noise.
#ifndef TRAIN_EMBEDDINGS_H
#define TRAIN_EMBEDDINGS_H

#include "model/layers.h"

typedef struct fv_embeddings {
    const fv_model *model;
    int kind;      // FV_EMBEDDING_*
    int tensor;    // index of embed.W_E
    float *values; // [V][d], resampled: drawn for the step
    real *learned; // [V][d], noisy: what the noise was added to
} fv_embeddings;

fv_status fv_embeddings_create(const fv_model *model, fv_embeddings *embeddings, fv_error *error);
void fv_embeddings_free(fv_embeddings *embeddings);

// Changes the embeddings in params for the given step, and takes noise off again after it.
void fv_embeddings_before(fv_embeddings *embeddings, int step, real *params);
void fv_embeddings_after(fv_embeddings *embeddings, real *params);

#endif
