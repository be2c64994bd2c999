// Causal attention on lanes: sixteen samples at once, each with its own scores, so that every
// product is vector times vector and the softmax needs no shuffle. Queries go in blocks of
// PRODUCT_I; a block computes scores up to the last key that any of its queries sees and sets the
// few beyond a query's own last key to zero. Blocks above the diagonal are never touched.
#include "kernels/body_attend_one.h"

#if VW == 16
enum { PRODUCT_I = 4, PRODUCT_J = 4 };
#else
enum { PRODUCT_I = 4, PRODUCT_J = 2 };
#endif

// A matrix of vectors: element (i, j) at data + i * row + j * column.
typedef struct lanes {
    float *data;
    ptrdiff_t row, column;
} lanes;

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

INLINE lanes lanes_of(const fv_attend_rows *a, int g, int part) {
    return (lanes){a->data + g * a->group_stride + part * VW, a->row_stride, L};
}
INLINE lanes rows_from(lanes a, int i) {
    return (lanes){a.data + i * a.row, a.row, a.column};
}
INLINE lanes transposed(lanes a) {
    return (lanes){a.data, a.column, a.row};
}

// Squared distances become scores, and their slopes are kept for the gradient.
INLINE void metric_row(const fv_attend *a, float *p, float *slopes, int n) {
    for (int j = 0; j < n; j++) {
        vf distance = vf_load(p + j * L);
        if (a->score == FV_KERNEL_EUCLIDEAN) {
            vf_store(p + j * L, distance * -a->scale);
            vf_store(slopes + j * L, vf_set1(-a->scale));
        } else {
            vf raised = distance + a->floor;
            vf_store(p + j * L, vf_log(raised) * (-a->power / 2));
            vf_store(slopes + j * L, (-a->power / 2) / raised);
        }
    }
}

// The gradient of a function of |q - k|^2 is that of a dot product with the weights
// h = -2 ds slope, less each point's own share:  dq_i = sum_j h_ij k_j - q_i sum_j h_ij, and
// dk_j = sum_i h_ij q_i - k_j sum_i h_ij. This turns ds into h.
static void metric_block_gradient(const fv_attend *a, int part, int g, int i, int m, int n_block,
                                  lanes ds) {
    lanes slopes = lanes_of(&a->slopes, g, part);
    for (int row = i; row < i + m; row++)
        for (int j = 0; j < n_block; j++) {
            float *h = ds.data + row * ds.row + j * L;
            vf slope = vf_load(slopes.data + row * slopes.row + j * L);
            vf_store(h, vf_load(h) * slope * -2.0f);
        }
}

// d_i -= x_i sum_j h_ij for m rows of d_key features.
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

// Entries of h beyond a query's own keys, which blocks of queries never wrote.
static void clear_unseen(const fv_attend *a, lanes h) {
    for (int i = 0; i < a->n_queries; i++)
        for (int j = a->n_keys[i]; j < a->n_rows_keys; j++)
            vf_store(h.data + i * h.row + j * L, vf_set1(0));
}

// Turns one row of scores into probabilities; n_block >= n_keys is what the query's block computed.
INLINE void softmax_row(float *p, int n_keys, int n_block, float scale) {
    for (int j = n_keys; j < n_block; j++) vf_store(p + j * L, vf_set1(0));
    if (n_keys == 0) return;
    vf largest = vf_load(p), sum = vf_set1(0), factor = vf_set1(scale);
    for (int j = 1; j < n_keys; j++) largest = vf_max(largest, vf_load(p + j * L));
    for (int j = 0; j < n_keys; j++) {
        vf e = vf_exp((vf_load(p + j * L) - largest) * factor);
        sum += e;
        vf_store(p + j * L, e);
    }
    vf inverse = 1.0f / sum;
    for (int j = 0; j < n_keys; j++) vf_store(p + j * L, vf_load(p + j * L) * inverse);
}

// Scores of a block of queries, up to the factor that softmax_row applies.
static void score_block(const fv_attend *a, int part, int g, int i, int m, int n_block) {
    lanes q = lanes_of(&a->q, g, part), k = lanes_of(&a->k, g, part), p = lanes_of(&a->p, g, part);
    if (a->score == FV_KERNEL_DOT) {
        product(rows_from(p, i), rows_from(q, i), transposed(k), m, n_block, a->d_key, false);
        return;
    }
    squared_distances(rows_from(p, i), rows_from(q, i), transposed(k), m, n_block, a->d_key);
    lanes slopes = lanes_of(&a->slopes, g, part);
    for (int row = i; row < i + m; row++)
        metric_row(a, p.data + row * p.row, slopes.data + row * slopes.row, n_block);
}

INLINE float softmax_factor(const fv_attend *a) {
    return a->score == FV_KERNEL_DOT ? a->scale : 1;
}

