// A chunk of a recurrence whose state is a matrix (chunk_kernels.h), as products of matrices in
// blocks of registers (body_blocks.h). Rows are copied into memory of their own first: aligned,
// padded with zeros to whole vectors and 64 positions, 1/64 of what a product of them costs.
#include "kernels/body_blocks.h"

enum { C = FV_CHUNK, SQUARE_ROW = FV_CHUNK + FV_LANES };

// --- products -----------------------------------------------------------------------------------

// Which of a product's numbers there are: of a triangle, those on and below the diagonal.
typedef enum triangle { WHOLE, LEFT_LOWER, LEFT_UPPER, RESULT_LOWER } triangle;

// C[m][f] = factor[m] C[m][f] + sum over k of A(m, k) B[k][f], with A(m, k) at a[m * a_m + k *
// a_k]; without factors C begins at 0. A triangle's other half holds zeros where blocks of rows
// reach into it.
typedef struct next_rows {
    uintptr_t at;
    ptrdiff_t row; // floats
    int width;     // 0: none
} next_rows;

typedef struct matrix_product {
    triangle shape;
    int m, n, k; // n: a multiple of 16
    float *c;
    ptrdiff_t c_row;
    const float *a;
    ptrdiff_t a_m, a_k;
    const float *b;
    ptrdiff_t b_row;
    const float *factor;
    ptrdiff_t factor_step; // 0: one for all rows
    next_rows next;
} matrix_product;

// What the next chunk reads comes from memory while this one is multiplied: a block fetches the
// lines at its own place. Addresses are numbers, as the last chunk may be shorter.
INLINE void fetch_block(const next_rows *x, int m, int f, int tall, int wide) {
    if (f >= x->width || m >= C) return;
    UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide * VW; w += 16)
        __builtin_prefetch((const void *)(x->at + (uintptr_t)((m + i) * x->row + f + w) * 4), 0, 2);
}

INLINE void multiply_block(const matrix_product *x, int m, int f, int tall, int wide) {
    vf acc[MOST_TALL][MOST_WIDE];
    const ptrdiff_t end = (ptrdiff_t)m + tall;
    fetch_block(&x->next, m, f, tall, wide);
    if (x->shape == RESULT_LOWER && f >= end) return;
    if (x->factor) UNROLL for (int i = 0; i < tall; i++) {
            vf factor = vf_set1(x->factor[(m + i) * x->factor_step]);
            UNROLL for (int w = 0; w < wide; w++) acc[i][w] =
                vf_load(x->c + (m + i) * x->c_row + f + w * VW) * factor;
        }
    else
        UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++) acc[i][w] =
            vf_set1(0);
    const ptrdiff_t low = x->shape == LEFT_UPPER ? m : 0;
    const ptrdiff_t high = x->shape == LEFT_LOWER ? end : x->k;
    const float *a = x->a + m * x->a_m + low * x->a_k, *b = x->b + low * x->b_row + f;
    for (ptrdiff_t k = low; k < high; k++, a += x->a_k, b += x->b_row) {
        vf row[MOST_WIDE];
        UNROLL for (int w = 0; w < wide; w++) row[w] = vf_load(b + w * VW);
        UNROLL for (int i = 0; i < tall; i++) {
            vf left = vf_set1(a[i * x->a_m]);
            UNROLL for (int w = 0; w < wide; w++) acc[i][w] = vf_fma(left, row[w], acc[i][w]);
        }
    }
    UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++)
        vf_store(x->c + (m + i) * x->c_row + f + w * VW, acc[i][w]);
}

static void multiply(const matrix_product *x) {
#define BLOCK(m, f, tall, wide) multiply_block(x, m, f, tall, wide);
    FOR_BLOCKS(0, x->n, 0, x->m)
#undef BLOCK
}

// C becomes (1 - A)^-1 C, A below its diagonal and 0 elsewhere: a block of rows takes the rows
// before it, then its own in turn.
INLINE void solve_block(const matrix_product *x, int m, int f, int tall, int wide) {
    vf acc[MOST_TALL][MOST_WIDE];
    UNROLL for (int i = 0; i < tall; i++) UNROLL for (int w = 0; w < wide; w++) acc[i][w] =
        vf_load(x->c + (m + i) * x->c_row + f + w * VW);
    const float *a = x->a + m * x->a_m, *c = x->c + f;
    for (int k = 0; k < m; k++, a += x->a_k, c += x->c_row) {
        vf row[MOST_WIDE];
        UNROLL for (int w = 0; w < wide; w++) row[w] = vf_load(c + w * VW);
        UNROLL for (int i = 0; i < tall; i++) {
            vf left = vf_set1(a[i * x->a_m]);
            UNROLL for (int w = 0; w < wide; w++) acc[i][w] = vf_fma(left, row[w], acc[i][w]);
        }
    }
    UNROLL for (int k = 0; k < tall; k++, a += x->a_k) {
        UNROLL for (int w = 0; w < wide; w++)
            vf_store(x->c + (m + k) * x->c_row + f + w * VW, acc[k][w]);
        UNROLL for (int i = k + 1; i < tall; i++) UNROLL for (int w = 0; w < wide; w++) acc[i][w] =
            vf_fma(vf_set1(a[i * x->a_m]), acc[k][w], acc[i][w]);
    }
}

