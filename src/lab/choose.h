// A field that each arm of a sweep has at its own best value, as learning rates are compared:
//
//   choose: {train.learning_rate: [1e-3, 3e-3, 1e-2], seeds: 100..102, measure: final(loss)}
//
//   every arm x every value x those seeds     first: no run of these is judged or drawn
//   every arm x its best value x its seeds    then: the experiment's own runs
//
// An arm is a configuration less its seed and that field. A value is as good as the median of its
// runs' measures; a run without one, or that diverged, is worse than all others; among equals the first value wins.
// Until the values are chosen every arm has the first one, so that the sweep can be checked as it
// will be.
#ifndef LAB_CHOOSE_H
#define LAB_CHOOSE_H

#include "base/yaml.h"

#include <fovea/experiment.h>

// From the mapping above; `best` is lowest if not given.
fv_status choose_read(const yaml_value *value, fv_choose **choose, fv_error *error);
void choose_free(fv_choose *choose);
bool choose_has(const fv_choose *choose, const fv_field *field);
const fv_field *choose_field(const fv_choose *choose);

// Gives the configuration its arm's value; changes nothing while values are tried.
void choose_settle(const fv_choose *choose, fv_config *config);

// Whether the measure can be taken, every value and arm go together, and no seed is used twice.
// Leaves the sweep as it was.
fv_status choose_check(fv_experiment *experiment, fv_error *error);

// What fv_experiment_refine does where values are being tried.
fv_status choose_best(fv_experiment *experiment, const fv_record *const *records, bool *grew,
                      fv_error *error);

#endif
