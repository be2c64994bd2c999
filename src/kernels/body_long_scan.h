// The body of the long scan, built once per instruction set. See scan_kernels.h.
//
// A number of a state costs about five cycles for sixteen channels: the exponential is 2^x, its
// factor log2(e) folded into A, with a degree-5 polynomial; sixteen recurrences run side by side,
// which hides their latency. Softplus and gate are made in passes of their own, a chunk at a time.
#include "kernels/simd_gates.h"

enum { W = FV_SCAN_BLOCK, ROW = FV_SCAN_ROW };

// Numbers of a state that stay in registers.
enum { STATES = REGISTERS == 32 ? 16 : 4 };

// `left` floats from anywhere, zeros behind them.
INLINE vf load_some(const float *p, int left) {
    vf x = vf_set1(0);
    if (left >= VW)
        memcpy(&x, p, sizeof x);
    else
        memcpy(&x, p, (size_t)left * sizeof *p);
    return x;
}

INLINE void store_some(float *p, vf x, int left) {
    if (left >= VW)
        memcpy(p, &x, sizeof x);
    else
        memcpy(p, &x, (size_t)left * sizeof *p);
}

#define EACH_LANES(i, width)                                                                       \
    int i = 0;                                                                                     \
    i < (width);                                                                                   \
    i += VW

INLINE void fetch_near(const float *p) {
    __builtin_prefetch(p, 0, 3); // into the first level
}

INLINE void fetch_far(const float *p) {
    __builtin_prefetch(p, 0, 2); // into the second
}

// Rows of one block lie a page apart, where the hardware's prefetcher stops: each row is prefetched
// while the row before is in use.
INLINE void fetch_next_row(const kernel_scan_chunk *s, const float *from, int t, int i) {
    if (t + 1 < s->n) fetch_near(from + (t + 1) * s->row + i);
}

// Steps, drives and what the sums begin with.
static void prepare(const kernel_scan_chunk *s) {
    for (int t = 0; t < s->n; t++)
        for (EACH_LANES(i, s->width)) {
            int left = s->width - i;
            fetch_next_row(s, s->u, t, i);
            fetch_next_row(s, s->delta, t, i);
            vf u = load_some(s->u + t * s->row + i, left);
            vf step = load_some(s->delta + t * s->row + i, left) + vf_load(s->bias + i);
            if (s->softplus) step = vf_quick_softplus(step);
            if (s->total) vf_store(s->total + i, vf_load(s->total + i) + step);
            vf_store(s->step + t * ROW + i, step);
            vf_store(s->drive + t * ROW + i, s->correction ? vf_set1(0) : step * u);
            vf_store(s->sum + t * ROW + i, s->correction ? vf_set1(0) : u * vf_load(s->skip + i));
        }
}

// While position t of strip i computes, one line of the next chunk's inputs comes into the
// second-level cache. The lines come as they lie in memory, row by row, whatever strip they belong
// to. (Fetching what is written, too, or from memory into the first level costs more than it
// saves.) From the second level into the first comes the line at the same place of the next block.
typedef struct line_ahead {
    ptrdiff_t row; // floats from what is scanned now
    int line, n_lines;
} line_ahead;

INLINE line_ahead first_line_ahead(const kernel_scan_chunk *s, int i) {
    if (s->ahead == 0) return (line_ahead){0};
    int line = s->ahead_first + i / L * s->n;
    return (line_ahead){s->ahead + line / s->ahead_lines * s->row, line % s->ahead_lines,
                        s->ahead_lines};
}

INLINE ptrdiff_t next_line_ahead(line_ahead *next, ptrdiff_t row) {
    ptrdiff_t at = next->row + (ptrdiff_t)next->line * L;
    if (++next->line == next->n_lines) next->line = 0, next->row += row;
    return at;
}

// Whether the next block has a strip i.
INLINE bool any_block_ahead(const kernel_scan_chunk *s, int i) {
    return s->ahead_first + (W + i) / L * s->n < s->ahead_lines * s->n;
}

