// quantization_config of a config.json: which matrices are packed, how (packing.h), and how many
// bytes the weights take then.
#ifndef COST_QUANTIZATION_H
#define COST_QUANTIZATION_H

#include "cost/config.h"
#include "cost/counts.h"

// Counts what is packed in the model, which must be complete, and notes it in a line. A method
// that is not known is named in one, and packs nothing.
void cost_read_quantization(cost_config *config, fv_cost_model *model);

#endif
