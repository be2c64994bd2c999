// Nemotron-H: one part a layer, by a pattern of letters or a list.
#include "cost/families.h"

#include <string.h>

static const cost_default DEFAULTS[] = {{"layers_block_type", COST_NONE},
                                        {"ssm_state_size", 128},
                                        {"conv_kernel", 4},
                                        {"n_groups", 8},
                                        {"mamba_num_heads", 128},
                                        {"use_conv_bias", 1},
                                        {"use_bias", 0},
                                        {"chunk_size", 128},
                                        {"mamba_head_dim", 64},
                                        {"n_routed_experts", 8},
                                        {"num_experts_per_tok", 2},
                                        {"moe_intermediate_size", 7688},
                                        {"moe_latent_size", COST_NONE},
                                        {"moe_shared_expert_intermediate_size", 7688},
                                        {"mlp_bias", 0},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 131072},
                                        {"intermediate_size", 21504},
                                        {"head_dim", 128},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 32},
                                        {"num_key_value_heads", 8},
                                        {0}};

enum { IS_MAMBA, IS_MLP, IS_ATTENTION, IS_EXPERTS };

// How many layers the file has; its pattern counts, whatever num_hidden_layers says.
static uint64_t count_layers(cost_config *c, const char **letters) {
    const json_t *types = cost_config_list(c, "layers_block_type|layer_types");
    *letters = NULL;
    if (types != NULL) return json_array_size(types) > 0 ? json_array_size(types) : 1;
    *letters = json_string_value(cost_config_find(c, "hybrid_override_pattern"));
    if (*letters == NULL) {
        *letters = "ME*-";
        cost_config_note(c, "hybrid_override_pattern: ME*-, as NemotronHConfig's default");
    }
    return **letters != '\0' ? strlen(*letters) : 1;
}

static void find_kinds(cost_config *c, cost_stack *stack, const char *letters) {
    static const char *const TYPES[] = {"linear_attention|mamba", "mlp", "full_attention|attention",
                                        "moe", NULL};
    static const char LETTERS[] = "M-*E";
    if (letters == NULL) {
        cost_config_kinds(c, "layers_block_type|layer_types", stack->n, TYPES, stack->kinds);
        return;
    }
    cost_config_expect(c, strspn(letters, LETTERS) == stack->n, "hybrid_override_pattern",
                       "must be letters M (mamba), - (mlp), * (attention) and E (experts), not "
                       "\"%.60s\"",
                       letters);
    for (uint64_t i = 0; i < stack->n && letters[i] != '\0'; i++)
        stack->kinds[i] =
            (uint8_t)(strchr(LETTERS, letters[i]) != NULL ? strchr(LETTERS, letters[i]) - LETTERS
                                                          : 0);
}

static cost_dims read_mamba(cost_config *c, const cost_stack *stack) {
    static const cost_mamba2_keys KEYS = {"ssm_state_size",
                                          "mamba_d_conv|conv_kernel",
                                          "mamba_n_groups|n_groups",
                                          "mamba_num_heads",
                                          "mamba_conv_bias|use_conv_bias",
                                          "use_bias",
                                          "mamba_chunk_size|chunk_size"};
    uint64_t inner = cost_config_need(c, "mamba_num_heads") * cost_config_need(c, "mamba_head_dim");
    cost_dims mamba = cost_mamba2(c, stack, inner, KEYS);
    mamba.vectors += stack->width + inner;
    mamba.float_state = cost_floats(c, "mamba_ssm_cache_dtype", true);
    return mamba;
}

// Experts of two matrices, and a shared one; they may read a narrower copy of the stream.
static cost_dims read_mixture(cost_config *c, const cost_stack *stack) {
    static const cost_mixture_keys KEYS = {"n_routed_experts|num_local_experts",
                                           "num_experts_per_tok", "moe_intermediate_size"};
    cost_dims mixture = cost_mixture(c, stack, KEYS);
    mixture.matrices = 2;
    mixture.routing_bias = mixture.experts;
    mixture.expert_input = cost_config_size(c, "moe_latent_size", 0);
    mixture.shared_hidden = cost_config_need(c, "moe_shared_expert_intermediate_size");
    mixture.vectors = stack->width;
    if (cost_config_flag(c, "mlp_bias")) {
        mixture.vectors += mixture.shared_hidden + stack->width;
        if (mixture.expert_input > 0) mixture.vectors += mixture.expert_input + stack->width;
    }
    return mixture;
}

static void read(cost_config *c, fv_cost_model *model) {
    const char *letters;
    uint64_t width = cost_config_need(c, "hidden_size"), vocab = cost_config_need(c, "vocab_size");
    cost_stack stack = cost_stack_of(c, model, width, vocab, count_layers(c, &letters));
    find_kinds(c, &stack, letters);
    bool has[4] = {false};
    for (uint64_t i = 0; i < stack.n; i++) has[stack.kinds[i]] = true;
    cost_dims mamba = {0}, mixture = {0}, mlp = {0}, attention = {.width = width, .input = width};
    if (has[IS_MAMBA]) mamba = read_mamba(c, &stack);
    if (has[IS_EXPERTS]) mixture = read_mixture(c, &stack);
    if (has[IS_MLP])
        mlp = cost_mlp(c, &stack, 2, cost_config_need(c, "intermediate_size"), "mlp_bias");
    if (has[IS_ATTENTION]) cost_read_heads(c, "head_dim", width, &attention);
    attention.vectors = width;
    mlp.vectors += width;
    cost_kind experts = mixture.expert_input > 0 ? COST_LATENT_EXPERTS : COST_EXPERTS;
    for (uint64_t i = 0; i < stack.n; i++) switch (stack.kinds[i]) {
        case IS_MAMBA:
            cost_add(c, model, i, COST_MAMBA2, mamba, 0);
            break;
        case IS_MLP:
            cost_add(c, model, i, COST_MLP, mlp, 0);
            break;
        case IS_ATTENTION:
            cost_add(c, model, i, COST_ATTENTION, attention, 0);
            break;
        default:
            cost_add(c, model, i, experts, mixture, 0);
        }
    stack.never_tied = true;
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_nemotron_h = {
    .source = "NemotronHConfig",
    .defaults = DEFAULTS,
    .read = read,
};
