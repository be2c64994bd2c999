// AVX-512: sixteen columns are one register.
#if defined(__x86_64__) && !defined(FOVEA_DOUBLE)
#include "kernels/simd_avx512.h"

#include "kernels/body_chunk.h"
#endif
