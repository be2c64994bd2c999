// The types of the vector vocabulary, and what the compiler's own operators say of them. Each
// instruction set's file (simd_avx2.h, ...) defines
//
//   VARIANT    its name in variants.h
//   VW         floats in a vector: 4, 8 or 16
//   REGISTERS  how many vectors the body may keep at once
//   FUSED      1: vf_fma rounds once, and results are those of every set that fuses, to the bit
//   TILE_SHAPES(X)  X(vectors, keys) of the register blocks of tiles (body_tile.h), the widest
//              first and all of them divisors of it: 8 keys at most, and 16 queries a multiple of
//              the narrowest
//
// and then, over this file,
//
//   vf_fma a b + c;  vf_max, vf_min of two, the second where one of them is NaN;  vf_sqrt
//   vf_gather base[index];  vw_multiply products of the low halves of 64-bit places, whose high
//   halves are ignored;  vf_add_where_equal x + y, and vf_subtract_where_equal x - y, in the lanes
//   where a == b, else x (a sum must not begin at -0);  vf_zero_below y, but 0 in the lanes where x
//   is below `least`, and y where x is NaN;  vf_any_above whether a > b in any lane;  vi_bits bit l set where lane l of a
//   comparison holds.
#ifndef KERNELS_SIMD_TYPES_H
#define KERNELS_SIMD_TYPES_H

#include "kernels/variants.h"

#include <math.h>
#include <string.h>

typedef float vf __attribute__((vector_size(4 * VW)));
typedef int32_t vi __attribute__((vector_size(4 * VW)));
typedef uint32_t vu __attribute__((vector_size(4 * VW)));
typedef uint64_t vw
    __attribute__((vector_size(4 * VW))); // wide: a 32-bit number in every other place

#define INLINE static inline __attribute__((always_inline))
#ifdef __wasm__ // emscripten's clang 14 passes GCC's word over, and a step takes three times as long
#define UNROLL _Pragma("clang loop unroll(full)")
#pragma clang diagnostic ignored                                                                   \
    "-Wpass-failed" // of loops whose end is not known, which stay loops
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { L = FV_LANES, PARTS = L / VW };

INLINE vf vf_load(const float *p) {
    return *(const vf *)__builtin_assume_aligned(p, 4 * VW);
}
INLINE void vf_store(float *p, vf x) {
    *(vf *)__builtin_assume_aligned(p, 4 * VW) = x;
}
INLINE vi vi_load(const int32_t *p) {
    return *(const vi *)__builtin_assume_aligned(p, 4 * VW);
}
INLINE void vi_store(int32_t *p, vi x) {
    *(vi *)__builtin_assume_aligned(p, 4 * VW) = x;
}
INLINE vf vf_set1(float x) {
    return x - (vf){0};
}
INLINE vi vi_set1(int32_t x) {
    return x - (vi){0};
}
INLINE vf vf_and(vf x, vi mask) {
    return (vf)((vi)x & mask);
}

#endif
