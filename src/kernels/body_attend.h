// Causal attention on lanes: sixteen samples at once, each with its own scores, so that every
// product is vector times vector and the softmax needs no shuffle. Queries go in blocks of
// PRODUCT_I; a block computes scores of all keys that any of its queries sees and sets the few that
// a query itself does not see to zero. Blocks above the diagonal, and those between the sinks and a
// window, are never touched:
//
//            keys   0 1 2 3 4 5 6 7 8 9 ...
//     queries 8..   s s . . . w w w w 0            s sink, w window, 0 computed and hidden,
//                   s s . . . 0 w w w w            . never touched
#include "kernels/body_attend_one.h"
#include "kernels/body_rows.h"

#if REGISTERS == 32
enum { PRODUCT_I = 4, PRODUCT_J = 4 };
#else
enum { PRODUCT_I = 4, PRODUCT_J = 2 };
#endif

// With `metric` squared differences are summed instead of products.
INLINE void product_block(lanes c, lanes a, lanes b, int depth, bool accumulate, bool metric,
                          int TI, int TJ) {
    vf acc[PRODUCT_I][PRODUCT_J];
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++) acc[i][j] =
        accumulate ? vf_load(c.data + i * c.row + j * c.column) : vf_set1(0);
    const float *pa = a.data, *pb = b.data;
    for (int k = 0; k < depth; k++, pa += a.column, pb += b.row) {
        vf left[PRODUCT_I];
        UNROLL for (int i = 0; i < TI; i++) left[i] = vf_load(pa + i * a.row);
        UNROLL for (int j = 0; j < TJ; j++) {
            vf right = vf_load(pb + j * b.column);
            UNROLL for (int i = 0; i < TI; i++) {
                vf difference = left[i] - right;
                acc[i][j] = metric ? vf_fma(difference, difference, acc[i][j])
                                   : vf_fma(left[i], right, acc[i][j]);
            }
        }
    }
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++)
        vf_store(c.data + i * c.row + j * c.column, acc[i][j]);
}

INLINE void product_any(lanes c, lanes a, lanes b, int m, int n, int depth, bool accumulate,
                        bool metric) {
    for (int i = 0, TI; i < m; i += TI) {
        TI = m - i >= PRODUCT_I ? PRODUCT_I : 1;
        for (int j = 0, TJ; j < n; j += TJ) {
            TJ = n - j >= PRODUCT_J ? PRODUCT_J : 1;
            lanes cc = {c.data + i * c.row + j * c.column, c.row, c.column};
            lanes aa = {a.data + i * a.row, a.row, a.column};
            lanes bb = {b.data + j * b.column, b.row, b.column};
            if (TI == PRODUCT_I && TJ == PRODUCT_J)
                product_block(cc, aa, bb, depth, accumulate, metric, PRODUCT_I, PRODUCT_J);
            else if (TI == PRODUCT_I)
                product_block(cc, aa, bb, depth, accumulate, metric, PRODUCT_I, 1);
            else if (TJ == PRODUCT_J)
                product_block(cc, aa, bb, depth, accumulate, metric, 1, PRODUCT_J);
            else
                product_block(cc, aa, bb, depth, accumulate, metric, 1, 1);
        }
    }
}

// C [m][n] (+)= A [m][depth] B [depth][n], lane by lane.
static void product(lanes c, lanes a, lanes b, int m, int n, int depth, bool accumulate) {
    product_any(c, a, b, m, n, depth, accumulate, false);
}

// C [m][n] = |A_i - B_j|^2 for rows of A and columns of B.
static void squared_distances(lanes c, lanes a, lanes b, int m, int n, int depth) {
    product_any(c, a, b, m, n, depth, false, true);
}

