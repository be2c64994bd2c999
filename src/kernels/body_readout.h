// The end of narrow models: logits, cross-entropy and both gradients of a few rows at a time, while
// their exponentials are in the first-level cache, where kernels one after the other would carry V
// numbers a sample through it four times. Compiled for each width D, so that the inputs of a row, and
// the gradients of them, are registers.
//
// Operations and their order are those of the parts (parts.h), and so are the bits: a weight's
// gradient adds the rows of a chunk up in order, in an accumulator of sixteen lanes of its own.
// Accumulators and exponentials share the scratch of the logits:
//
//     [PARTS][D][V][VW] accumulators | [V][READOUT_ROWS][VW] exponentials
//
// Of few classes they lie on the stack, and the target is found by comparison with all of them.
#include "kernels/parts.h"
#include "kernels/simd.h"

enum { READOUT_ROWS = 2, READOUT_WIDEST = 4, READOUT_CHUNK = 128 };
// One row of few classes would wait for its own exponentials, logarithm and division.
enum { READOUT_FEW = 16, READOUT_FEW_ROWS = 4 };
#define READOUT_WIDTHS(X) X(2) X(3) X(4)

// clang 14 leaves a loop over rows a loop where it asks for the gradient inside, and logarithms wait for each
// other.
#ifdef __wasm__
enum { READOUT_APART = 1 };
#else
enum { READOUT_APART = 0 };
#endif

// Some rows at work, one part of their lanes.
typedef struct readout_rows {
    const kernel_readout *job;
    float *totals; // [D][V][VW] of this part
    float *e;      // [V][rows][VW]
    int first, part;
    vf largest[READOUT_FEW_ROWS], at_target[READOUT_FEW_ROWS], sum[READOUT_FEW_ROWS],
        inverse[READOUT_FEW_ROWS];
} readout_rows;

INLINE const int32_t *readout_targets(const readout_rows *b, int i) {
    return b->job->targets + (b->first + i) * L + b->part * VW;
}

INLINE void readout_logits(readout_rows *b, int n_rows, int D) {
    const kernel_readout *a = b->job;
    const float *w = a->w;
    vf x[READOUT_FEW_ROWS][READOUT_WIDEST], largest[READOUT_FEW_ROWS];
    UNROLL for (int i = 0; i < n_rows; i++) largest[i] = vf_set1(0);
    UNROLL for (int i = 0; i < n_rows; i++) UNROLL for (int k = 0; k < D; k++) x[i][k] =
        vf_load(a->x.data + (b->first + i) * a->x.stride + k * L + b->part * VW);
    float *e = b->e;
    for (int n = 0; n < a->n_out; n++, w += a->w_out, e += n_rows * VW)
        UNROLL for (int i = 0; i < n_rows; i++) {
            vf logit = vf_set1(0);
            UNROLL for (int k = 0; k < D; k++) logit =
                vf_fma(x[i][k], vf_set1(w[k * a->w_in]), logit);
            largest[i] = vf_max(n == 0 ? logit : largest[i], logit);
            vf_store(e + i * VW, logit);
        }
    UNROLL for (int i = 0; i < n_rows; i++) b->largest[i] = largest[i];
}

// 1 where the target is the first class with the largest logit.
INLINE vf readout_correct(const readout_rows *b, int i, int n_rows) {
    const int32_t *targets = readout_targets(b, i);
    vf correct = vf_set1(0);
    for (int l = 0; l < VW; l++) {
        int best = 0;
        while (b->e[(best * n_rows + i) * VW + l] < b->largest[i][l]) best++;
        correct[l] = targets[l] == best;
    }
    return correct;
}

