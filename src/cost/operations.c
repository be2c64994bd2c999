// What the arithmetic of a layer needs is one thing, what a library multiplies another:
// transformers computes recurrences as products of matrices over chunks of the context, the last
// one filled up, and convolutions over taps - 1 positions more than there are. Only products are
// counted, as PyTorch's FlopCounterMode does: decays and recurrences that go from position to
// position are elementwise, and solving triangular systems is none of its operations.
//
// Sources: transformers 5.24, models/.../modeling_*.py, the functions in plain PyTorch that stand
// in where no kernels are installed. A sequence without a cache before it, c chunks of L tokens.
#include "cost/operations.h"

#include "cost/scope.h"

#define MAPS "2 * weights * tokens"

// causal_conv1d_fn: padded on both sides, cut afterwards.
#define CONVOLUTION(channels) "2 * " channels " * conv * (tokens + past_taps)"
#define CONVOLVED(channels, scan)                                                                  \
    { .convolution = CONVOLUTION(channels), .prefill = MAPS " + " CONVOLUTION(channels) scan }

// mamba, mamba_selective_scan: at each position C reads the state of every channel.
#define SELECTIVE_SCAN "2 * inner * state_size * tokens"
// zamba, ZambaMambaMixer: maps to and from the steps, a head each.
#define STEP_BLOCKS "4 * blocked * inner * (rank + state_size) * tokens"

// mamba2, mamba2_chunk_scan, head by head: C B' in a chunk, that times x, the chunk's state, the
// states of c + 1 chunks passed on to c + 1, and C with the state before the chunk.
#define CHUNK_SCAN                                                                                 \
    "2 * chunks * scan * (scan * (ssm_heads * state_size + inner) + 2 * inner * state_size) + "    \
    "2 * (chunks + 1) * (chunks + 1) * inner * state_size"

// qwen3_next, torch_chunk_gated_delta_rule: keys and queries with keys in a chunk; keys, queries
// and the new values with the state, and scores with the new values.
#define GATED_DELTA                                                                                \
    "2 * chunks * scan * ssm_heads * (scan * (2 * key_dim + value_dim) + 3 * key_dim * value_dim)"

// kimi_linear, chunk_kimi_delta_attention: scores have a decay a channel, so they are sums of
// elementwise products; their inverse is multiplied with keys and values instead.
#define KIMI_DELTA "6 * chunks * scan * inner * (scan + key_dim)"

// minimax, MiniMaxLightningAttention: scores and their values in a block, queries with the state,
// and the state of the block.
#define LIGHTNING "4 * inner * scan_pairs + 4 * inner * head_dim * tokens"

// llama4, Llama4TextExperts: every expert gets every token.
#define EXPERTS(number) "2 * matrices * width * " number " * expert_hidden * tokens"
#define ROUTED                                                                                     \
    "2 * width * (choices + shared_gate + matrices * shared_hidden) * tokens + " EXPERTS("single")

// recurrent_gemma, RecurrentGemmaRglru: both gates in blocks, a head each.
#define GATES "4 * inner * rank * tokens"

// deepseek_v4, the first of the two maps behind the heads: in groups.
#define GROUPED "2 * output_rank * heads * head_dim * tokens"

// gemma3n, Gemma3nTextAltUp: the router is asked twice.
#define TWICE_ROUTED MAPS " + 2 * width * streams * tokens"

static const cost_operations OPERATIONS[COST_KIND_COUNT] = {
    [COST_WINDOW_LATENT] = {.batched = GROUPED},
    [COST_SPARSE_LATENT] = {.batched = GROUPED},
    [COST_HEAVY_LATENT] = {.batched = GROUPED},
    [COST_EXPERTS] = {.mm = ROUTED, .prefill = ROUTED " + " EXPERTS("together")},
    [COST_MIXED_STREAMS] = {.mm = TWICE_ROUTED},
    [COST_MAMBA] = {.batched = STEP_BLOCKS,
                    .convolution = CONVOLUTION("inner"),
                    .prefill = MAPS " + " CONVOLUTION("inner") " + " SELECTIVE_SCAN},
    [COST_MAMBA2] = CONVOLVED(COST_MAMBA2_CHANNELS, " + " CHUNK_SCAN),
    [COST_DELTA] = CONVOLVED(COST_DELTA_CHANNELS, " + " GATED_DELTA),
    [COST_KDA] = CONVOLVED("3 * inner", " + " KIMI_DELTA),
    [COST_LIGHTNING] = {.prefill = MAPS " + " LIGHTNING},
    [COST_SHORT_CONV] = CONVOLVED("inner", ""),
    [COST_RGLRU] = {.batched = GATES,
                    .convolution = CONVOLUTION("inner"),
                    .prefill = MAPS " + " CONVOLUTION("inner")},
    [COST_RWKV_TIME] = {.prefill = MAPS}, // rwkv_linear_attention_cpu is elementwise
    [COST_UNEMBEDDING] = {.mm = "2 * weights * logits"},
};

const cost_operations *cost_operations_of(cost_kind kind) {
    return &OPERATIONS[kind];
}

static fv_cost_number evaluate(const char *formula, const cost_scope *scope) {
    return formula_evaluate(formula, cost_scope_look_up, scope);
}

static void count(cost_kind kind, const cost_scope *scope, fv_cost_operations *one) {
    const cost_operations *o = cost_operations_of(kind);
    const fv_cost_number all = scope->known->value[FV_COST_PREFILL];
    *one = (fv_cost_operations){.mm = all, .bmm = all, .convolution = all};
    if (all == FORMULA_TOO_LARGE) return;
    one->convolution = o->convolution != NULL ? evaluate(o->convolution, scope) : 0;
    one->mm = evaluate(o->mm != NULL ? o->mm : MAPS, scope);
    if (o->batched != NULL) one->mm -= evaluate(o->batched, scope);
    one->bmm = all - one->mm - one->convolution;
}

static fv_cost_number add_times(fv_cost_number sum, fv_cost_number n, fv_cost_number one) {
    return formula_add(sum, formula_multiply(n, one));
}

fv_status fv_cost_operations_get(const fv_cost_model *model, const fv_cost_setting *setting,
                                 fv_cost_operations *out, fv_error *error) {
    fv_cost_setting as = *setting;
    as.engine = FV_COST_ENGINE_TRANSFORMERS;
    *out = (fv_cost_operations){0};
    for (int p = 0; p < model->n_parts; p++) {
        const cost_part *part = &model->parts[p];
        const cost_reserve alone = {.block = as.page};
        fv_cost cost;
        fv_cost_operations one;
        fv_status status = fv_cost_part_cost(model, p, &as, &cost, error);
        if (status != FV_OK) return status;
        cost_scope scope = cost_scope_make(part, &as, &alone, &cost);
        count(part->kind, &scope, &one);
        fv_cost_number n = formula_multiply(part->n_layers, as.batch);
        out->mm = add_times(out->mm, n, one.mm);
        out->bmm = add_times(out->bmm, n, one.bmm);
        out->convolution = add_times(out->convolution, n, one.convolution);
    }
    return FV_OK;
}