static void solve(const matrix_product *x) {
#define BLOCK(m, f, tall, wide) solve_block(x, m, f, tall, wide);
    FOR_BLOCKS(0, x->n, 0, C)
#undef BLOCK
}

// --- where things lie ---------------------------------------------------------------------------

// Rows of 64 positions but for the transposed: kt [K][64], wt [V][64], and st, dst [V][K]. Of what
// a forward pass has not, the gradient says more below.
typedef struct chunk_room {
    int keys, values;             // padded widths
    ptrdiff_t key_row, value_row; // floats between rows of keys, and of values
    float *q, *k, *late;          // late: k E
    float *dq, *dk;
    float *v, *w, *held, *y;      // held: what the state had for the keys; y: outputs, or dy
    float *dw, *early_dy, *dheld; // early_dy: dy B
    float *p, *decays, *pairs, *solver, *dp;
    float *kt, *wt, *st, *dst;
    float *high, *low, *since, *until, *rate; // sums of log decays in two parts; B; E
    float *drate, *reads, *writes, *dlog;     // what crosses into t; what leaves it
    float whole;                              // the decay over the chunk
} chunk_room;

static float *take(float **at, size_t n) {
    float *p = *at;
    *at += n;
    return p;
}

static chunk_room room_of(const kernel_chunk *j) {
    chunk_room r = {.keys = chunk_padded(j->n_key), .values = chunk_padded(j->n_value)};
    r.key_row = chunk_row(j->n_key);
    r.value_row = chunk_row(j->n_value);
    float *at = j->scratch;
    float **const keys[FV_CHUNK_KEYS] = {&r.q, &r.k, &r.late, &r.dq, &r.dk};
    float **const values[FV_CHUNK_VALUES] = {&r.v,  &r.w,        &r.held, &r.y,
                                             &r.dw, &r.early_dy, &r.dheld};
    float **const squares[FV_CHUNK_SQUARES] = {&r.p, &r.decays, &r.pairs, &r.solver, &r.dp};
    float **const lines[] = {&r.high,  &r.low,   &r.since,  &r.until, &r.rate,
                             &r.drate, &r.reads, &r.writes, &r.dlog};
    for (int i = 0; i < FV_CHUNK_KEYS; i++) *keys[i] = take(&at, (size_t)(C * r.key_row));
    for (int i = 0; i < FV_CHUNK_VALUES; i++) *values[i] = take(&at, (size_t)(C * r.value_row));
    for (int i = 0; i < FV_CHUNK_SQUARES; i++) *squares[i] = take(&at, C * SQUARE_ROW);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) *lines[i] = take(&at, C);
    r.kt = take(&at, (size_t)r.keys * SQUARE_ROW);
    r.wt = take(&at, (size_t)r.values * SQUARE_ROW);
    r.st = take(&at, (size_t)(r.values * r.key_row));
    r.dst = take(&at, (size_t)(r.values * r.key_row));
    return r;
}

// --- rows ---------------------------------------------------------------------------------------

// Rows `row` floats apart, times factor, into C padded rows.
static void pack(const kernel_chunk *j, const float *from, ptrdiff_t row, int width, float factor,
                 float *to, ptrdiff_t to_row) {
    const int whole = width / VW * VW;
    for (int t = 0; t < j->n; t++, from += row, to += to_row) {
        for (int f = 0; f < whole; f += VW) {
            vf x;
            memcpy(&x, from + f, sizeof x);
            vf_store(to + f, x * factor);
        }
        for (int f = whole; f < width; f++) to[f] = from[f] * factor;
        for (ptrdiff_t f = width; f < to_row; f++) to[f] = 0;
    }
    memset(to, 0, (size_t)((C - j->n) * to_row) * sizeof *to);
}

// Rows like `from` of the chunk that follows.
INLINE next_rows next_of(const kernel_chunk *j, const float *from, ptrdiff_t row, int width) {
    return (next_rows){(uintptr_t)from + (uintptr_t)(j->next * row) * 4, row, j->next ? width : 0};
}

// to[t] = from[t] * factors[t]
static void scale(const float *from, const float *factors, int width, ptrdiff_t row, float *to) {
    for (int t = 0; t < C; t++)
        for (int f = 0; f < width; f += VW)
            vf_store(to + t * row + f, vf_load(from + t * row + f) * factors[t]);
}

