// What the tests of attention over long sequences share: the operation as its definition says, in
// double precision, pair by pair, and random cases of it.
#ifndef TESTS_LONGCTX_H
#define TESTS_LONGCTX_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fovea/attention.h>

#include "score_truth.h"

// Noise: xorshift64*, good enough to make numbers up.
static inline uint64_t noise(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}
static inline int64_t noise_below(uint64_t *state, int64_t n) {
    return (int64_t)((noise(state) >> 11) % (uint64_t)n);
}
static inline double noise_real(uint64_t *state) { // on [-1, 1)
    return (double)(int64_t)noise(state) / 9223372036854775808.0;
}

// A case: its configuration and the arrays of a forward and a backward pass.
typedef struct attention_case {
    fv_attention_config config;
    int64_t globals[8];
    uint8_t *bitmap;
    uint8_t *visible; // [n_query][n_key]
    size_t n_q, n_k;  // numbers in q and in k
    float *q, *k, *v, *d_o;
    uint16_t *k_half, *v_half; // rounded; k and v then hold the rounded numbers
} attention_case;

typedef struct attention_result {
    float *o, *logsumexp, *dq, *dk, *dv;
} attention_result;

typedef struct attention_truth {
    double *o, *logsumexp, *dq, *dk, *dv;
} attention_truth;

static inline int64_t longctx_block(const fv_attention_mask *m) {
    return m->block ? m->block : 64;
}

// Which keys a query sees, from the description alone. Random blocks are what the plan drew: they
// are handed in by the test of their number.
static inline bool longctx_sees(const fv_attention_config *c, int64_t i, int64_t j) {
    const fv_attention_mask *m = &c->mask;
    int64_t distance = i > j ? i - j : j - i;
    if (m->causal && j > i) return false;
    bool any_part = m->window || m->sinks || m->stride || m->n_globals || m->bitmap;
    if (!any_part) return true;
    if (m->window && distance < m->window) return true;
    if (j < m->sinks) return true;
    if (m->stride && distance % m->stride == 0 &&
        (m->stride_window == 0 || distance < m->stride * m->stride_window))
        return true;
    for (int64_t g = 0; g < m->n_globals; g++)
        if (m->globals[g] == i || m->globals[g] == j) return true;
    if (m->bitmap) {
        int64_t columns = (c->n_key + longctx_block(m) - 1) / longctx_block(m);
        int64_t row = i / longctx_block(m), column = j / longctx_block(m);
        if (m->bitmap[row * ((columns + 7) / 8) + column / 8] >> (column % 8) & 1) return true;
    }
    return false;
}

// Where row `row` of a head begins.
static inline size_t longctx_at(const fv_attention_config *c, int64_t n_rows, int64_t n_heads,
                                int64_t batch, int64_t head, int64_t row) {
    int64_t index = c->layout == FV_HEADS_FIRST ? (batch * n_heads + head) * n_rows + row
                                                : (batch * n_rows + row) * n_heads + head;
    return (size_t)(index * c->d_head);
}

static inline double longctx_score(const fv_attention_config *c, const float *q, const float *k,
                                   double *slope) {
    double product = 0, distance = 0, scale = c->scale;
    for (int64_t f = 0; f < c->d_head; f++) {
        product += (double)q[f] * k[f];
        distance += ((double)q[f] - k[f]) * ((double)q[f] - k[f]);
    }
    kernel_score kind = (kernel_score)c->score;
    if (scale == 0) scale = score_is_metric(kind) ? 1 : 1 / sqrt((double)c->d_head);
    return score_truth((score_case){kind, scale, c->power, c->floor, product, distance}, slope);
}

