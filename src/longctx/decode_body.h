// One query a head against rows of a cache, with the feature in the lane: every row is read once,
// for all heads that share it, and reading is what it costs. Sixteen keys at a time give sixteen
// accumulators, which reduce16 turns into one vector of scores.

// VW numbers of a row, at any address.
INLINE vf row_load(const char *row, int f, bool bfloat16) {
    if (bfloat16) {
        typedef uint16_t half __attribute__((vector_size(2 * VW)));
        half x;
        memcpy(&x, row + 2 * f, sizeof x);
        return (vf)(__builtin_convertvector(x, vi) << 16);
    }
    vf x;
    memcpy(&x, row + 4 * f, sizeof x);
    return x;
}

INLINE void decode_scores(const fv_decode_job *t, const float *q, int first, int n, bool bfloat16,
                          bool metric, float out[16]) {
    vf acc[16][PARTS];
    // Row by row, as memory is read fastest; the rows' sums do not wait for each other.
    UNROLL for (int j = 0; j < 16; j++) {
        UNROLL for (int part = 0; part < PARTS; part++) acc[j][part] = vf_set1(0);
        const char *row = t->k + (first + j) * t->k_stride;
        if (j < n)
            for (int f = 0; f < t->d_padded; f += L)
                UNROLL for (int part = 0; part < PARTS; part++) {
                    vf query = vf_load(q + f + part * VW);
                    vf key = row_load(row, f + part * VW, bfloat16), difference = query - key;
                    acc[j][part] = metric ? vf_fma(difference, difference, acc[j][part])
                                          : vf_fma(query, key, acc[j][part]);
                }
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
INLINE void decode_weights(const fv_decode_job *t, int head, int n_rounded) {
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

// o[f] += sum over keys of p v[f], for up to `wide` vectors of features in registers.
INLINE void decode_values(const fv_decode_job *t, int head, int f, int wide, bool bfloat16) {
    const float *p = t->p + head * FV_TILE_KEYS;
    float *o = t->o + (ptrdiff_t)head * t->d_padded + f;
    vf acc[8];
    UNROLL for (int w = 0; w < wide; w++) acc[w] = vf_load(o + w * VW);
    const char *row = t->v;
    for (int j = 0; j < t->n_keys; j++, row += t->v_stride) {
        vf weight = vf_set1(p[j]);
        UNROLL for (int w = 0; w < wide; w++) acc[w] =
            vf_fma(weight, row_load(row, f + w * VW, bfloat16), acc[w]);
    }
    UNROLL for (int w = 0; w < wide; w++) vf_store(o + w * VW, acc[w]);
}

INLINE void decode_typed(const fv_decode_job *t, bool bfloat16) {
    int n_rounded = (t->n_keys + 15) / 16 * 16;
    bool metric = t->score.kind != FV_KERNEL_DOT;
    for (int j = 0; j < t->n_keys; j += 16)
        for (int head = 0; head < t->n_heads; head++) {
            const float *q = t->q + (ptrdiff_t)head * t->d_padded;
            float *p = t->p + head * FV_TILE_KEYS + j;
            int n = t->n_keys - j < 16 ? t->n_keys - j : 16;
            if (metric)
                decode_scores(t, q, j, n, bfloat16, true, p);
            else if (n == 16)
                decode_scores(t, q, j, 16, bfloat16, false, p);
            else
                decode_scores(t, q, j, n, bfloat16, false, p);
            if (metric)
                UNROLL for (int i = 0; i < 16; i += VW)
                    vf_store(p + i, score_of(&t->score, vf_load(p + i)));
        }
    for (int head = 0; head < t->n_heads; head++) {
        decode_weights(t, head, n_rounded);
        int f = 0;
        for (; f + 8 * VW <= t->d_padded; f += 8 * VW) decode_values(t, head, f, 8, bfloat16);
        for (; f + 4 * VW <= t->d_padded; f += 4 * VW) decode_values(t, head, f, 4, bfloat16);
        for (; f < t->d_padded; f += VW) decode_values(t, head, f, 1, bfloat16);
    }
}

static void decode(const fv_decode_job *t) {
    if (t->bfloat16)
        decode_typed(t, true);
    else
        decode_typed(t, false);
}
