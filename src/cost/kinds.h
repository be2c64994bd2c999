// The kinds of parts that models are made of, and the formulas of their costs: one layer, one
// sequence. The formulas themselves stand in kinds.c.
#ifndef COST_KINDS_H
#define COST_KINDS_H

#include <fovea/cost.h>

// X(name, meaning). The names that formulas use. First what a config.json says, then what follows
// from it and the setting.
#define COST_DIMENSION_LIST(X)                                                                     \
    X(vocab, "tokens in the vocabulary")                                                           \
    X(width, "of the residual stream (hidden_size)")                                               \
    X(input, "width of what a map reads: the residual stream's, or twice that (zamba)")            \
    X(output, "width of what a map writes")                                                        \
    X(positions, "rows of a learned positional table")                                             \
    X(untied, "1 where the unembedding has a matrix of its own, 0 where it is the embedding's")    \
    X(vectors, "biases, norms and the like")                                                       \
    X(heads, "query heads")                                                                        \
    X(kv_heads, "heads of keys and values")                                                        \
    X(head_dim, "width of a head")                                                                 \
    X(value_dim, "width of a value, where keys have another")                                      \
    X(window, "keys that a query sees at most; 0: all")                                            \
    X(chunk, "keys are seen within a chunk of so many tokens; 0: everywhere")                      \
    X(query_rank, "width of the compressed query; 0: not compressed")                              \
    X(query_input, "latent attention: width that queries are made from")                           \
    X(kv_rank, "latent attention: width of the compressed key and value")                          \
    X(rope, "latent attention: width of the rotary part of a key")                                 \
    X(nope, "latent attention: width of the rest of a key")                                        \
    X(output_rank, "compressed attention: width between the two maps behind it")                   \
    X(index_heads, "heads of the indexer")                                                         \
    X(index_dim, "width of an indexer's head")                                                     \
    X(topk, "entries that the indexer picks for a query")                                          \
    X(rate, "tokens in an entry of the compressed cache")                                          \
    X(matrices, "of an MLP: 3 with a gate, otherwise 2")                                           \
    X(hidden, "inner width of an MLP")                                                             \
    X(experts, "in a layer")                                                                       \
    X(choices, "outputs of the router: experts, and those that do nothing")                        \
    X(active, "experts that a token is sent to")                                                   \
    X(all_experts, "1 where transformers multiplies every expert with every token")                \
    X(expert_input, "width that an expert reads")                                                  \
    X(expert_hidden, "inner width of an expert")                                                   \
    X(expert_vectors, "biases of one expert")                                                      \
    X(shared_hidden, "inner width of the experts that every token meets")                          \
    X(shared_gate, "1 where the shared expert has a gate of its own")                              \
    X(routing_bias, "biases that only choose experts, and that the library keeps as buffers")      \
    X(inner, "channels of a recurrent layer")                                                      \
    X(state_size, "numbers in a channel's state")                                                  \
    X(conv, "taps of the causal convolution")                                                      \
    X(rank, "of a low-rank map")                                                                   \
    X(groups, "of B and C in Mamba-2")                                                             \
    X(scan, "tokens in a chunk in which transformers scans the context")                           \
    X(ssm_heads, "heads of a recurrent layer")                                                     \
    X(blocked, "1 where the maps to steps and states are blocks, a head each (zamba)")             \
    X(key_heads, "heads of keys in a delta rule")                                                  \
    X(key_dim, "width of a key in a delta rule")                                                   \
    X(float_state, "1 where vLLM keeps the state in 4 bytes, whatever the weights have")           \
    X(streams, "copies of the residual stream")                                                    \
    X(mixed, "of them that a layer writes anew; 0: one is made of all, behind the last")           \
    X(layers, "of the model")

