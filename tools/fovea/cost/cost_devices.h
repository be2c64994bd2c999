// `fovea cost --tp N ...`, `--flops` and `--bandwidth`: several devices, and how fast they can be.
#ifndef FOVEA_TOOL_COST_DEVICES_H
#define FOVEA_TOOL_COST_DEVICES_H

#include "cost/cost_view.h"

// Reads "989T", "989TFLOPS", "3.35TB" or "3.35TB/s"; `unit` is FLOP or B. False where it is none.
bool cost_read_rate(const char *text, const char *unit, double *rate);

// Whether more than one device was asked for; whether bounds of time were.
bool cost_has_devices(const cost_request *request);
bool cost_has_bounds(const cost_request *request);

// Whether the model can be divided as was asked. Fails as fv_cost_shard does.
fv_status cost_check_devices(const cost_subject *subject, const cost_request *request,
                             fv_error *error);

// What the model runs on. Packed parameters count with the mean of all.
fv_cost_devices cost_devices_of(const cost_subject *subject, const cost_request *request);

// A device of the stage that holds most, with the fewest sequences and the shortest context of all
// stages: what fits everywhere. Fails as fv_cost_shard does.
fv_status cost_fullest_stage(const cost_subject *subject, const cost_request *request,
                             fv_cost_stage *out, fv_error *error);

// Money for a million tokens at that rate.
double cost_of_million(const cost_request *request, double tokens_a_second);

// Prints a row a stage and the bounds, as far as they were asked for. Fails as fv_cost_shard does.
fv_status cost_print_devices(const cost_subject *subject, const cost_request *request,
                             fv_error *error);

// Adds "devices" and "bounds" to the object, as far as they were asked for.
fv_status cost_set_devices(const cost_subject *subject, const cost_request *request, json_t *object,
                           fv_error *error);

#endif
