// The transition matrix of task markov: how it is drawn, its stationary distribution, and the entropies
// that follow. One of each configuration for the whole process.
#ifndef TASKS_MARKOV_MATRIX_H
#define TASKS_MARKOV_MATRIX_H

#include "config/part.h"
#include "tasks/draw.h"

enum { MARKOV_MOST_NUMBERS = 1 << 22, MARKOV_MOST_ORDER = 8 };

typedef struct markov_matrix {
    int n_symbols, order;
    size_t n_states;    // n_symbols^order; the last symbol of a state is its lowest digit
    double *cumulative; // [n_states][n_symbols], each row ends at 1
    double *start;      // [n_states], cumulative, of the stationary distribution
    // Of the next symbol given the k before it, in nats.
    double entropy[MARKOV_MOST_ORDER + 1];
} markov_matrix;

// V, or one less with a token for the beginning.
int markov_symbols(const fv_task_config *config);

// The matrix of a configuration; to be given back. FV_NO_MEMORY, or what is wrong with its file.
fv_status markov_matrix_take(const fv_task_config *config, const markov_matrix **matrix,
                             fv_error *error);
void markov_matrix_release(const markov_matrix *matrix);

// Puts the digest of the matrix in a file into a configuration that reads one and has none.
fv_status markov_settle(fv_config *whole, fv_error *error);

// The smallest i of n with u <= cumulative[i], at most n - 1.
size_t markov_draw(const double *cumulative, size_t n, double u);

#endif
