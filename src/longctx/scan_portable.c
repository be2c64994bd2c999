// Any CPU with vectors of four floats.
#define VW 4
#include "longctx/scan_body.h"
FV_SCAN_KERNEL_TABLE(portable);
