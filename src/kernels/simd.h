// The vocabulary that the shared body is written in: vectors of VW floats (4, 8 or 16), of which
// sixteen lanes are PARTS. A file that builds a body first includes the instruction set's own part
// of it, simd_<set>.h, which has VW and the few operations that compilers' vector operators lack.
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#ifndef VW
#error "include the file of an instruction set first, as kernels/simd_portable.h"
#endif

INLINE vf vf_abs(vf x) {
    return vf_and(x, vi_set1(0x7fffffff));
}

// x, or 0 where it is closer to 0 than `least` (kernels.h says why).
INLINE vf vf_flush(vf x, float least) {
    return vf_zero_below(x, vf_abs(x), least);
}

// Adding it to x leaves round(x) + 127, the exponent of 2^round(x), in the low bits: 1.5 * 2^23 +
// 127.
#define ROUNDER vf_set1(12583039.0f)

// 2^n p, where `shifted` is n + ROUNDER.
INLINE vf vf_times_power(vf p, vf shifted) {
    return p * (vf)((vu)shifted << 23);
}

// exp(x), 0 for x below `least` (FV_LOG_LEAST_EXP or more), for x <= 88.3; from there to 89.0
// infinity, then of any bits. A NaN stays. With n = round(x log2 e) and r = x - n log 2 in two
// steps, a degree-5 minimax polynomial (relative error 0.8 ulp) gives exp(r). At most 2 ulp in all
// (tests/unit/test_kernels.c).
INLINE vf vf_exp_from(vf x, float least) {
    vf shifted = vf_fma(x, vf_set1(1.44269504f), ROUNDER), n = shifted - ROUNDER;
    vf r = vf_fma(n, vf_set1(-0.693145752f), x);
    r = vf_fma(n, vf_set1(-1.42860677e-6f), r);
#if !FUSED // the roundings leave no room for the approximation's error
    vf p = vf_set1(0.00138435599f);
    p = vf_fma(p, r, vf_set1(0.00837423597f));
    p = vf_fma(p, r, vf_set1(0.0416680074f));
    p = vf_fma(p, r, vf_set1(0.166664303f));
    p = vf_fma(p, r, vf_set1(0.499999942f));
    p = vf_fma(p, r, vf_set1(1.0f));
#else
    vf p = vf_set1(0.00829022952f);
    p = vf_fma(p, r, vf_set1(0.0418983903f));
    p = vf_fma(p, r, vf_set1(0.166676401f));
    p = vf_fma(p, r, vf_set1(0.499991461f));
    p = vf_fma(p, r, vf_set1(0.999999705f));
#endif
    p = vf_fma(p, r, vf_set1(1.0f));
    return vf_zero_below(vf_times_power(p, shifted), x, least);
}

// exp(x): 0 below FV_LOG_LEAST_EXP, infinity above 88.4.
INLINE vf vf_exp(vf x) {
    return vf_exp_from(vf_min(vf_set1(89.0f), x), FV_LOG_LEAST_EXP);
}

// exp(x) for x <= 0 of which only what can count beside 1 is wanted: 0 below FV_LEAST_SHARE.
INLINE vf vf_exp_share(vf x) {
    return vf_exp_from(x, FV_LOG_LEAST_SHARE);
}

// 2^x for x <= 0, the cheaper exponential of loops that can fold log2(e) into a factor of x: no
// range is reduced in two steps. 0 below FV_LEAST_SHARE; a NaN stays; lanes with x above 0, which a
// mask takes away later, wrap around. With n = round(x) and r = x - n in [-1/2, 1/2], a
// polynomial with value 1 and slope log 2 at 0 gives 2^r to 1.1e-7: decays close to 1, which a scan
// multiplies with each other thousands of times, err least.
INLINE vf vf_exp2(vf x) {
    vf shifted = x + ROUNDER, r = x - (shifted - ROUNDER);
    vf p = vf_set1(0.00133002643f);
    p = vf_fma(p, r, vf_set1(0.00966970902f));
    p = vf_fma(p, r, vf_set1(0.0555055998f));
    p = vf_fma(p, r, vf_set1(0.240222812f));
    p = vf_fma(p, r, vf_set1(0.693147181f));
    p = vf_fma(p, r, vf_set1(1.0f));
    return vf_zero_below(vf_times_power(p, shifted), x, FV_LOG2_LEAST_SHARE);
}

