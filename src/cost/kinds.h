// The kinds of parts that models are made of, and the formulas of their costs: one layer, one
// sequence.
//
// Sources and conventions. A multiply-add is two FLOPs. Scores and weighted values: one each per
// pair of a query and a key, head and dimension. Backward is twice forward, and one more product of
// the scores where they are computed again (tiled attention: 3.5 times forward in all). The
// selective scan: 9 operations per channel and state (Gu, state-spaces/mamba #110), Mamba-2's
// recurrence 5. Latent attention decodes from its compressed cache: the up-projections move to the
// query and the output, which changes no product's size (DeepSeek-V2, section 2.1.2).
#ifndef COST_KINDS_H
#define COST_KINDS_H

#include <stdint.h>

// X(name, meaning). The names that formulas use. First what a config.json says, then what follows
// from it and the setting.
#define COST_DIMENSION_LIST(X)                                                                     \
    X(vocab, "tokens in the vocabulary")                                                           \
    X(width, "of the residual stream (hidden_size)")                                               \
    X(input, "width of what a map reads: the residual stream's, or twice that (zamba2)")           \
    X(positions, "rows of a learned positional table")                                             \
    X(untied, "1 where the unembedding has a matrix of its own, 0 where it is the embedding's")    \
    X(vectors, "biases, norms and the like")                                                       \
    X(heads, "query heads")                                                                        \
    X(kv_heads, "heads of keys and values")                                                        \
    X(head_dim, "width of a head")                                                                 \
    X(window, "keys that a query sees at most; 0: all")                                            \
    X(query_rank, "latent attention: width of the compressed query; 0: not compressed")            \
    X(query_input, "latent attention: width that queries are made from")                           \
    X(kv_rank, "latent attention: width of the compressed key and value")                          \
    X(rope, "latent attention: width of the rotary part of a key")                                 \
    X(nope, "latent attention: width of the rest of a key")                                        \
    X(value_dim, "latent attention: width of a value")                                             \
    X(matrices, "of an MLP: 3 with a gate, otherwise 2")                                           \
    X(hidden, "inner width of an MLP")                                                             \
    X(experts, "in a layer")                                                                       \
    X(active, "experts that a token is sent to")                                                   \
    X(expert_hidden, "inner width of an expert")                                                   \
    X(shared_hidden, "inner width of the experts that every token meets")                          \
    X(inner, "channels of a state space layer")                                                    \
    X(state_size, "numbers in a channel's state")                                                  \
    X(conv, "taps of the causal convolution")                                                      \
    X(rank, "of a low-rank map")                                                                   \
    X(groups, "of B and C in Mamba-2")                                                             \
    X(ssm_heads, "heads of Mamba-2")

#define COST_DERIVED_LIST(X)                                                                       \
    X(tokens, "context length")                                                                    \
    X(cache_bytes, "of a number in the KV cache")                                                  \
    X(state_bytes, "of a number in the recurrent state")                                           \
    X(pairs, "of a query and a key that it sees")                                                  \
    X(keys, "that the last token sees: the context, or the window where that is shorter")          \
    X(paged_tokens, "the context in whole pages")                                                  \
    X(paged_keys, "the window in whole pages and one more, as it moves; at most paged_tokens")     \
    X(recompute, "1 where training computes scores a second time")

typedef struct cost_dims {
#define COST_MEMBER(name, meaning) uint64_t name;
    COST_DIMENSION_LIST(COST_MEMBER)
#undef COST_MEMBER
} cost_dims;

