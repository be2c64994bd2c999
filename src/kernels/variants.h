// The variants of the kernel table, slowest first: X(name, available on this CPU).
#ifndef KERNELS_VARIANTS_H
#define KERNELS_VARIANTS_H

#include "kernels/kernels.h"

#ifdef FOVEA_DOUBLE
#define FV_VARIANTS(X) X(reference, true)
#elif defined(__x86_64__)
#define FV_VARIANTS(X)                                                                             \
    X(reference, true)                                                                             \
    X(portable, true)                                                                              \
    X(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))                       \
    X(avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&           \
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
#else
#define FV_VARIANTS(X) X(reference, true) X(portable, true)
#endif

#define DECLARE(name, available) extern const fv_kernels fv_kernels_##name;
FV_VARIANTS(DECLARE)
#undef DECLARE

#endif
