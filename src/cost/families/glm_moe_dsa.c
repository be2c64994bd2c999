// GLM-5: DeepSeek-V3.2; some layers may read what an earlier layer's indexer picked.
#include "cost/families.h"

#include <string.h>

static const cost_default DEFAULTS[] = {{"indexer_types", COST_NONE},
                                        {"index_n_heads", 32},
                                        {"q_lora_rank", 2048},
                                        {"hidden_size", 6144},
                                        {"vocab_size", 154880},
                                        {"num_hidden_layers", 78},
                                        {"num_attention_heads", 64},
                                        {"qk_nope_head_dim", 192},
                                        {"v_head_dim", 256},
                                        {"intermediate_size", 12288},
                                        {0}};

// kinds: 1 where a layer takes an earlier layer's picks.
static void find_indexers(cost_config *c, cost_stack *stack) {
    static const char *const TYPES[] = {"full|F", "shared|S", NULL};
    if (cost_config_kinds(c, "indexer_types", stack->n, TYPES, stack->kinds)) return;
    const char *letters = json_string_value(cost_config_find(c, "index_topk_pattern"));
    if (letters == NULL &&
        cost_config_kinds(c, "index_topk_pattern", stack->n, TYPES, stack->kinds))
        return;
    uint64_t every = 1, offset = 2;
    if (letters == NULL) every = cost_config_get(c, "index_topk_freq", 1);
    if (letters == NULL && every > 1) offset = cost_config_get(c, "index_skip_topk_offset", 2);
    cost_config_expect(
        c, letters == NULL || (strlen(letters) == stack->n && strspn(letters, "FS") == stack->n),
        "index_topk_pattern", "must be a letter F or S for each of %d layers", (int)stack->n);
    if (c->status != FV_OK) return;
    for (uint64_t i = 0; i < stack->n; i++) {
        uint64_t turn = i + 1 > offset ? i + 1 - offset : 0;
        stack->kinds[i] = letters != NULL ? letters[i] == 'S' : every > 1 && turn % every != 0;
    }
}

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_indexed(c, model, find_indexers);
}

const cost_family cost_family_glm_moe_dsa = {
    .source = "GlmMoeDsaConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_deepseek_v32,
};
