// Tokens to lanes and back: drawing tokens, gathering rows of a table into lanes, scattering lanes
// into rows. These move data, so every variant gives the same bits.
#include "kernels/simd.h"

// Ten Philox rounds on the counters of VW samples at once; word w of block t / 4 is the token at t.
INLINE void philox(vu c0, vu c1, vu c2, vu c3, const uint32_t key[2], vu out[4]) {
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        vu high_a, low_a, high_b, low_b;
        vu_multiply(c0, 0xD2511F53u, &high_a, &low_a);
        vu_multiply(c2, 0xCD9E8D57u, &high_b, &low_b);
        c0 = high_b ^ c1 ^ k0;
        c1 = low_b;
        c2 = high_a ^ c3 ^ k1;
        c3 = low_a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static void draw(const fv_draw *a) {
    const uint32_t key[2] = {(uint32_t)a->seed, (uint32_t)(a->seed >> 32)};
    vu lane, zero = {0};
    for (int l = 0; l < VW; l++) lane[l] = (uint32_t)l;
    for (int g = 0; g < a->n_groups; g++)
        for (int part = 0; part < PARTS; part++)
            for (int t = 0; t < a->n_rows; t += 4) {
                vu words[4], high, low;
                philox(lane + (a->first_sample + (uint32_t)(g * L + part * VW)),
                       zero + (uint32_t)t / 4, zero + a->step, zero + a->stream, key, words);
                int32_t *tokens = a->tokens + ((size_t)g * a->n_rows + t) * L + part * VW;
                for (int w = 0; w < 4 && t + w < a->n_rows; w++) {
                    vu_multiply(words[w], a->vocab_size, &high, &low);
                    vi_store(tokens + w * L, (vi)high);
                }
            }
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
// A table of up to 32 numbers fits two registers, where a permutation looks sixteen of them up at once.
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
        UNROLL for (int i = 0; i < 16; i++) r[i] = i < width ? vf_load(x + (f + i) * L) : vf_set1(0);
        transpose16(r);
        UNROLL for (int l = 0; l < L; l++) {
            float *row = table + (size_t)tokens[l] * n_embd + f;
            _mm512_mask_storeu_ps(row, mask,
                                  _mm512_add_ps(_mm512_maskz_loadu_ps(mask, row), r[l]));
        }
    }
#endif
    for (; f < n_embd; f++)
        for (int l = 0; l < L; l++) table[(size_t)tokens[l] * n_embd + f] += x[f * L + l];
}

// With at most sixteen table entries every one is an accumulator: compare instead of scattering,
// which would wait for its own last store to the same few rows.
static void embed_gradient_small(const fv_embed_gradient *a) {
    const fv_embed *e = &a->forward;
    vf acc[16][PARTS];
    float sum[16];
    memset(acc, 0, sizeof acc);
    for (int g = 0; g < e->n_groups; g++)
        for (int t = 0; t < e->n_rows; t++)
            for (int part = 0; part < PARTS; part++) {
                vi token = vi_load(e->tokens + g * e->tokens_group_stride + t * L + part * VW);
                const float *x = e->x + ((size_t)g * e->n_rows + t) * e->n_embd * L + part * VW;
                for (int v = 0, i = 0; v < e->vocab_size; v++) {
                    vi here = token == v;
                    for (int f = 0; f < e->n_embd; f++, i++)
                        acc[i][part] += vf_and(vf_load(x + f * L), here);
                }
            }
    reduce16(acc, sum);
    for (int i = 0; i < e->vocab_size * e->n_embd; i++) a->dtable[i] += sum[i];
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
    if (e->vocab_size * e->n_embd <= 16) {
        embed_gradient_small(a);
        return;
    }
    for (int g = 0; g < e->n_groups; g++)
        for (int t = 0; t < e->n_rows; t++)
            scatter_rows(a->dtable, e->n_embd, e->tokens + g * e->tokens_group_stride + t * L,
                         e->x + ((size_t)g * e->n_rows + t) * e->n_embd * L);
}
