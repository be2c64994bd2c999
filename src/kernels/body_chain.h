// Two linear maps one after the other, forward and back, for narrow rows: the numbers between them stay
// in registers, and one call takes the place of two, or of four on the way back. Compiled for each
// width D of all three. Operations and their order are those of body_map.h, and so are the bits.
#include "kernels/parts.h"
#include "kernels/simd.h"

enum { CHAIN_WIDEST = 4, CHAIN_CHUNK = 128 };
#define CHAIN_WIDTHS(X) X(2) X(3) X(4)

INLINE void chain_load(vf *to, const float *from, int D) {
    UNROLL for (int k = 0; k < D; k++) to[k] = vf_load(from + k * L);
}

// y[n] = (or +=) sum_k x[k] w[k][n], w the D * D numbers in that order.
INLINE void chain_apply(const vf *x, const float *w, vf *y, int D) {
    UNROLL for (int n = 0; n < D; n++) UNROLL for (int k = 0; k < D; k++) y[n] =
        vf_fma(x[k], vf_set1(w[k * D + n]), y[n]);
}

// [from][to] of a map, or with the strides exchanged of its transpose.
INLINE void chain_weights(const float *w, ptrdiff_t w_in, ptrdiff_t w_out, float *dense, int D) {
    UNROLL for (int k = 0; k < D; k++) UNROLL for (int n = 0; n < D; n++) dense[k * D + n] =
        w[k * w_in + n * w_out];
}

INLINE void chain_narrow(const kernel_chain *a, int D) {
    float w1[CHAIN_WIDEST * CHAIN_WIDEST], w2[CHAIN_WIDEST * CHAIN_WIDEST];
    chain_weights(a->w1, a->w1_in, a->w1_out, w1, D);
    chain_weights(a->w2, a->w2_in, a->w2_out, w2, D);
    const float *from = a->x.data;
    float *between = a->mid.data, *to = a->y.data;
    for (int r = 0; r < a->n_rows; r++) {
        UNROLL for (int part = 0; part < L; part += VW) {
            vf x[CHAIN_WIDEST], mid[CHAIN_WIDEST], y[CHAIN_WIDEST];
            chain_load(x, from + part, D);
            UNROLL for (int n = 0; n < D; n++) mid[n] = vf_set1(0);
            UNROLL for (int n = 0; n < D; n++) y[n] =
                a->accumulate ? vf_load(to + n * L + part) : vf_set1(0);
            chain_apply(x, w1, mid, D);
            chain_apply(mid, w2, y, D);
            UNROLL for (int n = 0; n < D; n++) vf_store(between + n * L + part, mid[n]);
            UNROLL for (int n = 0; n < D; n++) vf_store(to + n * L + part, y[n]);
        }
        from += a->x.stride;
        between += a->mid.stride;
        to += a->y.stride;
    }
}

// One map's way back: dw += x^T dy, dx = (or +=) dy w^T, for some rows and K inputs from k on. dx may be x.
typedef struct chain_half {
    int n_rows;
    kernel_rows x, dy, dx;
    const float *w; // [D][D]: [output][input]
    float *dw;
    ptrdiff_t w_in, w_out;
    bool accumulate;
} chain_half;

