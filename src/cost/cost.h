// What the files of the cost model share beside models and scopes.
#ifndef COST_COST_H
#define COST_COST_H

#include <fovea/cost.h>

// Cache and state of all sequences at that context, as fv_cost_largest_context counts them.
fv_cost_number cost_memory_at(const fv_cost_model *model, const fv_cost_setting *setting,
                              uint64_t tokens);

// number * bytes, rounded up: exact where bytes are whole, otherwise to 64 bits.
fv_cost_number cost_bytes_of(fv_cost_number number, double bytes);

// Of n layers, those of a stage of pp.
uint64_t cost_stage_layers(uint64_t n, uint64_t pp, uint64_t stage);

#endif
