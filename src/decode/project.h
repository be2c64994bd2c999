// y = x W + b for the positions of one long sequence, x and y row-major.
//
// The lab's map kernel has sixteen samples in the lanes and broadcasts weights. Here sixteen
// outputs are the lanes and the positions' features are broadcast: the same kernel with the roles
// of weights and activations exchanged. W is packed once as [outputs / 16][inputs][16]; results
// come as [outputs / 16][positions][16], whose sixteens are copied to where they belong.
#ifndef DECODE_PROJECT_H
#define DECODE_PROJECT_H

#include <fovea/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct decode_projection {
    int n_in, n_out;
    const float *packed;
    const float *bias; // [n_out], zeros up to the next sixteen; or NULL
} decode_projection;

// Numbers that the packed weights take, and the packing of W, which is read at
// w[k * w_in + f * w_out] for input k and output f.
size_t projection_size(int n_in, int n_out);
void projection_pack(int n_in, int n_out, const float *w, ptrdiff_t w_in, ptrdiff_t w_out,
                     float *packed);

// Feature f of position t goes to data[t * row + f / group * group_stride + f % group]: with groups
// of d_head features, to heads that lie one after the other.
typedef struct decode_projected {
    float *data;
    ptrdiff_t row;
    int group;
    ptrdiff_t group_stride;
} decode_projected;

// Positions that are computed at a time; `scratch` holds so many times the outputs, rounded up to
// sixteens.
enum { FV_PROJECT_POSITIONS = 128 };

// x is [n][n_in].
void decode_project(const decode_projection *p, int64_t n, const float *x, float *scratch,
                    decode_projected y);

// In place of x W + b, from the distances of x to the columns of W: kernel_distances, with the floor and
// factor of it.
void decode_distances(const decode_projection *p, int64_t n, const float *x, float factor,
                      float floor, float *scratch, decode_projected y);

// Rows of all outputs, one after the other.
static inline decode_projected projected_rows(const decode_projection *p, float *y) {
    return (decode_projected){y, p->n_out, p->n_out, 0};
}

#endif
