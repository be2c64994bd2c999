// Tokens to lanes and back: drawing tokens, gathering rows of a table into lanes, scattering lanes
// into rows. These move data, so every variant gives the same bits.
#include "kernels/simd.h"

// Several groups are drawn in step, as one alone would wait for its own multiplications: with four
// the tokens of (V 4, C 4, batch 256) take 0.35 us, one by one 0.55.
enum { DRAW_GROUPS = VW == 16 ? 4 : 1, DRAW_STREAMS = DRAW_GROUPS * PARTS * 2 };

#ifdef VU_HIGH_PRODUCT
// Where high halves of products come in 32-bit places, as from WebAssembly's products of the lower and of the
// upper half of a vector, words stay in such places: a counter takes half of the registers.
INLINE void philox(vu c[4][PARTS], const uint32_t key[2]) {
    const vu m0 = (vu){0} + 0xD2511F53u, m1 = (vu){0} + 0xCD9E8D57u;
    uint32_t k0 = key[0], k1 = key[1];
    UNROLL for (int round = 0; round < 10; round++) {
        UNROLL for (int s = 0; s < PARTS; s++) {
            vu a = vu_high_product(c[0][s], m0), b = vu_high_product(c[2][s], m1);
            vu low0 = c[0][s] * m0, low2 = c[2][s] * m1;
            c[0][s] = b ^ c[1][s] ^ k0;
            c[1][s] = low2;
            c[2][s] = a ^ c[3][s] ^ k1;
            c[3][s] = low0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

// Positions t .. t + 3 of group g.
INLINE void draw_block(const kernel_draw *a, int g, int t, int n_groups) {
    const uint32_t key[2] = {(uint32_t)a->seed, (uint32_t)(a->seed >> 32)};
    const vu zero = {0}, size = zero + (uint32_t)a->vocab_size;
    vu lane, c[4][PARTS];
    (void)n_groups;
    UNROLL for (int i = 0; i < VW; i++) lane[i] = (uint32_t)i;
    UNROLL for (int s = 0; s < PARTS; s++) {
        c[0][s] = lane + (a->first_sample + (uint32_t)(g * L + s * VW));
        c[1][s] = zero + (uint32_t)t / 4;
        c[2][s] = zero + a->step;
        c[3][s] = zero + a->stream;
    }
    philox(c, key);
    UNROLL for (int w = 0; w < 4; w++) {
        if (t + w >= a->n_rows) break;
        int32_t *row = a->tokens + ((ptrdiff_t)g * a->n_rows + t + w) * L;
        UNROLL for (int s = 0; s < PARTS; s++)
            vi_store(row + s * VW, (vi)vu_high_product(c[w][s], size));
    }
}
#else
// Ten Philox rounds on n times VW / 2 counters. Each word is the low half of a 64-bit place, where
// the widening multiplication reads it; what is left in the high halves does no harm, so that a
// round is two multiplications, two shifts and four exclusive-ors.
INLINE void philox(vw c[4][DRAW_STREAMS], const uint32_t key[2], int n) {
    uint32_t k0 = key[0], k1 = key[1];
    const vw zero = {0}, m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
    UNROLL for (int round = 0; round < 10; round++) {
        UNROLL for (int s = 0; s < n; s++) {
            vw a = vw_multiply(c[0][s], m0), b = vw_multiply(c[2][s], m1);
            c[0][s] = (b >> 32) ^ c[1][s] ^ (zero + k0);
            c[1][s] = b;
            c[2][s] = (a >> 32) ^ c[3][s] ^ (zero + k1);
            c[3][s] = a;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

// Positions t .. t + 3 of groups g .. g + n_groups - 1: even and odd samples take turns in the
// 64-bit places, and the scaled words, high halves of products, are put together again at the end.
INLINE void draw_block(const kernel_draw *a, int g, int t, int n_groups) {
    const uint32_t key[2] = {(uint32_t)a->seed, (uint32_t)(a->seed >> 32)};
    const uint32_t sample = a->first_sample + (uint32_t)(g * L);
    const vw zero = {0}, size = zero + a->vocab_size;
    const int n = n_groups * PARTS;
    vw even, c[4][DRAW_STREAMS];
    UNROLL for (int i = 0; i < VW / 2; i++) even[i] = 2 * (uint64_t)i;
    UNROLL for (int s = 0; s < 2 * n; s++) {
        c[0][s] = even + (sample + (uint32_t)(s / 2 * VW + s % 2));
        c[1][s] = zero + (uint32_t)t / 4;
        c[2][s] = zero + a->step;
        c[3][s] = zero + a->stream;
    }
    philox(c, key, 2 * n);
    UNROLL for (int w = 0; w < 4; w++) {
        if (t + w >= a->n_rows) break;
        UNROLL for (int i = 0; i < n; i++) {
            vw low = vw_multiply(c[w][2 * i], size) >> 32;
            vw high = vw_multiply(c[w][2 * i + 1], size) & ((uint64_t)0xffffffffu << 32);
            size_t row = (size_t)(g + i / PARTS) * (size_t)a->n_rows + (size_t)(t + w);
            vi_store(a->tokens + row * L + i % PARTS * VW, (vi)(low | high));
        }
    }
}
#endif

void KERNEL(draw)(const kernel_draw *a) {
    int g = 0;
    for (; g + DRAW_GROUPS <= a->n_groups; g += DRAW_GROUPS)
        for (int t = 0; t < a->n_rows; t += 4) draw_block(a, g, t, DRAW_GROUPS);
    for (; g < a->n_groups; g++)
        for (int t = 0; t < a->n_rows; t += 4) draw_block(a, g, t, 1);
}

// Four floats of a row; a vector holds those of VW / 4 rows.
typedef float four __attribute__((vector_size(16), aligned(4)));
typedef float pair __attribute__((vector_size(8), aligned(4)));

// The first n of them; the others are 0.
INLINE four load_four(const float *row, int n) {
    typedef double first_pair __attribute__((vector_size(16)));
    typedef double any_pair __attribute__((aligned(4), may_alias));
    if (n == 4) return *(const four *)row;
    if (n == 1) return (four){row[0], 0, 0, 0};
    four x = (four)(first_pair){*(const any_pair *)row, 0};
    if (n == 3) x[2] = row[2];
    return x;
}

INLINE void add_four(float *row, const float *x, int n) {
    if (n == 4) {
        *(four *)row += *(const four *)x;
        return;
    }
    if (n >= 2) *(pair *)row += *(const pair *)x;
    if (n & 1) row[n - 1] += x[n - 1];
}

#if VW == 16
INLINE vf join_fours(const four *x) {
    __m512 y = _mm512_castps128_ps512((__m128)x[0]);
    y = _mm512_insertf32x4(y, (__m128)x[1], 1);
    y = _mm512_insertf32x4(y, (__m128)x[2], 2);
    return _mm512_insertf32x4(y, (__m128)x[3], 3);
}
#elif VW == 8
INLINE vf join_fours(const four *x) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256((__m128)x[0]), (__m128)x[1], 1);
}
#else
INLINE vf join_fours(const four *x) {
    vf y;
    memcpy(&y, x, sizeof y);
    return y;
}
#endif

// Chooses by the same four indices (4 to 7 are b's) in every quarter of sixteen lanes.
#define AT(i, quarter) ((i) < 4 ? (i) + 4 * (quarter) : (i)-4 + VW + 4 * (quarter))
#define IN_QUARTER(i, j, k, l, quarter)                                                            \
    AT(i, quarter), AT(j, quarter), AT(k, quarter), AT(l, quarter)
#if VW == 16
#define CHOOSE(a, b, i, j, k, l)                                                                   \
    __builtin_shufflevector(a, b, IN_QUARTER(i, j, k, l, 0), IN_QUARTER(i, j, k, l, 1),            \
                            IN_QUARTER(i, j, k, l, 2), IN_QUARTER(i, j, k, l, 3))
#elif VW == 8
#define CHOOSE(a, b, i, j, k, l)                                                                   \
    __builtin_shufflevector(a, b, IN_QUARTER(i, j, k, l, 0), IN_QUARTER(i, j, k, l, 1))
#else
#define CHOOSE(a, b, i, j, k, l) __builtin_shufflevector(a, b, IN_QUARTER(i, j, k, l, 0))
#endif

// Number i of quarter q of r[j] and number j of quarter q of r[i] change places: from fours of rows
// q * 4 + j to features, or back.
INLINE void turn_fours(vf r[4]) {
    vf low01 = CHOOSE(r[0], r[1], 0, 4, 1, 5), high01 = CHOOSE(r[0], r[1], 2, 6, 3, 7);
    vf low23 = CHOOSE(r[2], r[3], 0, 4, 1, 5), high23 = CHOOSE(r[2], r[3], 2, 6, 3, 7);
    r[0] = CHOOSE(low01, low23, 0, 1, 4, 5);
    r[1] = CHOOSE(low01, low23, 2, 3, 6, 7);
    r[2] = CHOOSE(high01, high23, 0, 1, 4, 5);
    r[3] = CHOOSE(high01, high23, 2, 3, 6, 7);
}
#undef CHOOSE
#undef IN_QUARTER
#undef AT

// A column of a small table fits two registers, where permutations look all tokens of a vector up
// at once.
#if VW == 16
enum { COLUMN_ROWS = 32 };
INLINE vf look_up(vf low, vf high, vi token) {
    return _mm512_permutex2var_ps(low, (__m512i)token, high);
}
#elif VW == 8
enum { COLUMN_ROWS = 16 };
INLINE vf look_up(vf low, vf high, vi token) {
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, (__m256i)token),
                            _mm256_permutevar8x32_ps(high, (__m256i)token), (vf)(token << 28));
}
#else
enum { COLUMN_ROWS = 0 };
INLINE vf look_up(vf low, vf high, vi token) {
    (void)high, (void)token;
    return low;
}
#endif

// Rows first .. first + VW - 1 of column f; past the table's end its last row.
INLINE vf load_column(const kernel_embed *a, int first, int f) {
    vi row;
    UNROLL for (int i = 0; i < VW; i++) row[i] =
        first + i < a->vocab_size ? first + i : a->vocab_size - 1;
    return vf_gather(a->table + f, row * a->n_embd);
}

static void embed_column(const kernel_embed *a, int f) {
    vf low = load_column(a, 0, f), high = load_column(a, VW, f);
    for (int g = 0; g < a->n_groups; g++) {
        const int32_t *tokens = a->tokens + g * a->tokens_group_stride;
        float *x = a->x + ((size_t)g * a->n_rows * a->n_embd + f) * L;
        for (int t = 0; t < a->n_rows; t++, x += a->n_embd * L)
            UNROLL for (int part = 0; part < PARTS; part++) {
                vf y = look_up(low, high, vi_load(tokens + t * L + part * VW));
                if (a->positions) y += a->positions[t * a->n_embd + f];
                vf_store(x + part * VW, y);
            }
    }
}

#if VW >= 8
// Rows of two numbers are gathered whole.
INLINE __m128 load_pairs(const float *table, const int32_t *tokens) {
    __m128 low = _mm_loadl_pi(_mm_setzero_ps(), (const __m64 *)(table + 2 * (size_t)tokens[0]));
    return _mm_loadh_pi(low, (const __m64 *)(table + 2 * (size_t)tokens[1]));
}

#if VW == 16
INLINE void gather_pairs(const float *table, const int32_t *tokens, float *x) {
    __m512 r[2];
    UNROLL for (int i = 0; i < 2; i++) {
        const int32_t *t = tokens + 8 * i;
        __m256 low = _mm256_set_m128(load_pairs(table, t + 2), load_pairs(table, t));
        __m256 high = _mm256_set_m128(load_pairs(table, t + 6), load_pairs(table, t + 4));
        r[i] = _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
    }
    const __m512i first = {0x200000000,  0x600000004,  0xa00000008,  0xe0000000c,
                           0x1200000010, 0x1600000014, 0x1a00000018, 0x1e0000001c};
    vf_store(x, _mm512_permutex2var_ps(r[0], first, r[1]));
    vf_store(x + L, _mm512_permutex2var_ps(r[0], (__m512i)((vi)first + 1), r[1]));
}
#else
INLINE void gather_pairs(const float *table, const int32_t *tokens, float *x) {
    UNROLL for (int part = 0; part < PARTS; part++, tokens += VW, x += VW) {
        __m256 a = _mm256_set_m128(load_pairs(table, tokens + 4), load_pairs(table, tokens));
        __m256 b = _mm256_set_m128(load_pairs(table, tokens + 6), load_pairs(table, tokens + 2));
        vf_store(x, _mm256_shuffle_ps(a, b, 0x88));
        vf_store(x + L, _mm256_shuffle_ps(a, b, 0xDD));
    }
}
#endif
#endif

// n <= 4 numbers of sixteen rows, from number f on, to lanes; `positions` is added.
INLINE void gather_fours(float *const row[L], int f, const float *positions, float *x, int n) {
    for (int part = 0; part < PARTS; part++) {
        vf r[4];
        UNROLL for (int i = 0; i < 4; i++) {
            four fours[VW / 4];
            UNROLL for (int q = 0; q < VW / 4; q++) fours[q] =
                load_four(row[part * VW + 4 * q + i] + f, n);
            r[i] = join_fours(fours);
        }
        turn_fours(r);
        UNROLL for (int i = 0; i < n; i++) vf_store(
            x + (f + i) * L + part * VW, positions ? r[i] + vf_set1(positions[f + i]) : r[i]);
    }
}

INLINE void find_rows(const float *table, int n_embd, const int32_t *tokens, float *row[L]) {
    for (int l = 0; l < L; l++) row[l] = (float *)table + (size_t)tokens[l] * n_embd;
}

// x[f][lane] = table[tokens[lane]][f] + positions[f]; positions may be NULL.
INLINE void gather_rows(const float *table, int n_embd, const int32_t *tokens,
                        const float *positions, float *x) {
    float *row[L];
    find_rows(table, n_embd, tokens, row);
    int f = 0;
    for (; f + 4 <= n_embd; f += 4) gather_fours(row, f, positions, x, 4);
    if (n_embd - f == 3) gather_fours(row, f, positions, x, 3);
    if (n_embd - f == 2) gather_fours(row, f, positions, x, 2);
    if (n_embd - f == 1) gather_fours(row, f, positions, x, 1);
}

void KERNEL(embed)(const kernel_embed *a) {
    if (a->vocab_size <= COLUMN_ROWS) {
        for (int f = 0; f < a->n_embd; f++) embed_column(a, f);
        return;
    }
#if VW >= 8
    for (int g = 0; g < a->n_groups && a->n_embd == 2 && a->positions == NULL; g++)
        for (int t = 0; t < a->n_rows; t++)
            gather_pairs(a->table, a->tokens + g * a->tokens_group_stride + t * L,
                         a->x + ((size_t)g * a->n_rows + t) * 2 * L);
    if (a->n_embd == 2 && a->positions == NULL) return;
#endif
    for (int g = 0; g < a->n_groups; g++)
        for (int t = 0; t < a->n_rows; t++)
            gather_rows(a->table, a->n_embd, a->tokens + g * a->tokens_group_stride + t * L,
                        a->positions ? a->positions + (ptrdiff_t)t * a->n_embd : NULL,
                        a->x + ((size_t)g * a->n_rows + t) * a->n_embd * L);
}

// Rows of two numbers are added to whole.
INLINE void scatter_pairs(float *table, const int32_t *tokens, const float *x) {
    for (int l = 0; l < L; l++) {
        pair *row = (pair *)(table + 2 * (size_t)tokens[l]);
        *row += (pair){x[l], x[L + l]};
    }
}

INLINE void scatter_fours(float *const row[L], int f, const float *x, int n) {
    for (int part = 0; part < PARTS; part++) {
        vf r[4];
        UNROLL for (int i = 0; i < 4; i++) r[i] =
            i < n ? vf_load(x + (f + i) * L + part * VW) : vf_set1(0);
        turn_fours(r);
        UNROLL for (int l = 0; l < VW; l++)
            add_four(row[part * VW + l] + f, (const float *)&r[l % 4] + l / 4 * 4, n);
    }
}

#if VW == 16
// Sixteen numbers of a row are one vector.
INLINE void scatter_sixteens(float *const row[L], int f, const float *x) {
    typedef float sixteen __attribute__((vector_size(64), aligned(4)));
    vf r[16], rows[16];
    UNROLL for (int i = 0; i < 16; i++) r[i] = vf_load(x + (f + i) * L);
    UNROLL for (int i = 0; i < 16; i += 4) turn_fours(r + i);
    UNROLL for (int i = 0; i < 4; i++) {
        vf even01 = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        vf odd01 = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
        vf even23 = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        vf odd23 = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xDD);
        rows[i] = _mm512_shuffle_f32x4(even01, even23, 0x88);
        rows[i + 4] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
        rows[i + 8] = _mm512_shuffle_f32x4(even01, even23, 0xDD);
        rows[i + 12] = _mm512_shuffle_f32x4(odd01, odd23, 0xDD);
    }
    UNROLL for (int l = 0; l < 16; l++) * (sixteen *)(row[l] + f) += rows[l];
}
#endif

// table[tokens[lane]][f] += x[f][lane], lane after lane.
INLINE void scatter_rows(float *table, int n_embd, const int32_t *tokens, const float *x) {
    float *row[L];
    find_rows(table, n_embd, tokens, row);
    int f = 0;
#if VW == 16
    for (; f + 16 <= n_embd; f += 16) scatter_sixteens(row, f, x);
#endif
    for (; f + 4 <= n_embd; f += 4) scatter_fours(row, f, x, 4);
    if (n_embd - f == 3) scatter_fours(row, f, x, 3);
    if (n_embd - f == 2) scatter_fours(row, f, x, 2);
    if (n_embd - f == 1) scatter_fours(row, f, x, 1);
}

// Of a small table every entry is an accumulator, sixteen at a time: comparing beats scattering,
// which would wait for its own last store to the same few rows. Compiled for the widths D that
// divide sixteen, where entries of a row share a comparison; 0 is any other.
enum { COMPARED_ENTRIES = 64 };
#define COMPARED_WIDTHS(X) X(1) X(2) X(4) X(8) X(16) X(0)

INLINE void embed_gradient_entries(const kernel_embed_gradient *a, int first, int n_entries,
                                   int D) {
    const kernel_embed *e = &a->forward;
    int n = e->vocab_size * e->n_embd - first, token_of[16], offset_of[16];
    vf acc[16][PARTS];
    float sum[16];
    memset(acc, 0, sizeof acc);
    UNROLL for (int i = 0; i < 16; i++) {
        token_of[i] = D > 0 ? first / D + i / D : (first + i) / e->n_embd;
        offset_of[i] = (D > 0 ? i % D : (first + i) % e->n_embd) * L;
    }
    for (int g = 0; g < e->n_groups; g++)
        for (int t = 0; t < e->n_rows; t++)
            for (int part = 0; part < PARTS; part++) {
                vi token = vi_load(e->tokens + g * e->tokens_group_stride + t * L + part * VW);
                const float *x = e->x + ((size_t)g * e->n_rows + t) * e->n_embd * L + part * VW;
                UNROLL for (int i = 0; i < n_entries; i++) acc[i][part] = vf_add_where_equal(
                    acc[i][part], vf_load(x + offset_of[i]), token, vi_set1(token_of[i]));
            }
    reduce16(acc, sum);
    for (int i = 0; i < n && i < 16; i++) a->dtable[first + i] += sum[i];
}

#define DEFINE_COMPARED(D)                                                                         \
    static void embed_gradient_compared_##D(const kernel_embed_gradient *a, int n_entries) {       \
        int first = 0;                                                                             \
        for (; first + 8 < n_entries; first += 16) embed_gradient_entries(a, first, 16, D);        \
        if (first < n_entries) embed_gradient_entries(a, first, 8, D);                             \
    }
