// Learning rates that differ between parameters.
#ifndef TRAIN_RATES_H
#define TRAIN_RATES_H

#include "model/layers.h"
#include "train/rates_check.h"

// Fills scale [n_params] with each parameter's factor of the learning rate: by group, by how
// frequent a token is, by patterns of names (train.rates), 0 for embeddings that are not learned and for
// what train.freeze names. False where every factor is 1.
bool rates_fill(const fv_model *model, const task_weights *tokens, real *scale);

// Whether train.freeze names the tensor.
bool rates_frozen(const fv_config *config, const char *tensor);

#endif
