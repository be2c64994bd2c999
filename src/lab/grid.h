// Grids: from YAML values to axes, and from a place in the product of axes to a configuration.
#ifndef LAB_GRID_H
#define LAB_GRID_H

#include "base/yaml.h"

#include <fovea/experiment.h>

enum { GRID_MAX_RUNS = 10000000 };

// The values that `value` gives the field, each checked alone and in the one spelling that
// fv_config_get writes. A list gives one each and "0..9" all whole numbers from 0 to 9, also inside
// a list; fields that are lists themselves take a list of lists; spread.h has
// the mappings.
// *is_axis tells "[4]" from "4".
// The axis is freed with axis_free, after a failure too.
fv_status axis_read(const fv_field *field, const yaml_value *value, fv_axis *axis, bool *is_axis,
                    fv_error *error);
fv_status axis_copy(const fv_axis *axis, fv_axis *copy, fv_error *error);
void axis_free(fv_axis *axis);

// Fails with FV_USAGE for a range of a field of whole numbers that runs backwards or out of bounds.
fv_status range_check(const fv_field *field, const char *scalar, long long first, long long last,
                      fv_error *error);

// Appends a value, given as YAML text, in its one spelling.
fv_status axis_push(fv_axis *axis, const char *yaml, fv_error *error);

// Puts the axis, which the grid owns from now on, in the place of the axis of the same field, or
// behind all others. Fails only without memory, and has freed the axis then.
fv_status grid_put(fv_grid *grid, fv_axis *axis, fv_error *error);
void grid_remove(fv_grid *grid, const fv_field *field);
const fv_axis *grid_axis(const fv_grid *grid, const fv_field *field); // NULL where it has none
void grid_free(fv_grid *grid);

// The length of its joint axes; 1 where it has none.
int grid_joint_size(const fv_grid *grid);

// The number of points: the product of the axes, at most GRID_MAX_RUNS + 1.
int grid_size(const fv_grid *grid);

// Sets the fields of the axes as they are at `point`: joint axes slowest, the last axis fastest.
void grid_set(const fv_grid *grid, int point, fv_config *config);

#endif
