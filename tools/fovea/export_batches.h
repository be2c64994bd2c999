// The training data of runs as .npy files, for other programs and for task.name file.
#ifndef EXPORT_BATCHES_H
#define EXPORT_BATCHES_H

#include <fovea/fields.h>

// Writes FOLDER/tokens.npy, int32 [n_steps * batch_size, T], and FOLDER/targets.npy, int32
// [n_steps * batch_size, loss positions]; n_steps 0 means all.
fv_status export_batches(const fv_config *config, int n_steps, const char *folder, fv_error *error);

#endif
