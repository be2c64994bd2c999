// Gated DeltaNet (Yang et al., 2024, arXiv 2412.06464; Qwen3-Next): the delta rule on a state that decays
// by exp(-exp(A_log) softplus(x W + bias)); with decay_of: channel each number of a key has its own, as in
// Kimi Delta Attention (arXiv 2510.26692).
#include "model/recurrence.h"

static void describe(const fv_config *config, recurrence *is) {
    recurrence_heads(config, 4, is);
    is->name = "gated_deltanet";
    is->scaled = is->unit = is->replaces = is->gated = true;
    is->channels = config->model.decay_of == FV_DECAY_OF_CHANNEL;
    is->decay = RECURRENCE_STEP_DECAY;
    is->rate = RECURRENCE_SIGMOID_RATE;
    is->norm = RECURRENCE_HEAD_NORM;
}

FV_RECURRENCE_LAYER(
    gated_deltanet,
    .help = "the delta rule on a state that tokens may also forget as a whole, or by row",
    .example =
        "model: {layers: [gated_deltanet*3, attention], n_embd: 16, n_head: 2, residual: true}",
    .reads = {FV_RECURRENCE_READS, FV_READS(model.decay_of)});
