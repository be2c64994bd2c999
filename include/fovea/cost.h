// What a language model costs at a context length: parameters, FLOPs, KV cache and recurrent state,
// read off its Hugging Face config.json. Every number comes from a formula that can be asked for,
// as it stands and with the numbers in it: the text is what is computed.
//
//   fv_cost_model *model;
//   fv_cost_setting setting;
//   fv_cost total;
//   fv_cost_setting_init(&setting);
//   setting.tokens = 128000;
//   if (fv_cost_model_read("llama-3.1-70b.json", &model, &error) == FV_OK &&
//       fv_cost_total(model, &setting, &total, &error) == FV_OK)
//       printf("%.2f GB\n", 1e-9 * (double)total.value[FV_COST_CACHE]); // 41.94 GB
//
// Norms, activations, softmax and rotary embeddings add parameters where they have any, but their
// FLOPs are not counted: they are a per mille of a large model's.
#ifndef FOVEA_COST_H
#define FOVEA_COST_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// X(NAME, name, unit, meaning). A formula may use the quantities above it.
#define FV_COST_LIST(X)                                                                            \
    X(WEIGHTS, weights, "", "elements of the matrices that one token meets")                       \
    X(PARAMETERS, parameters, "", "all trained numbers")                                           \
    X(ACTIVE, active, "", "of these, without the experts that one token does not meet")            \
    X(ROUTER_BIAS, router_bias, "", "beside them: biases that only choose experts")                \
    X(DECODE, decode, "FLOP", "one more token, whose context is `tokens` with itself")             \
    X(PREFILL, prefill, "FLOP", "forward over all tokens; logits of the last one")                 \
    X(TRAINING, training, "FLOP", "forward and backward over all tokens, logits of all")           \
    X(CACHE, cache, "B", "keys and values that later tokens can read")                             \
    X(CACHE_PAGED, cache_paged, "B", "the same in whole pages; windows give old pages back")       \
    X(CACHE_FULL, cache_full, "B", "in whole pages by an engine that keeps every token")           \
    X(CACHE_ENGINE, cache_engine, "B", "as the engine that was chosen reserves it")                \
    X(STATE, state, "B", "recurrent and convolution state, whatever the context")                  \
    X(STATE_ENGINE, state_engine, "B", "as the engine that was chosen reserves it")                \
    X(READS, reads, "", "positions of the cache that one more token reads")                        \
    X(TRAFFIC, traffic, "B", "of cache and state that one more token moves")

typedef enum fv_cost_quantity {
#define FV_COST_ENUM(NAME, name, unit, meaning) FV_COST_##NAME,
    FV_COST_LIST(FV_COST_ENUM)
#undef FV_COST_ENUM
        FV_COST_COUNT
} fv_cost_quantity;

FV_API const char *fv_cost_name(fv_cost_quantity quantity);    // "cache_paged"
FV_API const char *fv_cost_unit(fv_cost_quantity quantity);    // "B", "FLOP" or ""
FV_API const char *fv_cost_meaning(fv_cost_quantity quantity); // one line

// Whole numbers of 128 bits: FLOPs of long contexts exceed 64. FV_COST_TOO_LARGE stands for what
// exceeds even these.
__extension__ typedef unsigned __int128 fv_cost_number;
#define FV_COST_TOO_LARGE (~(fv_cost_number)0)

// All digits, or "more than 2^128". `text` holds FV_COST_DIGITS characters or more; returns it.
enum { FV_COST_DIGITS = 40 };
FV_API const char *fv_cost_number_text(fv_cost_number number, char *text);

typedef struct fv_cost {
    fv_cost_number value[FV_COST_COUNT];
} fv_cost;

// X(NAME, name, meaning). How memory is reserved; docs/cost.md has the formulas and their sources.
#define FV_COST_ENGINE_LIST(X)                                                                     \
    X(IDEAL, ideal, "what later tokens can read, and nothing else")                                \
    X(VLLM, vllm, "blocks of --page tokens, larger ones where a page must hold a state")           \
    X(LLAMACPP, llamacpp, "cells, padded to 256; convolutions and states in 4 bytes")              \
    X(TRANSFORMERS, transformers, "the dynamic cache: a window holds one token less")

typedef enum fv_cost_engine {
#define FV_COST_ENGINE_ENUM(NAME, name, meaning) FV_COST_ENGINE_##NAME,
    FV_COST_ENGINE_LIST(FV_COST_ENGINE_ENUM)
#undef FV_COST_ENGINE_ENUM
        FV_COST_ENGINE_COUNT
} fv_cost_engine;

typedef struct fv_cost_setting {
    uint64_t tokens;           // context length of each sequence, >= 1
    uint64_t batch;            // sequences, >= 1
    double cache_bytes;        // of a number in the KV cache, in steps of 2^-16
    double state_bytes;        // of a number in the recurrent state
    double engine_state_bytes; // the same where an engine would have another; 0: as it has it
    bool ds_mla;               // latents as vLLM's fp8_ds_mla holds them, whatever cache_bytes
    uint64_t page;             // tokens in a page of the cache, >= 1
    bool full;                 // every query sees every key, windows included; otherwise causal
    bool all_logits; // prefill computes the logits of every position, not of the last alone
    bool recompute;  // training computes scores again, as tiled attention does (3.5x, not 3x)
    fv_cost_engine engine;
} fv_cost_setting;

// 4096 tokens, one sequence, two bytes a number, pages of 16, causal, the ideal engine.
FV_API void fv_cost_setting_init(fv_cost_setting *setting);