// X(NAME, "text", weights, parameters, decode, prefill, training, cache, cache_paged, cache_full,
// state), in the order of FV_COST_LIST; the name of an earlier quantity stands for its value.
// clang-format off
#define COST_KIND_LIST(X)                                                                          \
    X(EMBEDDING, "embedding",                                                                      \
      "0", "(vocab + positions) * width", "0", "0", "0", "0", "0", "0", "0")                       \
    X(ATTENTION, "attention",                                                                      \
      "input * heads * head_dim + 2 * input * kv_heads * head_dim + heads * head_dim * width",     \
      "weights + vectors",                                                                         \
      "2 * weights + 4 * heads * head_dim * keys",                                                 \
      "2 * weights * tokens + 4 * heads * head_dim * pairs",                                       \
      "3 * prefill + recompute * 2 * heads * head_dim * pairs",                                    \
      "2 * kv_heads * head_dim * cache_bytes * keys",                                              \
      "2 * kv_heads * head_dim * cache_bytes * paged_keys",                                        \
      "2 * kv_heads * head_dim * cache_bytes * paged_tokens",                                      \
      "0")                                                                                         \
    X(LATENT, "latent attention",                                                                  \
      "width * query_rank + query_input * heads * (nope + rope) + width * (kv_rank + rope) + "     \
      "kv_rank * heads * (nope + value_dim) + heads * value_dim * width",                          \
      "weights + vectors",                                                                         \
      "2 * weights + 2 * heads * (2 * kv_rank + rope) * keys",                                     \
      "2 * weights * tokens + 2 * heads * (nope + rope + value_dim) * pairs",                      \
      "3 * prefill + recompute * 2 * heads * (nope + rope) * pairs",                               \
      "(kv_rank + rope) * cache_bytes * keys",                                                     \
      "(kv_rank + rope) * cache_bytes * paged_keys",                                               \
      "(kv_rank + rope) * cache_bytes * paged_tokens",                                             \
      "0")                                                                                         \
    X(MLP, "mlp",                                                                                  \
      "matrices * width * hidden", "weights + vectors",                                            \
      "2 * weights", "tokens * decode", "3 * prefill", "0", "0", "0", "0")                         \
    X(EXPERTS, "experts",                                                                          \
      "width * experts + matrices * width * (active * expert_hidden + shared_hidden)",             \
      "width * experts + matrices * width * (experts * expert_hidden + shared_hidden) + vectors",  \
      "2 * weights", "tokens * decode", "3 * prefill", "0", "0", "0", "0")                         \
    X(LINEAR, "linear",                                                                            \
      "input * width", "weights",                                                                  \
      "2 * weights", "tokens * decode", "3 * prefill", "0", "0", "0", "0")                         \
    X(ADAPTER, "adapter",                                                                          \
      "width * rank + rank * 2 * hidden", "weights",                                               \
      "2 * weights", "tokens * decode", "3 * prefill", "0", "0", "0", "0")                         \
    X(MAMBA, "mamba",                                                                              \
      "2 * width * inner + inner * (rank + 2 * state_size) + rank * inner + inner * width",        \
      "weights + inner * (conv + state_size + 2) + vectors",                                       \
      "2 * weights + 2 * inner * conv + 9 * inner * state_size",                                   \
      "tokens * decode", "3 * prefill", "0", "0", "0",                                             \
      "inner * (conv + state_size) * state_bytes")                                                 \
    X(MAMBA2, "mamba-2",                                                                           \
      "width * (2 * inner + 2 * groups * state_size + ssm_heads) + inner * width",                 \
      "weights + (inner + 2 * groups * state_size) * conv + 3 * ssm_heads + inner + vectors",      \
      "2 * weights + 2 * (inner + 2 * groups * state_size) * conv + 5 * inner * state_size",       \
      "tokens * decode", "3 * prefill", "0", "0", "0",                                             \
      "((inner + 2 * groups * state_size) * conv + inner * state_size) * state_bytes")             \
    X(UNEMBEDDING, "unembedding",                                                                  \
      "width * vocab", "untied * weights + vectors",                                               \
      "2 * weights", "decode", "6 * weights * tokens", "0", "0", "0", "0")
// clang-format on

typedef enum cost_kind {
#define COST_KIND_ENUM(NAME, ...) COST_##NAME,
    COST_KIND_LIST(COST_KIND_ENUM)
#undef COST_KIND_ENUM
        COST_KIND_COUNT
} cost_kind;

#endif
