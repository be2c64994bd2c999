// The files of weights beside a config.json: what they hold checks what was counted.
#ifndef COST_STORED_H
#define COST_STORED_H

#include "cost/counts.h"

// Looks in the folder for *.safetensors.index.json, which says how many bytes the weights take
// (metadata.total_size, total_parameters), else for *.safetensors, of which the headers are read.
// Adds a line to the model's notes: that they agree, or by how much they do not. Nothing where
// there are no such files; FV_NO_MEMORY.
fv_status cost_check_stored(const char *folder, fv_cost_model *model, fv_error *error);

#endif
