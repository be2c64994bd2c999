// What the arguments of every kernel must be: shapes, alignment, the order of positions, ranges.
//
// contract_<kernel> takes a kernel's arguments and returns what is wrong with them, or NULL.
// Tables whose kernels ask first are what builds without NDEBUG use; others pay nothing. What a
// caller alone can know (how much memory is behind a pointer) is left to the sanitizers.
#ifndef KERNELS_CONTRACTS_H
#define KERNELS_CONTRACTS_H

#include "kernels/kernels.h"

#define FV_CONTRACT(variant, result, name, parameters, arguments)                                  \
    const char *contract_##name parameters;
FV_KERNEL_LIST(FV_CONTRACT, )
#undef FV_CONTRACT

// The same variant, of which every call with broken arguments prints one line to the standard error
// and aborts, as a failed assertion does. `kernels` is one of the variants' own tables.
const kernel_set *kernels_checked(const kernel_set *kernels);

#endif
