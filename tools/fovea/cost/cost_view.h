// `fovea cost`: what it prints about one model, and its comparison of several.
#ifndef FOVEA_TOOL_COST_VIEW_H
#define FOVEA_TOOL_COST_VIEW_H

#include <fovea/cost_devices.h>
#include <fovea/cost_measured.h>
#include <jansson.h>

// All digits of a number, or that there are too many. `text` holds COST_TEXT characters or more.
enum { COST_TEXT = FV_COST_DIGITS };
const char *cost_number_text(fv_cost_number number, char *text);

// Sets a whole number; beyond 2^63, which JSON readers lose, it becomes a real with all digits as a
// text beside it, "NAME_exact".
void cost_set_number(json_t *object, const char *name, fv_cost_number value);

typedef struct cost_subject {
    const char *path;
    char name[64]; // cost_names.h
    fv_cost_model *model;
} cost_subject;

typedef struct cost_request {
    fv_cost_setting setting;
    double weight_bytes;   // of every parameter; 0: as the file packs them
    double plain_bytes;    // of those that it does not pack
    uint64_t memory;       // 0: not asked
    fv_cost_point *points; // [n_points], what was measured
    int n_points;
    fv_cost_devices devices; // without weight_bytes and memory: cost_devices_of has all
    double price;            // of a device, an hour; 0: not asked
} cost_request;

// Bytes of the parameters.
double cost_weight_memory(const cost_subject *subject, const cost_request *request,
                          const fv_cost *total);

// The largest contexts for request->memory: beside the parameters, and alone.
typedef struct cost_fit {
    uint64_t beside_weights, alone; // UINT64_MAX: any
} cost_fit;
cost_fit cost_fit_memory(const cost_subject *subject, const cost_request *request,
                         const fv_cost *total);

// The same as an object; NULL without memory.
json_t *cost_fit_json(const cost_subject *subject, const cost_request *request,
                      const fv_cost *total);

// One model: table, formulas, and what its cache is not. Fails as fv_cost_total does.
fv_status cost_print(const cost_subject *subject, const cost_request *request, fv_error *error);

// The same as one object, with a row for each layer. *out is NULL without memory.
fv_status cost_json(const cost_subject *subject, const cost_request *request, json_t **out,
                    fv_error *error);

// Several models over contexts up to request->setting.tokens: prints tables, or JSON Lines, and
// draws cost.svg and cost.png into `folder`, which it makes, where that is not NULL. *exit_code is
// that of what could not be made or written.
fv_status cost_compare(const cost_subject *subjects, int n, const cost_request *request,
                       const char *folder, bool json, int *exit_code, fv_error *error);

#endif
