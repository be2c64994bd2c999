// Any CPU with vectors of four floats.
#ifndef FOVEA_DOUBLE
#define VARIANT portable
#define VW      4
#include "kernels/body_long_scan.h"
#endif
