// Logits that are distances (model.readout harmonic), and their gradients: sums of differences, not of
// products, so that a hidden vector next to a token's keeps its digits.
#include "kernels/simd.h"

// Rows by outputs of a register block, and rows by features of the gradient's.
#if REGISTERS == 32
enum { DISTANCE_ROWS = 4, DISTANCE_OUTPUTS = 4, SLOPE_ROWS = 2 };
#else
enum { DISTANCE_ROWS = 3, DISTANCE_OUTPUTS = 3, SLOPE_ROWS = 1 };
#endif
enum { SLOPE_FEATURES = 4, SLOPE_OUTPUTS = 4 };

INLINE void distance_block(const kernel_distances *a, int r, int n, int part, int TI, int TJ) {
    const float *x = a->x.data + r * a->x.stride + part * VW;
    const float *w = a->w + n * a->w_out;
    vf sum[4][4];
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++) sum[i][j] =
        vf_set1(a->floor);
    for (int k = 0; k < a->n_in; k++, x += L, w += a->w_in) {
        vf input[4];
        UNROLL for (int i = 0; i < TI; i++) input[i] = vf_load(x + i * a->x.stride);
        UNROLL for (int j = 0; j < TJ; j++) {
            vf weight = vf_set1(w[j * a->w_out]);
            UNROLL for (int i = 0; i < TI; i++) {
                vf off = input[i] - weight;
                sum[i][j] = vf_fma(off, off, sum[i][j]);
            }
        }
    }
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++) {
        ptrdiff_t at = (n + j) * L + part * VW;
        vf_store(a->squares.data + (r + i) * a->squares.stride + at, sum[i][j]);
        vf_store(a->y.data + (r + i) * a->y.stride + at, -a->factor * vf_log(sum[i][j]));
    }
}

void KERNEL(distances)(const kernel_distances *a) {
    for (int part = 0; part < PARTS; part++)
        for (int r = 0; r < a->n_rows;) {
            int rows = r + DISTANCE_ROWS <= a->n_rows ? DISTANCE_ROWS : 1, n = 0;
            for (; rows > 1 && n + DISTANCE_OUTPUTS <= a->n_out; n += DISTANCE_OUTPUTS)
                distance_block(a, r, n, part, DISTANCE_ROWS, DISTANCE_OUTPUTS);
            for (; rows > 1 && n < a->n_out; n++) distance_block(a, r, n, part, DISTANCE_ROWS, 1);
            for (; n + DISTANCE_OUTPUTS <= a->n_out; n += DISTANCE_OUTPUTS)
                distance_block(a, r, n, part, 1, DISTANCE_OUTPUTS);
            for (; n < a->n_out; n++) distance_block(a, r, n, part, 1, 1);
            r += rows;
        }
}

// dy becomes the gradient of the squares.
static void distance_slopes(const kernel_distances_gradient *b) {
    const kernel_distances *a = &b->forward;
    for (int r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            vf scale = vf_load(b->scale + r * L + part * VW) * -a->factor;
            const float *squares = a->squares.data + r * a->squares.stride + part * VW;
            float *dy = b->dy.data + r * b->dy.stride + part * VW;
            for (int n = 0; n < a->n_out; n++)
                vf_store(
                    dy + n * L,
                    vf_flush(vf_load(dy + n * L) * scale / vf_load(squares + n * L), FV_LEAST));
        }
}

// dx of TI rows and TJ features: 2 sum over n of c[n] (x - w[n]).
INLINE void distance_input_block(const kernel_distances_gradient *b, int r, int k, int part, int TI,
                                 int TJ) {
    const kernel_distances *a = &b->forward;
    const float *w = a->w + k * a->w_in;
    const float *c = b->dy.data + r * b->dy.stride + part * VW;
    vf x[SLOPE_ROWS][SLOPE_FEATURES], sum[SLOPE_ROWS][SLOPE_FEATURES];
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++) {
        x[i][j] = vf_load(a->x.data + (r + i) * a->x.stride + (k + j) * L + part * VW);
        sum[i][j] = vf_set1(0);
    }
    for (int n = 0; n < a->n_out; n++, w += a->w_out, c += L) {
        vf slope[SLOPE_ROWS];
        UNROLL for (int i = 0; i < TI; i++) slope[i] = vf_load(c + i * b->dy.stride);
        UNROLL for (int j = 0; j < TJ; j++) {
            vf weight = vf_set1(w[j * a->w_in]);
            UNROLL for (int i = 0; i < TI; i++) sum[i][j] =
                vf_fma(slope[i], x[i][j] - weight, sum[i][j]);
        }
    }
    UNROLL for (int i = 0; i < TI; i++) UNROLL for (int j = 0; j < TJ; j++) vf_store(
        b->dx.data + (r + i) * b->dx.stride + (k + j) * L + part * VW, sum[i][j] + sum[i][j]);
}

