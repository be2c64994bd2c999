// Any CPU with vectors of four floats, by the compiler's own vector operators. Without a fused
// multiply-add results differ from the other variants in the last digits.
#ifndef KERNELS_SIMD_PORTABLE_H
#define KERNELS_SIMD_PORTABLE_H

#define VARIANT        portable
#define VW             4
#define REGISTERS      16
#define FUSED          0
#define TILE_SHAPES(X) X(2, 4)
#include "kernels/simd_masks.h"

INLINE vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
} // rounds twice; no fused unit to rely on

// WebAssembly has instructions for what clang 14 does not find in operators: each of them is two to nine of
// a PC's otherwise.
#ifdef __wasm_simd128__
#include <wasm_simd128.h>
INLINE vf vf_max(vf a, vf b) {
    return (vf)wasm_f32x4_pmax((v128_t)b, (v128_t)a);
}
INLINE vf vf_min(vf a, vf b) {
    return (vf)wasm_f32x4_pmin((v128_t)b, (v128_t)a);
}
INLINE vf vf_sqrt(vf a) {
    return (vf)wasm_f32x4_sqrt((v128_t)a);
}
INLINE bool vf_any_above(vf a, vf b) {
    return wasm_v128_any_true((v128_t)(a > b));
}
INLINE unsigned vi_bits(vi mask) {
    return wasm_i32x4_bitmask((v128_t)mask);
}
// High halves of products. A constant factor that clang 14 sees it extends once and multiplies 64 bits, which
// takes three times as long.
#define VU_HIGH_PRODUCT
INLINE vu vu_high_product(vu a, vu b) {
    v128_t x = (v128_t)a, y = (v128_t)b;
    __asm__ volatile("" : "+r"(y));
    return (vu)wasm_i32x4_shuffle(wasm_u64x2_extmul_low_u32x4(x, y),
                                  wasm_u64x2_extmul_high_u32x4(x, y), 1, 3, 5, 7);
}
#else
INLINE vf vf_max(vf a, vf b) {
    vi larger = a > b;
    return (vf)(((vi)a & larger) | ((vi)b & ~larger));
}
INLINE vf vf_min(vf a, vf b) {
    vi smaller = a < b;
    return (vf)(((vi)a & smaller) | ((vi)b & ~smaller));
}
INLINE vf vf_sqrt(vf a) {
    UNROLL for (int i = 0; i < VW; i++) a[i] = sqrtf(a[i]);
    return a;
}
INLINE bool vf_any_above(vf a, vf b) {
    vi above = a > b;
    return (above[0] | above[1] | above[2] | above[3]) != 0;
}
INLINE unsigned vi_bits(vi mask) {
    return (mask[0] & 1u) | (mask[1] & 2u) | (mask[2] & 4u) | (mask[3] & 8u);
}
#endif
INLINE vf vf_gather(const float *base, vi index) {
    vf x = {0}; // compilers that do not unroll see no end to what the loop leaves unset
    UNROLL for (int i = 0; i < VW; i++) x[i] = base[index[i]];
    return x;
}

#ifdef __SSE2__
#include <emmintrin.h>
INLINE vw vw_multiply(vw a, vw b) {
    return (vw)_mm_mul_epu32((__m128i)a, (__m128i)b);
}
#else
INLINE vw vw_multiply(vw a, vw b) {
    return (a & 0xffffffffu) * (b & 0xffffffffu);
}
#endif

#endif
