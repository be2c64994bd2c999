// AVX2: sixteen channels are two registers.
#if defined(__x86_64__)
#define VW 8
#include "kernels/scan_body.h"
FV_SCAN_KERNEL_TABLE(avx2);
#endif
