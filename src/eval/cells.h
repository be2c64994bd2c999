// What the two forms of a cell share: a line of JSON (cells.c) and a row of a table
// (cells_store.c).
#ifndef FOVEA_EVAL_CELLS_H
#define FOVEA_EVAL_CELLS_H

#include <fovea/eval.h>
#include <jansson.h>

// {"found": 9, "wrong": 1}
json_t *cell_answers_json(const fv_cell *cell);

// A copy whose models are named as figures do: with their settings behind them where there are
// several of one model, or the server is unknown.
fv_status cells_name_apart(const fv_cells *cells, fv_cells *named, fv_error *error);

#endif