COMPARED_WIDTHS(DEFINE_COMPARED)
#undef DEFINE_COMPARED

static void embed_gradient_compared(const kernel_embed_gradient *a, int n_entries) {
    switch (a->forward.n_embd) {
#define CASE(D)                                                                                    \
    case D:                                                                                        \
        embed_gradient_compared_##D(a, n_entries);                                                 \
        return;
        COMPARED_WIDTHS(CASE)
#undef CASE
    default:
        embed_gradient_compared_0(a, n_entries);
    }
}

static void positions_gradient(const kernel_embed_gradient *a, int t) {
    const kernel_embed *e = &a->forward;
    for (int f = 0; f < e->n_embd; f += 16) {
        int width = e->n_embd - f < 16 ? e->n_embd - f : 16;
        float sum[16];
        sum_features(e->x + ((size_t)t * e->n_embd + f) * L, (ptrdiff_t)e->n_rows * e->n_embd * L,
                     e->n_groups, width, sum);
        for (int j = 0; j < width; j++) a->dpositions[t * e->n_embd + f + j] += sum[j];
    }
}

void KERNEL(embed_gradient)(const kernel_embed_gradient *a) {
    const kernel_embed *e = &a->forward;
    for (int t = 0; a->dpositions && t < e->n_rows; t++) positions_gradient(a, t);
    int n_entries = e->vocab_size * e->n_embd;
    if (n_entries <= COMPARED_ENTRIES) {
        embed_gradient_compared(a, n_entries);
        return;
    }
    for (int g = 0; g < e->n_groups; g++)
        for (int t = 0; t < e->n_rows; t++) {
            const int32_t *tokens = e->tokens + g * e->tokens_group_stride + t * L;
            const float *x = e->x + ((size_t)g * e->n_rows + t) * e->n_embd * L;
            if (e->n_embd == 2)
                scatter_pairs(a->dtable, tokens, x);
            else
                scatter_rows(a->dtable, e->n_embd, tokens, x);
        }
}
