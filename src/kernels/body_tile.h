// The arithmetic of a tile (tile_kernels.h), built once per instruction set.
//
// Of a tile that its mask cuts, each strip of sixteen queries has its range of keys that some of
// them see, so that diagonals and edges of windows cost little more than their pairs. Neighbouring
// strips share what ranges have in common: it is done for all their queries at once.
//
// Register blocks: vectors of queries (or features) x keys, in the shapes of the instruction set.
#include "kernels/body_blocks.h"
#include "kernels/simd_gates.h"

#include <math.h>

enum { Q = FV_TILE_QUERIES, STRIPS = Q / L };

// All ones in the lanes whose bit is set.
INLINE vi lanes_of_bits(uint64_t bits, int first) {
    vi lane_bit;
    UNROLL for (int i = 0; i < VW; i++) lane_bit[i] = 1 << i;
    return (vi_set1((int32_t)(bits >> first)) & lane_bit) != 0;
}

// Columns -----------------------------------------------------------------------------------------

void KERNEL(to_columns)(int n, const float *rows, float factor, float *columns) {
    for (int f = 0; f < n; f += VW)
        for (int q = 0; q < Q; q += VW) {
            vf a[VW];
            UNROLL for (int i = 0; i < VW; i++) a[i] = vf_load(rows + (q + i) * n + f);
            transpose_square(a);
            UNROLL for (int i = 0; i < VW; i++) vf_store(columns + (f + i) * Q + q, a[i] * factor);
        }
}

void KERNEL(to_rows)(int n, const float *columns, const float *factors, float *rows) {
    for (int q = 0; q < Q; q += VW) {
        vf factor = vf_load(factors + q);
        for (int f = 0; f < n; f += VW) {
            vf a[VW];
            UNROLL for (int i = 0; i < VW; i++) a[i] = vf_load(columns + (f + i) * Q + q) * factor;
            transpose_square(a);
            UNROLL for (int i = 0; i < VW; i++) vf_store(rows + (q + i) * n + f, a[i]);
        }
    }
}

// Scores ------------------------------------------------------------------------------------------

// acc[t][w] = sum_f columns[f][w] * rows[t][f], or the sum of squared differences.
INLINE void dot_block(const float *columns, const float *rows, ptrdiff_t stride, int d, bool metric,
                      int tall, int wide, vf acc[MOST_TALL][MOST_WIDE]) {
    UNROLL for (int t = 0; t < tall; t++) UNROLL for (int w = 0; w < wide; w++) acc[t][w] =
        vf_set1(0);
    for (int f = 0; f < d; f++) {
        vf column[MOST_WIDE];
        UNROLL for (int w = 0; w < wide; w++) column[w] = vf_load(columns + f * Q + w * VW);
        UNROLL for (int t = 0; t < tall; t++) {
            vf key = vf_set1(rows[t * stride + f]);
            UNROLL for (int w = 0; w < wide; w++) {
                vf difference = column[w] - key;
                acc[t][w] = metric ? vf_fma(difference, difference, acc[t][w])
                                   : vf_fma(key, column[w], acc[t][w]);
            }
        }
    }
}

// What the formulas of scores are made of (kernels/score_formulas.h): x * 0, which is 0 for squared
// distances, keeps NaN, and makes it of infinity.
#define LOG(x)       vf_log(x)
#define FINITE(y, x) ((y) + (x)*0.0f)