// Numbers n .. n + N - 1 of the states of VW channels. If it keeps them, the states and decays of every
// position go there: [t][2][N][VW].
INLINE void run_states(const kernel_scan_chunk *s, int i, int n, int N, bool keeps, float *kept) {
    vf h[STATES];
    bool fetches = n == 0 && i % L == 0 && s->ahead != 0;
    bool fetches_block = fetches && any_block_ahead(s, i);
    line_ahead next = first_line_ahead(s, i);
    const float *a = s->a + n * W + i, *b = s->b + n, *c = s->c + n;
    UNROLL for (int j = 0; j < N; j++) h[j] = vf_load(s->state + (n + j) * W + i);
    for (int t = 0; t < s->n; t++, b += s->n_state, c += s->n_state) {
        vf step = vf_load(s->step + t * ROW + i), drive = vf_load(s->drive + t * ROW + i);
        vf sum = vf_load(s->sum + t * ROW + i), four = vf_set1(0);
        if (fetches) {
            ptrdiff_t at = next_line_ahead(&next, s->row);
            fetch_far(s->u + at);
            fetch_far(s->delta + at);
            if (s->z) fetch_far(s->z + at);
        }
        if (fetches_block) {
            fetch_near(s->u + t * s->row + W + i);
            fetch_near(s->delta + t * s->row + W + i);
        }
        __asm__ volatile("" : : : "memory"); // A is read again: registers are for the states
        UNROLL for (int j = 0; j < N; j++) {
            vf decay = vf_exp2(step * vf_load(a + j * W));
            h[j] = vf_flush(vf_fma(decay, h[j], drive * vf_set1(b[j])), FV_LEAST);
            // Sums of four, whatever N is, so that the order of additions is the same everywhere.
            four = j % 4 == 0 ? h[j] * c[j] : vf_fma(h[j], vf_set1(c[j]), four);
            if (j % 4 == 3 || N == 1) sum += four;
            if (keeps) {
                vf_store(kept + ((ptrdiff_t)2 * t * N + j) * VW, h[j]);
                vf_store(kept + ((ptrdiff_t)(2 * t + 1) * N + j) * VW, decay);
            }
        }
        vf_store(s->sum + t * ROW + i, sum);
    }
    UNROLL for (int j = 0; j < N; j++) vf_store(s->state + (n + j) * W + i, h[j]);
}

// All of a state: in blocks of STATES, then of four, then one by one. Functions of their own, so
// that the compiler gives each the registers.
#define DEFINE_RUN(N)                                                                              \
    static void run_##N(const kernel_scan_chunk *s, int i, int n) {                                \
        run_states(s, i, n, N, false, NULL);                                                       \
    }
#if REGISTERS == 32
DEFINE_RUN(16)
#endif
DEFINE_RUN(4)
DEFINE_RUN(1)
#undef DEFINE_RUN

static void run(const kernel_scan_chunk *s, int i) {
    int n = 0;
#define RUN(N)                                                                                     \
    for (; n + N <= s->n_state; n += N) run_##N(s, i, n);
#if REGISTERS == 32
    RUN(16)
#endif
    RUN(4)
    RUN(1)
#undef RUN
}

static void gate(const kernel_scan_chunk *s) {
    for (int t = 0; t < s->n; t++)
        for (EACH_LANES(i, s->width)) {
            int left = s->width - i;
            float *at = s->y + t * s->row + i;
            vf y = vf_load(s->sum + t * ROW + i);
            if (s->z) {
                fetch_next_row(s, s->z, t, i);
                vf z = load_some(s->z + t * s->row + i, left);
                y = y * (z * vf_sigmoid(z));
            }
            if (s->correction) y = y + load_some(at, left);
            store_some(at, y, left);
        }
}

