// What an engine reserves for the layers of one model together: one layer's block or page may
// depend on another's. engines.c has what each layer holds by itself.
#ifndef COST_LAYER_PLAN_H
#define COST_LAYER_PLAN_H

#include "cost/scope.h"

typedef struct cost_plan {
    cost_reserve parts[COST_MAX_PARTS];
    // Of vLLM where kinds of layers share pages, otherwise 0: bytes of a page of one layer, bytes
    // of the largest state in it, layers in a group, and layers that are reserved and hold nothing.
    fv_cost_number page, state;
    uint64_t block, group, n_idle;
} cost_plan;

void cost_plan_make(const fv_cost_model *model, const fv_cost_setting *setting, cost_plan *plan);

#endif