// Widened to whole blocks of PRODUCT_I keys at the inner ends, so that the gradients of keys, which
// are summed by such blocks, find every entry written.
INLINE keys keys_of_block(const kernel_attend *a, int i, int m) {
    int sinks = (a->n_sinks + PRODUCT_I - 1) / PRODUCT_I * PRODUCT_I;
    return keys_between(sinks, first_key_of(a, i) / PRODUCT_I * PRODUCT_I, a->n_keys[i + m - 1]);
}

INLINE int block_height(const kernel_attend *a, int i) {
    return a->n_queries - i < PRODUCT_I ? a->n_queries - i : PRODUCT_I;
}

// What the formulas of scores are made of (kernels/score_formulas.h).
#define LOG(x)            vf_log(x)
#define FINITE(y, x)      (y)
#define POWER(now, again) (again)
#define NO_POWER          vf_set1(NAN)

// Squared distances become scores, and their slopes are kept for the gradient.
INLINE void metric_row(const kernel_attend *a, float *p, float *slopes, int first, int end) {
    const float factor = factor_of(a), floor = a->floor;
    const vf c = vf_set1(-factor);
    switch (a->score) {
#define FV_SCORE(NAME, name, of, bends, factor_, value_, slope_, ...)                              \
    case FV_KERNEL_##NAME:                                                                         \
        for (int j = first; j < end; j++) {                                                        \
            vf x = vf_load(p + j * L);                                                             \
            vf_store(p + j * L, value_);                                                           \
            vf_store(slopes + j * L, slope_);                                                      \
        }                                                                                          \
        break;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    (void)floor;
}

// Whole scores, capped, biased, or beside a sink.
INLINE void shape_row(const kernel_attend *a, float *p, float *slopes, int i, int first, int end) {
    const float factor = score_is_metric(a->score) ? 1 : factor_of(a);
    const float cap = a->cap, inverse = cap != 0 ? 1 / cap : 0, bias = a->bias;
    for (int j = first; j < end; j++) {
        vf s = vf_load(p + j * L) * factor;
        if (cap != 0) {
            vf t = vf_tanh(s * inverse);
            vf_store(slopes + j * L, vf_fma(-t, t, vf_set1(1)));
            s = t * cap;
        }
        if (bias != 0) s -= bias * (float)(a->query_at[i] - a->key_at[j]);
        vf_store(p + j * L, s);
    }
}

// Scores of a block of queries, up to the factor that softmax_row applies.
static void score_block(const kernel_attend *a, int part, int g, int i, int m, int first, int end) {
    lanes q = lanes_of(&a->q, g, part), p = lanes_of(&a->p, g, part);
    lanes k = rows_from(lanes_of(&a->k, g, part), first);
    lanes scores = {p.data + i * p.row + first * L, p.row, L};
    const bool metric = score_is_metric(a->score), shaped = attend_is_shaped(a);
    if (metric)
        squared_distances(scores, rows_from(q, i), transposed(k), m, end - first, a->d_key);
    else
        product(scores, rows_from(q, i), transposed(k), m, end - first, a->d_key, false);
    if (!metric && !shaped) return;
    lanes slopes = lanes_of(&a->slopes, g, part);
    for (int row = i; row < i + m; row++) {
        float *scores_of = p.data + row * p.row, *slopes_of = slopes.data + row * slopes.row;
        if (metric) metric_row(a, scores_of, slopes_of, first, end);
        if (shaped) shape_row(a, scores_of, slopes_of, row, first, end);
    }
}

// C [m][n] = P B over the block's keys, P from its row i on, B's rows being keys.
static void pool_keys(lanes c, lanes p, lanes b, int i, int m, int n, keys block) {
    int sinks = block.end[0];
    if (sinks > 0) product(c, rows_from(p, i), b, m, n, sinks, false);
    lanes window = {p.data + i * p.row + block.first[1] * L, p.row, L};
    product(c, window, rows_from(b, block.first[1]), m, n, block.end[1] - block.first[1],
            sinks > 0);
}

// Where most weights are exactly 0 (thresholds, selections) only keys to which a query of the block gives
// any are pooled: the same bits, as 0 adds nothing. Below 128 keys, of which few are without weight for all
// queries and samples of a block, looking for them takes as long as it saves.
enum { LISTED = 512, LEAST_LISTED = 128 }; // keys at a time, and of a block

static bool has_zeros(const kernel_attend *a, keys block) {
    return block.end[1] >= LEAST_LISTED &&
           (a->kept != NULL || normaliser_rule_of(a->normaliser) == FV_RULE_THRESHOLD);
}

// Weights are 0, 2^-64 and more, or a NaN of either sign, which is one, too: shifted bits of all these but 0
// are numbers above 0.
INLINE bool any_weight(lanes p, int i, int m, int j) {
    vu bits = (vu)vf_load(p.data + i * p.row + j * L);
    for (int r = i + 1; r < i + m; r++) bits |= (vu)vf_load(p.data + r * p.row + j * L);
    return vf_any_above((vf)(bits >> 2), vf_set1(0));
}

INLINE void product_listed(lanes c, lanes a, lanes b, const int *list, int n, bool accumulate,
                           int TI, int TJ) {
    vf acc[PRODUCT_I][PRODUCT_J];
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++) acc[i][j] =
        accumulate ? vf_load(c.data + i * c.row + j * c.column) : vf_set1(0);
    for (int k = 0; k < n; k++) {
        const float *pa = a.data + list[k] * a.column, *pb = b.data + list[k] * b.row;
        vf left[PRODUCT_I];
        UNROLL for (int i = 0; i < TI; i++) left[i] = vf_load(pa + i * a.row);
        UNROLL for (int j = 0; j < TJ; j++) {
            vf right = vf_load(pb + j * b.column);
            UNROLL for (int i = 0; i < TI; i++) acc[i][j] = vf_fma(left[i], right, acc[i][j]);
        }
    }
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++)
        vf_store(c.data + i * c.row + j * c.column, acc[i][j]);
}