// One query of one head, forward and backward.
static inline void longctx_query(const attention_case *a, attention_truth *t, int64_t batch,
                                 int64_t head, int64_t i, double *p, double *slopes) {
    const fv_attention_config *c = &a->config;
    int64_t shared = head / (c->n_head / c->n_kv_head), d = c->d_head;
    size_t at = longctx_at(c, c->n_query, c->n_head, batch, head, i);
    double largest = -INFINITY, sum = 0, delta = 0;
    for (int64_t j = 0; j < c->n_key; j++) {
        if (!a->visible[i * c->n_key + j]) continue;
        size_t key = longctx_at(c, c->n_key, c->n_kv_head, batch, shared, j);
        p[j] = longctx_score(c, a->q + at, a->k + key, &slopes[j]);
        largest = fmax(largest, p[j]);
    }
    for (int64_t j = 0; j < c->n_key; j++)
        if (a->visible[i * c->n_key + j]) sum += p[j] = exp(p[j] - largest);
    t->logsumexp[(batch * c->n_head + head) * c->n_query + i] =
        sum > 0 ? largest + log(sum) : -INFINITY;
    for (int64_t j = 0; j < c->n_key; j++) {
        if (!a->visible[i * c->n_key + j]) continue;
        size_t key = longctx_at(c, c->n_key, c->n_kv_head, batch, shared, j);
        p[j] /= sum;
        for (int64_t f = 0; f < d; f++) t->o[at + f] += p[j] * a->v[key + f];
    }
    for (int64_t f = 0; f < d; f++) delta += t->o[at + f] * a->d_o[at + f];
    for (int64_t j = 0; j < c->n_key; j++) {
        if (!a->visible[i * c->n_key + j]) continue;
        size_t key = longctx_at(c, c->n_key, c->n_kv_head, batch, shared, j);
        double dp = 0;
        for (int64_t f = 0; f < d; f++) dp += (double)a->d_o[at + f] * a->v[key + f];
        double ds = p[j] * (dp - delta) * slopes[j];
        bool metric = score_is_metric((kernel_score)c->score);
        for (int64_t f = 0; f < d; f++) {
            double q = a->q[at + f], k = a->k[key + f];
            t->dv[key + f] += p[j] * a->d_o[at + f];
            t->dq[at + f] += ds * (metric ? q - k : k);
            t->dk[key + f] += ds * (metric ? k - q : q);
        }
    }
}

static inline attention_truth longctx_truth(const attention_case *a) {
    const fv_attention_config *c = &a->config;
    size_t rows = (size_t)(c->n_batch * c->n_head * c->n_query);
    attention_truth t = {calloc(a->n_q, 8), calloc(rows, 8), calloc(a->n_q, 8), calloc(a->n_k, 8),
                         calloc(a->n_k, 8)};
    double *p = malloc((size_t)c->n_key * 8), *slopes = malloc((size_t)c->n_key * 8);
    for (int64_t batch = 0; batch < c->n_batch; batch++)
        for (int64_t head = 0; head < c->n_head; head++)
            for (int64_t i = 0; i < c->n_query; i++)
                longctx_query(a, &t, batch, head, i, p, slopes);
    free(p);
    free(slopes);
    return t;
}

static inline void longctx_truth_free(attention_truth *t) {
    free(t->o), free(t->logsumexp), free(t->dq), free(t->dk), free(t->dv);
}

static inline attention_result longctx_result(const attention_case *a) {
    const fv_attention_config *c = &a->config;
    size_t rows = (size_t)(c->n_batch * c->n_head * c->n_query);
    return (attention_result){malloc(a->n_q * 4), malloc(rows * 4), malloc(a->n_q * 4),
                              malloc(a->n_k * 4), malloc(a->n_k * 4)};
}

static inline void longctx_result_free(attention_result *r) {
    free(r->o), free(r->logsumexp), free(r->dq), free(r->dk), free(r->dv);
}

// |x - y| / |y|; zeros must be met exactly where all of y is zero.
static inline double longctx_error(const float *x, const double *y, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        if (isinf(y[i]) && x[i] == y[i]) continue;
        difference += (x[i] - y[i]) * (x[i] - y[i]);
        norm += y[i] * y[i];
    }
    if (norm == 0) return difference == 0 ? 0 : INFINITY;
    return sqrt(difference / norm);
}

// Arrays of a configured case: numbers of about unit size, `size` times larger where asked.
static inline void longctx_fill(attention_case *a, uint64_t *state, double size) {
    fv_attention_config *c = &a->config;
    a->n_q = (size_t)(c->n_batch * c->n_head * c->n_query * c->d_head);
    a->n_k = (size_t)(c->n_batch * c->n_kv_head * c->n_key * c->d_head);
    a->q = malloc(a->n_q * 4), a->d_o = malloc(a->n_q * 4);
    a->k = malloc(a->n_k * 4), a->v = malloc(a->n_k * 4);
    a->k_half = malloc(a->n_k * 2), a->v_half = malloc(a->n_k * 2);
    for (size_t i = 0; i < a->n_q; i++) {
        a->q[i] = (float)(size * 1.7 * noise_real(state));
        a->d_o[i] = (float)noise_real(state);
    }
    for (size_t i = 0; i < a->n_k; i++) {
        a->k[i] = (float)(size * 1.7 * noise_real(state));
        a->v[i] = (float)noise_real(state);
    }
    for (size_t i = 0; i < a->n_k && c->kv_type == FV_BFLOAT16; i++) {
        uint32_t bits[2];
        memcpy(&bits[0], &a->k[i], 4);
        memcpy(&bits[1], &a->v[i], 4);
        a->k_half[i] = (uint16_t)(bits[0] >> 16), a->v_half[i] = (uint16_t)(bits[1] >> 16);
        bits[0] &= 0xffff0000u, bits[1] &= 0xffff0000u;
        memcpy(&a->k[i], &bits[0], 4);
        memcpy(&a->v[i], &bits[1], 4);
    }
    a->visible = malloc((size_t)(c->n_query * c->n_key));
    for (int64_t i = 0; i < c->n_query; i++)
        for (int64_t j = 0; j < c->n_key; j++)
            a->visible[i * c->n_key + j] = longctx_sees(c, c->first_query + i, j);
}