// From products or squared distances to scores in units of log 2.
INLINE vf score_of(kernel_score kind, const tile_score *score, vf x) {
    const float factor = score->factor, floor = score->floor;
    switch (kind) {
#define FV_SCORE(NAME, name, of, bends, factor_, value_, ...)                                      \
    case FV_KERNEL_##NAME:                                                                         \
        return value_;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return vf_set1(NAN); // there is no such score
}

// What `slope` is multiplied by where it depends on the distance.
INLINE vf slope_of(kernel_score kind, const tile_score *score, vf x) {
    const vf c = vf_set1(1);
    const float floor = score->floor;
    switch (kind) {
#define FV_SCORE(NAME, name, of, bends, factor_, value_, slope_, ...)                              \
    case FV_KERNEL_##NAME:                                                                         \
        return slope_;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return vf_set1(NAN);
}

// Capped and biased scores pass through once more.
INLINE bool is_shaped(const tile_score *score, const float *key_bias) {
    return score->cap != 0 || key_bias != NULL;
}

INLINE vf shape(const tile_score *score, vf s, vf bias, vf *slope) {
    if (score->cap != 0) {
        vf t = vf_tanh(s * (1.0f / score->cap));
        *slope = vf_fma(-t, t, vf_set1(1));
        s = t * score->cap;
    }
    return s + bias;
}

// Sixteen queries: keys low .. high - 1 are seen by some of them, whole_low .. whole_high - 1 by all.
typedef struct strip {
    int low, high, whole_low, whole_high;
} strip;

// Queries first .. first + width - 1 and keys low .. high - 1, some of whose pairs are not seen if
// it is masked.
typedef struct region {
    int first, width, low, high;
    bool masked;
} region;

// Ranges of keys end at 2 STRIPS places at most; between two of them at most every other strip
// begins a region.
enum { MOST_REGIONS = (2 * STRIPS - 1) * (STRIPS / 2) };

typedef struct tile_cut {
    strip strips[STRIPS];
    int n;
    region regions[MOST_REGIONS]; // in the order of keys, then of queries
} tile_cut;

// The first run of keys that all queries of a tile see, so that no strip need look for it.
static void find_whole(int n_keys, const uint64_t *seen, int *low, int *high) {
    for (*low = 0; *low < n_keys && ~seen[*low] != 0;) ++*low;
    for (*high = *low; *high < n_keys && ~seen[*high] == 0;) ++*high;
}

static void find_strips(int n_keys, const uint64_t *seen, strip strips[STRIPS]) {
    int tile_low, tile_high;
    find_whole(n_keys, seen, &tile_low, &tile_high);
    for (int i = 0; i < STRIPS; i++) {
        uint64_t wanted = (uint64_t)0xffff << (i * L);
        strip s = {0, n_keys, 0, 0};
        while (s.low < s.high && (seen[s.low] & wanted) == 0) s.low++;
        while (s.low < s.high && (seen[s.high - 1] & wanted) == 0) s.high--;
        s.whole_low = s.low;
        while (s.whole_low < s.high && (seen[s.whole_low] & wanted) != wanted) s.whole_low++;
        s.whole_high = s.whole_low;
        while (s.whole_high < s.high && (seen[s.whole_high] & wanted) == wanted)
            s.whole_high = s.whole_high == tile_low ? tile_high : s.whole_high + 1;
        strips[i] = s;
    }
}

// Adds keys low .. high - 1, between which no strip's range ends.
static void add_regions(int low, int high, tile_cut *cut) {
    for (int i = 0, n; i < STRIPS; i += n) {
        region r = {.first = i * L, .low = low, .high = high};
        for (n = 0; i + n < STRIPS; n++) {
            const strip *s = &cut->strips[i + n];
            if (s->low > low || s->high < high) break;
            r.masked |= low < s->whole_low || high > s->whole_high;
        }
        r.width = n * L;
        if (n > 0) cut->regions[cut->n++] = r;
        if (n == 0) n = 1;
    }
}

static void cut_tile(int n_keys, const uint64_t *seen, tile_cut *cut) {
    cut->n = 0;
    if (seen == NULL) {
        for (int i = 0; i < STRIPS; i++) cut->strips[i] = (strip){0, n_keys, 0, n_keys};
        add_regions(0, n_keys, cut);
        return;
    }
    find_strips(n_keys, seen, cut->strips);
    for (int low = 0, next; low < n_keys; low = next) {
        next = n_keys;
        for (int i = 0; i < STRIPS; i++) {
            const strip *s = &cut->strips[i];
            if (s->low > low && s->low < next) next = s->low;
            if (s->high > low && s->high < next) next = s->high;
        }
        add_regions(low, next, cut);
    }
}

// FOR_BLOCKS (body_blocks.h) where a block may be done twice and may reach below `low`, down to 0: the rest is the
// last block, as single keys of one vector would wait for every sum.
#define FOR_REPEATABLE_BLOCKS(first, width, low, high)                                             \
    for (int q_ = (first), end_ = q_ + (width), j_, high_ = (high); q_ < end_ && (low) < high_;) { \
        j_ = (low);                                                                                \
        TILE_SHAPES(COLUMN_OF_REPEATABLE_BLOCKS)                                                   \
    }
#define COLUMN_OF_REPEATABLE_BLOCKS(WIDE_, TALL_)                                                  \
    if (j_ < high_ && end_ - q_ >= WIDE_ * VW) {                                                   \
        for (; high_ >= TALL_ && j_ < high_; j_ += TALL_) {                                        \
            if (j_ + TALL_ > high_) j_ = high_ - TALL_;                                            \
            BLOCK(j_, q_, TALL_, WIDE_)                                                            \
        }                                                                                          \
        for (; j_ < high_; j_++) BLOCK(j_, q_, 1, WIDE_)                                           \
        q_ += WIDE_ * VW;                                                                          \
    }

// Prefetches rows of the next keys and values, a few with every block: the hardware's prefetcher
// follows few rows at a time, and values are read in columns. Without it 16,384 positions run at
// 0.73 of the limit instead of 0.81.
INLINE void fetch_ahead(const tile_job *t, int first, int n) {
    for (int i = first; i < first + n && i < t->n_ahead; i++)
        for (int f = 0; f < t->d; f += L) {
            __builtin_prefetch(t->k + (t->ahead + i) * t->k_stride + f, 0, 2);
            __builtin_prefetch(t->v + (t->ahead + i) * t->v_stride + f, 0, 2);
        }
}

// Scores of a region, and the largest of each query so far in largest[64], in blocks that all
// queries of its strip see; largest_at_edges looks at the others.
INLINE void score_region(const tile_job *t, const tile_cut *cut, const region *r, kernel_score kind,
                         float *largest) {
    const bool metric = score_is_metric(kind);
#define BLOCK(j, q, tall, wide)                                                                    \
    {                                                                                              \
        vf acc[MOST_TALL][MOST_WIDE];                                                              \
        if ((q) == r->first && t->n_ahead > 0) fetch_ahead(t, j, tall);                            \
        dot_block(t->qt + q, t->k + (j)*t->k_stride, t->k_stride, t->d, metric, tall, wide, acc);  \
        UNROLL for (int w = 0; w < wide; w++) {                                                    \
            const strip *s = &cut->strips[(q + w * VW) / L];                                       \
            vf most = vf_load(largest + q + w * VW);                                               \
            UNROLL for (int i = 0; i < tall; i++) {                                                \
                vf x = metric ? score_of(kind, &t->score, acc[i][w]) : acc[i][w];                  \
                vf_store(t->p + (j + i) * Q + q + w * VW, x);                                      \
                most = vf_max(most, x);                                                            \
            }                                                                                      \
            if ((j) >= s->whole_low && (j) + (tall) <= s->whole_high)                              \
                vf_store(largest + q + w * VW, most);                                              \
        }                                                                                          \
    }
    FOR_REPEATABLE_BLOCKS(r->first, r->width, r->low, r->high)
#undef BLOCK
}

static void largest_seen(const tile_job *t, int first, int low, int high, float *largest) {
    for (int q = first; q < first + L; q += VW) {
        vf most = vf_load(largest + q);
        for (int j = low; j < high; j++) {
            vi seen = lanes_of_bits(t->seen[j], q), none = (vi)vf_set1(FV_NO_SCORE);
            vi s = (vi)vf_load(t->p + j * Q + q);
            most = vf_max(most, (vf)((s & seen) | (none & ~seen)));
        }
        vf_store(largest + q, most);
    }
}

// The keys before and behind those that all see, and so many of these as blocks share with them.
static void largest_at_edges(const tile_job *t, const strip *s, int first, float *largest) {
    enum { SHARED = MOST_TALL - 1 };
    if (t->seen == NULL) return;
    if (s->whole_high - s->whole_low <= 2 * SHARED) {
        largest_seen(t, first, s->low, s->high, largest);
        return;
    }
    largest_seen(t, first, s->low, s->whole_low + SHARED, largest);
    largest_seen(t, first, s->whole_high - SHARED, s->high, largest);
}

// Shapes the scores of a strip, and finds the largest of each query.
static void shape_strip(const tile_job *t, const strip *s, int first, float *largest) {
    for (int q = first; q < first + L; q += VW) {
        vf most = vf_load(largest + q), slope = vf_set1(1);
        for (int j = s->low; j < s->high; j++) {
            vf bias = vf_set1(0);
            if (t->key_bias) bias = vf_load(t->query_bias + q) + t->key_bias[j];
            vf x = shape(&t->score, vf_load(t->p + j * Q + q), bias, &slope);
            vf_store(t->p + j * Q + q, x);
            if (t->seen) {
                vi seen = lanes_of_bits(t->seen[j], q), none = (vi)vf_set1(FV_NO_SCORE);
                x = (vf)(((vi)x & seen) | (none & ~seen));
            }
            most = vf_max(most, x);
        }
        vf_store(largest + q, most);
    }
}

// Brings the running state of a strip to a larger maximum, where there is one.
static void raise_largest(const tile_job *t, int first, const float *largest) {
    for (int q = first; q < first + L; q += VW) {
        vf before = vf_load(t->largest + q), now = vf_load(largest + q);
        vi rose = now != before;
        bool any = false;
        UNROLL for (int i = 0; i < VW; i++) any |= rose[i] != 0;
        if (!any) continue;
        vf factor = vf_exp2(before - now);
        vf_store(t->largest + q, now);
        vf_store(t->sum + q, vf_load(t->sum + q) * factor);
        for (int f = 0; f < t->d; f++)
            vf_store(t->ot + f * Q + q, vf_load(t->ot + f * Q + q) * factor);
    }
}

// Weights of keys low .. high - 1 and their sums, for `side` vectors of queries.
INLINE void weigh(const tile_job *t, int q, int low, int high, bool masked, int side,
                  const vf *largest, vf *sum) {
    for (int j = low; j < high; j++) UNROLL for (int w = 0; w < side; w++) {
            float *at = t->p + j * Q + q + w * VW;
            vf p = vf_exp2(vf_load(at) - largest[w]);
            if (masked) p = vf_and(p, lanes_of_bits(t->seen[j], q + w * VW));
            sum[w] += p;
            vf_store(at, p);
        }
}

// Two vectors of a strip side by side, as each waits for its sum.
static void exponentials(const tile_job *t, const strip *s, int first) {
    enum { SIDE = L / VW > 1 ? 2 : 1 };
    for (int q = first; q < first + L; q += SIDE * VW) {
        vf largest[SIDE], sum[SIDE];
        UNROLL for (int w = 0; w < SIDE; w++) {
            largest[w] = vf_load(t->largest + q + w * VW);
            sum[w] = vf_load(t->sum + q + w * VW);
        }
        weigh(t, q, s->low, s->whole_low, true, SIDE, largest, sum);
        weigh(t, q, s->whole_low, s->whole_high, false, SIDE, largest, sum);
        weigh(t, q, s->whole_high, s->high, true, SIDE, largest, sum);
        UNROLL for (int w = 0; w < SIDE; w++) vf_store(t->sum + q + w * VW, sum[w]);
    }
}

// ot += V^T P: features in place of keys, keys in place of features.
static void add_values(const tile_job *t, const region *r) {
#define BLOCK(f, q, tall, wide)                                                                    \
    {                                                                                              \
        vf acc[MOST_TALL][MOST_WIDE];                                                              \
        UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++) acc[i][w] =    \
            vf_load(t->ot + (f + i) * Q + q + w * VW);                                             \
        const float *value = t->v + r->low * t->v_stride + f;                                      \
        for (int j = r->low; j < r->high; j++, value += t->v_stride) {                             \
            vf p[MOST_WIDE];                                                                       \
            UNROLL for (int w = 0; w < wide; w++) p[w] = vf_load(t->p + j * Q + q + w * VW);       \
            UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++)            \
                acc[i][w] = vf_fma(vf_set1(value[i]), p[w], acc[i][w]);                            \
        }                                                                                          \
        UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++)                \
            vf_store(t->ot + (f + i) * Q + q + w * VW, acc[i][w]);                                 \
    }
    FOR_BLOCKS(r->first, r->width, 0, t->d)
