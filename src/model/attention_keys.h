// What a layer of a configuration sees, for whoever computes it: the lab's model, or the decoder.
#ifndef MODEL_ATTENTION_KEYS_H
#define MODEL_ATTENTION_KEYS_H

#include "attention/sight.h"

#include <fovea/fields.h>

// From so many keys on probabilities are not kept: there they are larger than everything else.
enum { FV_LONG_CONTEXT = 512 };

// What layer i of the configuration's list sees.
attention_sight sight_of(const fv_model_config *config, int i);

#endif