// rows x columns numbers, both multiples of 16.
static void transpose(const float *from, ptrdiff_t row, int rows, int columns, float *to,
                      ptrdiff_t to_row) {
    for (int f = 0; f < columns; f += VW)
        for (int t = 0; t < rows; t += VW) {
            vf a[VW];
            UNROLL for (int i = 0; i < VW; i++) a[i] = vf_load(from + (t + i) * row + f);
            transpose_square(a);
            UNROLL for (int i = 0; i < VW; i++) vf_store(to + (f + i) * to_row + t, a[i]);
        }
}

// sums[t] = sum over f of a[t][f] b[t][f], n_rows a multiple of 16; the same order for every set.
static void dot_rows(const float *a, const float *b, ptrdiff_t row, int n_rows, int width,
                     float *sums) {
    for (int first = 0; first < n_rows; first += 16) {
        vf acc[16][PARTS];
        for (int i = 0; i < 16; i++) {
            const float *x = a + (first + i) * row, *y = b + (first + i) * row;
            UNROLL for (int p = 0; p < PARTS; p++) acc[i][p] = vf_set1(0);
            for (int f = 0; f < width; f += L)
                UNROLL for (int p = 0; p < PARTS; p++) acc[i][p] =
                    vf_fma(vf_load(x + f + p * VW), vf_load(y + f + p * VW), acc[i][p]);
        }
        reduce16(acc, sums + first);
    }
}

// All ones in lanes f + i < n.
INLINE vi lanes_before(int n, int f) {
    vi lane;
    UNROLL for (int i = 0; i < VW; i++) lane[i] = i;
    return lane < vi_set1(n - f);
}

// Decays
// ------------------------------------------------------------------------------------------

// log_decay below which a decay is 0 whatever follows, in units of log 2.
#define LEAST_LOG2_DECAY (-128.0f)

// Sums of log decays to every position, in double and kept as two floats: what is left of
// differences of large sums is then still exact.
static void sum_decays(const kernel_chunk *j, chunk_room *r) {
    double sum = 0;
    for (int t = 0; t < C; t++) {
        float step = j->log_decay && t < j->n ? j->log_decay[t * j->head_row] * 1.44269504f : 0;
        sum += step < LEAST_LOG2_DECAY ? LEAST_LOG2_DECAY : step;
        r->high[t] = (float)sum;
        r->low[t] = (float)(sum - (double)r->high[t]);
        r->rate[t] = t >= j->n ? 0 : j->rate ? j->rate[t * j->head_row] : 1;
    }
    const float high = r->high[C - 1], low = r->low[C - 1];
    for (int t = 0; t < C; t += VW) {
        vf here = vf_load(r->high + t), rest = vf_load(r->low + t);
        vf_store(r->since + t, vf_exp2(here + rest));
        vf_store(r->until + t, vf_exp2((high - here) + (low - rest)));
    }
    r->whole = r->since[C - 1];
}

// decays[t][s] from s to t, 0 for s > t.
static void pair_decays(chunk_room *r) {
    for (int t = 0; t < C; t++) {
        float *to = r->decays + t * SQUARE_ROW;
        int s = 0;
        for (; s <= t; s += VW) {
            vf x = (r->high[t] - vf_load(r->high + s)) + (r->low[t] - vf_load(r->low + s));
            vi there = lanes_before(t + 1, s);
            vf_store(to + s, vf_and(vf_exp2(vf_and(x, there)), there));
        }
        for (; s < C; s += VW) vf_store(to + s, vf_set1(0));
    }
}

// x[t][s] times decays[t][s], 0 from s = t + past on.
static void weigh_pairs(const chunk_room *r, float *x, int past) {
    for (int t = 0; t < C; t++) {
        const float *decays = r->decays + t * SQUARE_ROW;
        float *to = x + t * SQUARE_ROW;
        int s = 0;
        for (; s < t + past; s += VW)
            vf_store(to + s,
                     vf_and(vf_load(to + s) * vf_load(decays + s), lanes_before(t + past, s)));
        for (; s < C; s += VW) vf_store(to + s, vf_set1(0));
    }
}

// --- forward ------------------------------------------------------------------------------------

// held = K S
static void read_held(const kernel_chunk *j, const chunk_room *r) {
    multiply(&(matrix_product){.m = C,
                               .n = r->values,
                               .k = r->keys,
                               .c = r->held,
                               .c_row = r->value_row,
                               .a = r->k,
                               .a_m = r->key_row,
                               .a_k = 1,
                               .b = j->state,
                               .b_row = r->value_row});
}

