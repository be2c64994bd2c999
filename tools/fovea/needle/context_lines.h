// Where the middle is lost, behind the cells: a paragraph for each model and task, or lines of JSON.
#ifndef FOVEA_TOOL_CONTEXT_LINES_H
#define FOVEA_TOOL_CONTEXT_LINES_H

#include <fovea/eval.h>
#include <stdbool.h>
#include <stdio.h>

// `out` may be NULL. Returns the exit code.
int context_lines(FILE *out, bool json, const fv_cells *cells);

#endif