INLINE void chain_half_inputs(const chain_half *a, int k, int K, int D) {
    vf total[16][PARTS];
    float sum[16];
    UNROLL for (int i = K * D; i < 16; i++) UNROLL for (int p = 0; p < PARTS; p++) total[i][p] =
        vf_set1(0);
    UNROLL for (int p = 0; p < PARTS; p++) {
        const float *from = a->x.data + k * L + p * VW, *slope = a->dy.data + p * VW;
        float *to = a->dx.data + k * L + p * VW;
        vf acc[16];
        UNROLL for (int i = 0; i < K * D; i++) acc[i] = vf_set1(0);
        for (int r = 0; r < a->n_rows; r++) {
            vf x[CHAIN_WIDEST], dy[CHAIN_WIDEST];
            chain_load(x, from, K);
            chain_load(dy, slope, D);
            UNROLL for (int i = 0; i < K; i++) {
                vf dx = a->accumulate ? vf_load(to + i * L) : vf_set1(0);
                UNROLL for (int n = 0; n < D; n++) {
                    acc[i * D + n] = vf_fma(x[i], dy[n], acc[i * D + n]);
                    dx = vf_fma(dy[n], vf_set1(a->w[n * D + k + i]), dx);
                }
                vf_store(to + i * L, dx);
            }
            from += a->x.stride;
            slope += a->dy.stride;
            to += a->dx.stride;
        }
        UNROLL for (int i = 0; i < K * D; i++) total[i][p] = acc[i];
    }
    reduce(total, K * D, sum);
    UNROLL for (int i = 0; i < K; i++) UNROLL for (int n = 0; n < D; n++)
        a->dw[(k + i) * a->w_in + n * a->w_out] += sum[i * D + n];
}

INLINE kernel_rows chain_rows(kernel_rows rows, int first) {
    return (kernel_rows){rows.data + first * rows.stride, rows.stride};
}

// Of four inputs two at a time, whose accumulators sixteen registers hold.
INLINE void chain_half_back(chain_half a, int n_rows, int D) {
    const chain_half whole = a;
    for (int first = 0; first < n_rows; first += CHAIN_CHUNK) {
        a.n_rows = n_rows - first < CHAIN_CHUNK ? n_rows - first : CHAIN_CHUNK;
        a.x = chain_rows(whole.x, first);
        a.dy = chain_rows(whole.dy, first);
        a.dx = chain_rows(whole.dx, first);
        if (D == 4) {
            chain_half_inputs(&a, 0, 2, D);
            chain_half_inputs(&a, 2, 2, D);
        } else {
            chain_half_inputs(&a, 0, D, D);
        }
    }
}

INLINE void chain_gradient_narrow(const kernel_chain_gradient *b, int D) {
    const kernel_chain *a = &b->forward;
    float w[CHAIN_WIDEST * CHAIN_WIDEST];
    chain_weights(a->w2, a->w2_out, a->w2_in, w, D);
    chain_half_back((chain_half){0, a->mid, b->dy, b->dmid, w, b->dw2, a->w2_in, a->w2_out, false},
                    a->n_rows, D);
    chain_weights(a->w1, a->w1_out, a->w1_in, w, D);
    chain_half_back(
        (chain_half){0, a->x, b->dmid, b->dx, w, b->dw1, a->w1_in, a->w1_out, b->accumulate},
        a->n_rows, D);
}

#define DEFINE_CHAIN(D)                                                                            \
    static void chain_##D(const kernel_chain *a) {                                                 \
        chain_narrow(a, D);                                                                        \
    }                                                                                              \
    static void chain_gradient_##D(const kernel_chain_gradient *b) {                               \
        chain_gradient_narrow(b, D);                                                               \
    }
CHAIN_WIDTHS(DEFINE_CHAIN)
#undef DEFINE_CHAIN

// The width of all three, or 0.
static int chain_width(const kernel_chain *a) {
    return a->n_in == a->n_mid && a->n_in == a->n_out ? a->n_in : 0;
}

void KERNEL(chain)(const kernel_chain *a) {
    switch (chain_width(a)) {
#define CASE(D)                                                                                    \
    case D:                                                                                        \
        chain_##D(a);                                                                              \
        return;
        CHAIN_WIDTHS(CASE)
#undef CASE
    default:
        chain_by_parts(a);
    }
}

void KERNEL(chain_gradient)(const kernel_chain_gradient *b) {
    switch (chain_width(&b->forward)) {
#define CASE(D)                                                                                    \
    case D:                                                                                        \
        chain_gradient_##D(b);                                                                     \
        return;
        CHAIN_WIDTHS(CASE)
#undef CASE
    default:
        chain_gradient_by_parts(b);
    }
}
