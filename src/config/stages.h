// Stages of training (train.stages): from the step `at` on, a run has other values of some fields of its
// task and of its training. The model and its parameters stay, and steps are counted on.
#ifndef CONFIG_STAGES_H
#define CONFIG_STAGES_H

#include "base/yaml.h"

#include <fovea/fields.h>

typedef struct stage_now {
    int first;  // the step at which the stage begins, 0 for what is before all of them
    int next;   // that of the next one; INT_MAX behind the last
    bool reset; // it begins with an optimizer that has seen nothing
} stage_now;

// Brings the list into its one form: at, reset and the fields in order, values as fv_config_get has them.
// FV_USAGE for what is no stage.
fv_status stages_write(const fv_field *field, const yaml_value *given, text_buffer *out,
                       fv_error *error);

// The configuration that is in force at a step, without stages of its own. Fails without memory only.
fv_status stages_at(const fv_config *config, int step, fv_config *there, stage_now *now,
                    fv_error *error);

// Whether a stage may change the field: it does not belong to the run as a whole.
bool stages_may_change(const fv_field *field);

bool stages_any(const fv_config *config);

// From `step` (1 or later) on the field has this value, whatever stages from there on said of it; stages that
// have nothing left to say go. FV_USAGE where the field or the value does not fit.
fv_status stages_set(fv_config *config, int step, const char *key, const char *value,
                     fv_error *error);

// Every stage is a configuration that can be trained, and reads what it sets.
fv_status stages_check(const fv_config *config, const fv_field **culprit, fv_error *error);

#endif