static void pool_list(lanes c, lanes a, lanes b, int m, int n, const int *list, int n_listed,
                      bool accumulate) {
    for (int i = 0, TI; i < m; i += TI) {
        TI = m - i >= PRODUCT_I ? PRODUCT_I : 1;
        for (int j = 0, TJ; j < n; j += TJ) {
            TJ = n - j >= PRODUCT_J ? PRODUCT_J : 1;
            lanes cc = {c.data + i * c.row + j * c.column, c.row, c.column};
            lanes bb = {b.data + j * b.column, b.row, b.column};
            if (TI == PRODUCT_I && TJ == PRODUCT_J)
                product_listed(cc, rows_from(a, i), bb, list, n_listed, accumulate, PRODUCT_I,
                               PRODUCT_J);
            else if (TI == PRODUCT_I)
                product_listed(cc, rows_from(a, i), bb, list, n_listed, accumulate, PRODUCT_I, 1);
            else if (TJ == PRODUCT_J)
                product_listed(cc, rows_from(a, i), bb, list, n_listed, accumulate, 1, PRODUCT_J);
            else
                product_listed(cc, rows_from(a, i), bb, list, n_listed, accumulate, 1, 1);
        }
    }
}

static void pool_weighted(lanes c, lanes p, lanes b, int i, int m, int n, keys block) {
    int list[LISTED], n_listed = 0;
    bool accumulate = false;
    for (int s = 0; s < 2; s++)
        for (int j = block.first[s]; j < block.end[s]; j++) {
            list[n_listed] = j;
            n_listed += any_weight(p, i, m, j);
            if (n_listed < LISTED) continue;
            pool_list(c, rows_from(p, i), b, m, n, list, n_listed, accumulate);
            accumulate = true;
            n_listed = 0;
        }
    if (n_listed > 0 || !accumulate)
        pool_list(c, rows_from(p, i), b, m, n, list, n_listed, accumulate);
}

