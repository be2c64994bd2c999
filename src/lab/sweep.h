// The whole sweep of an experiment: all its grids together.
#ifndef LAB_SWEEP_H
#define LAB_SWEEP_H

#include <fovea/experiment.h>

// Checks every configuration of every grid and counts the distinct ones, into experiment->n_runs
// and ->order, and those left out as optional, into ->n_left_out and ->left_out. On failure
// *culprit receives the field to blame, or NULL.
fv_status sweep_plan(fv_experiment *experiment, const fv_field **culprit, fv_error *error);

// Refuses a field that a run of the sweep sets and that none reads. *culprit as above.
fv_status sweep_check_readers(const fv_experiment *experiment, const fv_field **culprit,
                              fv_error *error);

// Continues `hash`, at first TEXT_HASH_START, with the values of n fields.
uint64_t sweep_hash(uint64_t hash, const fv_config *config, const fv_field *const *fields, int n);

// Whether the field is an axis of a grid.
bool sweep_has(const fv_experiment *experiment, const fv_field *field);

// The i-th configuration that is left out.
void sweep_left_out(const fv_experiment *experiment, int i, fv_config *config);

// Whether any run has a step, or may have one that is not asked for yet.
bool sweep_trains(const fv_experiment *experiment);

// Whether the runs differ in the field; so they do where there are none.
bool sweep_varies(const fv_experiment *experiment, const fv_field *field);

#endif
