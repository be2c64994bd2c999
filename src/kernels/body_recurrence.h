// Recurrences whose state is a matrix, on lanes (recurrence_kernels.h). A head's state is taken
// four columns at a time: with sixteen keys they and their gradients are 16 KiB, which stay in the
// first-level cache while the positions pass, and every key that is loaded meets four of them.
#include "kernels/simd_gates.h"

enum { COLUMNS = FV_RECURRENCE_COLUMNS, STEP_VECTORS = 4 };

INLINE float *at_row(kernel_rows rows, ptrdiff_t row, int feature, int part) {
    return rows.data + row * rows.stride + (ptrdiff_t)feature * L + part * VW;
}

// A head at one position, one part of its lanes, columns j and on.
typedef struct head_step {
    const float *k, *v, *decay;
    vf rate;
    ptrdiff_t row;
} head_step;

INLINE int first_key_of_head(const kernel_recurrence *a, int h) {
    return a->shared ? 0 : h * a->n_key;
}

INLINE head_step step_at(const kernel_recurrence *a, int g, int t, int h, int j, int part) {
    head_step s = {.row = (ptrdiff_t)g * a->n_rows + t, .rate = vf_set1(1)};
    s.k = at_row(a->k, s.row, first_key_of_head(a, h), part);
    s.v = at_row(a->v, s.row, h * a->n_value + j, part);
    if (a->n_decay > 0) s.decay = at_row(a->decay, s.row, h * a->n_decay, part);
    if (a->rate.data) s.rate = vf_load(at_row(a->rate, s.row, h, part));
    return s;
}

// Of number i of the key; `whole` is that of all.
INLINE vf decay_of(const kernel_recurrence *a, const head_step *s, int i, vf whole) {
    return a->n_decay > 1 ? vf_load(s->decay + (ptrdiff_t)i * L) : whole;
}
INLINE vf whole_decay(const kernel_recurrence *a, const head_step *s) {
    return a->n_decay > 0 ? vf_load(s->decay) : vf_set1(1);
}

// The state moves on; left[j] is v less what was held for the key.
INLINE void state_on(const kernel_recurrence *a, const head_step *s, int N, vf state[][COLUMNS],
                     vf *left) {
    const vf whole = whole_decay(a, s);
    vf added[COLUMNS];
    UNROLL for (int j = 0; j < N; j++) left[j] = vf_load(s->v + j * L);
    if (a->replaces) {
        vf held[COLUMNS];
        UNROLL for (int j = 0; j < N; j++) held[j] = vf_set1(0);
        for (int i = 0; i < a->n_key; i++) {
            vf key = vf_load(s->k + (ptrdiff_t)i * L), decay = decay_of(a, s, i, whole);
            UNROLL for (int j = 0; j < N; j++) held[j] = vf_fma(key, state[i][j] * decay, held[j]);
        }
        UNROLL for (int j = 0; j < N; j++) left[j] -= held[j];
    }
    UNROLL for (int j = 0; j < N; j++) added[j] = s->rate * left[j];
    for (int i = 0; i < a->n_key; i++) {
        vf key = vf_load(s->k + (ptrdiff_t)i * L), decay = decay_of(a, s, i, whole);
        UNROLL for (int j = 0; j < N; j++) state[i][j] =
            vf_flush(vf_fma(key, added[j], state[i][j] * decay), FV_LEAST);
    }
}

INLINE void state_out(const kernel_recurrence *a, const head_step *s, ptrdiff_t out, int h, int j,
                      int part, int N, vf state[][COLUMNS]) {
    const float *q = at_row(a->q, out, first_key_of_head(a, h), part);
    float *y = at_row(a->y, out, h * a->n_value + j, part);
    vf sum[COLUMNS];
    UNROLL for (int c = 0; c < N; c++) sum[c] = vf_set1(0);
    for (int i = 0; i < a->n_key; i++) {
        vf query = vf_load(q + (ptrdiff_t)i * L);
        UNROLL for (int c = 0; c < N; c++) sum[c] = vf_fma(query, state[i][c], sum[c]);
    }
    const vf skip = vf_set1(a->skip ? a->skip[h] : 0);
    UNROLL for (int c = 0; c < N; c++) {
        vf scaled = sum[c] * a->scale;
        vf_store(y + c * L, a->skip ? vf_fma(skip, vf_load(s->v + c * L), scaled) : scaled);
    }
}

