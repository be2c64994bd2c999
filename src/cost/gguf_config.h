// A GGUF file's header as the config.json of its family: llama.cpp's names (gguf-py, constants.py)
// as the library's, and what only the tensors tell (biases, whether the unembedding is tied).
#ifndef COST_GGUF_CONFIG_H
#define COST_GGUF_CONFIG_H

#include "base/gguf.h"
#include "cost/counts.h"

// The fields of such a config, with model_type, and *origins: an object from each of the
// architecture's keys that counts to the list of fields that it became, empty where nothing knows
// it. FV_USAGE for an architecture that is not known, FV_NO_MEMORY. Decref both.
fv_status cost_gguf_fields(const char *name, const gguf *file, json_t **fields, json_t **origins,
                           fv_error *error);

// What the tensors weigh, the file's and those of the other parts of a split one: counts them as
// the model's packed weights, and adds lines to the model's notes: how many parameters they hold
// (rotary factors aside) against what was counted, and their types.
fv_status cost_gguf_weigh(const char *path, const gguf *file, fv_cost_model *model,
                          fv_error *error);

#endif