static inline const void *longctx_k(const attention_case *a) {
    return a->config.kv_type == FV_BFLOAT16 ? (const void *)a->k_half : a->k;
}
static inline const void *longctx_v(const attention_case *a) {
    return a->config.kv_type == FV_BFLOAT16 ? (const void *)a->v_half : a->v;
}

static inline void longctx_case_free(attention_case *a) {
    free(a->q), free(a->k), free(a->v), free(a->d_o), free(a->k_half), free(a->v_half);
    free(a->visible), free(a->bitmap);
}

// A random part or more of a mask.
static inline void longctx_mask(attention_case *a, uint64_t *state) {
    fv_attention_config *c = &a->config;
    fv_attention_mask *m = &c->mask;
    int64_t n = c->n_key;
    *m = (fv_attention_mask){.causal = noise_below(state, 2) == 0};
    unsigned parts = noise_below(state, 3) == 0 ? 0 : (unsigned)noise_below(state, 32);
    if (parts & 1) m->window = 1 + noise_below(state, noise_below(state, 2) ? n : 40);
    if (parts & 2) m->sinks = 1 + noise_below(state, noise_below(state, 4) ? 5 : n);
    if (parts & 4) {
        m->stride = 1 + noise_below(state, noise_below(state, 2) ? 9 : n);
        if (noise_below(state, 2)) m->stride_window = 1 + noise_below(state, 70);
    }
    if (parts & 8) {
        int64_t end = c->first_query + c->n_query > n ? c->first_query + c->n_query : n, at = -1;
        for (int i = 0; i < 8 && (at += 1 + noise_below(state, end / 4 + 1)) < end; i++)
            a->globals[m->n_globals++] = at;
    }
    if (parts & 16) {
        m->block = 1 + noise_below(state, noise_below(state, 2) ? 100 : 20);
        int64_t rows = (c->first_query + c->n_query + m->block - 1) / m->block;
        int64_t columns = (n + m->block - 1) / m->block;
        m->bitmap_bytes = (size_t)(rows * ((columns + 7) / 8));
        m->bitmap = a->bitmap = malloc(m->bitmap_bytes);
        for (size_t i = 0; i < m->bitmap_bytes; i++)
            a->bitmap[i] = (uint8_t)(noise(state) & noise(state));
    }
    if (m->n_globals > 0) m->globals = a->globals;
}

// Case i of the random ones; the globals point into *a, which must stay where it is.
static inline void longctx_case(attention_case *a, int i) {
    static const int64_t widths[] = {1, 2, 3, 5, 8, 15, 16, 17, 24, 31, 32, 48, 64, 80, 96, 128};
    uint64_t state = 0x9E3779B97F4A7C15u * (uint64_t)(i + 1);
    noise(&state);
    *a = (attention_case){0};
    fv_attention_config *c = &a->config;
    fv_attention_config_init(c);
    c->n_threads = 1;
    c->n_batch = 1 + noise_below(&state, 2);
    c->n_kv_head = 1 + noise_below(&state, 2);
    c->n_head = c->n_kv_head * (1 + noise_below(&state, 3));
    c->d_head = widths[noise_below(&state, sizeof widths / sizeof *widths)];
    c->n_key = 1 + noise_below(&state, noise_below(&state, 3) ? 300 : 20);
    c->n_query = noise_below(&state, 3) ? c->n_key : 1 + noise_below(&state, 300);
    if (c->n_query < c->n_key && noise_below(&state, 2)) c->first_query = c->n_key - c->n_query;
    c->layout = noise_below(&state, 2) ? FV_HEADS_FIRST : FV_POSITIONS_FIRST;
    c->score = (int)noise_below(&state, FV_SCORE_COUNT);
    // Distances grow with the width: scores of about unit spread, as those of dot have.
    if (score_is_metric((kernel_score)c->score) && c->d_head > 4)
        c->scale = 2.0 / (double)c->d_head;
    longctx_mask(a, &state);
    longctx_fill(a, &state, 1);
}

#endif
