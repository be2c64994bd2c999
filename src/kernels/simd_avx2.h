// AVX2 with FMA: sixteen lanes are two registers.
#ifndef KERNELS_SIMD_AVX2_H
#define KERNELS_SIMD_AVX2_H

#define VARIANT        avx2
#define VW             8
#define REGISTERS      16
#define FUSED          1
#define TILE_SHAPES(X) X(2, 6)
#include "kernels/simd_masks.h"

#include <immintrin.h>

INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
INLINE vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
INLINE vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
INLINE vf vf_sqrt(vf a) {
    return _mm256_sqrt_ps(a);
}
INLINE bool vf_any_above(vf a, vf b) {
    return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)) != 0;
}
INLINE unsigned vi_bits(vi mask) {
    return (unsigned)_mm256_movemask_ps((__m256)mask);
}
INLINE vf vf_gather(const float *base, vi index) {
    return _mm256_i32gather_ps(base, (__m256i)index, 4);
}
INLINE vw vw_multiply(vw a, vw b) {
    return (vw)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}

#endif
