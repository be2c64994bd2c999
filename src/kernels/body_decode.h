// One query a head against rows of a cache, with the feature in the lane: every row is read once,
// for all heads that share it (grouped-query attention), and reading is what it costs. Sixteen keys
// at a time give sixteen accumulators, which reduce16 turns into one vector of scores.

enum { MOST_GROUPS = 8 }; // of L features, that are done together

// Prefetches the row that lies 8 KiB after row j into the second-level cache. Where there is much
// to compute for a byte the hardware's prefetcher comes too late; for floats and one head it is the
// better one. (The first-level cache has no room for rows to come.)
INLINE void fetch_row_after(const decode_job *t, const char *rows, ptrdiff_t stride, int j) {
    enum { BYTES_AHEAD = 8192, LINE = 64 };
    int bytes = t->d_padded * (t->bfloat16 ? 2 : 4);
    int row = j + (BYTES_AHEAD + bytes - 1) / bytes;
    if ((!t->bfloat16 && t->n_heads == 1) || row >= t->n_rows) return;
    for (int at = 0; at < bytes; at += LINE) __builtin_prefetch(rows + row * stride + at, 0, 2);
}

#if VW == 16
#define EVEN(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(a, b)                                                                                  \
    __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#define ZIP_LOW(a, b)                                                                              \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b)                                                                             \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif VW == 8
#define EVEN(a, b)     __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b)      __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define ZIP_LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define EVEN(a, b)     __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODD(a, b)      __builtin_shufflevector(a, b, 1, 3, 5, 7)
#define ZIP_LOW(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

// Two bfloat16s are one 32-bit number, of which a shift makes the first and a mask the second:
// where groups come in pairs, the first of a pair holds the even features and the second the odd
// ones.
INLINE bool in_pairs(int groups, bool bfloat16) {
    return bfloat16 && groups % 2 == 0;
}

// `groups` groups of a row, at any address.
INLINE void row_load(const char *row, int groups, bool bfloat16, vf out[MOST_GROUPS][PARTS]) {
    typedef uint16_t half __attribute__((vector_size(2 * VW)));
    UNROLL for (int g = 0; g < groups; g++) UNROLL for (int part = 0; part < PARTS; part++) {
        int at = g * L + part * VW;
        if (in_pairs(groups, bfloat16)) {
            if (g % 2 == 1) continue;
            vu x;
            memcpy(&x, row + 2 * (at + part * VW), sizeof x);
            out[g][part] = (vf)(x << 16);
            out[g + 1][part] = (vf)(x & 0xffff0000u);
        } else if (bfloat16) {
            half x;
            memcpy(&x, row + 2 * at, sizeof x);
            out[g][part] = (vf)(__builtin_convertvector(x, vu) << 16);
        } else {
            memcpy(&out[g][part], row + 4 * at, sizeof(vf));
        }
    }
}

// Floats of this plan, in the order that row_load gives, and back.
INLINE void like_row_load(const float *from, int groups, bool bfloat16,
                          vf out[MOST_GROUPS][PARTS]) {
    bool pairs = in_pairs(groups, bfloat16);
    UNROLL for (int g = 0; g < groups; g++) UNROLL for (int part = 0; part < PARTS; part++) {
        const float *at = from + g * L + part * VW, *pair = at + part * VW;
        if (!pairs) out[g][part] = vf_load(at);
        if (!pairs || g % 2 == 1) continue;
        out[g][part] = EVEN(vf_load(pair), vf_load(pair + VW));
        out[g + 1][part] = ODD(vf_load(pair), vf_load(pair + VW));
    }
}

INLINE void like_row_store(float *to, int groups, bool bfloat16, vf x[MOST_GROUPS][PARTS]) {
    bool pairs = in_pairs(groups, bfloat16);
    UNROLL for (int g = 0; g < groups; g++) UNROLL for (int part = 0; part < PARTS; part++) {
        float *at = to + g * L + part * VW, *pair = at + part * VW;
        if (!pairs) vf_store(at, x[g][part]);
        if (!pairs || g % 2 == 1) continue;
        vf_store(pair, ZIP_LOW(x[g][part], x[g + 1][part]));
        vf_store(pair + VW, ZIP_HIGH(x[g][part], x[g + 1][part]));
    }
}

