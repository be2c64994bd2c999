// Gated linear attention (Yang et al., 2023, arXiv 2312.06635): every number of a key has a decay that the
// token chooses, sigmoid(x W)^(1/16).
#include "model/recurrence.h"

static void describe(const fv_config *config, recurrence *is) {
    recurrence_heads(config, 0, is);
    is->name = "gla";
    is->scaled = is->gated = is->channels = true;
    is->decay = RECURRENCE_ROOT_DECAY;
    is->norm = RECURRENCE_HEAD_NORM;
}

FV_RECURRENCE_LAYER(
    gla, .help = "gated linear attention: tokens choose what each row of the state forgets",
    .example = "model: {layers: [gla, mlp], n_embd: 16, n_head: 2, residual: true}",
    .reads = {FV_RECURRENCE_READS});