INLINE void readout_losses(readout_rows *b, int n_rows, bool few) {
    const kernel_readout *a = b->job;
    vf sum[READOUT_FEW_ROWS];
    UNROLL for (int i = 0; i < n_rows; i++) {
        const int32_t *targets = readout_targets(b, i);
        ptrdiff_t at = (ptrdiff_t)(b->first + i) * L + b->part * VW;
        b->at_target[i] = sum[i] = vf_set1(0);
        for (int l = 0; !few && l < VW; l++)
            if (targets[l] >= 0) b->at_target[i][l] = b->e[(targets[l] * n_rows + i) * VW + l];
        if (a->correct) vf_store(a->correct + at, readout_correct(b, i, n_rows));
    }
    float *e = b->e;
    for (int n = 0; n < a->n_out; n++, e += n_rows * VW) UNROLL for (int i = 0; i < n_rows; i++) {
            vf logit = vf_load(e + i * VW), y = vf_exp_share(logit - b->largest[i]);
            if (few)
                b->at_target[i] = vf_add_where_equal(b->at_target[i], logit,
                                                     vi_load(readout_targets(b, i)), vi_set1(n));
            sum[i] += y;
            vf_store(e + i * VW, y);
        }
    UNROLL for (int i = 0; i < n_rows; i++) {
        vi wanted = vi_load(readout_targets(b, i)) >= 0;
        ptrdiff_t at = (ptrdiff_t)(b->first + i) * L + b->part * VW;
        b->sum[i] = sum[i];
        vf_store(a->losses + at,
                 vf_and(vf_log(sum[i]) - (b->at_target[i] - b->largest[i]), wanted));
        if (a->dw && !READOUT_APART) b->inverse[i] = vf_and(a->weight / sum[i], wanted);
    }
    if (a->dw && READOUT_APART)
        UNROLL for (int i = 0; i < n_rows; i++) b->inverse[i] =
            vf_and(a->weight / sum[i], vi_load(readout_targets(b, i)) >= 0);
}

INLINE void readout_gradients(readout_rows *b, int n_rows, int D, bool few) {
    const kernel_readout *a = b->job;
    vf scaled[READOUT_FEW_ROWS][READOUT_WIDEST], dx[READOUT_FEW_ROWS][READOUT_WIDEST];
    UNROLL for (int i = 0; i < n_rows; i++) {
        const int32_t *targets = readout_targets(b, i);
        for (int l = 0; !few && l < VW; l++)
            if (targets[l] >= 0) b->e[(targets[l] * n_rows + i) * VW + l] -= b->sum[i][l];
        UNROLL for (int k = 0; k < D; k++) {
            scaled[i][k] =
                vf_load(a->x.data + (b->first + i) * a->x.stride + k * L + b->part * VW) *
                b->inverse[i];
            dx[i][k] = vf_set1(0);
        }
    }
    const float *w = a->w, *e = b->e;
    float *total = b->totals;
    const ptrdiff_t classes = (ptrdiff_t)a->n_out * VW;
    for (int n = 0; n < a->n_out; n++, w += a->w_out, e += n_rows * VW, total += VW) {
        vf y[READOUT_FEW_ROWS];
        UNROLL for (int i = 0; i < n_rows; i++) {
            y[i] = vf_load(e + i * VW);
            if (few)
                y[i] = vf_subtract_where_equal(y[i], b->sum[i], vi_load(readout_targets(b, i)),
                                               vi_set1(n));
        }
        UNROLL for (int k = 0; k < D; k++) {
            vf weight = vf_set1(w[k * a->w_in]), sum = vf_load(total + k * classes);
            UNROLL for (int i = 0; i < n_rows; i++) {
                sum = vf_fma(scaled[i][k], y[i], sum);
                dx[i][k] = vf_fma(y[i], weight, dx[i][k]);
            }
            vf_store(total + k * classes, sum);
        }
    }
    UNROLL for (int i = 0; i < n_rows; i++) UNROLL for (int k = 0; k < D; k++) vf_store(
        a->dx + ((ptrdiff_t)(b->first + i) * D + k) * L + b->part * VW, dx[i][k] * b->inverse[i]);
}

// Where accumulators and exponentials lie.
typedef struct readout_scratch {
    float *totals, *e;
} readout_scratch;

