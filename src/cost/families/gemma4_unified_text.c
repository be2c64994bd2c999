// The language model of Gemma 4 Unified: Gemma 4 without experts and embeddings of each layer.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"sliding_window", 1024}, {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_read_gemma4(c, model, true);
}

const cost_family cost_family_gemma4_unified_text = {
    .others = "gemma4_unified",
    .source = "Gemma4UnifiedTextConfig",
    .defaults = DEFAULTS,
    .read = read,
    .like = &cost_family_gemma4_text,
};
