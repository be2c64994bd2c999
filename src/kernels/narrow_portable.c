// Any CPU with vectors of four floats, by the compiler's own vector operators. Without a fused
// multiply-add results differ from the other variants in the last digits.
#ifndef FOVEA_DOUBLE
#include "kernels/simd_portable.h"

#include "kernels/body_chain.h"
#include "kernels/body_readout.h"
#endif
