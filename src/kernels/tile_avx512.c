// AVX-512: sixteen queries are one register.
#if defined(__x86_64__)
#define VW 16
#include "kernels/tile_body.h"
FV_TILE_KERNEL_TABLE(avx512);
#endif
