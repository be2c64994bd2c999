// AVX2: sixteen columns are two registers.
#if defined(__x86_64__) && !defined(FOVEA_DOUBLE)
#include "kernels/simd_avx2.h"

#include "kernels/body_chunk.h"
#endif
