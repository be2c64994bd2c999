// The variants of the kernels, slowest first: X(name, arithmetic, available on this CPU). Of files
// that build one, the first lines include its simd_<name>.h, which defines VARIANT.
#ifndef KERNELS_VARIANTS_H
#define KERNELS_VARIANTS_H

#include "kernels/kernels.h"

#ifdef FOVEA_DOUBLE
#define FV_VARIANTS(X) X(reference, FV_ARITHMETIC_REFERENCE, true)
#elif defined(__x86_64__)
#define FV_VARIANTS(X)                                                                             \
    X(reference, FV_ARITHMETIC_REFERENCE, true)                                                    \
    X(portable, FV_ARITHMETIC_PLAIN, true)                                                         \
    X(avx2, FV_ARITHMETIC_FUSED, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))  \
    X(avx512, FV_ARITHMETIC_FUSED,                                                                 \
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&                   \
          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
#elif defined(__aarch64__)
#define FV_VARIANTS(X)                                                                             \
    X(reference, FV_ARITHMETIC_REFERENCE, true)                                                    \
    X(portable, FV_ARITHMETIC_PLAIN, true)                                                         \
    X(neon, FV_ARITHMETIC_FUSED, true)
#else
#define FV_VARIANTS(X)                                                                             \
    X(reference, FV_ARITHMETIC_REFERENCE, true) X(portable, FV_ARITHMETIC_PLAIN, true)
#endif

// The function of a variant, map_avx2; in the file that builds the variant, KERNEL(map).
#define FV_KERNEL_OF(variant, name)     kernel_##name##_##variant
#define FV_KERNEL_EXPAND(variant, name) FV_KERNEL_OF(variant, name)
#define KERNEL(name)                    FV_KERNEL_EXPAND(VARIANT, name)

#define DECLARE(variant, result, name, parameters, arguments)                                      \
    result FV_KERNEL_OF(variant, name) parameters;
#define DECLARE_ALL(variant, arithmetic, available) FV_KERNEL_LIST(DECLARE, variant)
FV_VARIANTS(DECLARE_ALL)
#undef DECLARE_ALL
#undef DECLARE

#endif
