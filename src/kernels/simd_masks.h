// Choices of lanes by masks that are vectors themselves, for sets without registers of masks.
#ifndef KERNELS_SIMD_MASKS_H
#define KERNELS_SIMD_MASKS_H

#include "kernels/simd_types.h"

INLINE vf vf_add_where_equal(vf x, vf y, vi a, vi b) {
    return x + vf_and(y, a == b);
}
INLINE vf vf_subtract_where_equal(vf x, vf y, vi a, vi b) {
    return x - vf_and(y, a == b);
}
INLINE vf vf_zero_below(vf y, vf x, float least) {
    return vf_and(y, ~(x < vf_set1(least)));
}

#endif