INLINE void recurrence_columns(const kernel_recurrence *a, int g, int h, int part, int j, int N) {
    vf state[FV_RECURRENCE_MAX_KEY][COLUMNS], left[COLUMNS];
    for (int i = 0; i < a->n_key; i++) UNROLL for (int c = 0; c < N; c++) state[i][c] = vf_set1(0);
    for (int t = 0, o = 0; t < a->n_rows && o < a->n_outputs; t++) {
        head_step s = step_at(a, g, t, h, j, part);
        state_on(a, &s, N, state, left);
        if (a->rows[o] == t)
            state_out(a, &s, (ptrdiff_t)g * a->n_outputs + o++, h, j, part, N, state);
    }
}

void KERNEL(recurrence)(const kernel_recurrence *a) {
    for (int g = 0; g < a->n_groups; g++)
        for (int h = 0; h < a->n_heads; h++)
            for (int part = 0; part < PARTS; part++) {
                int j = 0;
                for (; j + COLUMNS <= a->n_value; j += COLUMNS)
                    recurrence_columns(a, g, h, part, j, COLUMNS);
                for (; j < a->n_value; j++) recurrence_columns(a, g, h, part, j, 1);
            }
}

// --- back ----------------------------------------------------------------------------------------

// Of position t, number i of the key and column j: data + ((t (K + 1) + i) COLUMNS + j) 16. At i =
// K stands what was left.
INLINE float *kept_at(const kernel_recurrence_gradient *b, int t, int i, int part) {
    ptrdiff_t row = (ptrdiff_t)t * (b->forward.n_key + 1) + i;
    return b->scratch + row * FV_RECURRENCE_SCRATCH + part * VW;
}

INLINE void keep_states(const kernel_recurrence_gradient *b, int g, int h, int part, int j, int N) {
    const kernel_recurrence *a = &b->forward;
    vf state[FV_RECURRENCE_MAX_KEY][COLUMNS], left[COLUMNS];
    for (int i = 0; i < a->n_key; i++) UNROLL for (int c = 0; c < N; c++) state[i][c] = vf_set1(0);
    for (int t = 0; t < a->n_rows; t++) {
        head_step s = step_at(a, g, t, h, j, part);
        state_on(a, &s, N, state, left);
        for (int i = 0; i < a->n_key; i++)
            UNROLL for (int c = 0; c < N; c++)
                vf_store(kept_at(b, t, i, part) + c * L, state[i][c]);
        UNROLL for (int c = 0; c < N; c++) vf_store(kept_at(b, t, a->n_key, part) + c * L, left[c]);
    }
}

INLINE void add_to(float *p, vf x) {
    vf_store(p, vf_load(p) + x);
}

// What an output hands back to the states, to its query and past them; returns its share of dskip.
INLINE vf output_back(const kernel_recurrence_gradient *b, const head_step *s, int t, ptrdiff_t out,
                      int h, int j, int part, int N, vf dstate[][COLUMNS]) {
    const kernel_recurrence *a = &b->forward;
    const float *q = at_row(a->q, out, first_key_of_head(a, h), part);
    float *dq = at_row(b->dq, out, first_key_of_head(a, h), part);
    const float *dy = at_row(b->dy, out, h * a->n_value + j, part);
    float *dv = at_row(b->dv, s->row, h * a->n_value + j, part);
    vf back[COLUMNS], dskip = vf_set1(0);
    UNROLL for (int c = 0; c < N; c++) {
        vf d = vf_load(dy + c * L);
        back[c] = d * a->scale;
        if (a->skip == NULL) continue;
        add_to(dv + c * L, d * a->skip[h]);
        dskip = vf_fma(d, vf_load(s->v + c * L), dskip);
    }
    for (int i = 0; i < a->n_key; i++) {
        const float *state = kept_at(b, t, i, part);
        vf query = vf_load(q + (ptrdiff_t)i * L), dquery = vf_load(dq + (ptrdiff_t)i * L);
        UNROLL for (int c = 0; c < N; c++) {
            dstate[i][c] = vf_fma(query, back[c], dstate[i][c]);
            dquery = vf_fma(vf_load(state + c * L), back[c], dquery);
        }
        vf_store(dq + (ptrdiff_t)i * L, dquery);
    }
    return dskip;
}

