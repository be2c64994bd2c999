// What a model predicts on held-out sequences, one prediction after the other.
#ifndef FOVEA_PROBES_PREDICTIONS_H
#define FOVEA_PROBES_PREDICTIONS_H

#include <fovea/model.h>

// One prediction: the target (never below 0), at the place-th of the positions that the loss reads,
// and logits [V].
typedef void (*fv_prediction_visit)(void *context, int place, int target, const float *logits);

// Visits the predictions of the first n test sequences of the model's seed, in their order, those
// without a target left out. A few sequences at a time are in memory. Fails without memory.
fv_status fv_predictions_each(const fv_model *model, const float *params, int n,
                              fv_prediction_visit visit, void *context, fv_error *error);

#endif