void KERNEL(attend)(const kernel_attend *a) {
    if (try_attend_one(a)) return;
    for (int g = 0; g < a->n_groups; g++)
        for (int part = 0; part < PARTS; part++) {
            lanes v = lanes_of(&a->v, g, part), p = lanes_of(&a->p, g, part);
            lanes z = lanes_of(&a->z, g, part);
            for (int i = 0; i < a->n_queries; i += PRODUCT_I) {
                int m = block_height(a, i);
                keys block = keys_of_block(a, i, m);
                for (int s = block.end[0] > 0 ? 0 : 1; s < 2; s++)
                    score_block(a, part, g, i, m, block.first[s], block.end[s]);
                if (is_softmax(a))
                    for (int row = i; row < i + m; row++)
                        softmax_row(p.data + row * p.row, block, keys_of_query(a, row),
                                    softmax_factor(a), a->sink, sink_p_of(a, g, part, row));
                else
                    KERNEL(weigh_rows)(a, g, part, i, m, block);
                if (has_zeros(a, block))
                    pool_weighted(rows_from(z, i), p, v, i, m, a->d_value, block);
                else
                    pool_keys(rows_from(z, i), p, v, i, m, a->d_value, block);
            }
        }
}

// ds = p (dp - sum p dp) scale, in place of dp; returns the sum.
INLINE vf softmax_row_gradient(float *ds, const float *p, keys block, float scale) {
    vf sum = vf_set1(0), factor = vf_set1(scale);
    for (int s = 0; s < 2; s++)
        for (int j = block.first[s]; j < block.end[s]; j++)
            sum = vf_fma(vf_load(ds + j * L), vf_load(p + j * L), sum);
    for (int s = 0; s < 2; s++)
        for (int j = block.first[s]; j < block.end[s]; j++)
            vf_store(
                ds + j * L,
                vf_flush((vf_load(ds + j * L) - sum) * (vf_load(p + j * L) * factor), FV_LEAST));
    return sum;
}

// sum p dp
INLINE vf row_product(const float *dp, const float *p, keys block) {
    vf sum = vf_set1(0);
    for (int s = 0; s < 2; s++)
        for (int j = block.first[s]; j < block.end[s]; j++)
            sum = vf_fma(vf_load(dp + j * L), vf_load(p + j * L), sum);
    return sum;
}

// From shaped scores to products. Beyond the keys that the query sees ds is 0.
INLINE void shape_row_gradient(const kernel_attend *a, float *ds, const float *slopes, keys query) {
    const vf factor = vf_set1(score_is_metric(a->score) ? 1 : factor_of(a));
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++) {
            vf d = vf_load(ds + j * L) * factor;
            if (a->cap != 0) d *= vf_load(slopes + j * L);
            vf_store(ds + j * L, vf_flush(d, FV_LEAST));
        }
}

// The gradient of a function of |q - k|^2 is that of a dot product with the weights
// h = -2 ds slope, less each point's own share:  dq_i = sum_j h_ij k_j - q_i sum_j h_ij, and
// dk_j = sum_i h_ij q_i - k_j sum_i h_ij. This turns ds into h.
INLINE void metric_row_gradient(float *ds, const float *slopes, keys block) {
    for (int s = 0; s < 2; s++)
        for (int j = block.first[s]; j < block.end[s]; j++)
            vf_store(ds + j * L, vf_load(ds + j * L) * vf_load(slopes + j * L) * -2.0f);
}

// d score / d log(power) is the score itself, which its slope gives back. Adds ds score over the
// keys that the query sees: beyond them slopes need not exist.
INLINE vf power_row_gradient(const kernel_attend *a, const float *ds, const float *slopes,
                             keys query, vf sum) {
    const float factor = factor_of(a);
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++) {
            vf slope = vf_load(slopes + j * L), score = vf_set1(NAN);
            switch (a->score) {
#define FV_SCORE(NAME, name, of, bends, factor_, value_, slope_, power_, ...)                      \
    case FV_KERNEL_##NAME:                                                                         \
        score = power_;                                                                            \
        break;
#include "kernels/score_list.h"
            case FV_N_SCORES:
                break;
            }
            sum = vf_fma(vf_load(ds + j * L), score, sum);
        }
    return sum;
}