#undef BLOCK
}

// Scores of all regions. Loops are built once for every kind, a constant in them.
static void score_regions(const tile_job *t, const tile_cut *cut, float *largest) {
    for (int i = 0; i < cut->n; i++) switch (t->score.kind) {
#define FV_SCORE(NAME, name, ...)                                                                  \
    case FV_KERNEL_##NAME:                                                                         \
        score_region(t, cut, &cut->regions[i], FV_KERNEL_##NAME, largest);                         \
        break;
#include "kernels/score_list.h"
        case FV_N_SCORES:
            break;
        }
}

void KERNEL(tile)(const tile_job *t) {
    _Alignas(64) float largest[Q];
    const bool shaped = is_shaped(&t->score, t->key_bias);
    tile_cut cut;
    cut_tile(t->n_keys, t->seen, &cut);
    memcpy(largest, t->largest, sizeof largest);
    score_regions(t, &cut, largest);
    if (shaped) memcpy(largest, t->largest, sizeof largest); // of no use: scores change
    for (int i = 0; i < STRIPS; i++) {
        if (shaped)
            shape_strip(t, &cut.strips[i], i * L, largest);
        else
            largest_at_edges(t, &cut.strips[i], i * L, largest);
        raise_largest(t, i * L, largest);
        exponentials(t, &cut.strips[i], i * L);
    }
    for (int i = 0; i < cut.n; i++) add_values(t, &cut.regions[i]);
}

// Gradients ---------------------------------------------------------------------------------------

// 2^(score - logsumexp), at most 1, with the logsumexp of the query's scores in units of log 2.
// Where the two differ by no more than the rounding of logsumexp they count as equal: of scores
// beyond 2^24 a unit in the last place is 1 and more, and the one key that wins such a softmax
// would weigh anything but 1.
INLINE vf probability(vf score, vf logsumexp) {
    vf x = vf_min(vf_set1(0), score - logsumexp);
    return vf_exp2(vf_and(x, ~(x >= vf_abs(logsumexp) * -FV_LOGSUMEXP_ERROR)));
}

// Where the slope depends on the distance, ds keeps what it is multiplied by. Scores that are to be
// shaped stay scores.
INLINE void probability_region(const kernel_tile_gradient *t, const region *r, kernel_score kind) {
    const bool metric = score_is_metric(kind), bends = score_bends(kind);
    const bool shaped = is_shaped(&t->score, t->key_bias);
#define BLOCK(j, q, tall, wide)                                                                    \
    {                                                                                              \
        vf acc[MOST_TALL][MOST_WIDE];                                                              \
        dot_block(t->qt + q, t->k + (j)*t->d_padded, t->d_padded, t->d, metric, tall, wide, acc);  \
        UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++) {              \
            vf s = metric ? score_of(kind, &t->score, acc[i][w]) : acc[i][w];                      \
            vf p = shaped ? s : probability(s, vf_load(t->logsumexp + q + w * VW));                \
            if (r->masked && !shaped) p = vf_and(p, lanes_of_bits(t->seen[j + i], q + w * VW));    \
            vf_store(t->p + (j + i) * Q + q + w * VW, p);                                          \
            if (bends)                                                                             \
                vf_store(t->ds + (j + i) * Q + q + w * VW, slope_of(kind, &t->score, acc[i][w]));  \
        }                                                                                          \
    }
    FOR_REPEATABLE_BLOCKS(r->first, r->width, r->low, r->high)
#undef BLOCK
}

