// DeltaNet (Yang et al., 2024, arXiv 2406.06484): what is held for a key is replaced instead of added to,
// S = (I - beta k k') S + beta k v' with keys of length 1 and beta = sigmoid(x W).
#include "model/recurrence.h"

static void describe(const fv_config *config, recurrence *is) {
    recurrence_heads(config, 4, is);
    is->name = "deltanet";
    is->scaled = is->unit = is->replaces = true;
    is->rate = RECURRENCE_SIGMOID_RATE;
    is->norm = RECURRENCE_HEAD_NORM;
}

FV_RECURRENCE_LAYER(
    deltanet, .help = "linear attention by the delta rule: what is held for a key is replaced",
    .example = "model: {layers: [deltanet, mlp], n_embd: 16, n_head: 2, residual: true}",
    .reads = {FV_RECURRENCE_READS});
