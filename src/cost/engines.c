// How engines reserve memory for a layer's keys, values and state.
//
//   ideal         min(tokens, window); state as the model defines it.
//   vllm          vllm/v1/kv_cache_interface.py: blocks of `page` tokens, or as many as
//                 layer_plan.c says. A window holds min(window - 1 + batch, tokens) tokens and one
//                 block more, a chunk min(chunk + batch, tokens); the batch is what one step
//                 computes (max_num_batched_tokens, 8192).
//                 model_executor/layers/mamba/mamba_utils.py:
//                 convolutions without the tap that is in hand; states as the model's class or its
//                 file has them, in 4 bytes for KDA, Nemotron-H and Qwen3.5 (mamba_ssm_dtype).
//   llamacpp      src/llama-kv-cache-iswa.cpp: cells padded to 256; a window
//                 min(cells, window + 512), again padded (n_ubatch is 512).
//                 src/llama-memory-recurrent.cpp: convolutions without the tap that is in hand,
//                 everything in 4 bytes.
//   transformers  cache_utils.py, DynamicCache: a window holds window - 1 tokens, since the next
//                 token brings its own; DeepSeek-V4's latents stand there twice, and tokens whose
//                 entry is not complete wait with their gates.
#include "cost/scope.h"

enum { VLLM_BATCH = 8192, LLAMACPP_CELLS = 256, LLAMACPP_BATCH = 512, FLOAT_BYTES = 4 };

static fv_cost_number smaller(fv_cost_number a, fv_cost_number b) {
    return a < b ? a : b;
}

static fv_cost_number vllm_keys(const cost_dims *d, const fv_cost_setting *s, uint64_t block) {
    fv_cost_number tokens = s->tokens;
    if (d->chunk > 0)
        return cost_in_pages(smaller((fv_cost_number)d->chunk + VLLM_BATCH, tokens), block);
    if (d->window == 0) return cost_in_pages(tokens, block);
    fv_cost_number near = smaller((fv_cost_number)d->window - 1 + VLLM_BATCH, tokens);
    return formula_add(cost_in_pages(near, block), block);
}

static fv_cost_number llamacpp_keys(const cost_dims *d, const fv_cost_setting *s) {
    fv_cost_number cells = cost_in_pages(s->tokens, LLAMACPP_CELLS);
    uint64_t window = d->chunk > 0 ? d->chunk : d->window;
    if (window == 0) return cells;
    return cost_in_pages(smaller(cells, (fv_cost_number)window + LLAMACPP_BATCH), LLAMACPP_CELLS);
}

static fv_cost_number transformers_keys(const cost_dims *d, const fv_cost_setting *s) {
    uint64_t window = d->chunk > 0 ? d->chunk : d->window;
    fv_cost_number keys = window > 0 ? smaller(s->tokens, window - 1) : s->tokens;
    bool twice = d->output_rank > 0; // the latent is key and value
    return twice ? 2 * keys : keys;
}

// Tokens since the last complete entry with their gates; those of overlapping entries
// (topk > 0) make two entries each, and the last complete one waits too.
static fv_cost_number transformers_buffer(const cost_dims *d, const fv_cost_setting *s) {
    if (d->rate == 0) return 0;
    fv_cost_number width = d->head_dim + d->index_dim, rest = s->tokens % d->rate;
    if (d->topk == 0) return 2 * rest * width;
    fv_cost_number last = s->tokens >= d->rate ? d->rate : 0;
    return 4 * rest * width + 2 * last * width;
}

// Of a number in the state under vLLM: what is asked for, otherwise as the model has it.
static double vllm_state_bytes(const cost_dims *d, const fv_cost_setting *s) {
    if (s->engine_state_bytes > 0) return s->engine_state_bytes;
    return d->float_state ? FLOAT_BYTES : s->state_bytes;
}

cost_held cost_engine_holds(const cost_dims *d, const fv_cost_setting *s, uint64_t block) {
    uint64_t window = d->chunk > 0 ? d->chunk : d->window;
    cost_held held = {.keys = window > 0 ? smaller(s->tokens, window) : s->tokens,
                      .entries = d->rate > 0 ? s->tokens / d->rate : 0,
                      .taps = d->conv,
                      .state_bytes = s->state_bytes,
                      .conv_bytes = s->state_bytes};
    switch (s->engine) {
    case FV_COST_ENGINE_VLLM:
        held.keys = vllm_keys(d, s, block);
        held.taps = d->conv > 0 ? d->conv - 1 : 0;
        held.state_bytes = vllm_state_bytes(d, s);
        break;
    case FV_COST_ENGINE_LLAMACPP:
        held.keys = llamacpp_keys(d, s);
        held.taps = d->conv > 0 ? d->conv - 1 : 0;
        held.state_bytes = held.conv_bytes = FLOAT_BYTES;
        break;
    case FV_COST_ENGINE_TRANSFORMERS:
        held.keys = transformers_keys(d, s);
        held.buffered = transformers_buffer(d, s);
        break;
    case FV_COST_ENGINE_IDEAL:
    case FV_COST_ENGINE_COUNT:
        break;
    }
    return held;
}

static const struct {
    const char *name, *meaning;
} ENGINES[] = {
#define ENGINE(NAME, name, meaning) {#name, meaning},
    FV_COST_ENGINE_LIST(ENGINE)
#undef ENGINE
};

const char *fv_cost_engine_name(fv_cost_engine engine) {
    return ENGINES[engine].name;
}
const char *fv_cost_engine_meaning(fv_cost_engine engine) {
    return ENGINES[engine].meaning;
}