// Scores that a region left in place of probabilities.
static void shape_probabilities(const kernel_tile_gradient *t, const region *r) {
    for (int j = r->low; j < r->high; j++)
        for (int q = r->first; q < r->first + r->width; q += VW) {
            float *at = t->p + j * Q + q;
            vf slope = vf_set1(1), bias = vf_set1(0);
            if (t->key_bias) bias = vf_load(t->query_bias + q) + t->key_bias[j];
            vf s = shape(&t->score, vf_load(at), bias, &slope);
            vf p = probability(s, vf_load(t->logsumexp + q));
            vf_store(at, r->masked ? vf_and(p, lanes_of_bits(t->seen[j], q)) : p);
            if (t->score.cap != 0) vf_store(t->ds + j * Q + q, slope);
        }
}

// ds = p (g . v - delta) slope: what products of q and k are multiplied with in the gradients. For
// the metric scores it is h = -2 dscore / d|q - k|^2 p (g . v - delta), as in
// kernels/body_attend.h.
INLINE void slope_region(const kernel_tile_gradient *t, const region *r, bool bends) {
#define BLOCK(j, q, tall, wide)                                                                    \
    {                                                                                              \
        vf acc[MOST_TALL][MOST_WIDE];                                                              \
        dot_block(t->gt + q, t->v + (j)*t->d_padded, t->d_padded, t->d, false, tall, wide, acc);   \
        UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++) {              \
            float *at = t->ds + (j + i) * Q + q + w * VW;                                          \
            vf p = vf_load(t->p + (j + i) * Q + q + w * VW) * t->score.slope;                      \
            if (bends) p *= vf_load(at);                                                           \
            vf_store(at, vf_flush(p *(acc[i][w] - vf_load(t->delta + q + w * VW)), FV_LEAST));     \
        }                                                                                          \
    }
    if (bends)
        FOR_BLOCKS(r->first, r->width, r->low, r->high)
    else
        FOR_REPEATABLE_BLOCKS(r->first, r->width, r->low, r->high)
