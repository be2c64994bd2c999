// What several probes do: walk over the model's tensors by their names.
#ifndef FOVEA_PROBES_TENSORS_H
#define FOVEA_PROBES_TENSORS_H

#include "probes/linalg.h"

#include <fovea/model.h>
#include <fovea/record.h>
#include <stdio.h>
#include <string.h>

static inline bool probe_ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static inline probe_matrix matrix_of_tensor(const fv_tensor *tensor, const float *params) {
    int rows = tensor->n_dims > 1 ? tensor->shape[0] : 1;
    return probe_matrix_of(params + tensor->offset, rows, tensor->shape[tensor->n_dims - 1]);
}

// Adds a point to the series "<probe>.<what>".
static inline fv_status probe_add(fv_record *record, const char *probe, const char *what, int step,
                                  double value, fv_error *error) {
    char name[sizeof record->series->name];
    int length = snprintf(name, sizeof name, "%s.%s", probe, what);
    if (length >= (int)sizeof name)
        return fv_fail(error, FV_USAGE, "the series name '%s.%s' is longer than %zu characters",
                       probe, what, sizeof name - 1);
    fv_status status = fv_record_add(record, name, step, (float)value);
    if (status != FV_OK) return fv_fail(error, status, "no memory for the series '%s'", name);
    return FV_OK;
}

#endif
