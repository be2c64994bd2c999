// `fovea probe RUN --cache NAMES`: activations of one sequence, shown or written to a file.
#ifndef FOVEA_TOOL_PROBE_CACHE_H
#define FOVEA_TOOL_PROBE_CACHE_H

#include "probe/probe_findings.h"

typedef struct probe_cache_request {
    const char *names;     // names and shell patterns with commas, or "list"
    const int32_t *tokens; // [n_tokens]; NULL: the task's first test sequence
    int n_tokens;
    const char *out; // a safetensors file instead of stdout, or NULL
    bool json;
} probe_cache_request;

// Fails with FV_USAGE for names that the model does not have and for tokens as probe_input does.
fv_status probe_cache_tell(const probe_subject *subject, const probe_cache_request *request,
                           int *exit_code, fv_error *error);

#endif
