// AVX2: sixteen channels are two registers.
#if defined(__x86_64__) && !defined(FOVEA_DOUBLE)
#define VARIANT avx2
#define VW      8
#include "kernels/body_long_scan.h"
#endif