void KERNEL(long_scan)(const kernel_scan_chunk *s) {
    prepare(s);
    for (EACH_LANES(i, s->width)) run(s, i);
    if (s->y) gate(s);
}

// Back through numbers n .. n + N - 1 of VW channels, from what run_states kept of them; start
// [N][VW] are the states before the chunk. Of this vector's lanes [2][n][N][16] the sums for db and
// dc.
INLINE void back_states(const scan_chunk_gradient *g, int i, int n, int N, const float *start,
                        float *lanes) {
    const kernel_scan_chunk *s = &g->forward;
    vf dh[FV_SCAN_BACK], da[FV_SCAN_BACK], after[FV_SCAN_BACK];
    bool fetches = n == 0 && i % L == 0 && s->ahead != 0;
    line_ahead next = first_line_ahead(s, i);
    const float *a = s->a + n * W + i, *kept = g->kept + (ptrdiff_t)2 * (s->n - 1) * N * VW;
    UNROLL for (int j = 0; j < N; j++) {
        dh[j] = vf_load(g->dstate + (n + j) * W + i);
        da[j] = vf_load(g->da + (n + j) * W + i);
        after[j] = vf_load(kept + j * VW);
    }
    for (int t = s->n - 1; t >= 0; t--, kept -= 2 * N * VW) {
        const float *b = s->b + t * s->n_state + n, *c = s->c + t * s->n_state + n;
        const float *before = t > 0 ? kept - 2 * N * VW : start, *decays = kept + N * VW;
        float *db = lanes + t * N * L, *dc = db + s->n * N * L;
        if (fetches) fetch_far(g->dy + next_line_ahead(&next, s->row));
        vf dsum = vf_load(g->dsum + t * ROW + i), step = vf_load(s->step + t * ROW + i);
        vf drive = vf_load(s->drive + t * ROW + i), ddrive = vf_load(g->ddrive + t * ROW + i);
        vf dstep = vf_load(g->dstep + t * ROW + i);
        UNROLL for (int j = 0; j < N; j++) {
            vf_store(dc + j * L, vf_fma(dsum, after[j], vf_load(dc + j * L)));
            dh[j] = vf_fma(dsum, vf_set1(c[j]), dh[j]);
            vf_store(db + j * L, vf_fma(dh[j], drive, vf_load(db + j * L)));
            ddrive = vf_fma(dh[j], vf_set1(b[j]), ddrive);
            dh[j] = vf_flush(dh[j] * vf_load(decays + j * VW), FV_LEAST);
            after[j] = vf_load(before + j * VW);
            vf slope = dh[j] * after[j];
            dstep = vf_fma(slope, vf_load(a + j * W), dstep);
            da[j] = vf_fma(slope, step, da[j]);
        }
        vf_store(g->ddrive + t * ROW + i, ddrive);
        vf_store(g->dstep + t * ROW + i, dstep);
    }
    UNROLL for (int j = 0; j < N; j++) {
        vf_store(g->dstate + (n + j) * W + i, dh[j]);
        vf_store(g->da + (n + j) * W + i, da[j]);
    }
}

// Sums over lanes [n][N][16] for numbers n .. n + N - 1 of sums [n][state].
static void sum_lanes(const kernel_scan_chunk *s, const float *lanes, int n, int N, float *sums) {
    for (int first = 0, all = s->n * N; first < all; first += 16) {
        vf acc[16][PARTS];
        float sum[16];
        int width = all - first < 16 ? all - first : 16;
        memset(acc, 0, sizeof acc);
        for (int k = 0; k < width; k++)
            for (int part = 0; part < PARTS; part++)
                acc[k][part] = vf_load(lanes + (ptrdiff_t)(first + k) * L + part * VW);
        reduce16(acc, sum);
        for (int k = 0; k < width; k++)
            sums[(first + k) / N * s->n_state + n + (first + k) % N] += sum[k];
    }
}

