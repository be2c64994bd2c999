// The formulas of every kind of part, for one layer and one sequence.
//
// Sources and conventions. A multiply-add is two FLOPs. Scores and weighted values: one each per
// pair of a query and a key, head and dimension. Backward is twice forward, and one more product of
// the scores where they are computed again (tiled attention: 3.5 times forward in all). Latent
// attention decodes from its compressed cache: the up-projections move to the query and the output,
// which changes no product's size (DeepSeek-V2, section 2.1.2).
//
// Recurrences, a number of the state and position. Mamba's selective scan: 9 (Gu,
// state-spaces/mamba issue 110, a parallel scan). Mamba-2 and lightning attention: decay 1, outer
// product and sum 2, reading 2. Delta rules: decay 1, reading the old value 2, writing the
// correction 2, reading 2.
#include "cost/kinds.h"

#include "cost/operations.h"

#include <assert.h>

typedef union formulas {
    struct {
#define FORMULA(NAME, name, unit, meaning) const char *name;
        FV_COST_LIST(FORMULA)
#undef FORMULA
    };
    const char *of[FV_COST_COUNT];
} formulas;

// What every part has whose operations are its matrices.
#define MAPS .decode = "2 * weights", .prefill = "tokens * decode", .training = "3 * prefill"
// The same of one that only has to say how many numbers they hold.
#define PLAIN_MAPS(maps) .weights = maps, .parameters = "weights + vectors", MAPS
// A recurrence or convolution does its own operations at every position.
#define STEPS .prefill = "tokens * decode", .training = "3 * prefill"
// What one token needs of a softmax over keys whose numbers take `bytes`, in each of the caches.
#define HELD(bytes)                                                                                \
    .cache = bytes " * keys", .cache_paged = bytes " * paged_keys",                                \
    .cache_full = bytes " * paged_tokens", .cache_engine = bytes " * held_keys"
#define CACHES(bytes) HELD(bytes), .reads = "keys", .traffic = "cache"
#define SCORES(width)                                                                              \
    .decode = "2 * weights + 2 * " width " * keys",                                                \
    .prefill = "2 * weights * tokens + 2 * " width " * pairs"

#define KV_BYTES "2 * kv_heads * head_dim * cache_bytes"
#define RECURRENT_STATE(conv, numbers)                                                             \
    .state = "(" conv " * conv + " numbers ") * state_bytes",                                      \
    .state_engine =                                                                                \
        conv " * held_taps * held_conv_bytes + " numbers " * held_state_bytes + state_padding",    \
    .traffic = "2 * state"

#define LATENT_MAPS                                                                                \
    "width * query_rank + query_input * heads * (nope + rope) + width * (kv_rank + rope) + "       \
    "kv_rank * heads * (nope + value_dim) + heads * value_dim * width"
#define INDEXER_MAPS                                                                               \
    "query_rank * index_heads * index_dim + width * index_dim + width * index_heads"
#define LATENT_PICKS "2 * weights + 2 * heads * (2 * kv_rank + rope) * picked"
#define LATENT_PICK_PAIRS                                                                          \
    "2 * weights * tokens + 2 * heads * (nope + rope + value_dim) * picked_pairs"
#define INDEX_OPERATIONS "2 * index_heads * (index_dim + 1)"
// Where the library adds heads up without a product of matrices.
#define ENTRY_OPERATIONS "2 * index_heads * index_dim"

// One latent of head_dim numbers a token is key and value of every head (DeepSeek-V4).
#define SHARED_MAPS                                                                                \
    "width * query_rank + query_rank * heads * head_dim + width * head_dim + "                     \
    "output_rank * heads * head_dim + groups * output_rank * width"
#define SHARED_SCORES "4 * heads * head_dim"

#define EXPERT_MAPS(number)                                                                        \
    "width * (choices + shared_gate) + matrices * width * (" number                                \
    " * expert_hidden + shared_hidden)"
#define OTHER_EXPERT_MAPS(number)                                                                  \
    "width * choices + 2 * width * expert_input + "                                                \
    "matrices * (expert_input * " number " * expert_hidden + width * shared_hidden)"
#define EXPERT_VECTORS(number) " + vectors + " number " * expert_vectors"

