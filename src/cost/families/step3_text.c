// Step-3: one head of keys and values, queries in two factors, experts in most layers.
#include "cost/families.h"

#include <stdlib.h>

static const cost_default DEFAULTS[] = {
    {"moe_num_experts", 48},         {"moe_top_k", 3},
    {"moe_intermediate_size", 5120}, {"num_attention_heads", 64},
    {"num_attention_groups", 1},     {"head_dim", 256},
    {"share_q_dim", 2048},           {"intermediate_size", 18432},
    {"share_expert_dim", 5120},      {"hidden_size", 7168},
    {"vocab_size", 128815},          {"num_hidden_layers", 61},
    {"tie_word_embeddings", 0},      {0}};

// others: 1 where a layer has experts; the file lists them as a text of numbers and commas.
static void find_experts(cost_config *c, cost_stack *stack) {
    const json_t *list = cost_config_find(c, "moe_layers_enum|moe_layers");
    const char *text = json_string_value(list);
    if (json_is_array(list)) {
        cost_config_marks(c, "moe_layers_enum|moe_layers", stack->n, stack->others);
        return;
    }
    if (text == NULL) {
        for (uint64_t i = 4; i + 1 < stack->n; i++) stack->others[i] = 1;
        cost_config_note(c, "moe_layers_enum: all but the first four and the last, as "
                            "Step3TextConfig's default");
        return;
    }
    while (*text != '\0') {
        char *end;
        unsigned long layer = strtoul(text, &end, 10);
        bool right = end != text && layer < stack->n && (*end == ',' || *end == '\0');
        cost_config_expect(c, right, "moe_layers_enum",
                           "must be numbers of layers with commas between, 0 to %d",
                           (int)stack->n - 1);
        if (!right) return;
        stack->others[layer] = 1;
        text = end + (*end == ',');
    }
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_keys KEYS = {"moe_num_experts", "moe_top_k", "moe_intermediate_size"};
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims attention = {.width = stack.width,
                           .heads = cost_config_need(c, "num_attention_heads"),
                           .kv_heads = cost_config_need(c, "num_attention_groups"),
                           .head_dim = cost_config_need(c, "head_dim"),
                           .query_rank = cost_config_need(c, "share_q_dim")};
    attention.vectors = stack.width + attention.query_rank;
    cost_dims mlp = cost_mlp(c, &stack, 3, cost_config_need(c, "intermediate_size"), NULL);
    mlp.vectors += stack.width;
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.shared_hidden = cost_config_need(c, "share_expert_dim|share_expert_dims");
    mixture.vectors += stack.width;
    find_experts(c, &stack);
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_FACTORED_ATTENTION, attention, 0);
        cost_add(c, model, i, stack.others[i] ? COST_EXPERTS : COST_MLP,
                 stack.others[i] ? mixture : mlp, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_step3_text = {
    .others = "step3_vl",
    .source = "Step3TextConfig",
    .defaults = DEFAULTS,
    .read = read,
};