// Through what was added to the state: to v, the rate and the key. dheld[c] is left for what was
// held.
INLINE void added_back(const kernel_recurrence_gradient *b, const head_step *s, int t, int h, int j,
                       int part, int N, vf dstate[][COLUMNS], vf *dheld) {
    const kernel_recurrence *a = &b->forward;
    float *dk = at_row(b->dk, s->row, first_key_of_head(a, h), part);
    float *dv = at_row(b->dv, s->row, h * a->n_value + j, part);
    const float *left = kept_at(b, t, a->n_key, part);
    vf added[COLUMNS], dadded[COLUMNS], drate = vf_set1(0);
    UNROLL for (int c = 0; c < N; c++) {
        added[c] = s->rate * vf_load(left + c * L);
        dadded[c] = vf_set1(0);
    }
    for (int i = 0; i < a->n_key; i++) {
        vf key = vf_load(s->k + (ptrdiff_t)i * L), dkey = vf_load(dk + (ptrdiff_t)i * L);
        UNROLL for (int c = 0; c < N; c++) {
            dadded[c] = vf_fma(key, dstate[i][c], dadded[c]);
            dkey = vf_fma(added[c], dstate[i][c], dkey);
        }
        vf_store(dk + (ptrdiff_t)i * L, dkey);
    }
    UNROLL for (int c = 0; c < N; c++) {
        vf back = s->rate * dadded[c];
        add_to(dv + c * L, back);
        drate = vf_fma(vf_load(left + c * L), dadded[c], drate);
        dheld[c] = -back;
    }
    if (a->rate.data) add_to(at_row(b->drate, s->row, h, part), drate);
}

// From the states at t, before anything was added to them, to those of t - 1.
INLINE void decay_back(const kernel_recurrence_gradient *b, const head_step *s, int t, int h,
                       int part, int N, vf dstate[][COLUMNS], const vf *dheld) {
    const kernel_recurrence *a = &b->forward;
    float *dk = at_row(b->dk, s->row, first_key_of_head(a, h), part);
    float *ddecay = a->n_decay > 0 ? at_row(b->ddecay, s->row, h * a->n_decay, part) : NULL;
    const vf whole = whole_decay(a, s);
    vf dwhole = vf_set1(0);
    for (int i = 0; i < a->n_key; i++) {
        vf key = vf_load(s->k + (ptrdiff_t)i * L), decay = decay_of(a, s, i, whole),
           of_decay = vf_set1(0);
        vf dkey = vf_load(dk + (ptrdiff_t)i * L);
        UNROLL for (int c = 0; c < N; c++) {
            vf before = t > 0 ? vf_load(kept_at(b, t - 1, i, part) + c * L) : vf_set1(0);
            vf back = dstate[i][c];
            if (a->replaces) {
                back = vf_fma(dheld[c], key, back);
                dkey = vf_fma(dheld[c], before * decay, dkey);
            }
            of_decay = vf_fma(back, before, of_decay);
            dstate[i][c] = vf_flush(back * decay, FV_LEAST);
        }
        if (a->replaces) vf_store(dk + (ptrdiff_t)i * L, dkey);
        if (a->n_decay > 1) add_to(ddecay + (ptrdiff_t)i * L, of_decay);
        dwhole += of_decay;
    }
    if (a->n_decay == 1) add_to(ddecay, dwhole);
}

// Returns the columns' share of dskip.
INLINE vf columns_back(const kernel_recurrence_gradient *b, int g, int h, int part, int j, int N) {
    const kernel_recurrence *a = &b->forward;
    vf dstate[FV_RECURRENCE_MAX_KEY][COLUMNS], dheld[COLUMNS], dskip = vf_set1(0);
    keep_states(b, g, h, part, j, N);
    for (int i = 0; i < a->n_key; i++) UNROLL for (int c = 0; c < N; c++) dstate[i][c] = vf_set1(0);
    for (int t = a->n_rows - 1, o = a->n_outputs - 1; t >= 0; t--) {
        head_step s = step_at(a, g, t, h, j, part);
        if (o >= 0 && a->rows[o] == t)
            dskip +=
                output_back(b, &s, t, (ptrdiff_t)g * a->n_outputs + o--, h, j, part, N, dstate);
        added_back(b, &s, t, h, j, part, N, dstate, dheld);
        decay_back(b, &s, t, h, part, N, dstate, dheld);
    }
    return dskip;
}

