// Tokens to lanes and back: drawing tokens, gathering rows of a table into lanes, scattering lanes
// into rows. These move data, so every variant gives the same bits.
#include "kernels/simd.h"

// Ten Philox rounds on VW / 2 counters. Each word is the low half of a 64-bit place, where the
// widening multiplication reads it; what is left in the high halves does no harm, so that a round
// is two multiplications, two shifts and four exclusive-ors.
INLINE void philox(vw c0, vw c1, vw c2, vw c3, const uint32_t key[2], vw out[4]) {
    uint32_t k0 = key[0], k1 = key[1];
    const vw zero = {0}, m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
    UNROLL for (int round = 0; round < 10; round++) {
        vw a = vw_multiply(c0, m0), b = vw_multiply(c2, m1);
        c0 = (b >> 32) ^ c1 ^ (zero + k0);
        c1 = b;
        c2 = (a >> 32) ^ c3 ^ (zero + k1);
        c3 = a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

// Four positions of VW samples: even and odd samples take turns in the 64-bit places, and the
// scaled words, high halves of products, are put together again at the end.
INLINE void draw_block(const fv_draw *a, uint32_t sample, int t, int32_t *tokens) {
    const uint32_t key[2] = {(uint32_t)a->seed, (uint32_t)(a->seed >> 32)};
    const vw zero = {0}, block = zero + (uint32_t)t / 4, step = zero + a->step;
    const vw stream = zero + a->stream, size = zero + a->vocab_size;
    vw even, even_words[4], odd_words[4];
    UNROLL for (int i = 0; i < VW / 2; i++) even[i] = 2 * (uint64_t)i;
    philox(even + sample, block, step, stream, key, even_words);
    philox(even + (sample + 1), block, step, stream, key, odd_words);
    for (int w = 0; w < 4 && t + w < a->n_rows; w++) {
        vw low = vw_multiply(even_words[w], size) >> 32;
        vw high = vw_multiply(odd_words[w], size) & ((uint64_t)0xffffffffu << 32);
        vi_store(tokens + w * L, (vi)(low | high));
    }
}

static void draw(const fv_draw *a) {
    for (int g = 0; g < a->n_groups; g++)
        for (int part = 0; part < PARTS; part++)
            for (int t = 0; t < a->n_rows; t += 4)
                draw_block(a, a->first_sample + (uint32_t)(g * L + part * VW), t,
                           a->tokens + ((size_t)g * a->n_rows + t) * L + part * VW);
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
// A table of up to 32 numbers fits two registers, where a permutation looks sixteen of them up at
// once.
typedef struct small_table {
    __m512 low, high;
} small_table;

INLINE small_table load_small_table(const float *table, int n) {
    uint32_t mask = n == 32 ? ~0u : (1u << n) - 1;
    return (small_table){_mm512_maskz_loadu_ps((__mmask16)mask, table),
                         _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), table + 16)};
}

static void embed_small(const fv_embed *a) {
    small_table table = load_small_table(a->table, a->vocab_size * a->n_embd);
    for (int g = 0; g < a->n_groups; g++)
        for (int t = 0; t < a->n_rows; t++) {
            vi index = vi_load(a->tokens + g * a->tokens_group_stride + t * L) * a->n_embd;
            float *x = a->x + ((size_t)g * a->n_rows + t) * a->n_embd * L;
            for (int f = 0; f < a->n_embd; f++) {
                vf y = _mm512_permutex2var_ps(table.low, (__m512i)(index + f), table.high);
                if (a->positions) y += a->positions[t * a->n_embd + f];
                vf_store(x + f * L, y);
            }
        }
}
#endif

// x[f][lane] = table[tokens[lane]][f], f = 0 .. n - 1.
INLINE void gather_rows(const float *table, int n_embd, const int32_t *tokens, float *x) {
    int f = 0;
#if VW == 16
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

static void embed(const fv_embed *a) {
#if VW == 16
    if (a->vocab_size * a->n_embd <= 32) {
        embed_small(a);
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

// table[tokens[lane]][f] += x[f][lane], lane after lane.
INLINE void scatter_rows(float *table, int n_embd, const int32_t *tokens, const float *x) {
    int f = 0;
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
// which would wait for its own last store to the same few rows.
enum { COMPARED_ENTRIES = 64 };

INLINE void embed_gradient_compared(const fv_embed_gradient *a, int first, int n_entries) {
    const fv_embed *e = &a->forward;
    int n = e->vocab_size * e->n_embd - first, token_of[16], offset_of[16];
    vf acc[16][PARTS];
    float sum[16];
    memset(acc, 0, sizeof acc);
    for (int i = 0; i < 16; i++) {
        token_of[i] = (first + i) / e->n_embd;
        offset_of[i] = (first + i) % e->n_embd * L;
    }
    for (int g = 0; g < e->n_groups; g++)
        for (int t = 0; t < e->n_rows; t++)
            for (int part = 0; part < PARTS; part++) {
                vi token = vi_load(e->tokens + g * e->tokens_group_stride + t * L + part * VW);
                const float *x = e->x + ((size_t)g * e->n_rows + t) * e->n_embd * L + part * VW;
                UNROLL for (int i = 0; i < n_entries; i++) acc[i][part] +=
                    vf_and(vf_load(x + offset_of[i]), token == token_of[i]);
            }
    reduce16(acc, sum);
    for (int i = 0; i < n && i < 16; i++) a->dtable[first + i] += sum[i];
}

static void positions_gradient(const fv_embed_gradient *a, int t) {
    const fv_embed *e = &a->forward;
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

static void embed_gradient(const fv_embed_gradient *a) {
    const fv_embed *e = &a->forward;
    for (int t = 0; a->dpositions && t < e->n_rows; t++) positions_gradient(a, t);
    int n_entries = e->vocab_size * e->n_embd;
    if (n_entries <= COMPARED_ENTRIES) {
        int first = 0;
        for (; first + 8 < n_entries; first += 16) embed_gradient_compared(a, first, 16);
        if (first < n_entries) embed_gradient_compared(a, first, 8);
        return;
    }
    for (int g = 0; g < e->n_groups; g++)
        for (int t = 0; t < e->n_rows; t++)
            scatter_rows(a->dtable, e->n_embd, e->tokens + g * e->tokens_group_stride + t * L,
                         e->x + ((size_t)g * e->n_rows + t) * e->n_embd * L);
}