// x[t][s] = q_t . k_s on and below the diagonal.
static void meet_keys(const chunk_room *r, const float *q, float *x, next_rows next) {
    multiply(&(matrix_product){.shape = RESULT_LOWER,
                               .m = C,
                               .n = C,
                               .k = r->keys,
                               .c = x,
                               .c_row = SQUARE_ROW,
                               .a = q,
                               .a_m = r->key_row,
                               .a_k = 1,
                               .b = r->kt,
                               .b_row = SQUARE_ROW,
                               .next = next});
}

// What the delta rule writes: v becomes v less what was held, and w solves (1 - solver) w = rate v
// with solver = -L = -rate pairs.
static void find_written(const kernel_chunk *j, const chunk_room *r) {
    read_held(j, r);
    meet_keys(r, r->k, r->pairs, (next_rows){0});
    weigh_pairs(r, r->pairs, 0);
    for (int t = 0; t < C; t++)
        for (int s = 0; s < C; s += VW)
            vf_store(r->solver + t * SQUARE_ROW + s,
                     vf_load(r->pairs + t * SQUARE_ROW + s) * -r->rate[t]);
    for (int t = 0; t < C; t++)
        for (int f = 0; f < r->values; f += VW) {
            const ptrdiff_t at = t * r->value_row + f;
            vf left = vf_fma(vf_load(r->held + at), vf_set1(-r->since[t]), vf_load(r->v + at));
            vf_store(r->v + at, left);
            vf_store(r->w + at, left * r->rate[t]);
        }
    solve(&(matrix_product){.n = r->values,
                            .c = r->w,
                            .c_row = r->value_row,
                            .a = r->solver,
                            .a_m = SQUARE_ROW,
                            .a_k = 1});
}

// All of a chunk but outputs and the state's move.
static void begin_chunk(const kernel_chunk *j, chunk_room *r, bool reads) {
    sum_decays(j, r);
    if (reads || j->replaces) pair_decays(r);
    if (reads) pack(j, j->q, j->key_row, j->n_key, j->scale, r->q, r->key_row);
    pack(j, j->k, j->key_row, j->n_key, 1, r->k, r->key_row);
    pack(j, j->v, j->value_row, j->n_value, 1, r->v, r->value_row);
    if (reads || j->replaces) transpose(r->k, r->key_row, C, r->keys, r->kt, SQUARE_ROW);
    if (j->replaces)
        find_written(j, r);
    else
        scale(r->v, r->rate, r->values, r->value_row, r->w);
    scale(r->k, r->until, r->keys, r->key_row, r->late);
    if (!reads) return;
    meet_keys(r, r->q, r->p, next_of(j, j->q, j->key_row, j->n_key));
    weigh_pairs(r, r->p, 1);
}

static void flush_rows(float *x, int rows, int width, ptrdiff_t row) {
    for (int i = 0; i < rows; i++)
        for (int f = 0; f < width; f += VW)
            vf_store(x + i * row + f, vf_flush(vf_load(x + i * row + f), FV_LEAST));
}

static void write_outputs(const kernel_chunk *j, const chunk_room *r) {
    multiply(&(matrix_product){.m = C,
                               .n = r->values,
                               .k = r->keys,
                               .c = r->y,
                               .c_row = r->value_row,
                               .a = r->q,
                               .a_m = r->key_row,
                               .a_k = 1,
                               .b = j->state,
                               .b_row = r->value_row,
                               .next = next_of(j, j->v, j->value_row, j->n_value)});
    multiply(&(matrix_product){.shape = LEFT_LOWER,
                               .m = C,
                               .n = r->values,
                               .k = C,
                               .c = r->y,
                               .c_row = r->value_row,
                               .a = r->p,
                               .a_m = SQUARE_ROW,
                               .a_k = 1,
                               .b = r->w,
                               .b_row = r->value_row,
                               .factor = r->since,
                               .factor_step = 1,
                               .next = next_of(j, j->y, j->value_row, j->n_value)});
    for (int t = 0; t < j->n; t++)
        memcpy(j->y + t * j->value_row, r->y + t * r->value_row,
               (size_t)j->n_value * sizeof(float));
}

void KERNEL(chunk)(const kernel_chunk *j) {
    chunk_room r = room_of(j);
    begin_chunk(j, &r, j->y != NULL);
    if (j->y) write_outputs(j, &r);
    multiply(&(matrix_product){.m = r.keys,
                               .n = r.values,
                               .k = C,
                               .c = j->state,
                               .c_row = r.value_row,
                               .a = r.late,
                               .a_m = 1,
                               .a_k = r.key_row,
                               .b = r.w,
                               .b_row = r.value_row,
                               .factor = &r.whole,
                               .next = next_of(j, j->k, j->key_row, j->n_key)});
    flush_rows(j->state, r.keys, r.values, r.value_row);
}

#include "kernels/body_chunk_gradient.h"
