// State space layers that several families have.
#include "cost/families.h"

#include <inttypes.h>
#include <string.h>

uint64_t cost_step_rank(cost_config *c, const char *key, uint64_t width) {
    const json_t *value = cost_config_find(c, key);
    uint64_t automatic = (width + 15) / 16;
    if (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0) return automatic;
    return cost_config_size(c, key, automatic);
}

bool cost_floats(cost_config *c, const char *key, bool otherwise) {
    const char *format = json_string_value(cost_config_find(c, key));
    return format != NULL ? strcmp(format, "float32") == 0 : otherwise;
}

cost_dims cost_mamba2(cost_config *c, const cost_stack *stack, uint64_t inner,
                      cost_mamba2_keys keys) {
    cost_dims dims = {.width = stack->width,
                      .inner = inner,
                      .state_size = cost_config_need(c, keys.state),
                      .conv = cost_config_need(c, keys.conv),
                      .groups = cost_config_need(c, keys.groups),
                      .ssm_heads = cost_config_need(c, keys.heads),
                      .scan = cost_config_size(c, keys.scan, 1)};
    cost_config_expect(c, inner % dims.ssm_heads == 0, keys.heads,
                       "must divide the %" PRIu64 " inner channels, and %d does not", inner,
                       (int)dims.ssm_heads);
    cost_config_expect(c, dims.ssm_heads % dims.groups == 0, keys.groups,
                       "must divide the %" PRIu64 " heads, and %d does not", dims.ssm_heads,
                       (int)dims.groups);
    uint64_t channels = inner + 2 * dims.groups * dims.state_size;
    if (keys.conv_bias == NULL || cost_config_flag(c, keys.conv_bias)) dims.vectors += channels;
    if (keys.maps_bias != NULL && cost_config_flag(c, keys.maps_bias))
        dims.vectors += inner + channels + dims.ssm_heads + stack->width;
    return dims;
}

void cost_check_mamba2_heads(cost_config *c, const cost_dims *dims, const char *key) {
    const json_t *value = cost_config_find(c, key);
    if (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0) return;
    uint64_t share = dims->inner / dims->ssm_heads;
    if (share == 0) return; // said already: the heads do not divide the channels
    uint64_t given = cost_config_size(c, key, share);
    cost_config_expect(c, dims->inner % given == 0, key,
                       "must divide the %" PRIu64 " inner channels, and %d does not", dims->inner,
                       (int)given);
    if (given == share) return;
    cost_config_note(c, "%s: not %d but %" PRIu64 ", the share of a head in the inner channels",
                     key, (int)given, share);
}

void cost_read_mamba(cost_config *c, fv_cost_model *model) {
    cost_stack stack = cost_stack_begin(c, model);
    cost_dims dims = {.width = stack.width,
                      .state_size = cost_config_need(c, "state_size"),
                      .conv = cost_config_need(c, "conv_kernel"),
                      .rank = cost_step_rank(c, "time_step_rank", stack.width)};
    // Falcon-Mamba's file has an `expand` that is not used; intermediate_size wins.
    dims.inner = cost_config_has(c, "intermediate_size")
                     ? cost_config_need(c, "intermediate_size")
                     : cost_config_need(c, "expand") * stack.width;
    dims.vectors = stack.width;
    if (cost_config_flag(c, "use_conv_bias")) dims.vectors += dims.inner;
    if (cost_config_flag(c, "use_bias")) dims.vectors += 2 * dims.inner + stack.width;
    for (uint64_t i = 0; i < stack.n; i++) cost_add(c, model, i, COST_MAMBA, dims, 0);
    cost_stack_end_plain(c, model, &stack);
}
