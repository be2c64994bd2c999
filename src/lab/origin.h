// What train.from names, of a checkpoint or of a run in a store, becomes a digest.
#ifndef LAB_ORIGIN_H
#define LAB_ORIGIN_H

#include <fovea/fields.h>

// Puts the digest of what lies at train.from into the configuration and keeps the parameters for training
// (train/start.h); does nothing without train.from. A run is FOLDER/ID, the first digits of its id being
// enough, or FOLDER/ID@STEP; without a folder it is looked for in out. Each is read once.
fv_status origin_settle(fv_config *config, fv_error *error);

// Whether a settled configuration can be trained as far as that takes a model: patterns of names fit, and
// what it begins with has its tensors. *culprit: the field to change.
fv_status origin_check(const fv_config *config, const fv_field **culprit, fv_error *error);

#endif
