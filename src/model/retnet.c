// The retention of RetNet (Sun et al., 2023, arXiv 2307.08621): a fixed decay of 1 - 2^(-5 - h) in head h,
// RMS norm of each head's output and a gate. Its rotation of queries and keys is left out.
#include "model/recurrence.h"

static void describe(const fv_config *config, recurrence *is) {
    recurrence_heads(config, 0, is);
    is->name = "retnet";
    is->scaled = is->gated = true;
    is->decay = RECURRENCE_FIXED_DECAY;
    is->norm = RECURRENCE_HEAD_NORM;
}

FV_RECURRENCE_LAYER(
    retnet,
    .help = "retention: linear attention that forgets at a fixed rate, each head at its own",
    .example = "model: {layers: [retnet, mlp], n_embd: 16, n_head: 2, residual: true}",
    .reads = {FV_RECURRENCE_READS});
