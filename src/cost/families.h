// Reading a config.json: each family of models is a row of a table (cost_families.c) with its
// reader and what distinguishes it from others with the same reader.
#ifndef COST_FAMILIES_H
#define COST_FAMILIES_H

#include "cost/config.h"
#include "cost/model.h"

// Which layers attend within a sliding window, where config.json has no layer_types.
typedef enum cost_sliding {
    SLIDES_NONE,
    SLIDES_ALL,     // every layer, where sliding_window is set (mistral)
    SLIDES_UPPER,   // from max_window_layers on, where use_sliding_window is true (qwen)
    SLIDES_PATTERN, // all but every `pattern`-th layer (gemma, gpt_oss)
} cost_sliding;

typedef enum cost_mixture {
    MIXTURE_NONE,
    MIXTURE_MIXTRAL, // num_local_experts of intermediate_size
    MIXTURE_QWEN,    // num_experts of moe_intermediate_size, some layers dense
    MIXTURE_GPT_OSS, // num_local_experts, with biases
} cost_mixture;

// What transformer families do where their config.json says nothing.
typedef struct cost_traits {
    bool tied;     // tie_word_embeddings
    bool qkv_bias; // biases of queries, keys and values, always
    bool bias;     // attention_bias: those and the output's
    bool qk_norm;  // norms of queries and keys, one weight a dimension of a head
    bool sandwich; // a norm behind each part too
    bool sinks;    // one learned number a head
    cost_sliding sliding;
    cost_mixture mixture;
    int pattern, heads, kv_heads, head_dim, vocab; // 0: no default
} cost_traits;

typedef struct cost_family {
    const char *name;
    // Fills the model from the config; what is missing or wrong is noted there.
    void (*read)(cost_config *config, const cost_traits *traits, fv_cost_model *model);
    cost_traits traits;
} cost_family;

void cost_read_transformer(cost_config *config, const cost_traits *traits, fv_cost_model *model);
void cost_read_gpt2(cost_config *config, const cost_traits *traits, fv_cost_model *model);
void cost_read_deepseek(cost_config *config, const cost_traits *traits, fv_cost_model *model);
void cost_read_mamba(cost_config *config, const cost_traits *traits, fv_cost_model *model);
void cost_read_jamba(cost_config *config, const cost_traits *traits, fv_cost_model *model);
void cost_read_zamba2(cost_config *config, const cost_traits *traits, fv_cost_model *model);

// Begins a model of n_layers blocks: its layer 0 is the embedding, the blocks are 1 to n_layers.
// False (noted) where that is too many.
bool cost_begin(cost_config *config, fv_cost_model *model, uint64_t n_layers);

// Adds a part to a layer; too many parts are noted.
void cost_add(cost_config *config, fv_cost_model *model, uint64_t layer, cost_kind kind,
              cost_dims dims, uint64_t n_copies);

// Adds embedding and unembedding around the blocks.
void cost_add_ends(cost_config *config, fv_cost_model *model, cost_dims dims, bool tied);

// num_attention_heads, num_key_value_heads and the width of a head, which `key` gives where heads
// do not simply share dims->input; checked to fit each other.
void cost_read_heads(cost_config *config, const cost_traits *traits, const char *key,
                     cost_dims *dims);

// A token cannot be sent to more experts than there are.
void cost_check_experts(cost_config *config, const cost_dims *dims);

#endif
