// `fovea runs DIR`: the table of a store's runs, or their lines of JSON.
#ifndef FOVEA_TOOL_RUNS_LIST_H
#define FOVEA_TOOL_RUNS_LIST_H

#include "target.h"

#include <stdbool.h>

// Which runs are listed: those that the filter and the measure choose, at most `most` of them.
typedef struct runs_choice {
    run_filter filter;
    const char *where; // an expression of fields and final values that is neither 0 nor NULL; NULL
    int most;          // 0: all
} runs_choice;

// What is wrong with the expression, before any store is opened.
fv_status runs_choice_check(const runs_choice *choice, fv_error *error);

// Returns the exit code.
int runs_list(fv_store *store, const runs_choice *choice, bool json);

#endif
