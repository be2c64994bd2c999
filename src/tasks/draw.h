// Draws that tasks share. All of them depend on nothing but the fv_random they are given and
// allocate nothing, because they run inside a training step.
#ifndef TASKS_DRAW_H
#define TASKS_DRAW_H

#include "base/random.h"

#include <fovea/status.h>

// A discrete distribution over 0 ... n - 1.
typedef struct fv_weights {
    int n;
    double *cumulative; // [n], ends at 1; NULL: uniform
    double *shares;     // [n], the probability of each; NULL: uniform
} fv_weights;

// Takes weight(context, i) for every i; they need not add up to 1.
fv_status fv_weights_create(int n, double (*weight)(const void *context, int i),
                            const void *context, fv_weights *weights);
void fv_weights_free(fv_weights *weights);
double fv_weights_share(const fv_weights *weights, int i); // the probability of i
int fv_weights_draw(const fv_weights *weights, fv_random *random);

// The most values that fv_draw_distinct draws from a pool beyond FV_DENSE_POOL.
enum { FV_DENSE_POOL = 1024, FV_MOST_DISTINCT = 8192 };

// n different values of [0, pool), uniform over all ordered choices, to out[i * stride].
void fv_draw_distinct(fv_random *random, int pool, int n, int32_t *out, int stride);

#endif
