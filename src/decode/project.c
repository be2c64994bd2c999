#include "decode/project.h"

#include "kernels/kernels.h"

#include <string.h>

static int n_blocks(int n_out) {
    return (n_out + FV_LANES - 1) / FV_LANES;
}

static int min_int(int a, int b) {
    return a < b ? a : b;
}

size_t projection_size(int n_in, int n_out) {
    return (size_t)n_blocks(n_out) * (size_t)n_in * FV_LANES;
}

void projection_pack(int n_in, int n_out, const float *w, ptrdiff_t w_in, ptrdiff_t w_out,
                     float *packed) {
    memset(packed, 0, projection_size(n_in, n_out) * sizeof *packed);
    for (int k = 0; k < n_in; k++)
        for (int f = 0; f < n_out; f++)
            packed[((size_t)(f / FV_LANES) * (size_t)n_in + (size_t)k) * FV_LANES +
                   (size_t)(f % FV_LANES)] = w[k * w_in + f * w_out];
}

static void add_bias(int n, const float *restrict bias, float *restrict lanes) {
    for (int t = 0; t < n; t++)
        for (int l = 0; l < FV_LANES; l++) lanes[t * FV_LANES + l] += bias[l];
}

// Copies the sixteen outputs from `first` on of every position to their places.
static void unpack(const decode_projection *p, int n, const float *lanes, int first,
                   decode_projected y) {
    int end = min_int(first + FV_LANES, p->n_out);
    for (int f = first, length; f < end; f += length) {
        length = min_int(end - f, y.group - f % y.group);
        float *to = y.data + f / y.group * y.group_stride + f % y.group;
        for (int t = 0; t < n; t++)
            memcpy(to + t * y.row, lanes + t * FV_LANES + f - first, (size_t)length * sizeof *to);
    }
}

// Results [outputs / 16][count][16] of `count` positions in scratch.
static void map_lanes(const decode_projection *p, int count, const float *x, float *scratch) {
    // The kernel reads its rows and does not write them.
    kernels_get()->map(
        &(kernel_map){.n_rows = n_blocks(p->n_out),
                      .n_in = p->n_in,
                      .n_out = count,
                      .x = {(float *)(uintptr_t)p->packed, (ptrdiff_t)p->n_in * FV_LANES},
                      .y = {scratch, (ptrdiff_t)count * FV_LANES},
                      .w = x,
                      .w_in = 1,
                      .w_out = p->n_in});
}

// Distances are the same with the two sides exchanged.
static void distance_lanes(const decode_projection *p, int count, const float *x, float factor,
                           float floor, float *scratch) {
    kernel_rows y = {scratch, (ptrdiff_t)count * FV_LANES};
    kernels_get()->distances(
        &(kernel_distances){.n_rows = n_blocks(p->n_out),
                            .n_in = p->n_in,
                            .n_out = count,
                            .x = {(float *)(uintptr_t)p->packed, (ptrdiff_t)p->n_in * FV_LANES},
                            .w = x,
                            .w_in = 1,
                            .w_out = p->n_in,
                            .factor = factor,
                            .floor = floor,
                            .squares = y,
                            .y = y});
}

// From scratch to where they belong.
static void put(const decode_projection *p, int count, float *scratch, decode_projected to) {
    for (int b = 0; b < n_blocks(p->n_out); b++) {
        float *lanes = scratch + b * (ptrdiff_t)count * FV_LANES;
        if (p->bias) add_bias(count, p->bias + (ptrdiff_t)b * FV_LANES, lanes);
        unpack(p, count, lanes, b * FV_LANES, to);
    }
}

static int count_from(int64_t first, int64_t n) {
    return n - first < FV_PROJECT_POSITIONS ? (int)(n - first) : FV_PROJECT_POSITIONS;
}

void decode_project(const decode_projection *p, int64_t n, const float *x, float *scratch,
                    decode_projected y) {
    for (int64_t first = 0; first < n; first += FV_PROJECT_POSITIONS) {
        int count = count_from(first, n);
        decode_projected to = y;
        to.data += first * y.row;
        map_lanes(p, count, x + first * p->n_in, scratch);
        put(p, count, scratch, to);
    }
}

void decode_distances(const decode_projection *p, int64_t n, const float *x, float factor,
                      float floor, float *scratch, decode_projected y) {
    for (int64_t first = 0; first < n; first += FV_PROJECT_POSITIONS) {
        int count = count_from(first, n);
        decode_projected to = y;
        to.data += first * y.row;
        distance_lanes(p, count, x + first * p->n_in, factor, floor, scratch);
        put(p, count, scratch, to);
    }
}