static void clear_features(kernel_rows rows, ptrdiff_t n_rows, int n_features) {
    for (ptrdiff_t r = 0; r < n_rows && rows.data; r++)
        memset(rows.data + r * rows.stride, 0, (size_t)n_features * L * sizeof *rows.data);
}

static void head_back(const kernel_recurrence_gradient *b, int h) {
    const kernel_recurrence *a = &b->forward;
    vf dskip[16][PARTS];
    float sum[16];
    memset(dskip, 0, sizeof dskip);
    for (int g = 0; g < a->n_groups; g++)
        for (int part = 0; part < PARTS; part++) {
            int j = 0;
            for (; j + COLUMNS <= a->n_value; j += COLUMNS)
                dskip[0][part] += columns_back(b, g, h, part, j, COLUMNS);
            for (; j < a->n_value; j++) dskip[0][part] += columns_back(b, g, h, part, j, 1);
        }
    if (a->skip == NULL) return;
    reduce16(dskip, sum);
    b->dskip[h] += sum[0];
}

void KERNEL(recurrence_gradient)(const kernel_recurrence_gradient *b) {
    const kernel_recurrence *a = &b->forward;
    const ptrdiff_t n_in = (ptrdiff_t)a->n_groups * a->n_rows;
    const int keys = (a->shared ? 1 : a->n_heads) * a->n_key;
    clear_features(b->dq, (ptrdiff_t)a->n_groups * a->n_outputs, keys);
    clear_features(b->dk, n_in, keys);
    clear_features(b->dv, n_in, a->n_heads * a->n_value);
    clear_features(b->ddecay, n_in, a->n_heads * a->n_decay);
    clear_features(b->drate, n_in, a->n_heads);
    for (int h = 0; h < a->n_heads; h++) head_back(b, h);
}

// --- one step of one sequence ---------------------------------------------------------------------

// N vectors of columns from `first` on. Rows of several cache lines come from memory in one and a
// half times the time of a stream, strips of one line each in two and a half times.
INLINE void step_columns(const kernel_state_step *a, int first, int N) {
    const float whole = a->n_decay > 0 ? a->decay[0] : 1;
    vf held[STEP_VECTORS], sum[STEP_VECTORS], added[STEP_VECTORS];
    UNROLL for (int p = 0; p < N; p++) held[p] = sum[p] = vf_set1(0);
    float *state = a->state + first;
    for (int i = 0; i < a->n_key && a->replaces; i++) {
        vf decay = vf_set1(a->n_decay > 1 ? a->decay[i] : whole), key = vf_set1(a->k[i]);
        UNROLL for (int p = 0; p < N; p++) held[p] =
            vf_fma(key, vf_load(state + (ptrdiff_t)i * a->n_columns + p * VW) * decay, held[p]);
    }
    UNROLL for (int p = 0; p < N; p++) added[p] =
        (vf_load(a->v + first + p * VW) - held[p]) * a->rate;
    for (int i = 0; i < a->n_key; i++) {
        vf decay = vf_set1(a->n_decay > 1 ? a->decay[i] : whole), key = vf_set1(a->k[i]);
        vf query = vf_set1(a->q ? a->q[i] : 0);
        UNROLL for (int p = 0; p < N; p++) {
            float *s = state + (ptrdiff_t)i * a->n_columns + p * VW;
            vf now = vf_flush(vf_fma(key, added[p], vf_load(s) * decay), FV_LEAST);
            vf_store(s, now);
            sum[p] = vf_fma(query, now, sum[p]);
        }
    }
    if (a->q == NULL) return;
    UNROLL for (int p = 0; p < N; p++) vf_store(a->y + first + p * VW, sum[p]);
}

// Row by row, for a state that comes from memory and is passed once: one stream of neighbours,
// whose sums are in the first-level cache. It is at 0.8 of the rate of a plain stream where strips
// are at 0.63; two or four rows at a time, which caches like better, are no faster than strips.
static void step_rows(const kernel_state_step *a) {
    float *const added = a->room, *const y = added + a->n_columns;
    const ptrdiff_t row = a->n_columns;
    memset(y, 0, (size_t)row * sizeof *y);
    for (int f = 0; f < row; f += VW) vf_store(added + f, vf_load(a->v + f) * a->rate);
    for (int i = 0; i < a->n_key; i++) {
        vf decay = vf_set1(a->n_decay == 0 ? 1 : a->decay[a->n_decay > 1 ? i : 0]);
        vf key = vf_set1(a->k[i]), query = vf_set1(a->q ? a->q[i] : 0);
        float *s = a->state + i * row;
        for (int f = 0; f < row; f += VW) {
            vf now = vf_fma(key, vf_load(added + f), vf_load(s + f) * decay);
            vf_store(s + f, now = vf_flush(now, FV_LEAST));
            vf_store(y + f, vf_fma(query, now, vf_load(y + f)));
        }
    }
    if (a->q) memcpy(a->y, y, (size_t)row * sizeof *y);
}