// Adds what some groups of features give to the score of a row.
INLINE void score_groups(const char *row, const float *query, int groups, bool bfloat16,
                         bool metric, vf acc[PARTS]) {
    vf key[MOST_GROUPS][PARTS];
    row_load(row, groups, bfloat16, key);
    UNROLL for (int g = 0; g < groups; g++) UNROLL for (int part = 0; part < PARTS; part++) {
        vf q = vf_load(query + g * L + part * VW), difference = q - key[g][part];
        acc[part] =
            metric ? vf_fma(difference, difference, acc[part]) : vf_fma(q, key[g][part], acc[part]);
    }
}

// Row by row, as memory is read fastest; the rows' sums do not wait for each other.
INLINE void decode_scores(const decode_job *t, const float *q, int first, int n, bool bfloat16,
                          bool metric, float out[16]) {
    vf acc[16][PARTS];
    const int size = bfloat16 ? 2 : 4, d = t->d_padded;
    const bool fetches = q == (bfloat16 ? t->paired : t->q); // the first head does, for all
    UNROLL for (int j = 0; j < 16; j++) {
        UNROLL for (int part = 0; part < PARTS; part++) acc[j][part] = vf_set1(0);
        if (j >= n) continue;
        if (fetches) fetch_row_after(t, t->k, t->k_stride, first + j);
        const char *row = t->k + (first + j) * t->k_stride;
        int f = 0;
        for (; f + 2 * L <= d; f += 2 * L)
            score_groups(row + f * size, q + f, 2, bfloat16, metric, acc[j]);
        if (f < d) score_groups(row + f * size, q + f, 1, bfloat16, metric, acc[j]);
    }
    reduce16(acc, out);
}

