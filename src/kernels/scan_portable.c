// Any CPU with vectors of four floats.
#define VW 4
#include "kernels/scan_body.h"
FV_SCAN_KERNEL_TABLE(portable);
