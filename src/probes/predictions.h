// What the readings of predictions make of test sequences' logits at the positions of the loss.
#ifndef FOVEA_PROBES_PREDICTIONS_H
#define FOVEA_PROBES_PREDICTIONS_H

#include "probes/probe_reading.h"

// Sums of the loss by the token or by the index of the position.
typedef struct loss_sums {
    double *loss; // [n]
    long *count;  // [n]
} loss_sums;

// The reading `losses`: cross-entropy in nats, of 32 sequences for each token at a single position
// of the loss, 256 to 8192.
typedef struct probe_losses {
    int n_vocab, n_loss;
    loss_sums by_token, by_position; // [n_vocab], [n_loss]
} probe_losses;

// The reading `confusion`: predicted probabilities summed by the target, rows [truth][predicted],
// of 64 sequences for each token, 256 to 8192.
typedef struct probe_confusion {
    int n_vocab, n_loss;
    double *rows; // [n_vocab][n_vocab]
} probe_confusion;

#endif
