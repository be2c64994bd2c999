// The activations of a model on sequences, under TransformerLens's names: a cache, as its
// run_with_cache returns one, that keeps what was asked for and no more.
//
//   embed             hook_embed, hook_pos_embed                                   [T][d]
//   blocks.{l}.       hook_resid_pre, hook_resid_mid, hook_resid_post              [T][d]
//                     ln1.hook_scale, ln2.hook_scale                               [T][1]
//                     ln1.hook_normalized, ln2.hook_normalized                     [T][d]
//                     attn.hook_q, .hook_k, .hook_v, .hook_z                       [T][H][d_head]
//                     attn.hook_pattern                                            [H][T][T]
//                     attn.hook_select_dense, .hook_select_kept                      [H][T][T]
//                     attn.hook_result                                             [T][H][d]
//                     hook_attn_out, hook_mlp_out                                  [T][d]
//                     mlp.hook_pre, mlp.hook_pre_linear, mlp.hook_post             [T][d_mlp]
//   ln_final.         hook_scale, hook_normalized                                  [T][1], [T][d]
//   logits                                                                         [T][V]
//
// T positions, d n_embd, H heads, V vocabulary; a pattern is [query][key]. Blocks are counted as in
// a checkpoint (docs/checkpoints.md): an attention begins a block, and so does an mlp that follows
// an mlp; what a block lacks has no name. docs/probes.md has the names of the layers that
// TransformerLens does not know.
#ifndef FOVEA_ACTIVATION_CACHE_H
#define FOVEA_ACTIVATION_CACHE_H

#include <fovea/model.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

// One activation of one sequence: values [shape[0]] ... [shape[n_dims - 1]], row-major.
typedef struct fv_hook {
    char name[48]; // "blocks.0.attn.hook_pattern"
    int n_dims;
    int shape[3];
    size_t size; // the product of the shape
    // fv_activations_create_replacing takes it: the stream, attn.hook_q, _k, _v, _pattern and _z, mlp.hook_pre,
    // _pre_linear and _post, and what a layer adds where no norm stands behind it.
    bool replaceable;
} fv_hook;

// All activations that the model has, in the order in which a forward pass computes them: *n of
// them, malloc; the caller frees them. Fails only with FV_NO_MEMORY.
FV_API fv_status fv_hooks_list(const fv_model *model, fv_hook **hooks, int *n, fv_error *error);

// The positions of which a cache has rows.
typedef enum fv_rows_kept {
    FV_KEEP_ALL_POSITIONS,
    // Those that the loss reads (fv_model_loss_positions), computed as in training, where all else
    // is left out: T above counts these, and only ln_final and logits can be asked for.
    FV_KEEP_LOSS_POSITIONS,
} fv_rows_kept;

typedef struct fv_activations fv_activations;

// A cache for at most n_sequences at a time of what `names` [n_names] name; each is a name or a
// shell pattern (blocks.*.attn.hook_pattern). Takes 4 bytes for every value of every sequence and
// one tile's workspace (at most some 256 KB, more where sixteen sequences need more), and nothing
// more while it is filled. The model must outlive it. FV_USAGE, with the nearest name, where
// nothing is called so.
FV_API fv_status fv_activations_create(const fv_model *model, const char *const *names, int n_names,
                                       fv_rows_kept rows, int n_sequences,
                                       fv_activations **activations, fv_error *error);
FV_API void fv_activations_free(fv_activations *activations);

// Called during a forward pass for each activation that is replaced, in the order of the pass: `values`
// [n][hook's shape] are those of all sequences, and what the call leaves there is what later layers read. A
// pattern may give weight to keys that a query does not see; the other activations have what it left.
typedef void (*fv_activation_edit)(void *context, const fv_hook *hook, int n, float *values);

typedef struct fv_replacing {
    const char *const *names; // [n_names], names or shell patterns
    int n_names;
    fv_activation_edit function;
    void *context;
} fv_replacing;

// A cache of all positions whose forward passes replace activations: those that `replacing` names and that can
// be replaced. All sequences pass at once, so that memory is that of a forward pass of all of them. Attention
// keeps its patterns, whatever the context's length. FV_USAGE for names of what there is not, and of what is
// only shown. Values that are left as they are change nothing but rounding.
FV_API fv_status fv_activations_create_replacing(const fv_model *model, const char *const *names,
                                                 int n_names, int n_sequences,
                                                 const fv_replacing *replacing,
                                                 fv_activations **activations, fv_error *error);

// Fills the cache by one forward pass of tokens [n][T], n <= n_sequences, up to the last layer that
// is asked for; overwrites what was there. Values do not depend on n or on what else is kept.
// Caches of several threads are independent; one cache belongs to one thread at a time.
FV_API void fv_activations_fill(fv_activations *activations, const float *params,
                                const int32_t *tokens, int n);

// What the cache keeps: how many, and the i-th, in the order of fv_hooks_list.
FV_API int fv_activations_n(const fv_activations *activations);
FV_API const fv_hook *fv_activations_kept(const fv_activations *activations, int i);

// The values of the last fill, [n][hook's shape], of the i-th that is kept, or of a name; NULL
// where the name is not kept.
FV_API const float *fv_activations_at(const fv_activations *activations, int i);
FV_API const float *fv_activations_get(const fv_activations *activations, const char *name);

// Writes the last fill as F32 safetensors, each tensor [n][hook's shape] under its name; the first
// sequence's tokens are in __metadata__ as "tokens": "1,2,3". The file appears whole or not at all.
FV_API fv_status fv_activations_write(const fv_activations *activations, const char *path,
                                      const int32_t *tokens, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
