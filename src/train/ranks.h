// A run whose sequences lie on several ranks (train.context_ranks): each computes its own positions of all
// sequences, attention takes keys and values around the ring, and gradients are added up at the end of a
// step, in the order of the ranks, so that all of them take the same step.
//
// Positions are dealt as the ring's zigzag: of 2 N pieces rank r has the r-th and the r-th from the end,
// which shares the work of a causal mask evenly. Every rank draws whole sequences, as tokens are small.
#ifndef TRAIN_RANKS_H
#define TRAIN_RANKS_H

#include "model/layers.h"

#include <fovea/train.h>

typedef struct train_ranks {
    fv_ring_transport others;  // as it was given
    fv_ring_transport counted; // the same, whose bytes and waits are counted
    fv_ranks_report report;
    fv_model *model;  // of this rank's positions
    int n_loss;       // positions with a target, of whole sequences
    int *row_of;      // [n_loss], the rank's row of each, -1 where another rank has it
    int32_t *targets; // [n_loss][16] of whole sequences
    real *received;   // [n] from another rank
    fv_error failure; // the first that the transport had
} train_ranks;

// `whole` is the model of whole sequences. FV_USAGE with a sentence for what is not carried from rank to
// rank. `others` outlives the ranks.
fv_status ranks_create(const fv_model *whole, const fv_ring_transport *others, size_t n,
                       train_ranks **out, fv_error *error);
void ranks_free(train_ranks *ranks);

// The targets of a tile's sequences, drawn in whole, go to the rows of this rank.
void ranks_draw(train_ranks *ranks, const task_data *data, random_stream stream, uint32_t step,
                int n_samples, model_tile *tile);

// Sums over all ranks, on all ranks: x [n] and y [m].
void ranks_sum(train_ranks *ranks, size_t n, real *x, int m, double *y);

// Of a trainer: whether any rank says so, asked on all; and how its transport failed.
bool trainer_any_rank(fv_trainer *trainer, bool here);
fv_status trainer_rank_failed(const fv_trainer *trainer, fv_error *error);

#endif
