// What `fovea ring` shows: tables, JSON, the timeline, and the forecast for more ranks.
#ifndef FOVEA_TOOL_RING_VIEW_H
#define FOVEA_TOOL_RING_VIEW_H

#include "ring/ring_run.h"

#include <jansson.h>

enum { RING_FORECAST_RANKS = 1024 };

// The machine as the run measured it; `hides` where more than half of the messages' time passed
// while ranks computed.
fv_ring_machine ring_machine(const ring_request *request, const ring_outcome *outcome);

// What the model says about this very run.
fv_status ring_forecast(const ring_request *request, const ring_outcome *outcome,
                        fv_ring_forecast *forecast, fv_error *error);

fv_status ring_print(const ring_request *request, const ring_outcome *outcome, fv_error *error);
fv_status ring_json(const ring_request *request, const ring_outcome *outcome, json_t **out,
                    fv_error *error);

// Draws what every rank did, step by step.
fv_status ring_draw_timeline(const ring_request *request, const ring_outcome *outcome,
                             const char *path, fv_error *error);

// Draws a pass over `n` positions, RING_FORECAST_RANKS or more, on 8 to as many ranks of this
// machine's speed, by the model: seconds, and the share of the ideal speed with messages as
// measured and over a slower network.
fv_status ring_draw_scaling(const ring_request *request, const ring_outcome *outcome, int64_t n,
                            const char *path, fv_error *error);

#endif
