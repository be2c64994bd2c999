// NEON, which every 64-bit Arm processor has: sixteen lanes are four registers. Its own maximum and
// minimum would hand a NaN on; ours take the second operand.
#ifndef KERNELS_SIMD_NEON_H
#define KERNELS_SIMD_NEON_H

#define VARIANT        neon
#define VW             4
#define REGISTERS      32
#define FUSED          1
#define TILE_SHAPES(X) X(4, 4)
#include "kernels/simd_masks.h"

#include <arm_neon.h>

INLINE vf vf_fma(vf a, vf b, vf c) {
    return vfmaq_f32(c, a, b);
}
INLINE vf vf_max(vf a, vf b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
INLINE vf vf_min(vf a, vf b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
INLINE vf vf_sqrt(vf a) {
    return vsqrtq_f32(a);
}
INLINE bool vf_any_above(vf a, vf b) {
    return vmaxvq_u32(vcgtq_f32(a, b)) != 0;
}
INLINE unsigned vi_bits(vi mask) {
    return vaddvq_u32((uint32x4_t)(mask & (vi){1, 2, 4, 8}));
}
INLINE vf vf_gather(const float *base, vi index) {
    return (vf){base[index[0]], base[index[1]], base[index[2]], base[index[3]]};
}
INLINE vw vw_multiply(vw a, vw b) {
    return vmull_u32(vmovn_u64(a), vmovn_u64(b));
}

#endif
