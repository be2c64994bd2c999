// Any CPU with vectors of four floats.
#ifndef FOVEA_DOUBLE
#include "kernels/simd_portable.h"

#include "kernels/body_chunk.h"
#endif