static const formulas FORMULAS[COST_KIND_COUNT] = {
    [COST_EMBEDDING] = {.parameters = "(vocab + positions) * width + vectors"},
    [COST_LAYER_EMBEDDING] = {.weights = "width * layers * rank",
                              .parameters = "vocab * layers * rank + weights + vectors",
                              MAPS},
    [COST_ATTENTION] = {.weights = "input * heads * head_dim + 2 * input * kv_heads * head_dim + "
                                   "heads * head_dim * width",
                        .parameters = "weights + vectors",
                        SCORES("2 * heads * head_dim"),
                        .training = "3 * prefill + recompute * 2 * heads * head_dim * pairs",
                        CACHES(KV_BYTES)},
    [COST_GATED_ATTENTION] = {.weights = "2 * input * heads * head_dim + "
                                         "2 * input * kv_heads * head_dim + "
                                         "heads * head_dim * width",
                              .parameters = "weights + vectors",
                              SCORES("2 * heads * head_dim"),
                              .training = "3 * prefill + recompute * 2 * heads * head_dim * pairs",
                              CACHES(KV_BYTES)},
    [COST_SPLIT_ATTENTION] = {.weights = "input * heads * head_dim + "
                                         "input * kv_heads * (head_dim + value_dim) + "
                                         "heads * value_dim * width",
                              .parameters = "weights + vectors",
                              SCORES("heads * (head_dim + value_dim)"),
                              .training = "3 * prefill + recompute * 2 * heads * head_dim * pairs",
                              CACHES("kv_heads * (head_dim + value_dim) * cache_bytes")},
    [COST_KEY_ATTENTION] = {.weights = "input * heads * head_dim + input * kv_heads * head_dim + "
                                       "heads * head_dim * width",
                            .parameters = "weights + vectors",
                            SCORES("2 * heads * head_dim"),
                            .training = "3 * prefill + recompute * 2 * heads * head_dim * pairs",
                            CACHES(KV_BYTES)},
    [COST_READING_ATTENTION] = {.weights = "2 * input * heads * head_dim",
                                .parameters = "weights + vectors",
                                SCORES("2 * heads * head_dim"),
                                .training =
                                    "3 * prefill + recompute * 2 * heads * head_dim * pairs",
                                .reads = "keys",
                                .traffic = KV_BYTES " * keys"},
    [COST_FACTORED_ATTENTION] = {.weights = "width * query_rank + "
                                            "query_rank * heads * head_dim + "
                                            "2 * width * kv_heads * head_dim + "
                                            "heads * head_dim * width",
                                 .parameters = "weights + vectors",
                                 SCORES("2 * heads * head_dim"),
                                 .training =
                                     "3 * prefill + recompute * 2 * heads * head_dim * pairs",
                                 CACHES(KV_BYTES)},
    [COST_LATENT] = {.weights = LATENT_MAPS,
                     .parameters = "weights + vectors",
                     .decode = "2 * weights + 2 * heads * (2 * kv_rank + rope) * keys",
                     .prefill = "2 * weights * tokens + "
                                "2 * heads * (nope + rope + value_dim) * pairs",
                     .training = "3 * prefill + recompute * 2 * heads * (nope + rope) * pairs",
                     CACHES("latent_bytes")},
    [COST_INDEXED_LATENT] = {.weights = LATENT_MAPS " + " INDEXER_MAPS,
                             .parameters = "weights + vectors",
                             .decode = LATENT_PICKS " + " INDEX_OPERATIONS " * keys",
                             .prefill = LATENT_PICK_PAIRS " + " INDEX_OPERATIONS " * pairs",
                             .training = "3 * prefill + "
                                         "recompute * 2 * heads * (nope + rope) * picked_pairs",
                             HELD("(latent_bytes + index_bytes)"),
                             .reads = "picked",
                             .traffic = "latent_bytes * picked + index_bytes * keys"},
    [COST_PICKING_LATENT] = {.weights = LATENT_MAPS,
                             .parameters = "weights + vectors",
                             .decode = LATENT_PICKS,
                             .prefill = LATENT_PICK_PAIRS,
                             .training = "3 * prefill + "
                                         "recompute * 2 * heads * (nope + rope) * picked_pairs",
                             HELD("latent_bytes"),
                             .reads = "picked",
                             .traffic = "latent_bytes * picked"},
    [COST_WINDOW_LATENT] = {.weights = SHARED_MAPS,
                            .parameters = "weights + vectors",
                            SCORES("2 * heads * head_dim"),
                            .training = "3 * prefill + recompute * 2 * heads * head_dim * pairs",
                            CACHES("latent_bytes")},
    [COST_SPARSE_LATENT] =
        {.weights = SHARED_MAPS " + 4 * width * head_dim + "
                                "4 * width * index_dim + "
                                "query_rank * index_heads * index_dim + "
                                "width * index_heads",
         .parameters = "weights + rate * 2 * (head_dim + index_dim) + vectors",
         .decode =
             "2 * weights + " SHARED_SCORES " * (keys + picked) + " ENTRY_OPERATIONS " * entries",
         .prefill = "2 * weights * tokens + " SHARED_SCORES
                    " * (pairs + picked_pairs) + " ENTRY_OPERATIONS " * entry_pairs",
         .training = "3 * prefill + "
                     "recompute * 2 * heads * head_dim * (pairs + picked_pairs)",
         .cache = "latent_bytes * (keys + entries) + index_bytes * entries",
         .cache_paged = "latent_bytes * (paged_keys + entries) + index_bytes * entries",
         .cache_full = "latent_bytes * (paged_tokens + entries) + index_bytes * entries",
         .cache_engine = "latent_bytes * (held_keys + held_entries) + "
                         "index_bytes * held_entries + buffered * cache_bytes",
         .reads = "keys + picked",
         .traffic = "latent_bytes * (keys + picked) + index_bytes * entries"},
    [COST_HEAVY_LATENT] = {.weights = SHARED_MAPS " + 2 * width * head_dim",
                           .parameters = "weights + rate * head_dim + vectors",
                           .decode = "2 * weights + " SHARED_SCORES " * (keys + entries)",
                           .prefill =
                               "2 * weights * tokens + " SHARED_SCORES " * (pairs + entry_pairs)",
                           .training = "3 * prefill + "
                                       "recompute * 2 * heads * head_dim * (pairs + entry_pairs)",
                           .cache = "latent_bytes * (keys + entries)",
                           .cache_paged = "latent_bytes * (paged_keys + entries)",
                           .cache_full = "latent_bytes * (paged_tokens + entries)",
                           .cache_engine = "latent_bytes * (held_keys + held_entries) + "
                                           "buffered * cache_bytes",
                           .reads = "keys + entries",
                           .traffic = "cache"},
    [COST_STREAMS] = {.weights = "streams * width * output",
                      .parameters = "weights + vectors",
                      .decode = "2 * weights + 2 * streams * mixed * width",
                      STEPS},
    [COST_MLP] = {PLAIN_MAPS("matrices * width * hidden")},
    [COST_EXPERTS] = {.weights = EXPERT_MAPS("active"),
                      .parameters = EXPERT_MAPS("experts") EXPERT_VECTORS("experts"),
                      .active = "weights" EXPERT_VECTORS("active"),
                      .router_bias = "routing_bias",
                      .decode = "2 * (weights + matrices * width * idle * expert_hidden)",
                      STEPS},
    [COST_LATENT_EXPERTS] = {.weights = OTHER_EXPERT_MAPS("active"),
                             .parameters = OTHER_EXPERT_MAPS("experts") " + vectors",
                             .active = "weights + vectors",
                             .router_bias = "routing_bias",
                             MAPS},
    [COST_LINEAR] = {PLAIN_MAPS("input * output")},
    [COST_ADAPTER] = {PLAIN_MAPS("width * rank + rank * output")},
    // Predicting the streams from each other, correcting them, and the router, which both ask.
    [COST_MIXED_STREAMS] = {.weights = "streams * streams * streams + streams * streams + "
                                       "width * streams",
                            .parameters = "weights + vectors",
                            .decode = "2 * weights + 2 * width * streams * (streams + 1)",
                            STEPS},
    [COST_MAMBA] = {.weights = "2 * width * inner + inner * (rank + 2 * state_size) + "
                               "rank * inner + inner * width",
                    .parameters = "weights + inner * (conv + state_size + 2) + vectors",
                    .decode = "2 * weights + 2 * inner * conv + 9 * inner * state_size",
                    STEPS,
                    RECURRENT_STATE("inner", "inner * state_size")},
    [COST_MAMBA2] = {.weights = "width * (2 * inner + 2 * groups * state_size + ssm_heads) + "
                                "inner * width",
                     .parameters =
                         "weights + " COST_MAMBA2_CHANNELS " * conv + 3 * ssm_heads + vectors",
                     .decode = "2 * weights + 2 * " COST_MAMBA2_CHANNELS
                               " * conv + 5 * inner * state_size",
                     STEPS,
                     RECURRENT_STATE(COST_MAMBA2_CHANNELS, "inner * state_size")},
    [COST_DELTA] = {.weights = "width * (2 * key_heads * key_dim + 2 * ssm_heads * value_dim + "
                               "2 * ssm_heads) + ssm_heads * value_dim * width",
                    .parameters =
                        "weights + " COST_DELTA_CHANNELS " * conv + 2 * ssm_heads + value_dim + "
                        "vectors",
                    .decode = "2 * weights + 2 * " COST_DELTA_CHANNELS " * conv + "
                              "7 * ssm_heads * key_dim * value_dim",
                    STEPS,
                    RECURRENT_STATE(COST_DELTA_CHANNELS, "ssm_heads * key_dim * value_dim")},
    [COST_KDA] = {.weights = "3 * width * inner + 2 * (width * key_dim + key_dim * inner) + "
                             "width * ssm_heads + inner * width",
                  .parameters = "weights + 3 * inner * conv + inner + ssm_heads + key_dim + "
                                "vectors",
                  .decode = "2 * weights + 6 * inner * conv + 7 * inner * key_dim",
                  STEPS,
                  RECURRENT_STATE("3 * inner", "inner * key_dim")},
    [COST_LIGHTNING] = {.weights = "3 * width * inner + 2 * width * inner",
                        .parameters = "weights + inner + vectors",
                        .decode = "2 * weights + 5 * inner * head_dim",
                        STEPS,
                        .state = "inner * head_dim * state_bytes",
                        .state_engine = "inner * head_dim * held_state_bytes + state_padding",
                        .traffic = "2 * state"},
    [COST_SHORT_CONV] = {.weights = "4 * width * inner",
                         .parameters = "weights + inner * conv + vectors",
                         .decode = "2 * weights + 2 * inner * conv",
                         STEPS,
                         .state = "inner * conv * state_bytes",
                         .state_engine = "inner * held_taps * held_conv_bytes + state_padding",
                         .traffic = "2 * state"},
    // Two gates in blocks, one a head.
    [COST_RGLRU] =
        {.weights = "3 * width * inner + 2 * inner * rank",
         .parameters = "weights + inner * (conv + 1) + vectors",
         .decode = "2 * weights + 2 * inner * conv + 3 * inner",
         STEPS,
         .state = "inner * conv * state_bytes", // its own number, and all taps but one
         .state_engine =
             "inner * held_state_bytes + inner * past_taps * held_conv_bytes + state_padding",
         .traffic = "2 * state"},
    [COST_RWKV_TIME] = {.weights = "4 * width * inner",
                        .parameters = "weights + 2 * inner + 3 * width + vectors",
                        .decode = "2 * weights + 8 * inner",
                        STEPS,
                        .state = "(width + 3 * inner) * state_bytes",
                        .state_engine = "(width + 3 * inner) * held_state_bytes + state_padding",
                        .traffic = "2 * state"},
    [COST_RWKV_CHANNEL] = {.weights = "2 * width * hidden + width * width",
                           .parameters = "weights + 2 * width + vectors",
                           MAPS,
                           .state = "width * state_bytes",
                           .state_engine = "width * held_state_bytes + state_padding",
                           .traffic = "2 * state"},
    [COST_UNEMBEDDING] = {.weights = "width * vocab",
                          .parameters = "untied * weights + vectors",
                          .decode = "2 * weights",
                          .prefill = "2 * weights * logits",
                          .training = "6 * weights * tokens"},
};

static const char *const TEXTS[COST_KIND_COUNT] = {
#define TEXT(NAME, text) [COST_##NAME] = text,
    COST_KIND_LIST(TEXT)
#undef TEXT
};

const char *cost_kind_text(cost_kind kind) {
    return TEXTS[kind];
}

const char *cost_kind_formula(cost_kind kind, fv_cost_quantity quantity, fv_cost_engine engine) {
    const char *formula = FORMULAS[kind].of[quantity];
    if (quantity == FV_COST_PREFILL && engine == FV_COST_ENGINE_TRANSFORMERS &&
        cost_operations_of(kind)->prefill != NULL)
        formula = cost_operations_of(kind)->prefill;
    if (formula != NULL) return formula;
    // Whatever is not said to sleep is met by every token.
    if (quantity == FV_COST_ACTIVE) return cost_kind_formula(kind, FV_COST_PARAMETERS, engine);
    return "0";
}
