// Smooth steps, on vectors: what gates a recurrence and makes its time steps.
#ifndef KERNELS_SIMD_GATES_H
#define KERNELS_SIMD_GATES_H

#include "kernels/simd.h"

// 1 / (1 + exp(-x)), 0 below FV_LEAST_SHARE.
INLINE vf vf_sigmoid(vf x) {
    return vf_zero_below(1.0f / (1.0f + vf_exp_share(-x)), x, FV_LOG_LEAST_SHARE);
}

// log(1 + exp(x)). With e = exp(-|x|) and w = 1 + e rounded, log(w) + (e - (w - 1)) / w gives back
// what the rounding took, so that small results keep their digits; below FV_LEAST_SHARE it is 0.
INLINE vf vf_softplus(vf x) {
    vf e = vf_exp_share(-vf_abs(x)), w = 1.0f + e;
    return vf_max(vf_set1(0), x) + (vf_log(w) + (e - (w - 1.0f)) / w);
}

// The same to the last two or three bits, in half the time: the scan over long sequences takes it.
// Here log(1 + e) = 2 atanh(s) with s = e / (2 + e), at most 1/3: s times a polynomial of s^2
// within 4e-9 of it.
INLINE vf vf_quick_softplus(vf x) {
    vf e = vf_exp_share(-vf_abs(x)), s = e / (2.0f + e), t = s * s;
    vf p = vf_set1(0.28178334f);
    p = vf_fma(p, t, vf_set1(0.27960601f));
    p = vf_fma(p, t, vf_set1(0.40024909f));
    p = vf_fma(p, t, vf_set1(0.66666317f));
    p = vf_fma(p, t, vf_set1(2.0f));
    return vf_fma(p, s, vf_max(vf_set1(0), x));
}

// Within 2e-7 of tanh(x), relative: near 0 a polynomial of x^2, as 1 - exp(-2 |x|) cancels there.
INLINE vf vf_tanh(vf x) {
    vf z = x * x, e = vf_exp_share(vf_abs(x) * -2.0f), p = vf_set1(-6.0967142e-3f);
    p = vf_fma(p, z, vf_set1(2.0997179e-2f));
    p = vf_fma(p, z, vf_set1(-5.3850910e-2f));
    p = vf_fma(p, z, vf_set1(0.13332770f));
    p = vf_fma(p, z, vf_set1(-0.33333329f));
    vf near = vf_fma(p * z, x, x), far = (1.0f - e) / (1.0f + e);
    vi sign = (vi)x & vi_set1(INT32_MIN), is_far = vf_abs(x) > 0.625f;
    return (vf)((((vi)far | sign) & is_far) | ((vi)near & ~is_far));
}

// d silu(x) / dx
INLINE vf vf_silu_slope(vf x) {
    vf s = vf_sigmoid(x);
    return s * vf_fma(x, 1.0f - s, vf_set1(1));
}

#endif