INLINE void readout_some(const kernel_readout *a, readout_scratch scratch, int first, int part,
                         int n_rows, int D, bool few) {
    readout_rows b = {.job = a,
                      .totals = scratch.totals + part * D * a->n_out * VW,
                      .e = scratch.e,
                      .first = first,
                      .part = part};
    readout_logits(&b, n_rows, D);
    readout_losses(&b, n_rows, few);
    if (a->dw) readout_gradients(&b, n_rows, D, few);
}

// Adds the accumulators of n classes from `first` on, n at most VW, summed over their lanes, to dw.
INLINE void readout_reduce_some(const kernel_readout *a, const float *totals, int first, int k,
                                int n, int D) {
    vf acc[16][PARTS];
    float sum[16], *dw = a->dw + k * a->w_in + first * a->w_out;
    UNROLL for (int i = 0; i < VW; i++) UNROLL for (int part = 0; part < PARTS; part++) {
        const float *at = totals + (((ptrdiff_t)part * D + k) * a->n_out + first + i) * VW;
        acc[i][part] = i < n ? vf_load(at) : vf_set1(0);
    }
    reduce(acc, VW, sum);
    for (int i = 0; i < n; i++) dw[i * a->w_out] += sum[i];
}

INLINE void readout_reduce(const kernel_readout *a, const float *totals, int D) {
    for (int k = 0; k < D; k++) {
        int n = 0;
        for (; n + VW <= a->n_out; n += VW) readout_reduce_some(a, totals, n, k, VW, D);
        if (n < a->n_out) readout_reduce_some(a, totals, n, k, a->n_out - n, D);
    }
}

INLINE void readout_narrow(const kernel_readout *a, readout_scratch scratch, int n_rows, int D,
                           bool few) {
    const size_t size = (size_t)a->n_out * (size_t)(D * L);
    for (int chunk = 0; chunk < a->n_rows; chunk += READOUT_CHUNK) {
        int end = a->n_rows - chunk < READOUT_CHUNK ? a->n_rows : chunk + READOUT_CHUNK;
        if (a->dw) memset(scratch.totals, 0, size * sizeof *scratch.totals);
        for (int part = 0; part < PARTS; part++) {
            int r = chunk;
            for (; r + n_rows <= end; r += n_rows)
                readout_some(a, scratch, r, part, n_rows, D, few);
            for (; r < end; r++) readout_some(a, scratch, r, part, 1, D, few);
        }
        if (a->dw) readout_reduce(a, scratch.totals, D);
    }
}

#define DEFINE_READOUT(D)                                                                          \
    static void readout_##D(const kernel_readout *a) {                                             \
        _Alignas(64) float totals[READOUT_FEW * D * L], e[READOUT_FEW * READOUT_FEW_ROWS * VW];    \
        if (a->n_out <= READOUT_FEW)                                                               \
            readout_narrow(a, (readout_scratch){totals, e}, READOUT_FEW_ROWS, D, true);            \
        else                                                                                       \
            readout_narrow(a, (readout_scratch){a->logits, a->logits + a->n_out * D * L},          \
                           READOUT_ROWS, D, false);                                                \
    }
READOUT_WIDTHS(DEFINE_READOUT)
#undef DEFINE_READOUT

// Rows of scratch that accumulators and exponentials take; fewer rows than that have no room for them.
static bool readout_fits(const kernel_readout *a) {
    return a->n_out <= READOUT_FEW || a->n_in + (READOUT_ROWS + PARTS - 1) / PARTS <= a->n_rows;
}

void KERNEL(readout)(const kernel_readout *a) {
    switch (readout_fits(a) ? a->n_in : 0) {
#define CASE(D)                                                                                    \
    case D:                                                                                        \
        readout_##D(a);                                                                            \
        return;
        READOUT_WIDTHS(CASE)
#undef CASE
    default:
        readout_by_parts(a);
    }
}
