// AVX-512: sixteen lanes are one register.
#if defined(__x86_64__) && !defined(FOVEA_DOUBLE)
#include "kernels/simd_avx512.h"

#include "kernels/body_chain.h"
#include "kernels/body_readout.h"
#endif
