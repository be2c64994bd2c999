// LongCat-Flash: two attentions and two MLPs a layer beside one mixture, some of whose experts do
// nothing.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"n_routed_experts", 512},
                                        {"moe_topk", 12},
                                        {"expert_ffn_hidden_size", 2048},
                                        {"hidden_size", 6144},
                                        {"vocab_size", 131072},
                                        {"num_layers", 28},
                                        {"ffn_hidden_size", 12288},
                                        {"zero_expert_num", 256},
                                        {"tie_word_embeddings", 0},
                                        {"num_attention_heads", 64},
                                        {"kv_lora_rank", 512},
                                        {"q_lora_rank", 1536},
                                        {"qk_rope_head_dim", 64},
                                        {"qk_nope_head_dim", 128},
                                        {"v_head_dim", 128},
                                        {"attention_bias", 0},
                                        {0}};

// The class takes its halves for num_hidden_layers where num_layers is missing.
static uint64_t count_layers(cost_config *c) {
    if (cost_config_has(c, "num_layers") || !cost_config_has(c, "num_hidden_layers"))
        return cost_config_need(c, "num_layers");
    uint64_t halves = cost_config_need(c, "num_hidden_layers");
    cost_config_expect(c, halves >= 2, "num_hidden_layers",
                       "must be at least 2, the halves of a layer, not %d", (int)halves);
    return halves / 2;
}

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_mixture_keys KEYS = {"n_routed_experts|num_local_experts",
                                           "moe_topk|num_experts_per_tok",
                                           "expert_ffn_hidden_size|moe_intermediate_size"};
    uint64_t width = cost_config_need(c, "hidden_size"), vocab = cost_config_need(c, "vocab_size");
    cost_stack stack = cost_stack_of(c, model, width, vocab, count_layers(c));
    cost_dims latent = cost_latent(c, &stack);
    cost_dims mlp =
        cost_mlp(c, &stack, 3, cost_config_need(c, "ffn_hidden_size|intermediate_size"), NULL);
    mlp.vectors += width;
    uint64_t idle = cost_config_get(c, "zero_expert_num", 0);
    cost_dims mixture = cost_mixture(c, &stack, KEYS);
    mixture.choices = mixture.experts + idle;
    mixture.vectors += mixture.choices; // what chooses counts as trained
    if (cost_config_flag(c, "router_bias")) mixture.vectors += mixture.choices;
    if (idle > 0)
        cost_config_note(c,
                         "a token sent to one of the %d experts that do nothing needs less: "
                         "%d of %d is the most",
                         (int)idle, (int)mixture.active, (int)mixture.experts);
    for (uint64_t i = 0; i < stack.n; i++) {
        for (int half = 0; half < 2; half++) {
            cost_add(c, model, i, COST_LATENT, latent, 0);
            cost_add(c, model, i, COST_MLP, mlp, 0);
        }
        cost_add(c, model, i, COST_EXPERTS, mixture, 0);
    }
    cost_stack_end_plain(c, model, &stack);
}

const cost_family cost_family_longcat_flash = {
    .source = "LongcatFlashConfig",
    .defaults = DEFAULTS,
    .read = read,
};