// log(x) for normal x > 0; infinity and NaN stay. x = 2^e m with m in [sqrt(1/2), sqrt(2)), log(m)
// by the polynomial of Cephes logf. At most 2 ulp.
INLINE vf vf_log(vf x) {
    vi bits = (vi)x - 0x3f3504f3;
    vi e = bits >> 23;
    vf m = (vf)((bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
    vf exponent = __builtin_convertvector(e, vf), square = m * m;
    vf p = vf_set1(7.0376836292e-2f);
    p = vf_fma(p, m, vf_set1(-1.1514610310e-1f));
    p = vf_fma(p, m, vf_set1(1.1676998740e-1f));
    p = vf_fma(p, m, vf_set1(-1.2420140846e-1f));
    p = vf_fma(p, m, vf_set1(1.4249322787e-1f));
    p = vf_fma(p, m, vf_set1(-1.6668057665e-1f));
    p = vf_fma(p, m, vf_set1(2.0000714765e-1f));
    p = vf_fma(p, m, vf_set1(-2.4999993993e-1f));
    p = vf_fma(p, m, vf_set1(3.3333331174e-1f));
    p = p * m * square;
    p = vf_fma(exponent, vf_set1(-2.12194440e-4f), p);
    p = vf_fma(square, vf_set1(-0.5f), p);
    p = vf_fma(exponent, vf_set1(0.693359375f), m + p);
    vi finite = x < INFINITY;
    return (vf)(((vi)p & finite) | ((vi)x & ~finite));
}

// Sums each of sixteen 16-lane accumulators over its lanes: out[i] = sum_l acc[i][l], always as
// ((l, l + 8), then (l, l + 4), then (l, l + 2), then (l, l + 1)), whatever the vector width.
#if VW == 16
INLINE void reduce16(vf acc[16][PARTS], float out[16]) {
    __m512 a[16], b[8], c[4], d[2];
    // Accumulator 4 i + j goes to place 4 j + i, which the four rounds below turn back.
    UNROLL for (int i = 0; i < 16; i++) a[i] = acc[4 * (i % 4) + i / 4][0];
    UNROLL for (int i = 0; i < 8; i++) b[i] =
        _mm512_add_ps(_mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0x44),
                      _mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0xEE));
    UNROLL for (int i = 0; i < 4; i++) c[i] =
        _mm512_add_ps(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88),
                      _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xDD));
    UNROLL for (int i = 0; i < 2; i++) d[i] =
        _mm512_add_ps(_mm512_shuffle_ps(c[2 * i], c[2 * i + 1], 0x44),
                      _mm512_shuffle_ps(c[2 * i], c[2 * i + 1], 0xEE));
    _mm512_storeu_ps(out, _mm512_add_ps(_mm512_shuffle_ps(d[0], d[1], 0x88),
                                        _mm512_shuffle_ps(d[0], d[1], 0xDD)));
}

// The same of eight.
INLINE void reduce8(vf acc[8][PARTS], float out[8]) {
    __m512 a[8], b[4], c[2], d;
    // Accumulator 2 i + j goes to place 4 j + i.
    UNROLL for (int i = 0; i < 8; i++) a[i] = acc[2 * (i % 4) + i / 4][0];
    UNROLL for (int i = 0; i < 4; i++) b[i] =
        _mm512_add_ps(_mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0x44),
                      _mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0xEE));
    UNROLL for (int i = 0; i < 2; i++) c[i] =
        _mm512_add_ps(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88),
                      _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xDD));
    d = _mm512_add_ps(_mm512_shuffle_ps(c[0], c[1], 0x44), _mm512_shuffle_ps(c[0], c[1], 0xEE));
    d = _mm512_add_ps(_mm512_shuffle_ps(d, d, 0x88), _mm512_shuffle_ps(d, d, 0xDD));
    const __m512i pairs = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm256_storeu_ps(out, _mm512_castps512_ps256(_mm512_permutexvar_ps(pairs, d)));
}