// The largest and the sum of lanes, in halves: the same order for every width of vectors.
INLINE float largest_of(const float lane[L]) {
    float x = lane[0];
    for (int i = 1; i < L; i++) x = lane[i] > x || lane[i] != lane[i] ? lane[i] : x;
    return x;
}
INLINE float sum_of(float lane[L]) {
    for (int half = L / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

// Scores become weights under the running maximum; the output so far is brought to it. Places
// behind the last key get no weight.
INLINE void decode_weights(const decode_job *t, int head, int n_rounded) {
    _Alignas(64) float lanes[L];
    float *p = t->p + head * FV_TILE_KEYS, *o = t->o + (ptrdiff_t)head * t->d_padded;
    float before = t->largest[head];
    vf most[PARTS], sum[PARTS];
    for (int j = t->n_keys; j < n_rounded; j++) p[j] = FV_NO_SCORE;
    UNROLL for (int i = 0; i < PARTS; i++) most[i] = vf_set1(before);
    for (int j = 0; j < n_rounded; j += L)
        UNROLL for (int i = 0; i < PARTS; i++) most[i] = vf_max(most[i], vf_load(p + j + i * VW));
    UNROLL for (int i = 0; i < PARTS; i++) vf_store(lanes + i * VW, most[i]);
    float largest = largest_of(lanes);
    if (largest != before) {
        vf factor = vf_exp2(vf_set1(before - largest));
        t->largest[head] = largest;
        t->sum[head] *= factor[0];
        for (int f = 0; f < t->d_padded; f += VW) vf_store(o + f, vf_load(o + f) * factor);
    }
    UNROLL for (int i = 0; i < PARTS; i++) sum[i] = vf_set1(0);
    for (int j = 0; j < n_rounded; j += L) UNROLL for (int i = 0; i < PARTS; i++) {
            vf weight = vf_exp2(vf_load(p + j + i * VW) - vf_set1(largest));
            vf_store(p + j + i * VW, weight);
            sum[i] += weight;
        }
    UNROLL for (int i = 0; i < PARTS; i++) vf_store(lanes + i * VW, sum[i]);
    t->sum[head] += sum_of(lanes);
}

// o[f] += sum over keys of p v[f], for `heads` heads (one or two) and some groups of features in
// registers.
INLINE void decode_values(const decode_job *t, int head, int heads, int f, int groups,
                          bool bfloat16) {
    vf acc[2][MOST_GROUPS][PARTS], value[MOST_GROUPS][PARTS];
    UNROLL for (int h = 0; h < heads; h++)
        like_row_load(t->o + (ptrdiff_t)(head + h) * t->d_padded + f, groups, bfloat16, acc[h]);
    const char *row = t->v + f * (bfloat16 ? 2 : 4);
    const float *p = t->p + head * FV_TILE_KEYS;
    for (int j = 0; j < t->n_keys; j++, row += t->v_stride) {
        if (head == 0 && f == 0) fetch_row_after(t, t->v, t->v_stride, j);
        row_load(row, groups, bfloat16, value);
        UNROLL for (int h = 0; h < heads; h++) {
            vf weight = vf_set1(p[h * FV_TILE_KEYS + j]);
            UNROLL for (int g = 0; g < groups; g++) UNROLL for (int part = 0; part < PARTS; part++)
                acc[h][g][part] = vf_fma(weight, value[g][part], acc[h][g][part]);
        }
    }
    UNROLL for (int h = 0; h < heads; h++)
        like_row_store(t->o + (ptrdiff_t)(head + h) * t->d_padded + f, groups, bfloat16, acc[h]);
}

INLINE void decode_heads(const decode_job *t, int head, int heads, bool bfloat16) {
    int f = 0;
    if (heads == 1)
        for (; f + 8 * L <= t->d_padded; f += 8 * L) decode_values(t, head, heads, f, 8, bfloat16);
    for (; f + 4 * L <= t->d_padded; f += 4 * L) decode_values(t, head, heads, f, 4, bfloat16);
    for (; f < t->d_padded; f += L) decode_values(t, head, heads, f, 1, bfloat16);
}

// Scores of sixteen keys from `first` on, or as many as there are.
INLINE void score_keys(const decode_job *t, int head, int first, bool bfloat16) {
    const float *q = (bfloat16 ? t->paired : t->q) + (ptrdiff_t)head * t->d_padded;
    float *p = t->p + head * FV_TILE_KEYS + first;
    bool metric = score_is_metric(t->score.kind);
    int n = t->n_keys - first < 16 ? t->n_keys - first : 16;
    if (metric)
        decode_scores(t, q, first, n, bfloat16, true, p);
    else if (n == 16)
        decode_scores(t, q, first, 16, bfloat16, false, p);
    else
        decode_scores(t, q, first, n, bfloat16, false, p);
    if (metric)
        UNROLL for (int i = 0; i < 16; i += VW)
            vf_store(p + i, score_of(t->score.kind, &t->score, vf_load(p + i)));
    if (!is_shaped(&t->score, t->bias)) return;
    for (int i = 0; i < 16; i += VW) {
        vf slope = vf_set1(1), bias = vf_set1(0);
        if (t->bias) bias = vf_load(t->bias + head * FV_TILE_KEYS + first + i);
        vf_store(p + i, shape(&t->score, vf_load(p + i), bias, &slope));
    }
}

// Queries in the order of pairs of bfloat16s.
static void pair_queries(const decode_job *t) {
    vf x[MOST_GROUPS][PARTS];
    for (int head = 0; head < t->n_heads; head++)
        for (int f = 0; f < t->d_padded; f += 2 * L) {
            ptrdiff_t at = (ptrdiff_t)head * t->d_padded + f;
            int groups = f + L < t->d_padded ? 2 : 1;
            if (groups == 2)
                like_row_load(t->q + at, 2, true, x);
            else
                like_row_load(t->q + at, 1, true, x);
            for (int g = 0; g < groups; g++)
                for (int part = 0; part < PARTS; part++)
                    vf_store(t->paired + at + g * L + part * VW, x[g][part]);
        }
}

INLINE void decode_typed(const decode_job *t, bool bfloat16) {
    int n_rounded = (t->n_keys + 15) / 16 * 16, head = 0;
    if (bfloat16) pair_queries(t);
    for (int j = 0; j < t->n_keys; j += 16)
        for (int i = 0; i < t->n_heads; i++) score_keys(t, i, j, bfloat16);
    for (int i = 0; i < t->n_heads; i++) decode_weights(t, i, n_rounded);
    for (; head + 2 <= t->n_heads; head += 2) decode_heads(t, head, 2, bfloat16);
    if (head < t->n_heads) decode_heads(t, head, 1, bfloat16);
}

void KERNEL(decode)(const decode_job *t) {
    if (t->bfloat16)
        decode_typed(t, true);
    else
        decode_typed(t, false);
}
