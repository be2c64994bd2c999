// Frozen sets of sequences for models of the lab. The frame is that of frozen.h; the first line has
// in the place of a tokenizer which task the sequences are of, and the grid:
//
//   {"fovea_set": 1, "fovea": "0.1.0", "seed": 3, "sequences": {"task.name": "needle",
//    "task.vocab_size": "32"}, "lengths": [8, 16], "depths": [0, 50, 100], "samples": 20}
//   {"length": 8, "depth": 0, "sample": 0, "tokens": [3, 20, ...], "outputs": [20]}
//   ...                      length by length, depth by depth, sample by sample
//
// `outputs` are the right tokens at the task's positions. What is asked are these tokens, so that a
// version that draws others asks the same.
#ifndef FOVEA_EVAL_OWN_SET_H
#define FOVEA_EVAL_OWN_SET_H

#include "probes/retrieval.h"

#include <fovea/own.h>

// The hash of the set; NULL of none.
const char *own_set_hash(const fv_own_set *set);

// Whether the plan asks for what the set has: FV_USAGE where not.
fv_status own_set_check(const fv_own_set *set, const fv_own_plan *plan, fv_error *error);

// The questions of a cell. False where the set has no such cell.
bool own_set_find(const fv_own_set *set, int length, double depth, retrieval_source *source);

// The tokens [length] of one question.
fv_status own_set_prompt(const fv_own_set *set, int length, double depth, int sample,
                         int32_t *tokens, fv_error *error);

#endif
