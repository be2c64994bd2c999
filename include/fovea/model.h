// A model: the layout of its parameters, their initialisation, and its forward pass. Training is in
// train.h. Shapes: V vocabulary, T context length, d n_embd, H heads, d_head = d / H.
#ifndef FOVEA_MODEL_H
#define FOVEA_MODEL_H

#include <fovea/fields.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_model fv_model;

// One parameter tensor, row-major, inside the flat parameter array. Linear maps right-multiply:
// y = x W, W [in][out]. Names are TransformerLens's ("embed.W_E" [V][d], "pos_embed.W_pos" [T][d],
// "blocks.0.attn.W_Q" [d][H d_head], "blocks.0.attn.W_O" [H d_head][d], "unembed.W_U" [d][V], ...);
// the per-head shapes that TransformerLens expects are made on export.
typedef struct fv_tensor {
    char name[48];
    int n_dims;
    int shape[2];
    size_t offset, size; // in floats
} fv_tensor;

// Plans the model of a checked configuration. *model is freed with fv_model_free.
FV_API fv_status fv_model_create(const fv_config *config, fv_model **model, fv_error *error);
FV_API void fv_model_free(fv_model *model);

FV_API size_t fv_model_n_params(const fv_model *model);
FV_API const fv_tensor *fv_model_tensors(const fv_model *model, int *n);
FV_API const fv_tensor *fv_model_tensor(const fv_model *model, const char *name); // or NULL
FV_API const fv_config *fv_model_config_of(const fv_model *model);

// Those of its configuration that shape what comes out of a model: task.context_length T,
// task.vocab_size V, model.n_embd d and model.n_head H. Whoever asks no more needs no config.h.
typedef struct fv_model_sizes {
    int context_length, vocab_size, n_embd, n_head;
} fv_model_sizes;
FV_API fv_model_sizes fv_model_sizes_of(const fv_model *model);

// The sinusoidal table added to the token embeddings, [T][d], or NULL where there is none.
FV_API const float *fv_model_sinusoids(const fv_model *model);

// Draws the initial parameters of `seed` into params [n_params].
FV_API void fv_model_init_params(const fv_model *model, uint64_t seed, float *params);

// The positions whose predictions the task's loss reads, increasing; *n of them.
FV_API const int *fv_model_loss_positions(const fv_model *model, int *n);

// Forward pass of n sequences: tokens [n][T] -> logits [n][n_loss_positions][V]. Thread-safe; every
// call allocates its own workspace.
FV_API fv_status fv_model_logits(const fv_model *model, const float *params, const int32_t *tokens,
                                 int n, float *logits, fv_error *error);

// Attention patterns of n sequences: patterns [n][n_attention][H][T][T] (query, key), every row of
// a query adding up to 1 (but for the share of a sink, and with model.normaliser sigmoid), keys that
// it does not see or keep 0. n_attention counts the attention layers.
FV_API int fv_model_n_attention(const fv_model *model);
FV_API fv_status fv_model_patterns(const fv_model *model, const float *params,
                                   const int32_t *tokens, int n, float *patterns, fv_error *error);

// Test sequences of the model's task: tokens [n][T] and targets [n][n_loss_positions] (-1: none),
// drawn from the stream of `seed` that training never uses, starting at sequence `first`. Fails
// with FV_NO_MEMORY, and as custom tasks do (custom_task.h): FV_USAGE where the task is not known.
FV_API fv_status fv_model_test_data(const fv_model *model, uint64_t seed, uint64_t first, int n,
                                    int32_t *tokens, int32_t *targets);
// The same with the reason of a failure.
FV_API fv_status fv_model_test_sequences(const fv_model *model, uint64_t seed, uint64_t first,
                                         int n, int32_t *tokens, int32_t *targets, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
