// Learning rates that differ between parameters.
#ifndef TRAIN_RATES_H
#define TRAIN_RATES_H

#include "model/layers.h"

// Fills scale [n_params] with each parameter's factor of the learning rate: by group, by how
// frequent a token is, 0 for embeddings that are not learned. False where every factor is 1.
bool rates_fill(const fv_model *model, const task_weights *tokens, real *scale);

#endif
