// What an operand names: a run store ("out" or "out/fovea.db"), or one run in it ("out/3fa29c41",
// the id or its first digits). A bare id is looked for in "out". `fovea run FILE` writes to
// out/<experiment> by default, so that a run of a folder without a store is looked for in the
// stores one folder below.
#ifndef FOVEA_TOOL_TARGET_H
#define FOVEA_TOOL_TARGET_H

#include <fovea/store.h>

typedef struct run_target {
    char path[4096]; // of the store's file
    char id[17];     // as given; "" for the whole store
} run_target;

// Looks at the file system only: the store may still turn out to be none, or to lack the run.
// FV_NOT_FOUND, or FV_USAGE for a file that is no database.
fv_status target_find(const char *operand, run_target *t, fv_error *error);

// Finds the store and opens it. Fails as target_find and fv_store_open do, with FV_USAGE too where
// several stores have the run.
fv_status target_open(const char *operand, fv_store_mode mode, run_target *t, fv_store **store,
                      fv_error *error);

// The snapshot of a step, or a run's result with -1. Fails with FV_NOT_FOUND.
fv_status target_snapshot(const fv_record *record, int step, const fv_snapshot **snapshot,
                          fv_error *error);

// Adapts a visit to key=value filters: whether the run has all these values. A key is a
// configuration field, or "experiment" or "outcome". FV_USAGE for a key that is neither or a value
// that the field cannot take; an outcome is one of FV_OUTCOME_LIST.
typedef struct run_filter {
    const char *const *texts; // [n] "key=value"
    int n;
} run_filter;
fv_status filter_check(const run_filter *f, fv_error *error);
bool filter_matches(const run_filter *f, const fv_record *record, const char *experiment);

#endif
