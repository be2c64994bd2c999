// Values of a field that are described instead of listed:
//
//   {from: 1e-4, to: 1e-1, steps: 8, scale: log}    evenly spaced, both ends included
//   {range: [2, 64]}                                drawn evenly
//   {log_range: [1e-4, 1e-1]}                       drawn evenly in the logarithm
//   {choice: [adam, sgd]}                           drawn from the list
//
// Whole numbers are rounded; others have six significant digits, so that a configuration can be
// repeated from what is printed, and does not depend on the last bit of a machine's logarithm.
#ifndef LAB_SPREAD_H
#define LAB_SPREAD_H

#include "base/yaml.h"

#include <fovea/experiment.h>

// How often a sweep draws: `random: 200`, or `random: {samples: 200, seed: 1}`.
typedef struct draws {
    int n;
    int seed;
} draws;

fv_status draws_read(const yaml_value *value, draws *d, fv_error *error);

// Whether the value is one of the mappings above.
bool spread_is_spaced(const yaml_value *value);
bool spread_is_distribution(const yaml_value *value);

// Appends the evenly spaced values that the mapping describes; equal whole numbers once.
fv_status spread_steps(fv_axis *axis, const yaml_value *mapping, fv_error *error);

// The same after each interval has been halved `halvings` times, whole numbers as often as they
// come.
fv_status spread_lattice(fv_axis *axis, const yaml_value *mapping, int halvings, fv_error *error);

// Appends d->n values drawn from the distribution. The i-th is a function of the seed, the field's
// key and i: more samples leave the first ones as they were, and so do other fields.
fv_status spread_draw(fv_axis *axis, const yaml_value *distribution, const draws *d,
                      fv_error *error);

#endif
