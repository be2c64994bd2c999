// Rows of scores on lanes: where they lie, which of their keys a query reads, and how softmax turns them
// into weights. What attention (body_attend.h) and the other normalisers (body_normalise.h) share.
#ifndef KERNELS_BODY_ROWS_H
#define KERNELS_BODY_ROWS_H

#include "kernels/simd_gates.h"

// A matrix of vectors: element (i, j) at data + i * row + j * column.
typedef struct lanes {
    float *data;
    ptrdiff_t row, column;
} lanes;

INLINE lanes lanes_of(const kernel_attend_rows *a, int g, int part) {
    return (lanes){a->data + g * a->group_stride + part * VW, a->row_stride, L};
}
INLINE lanes rows_from(lanes a, int i) {
    return (lanes){a.data + i * a.row, a.row, a.column};
}
INLINE lanes transposed(lanes a) {
    return (lanes){a.data, a.column, a.row};
}

// The keys that a query or a block of queries reads: the sinks, and from the window's first key on.
// Where the two touch, all are in the second range.
typedef struct keys {
    int first[2], end[2];
} keys;

INLINE keys keys_between(int sinks, int first, int end) {
    if (first <= sinks) return (keys){{0, 0}, {0, end}};
    return (keys){{0, first}, {sinks, end}};
}

INLINE int first_key_of(const kernel_attend *a, int i) {
    return a->first_key ? a->first_key[i] : 0;
}

INLINE keys keys_of_query(const kernel_attend *a, int i) {
    return keys_between(a->n_sinks, first_key_of(a, i), a->n_keys[i]);
}

INLINE void clear_entries(float *p, int from, int to) {
    for (int j = from; j < to; j++) vf_store(p + j * L, vf_set1(0));
}

// Zeroes what the block computed and the query does not see.
INLINE void hide(float *p, keys block, keys query) {
    bool apart = block.first[1] > 0;
    clear_entries(p, query.end[0], apart ? block.end[0] : query.first[1]);
    if (apart) clear_entries(p, block.first[1], query.first[1]);
    clear_entries(p, query.end[1], block.end[1]);
}

INLINE float factor_of(const kernel_attend *a) {
    return (float)score_factor(a->score, (double)a->scale, (double)a->power);
}

// Turns one row of scores into probabilities. A sink's own goes to sink_p.
INLINE void softmax_row(float *p, keys block, keys query, float scale, const float *sink,
                        float *sink_p) {
    hide(p, block, query);
    vf largest = vf_set1(sink ? *sink : -INFINITY), sum = vf_set1(0), factor = vf_set1(scale);
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++)
            largest = vf_max(largest, vf_load(p + j * L));
    vf at_sink = sink ? vf_exp_share(*sink - largest) : vf_set1(0);
    if (sink) sum = at_sink;
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++) {
            vf e = vf_exp_share((vf_load(p + j * L) - largest) * factor);
            sum += e;
            vf_store(p + j * L, e);
        }
    vf inverse = 1.0f / sum;
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++)
            vf_store(p + j * L, vf_load(p + j * L) * inverse);
    if (sink) vf_store(sink_p, at_sink * inverse);
}

// What scores lack before they become weights.
INLINE float softmax_factor(const kernel_attend *a) {
    return score_is_metric(a->score) || attend_is_shaped(a) ? 1 : factor_of(a);
}

INLINE vf stretch_of(const kernel_attend *a, int g, int part, int i) {
    if (a->stretch.data == NULL) return vf_set1(1);
    return vf_load(a->stretch.data + g * a->stretch.group_stride + i * a->stretch.row_stride +
                   part * VW);
}

INLINE float *sink_p_of(const kernel_attend *a, int g, int part, int i) {
    return a->sink ? a->sink_p + ((ptrdiff_t)g * a->n_queries + i) * L + part * VW : NULL;
}

// The two doors of body_normalise.h, which is a file of its own because its seven normalisers take as long
// to compile as all of attention.

// Scores of queries i .. i + m - 1, by any normaliser, become weights.
void KERNEL(weigh_rows)(const kernel_attend *a, int g, int part, int i, int m, keys block);

// ds of one query from the gradients of its weights, in their place; returns d alpha.
vf KERNEL(weigh_row_back)(const kernel_attend_gradient *b, int g, int part, int row, float *ds,
                          keys block);

#endif
