// `fovea cost --engine`: what an engine reserves, and why that is more than is read.
#ifndef FOVEA_TOOL_COST_ENGINE_H
#define FOVEA_TOOL_COST_ENGINE_H

#include "cost/cost_view.h"

// Prints a paragraph; nothing for the ideal engine.
void cost_print_engine(const cost_subject *subject, const cost_request *request,
                       const fv_cost *total);

// The same as an object; NULL without memory.
json_t *cost_engine_json(const cost_subject *subject, const cost_request *request);

#endif