typedef struct fv_cost_model fv_cost_model;

// Reads a config.json: a file, or a folder that holds one. Fails with FV_USAGE for an unknown
// family (naming the known ones), and with FV_FORMAT for broken JSON and values that no model can
// have.
FV_API fv_status fv_cost_model_read(const char *path, fv_cost_model **model, fv_error *error);

// The same from memory; `name` stands in error messages.
FV_API fv_status fv_cost_model_parse(const char *name, const char *json, size_t size,
                                     fv_cost_model **model, fv_error *error);
FV_API void fv_cost_model_free(fv_cost_model *model);

FV_API const char *fv_cost_model_family(const fv_cost_model *model);  // "llama"
FV_API uint64_t fv_cost_model_max_tokens(const fv_cost_model *model); // trained for; 0: not said
FV_API const char *fv_cost_families(void);                            // "afmoe, bamba, ..."

// What was taken from elsewhere or left aside, a line each: fields that are missing and stand as
// the library's defaults, fields that nothing here reads. "" where there is nothing to say.
FV_API const char *fv_cost_model_notes(const fv_cost_model *model);

// All layers and sequences together. A number that exceeds 128 bits is FV_COST_TOO_LARGE.
FV_API fv_status fv_cost_total(const fv_cost_model *model, const fv_cost_setting *setting,
                               fv_cost *total, fv_error *error);

// Bytes of the parameters, of which those that the file says are packed take what their format has,
// scales with them, and all others plain_bytes each, rounded up together; model notes say how many
// are which.
FV_API fv_cost_number fv_cost_weight_bytes(const fv_cost_model *model, double plain_bytes);

// Whether the file says that any are packed.
FV_API bool fv_cost_is_packed(const fv_cost_model *model);

// The parts that a model is made of: "attention", "attention, window 1024", "mlp", "experts", ...
// Equal parts are one, however many layers have it.
typedef struct fv_cost_part {
    const char *name;
    uint64_t n_layers;    // layers that have it
    uint64_t n_copies;    // distinct sets of its parameters: fewer where layers share them
    uint64_t kv_heads;    // of attention, otherwise 0
    uint64_t query_heads; // of attention, otherwise 0
} fv_cost_part;
FV_API int fv_cost_n_parts(const fv_cost_model *model);
FV_API void fv_cost_part_get(const fv_cost_model *model, int part, fv_cost_part *out);

// One layer's part, one sequence.
FV_API fv_status fv_cost_part_cost(const fv_cost_model *model, int part,
                                   const fv_cost_setting *setting, fv_cost *cost, fv_error *error);

// The formula behind a number of fv_cost_part_cost, with `numbers` in place of its names. Malloc,
// or NULL without memory.
FV_API char *fv_cost_formula(const fv_cost_model *model, int part, fv_cost_quantity quantity,
                             const fv_cost_setting *setting, bool numbers);

// What a name in a formula stands for: name i with its meaning, NULL past the end. Derived names
// (pairs, keys, ...) come last.
FV_API const char *fv_cost_variable(int i, const char **meaning);

// Each layer, all its parts, one sequence: layers[fv_cost_n_layers]. Shared parameters count in the
// first layers that have them. Embedding and unembedding are the first and the last layer. A part
// is costed once, however many layers have it.
FV_API uint64_t fv_cost_n_layers(const fv_cost_model *model);
FV_API fv_status fv_cost_layers(const fv_cost_model *model, const fv_cost_setting *setting,
                                fv_cost *layers, fv_error *error);

// The parts of a layer, at most `capacity`; returns how many.
FV_API int fv_cost_layer_parts(const fv_cost_model *model, uint64_t layer, int *parts,
                               int capacity);

// How an engine shares its pool among kinds of layers; all 0 where it does not.
typedef struct fv_cost_pool {
    uint64_t block;       // tokens in a block of the layers that have most bytes a token
    fv_cost_number page;  // bytes of a page, for one layer
    fv_cost_number state; // of these the largest state fills; 0: no state
    uint64_t group;       // layers in a group
    uint64_t idle_layers; // layers that are reserved and hold nothing
} fv_cost_pool;
FV_API void fv_cost_pool_get(const fv_cost_model *model, const fv_cost_setting *setting,
                             fv_cost_pool *out);

// What transformers multiplies in a forward pass over all tokens, in FLOPs by ATen's operation,
// whatever engine is set: products of matrices (mm, addmm), of batches of them (bmm, baddbmm), and
// convolutions. The sum is FV_COST_PREFILL under FV_COST_ENGINE_TRANSFORMERS.
typedef struct fv_cost_operations {
    fv_cost_number mm, bmm, convolution;
} fv_cost_operations;
FV_API fv_status fv_cost_operations_get(const fv_cost_model *model, const fv_cost_setting *setting,
                                        fv_cost_operations *out, fv_error *error);

// "vllm", and what it is in a line.
FV_API const char *fv_cost_engine_name(fv_cost_engine engine);
FV_API const char *fv_cost_engine_meaning(fv_cost_engine engine);

// The largest context whose cache and state, for setting->batch sequences, fit into `bytes` of
// memory, as those of all shorter ones do: 0 where not even one token does, UINT64_MAX where no
// context is too long. The cache is that in pages, or the engine's where one is chosen.
FV_API uint64_t fv_cost_largest_context(const fv_cost_model *model, const fv_cost_setting *setting,
                                        uint64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
