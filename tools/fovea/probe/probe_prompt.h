// `fovea probe RUN --prompt 1,2,3`: what a model says next, and how it goes on.
#ifndef FOVEA_TOOL_PROBE_PROMPT_H
#define FOVEA_TOOL_PROBE_PROMPT_H

#include "probe/probe_findings.h"

#include <stdint.h>

// Reads the prompt [n], of any length that the model's positions allow, prints the probabilities of
// the next token and the `more` tokens with which the model goes on, the likeliest each time.
// Returns an exit code. FV_USAGE for tokens that the model does not know, and beyond a table of
// learned positions.
int probe_prompt_tell(const probe_subject *subject, const int32_t *prompt, int n, int more,
                      bool json);

#endif
