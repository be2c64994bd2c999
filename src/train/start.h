// What the parameters of a run begin as, where that is not drawn (train.from): those of another model,
// under a digest of their names, shapes and bits. They are read once and stay in memory, for all runs that
// begin with them.
#ifndef TRAIN_START_H
#define TRAIN_START_H

#include <fovea/model.h>

// Keeps the parameters [n_params] of a model for runs that begin with them; takes both over, which it may
// free, and fails without memory only.
fv_status start_keep(fv_model *model, float *params, char digest[17], fv_error *error);

// Reads a checkpoint, once for each state of the file, and keeps what it holds.
fv_status start_read(const char *path, char digest[17], fv_error *error);

// The parameters that a settled configuration names, into params [n_params]; with NULL only checks. FV_USAGE
// where they are not at its train.from any more, and where the model has other tensors.
fv_status start_fill(const fv_config *config, const fv_model *model, float *params,
                     fv_error *error);

#endif
