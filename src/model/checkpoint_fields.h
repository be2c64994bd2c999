// The configuration of a model in the metadata of its file: every field as text under its dotted key.
#ifndef MODEL_CHECKPOINT_FIELDS_H
#define MODEL_CHECKPOINT_FIELDS_H

#include "base/safetensors.h"

#include <fovea/fields.h>

// Adds the fields and "fovea_version"; false without memory.
bool checkpoint_write_fields(const fv_config *config, json_t *metadata);

// Reads and checks them; FV_NEWER for fields that this version does not know, FV_FORMAT for values that
// cannot be.
fv_status checkpoint_read_fields(const safetensors *file, fv_config *config, fv_error *error);

#endif