#undef BLOCK
}

// C[m][f] += sum over k of A(m, k) B[k][f] for m in rows, k in low .. high - 1 and padded features;
// A(m, k) at a[m * a_m + k * a_k], C and B with n features a row. With `from` it is A(m, k) times
// (B[k][f] - from[m][f]): differences of near points, which sums of their parts would not keep.
typedef struct product {
    float *c;
    const float *a, *b, *from;
    ptrdiff_t a_m, a_k;
    int n, m_low, m_high, low, high;
} product;

INLINE void product_block(const product *x, int m, int f, int tall, int wide, bool differences) {
    vf acc[MOST_TALL][MOST_WIDE];
    UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++) acc[i][w] =
        vf_load(x->c + (m + i) * x->n + f + w * VW);
    const float *a = x->a + m * x->a_m + x->low * x->a_k;
    const float *b = x->b + (ptrdiff_t)x->low * x->n + f;
    for (int k = x->low; k < x->high; k++, a += x->a_k, b += x->n) {
        vf row[MOST_WIDE];
        UNROLL for (int w = 0; w < wide; w++) row[w] = vf_load(b + w * VW);
        UNROLL for (int i = 0; i < tall; i++) {
            vf left = vf_set1(a[i * x->a_m]);
            UNROLL for (int w = 0; w < wide; w++) {
                vf right = row[w];
                if (differences) right -= vf_load(x->from + (m + i) * x->n + f + w * VW);
                acc[i][w] = vf_fma(left, right, acc[i][w]);
            }
        }
    }
    UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++)
        vf_store(x->c + (m + i) * x->n + f + w * VW, acc[i][w]);
}