static void step_strip(const kernel_state_step *a, int first) {
    step_columns(a, first, STEP_VECTORS);
}
static void step_lanes(const kernel_state_step *a, int first) {
    step_columns(a, first, PARTS);
}

void KERNEL(state_step)(const kernel_state_step *a) {
    int j = 0;
    if (a->room && !a->replaces) {
        step_rows(a);
        return;
    }
    for (; j + STEP_VECTORS * VW <= a->n_columns; j += STEP_VECTORS * VW) step_strip(a, j);
    for (; j < a->n_columns; j += L) step_lanes(a, j);
}

// --- steps, decays and ratios ----------------------------------------------------------------------

INLINE vf before_softplus(const kernel_decay *a, ptrdiff_t r, int f, int part) {
    vf x = vf_load(at_row(a->x, r, f, part));
    return (a->negative ? -x : x) + (a->bias ? a->bias[f] : 0);
}

void KERNEL(decay)(const kernel_decay *a) {
    for (ptrdiff_t r = 0; r < a->n_rows; r++)
        for (int f = 0; f < a->n_features; f++)
            for (int part = 0; part < PARTS; part++) {
                vf step = vf_softplus(before_softplus(a, r, f, part));
                vf_store(at_row(a->step, r, f, part), step);
                vf_store(at_row(a->decay, r, f, part), vf_exp_share(step * a->factor[f]));
            }
}

INLINE void decay_feature_back(const kernel_decay_gradient *b, int f, vf *dfactor, vf *dbias) {
    const kernel_decay *a = &b->forward;
    for (ptrdiff_t r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            vf ddecay =
                vf_load(at_row(b->ddecay, r, f, part)) * vf_load(at_row(a->decay, r, f, part));
            vf dstep = ddecay * a->factor[f];
            if (b->dstep.data) dstep += vf_load(at_row(b->dstep, r, f, part));
            vf d = vf_flush(dstep * vf_sigmoid(before_softplus(a, r, f, part)), FV_LEAST);
            vf_store(at_row(b->dx, r, f, part), a->negative ? -d : d);
            dfactor[part] = vf_fma(ddecay, vf_load(at_row(a->step, r, f, part)), dfactor[part]);
            dbias[part] += d;
        }
}

void KERNEL(decay_gradient)(const kernel_decay_gradient *b) {
    const kernel_decay *a = &b->forward;
    for (int f = 0; f < a->n_features; f++) {
        vf sums[16][PARTS];
        float sum[16];
        memset(sums, 0, sizeof sums);
        decay_feature_back(b, f, sums[0], sums[1]);
        reduce16(sums, sum);
        if (b->dfactor) b->dfactor[f] += sum[0];
        if (b->dbias) b->dbias[f] += sum[1];
    }
}

void KERNEL(ratio)(const kernel_ratio *a) {
    for (ptrdiff_t r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            vf inverse = 1.0f / (vf_load(at_row(a->x, r, a->n_features, part)) + FV_RATIO_LEAST);
            for (int f = 0; f < a->n_features; f++)
                vf_store(at_row(a->y, r, f, part), vf_load(at_row(a->x, r, f, part)) * inverse);
        }
}

void KERNEL(ratio_gradient)(const kernel_ratio_gradient *b) {
    const kernel_ratio *a = &b->forward;
    for (ptrdiff_t r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            vf inverse = 1.0f / (vf_load(at_row(a->x, r, a->n_features, part)) + FV_RATIO_LEAST);
            vf sum = vf_set1(0);
            for (int f = 0; f < a->n_features; f++) {
                vf d = vf_load(at_row(b->dy, r, f, part)) * inverse;
                vf_store(at_row(b->dx, r, f, part), d);
                sum = vf_fma(d, vf_load(at_row(a->y, r, f, part)), sum);
            }
            vf_store(at_row(b->dx, r, a->n_features, part), -sum);
        }
}
