// What a formula may name: a part's dimensions, what follows from them and the setting, and the
// quantities that were computed before it.
#ifndef COST_SCOPE_H
#define COST_SCOPE_H

#include "cost/counts.h"
#include "cost/formula.h"

typedef struct cost_scope {
    const cost_dims *dims;
#define COST_MEMBER(name, meaning) formula_value name;
    COST_DERIVED_LIST(COST_MEMBER)
#undef COST_MEMBER
    const fv_cost *known;
} cost_scope;

// What an engine does to a part because of the others (plan.c).
typedef struct cost_reserve {
    uint64_t block;               // tokens in a block of its cache
    fv_cost_number state_padding; // bytes that fill the page of its state
    uint64_t idle_layers;         // layers that are reserved and hold nothing
} cost_reserve;

cost_scope cost_scope_make(const cost_part *part, const fv_cost_setting *setting,
                           const cost_reserve *reserve, const fv_cost *known);

// A formula_lookup over a cost_scope.
formula_value cost_scope_look_up(const void *context, const char *name, size_t length);

// What the engine holds of a layer; engines.c has each engine's formula and source.
typedef struct cost_held {
    fv_cost_number keys, entries, taps, buffered;
    double state_bytes, conv_bytes;
} cost_held;
cost_held cost_engine_holds(const cost_dims *dims, const fv_cost_setting *setting, uint64_t block);

// tokens in whole pages.
fv_cost_number cost_in_pages(fv_cost_number tokens, fv_cost_number page);

#endif
