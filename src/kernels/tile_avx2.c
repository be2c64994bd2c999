// AVX2 with FMA: sixteen queries are two registers.
#if defined(__x86_64__)
#define VW 8
#include "kernels/tile_body.h"
FV_TILE_KERNEL_TABLE(avx2);
#endif
