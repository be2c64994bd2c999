// RWKV-4: a recurrence over channels, and two shifts.
#include "cost/families.h"

static const cost_default DEFAULTS[] = {{"attention_hidden_size", COST_NONE},
                                        {"intermediate_size", COST_NONE},
                                        {"hidden_size", 4096},
                                        {"vocab_size", 50277},
                                        {"num_hidden_layers", 32},
                                        {"tie_word_embeddings", 0},
                                        {0}};

static void read(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    uint64_t width = stack.width;
    cost_dims time = {.width = width, .vectors = 2 * width}, channel = time;
    time.inner = cost_config_size(c, "attention_hidden_size", width);
    channel.hidden = cost_config_size(c, "intermediate_size", 4 * width);
    for (uint64_t i = 0; i < stack.n; i++) {
        cost_add(c, model, i, COST_RWKV_TIME, time, 0);
        cost_add(c, model, i, COST_RWKV_CHANNEL, channel, 0);
    }
    cost_dims ends = {.width = width, .vocab = stack.vocab, .vectors = 2 * width};
    cost_stack_end(c, model, &stack, ends, ends);
}

const cost_family cost_family_rwkv = {
    .source = "RwkvConfig",
    .defaults = DEFAULTS,
    .read = read,
};
