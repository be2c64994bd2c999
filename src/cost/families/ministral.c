// Ministral: Mistral whose layers slide as layer_types says.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"layer_types", COST_NONE}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    static const cost_traits TRAITS = {.attention_norms = 1,
                                       .mlp_norms = 1,
                                       .end_norms = 1,
                                       .sliding = SLIDES_BUT,
                                       .pattern = UINT64_MAX};
    cost_read_transformer(c, model, &TRAITS);
}

const cost_family cost_family_ministral = {
    .source = "MinistralConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_mistral,
};