// d_i -= x_i sum_j h_ij for m rows of d_key features and n columns of h.
static void subtract_sums(lanes d, lanes x, lanes h, int m, int n, int d_key) {
    for (int i = 0; i < m; i++) {
        vf sum = vf_set1(0);
        for (int j = 0; j < n; j++) sum += vf_load(h.data + i * h.row + j * h.column);
        for (int f = 0; f < d_key; f++) {
            float *to = d.data + i * d.row + f * L;
            vf_store(to, vf_load(to) - vf_load(x.data + i * x.row + f * L) * sum);
        }
    }
}

// A key block's queries: from the first block whose keys reach it to the last whose window does.
// Both ends only grow with the key, so that one pass over the keys finds them all.
static void advance_queries(const kernel_attend *a, int j, int *from, int *to) {
    while (*from + PRODUCT_I < a->n_queries && a->n_keys[*from + PRODUCT_I - 1] <= j)
        *from += PRODUCT_I;
    if (j < a->n_sinks) return;
    while (*to < a->n_queries && keys_of_block(a, *to, block_height(a, *to)).first[1] <= j)
        *to += block_height(a, *to);
}

// One group's dk and dv: key blocks gather from every query that sees them. Within a block of
// queries the probabilities and ds of keys that a query does not see are zero, so whole blocks can
// be summed; a partial reach of a key block is padded by zeros (hide, and attend_gradient).
static void attend_keys_gradient(const kernel_attend_gradient *b, int g, int part, lanes ds) {
    const kernel_attend *a = &b->forward;
    lanes q = lanes_of(&a->q, g, part), p = lanes_of(&a->p, g, part);
    lanes k = lanes_of(&a->k, g, part), dz = lanes_of(&b->dz, g, part);
    lanes dk = lanes_of(&b->dk, g, part), dv = lanes_of(&b->dv, g, part);
    bool add_to_dk = !b->overwrite, add_to_dv = !b->overwrite || dk.data == dv.data;
    for (int j = 0, i = 0, end = 0; j < a->n_rows_keys; j += PRODUCT_I) {
        int m = a->n_rows_keys - j < PRODUCT_I ? a->n_rows_keys - j : PRODUCT_I;
        advance_queries(a, j, &i, &end);
        int last = j < a->n_sinks ? a->n_queries : end, n = last > i ? last - i : 0;
        lanes ds_block = transposed((lanes){ds.data + i * ds.row + j * L, ds.row, L});
        lanes p_block = transposed((lanes){p.data + i * p.row + j * L, p.row, L});
        product(rows_from(dk, j), ds_block, rows_from(q, i), m, a->d_key, n, add_to_dk);
        product(rows_from(dv, j), p_block, rows_from(dz, i), m, a->d_value, n, add_to_dv);
        if (score_is_metric(a->score))
            subtract_sums(rows_from(dk, j), rows_from(k, j), ds_block, m, n, a->d_key);
    }
}

// Gradients of the head's own numbers, lane by lane.
typedef struct head_sums {
    vf log_power, alpha, sink;
} head_sums;

