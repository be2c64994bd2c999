// A chunk of a recurrence whose state is a matrix, position by position in double precision: never
// optimised, never deleted.

#ifndef FOVEA_DOUBLE
#define VARIANT reference
#include "kernels/variants.h"

#include <math.h>
#include <string.h>

enum { K = FV_CHUNK_WIDEST };

static double decay_at(const kernel_chunk *j, int t) {
    double x = j->log_decay ? (double)j->log_decay[t * j->head_row] * 1.4426950408889634 : 0;
    return x < FV_LOG2_LEAST_SHARE ? 0 : exp2(x);
}
static double rate_at(const kernel_chunk *j, int t) {
    return j->rate ? (double)j->rate[t * j->head_row] : 1;
}

// Column f of a state moves on to position t; returns v less what was held for the key.
static double move_on(const kernel_chunk *j, int t, int f, double *state) {
    const float *k = j->k + t * j->key_row;
    const double decay = decay_at(j, t), v = j->v[t * j->value_row + f];
    double held = 0;
    for (int i = 0; i < j->n_key; i++) {
        state[i] *= decay;
        held += state[i] * k[i];
    }
    double left = j->replaces ? v - held : v;
    for (int i = 0; i < j->n_key; i++) state[i] += rate_at(j, t) * left * k[i];
    return left;
}

static void load_column(const kernel_chunk *j, const float *from, int f, double *state) {
    for (int i = 0; i < j->n_key; i++) state[i] = from[(ptrdiff_t)i * chunk_row(j->n_value) + f];
}
static void save_column(const kernel_chunk *j, const double *state, int f, float *to) {
    for (int i = 0; i < j->n_key; i++)
        to[(ptrdiff_t)i * chunk_row(j->n_value) + f] = kernel_flush((float)state[i], FV_LEAST);
}

void KERNEL(chunk)(const kernel_chunk *j) {
    double state[K];
    for (int f = 0; f < j->n_value; f++) {
        load_column(j, j->state, f, state);
        for (int t = 0; t < j->n; t++) {
            double sum = 0;
            move_on(j, t, f, state);
            for (int i = 0; j->y && i < j->n_key; i++) sum += state[i] * j->q[t * j->key_row + i];
            if (j->y) j->y[t * j->value_row + f] = (float)(j->scale * sum);
        }
        save_column(j, state, f, j->state);
    }
}

typedef struct chunk_sums {
    double dq[FV_CHUNK][K], dk[FV_CHUNK][K], drate[FV_CHUNK], dlog[FV_CHUNK];
} chunk_sums;

static void column_back(const kernel_chunk_gradient *g, int f, chunk_sums *sums) {
    const kernel_chunk *j = &g->forward;
    double states[FV_CHUNK + 1][K], left[FV_CHUNK], d[K];
    load_column(j, j->state, f, states[0]);
    for (int t = 0; t < j->n; t++) {
        memcpy(states[t + 1], states[t], sizeof states[t]);
        left[t] = move_on(j, t, f, states[t + 1]);
    }
    load_column(j, g->dstate, f, d);
    for (int t = j->n - 1; t >= 0; t--) {
        const float *q = j->q + t * j->key_row, *k = j->k + t * j->key_row;
        const double dy = (double)g->dy[t * j->value_row + f] * j->scale, decay = decay_at(j, t);
        double dadded = 0, rate = rate_at(j, t);
        for (int i = 0; i < j->n_key; i++) {
            sums->dq[t][i] += dy * states[t + 1][i];
            d[i] += dy * q[i];
            dadded += d[i] * k[i];
            sums->dk[t][i] += d[i] * rate * left[t];
        }
        sums->drate[t] += dadded * left[t];
        g->dv[t * j->value_row + f] = (float)(rate * dadded);
        for (int i = 0; i < j->n_key; i++) {
            if (j->replaces) {
                sums->dk[t][i] -= rate * dadded * decay * states[t][i];
                d[i] -= rate * dadded * k[i];
            }
            d[i] *= decay;
            sums->dlog[t] += d[i] * states[t][i];
        }
    }
    save_column(j, d, f, g->dstate);
}

void KERNEL(chunk_gradient)(const kernel_chunk_gradient *g) {
    const kernel_chunk *j = &g->forward;
    chunk_sums sums;
    memset(&sums, 0, sizeof sums);
    for (int f = 0; f < j->n_value; f++) column_back(g, f, &sums);
    for (int t = 0; t < j->n; t++) {
        for (int i = 0; i < j->n_key; i++) {
            float *dq = &g->dq[t * j->key_row + i], *dk = &g->dk[t * j->key_row + i];
            *dq = (g->adds ? *dq : 0) + (float)sums.dq[t][i];
            *dk = (g->adds ? *dk : 0) + (float)sums.dk[t][i];
        }
        if (g->drate) g->drate[t * j->head_row] = (float)sums.drate[t];
        if (g->dlog_decay) g->dlog_decay[t * j->head_row] = (float)sums.dlog[t];
    }
}

#endif
