// AVX-512: sixteen channels are one register.
#if defined(__x86_64__)
#define VW 16
#include "kernels/scan_body.h"
FV_SCAN_KERNEL_TABLE(avx512);
#endif
