// Patterns of names that fit nothing, for whoever reads no member of a configuration.
#ifndef TRAIN_RATES_CHECK_H
#define TRAIN_RATES_CHECK_H

#include <fovea/model.h>

// FV_USAGE where a pattern of train.freeze or train.rates fits no tensor of the model; *culprit is then that
// field. `model` may be NULL: it is made where there are patterns.
fv_status rates_check(const fv_config *config, const fv_model *model, const fv_field **culprit,
                      fv_error *error);

#endif
