// The words that contracts are written in.
#ifndef KERNELS_DEMAND_H
#define KERNELS_DEMAND_H

#include "base/arena.h"
#include "kernels/kernels.h"

#include <stdint.h>

// Returns the text from a contract whose condition does not hold.
#define DEMAND(condition, text)                                                                    \
    do {                                                                                           \
        if (!(condition)) return text;                                                             \
    } while (0)

#define UNALIGNED(what) what " is NULL or no multiple of 64 bytes"

static inline bool is_aligned(const void *p) {
    return p != NULL && (uintptr_t)p % FV_ALIGNMENT == 0;
}

static inline bool is_aligned_or_null(const void *p) {
    return (uintptr_t)p % FV_ALIGNMENT == 0;
}

static inline bool on_lanes(kernel_rows rows) {
    return is_aligned(rows.data) && rows.stride % FV_LANES == 0;
}

#endif
