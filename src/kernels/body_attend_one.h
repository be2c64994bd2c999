// Attention of a single query per sample, the case of every last layer whose loss reads one
// position. Blocks of queries cannot share loads here, so each key and value is read once, while
// scores, softmax and pooling happen in registers. Compiled for each small width, so that the
// query, the pool and their gradients are registers too.
//
// Scores of all groups come before the pooling of all, which keeps more exponentials in flight. On
// (V 4, d 2, C 4, batch 256) the attention of a step fell from 3.5 us to 0.9 us against the blocked
// body.
#include "kernels/simd.h"

enum { ONE_WIDEST = 16 };
#define ONE_WIDTHS(X)                                                                              \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16)

typedef struct one_query {
    const float *q, *k, *v;
    float *p, *z;
    ptrdiff_t k_row, v_row;
    int n_keys;
    float scale;
} one_query;

INLINE vf dot(const vf *a, const float *b, int D) {
    vf sum = a[0] * vf_load(b);
    UNROLL for (int f = 1; f < D; f++) sum = vf_fma(a[f], vf_load(b + f * L), sum);
    return sum;
}

INLINE void load_row(vf *to, const float *from, int D) {
    UNROLL for (int f = 0; f < D; f++) to[f] = vf_load(from + f * L);
}

// Scores into p, their maximum over the keys into z's first row.
INLINE void score_one(const one_query *a, int D) {
    vf q[ONE_WIDEST];
    load_row(q, a->q, D);
    vf largest = dot(q, a->k, D);
    vf_store(a->p, largest);
    for (int j = 1; j < a->n_keys; j++) {
        vf score = dot(q, a->k + j * a->k_row, D);
        largest = vf_max(largest, score);
        vf_store(a->p + j * L, score);
    }
    vf_store(a->z, largest);
}

INLINE void pool_one(const one_query *a, int D) {
    vf z[ONE_WIDEST], sum = vf_set1(0), largest = vf_load(a->z);
    UNROLL for (int f = 0; f < D; f++) z[f] = vf_set1(0);
    for (int j = 0; j < a->n_keys; j++) {
        vf e = vf_exp_share((vf_load(a->p + j * L) - largest) * a->scale);
        sum += e;
        vf_store(a->p + j * L, e);
        UNROLL for (int f = 0; f < D; f++) z[f] =
            vf_fma(e, vf_load(a->v + j * a->v_row + f * L), z[f]);
    }
    vf inverse = 1.0f / sum;
    UNROLL for (int f = 0; f < D; f++) vf_store(a->z + f * L, z[f] * inverse);
    for (int j = 0; j < a->n_keys; j++) vf_store(a->p + j * L, vf_load(a->p + j * L) * inverse);
}

typedef struct one_query_gradient {
    one_query forward;
    const float *dz;
    float *dq, *dk, *dv, *ds;
    ptrdiff_t dk_row, dv_row;
} one_query_gradient;

// Where keys and values are the same rows their gradients are one sum, stored once.
INLINE void attend_one_gradient(const one_query_gradient *b, int D, bool shared, bool overwrite) {
    const one_query *a = &b->forward;
    vf q[ONE_WIDEST], dz[ONE_WIDEST], dq[ONE_WIDEST], sum = vf_set1(0);
    load_row(q, a->q, D);
    load_row(dz, b->dz, D);
    for (int j = 0; j < a->n_keys; j++) {
        vf dp = dot(dz, a->v + j * a->v_row, D);
        sum = vf_fma(dp, vf_load(a->p + j * L), sum);
        vf_store(b->ds + j * L, dp);
    }
    UNROLL for (int f = 0; f < D; f++) dq[f] = vf_set1(0);
    for (int j = 0; j < a->n_keys; j++) {
        vf p = vf_load(a->p + j * L);
        vf ds = vf_flush((vf_load(b->ds + j * L) - sum) * (p * a->scale), FV_LEAST);
        float *dk = b->dk + j * b->dk_row, *dv = b->dv + j * b->dv_row;
        UNROLL for (int f = 0; f < D; f++) {
            dq[f] = vf_fma(ds, vf_load(a->k + j * a->k_row + f * L), dq[f]);
            vf key = overwrite ? ds * q[f] : vf_fma(ds, q[f], vf_load(dk + f * L));
            if (shared) {
                vf_store(dk + f * L, vf_fma(p, dz[f], key));
            } else {
                vf_store(dk + f * L, key);
                vf_store(dv + f * L, overwrite ? p * dz[f] : vf_fma(p, dz[f], vf_load(dv + f * L)));
            }
        }
    }
    UNROLL for (int f = 0; f < D; f++) vf_store(b->dq + f * L, dq[f]);
}

