// The plan of a request: how much is asked, and what it costs.
#ifndef FOVEA_TOOL_PLAN_LINES_H
#define FOVEA_TOOL_PLAN_LINES_H

#include "needle/ask_served.h"

#include <stdio.h>

void served_print_plan(FILE *out, const served_request *r, const fv_served_options *o,
                       const fv_served_plan *plan);

// Returns the exit code.
int served_print_plan_json(const served_request *r, const fv_served_plan *plan, fv_served *served);

#endif
