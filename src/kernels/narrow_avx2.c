// AVX2 with FMA: sixteen lanes are two registers.
#if defined(__x86_64__) && !defined(FOVEA_DOUBLE)
#include "kernels/simd_avx2.h"

#include "kernels/body_chain.h"
#include "kernels/body_readout.h"
#endif
