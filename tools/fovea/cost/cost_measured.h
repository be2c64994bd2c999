// `fovea cost --measured`: what an engine was seen to take, beside the formula.
#ifndef FOVEA_TOOL_COST_MEASURED_H
#define FOVEA_TOOL_COST_MEASURED_H

#include "cost/cost_view.h"

#include <fovea/cost_measured.h>

// Reads "4096:1.9GB,65536:9.1GB" into *points, malloc; their number, or 0 where it is something
// else.
int cost_read_points(const char *text, fv_cost_point **points);

// Prints the line through the points, the formula's, and the difference.
fv_status cost_print_measured(const cost_subject *subject, const cost_request *request,
                              const fv_cost *total, fv_error *error);

// The same as an object; *out is NULL without memory.
fv_status cost_measured_json(const cost_subject *subject, const cost_request *request,
                             const fv_cost *total, json_t **out, fv_error *error);

#endif
