// Tokens to lanes and back: drawing tokens, gathering rows of a table into lanes, scattering lanes
// into rows. These move data, so every variant gives the same bits.
#include "kernels/simd.h"

// Several groups are drawn in step, as one alone would wait for its own multiplications: with four
// the tokens of (V 4, C 4, batch 256) take 0.35 us, one by one 0.55.
enum { DRAW_GROUPS = VW == 16 ? 4 : 1, DRAW_STREAMS = DRAW_GROUPS * PARTS * 2 };

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

void KERNEL(draw)(const kernel_draw *a) {
    int g = 0;
    for (; g + DRAW_GROUPS <= a->n_groups; g += DRAW_GROUPS)
        for (int t = 0; t < a->n_rows; t += 4) draw_block(a, g, t, DRAW_GROUPS);
    for (; g < a->n_groups; g++)
        for (int t = 0; t < a->n_rows; t += 4) draw_block(a, g, t, 1);
}

#if VW == 16
// Turns sixteen rows of sixteen floats into sixteen vectors over rows.
INLINE void transpose16(__m512 r[16]) {
    __m512 t[16];
    UNROLL for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xDD);
        t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xDD);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xDD);
        r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xDD);
    }
}
#endif

#if VW == 16
// A column of a table of up to 32 rows fits two registers, where a permutation looks sixteen tokens
// up at once.
enum { COLUMN_ROWS = 32 };

INLINE __m512 load_column(const kernel_embed *a, int first, int f) {
    vi row;
    UNROLL for (int i = 0; i < VW; i++) row[i] = first + i;
    __m512i index = (__m512i)(row * a->n_embd + f);
    return _mm512_mask_i32gather_ps(
        _mm512_setzero_ps(),
        _mm512_cmplt_epi32_mask((__m512i)row, _mm512_set1_epi32(a->vocab_size)), index, a->table,
        4);
}

static void embed_column(const kernel_embed *a, int f) {
    __m512 low = load_column(a, 0, f), high = load_column(a, 16, f);
    for (int g = 0; g < a->n_groups; g++) {
        const int32_t *tokens = a->tokens + g * a->tokens_group_stride;
        float *x = a->x + ((size_t)g * a->n_rows * a->n_embd + f) * L;
        for (int t = 0; t < a->n_rows; t++, x += a->n_embd * L) {
            vf y = _mm512_permutex2var_ps(low, (__m512i)vi_load(tokens + t * L), high);
            if (a->positions) y += a->positions[t * a->n_embd + f];
            vf_store(x, y);
        }
    }
}

// Rows of two numbers are gathered whole.
INLINE __m128 load_pairs(const float *table, const int32_t *tokens) {
    __m128 low = _mm_loadl_pi(_mm_setzero_ps(), (const __m64 *)(table + 2 * (size_t)tokens[0]));
    return _mm_loadh_pi(low, (const __m64 *)(table + 2 * (size_t)tokens[1]));
}

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
#endif

// x[f][lane] = table[tokens[lane]][f], f = 0 .. n - 1.
INLINE void gather_rows(const float *table, int n_embd, const int32_t *tokens, float *x) {
    int f = 0;
#if VW == 16
    if (n_embd == 2) {
        gather_pairs(table, tokens, x);
        return;
    }
    for (; f < n_embd && n_embd >= 4; f += 16) {
        int width = n_embd - f < 16 ? n_embd - f : 16;
        __mmask16 mask = (__mmask16)(0xffffu >> (16 - width));
        __m512 r[16];
        UNROLL for (int l = 0; l < L; l++) r[l] =
            _mm512_maskz_loadu_ps(mask, table + (size_t)tokens[l] * n_embd + f);
        transpose16(r);
        UNROLL for (int i = 0; i < 16; i++) if (i < width) vf_store(x + (f + i) * L, r[i]);
    }
#endif
    for (; f < n_embd; f++)
        for (int part = 0; part < PARTS; part++)
            vf_store(x + f * L + part * VW,
                     vf_gather(table + f, vi_load(tokens + part * VW) * n_embd));
}

void KERNEL(embed)(const kernel_embed *a) {
#if VW == 16
    if (a->vocab_size <= COLUMN_ROWS) {
        for (int f = 0; f < a->n_embd; f++) embed_column(a, f);
        return;
    }
#endif
    for (int g = 0; g < a->n_groups; g++)
        for (int t = 0; t < a->n_rows; t++) {
            float *x = a->x + ((size_t)g * a->n_rows + t) * a->n_embd * L;
            gather_rows(a->table, a->n_embd, a->tokens + g * a->tokens_group_stride + t * L, x);
            for (int f = 0; a->positions && f < a->n_embd; f++)
                for (int part = 0; part < PARTS; part++) {
                    float *y = x + f * L + part * VW;
                    vf_store(y, vf_load(y) + a->positions[t * a->n_embd + f]);
                }
        }
}

// Rows of two numbers are added to whole.
INLINE void scatter_pairs(float *table, const int32_t *tokens, const float *x) {
    typedef float pair __attribute__((vector_size(8), aligned(4)));
    for (int l = 0; l < L; l++) {
        pair *row = (pair *)(table + 2 * (size_t)tokens[l]);
        *row += (pair){x[l], x[L + l]};
    }
}

// table[tokens[lane]][f] += x[f][lane], lane after lane.
INLINE void scatter_rows(float *table, int n_embd, const int32_t *tokens, const float *x) {
    int f = 0;
    if (n_embd == 2) {
        scatter_pairs(table, tokens, x);
        return;
    }
#if VW == 16
    for (; f < n_embd && n_embd >= 4; f += 16) {
        int width = n_embd - f < 16 ? n_embd - f : 16;
        __mmask16 mask = (__mmask16)(0xffffu >> (16 - width));
        __m512 r[16];
        UNROLL for (int i = 0; i < 16; i++) r[i] =
            i < width ? vf_load(x + (f + i) * L) : vf_set1(0);
        transpose16(r);
        UNROLL for (int l = 0; l < L; l++) {
            float *row = table + (size_t)tokens[l] * n_embd + f;
            _mm512_mask_storeu_ps(row, mask, _mm512_add_ps(_mm512_maskz_loadu_ps(mask, row), r[l]));
        }
    }
#endif
    for (; f < n_embd; f++)
        for (int l = 0; l < L; l++) table[(size_t)tokens[l] * n_embd + f] += x[f * L + l];
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
        vf acc[16][PARTS];
        float sum[16];
        memset(acc, 0, sizeof acc);
        for (int g = 0; g < e->n_groups; g++)
            for (int j = 0; j < width; j++)
                for (int part = 0; part < PARTS; part++) {
                    size_t row = ((size_t)g * e->n_rows + t) * e->n_embd + f + j;
                    acc[j][part] += vf_load(e->x + row * L + part * VW);
                }
        reduce16(acc, sum);
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
        for (int t = 0; t < e->n_rows; t++)
            scatter_rows(a->dtable, e->n_embd, e->tokens + g * e->tokens_group_stride + t * L,
                         e->x + ((size_t)g * e->n_rows + t) * e->n_embd * L);
}