INLINE one_query one_query_of(const kernel_attend *a, int g, int part) {
    return (one_query){.q = a->q.data + g * a->q.group_stride + part * VW,
                       .k = a->k.data + g * a->k.group_stride + part * VW,
                       .v = a->v.data + g * a->v.group_stride + part * VW,
                       .p = a->p.data + g * a->p.group_stride + part * VW,
                       .z = a->z.data + g * a->z.group_stride + part * VW,
                       .k_row = a->k.row_stride,
                       .v_row = a->v.row_stride,
                       .n_keys = a->n_keys[0],
                       .scale = a->scale};
}

INLINE one_query_gradient one_query_gradient_of(const kernel_attend_gradient *b, int g, int part) {
    return (one_query_gradient){.forward = one_query_of(&b->forward, g, part),
                                .dz = b->dz.data + g * b->dz.group_stride + part * VW,
                                .dq = b->dq.data + g * b->dq.group_stride + part * VW,
                                .dk = b->dk.data + g * b->dk.group_stride + part * VW,
                                .dv = b->dv.data + g * b->dv.group_stride + part * VW,
                                .ds = b->scratch + part * VW,
                                .dk_row = b->dk.row_stride,
                                .dv_row = b->dv.row_stride};
}

#define DEFINE_ONE(D)                                                                              \
    static void attend_one_##D(const kernel_attend *a) {                                           \
        for (int i = 0; i < a->n_groups * PARTS; i++) {                                            \
            one_query one = one_query_of(a, i / PARTS, i % PARTS);                                 \
            score_one(&one, D);                                                                    \
        }                                                                                          \
        for (int i = 0; i < a->n_groups * PARTS; i++) {                                            \
            one_query one = one_query_of(a, i / PARTS, i % PARTS);                                 \
            pool_one(&one, D);                                                                     \
        }                                                                                          \
    }                                                                                              \
    static void attend_one_gradient_##D(const kernel_attend_gradient *b) {                         \
        bool shared = b->dk.data == b->dv.data;                                                    \
        for (int g = 0; g < b->forward.n_groups; g++)                                              \
            for (int part = 0; part < PARTS; part++) {                                             \
                one_query_gradient one = one_query_gradient_of(b, g, part);                        \
                if (shared && b->overwrite)                                                        \
                    attend_one_gradient(&one, D, true, true);                                      \
                else if (shared)                                                                   \
                    attend_one_gradient(&one, D, true, false);                                     \
                else if (b->overwrite)                                                             \
                    attend_one_gradient(&one, D, false, true);                                     \
                else                                                                               \
                    attend_one_gradient(&one, D, false, false);                                    \
            }                                                                                      \
    }
ONE_WIDTHS(DEFINE_ONE)
#undef DEFINE_ONE

// What most models have, for which nothing is asked row by row.
static bool is_plain_softmax(const kernel_attend *a) {
    return a->normaliser == FV_NORMALISE_SOFTMAX && a->stretch.data == NULL;
}

static bool is_softmax(const kernel_attend *a) {
    return is_plain_softmax(a) && a->kept == NULL;
}

static bool is_one_query(const kernel_attend *a) {
    bool sees_all = a->first_key == NULL || a->first_key[0] <= a->n_sinks;
    if (attend_is_shaped(a)) return false;
    return is_softmax(a) && a->n_queries == 1 && a->d_key == a->d_value &&
           !score_is_metric(a->score) && a->n_keys[0] > 0 && sees_all;
}

// Whether the arguments are of this kind; then attends.
static bool try_attend_one(const kernel_attend *a) {
    if (!is_one_query(a)) return false;
    switch (a->d_key) {
#define CASE(D)                                                                                    \
    case D:                                                                                        \
        attend_one_##D(a);                                                                         \
        return true;
        ONE_WIDTHS(CASE)
#undef CASE
    }
    return false;
}

static bool try_attend_one_gradient(const kernel_attend_gradient *b) {
    const kernel_attend *a = &b->forward;
    if (!is_one_query(a)) return false;
    switch (a->d_key) {
#define CASE(D)                                                                                    \
    case D:                                                                                        \
        attend_one_gradient_##D(b);                                                                \
        return true;
        ONE_WIDTHS(CASE)
#undef CASE
    }
    return false;
}
