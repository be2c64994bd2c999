// Transformers whose blocks are one attention and one MLP, or a mixture of experts in its place.
#include "cost/families.h"

const cost_traits cost_llama_traits = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .mlp_bias = "mlp_bias",
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
const cost_traits cost_qwen2_traits = {
    .qkv_bias = "", .attention_norms = 1, .mlp_norms = 1, .end_norms = 1, .sliding = SLIDES_UPPER};

// Types that a file gives are checked where nothing slides too.
static void check_types(cost_config *c, cost_stack *stack, bool unused) {
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    if (!cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    for (uint64_t i = 0; i < stack->n; i++) {
        cost_config_expect(c, unused || !stack->kinds[i], "sliding_window",
                           "must be a whole number from 1 where layer_types holds "
                           "sliding_attention");
        stack->kinds[i] = 0;
    }
}

static void slide(cost_config *c, cost_stack *stack, const cost_traits *traits, uint64_t window) {
    bool upper = traits->sliding == SLIDES_UPPER;
    bool typed = upper || traits->sliding == SLIDES_BUT;
    if (window == 0 && typed) check_types(c, stack, upper);
    if (window == 0 || traits->sliding == SLIDES_NEVER) return;
    if (traits->sliding == SLIDES_BUT) {
        cost_slides(c, stack, NULL, traits->pattern);
        return;
    }
    static const char *const TYPES[] = {"full_attention", "sliding_attention", NULL};
    if (upper && cost_config_kinds(c, "layer_types", stack->n, TYPES, stack->kinds)) return;
    uint64_t first = upper ? cost_config_count(c, "max_window_layers") : 0;
    for (uint64_t i = first; i < stack->n; i++) stack->kinds[i] = 1;
}

// Of those that can be told not to slide.
static uint64_t read_window(cost_config *c, const cost_traits *traits) {
    if (traits->sliding == SLIDES_NEVER) return 0;
    if (traits->sliding == SLIDES_UPPER && !cost_config_flag(c, "use_sliding_window")) return 0;
    // Files of Mistral say -1 for none.
    const json_t *value = cost_config_find(c, "sliding_window");
    bool negative = json_is_integer(value) && json_integer_value(value) == -1;
    if (traits->sliding == SLIDES_ALWAYS && negative) return 0;
    return cost_window(c, "sliding_window");
}

cost_dims cost_transformer_attention(cost_config *c, cost_stack *stack, const cost_traits *traits,
                                     uint64_t *window) {
    cost_dims dims = {.width = stack->width, .input = stack->width};
    cost_read_heads(c, traits->no_head_dim ? NULL : "head_dim", stack->width, &dims);
    dims.vectors = traits->attention_norms * stack->width +
                   cost_attention_biases(c, traits->qkv_bias, traits->output_bias, &dims);
    if (traits->qk_norm) dims.vectors += cost_qk_norms(&dims);
    if (traits->whole_qk_norm) dims.vectors += (dims.heads + dims.kv_heads) * dims.head_dim;
    if (traits->sinks) dims.vectors += dims.heads;
    *window = read_window(c, traits);
    slide(c, stack, traits, *window);
    return dims;
}

void cost_read_blocks(cost_config *c, fv_cost_model *model, cost_stack *stack,
                      const cost_traits *traits, cost_dims attention, uint64_t window,
                      uint64_t more) {
    uint64_t hidden = cost_config_need(c, "intermediate_size");
    cost_dims mlp = cost_mlp(c, stack, traits->plain ? 2 : 3, hidden, traits->mlp_bias);
    mlp.vectors += traits->mlp_norms * stack->width + more;
    cost_add_attention(c, model, stack, COST_ATTENTION, attention, window);
    for (uint64_t i = 0; i < stack->n; i++) cost_add(c, model, i, COST_MLP, mlp, 0);
    cost_dims ends = {.width = stack->width, .vocab = stack->vocab}, last = ends;
    last.vectors = traits->end_norms * stack->width + (traits->head_bias ? stack->vocab : 0);
    cost_stack_end(c, model, stack, ends, last);
}

void cost_read_transformer(cost_config *c, fv_cost_model *model, const cost_traits *traits) {
    uint64_t window;
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims attention = cost_transformer_attention(c, &stack, traits, &window);
    cost_read_blocks(c, model, &stack, traits, attention, window, 0);
}
