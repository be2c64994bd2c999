// What the models of a comparison are called.
#ifndef FOVEA_TOOL_COST_NAMES_H
#define FOVEA_TOOL_COST_NAMES_H

#include "cost/cost_view.h"

// Fills the names of n subjects from their paths: by what differs in these. What all end with is
// left away, and in front as much as the names can do without.
//
//   a/llama.json b/qwen.gguf        llama, qwen
//   llama/config.json qwen          llama, qwen
//   a/base/config.json b/base       a, b
//   a/x/base.json a/x/tuned.json    base, tuned
//   a/x.json a/y.json b/x.json      a/x, y, b/x
void cost_name_subjects(cost_subject *subjects, int n);

#endif
