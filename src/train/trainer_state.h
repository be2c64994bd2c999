// What a trainer carries from one step to the next. Batches, lengths and noise are functions of seed and
// step, so that a trainer of the same configuration with this state goes on bit for bit as the one that it
// was taken from.
#ifndef TRAIN_TRAINER_STATE_H
#define TRAIN_TRAINER_STATE_H

#include "base/real.h"

#include <fovea/train.h>

// Where a state belongs: the step that is next, from 0, and the one since which moments are kept.
typedef struct trainer_place {
    int step, since;
} trainer_place;

// Parameters, moments and what the optimizer keeps beside them, in floats. It changes where a stage of
// train.stages changes the optimizer.
size_t trainer_state_size(const fv_trainer *t);
trainer_place trainer_save(const fv_trainer *t, real *state); // [trainer_state_size]

// Goes on from a state, in the stage in which it was saved. Fails without memory only, where that is another
// one than the trainer's.
fv_status trainer_restore(fv_trainer *t, const real *state, trainer_place place, fv_error *error);

// Other stages from the next step on: `config` differs from the trainer's own in stages that begin at the next
// step or later. Fails without memory only.
fv_status trainer_restage(fv_trainer *t, const fv_config *config, fv_error *error);

#endif
