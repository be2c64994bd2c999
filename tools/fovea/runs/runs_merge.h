// `fovea runs merge`: run stores that were filled apart become one.
#ifndef FOVEA_TOOL_RUNS_MERGE_H
#define FOVEA_TOOL_RUNS_MERGE_H

#include <stdbool.h>

// Adds the runs of all stores `from` [n] to the store `into`, which is made where it does not
// exist: all of them or, after any failure, none. Returns an exit code.
int runs_merge(const char *into, const char *const *from, int n, bool json);

#endif
