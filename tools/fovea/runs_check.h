// `fovea runs DIR --check`: what of a store is damaged.
#ifndef FOVEA_TOOL_RUNS_CHECK_H
#define FOVEA_TOOL_RUNS_CHECK_H

#include <fovea/store.h>

// A line for whatever is damaged, and one for the whole. EXIT_FAILED where anything is. With
// `writes` first what older stores lack is added.
int runs_check(fv_store *store, bool writes, bool json);

#endif
