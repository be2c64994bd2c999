// The cells of a served model as tables: what was found, and how fast answers came.
#ifndef FOVEA_TOOL_SERVED_TABLES_H
#define FOVEA_TOOL_SERVED_TABLES_H

#include <fovea/eval.h>
#include <stdio.h>

// One row a cell, and where speeds are known a second table of them; under several loads two for
// each. Without options the first alone. False where it cannot be written.
bool served_print_cells(FILE *out, const fv_cells *cells, const fv_served_options *options);

#endif
