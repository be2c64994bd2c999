// NEON: sixteen columns are four registers.
#if defined(__aarch64__) && !defined(FOVEA_DOUBLE)
#include "kernels/simd_neon.h"

#include "kernels/body_chunk.h"
#endif
