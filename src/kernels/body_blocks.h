// Blocks of registers, for products of matrices: so many vectors wide, so many rows tall, in the
// shapes of the instruction set.
#ifndef KERNELS_BODY_BLOCKS_H
#define KERNELS_BODY_BLOCKS_H

#include "kernels/simd.h"

enum { MOST_TALL = 8, MOST_WIDE = 4 };

// Transposes VW x VW numbers: log2(VW) times, row i and row i + VW / 2 are zipped into two.
INLINE void transpose_square(vf a[VW]) {
    UNROLL for (int round = 1; round < VW; round *= 2) {
        vf b[VW];
        UNROLL for (int i = 0; i < VW / 2; i++) {
            vf x = a[i], y = a[i + VW / 2];
#if VW == 16
            b[2 * i] = __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                                               22, 7, 23);
            b[2 * i + 1] = __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                   29, 14, 30, 15, 31);
#elif VW == 8
            b[2 * i] = __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
            b[2 * i + 1] = __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
#else
            b[2 * i] = __builtin_shufflevector(x, y, 0, 4, 1, 5);
            b[2 * i + 1] = __builtin_shufflevector(x, y, 2, 6, 3, 7);
#endif
        }
        UNROLL for (int i = 0; i < VW; i++) a[i] = b[i];
    }
}

// Does BLOCK(key, query, tall, wide) with constant sizes for `width` queries from `first` on and
// keys low .. high - 1 (or features in place of either).
#define FOR_BLOCKS(first, width, low, high)                                                        \
    for (int q_ = (first), end_ = q_ + (width), j_, high_ = (high); q_ < end_ && (low) < high_;) { \
        j_ = (low);                                                                                \
        TILE_SHAPES(COLUMN_OF_BLOCKS)                                                              \
    }
#define COLUMN_OF_BLOCKS(WIDE_, TALL_)                                                             \
    if (j_ < high_ && end_ - q_ >= WIDE_ * VW) {                                                   \
        for (; high_ - j_ >= TALL_ && !two_fours(TALL_, high_ - j_); j_ += TALL_)                  \
            BLOCK(j_, q_, TALL_, WIDE_)                                                            \
        if (TALL_ > 4)                                                                             \
            for (; high_ - j_ >= 4; j_ += 4) BLOCK(j_, q_, 4, WIDE_)                               \
        for (; j_ < high_; j_++) BLOCK(j_, q_, 1, WIDE_)                                           \
        q_ += WIDE_ * VW;                                                                          \
    }

// Whether what is left after a block of six would be two, which are better done as 4 + 4.
INLINE bool two_fours(int tall, int left) {
    return tall == 6 && left == 8;
}

#endif