static void attend(const fv_attend *a) {
    if (try_attend_one(a)) return;
    for (int g = 0; g < a->n_groups; g++)
        for (int part = 0; part < PARTS; part++) {
            lanes v = lanes_of(&a->v, g, part), p = lanes_of(&a->p, g, part);
            lanes z = lanes_of(&a->z, g, part);
            for (int i = 0; i < a->n_queries; i += PRODUCT_I) {
                int m = a->n_queries - i < PRODUCT_I ? a->n_queries - i : PRODUCT_I;
                int n_block = a->n_keys[i + m - 1];
                score_block(a, part, g, i, m, n_block);
                for (int row = i; row < i + m; row++)
                    softmax_row(p.data + row * p.row, a->n_keys[row], n_block, softmax_factor(a));
                product(rows_from(z, i), rows_from(p, i), v, m, a->d_value, n_block, false);
            }
        }
}

// ds = p (dp - sum p dp) scale, in place of dp.
INLINE void softmax_row_gradient(float *ds, const float *p, int n_block, float scale) {
    vf sum = vf_set1(0), factor = vf_set1(scale);
    for (int j = 0; j < n_block; j++) sum = vf_fma(vf_load(ds + j * L), vf_load(p + j * L), sum);
    for (int j = 0; j < n_block; j++)
        vf_store(ds + j * L, (vf_load(ds + j * L) - sum) * (vf_load(p + j * L) * factor));
}

// One group's dk and dv: key blocks gather from every query that sees them. Within a block of
// queries the probabilities and ds beyond a query's own keys are zero, so whole blocks can be
// summed.
static void attend_keys_gradient(const fv_attend_gradient *b, int g, int part, lanes ds) {
    const fv_attend *a = &b->forward;
    lanes q = lanes_of(&a->q, g, part), p = lanes_of(&a->p, g, part);
    lanes dz = lanes_of(&b->dz, g, part), dk = lanes_of(&b->dk, g, part);
    lanes dv = lanes_of(&b->dv, g, part);
    bool add_to_dk = !b->overwrite, add_to_dv = !b->overwrite || dk.data == dv.data;
    for (int j = 0, i = 0; j < a->n_rows_keys; j += PRODUCT_I) {
        int m = a->n_rows_keys - j < PRODUCT_I ? a->n_rows_keys - j : PRODUCT_I;
        // The first block of queries whose keys reach j; a partial reach of a key block is padded
        // by the zeros that softmax_row wrote, and by attend_gradient's for whole key blocks.
        while (i + PRODUCT_I < a->n_queries && a->n_keys[i + PRODUCT_I - 1] <= j) i += PRODUCT_I;
        int n = a->n_queries - i;
        lanes ds_block = {ds.data + i * ds.row + j * L, ds.row, L};
        lanes p_block = {p.data + i * p.row + j * L, p.row, L};
        product(rows_from(dk, j), transposed(ds_block), rows_from(q, i), m, a->d_key, n, add_to_dk);
        product(rows_from(dv, j), transposed(p_block), rows_from(dz, i), m, a->d_value, n,
                add_to_dv);
    }
}

// Key blocks are read whole, so every row of p and ds is zero up to the end of the key block in
// which its query block ends.
static void pad_rows(lanes a, int i, int m, int from, int to) {
    for (int row = i; row < i + m; row++)
        for (int j = from; j < to; j++) vf_store(a.data + row * a.row + j * L, vf_set1(0));
}

static void attend_gradient(const fv_attend_gradient *b) {
    const fv_attend *a = &b->forward;
    if (try_attend_one_gradient(b)) return;
    for (int g = 0; g < a->n_groups; g++)
        for (int part = 0; part < PARTS; part++) {
            lanes k = lanes_of(&a->k, g, part), v = lanes_of(&a->v, g, part);
            lanes p = lanes_of(&a->p, g, part), dz = lanes_of(&b->dz, g, part);
            lanes dq = lanes_of(&b->dq, g, part);
            lanes ds = {b->scratch + part * VW, (ptrdiff_t)a->n_rows_keys * L, L};
            for (int i = 0; i < a->n_queries; i += PRODUCT_I) {
                int m = a->n_queries - i < PRODUCT_I ? a->n_queries - i : PRODUCT_I;
                int n_block = a->n_keys[i + m - 1];
                int n_padded = (n_block + PRODUCT_I - 1) / PRODUCT_I * PRODUCT_I;
                if (n_padded > a->n_rows_keys) n_padded = a->n_rows_keys;
                product(rows_from(ds, i), rows_from(dz, i), transposed(v), m, n_block, a->d_value,
                        false);
                for (int row = i; row < i + m; row++)
                    softmax_row_gradient(ds.data + row * ds.row, p.data + row * p.row, n_block,
                                         softmax_factor(a));
                if (a->score != FV_KERNEL_DOT) metric_block_gradient(a, part, g, i, m, n_block, ds);
                product(rows_from(dq, i), rows_from(ds, i), k, m, a->d_key, n_block, false);
                if (a->score != FV_KERNEL_DOT)
                    subtract_sums(rows_from(dq, i), rows_from(lanes_of(&a->q, g, part), i),
                                  rows_from(ds, i), m, n_block, a->d_key);
                pad_rows(ds, i, m, n_block, n_padded);
                pad_rows(p, i, m, n_block, n_padded);
            }
            attend_keys_gradient(b, g, part, ds);
            if (a->score != FV_KERNEL_DOT) {
                clear_unseen(a, ds);
                subtract_sums(lanes_of(&b->dk, g, part), k, transposed(ds), a->n_rows_keys,
                              a->n_queries, a->d_key);
            }
        }
}