// Sums n accumulators, of which those up to the next multiple of sixteen exist.
INLINE void reduce(vf (*acc)[PARTS], int n, float *out) {
    int i = 0;
    UNROLL for (; i + 8 < n; i += 16) reduce16(acc + i, out + i);
    if (i < n) reduce8(acc + i, out + i);
}
#else
// Of two sums of halves, their halves again: the lower half of a and of b, plus the upper ones.
#if VW == 8
INLINE vf add_fours(vf a, vf b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}
INLINE vf add_twos(vf a, vf b) {
    return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
           __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
INLINE vf add_ones(vf a, vf b) {
    return __builtin_shufflevector(a, b, 0, 2, 8, 10, 4, 6, 12, 14) +
           __builtin_shufflevector(a, b, 1, 3, 9, 11, 5, 7, 13, 15);
}
// Accumulators i and i + 4 of eight share a vector, which add_ones leaves in order.
INLINE vf reduce_vector(vf acc[VW][PARTS]) {
    vf four[4];
    UNROLL for (int i = 0; i < 4; i++) four[i] =
        add_fours(acc[i][0] + acc[i][1], acc[i + 4][0] + acc[i + 4][1]);
    return add_ones(add_twos(four[0], four[1]), add_twos(four[2], four[3]));
}
#else
INLINE vf add_twos(vf a, vf b) {
    return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
}
INLINE vf add_ones(vf a, vf b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6) + __builtin_shufflevector(a, b, 1, 3, 5, 7);
}
INLINE vf reduce_vector(vf acc[VW][PARTS]) {
    vf four[4];
    UNROLL for (int i = 0; i < 4; i++) four[i] = (acc[i][0] + acc[i][2]) + (acc[i][1] + acc[i][3]);
    return add_ones(add_twos(four[0], four[1]), add_twos(four[2], four[3]));
}
#endif

INLINE void reduce(vf (*acc)[PARTS], int n, float *out) {
    UNROLL for (int i = 0; i < n; i += VW) {
        vf sum = reduce_vector(acc + i);
        memcpy(out + i, &sum, sizeof sum);
    }
}
INLINE void reduce16(vf acc[16][PARTS], float out[16]) {
    reduce(acc, 16, out);
}
#endif

// Adds features j .. j + n - 1 of n_rows rows to accumulators of their own.
INLINE void add_features(const float *x, ptrdiff_t stride, int n_rows, int j, int n,
                         vf total[16][PARTS]) {
    vf acc[16][PARTS];
    UNROLL for (int i = 0; i < n; i++) UNROLL for (int p = 0; p < PARTS; p++) acc[i][p] =
        vf_set1(0);
    x += j * L;
    for (int r = 0; r < n_rows; r++, x += stride)
        UNROLL for (int i = 0; i < n; i++) UNROLL for (int p = 0; p < PARTS; p++) acc[i][p] +=
            vf_load(x + i * L + p * VW);
    UNROLL for (int i = 0; i < n; i++) UNROLL for (int p = 0; p < PARTS; p++) total[j + i][p] =
        acc[i][p];
}

// sum[j] = feature j of n_rows rows, summed over rows and lanes, j < width <= 16.
static inline void sum_features(const float *x, ptrdiff_t stride, int n_rows, int width,
                                float sum[16]) {
    enum { MOST = 16 / PARTS }; // accumulators that sixteen registers hold
    vf total[16][PARTS];
    memset(total, 0, sizeof total);
    int j = 0;
    for (; j + MOST <= width; j += MOST) add_features(x, stride, n_rows, j, MOST, total);
    for (; j + MOST / 2 <= width; j += MOST / 2)
        add_features(x, stride, n_rows, j, MOST / 2, total);
    for (; j < width; j++) add_features(x, stride, n_rows, j, 1, total);
    reduce16(total, sum);
}

#endif
