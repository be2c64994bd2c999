// Any CPU with vectors of four floats.
#define VW 4
#include "kernels/tile_body.h"
FV_TILE_KERNEL_TABLE(portable);
