// Adaptive sweeps: a map of a measure over two fields that is fine only where it changes.
//
//   +-------+-------+     The first round runs the corners of a coarse grid. Each further round
//   |below  |       |     splits the cells whose corners lie on different sides of a threshold:
//   |       |       |     the middles of their edges and their centre are run too. A boundary is a
//   +-------+---+---+     line, so that k rounds cost about 2^k runs where the full grid would cost
//   |       |   |above    4^k.
//   |       +---+---+     What a round adds follows from the results of the rounds before it and
//   |       |   |   |     from nothing else: a sweep that is repeated takes the same course through
//   +-------+---+---+     the store, and trains what is missing.
//
// All points lie on the lattice of the finest round. The chosen ones are the values of two joint
// axes of the grid (grid.h), which grow from round to round.
#ifndef LAB_ADAPTIVE_H
#define LAB_ADAPTIVE_H

#include "base/yaml.h"

#include <fovea/experiment.h>

// From {measure: ..., threshold: ..., rounds: ...}.
fv_status adaptive_read(const yaml_value *value, fv_adaptive **adaptive, fv_error *error);
void adaptive_free(fv_adaptive *adaptive);

// Takes the field, with its evenly spaced values, for the next of the two axes.
fv_status adaptive_add_axis(fv_adaptive *a, const fv_field *field, const yaml_value *spaced,
                            fv_error *error);
bool adaptive_has(const fv_adaptive *a, const fv_field *field);

// Whether the measure can be taken of runs with these probes.
fv_status adaptive_check_measure(const fv_adaptive *a, const fv_probe *const *probes, int n_probes,
                                 fv_error *error);

// Puts joint axes with every point that any round could choose (for checks), or with those of the
// first round, into the grid.
fv_status adaptive_put_all(const fv_adaptive *a, fv_grid *grid, fv_error *error);
fv_status adaptive_begin(fv_adaptive *a, fv_grid *grid, fv_error *error);

#endif