static void distance_inputs(const kernel_distances_gradient *b, int part) {
    const kernel_distances *a = &b->forward;
    for (int r = 0; r < a->n_rows;) {
        int rows = r + SLOPE_ROWS <= a->n_rows ? SLOPE_ROWS : 1, k = 0;
        for (; rows > 1 && k + SLOPE_FEATURES <= a->n_in; k += SLOPE_FEATURES)
            distance_input_block(b, r, k, part, SLOPE_ROWS, SLOPE_FEATURES);
        for (; rows > 1 && k < a->n_in; k++) distance_input_block(b, r, k, part, SLOPE_ROWS, 1);
        for (; k + SLOPE_FEATURES <= a->n_in; k += SLOPE_FEATURES)
            distance_input_block(b, r, k, part, 1, SLOPE_FEATURES);
        for (; k < a->n_in; k++) distance_input_block(b, r, k, part, 1, 1);
        r += rows;
    }
}

// dw of TN outputs and TJ features, summed over all rows and lanes: -2 sum c (x - w).
INLINE void distance_weight_block(const kernel_distances_gradient *b, int n, int k, int TN,
                                  int TJ) {
    const kernel_distances *a = &b->forward;
    const float *w = a->w + n * a->w_out + k * a->w_in;
    vf total[16][PARTS];
    UNROLL for (int i = 0; i < 16; i++) UNROLL for (int part = 0; part < PARTS; part++)
        total[i][part] = vf_set1(0);
    UNROLL for (int part = 0; part < PARTS; part++) {
        const float *x = a->x.data + k * L + part * VW, *c = b->dy.data + n * L + part * VW;
        vf acc[16];
        UNROLL for (int i = 0; i < TN * TJ; i++) acc[i] = vf_set1(0);
        for (int r = 0; r < a->n_rows; r++, x += a->x.stride, c += b->dy.stride) {
            vf slope[SLOPE_OUTPUTS];
            UNROLL for (int i = 0; i < TN; i++) slope[i] = vf_load(c + i * L);
            UNROLL for (int j = 0; j < TJ; j++) {
                vf input = vf_load(x + j * L);
                UNROLL for (int i = 0; i < TN; i++) acc[i * TJ + j] =
                    vf_fma(slope[i], input - w[i * a->w_out + j * a->w_in], acc[i * TJ + j]);
            }
        }
        UNROLL for (int i = 0; i < TN * TJ; i++) total[i][part] = acc[i];
    }
    float sum[16];
    reduce16(total, sum);
    float *dw = b->dw + n * a->w_out + k * a->w_in;
    UNROLL for (int i = 0; i < TN; i++) UNROLL for (int j = 0; j < TJ; j++)
        dw[i * a->w_out + j * a->w_in] -= sum[i * TJ + j] + sum[i * TJ + j];
}

void KERNEL(distances_gradient)(const kernel_distances_gradient *b) {
    const kernel_distances *a = &b->forward;
    distance_slopes(b);
    for (int part = 0; part < PARTS; part++) distance_inputs(b, part);
    for (int n = 0; n < a->n_out;) {
        int outputs = n + SLOPE_OUTPUTS <= a->n_out ? SLOPE_OUTPUTS : 1, k = 0;
        for (; outputs > 1 && k + SLOPE_FEATURES <= a->n_in; k += SLOPE_FEATURES)
            distance_weight_block(b, n, k, SLOPE_OUTPUTS, SLOPE_FEATURES);
        for (; outputs > 1 && k < a->n_in; k++) distance_weight_block(b, n, k, SLOPE_OUTPUTS, 1);
        for (; k + SLOPE_FEATURES <= a->n_in; k += SLOPE_FEATURES)
            distance_weight_block(b, n, k, 1, SLOPE_FEATURES);
        for (; k < a->n_in; k++) distance_weight_block(b, n, k, 1, 1);
        n += outputs;
    }
}
