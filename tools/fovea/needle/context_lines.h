// Where the middle is lost: a paragraph for each model and task behind the cells, or a member of each
// cell's JSON.
#ifndef FOVEA_TOOL_CONTEXT_LINES_H
#define FOVEA_TOOL_CONTEXT_LINES_H

#include <fovea/eval.h>
#include <jansson.h>
#include <stdio.h>

void context_print(FILE *out, const fv_cells *cells);

// What is fitted to the curve of cell i, with what it says of the cell's length; null where there
// is no fit.
json_t *context_json(const fv_cells *cells, int i);

#endif
