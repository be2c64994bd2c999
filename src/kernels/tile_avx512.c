// AVX-512: sixteen queries are one register.
#if defined(__x86_64__) && !defined(FOVEA_DOUBLE)
#define VARIANT avx512
#define VW      16
#include "kernels/body_tile.h"
#endif
