// What an engine really takes: a line through measurements of memory, beside the formula's.
//
// Whatever an engine does, its memory over the context is a fixed part (parameters, states,
// workspace) and bytes a token. Two measurements give both, without any knowledge of the model;
// what the formula does not explain of them is the engine's.
//
//   const fv_cost_point points[] = {{4096, 1.9e9}, {65536, 9.1e9}};
//   fv_cost_line measured, formula;
//   if (fv_cost_line_fit(points, 2, &measured, &error) == FV_OK &&
//       fv_cost_line_of_model(model, &setting, points, 2, &formula, &error) == FV_OK)
//       printf("%.0f of %.0f bytes a token\n", formula.per_token, measured.per_token);
#ifndef FOVEA_COST_MEASURED_H
#define FOVEA_COST_MEASURED_H

#include <fovea/cost.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_cost_point {
    uint64_t tokens; // context of each sequence
    double bytes;    // memory that was taken
} fv_cost_point;

typedef struct fv_cost_line {
    double fixed, per_token; // bytes
} fv_cost_line;

// The line of least squares through n points. FV_USAGE for fewer than two points, for points of one
// context, and where memory shrinks as the context grows.
FV_API fv_status fv_cost_line_fit(const fv_cost_point *points, int n, fv_cost_line *line,
                                  fv_error *error);

// The same through what the formulas say of cache and state, parameters aside, for setting->batch
// sequences of these contexts: windows bend it, so that it is fitted where the measurements are.
// What the engine reserves where one is chosen. Fails as fv_cost_total does.
FV_API fv_status fv_cost_line_of_model(const fv_cost_model *model, const fv_cost_setting *setting,
                                       const fv_cost_point *points, int n, fv_cost_line *line,
                                       fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
