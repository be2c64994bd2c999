// Families of models: each is a file in families/ with one descriptor, and one line of the list
// there. A descriptor says under which names files know the family, what the library's class has
// where a file says nothing, and how the model is put together.
#ifndef COST_FAMILIES_H
#define COST_FAMILIES_H

#include "cost/config.h"
#include "cost/counts.h"
#include "cost/families/list.h"

// Of the model_type that the file is called after.
typedef struct cost_family {
    const char *others; // further names, a blank between them: of wrappers and of parts of wrappers
    const char *source; // the class of the defaults
    const cost_default *defaults;
    // Fills the model from the config; what is missing or wrong is noted there.
    void (*read)(cost_config *config, fv_cost_model *model);
    // Another one that it is but for what stands here: its reader, its class, the defaults that
    // differ. NULL: none.
    const struct cost_family *like;
    bool even_heads; // its class refuses heads that do not share the width evenly
} cost_family;

#define COST_DECLARE_FAMILY(name) extern const cost_family cost_family_##name;
COST_FAMILY_LIST(COST_DECLARE_FAMILY)
#undef COST_DECLARE_FAMILY

// Of that name, or one of its others, and what it is called; NULL. What its descriptor lacks; NULL:
// nothing.
const cost_family *cost_family_find(const char *name, const char **called);
const char *cost_family_lacks(const cost_family *family);
const char *cost_family_nearest(const char *name); // in spelling

// What the family has and those that it is like: asks the config for its class and defaults, and
// reads the model.
void cost_family_read(const cost_family *family, cost_config *config, fv_cost_model *model);

// --- what readers share (blocks.c) -------------------------------------------------------------

// What every reader begins with: hidden_size, vocab_size and num_hidden_layers.
typedef struct cost_stack {
    uint64_t width, vocab, n;
    bool ready;              // there are layers to fill
    bool never_tied;         // whatever tie_word_embeddings says, as in some classes of the library
    uint8_t *kinds, *others; // [n], zero, for the reader's use
} cost_stack;

// Begins a model; its layer 0 is the embedding, the blocks are 1 to n. Free with cost_stack_end.
cost_stack cost_stack_begin(cost_config *config, fv_cost_model *model);
cost_stack cost_stack_of(cost_config *config, fv_cost_model *model, uint64_t width, uint64_t vocab,
                         uint64_t n);

// Embedding and unembedding around the blocks, tied as tie_word_embeddings says; `end` holds what
// the last norm has beside the width.
void cost_stack_end(cost_config *config, fv_cost_model *model, cost_stack *stack,
                    cost_dims embedding, cost_dims end);

// The same with one weight of the last norm for each of the width.
void cost_stack_end_plain(cost_config *config, fv_cost_model *model, cost_stack *stack);

// Adds a part to block i, from 0; too many parts are noted.
void cost_add(cost_config *config, fv_cost_model *model, uint64_t i, cost_kind kind, cost_dims dims,
              uint64_t n_copies);

// num_attention_heads, num_key_value_heads and the width of a head, which `head_dim` names, checked
// to fit each other. Where it is NULL or none, heads share `shared`.
void cost_read_heads(cost_config *config, const char *head_dim, uint64_t shared, cost_dims *dims);

// Biases of queries, keys and values, and of the output, where the flags say so: NULL never,
// "" always.
uint64_t cost_attention_biases(cost_config *config, const char *qkv, const char *output,
                               const cost_dims *dims);
uint64_t cost_qk_norms(const cost_dims *dims); // a weight for each of a head, of both

// An MLP of the stack's width; `bias` as above.
cost_dims cost_mlp(cost_config *config, const cost_stack *stack, uint64_t matrices, uint64_t hidden,
                   const char *bias);

// The keys of a mixture of experts.
typedef struct cost_mixture_keys {
    const char *experts, *active, *hidden;
} cost_mixture_keys;
cost_dims cost_mixture(cost_config *config, const cost_stack *stack, cost_mixture_keys keys);

// Experts where stack->others says so, MLPs of intermediate_size in the other layers.
void cost_add_mlps(cost_config *config, fv_cost_model *model, cost_stack *stack, cost_dims mixture,
                   const char *bias);

// The same, where stack->others follows from decoder_sparse_step and mlp_only_layers (Qwen), from
// first_k_dense_replace (DeepSeek), or from mlp_layer_types and the latter.
void cost_add_sparse_mlps(cost_config *config, fv_cost_model *model, cost_stack *stack,
                          cost_dims mixture);
void cost_add_first_dense(cost_config *config, fv_cost_model *model, cost_stack *stack,
                          cost_dims mixture, const char *bias);
void cost_add_typed_mlps(cost_config *config, fv_cost_model *model, cost_stack *stack,
                         cost_dims mixture);

// sliding_window: 0 where it is none, null or 0.
uint64_t cost_window(cost_config *config, const char *key);

// stack->kinds[i] = 1 where layer i slides: as layer_types says, otherwise all but every
// `pattern`-th, which `key` gives where it is not NULL.
void cost_slides(cost_config *config, cost_stack *stack, const char *key, uint64_t pattern);

// Adds the attention to every block, with the window where stack->kinds says so.
void cost_add_attention(cost_config *config, fv_cost_model *model, const cost_stack *stack,
                        cost_kind kind, cost_dims dims, uint64_t window);

