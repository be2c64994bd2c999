// `fovea runs DIR --check`: what of a store is damaged.
#ifndef FOVEA_TOOL_RUNS_CHECK_H
#define FOVEA_TOOL_RUNS_CHECK_H

#include <fovea/store.h>

// A line for whatever is damaged, and one for the whole. EXIT_FAILED where anything is. With
// `writes` first what older stores lack is added. `evaluated` is what runs_check_evaluation gave,
// or EXIT_DONE.
int runs_check(fv_store *store, int evaluated, bool writes, bool json);

bool runs_folder_has(const char *folder, const char *name);

// The same of the folder's eval.db.
int runs_check_evaluation(const char *folder, bool json);

#endif
