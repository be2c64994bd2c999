// The inner loops of the long scan: one block of channels over one chunk of positions.
//
// The channel is the lane. A strip of sixteen channels keeps its states in registers while the
// positions of a chunk pass; then the next strip of the block follows, whose inputs lie in the
// cache lines beside. Blocks are FV_SCAN_BLOCK channels wide, so that a chunk of one block (steps,
// drives, sums) stays in the second-level cache. Arrays of a block are [..][FV_SCAN_BLOCK], zero
// from `width` on; a channel that does not exist then stays at zero throughout.
#ifndef KERNELS_SCAN_KERNELS_H
#define KERNELS_SCAN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

enum { FV_SCAN_BLOCK = 128 };
// Floats between positions of what is kept of a block: one cache line more than it has, as lines
// 512 bytes apart would all be in eight of the first-level cache's sets.
enum { FV_SCAN_ROW = FV_SCAN_BLOCK + 16 };
// Numbers of a state that the way back does together: what it keeps of a chunk of 32 positions for
// them, and its sums, are then 32 KiB.
enum { FV_SCAN_BACK = 4 };

typedef struct kernel_scan_chunk {
    int n, width, n_state; // positions, channels that exist, numbers in a state
    bool softplus;
    bool correction;            // see kernels.h
    const float *u, *delta, *z; // position t at t * row; z may be NULL
    ptrdiff_t row;              // floats between positions of u, delta, z and y
    // The span's next chunk, fetched while this one is scanned: floats from here to its first row,
    // or 0; cache lines in a row of it; and the first line that falls to this block.
    ptrdiff_t ahead;
    int ahead_lines, ahead_first;
    const float *a;            // [state][BLOCK], times log2(e)
    const float *skip, *bias;  // [BLOCK]
    const float *b, *c;        // [n][state]
    float *state;              // [state][BLOCK], before the chunk and then after it
    float *y;                  // like u, or NULL
    float *step, *drive, *sum; // [n][ROW], filled by forward: the step, step u, sum C h + D u
    float *total;              // [BLOCK], += the steps, or NULL
} kernel_scan_chunk;

typedef struct scan_chunk_gradient {
    kernel_scan_chunk forward; // state: as it was before the chunk; is overwritten
    const float *dy;
    float *du, *ddelta, *dz;      // like u; dz may be NULL
    float *dstate;                // [state][BLOCK], of the state after the chunk; then before it
    float *da, *dskip, *dbias;    // [state][BLOCK], [BLOCK], += ; da of A itself
    float *db, *dc;               // [n][state], +=
    float *dsum, *ddrive, *dstep; // [n][ROW] scratch
    float *kept, *lanes;          // [n][2][BACK][16], [2][n][BACK][16] or [state][BLOCK] scratch
} scan_chunk_gradient;

#endif