// Numbers n .. n + N - 1 of all channels: forward once more, keeping states and decays; then back.
// What is kept of one vector, and the lanes' sums, stay in the first-level cache.
INLINE void back_numbers(const scan_chunk_gradient *g, int n, int N) {
    const kernel_scan_chunk *s = &g->forward;
    _Alignas(64) float start[FV_SCAN_BACK * VW];
    memset(g->lanes, 0, (size_t)(2 * s->n * N * L) * sizeof(float));
    for (EACH_LANES(i, s->width)) {
        UNROLL for (int j = 0; j < N; j++)
            vf_store(start + j * VW, vf_load(s->state + (n + j) * W + i));
        run_states(s, i, n, N, true, g->kept);
        back_states(g, i, n, N, start, g->lanes + i % L);
    }
    sum_lanes(s, g->lanes, n, N, g->db);
    sum_lanes(s, g->lanes + (ptrdiff_t)s->n * N * L, n, N, g->dc);
}

static void back_four(const scan_chunk_gradient *g, int n) {
    back_numbers(g, n, FV_SCAN_BACK);
}
static void back_one(const scan_chunk_gradient *g, int n) {
    back_numbers(g, n, 1);
}

// The slopes at the outputs, row by row.
static void begin_rows(const scan_chunk_gradient *g) {
    const kernel_scan_chunk *s = &g->forward;
    for (int t = 0; t < s->n; t++)
        for (EACH_LANES(i, s->width)) {
            int left = s->width - i;
            fetch_next_row(s, g->dy, t, i);
            vf dsum = load_some(g->dy + t * s->row + i, left);
            if (s->z) {
                fetch_next_row(s, s->z, t, i);
                vf z = load_some(s->z + t * s->row + i, left);
                dsum = dsum * (z * vf_sigmoid(z));
            }
            vf u = load_some(s->u + t * s->row + i, left);
            vf_store(g->dsum + t * ROW + i, dsum);
            vf_store(g->ddrive + t * ROW + i, vf_set1(0));
            vf_store(g->dstep + t * ROW + i, vf_set1(0));
            vf_store(g->dskip + i, vf_fma(dsum, u, vf_load(g->dskip + i)));
        }
}

// From the slopes at steps and drives to those of the inputs, row by row.
static void finish_rows(const scan_chunk_gradient *g) {
    const kernel_scan_chunk *s = &g->forward;
    for (int t = 0; t < s->n; t++)
        for (EACH_LANES(i, s->width)) {
            int left = s->width - i;
            vf u = load_some(s->u + t * s->row + i, left),
               ddrive = vf_load(g->ddrive + t * ROW + i);
            vf dstep = vf_fma(vf_load(g->dstep + t * ROW + i), vf_set1(0.693147181f), ddrive * u);
            if (s->softplus)
                dstep *=
                    vf_sigmoid(load_some(s->delta + t * s->row + i, left) + vf_load(s->bias + i));
            vf du = vf_fma(ddrive, vf_load(s->step + t * ROW + i),
                           vf_load(g->dsum + t * ROW + i) * vf_load(s->skip + i));
            if (s->z && g->dz) {
                vf z = load_some(s->z + t * s->row + i, left);
                vf dy = load_some(g->dy + t * s->row + i, left);
                store_some(g->dz + t * s->row + i,
                           dy * vf_load(s->sum + t * ROW + i) * vf_silu_slope(z), left);
            }
            store_some(g->du + t * s->row + i, du, left);
            store_some(g->ddelta + t * s->row + i, dstep, left);
            vf_store(g->dbias + i, vf_load(g->dbias + i) + dstep);
        }
}

void KERNEL(long_scan_gradient)(const scan_chunk_gradient *g) {
    const kernel_scan_chunk *s = &g->forward;
    int n = 0;
    prepare(s);
    begin_rows(g);
    for (; n + FV_SCAN_BACK <= s->n_state; n += FV_SCAN_BACK) back_four(g, n);
    for (; n < s->n_state; n++) back_one(g, n);
    finish_rows(g);
}