// --- what several families are (transformers.c, latents.c, state_spaces.c) ---------------------

typedef enum cost_sliding {
    SLIDES_NEVER,
    SLIDES_ALWAYS, // every layer, where sliding_window is set
    SLIDES_UPPER,  // from max_window_layers on, where use_sliding_window is true (qwen)
    SLIDES_BUT,    // all but every `pattern`-th layer, or as layer_types says
} cost_sliding;

// A transformer whose blocks are one attention and one MLP.
typedef struct cost_traits {
    const char *qkv_bias, *output_bias, *mlp_bias; // flags; NULL never, "" always
    bool qk_norm;       // of queries and keys, one weight for each of a head
    bool whole_qk_norm; // one weight for each of all heads
    bool sinks;         // one learned number a head
    bool plain;         // an MLP of two matrices
    bool no_head_dim;   // heads share the width, whatever head_dim
    bool head_bias;     // a bias of the logits
    uint64_t attention_norms, mlp_norms, end_norms; // weights and biases for each of the width
    cost_sliding sliding;
    uint64_t pattern;
} cost_traits;

// The attention of such a block; sets stack->kinds and *window.
cost_dims cost_transformer_attention(cost_config *config, cost_stack *stack,
                                     const cost_traits *traits, uint64_t *window);

// Those of Llama and of Qwen2, which others keep to.
extern const cost_traits cost_llama_traits, cost_qwen2_traits;

// The rest of such a model behind an attention that the family has changed; `more` are weights of
// the MLP beside its own.
void cost_read_blocks(cost_config *config, fv_cost_model *model, cost_stack *stack,
                      const cost_traits *traits, cost_dims attention, uint64_t window,
                      uint64_t more);

// The whole model.
void cost_read_transformer(cost_config *config, fv_cost_model *model, const cost_traits *traits);

// A transformer with a mixture of experts in every layer, or where decoder_sparse_step and
// mlp_only_layers say so, and MLPs in the others.
typedef struct cost_mixture_traits {
    cost_traits attention;
    cost_mixture_keys keys;
    bool shared_like_one; // an MLP as wide as an expert beside them
    bool routing_bias;    // the library keeps biases that choose experts as buffers
    bool sparse;          // not in every layer
} cost_mixture_traits;
extern const cost_mixture_traits cost_qwen3_moe_traits;
void cost_read_mixtures(cost_config *config, fv_cost_model *model,
                        const cost_mixture_traits *traits);

// The same of an attention that the family has made, with its window.
void cost_read_mixtures_behind(cost_config *config, fv_cost_model *model, cost_stack *stack,
                               const cost_mixture_traits *traits, cost_dims attention,
                               uint64_t window);

// The attention of a layer that reads the keys of an earlier one: without their maps and norm.
cost_dims cost_reading(cost_config *config, cost_dims attention);

// Latent attention as DeepSeek has it, with the layer's norm; its mixture of experts, without its
// norm; and n_shared_experts of it.
cost_dims cost_latent(cost_config *config, const cost_stack *stack);
cost_dims cost_deepseek_mixture(cost_config *config, const cost_stack *stack);
void cost_read_shared(cost_config *config, cost_dims *mixture);

// The mixture of Qwen2-MoE and later: its norm, and a shared expert with a gate.
cost_dims cost_qwen_mixture(cost_config *config, const cost_stack *stack);

// DeepSeek-V3.2 and what keeps to it. `find` marks the layers, in stack->kinds, that take an
// earlier layer's picks; NULL: none does.
void cost_read_indexed(cost_config *config, fv_cost_model *model,
                       void (*find)(cost_config *config, cost_stack *stack));

// Gemma 4; `unified` ones have neither experts nor embeddings of each layer, whatever the file
// says.
void cost_read_gemma4(cost_config *config, fv_cost_model *model, bool unified);

// A gated delta rule or gated attention in every layer.
void cost_add_delta_and_attention(cost_config *config, fv_cost_model *model, cost_stack *stack);

// Tokens that transformers takes at once in delta rules: no field says so, its functions do.
enum { COST_DELTA_CHUNK = 64 };

// Mamba and Falcon-Mamba: the reader, and the defaults, which are the same.
extern const cost_default cost_mamba_defaults[];
void cost_read_mamba(cost_config *config, fv_cost_model *model);

// A rank that may be the text "auto": a sixteenth of the width, rounded up.
uint64_t cost_step_rank(cost_config *config, const char *key, uint64_t width);

// Whether a field that names a format for states says float32; `otherwise` where it says nothing.
bool cost_floats(cost_config *config, const char *key, bool otherwise);

// Mamba-2 of `inner` channels; checks that heads and groups divide. The channels of a head, where
// the class has them apart, must be a `heads`-th of the inner ones.
typedef struct cost_mamba2_keys {
    const char *state, *conv, *groups, *heads, *conv_bias, *maps_bias, *scan;
} cost_mamba2_keys;
cost_dims cost_mamba2(cost_config *config, const cost_stack *stack, uint64_t inner,
                      cost_mamba2_keys keys);

// What the file says of a head's channels must divide them; where it is not their share, a note
// says that the share counts.
void cost_check_mamba2_heads(cost_config *config, const cost_dims *dims, const char *key);

#endif