// One block of queries: dq and ds, and its share of the head's own gradients.
static head_sums attend_block_gradient(const kernel_attend_gradient *b, int g, int part, int i,
                                       lanes ds, head_sums sums) {
    const kernel_attend *a = &b->forward;
    lanes q = lanes_of(&a->q, g, part), k = lanes_of(&a->k, g, part);
    lanes v = lanes_of(&a->v, g, part), p = lanes_of(&a->p, g, part);
    lanes dz = lanes_of(&b->dz, g, part), dq = lanes_of(&b->dq, g, part);
    lanes slopes = lanes_of(&a->slopes, g, part);
    int m = block_height(a, i);
    keys block = keys_of_block(a, i, m);
    for (int s = block.end[0] > 0 ? 0 : 1; s < 2; s++) {
        lanes dp = {ds.data + i * ds.row + block.first[s] * L, ds.row, L};
        product(dp, rows_from(dz, i), transposed(rows_from(v, block.first[s])), m,
                block.end[s] - block.first[s], a->d_value, false);
    }
    for (int row = i; row < i + m; row++) {
        float *ds_row = ds.data + row * ds.row, *slopes_row = slopes.data + row * slopes.row;
        if (is_plain_softmax(a)) {
            vf sum = softmax_row_gradient(ds_row, p.data + row * p.row, block, softmax_factor(a));
            if (b->dsink) sums.sink -= vf_load(sink_p_of(a, g, part, row)) * sum;
        } else {
            if (b->dsink)
                sums.sink -= vf_load(sink_p_of(a, g, part, row)) *
                             row_product(ds_row, p.data + row * p.row, block);
            sums.alpha += KERNEL(weigh_row_back)(b, g, part, row, ds_row, block);
        }
        if (b->dlog_power)
            sums.log_power =
                power_row_gradient(a, ds_row, slopes_row, keys_of_query(a, row), sums.log_power);
        if (attend_is_shaped(a)) shape_row_gradient(a, ds_row, slopes_row, keys_of_query(a, row));
        if (score_is_metric(a->score)) metric_row_gradient(ds_row, slopes_row, block);
    }
    pool_keys(rows_from(dq, i), ds, k, i, m, a->d_key, block);
    for (int s = 0; s < 2 && score_is_metric(a->score); s++) {
        lanes h = {ds.data + i * ds.row + block.first[s] * L, ds.row, L};
        subtract_sums(rows_from(dq, i), rows_from(q, i), h, m, block.end[s] - block.first[s],
                      a->d_key);
    }
    // Key blocks are read whole, so every row is zero up to the end of the last one it reaches.
    int padded = (block.end[1] + PRODUCT_I - 1) / PRODUCT_I * PRODUCT_I;
    if (padded > a->n_rows_keys) padded = a->n_rows_keys;
    for (int row = i; row < i + m; row++) {
        clear_entries(ds.data + row * ds.row, block.end[1], padded);
        clear_entries(p.data + row * p.row, block.end[1], padded);
    }
    return sums;
}

static void add_lanes(real *to, const vf *parts) {
    float lane[L];
    if (to == NULL) return;
    memcpy(lane, parts, sizeof lane);
    for (int l = 0; l < L; l++) *to += lane[l];
}

void KERNEL(attend_gradient)(const kernel_attend_gradient *b) {
    const kernel_attend *a = &b->forward;
    if (try_attend_one_gradient(b)) return;
    vf log_power[PARTS], alpha[PARTS], sink[PARTS];
    for (int part = 0; part < PARTS; part++)
        log_power[part] = alpha[part] = sink[part] = vf_set1(0);
    for (int g = 0; g < a->n_groups; g++)
        for (int part = 0; part < PARTS; part++) {
            lanes ds = {b->scratch + part * VW, (ptrdiff_t)a->n_rows_keys * L, L};
            head_sums sums = {log_power[part], alpha[part], sink[part]};
            for (int i = 0; i < a->n_queries; i += PRODUCT_I)
                sums = attend_block_gradient(b, g, part, i, ds, sums);
            log_power[part] = sums.log_power;
            alpha[part] = sums.alpha;
            sink[part] = sums.sink;
            attend_keys_gradient(b, g, part, ds);
        }
    add_lanes(b->dlog_power, log_power);
    add_lanes(b->dalpha, alpha);
    add_lanes(b->dsink, sink);
}
