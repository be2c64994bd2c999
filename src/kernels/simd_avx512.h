// AVX-512: sixteen lanes are one register.
#ifndef KERNELS_SIMD_AVX512_H
#define KERNELS_SIMD_AVX512_H

#define VARIANT        avx512
#define VW             16
#define REGISTERS      32
#define FUSED          1
#define TILE_SHAPES(X) X(4, 6) X(2, 8) X(1, 8)
#include "kernels/simd_types.h"

#include <immintrin.h>

INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
INLINE vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
INLINE vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
INLINE vf vf_sqrt(vf a) {
    return _mm512_sqrt_ps(a);
}
INLINE bool vf_any_above(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0;
}
INLINE unsigned vi_bits(vi mask) {
    return _mm512_movepi32_mask((__m512i)mask);
}
INLINE vf vf_gather(const float *base, vi index) {
    return _mm512_i32gather_ps((__m512i)index, base, 4);
}
INLINE vw vw_multiply(vw a, vw b) {
    return (vw)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
INLINE vf vf_add_where_equal(vf x, vf y, vi a, vi b) {
    return _mm512_mask_add_ps(x, _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b), x, y);
}
INLINE vf vf_subtract_where_equal(vf x, vf y, vi a, vi b) {
    return _mm512_mask_sub_ps(x, _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b), x, y);
}
INLINE vf vf_zero_below(vf y, vf x, float least) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, vf_set1(least), _CMP_NLT_UQ), y);
}

#endif
