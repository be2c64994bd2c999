// Draws that tasks share. All of them depend on nothing but the random_source they are given and
// allocate nothing, because they run inside a training step.
#ifndef TASKS_DRAW_H
#define TASKS_DRAW_H

#include "base/random.h"

#include <fovea/status.h>

// A discrete distribution over 0 ... n - 1.
typedef struct task_weights {
    int n;
    double *cumulative; // [n], ends at 1; NULL: uniform
    double *shares;     // [n], the probability of each; NULL: uniform
} task_weights;

// Takes weight(context, i) for every i; they need not add up to 1.
fv_status weights_create(int n, double (*weight)(const void *context, int i), const void *context,
                         task_weights *weights);
void weights_free(task_weights *weights);
double weights_share(const task_weights *weights, int i); // the probability of i
int weights_draw(const task_weights *weights, random_source *random);

// The most values that draw_distinct draws from a pool beyond FV_DENSE_POOL.
enum { FV_DENSE_POOL = 1024, FV_MOST_DISTINCT = 8192 };

// n different values of [0, pool), uniform over all ordered choices, to out[i * stride].
void draw_distinct(random_source *random, int pool, int n, int32_t *out, int stride);

#endif
