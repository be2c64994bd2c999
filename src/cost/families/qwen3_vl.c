// The language model of Qwen3-VL: Qwen3 that never slides.
#include "cost/families.h"

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.qkv_bias = "attention_bias",
                                       .output_bias = "attention_bias",
                                       .qk_norm = true,
                                       .attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_qwen3_vl = {
    .others = "qwen3_vl_text",
    .source = "Qwen3VLTextConfig",
    .read = read,
    .like = &cost_family_qwen3,
};
