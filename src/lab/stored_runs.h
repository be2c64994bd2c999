// The runs of a sweep that a store has, taken in one pass over it.
#ifndef LAB_STORED_RUNS_H
#define LAB_STORED_RUNS_H

#include <fovea/experiment.h>
#include <fovea/store.h>

// Run i of the sweep; what the record owns is the callee's from then on. What it returns ends the
// pass, unless FV_OK.
typedef fv_status (*stored_take)(void *context, int i, fv_record *record);

// Hands over each run that is `wanted` [n_runs] and that the store has whole, in the order in which
// they were stored. `brief`: its curves have their last points only, and it has no snapshots. Runs
// with which anything is wrong are passed over, and all of them where the sweep is a small part of
// the store, so that asking for each is faster.
fv_status stored_each(const fv_experiment *experiment, fv_store *store, const bool *wanted,
                      bool brief, stored_take take, void *context, fv_error *error);

#endif
