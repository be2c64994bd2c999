// What a trainer carries from one step to the next. Batches, lengths and noise are functions of seed and
// step, so that a trainer of the same configuration with this state and step goes on bit for bit as the
// one that it was taken from. Of a configuration without train.stages.
#ifndef TRAIN_TRAINER_STATE_H
#define TRAIN_TRAINER_STATE_H

#include "base/real.h"

#include <fovea/train.h>

// Parameters, moments and what the optimizer keeps beside them, in floats.
size_t trainer_state_size(const fv_trainer *t);
void trainer_save(const fv_trainer *t, real *state); // [trainer_state_size]

// The next step is `step`, from 0.
void trainer_restore(fv_trainer *t, const real *state, int step);

// train.learning_rate from the next step on; in the schedule it takes the place of the one before.
void trainer_set_rate(fv_trainer *t, double rate);

#endif