INLINE void add_product(const product *x, bool differences) {
#define BLOCK(m, f, tall, wide) product_block(x, m, f, tall, wide, differences);
    FOR_BLOCKS(0, x->n, x->m_low, x->m_high)
#undef BLOCK
}

static void add_gradients(const kernel_tile_gradient *t, const region *r) {
    int n = t->d_padded, end = r->first + r->width;
    product dv = {t->dv, t->p, t->g, NULL, Q, 1, n, r->low, r->high, r->first, end};
    product dk = {t->dk, t->ds, t->q, t->k, Q, 1, n, r->low, r->high, r->first, end};
    product dq = {t->dq, t->ds, t->k, t->q, 1, Q, n, r->first, end, r->low, r->high};
    add_product(&dv, false);
    if (score_is_metric(t->score.kind)) {
        add_product(&dk, true);
        add_product(&dq, true);
    } else {
        add_product(&dk, false);
        add_product(&dq, false);
    }
}

void KERNEL(tile_gradient)(const kernel_tile_gradient *t) {
    const bool shaped = is_shaped(&t->score, t->key_bias);
    tile_cut cut;
    cut_tile(t->n_keys, t->seen, &cut);
    for (int i = 0; i < cut.n; i++) {
        const region *r = &cut.regions[i];
        switch (t->score.kind) {
#define FV_SCORE(NAME, name, ...)                                                                  \
    case FV_KERNEL_##NAME:                                                                         \
        probability_region(t, r, FV_KERNEL_##NAME);                                                \
        break;
#include "kernels/score_list.h"
        case FV_N_SCORES:
            break;
        }
        if (shaped) shape_probabilities(t, r);
        if (score_bends(t->score.kind) || t->score.cap != 0)
            slope_region(t, r, true);
        else
            slope_region(t, r, false);
        add_gradients(t, r);
    }
}

#include "kernels/body_decode.h"
