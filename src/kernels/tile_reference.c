// The arithmetic of a tile in plain C and double precision: what the other variants are held
// against, never optimised.

#ifndef FOVEA_DOUBLE
#define VARIANT reference
#include "kernels/variants.h"

#include <math.h>
#include <string.h>

enum { Q = FV_TILE_QUERIES };

// 2^x beside 1, as in kernels.h.
static double exp2_share(double x) {
    return x < FV_LOG2_LEAST_SHARE ? 0 : exp2(x);
}

static bool sees(const uint64_t *seen, int key, int query) {
    return seen == NULL || (seen[key] >> query & 1);
}

// What the formulas of scores are made of (kernels/score_formulas.h).
#define LOG(x)       log(x)
#define FINITE(y, x) ((y) + ((x) - (x)))

// In units of log 2, rounded to a float, as the running maximum is kept: of large scores the two
// would else differ by more than 1. *slope receives what ds is multiplied by.
static double score(const tile_score *s, int d, const float *query, ptrdiff_t query_step,
                    const float *key, double *slope) {
    double product = 0, distance = 0;
    for (int f = 0; f < d; f++) {
        double q = query[f * query_step], k = key[f];
        product += q * k;
        distance += (q - k) * (q - k);
    }
    const bool metric = score_is_metric(s->kind);
    const double factor = (double)s->factor, floor = (double)s->floor, c = (double)s->slope;
    const double x = metric ? distance : product;
    switch (s->kind) {
#define FV_SCORE(NAME, name, of, bends, factor_, value_, slope_, ...)                              \
    case FV_KERNEL_##NAME:                                                                         \
        *slope = metric ? (slope_) : c;                                                            \
        return (float)(value_);
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return *slope = NAN; // there is no such score
}

// Capped and biased; *slope receives the cap's share.
static double shaped(const tile_score *s, double x, double bias, double *slope) {
    if (s->cap != 0) {
        double t = tanh(x / s->cap);
        *slope *= 1 - t * t;
        x = s->cap * t;
    }
    return bias != 0 ? (float)(x + bias) : (float)x;
}

void KERNEL(to_columns)(int n, const float *rows, float factor, float *columns) {
    for (int q = 0; q < Q; q++)
        for (int f = 0; f < n; f++) columns[f * Q + q] = factor * rows[q * n + f];
}

void KERNEL(to_rows)(int n, const float *columns, const float *factors, float *rows) {
    for (int q = 0; q < Q; q++)
        for (int f = 0; f < n; f++) rows[q * n + f] = columns[f * Q + q] * factors[q];
}

static void forward_query(const tile_job *t, int q) {
    double scores[FV_TILE_KEYS], slope, largest = t->largest[q], sum;
    for (int j = 0; j < t->n_keys; j++) {
        double bias = t->key_bias ? (double)t->query_bias[q] + t->key_bias[j] : 0;
        scores[j] = score(&t->score, t->d, t->qt + q, Q, t->k + j * t->k_stride, &slope);
        scores[j] = shaped(&t->score, scores[j], bias, &slope);
        if (sees(t->seen, j, q) && !(scores[j] <= largest)) largest = scores[j];
    }
    double factor = exp2_share(t->largest[q] - largest);
    largest = (float)largest; // as it is kept
    sum = t->sum[q] * factor;
    for (int j = 0; j < t->n_keys; j++) {
        scores[j] = sees(t->seen, j, q) ? exp2_share(scores[j] - largest) : 0;
        sum += scores[j];
    }
    for (int f = 0; f < t->d; f++) {
        double o = t->ot[f * Q + q] * factor;
        for (int j = 0; j < t->n_keys; j++) o += scores[j] * t->v[j * t->v_stride + f];
        t->ot[f * Q + q] = (float)o;
    }
    t->largest[q] = (float)largest;
    t->sum[q] = (float)sum;
}

void KERNEL(tile)(const tile_job *t) {
    for (int q = 0; q < Q; q++) forward_query(t, q);
}

static void backward_pair(const kernel_tile_gradient *t, int q, int j) {
    ptrdiff_t n = t->d_padded;
    const float *k = t->k + j * n, *v = t->v + j * n, *query = t->q + q * n, *g = t->g + q * n;
    double slope, dp = 0;
    double bias = t->key_bias ? (double)t->query_bias[q] + t->key_bias[j] : 0;
    double x = score(&t->score, t->d, t->qt + q, Q, k, &slope);
    x = shaped(&t->score, x, bias, &slope) - t->logsumexp[q];
    double p = exp2_share(x >= -fabs((double)t->logsumexp[q]) * FV_LOGSUMEXP_ERROR ? 0 : x);
    for (int f = 0; f < t->d; f++) dp += (double)t->gt[f * Q + q] * v[f];
    double ds = p * (dp - t->delta[q]) * slope;
    if (fabs(ds) < FV_LEAST) ds = 0;
    bool metric = score_is_metric(t->score.kind);
    for (int f = 0; f < t->d; f++) {
        double difference = metric ? (double)query[f] - k[f] : 0;
        t->dv[j * n + f] += (float)(p * g[f]);
        t->dk[j * n + f] += (float)(ds * (metric ? difference : query[f]));
        t->dq[q * n + f] += (float)(ds * (metric ? -difference : k[f]));
    }
}

void KERNEL(tile_gradient)(const kernel_tile_gradient *t) {
    for (int q = 0; q < Q; q++)
        for (int j = 0; j < t->n_keys; j++)
            if (sees(t->seen, j, q)) backward_pair(t, q, j);
}

// A row of the cache as floats.
static void read_row(const decode_job *t, const char *row, float *out) {
    for (int f = 0; f < t->d_padded; f++) {
        uint16_t half;
        uint32_t bits;
        if (t->bfloat16) {
            memcpy(&half, row + 2 * f, sizeof half);
            bits = (uint32_t)half << 16;
        } else {
            memcpy(&bits, row + 4 * f, sizeof bits);
        }
        memcpy(&out[f], &bits, sizeof bits);
    }
}

static void decode_key(const decode_job *t, int head, int j, const float *k, const float *v) {
    const float *q = t->q + (ptrdiff_t)head * t->d_padded;
    float *o = t->o + (ptrdiff_t)head * t->d_padded;
    double slope, s = score(&t->score, t->d_padded, q, 1, k, &slope);
    s = shaped(&t->score, s, t->bias ? t->bias[head * FV_TILE_KEYS + j] : 0, &slope);
    double before = t->largest[head], largest = s <= before ? before : (float)s;
    double factor = exp2_share(before - largest), p = exp2_share(s - largest);
    for (int f = 0; f < t->d_padded; f++) o[f] = (float)(o[f] * factor + p * v[f]);
    t->sum[head] = (float)(t->sum[head] * factor + p);
    t->largest[head] = (float)largest;
}

void KERNEL(decode)(const decode_job *t) {
    float k[FV_MAX_HEAD_WIDTH], v[FV_MAX_HEAD_WIDTH];
    for (int j = 0; j < t->n_keys; j++) {
        read_row(t, t->k + j * t->k_stride, k);
        read_row(t, t->v + j * t->v_stride, v);
        for (int head = 0; head < t->n_heads; head++) decode_key(t, head, j, k, v);
    }
}

#endif
