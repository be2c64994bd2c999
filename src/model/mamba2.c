// Mamba-2 (Dao & Gu, 2024, arXiv 2405.21060): a selective state space whose decay is one number a head,
// which makes it linear attention with B for keys, C for queries, x for values and the time step for a rate:
//
//     S = exp(-step exp(A_log)) S + step B x',   y = S' C + D x,   RMS norm of y silu(z), times W_O
//
// x, B and C are convolved; all heads share B and C.
#include "model/recurrence.h"

static void describe(const fv_config *config, recurrence *is) {
    const fv_model_config *m = &config->model;
    is->name = "mamba2";
    is->n_head = m->n_head;
    is->n_key = m->mamba_state;
    is->n_value = m->mamba_expand * m->n_embd / m->n_head;
    is->taps = m->mamba_conv;
    is->taps_biased = is->shared = is->skips = is->gated = true;
    is->decay = RECURRENCE_STEP_DECAY;
    is->rate = RECURRENCE_STEP_RATE;
    is->norm = RECURRENCE_WHOLE_NORM;
}

FV_RECURRENCE_LAYER(
    mamba2,
    .help = "Mamba-2: a selective state space with one decay a head, a matrix for its state",
    .example = "model: {layers: [mamba2], n_embd: 16, n_head: 4, mamba_state: 8}",
    .reads = {FV_READS(model.residual), FV_READS(model.mamba_state), FV_READS(model.mamba_expand),
              FV_READS(model.mamba_conv)});
