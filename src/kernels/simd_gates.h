// Smooth steps, on vectors: what gates a recurrence and makes its time steps.
#ifndef KERNELS_SIMD_GATES_H
#define KERNELS_SIMD_GATES_H

#include "kernels/simd.h"

INLINE vf vf_sigmoid(vf x) {
    return 1.0f / (1.0f + vf_exp(-vf_max(x, vf_set1(-80.0f))));
}

// log(1 + exp(x)). With e = exp(-|x|) and w = 1 + e rounded, log(w) + (e - (w - 1)) / w gives back
// what the rounding took, so that small results keep their digits.
INLINE vf vf_softplus(vf x) {
    vf e = vf_exp(-(vf)((vi)x & 0x7fffffff)), w = 1.0f + e;
    return vf_max(x, vf_set1(0)) + (vf_log(w) + (e - (w - 1.0f)) / w);
}

// d silu(x) / dx
INLINE vf vf_silu_slope(vf x) {
    vf s = vf_sigmoid(x);
    return s * vf_fma(x, 1.0f - s, vf_set1(1));
}

#endif