#define COST_DERIVED_LIST(X)                                                                       \
    X(tokens, "context length")                                                                    \
    X(logits, "positions whose logits a forward pass computes")                                    \
    X(cache_bytes, "of a number in the KV cache")                                                  \
    X(latent_bytes, "of a token's compressed key and value in the cache")                          \
    X(index_bytes, "of a token's key of the indexer in the cache")                                 \
    X(state_bytes, "of a number in the recurrent state")                                           \
    X(pairs, "of a query and a key that it sees")                                                  \
    X(keys, "that the last token sees: the context, or the window where that is shorter")          \
    X(paged_tokens, "the context in whole pages")                                                  \
    X(paged_keys, "the window in whole pages and one more, as it moves; at most paged_tokens")     \
    X(entries, "of the compressed cache: tokens / rate")                                           \
    X(entry_pairs, "of a query and an entry before it")                                            \
    X(picked, "entries that the last token reads")                                                 \
    X(picked_pairs, "of a query and an entry that it reads")                                       \
    X(held_keys, "tokens of keys and values that the engine holds for this layer")                 \
    X(held_entries, "entries that the engine holds for this layer")                                \
    X(held_taps, "taps of a convolution that the engine holds")                                    \
    X(past_taps, "taps of a convolution that reach back: all but one")                             \
    X(chunks, "of `scan` tokens, the last one filled up")                                          \
    X(scan_pairs, "of two positions in one chunk, the last one not filled up")                     \
    X(held_state_bytes, "of a number in the state that the engine holds")                          \
    X(held_conv_bytes, "of a number in the convolution's state that the engine holds")             \
    X(state_padding, "bytes that fill a page that a state has for itself")                         \
    X(buffered, "numbers that wait for their entry to fill")                                       \
    X(idle, "experts that the engine multiplies a token with for nothing")                         \
    X(single, "experts of a token that the engine multiplies one by one")                          \
    X(together, "experts that the engine multiplies at once, with every token")                    \
    X(gates, "1 where an MLP has a gate, 0 where it is two matrices")                              \
    X(recompute, "1 where training computes scores a second time")

typedef struct cost_dims {
#define COST_MEMBER(name, meaning) uint64_t name;
    COST_DIMENSION_LIST(COST_MEMBER)
#undef COST_MEMBER
} cost_dims;

// X(NAME, "text").
#define COST_KIND_LIST(X)                                                                          \
    X(EMBEDDING, "embedding")                                                                      \
    X(LAYER_EMBEDDING, "embedding of each layer")                                                  \
    X(ATTENTION, "attention")                                                                      \
    X(GATED_ATTENTION, "gated attention")                                                          \
    X(SPLIT_ATTENTION, "attention with values of another width")                                   \
    X(KEY_ATTENTION, "attention whose values are its keys")                                        \
    X(READING_ATTENTION, "attention to an earlier layer's keys")                                   \
    X(FACTORED_ATTENTION, "attention with factored queries")                                       \
    X(LATENT, "latent attention")                                                                  \
    X(INDEXED_LATENT, "latent attention with an indexer")                                          \
    X(PICKING_LATENT, "latent attention to an earlier indexer's picks")                            \
    X(WINDOW_LATENT, "latent attention in a window")                                               \
    X(SPARSE_LATENT, "compressed sparse attention")                                                \
    X(HEAVY_LATENT, "heavily compressed attention")                                                \
    X(STREAMS, "hyper-connections")                                                                \
    X(MLP, "mlp")                                                                                  \
    X(EXPERTS, "experts")                                                                          \
    X(LATENT_EXPERTS, "experts of another width")                                                  \
    X(LINEAR, "linear")                                                                            \
    X(ADAPTER, "adapter")                                                                          \
    X(MIXED_STREAMS, "altup")                                                                      \
    X(MAMBA, "mamba")                                                                              \
    X(MAMBA2, "mamba-2")                                                                           \
    X(DELTA, "gated delta rule")                                                                   \
    X(KDA, "delta rule with gates a channel")                                                      \
    X(LIGHTNING, "lightning attention")                                                            \
    X(SHORT_CONV, "short convolution")                                                             \
    X(RGLRU, "gated linear recurrence")                                                            \
    X(RWKV_TIME, "time mixing")                                                                    \
    X(RWKV_CHANNEL, "channel mixing")                                                              \
    X(UNEMBEDDING, "unembedding")

typedef enum cost_kind {
#define COST_KIND_ENUM(NAME, text) COST_##NAME,
    COST_KIND_LIST(COST_KIND_ENUM)
#undef COST_KIND_ENUM
        COST_KIND_COUNT
} cost_kind;

// "latent attention"
const char *cost_kind_text(cost_kind kind);

// What recurrent layers convolve.
#define COST_MAMBA2_CHANNELS "(inner + 2 * groups * state_size)"
#define COST_DELTA_CHANNELS  "(2 * key_heads * key_dim + ssm_heads * value_dim)"

// The formula of a quantity under an engine; "0" where the part has none of it.
const char *cost_kind_formula(cost_kind kind, fv_cost_quantity quantity, fv_cost_engine engine);

#endif
