// The two operations of a Mamba layer that run along the sequence. A channel's state stays in
// registers while the positions pass: eight of its numbers at a time, so that the recurrence, four
// cycles long, has eight independent chains and an exponential beside each.
#include "kernels/simd_gates.h"

// --- the convolution ---------------------------------------------------------------------------

// Before SiLU, at position t; x points at feature f of position 0.
INLINE vf conv_at(const kernel_conv *a, const float *x, int f, int t) {
    const float *w = a->w + (ptrdiff_t)f * a->width;
    vf sum = vf_set1(a->b ? a->b[f] : 0);
    for (int k = a->width - 1 - t > 0 ? a->width - 1 - t : 0; k < a->width; k++)
        sum = vf_fma(vf_load(x + (ptrdiff_t)(t - a->width + 1 + k) * a->n_features * L),
                     vf_set1(w[k]), sum);
    return sum;
}

void KERNEL(conv)(const kernel_conv *a) {
    ptrdiff_t row = (ptrdiff_t)a->n_features * L;
    for (int g = 0; g < a->n_groups; g++)
        for (int f = 0; f < a->n_features; f++)
            for (int part = 0; part < PARTS; part++) {
                ptrdiff_t first = g * a->n_rows * row + f * L + part * VW;
                for (int t = 0; t < a->n_rows; t++) {
                    vf y = conv_at(a, a->x + first, f, t);
                    vf_store(a->y + first + t * row, a->plain ? y : y * vf_sigmoid(y));
                }
            }
}

// One feature of one group: dy becomes the gradient before SiLU, then dx and the weights' sums.
INLINE void conv_feature_gradient(const kernel_conv_gradient *b, ptrdiff_t first, int f, int part,
                                  vf dw[][PARTS], vf *db) {
    const kernel_conv *a = &b->forward;
    ptrdiff_t row = (ptrdiff_t)a->n_features * L;
    const float *x = a->x + first, *w = a->w + (ptrdiff_t)f * a->width;
    float *dy = b->dy + first, *dx = b->dx + first;
    for (int t = 0; t < a->n_rows; t++) {
        vf slope = vf_load(dy + t * row);
        if (!a->plain) slope *= vf_silu_slope(conv_at(a, x, f, t));
        vf_store(dy + t * row, slope);
        *db += slope;
    }
    for (int k = 0; k < a->width; k++) // tap k reads `back` positions earlier
        for (int t = a->width - 1 - k; t < a->n_rows; t++)
            dw[k][part] = vf_fma(vf_load(dy + t * row),
                                 vf_load(x + (ptrdiff_t)(t - a->width + 1 + k) * row), dw[k][part]);
    for (int t = 0; t < a->n_rows; t++) {
        vf sum = vf_set1(0);
        for (int k = a->width - 1; k >= 0 && t + a->width - 1 - k < a->n_rows; k--)
            sum = vf_fma(vf_load(dy + (ptrdiff_t)(t + a->width - 1 - k) * row), vf_set1(w[k]), sum);
        vf_store(dx + t * row, sum);
    }
}

void KERNEL(conv_gradient)(const kernel_conv_gradient *b) {
    const kernel_conv *a = &b->forward;
    for (int f = 0; f < a->n_features; f++) {
        vf dw[16][PARTS], db[16][PARTS];
        float sum[16];
        memset(dw, 0, sizeof dw);
        memset(db, 0, sizeof db);
        for (int g = 0; g < a->n_groups; g++)
            for (int part = 0; part < PARTS; part++)
                conv_feature_gradient(
                    b, ((ptrdiff_t)g * a->n_rows * a->n_features + f) * L + part * VW, f, part, dw,
                    &db[0][part]);
        reduce16(dw, sum);
        for (int k = 0; k < a->width; k++) b->dw[(ptrdiff_t)f * a->width + k] += sum[k];
        reduce16(db, sum);
        if (b->db) b->db[f] += sum[0];
    }
}

// --- the scan ----------------------------------------------------------------------------------

enum { SCAN_BLOCK = 8 }; // numbers of a state in registers

// One channel of one group, VW of its lanes. Rows of u, raw, delta lie `row` floats apart, and so
// do those of z, sum and y, which exist at the outputs only.
typedef struct scan_lanes {
    const float *u, *raw, *z, *a, *b, *c;
    float *delta, *sum, *y;
    ptrdiff_t row;
} scan_lanes;

INLINE scan_lanes scan_lanes_of(const kernel_scan *s, int g, int f, int part) {
    ptrdiff_t row = (ptrdiff_t)s->n_channels * L, lane = f * (ptrdiff_t)L + part * VW;
    ptrdiff_t in = g * s->n_rows * row + lane, out = g * s->n_outputs * row + lane;
    return (scan_lanes){.u = s->u + in,
                        .raw = s->raw + in,
                        .z = s->z + out,
                        .a = s->a + (ptrdiff_t)f * s->n_state,
                        .b = s->b.data + (ptrdiff_t)g * s->n_rows * s->b.stride + part * VW,
                        .c = s->c + (ptrdiff_t)g * s->n_outputs * s->n_state * L + part * VW,
                        .delta = s->delta + in,
                        .sum = s->sum + out,
                        .y = s->y + out,
                        .row = row};
}

INLINE bool is_output(const kernel_scan *s, int o, int t) {
    return o >= 0 && o < s->n_outputs && s->rows[o] == t;
}

// States n .. n + N - 1 over all positions. Either adds them to the sums at the outputs, or keeps
// them, with the decays that led to them: [rows][2][SCAN_BLOCK][16].
INLINE void scan_states(const kernel_scan *s, const scan_lanes *p, int n, int N, float *kept) {
    vf h[SCAN_BLOCK], a[SCAN_BLOCK];
    UNROLL for (int j = 0; j < N; j++) h[j] = vf_set1(0), a[j] = vf_set1(p->a[n + j]);
    for (int t = 0, o = 0; t < s->n_rows; t++) {
        vf delta = vf_load(p->delta + t * p->row), drive = delta * vf_load(p->u + t * p->row);
        const float *b = p->b + t * s->b.stride + n * L;
        UNROLL for (int j = 0; j < N; j++) {
            vf decay = vf_exp_share(delta * a[j]);
            h[j] = vf_flush(vf_fma(decay, h[j], drive * vf_load(b + j * L)), FV_LEAST);
            if (kept) {
                vf_store(kept + (ptrdiff_t)(2 * t * SCAN_BLOCK + j) * L, h[j]);
                vf_store(kept + (ptrdiff_t)((2 * t + 1) * SCAN_BLOCK + j) * L, decay);
            }
        }
        if (kept || !is_output(s, o, t)) continue;
        const float *c = p->c + ((ptrdiff_t)o * s->n_state + n) * L;
        vf sum = vf_load(p->sum + o * p->row);
        UNROLL for (int j = 0; j < N; j++) sum = vf_fma(h[j], vf_load(c + j * L), sum);
        vf_store(p->sum + o++ * p->row, sum);
    }
}

static void scan_channel(const kernel_scan *s, const scan_lanes *p, int f) {
    for (int t = 0; t < s->n_rows; t++)
        vf_store(p->delta + t * p->row, vf_softplus(vf_load(p->raw + t * p->row) + s->bias[f]));
    for (int o = 0; o < s->n_outputs; o++)
        vf_store(p->sum + o * p->row, vf_load(p->u + s->rows[o] * p->row) * s->skip[f]);
    int n = 0;
    for (; n + SCAN_BLOCK <= s->n_state; n += SCAN_BLOCK) scan_states(s, p, n, SCAN_BLOCK, NULL);
    for (; n < s->n_state; n++) scan_states(s, p, n, 1, NULL);
    for (int o = 0; o < s->n_outputs; o++) {
        vf z = vf_load(p->z + o * p->row);
        vf_store(p->y + o * p->row, vf_load(p->sum + o * p->row) * (z * vf_sigmoid(z)));
    }
}

void KERNEL(scan)(const kernel_scan *s) {
    for (int g = 0; g < s->n_groups; g++)
        for (int f = 0; f < s->n_channels; f++)
            for (int part = 0; part < PARTS; part++) {
                scan_lanes p = scan_lanes_of(s, g, f, part);
                scan_channel(s, &p, f);
            }
}

// The same lanes of the gradients.
typedef struct scan_slopes {
    const float *dy;
    float *du, *draw, *dz, *db, *dc, *kept;
} scan_slopes;

INLINE scan_slopes scan_slopes_of(const kernel_scan_gradient *b, int g, int f, int part) {
    const kernel_scan *s = &b->forward;
    ptrdiff_t row = (ptrdiff_t)s->n_channels * L, lane = f * (ptrdiff_t)L + part * VW;
    ptrdiff_t in = g * s->n_rows * row + lane, out = g * s->n_outputs * row + lane;
    return (scan_slopes){.dy = b->dy + out,
                         .du = b->du + in,
                         .draw = b->draw + in,
                         .dz = b->dz + out,
                         .db = b->db.data + (ptrdiff_t)g * s->n_rows * b->db.stride + part * VW,
                         .dc = b->dc + (ptrdiff_t)g * s->n_outputs * s->n_state * L + part * VW,
                         .kept = b->scratch + part * VW};
}

// Back through states n .. n + N - 1. On the way du gathers the gradient of delta u, draw that of
// delta through the decays; dz holds the gradient of the sums.
INLINE void scan_states_gradient(const kernel_scan_gradient *b, const scan_lanes *p,
                                 const scan_slopes *q, int n, int N, int part, vf da[][PARTS]) {
    const kernel_scan *s = &b->forward;
    vf dh[SCAN_BLOCK], a[SCAN_BLOCK], da_block[SCAN_BLOCK];
    UNROLL for (int j = 0; j < N; j++) {
        dh[j] = da_block[j] = vf_set1(0);
        a[j] = vf_set1(p->a[n + j]);
    }
    for (int t = s->n_rows - 1, o = s->n_outputs - 1; t >= 0; t--) {
        const float *state = q->kept + (ptrdiff_t)2 * t * SCAN_BLOCK * L;
        if (is_output(s, o, t)) {
            vf dsum = vf_load(q->dz + o * p->row);
            ptrdiff_t first = ((ptrdiff_t)o-- * s->n_state + n) * L;
            UNROLL for (int j = 0; j < N; j++) {
                float *dc = q->dc + first + j * L;
                dh[j] = vf_fma(dsum, vf_load(p->c + first + j * L), dh[j]);
                vf_store(dc, vf_fma(dsum, vf_load(state + j * L), vf_load(dc)));
            }
        }
        vf delta = vf_load(p->delta + t * p->row), drive = delta * vf_load(p->u + t * p->row);
        vf ddrive = vf_load(q->du + t * p->row), ddelta = vf_load(q->draw + t * p->row);
        const float *bt = p->b + t * s->b.stride + n * L;
        float *db = q->db + t * b->db.stride + n * L;
        UNROLL for (int j = 0; j < N; j++) {
            vf back = vf_flush(dh[j] * vf_load(state + (SCAN_BLOCK + j) * L), FV_LEAST);
            vf before = t > 0 ? vf_load(state + (j - 2 * SCAN_BLOCK) * L) : vf_set1(0);
            vf slope = back * before; // of delta a
            vf_store(db + j * L, vf_fma(dh[j], drive, vf_load(db + j * L)));
            ddrive = vf_fma(dh[j], vf_load(bt + j * L), ddrive);
            ddelta = vf_fma(slope, a[j], ddelta);
            da_block[j] = vf_fma(slope, delta, da_block[j]);
            dh[j] = back;
        }
        vf_store(q->du + t * p->row, ddrive);
        vf_store(q->draw + t * p->row, ddelta);
    }
    UNROLL for (int j = 0; j < N; j++) da[n + j][part] += da_block[j];
}

static void scan_block_gradient(const kernel_scan_gradient *b, const scan_lanes *p,
                                const scan_slopes *q, int n, int part, vf da[][PARTS]) {
    scan_states(&b->forward, p, n, SCAN_BLOCK, q->kept);
    scan_states_gradient(b, p, q, n, SCAN_BLOCK, part, da);
}

static void scan_state_gradient(const kernel_scan_gradient *b, const scan_lanes *p,
                                const scan_slopes *q, int n, int part, vf da[][PARTS]) {
    scan_states(&b->forward, p, n, 1, q->kept);
    scan_states_gradient(b, p, q, n, 1, part, da);
}

static void scan_channel_gradient(const kernel_scan_gradient *b, int g, int f, int part,
                                  vf da[][PARTS], vf *dskip) {
    const kernel_scan *s = &b->forward;
    scan_lanes p = scan_lanes_of(s, g, f, part);
    scan_slopes q = scan_slopes_of(b, g, f, part);
    for (int o = 0; o < s->n_outputs; o++) {
        vf z = vf_load(p.z + o * p.row);
        vf_store(q.dz + o * p.row, vf_load(q.dy + o * p.row) * (z * vf_sigmoid(z)));
    }
    for (int t = 0; t < s->n_rows; t++) {
        vf_store(q.du + t * p.row, vf_set1(0));
        vf_store(q.draw + t * p.row, vf_set1(0));
    }
    int n = 0;
    for (; n + SCAN_BLOCK <= s->n_state; n += SCAN_BLOCK)
        scan_block_gradient(b, &p, &q, n, part, da);
    for (; n < s->n_state; n++) scan_state_gradient(b, &p, &q, n, part, da);
    for (int t = 0, o = 0; t < s->n_rows; t++) {
        vf u = vf_load(p.u + t * p.row), ddrive = vf_load(q.du + t * p.row);
        vf ddelta = vf_fma(ddrive, u, vf_load(q.draw + t * p.row));
        vf du = ddrive * vf_load(p.delta + t * p.row);
        if (is_output(s, o, t)) {
            vf dsum = vf_load(q.dz + o * p.row);
            du = vf_fma(dsum, vf_set1(s->skip[f]), du);
            *dskip = vf_fma(dsum, u, *dskip);
            vf slope = vf_silu_slope(vf_load(p.z + o * p.row));
            vf_store(q.dz + o * p.row,
                     vf_load(q.dy + o * p.row) * vf_load(p.sum + o * p.row) * slope);
            o++;
        }
        vf_store(q.du + t * p.row, du);
        vf_store(q.draw + t * p.row, ddelta * vf_sigmoid(vf_load(p.raw + t * p.row) + s->bias[f]));
    }
}

void KERNEL(scan_gradient)(const kernel_scan_gradient *b) {
    const kernel_scan *s = &b->forward;
    for (int r = 0; r < s->n_groups * s->n_rows; r++)
        memset(b->db.data + r * b->db.stride, 0, (size_t)s->n_state * L * sizeof(float));
    memset(b->dc, 0,
           (size_t)s->n_groups * (size_t)s->n_outputs * (size_t)s->n_state * L * sizeof(float));
    for (int f = 0; f < s->n_channels; f++) {
        vf da[FV_SCAN_MAX_STATE][PARTS], dskip[16][PARTS];
        float sum[16];
        memset(da, 0, sizeof da);
        memset(dskip, 0, sizeof dskip);
        for (int g = 0; g < s->n_groups; g++)
            for (int part = 0; part < PARTS; part++)
                scan_channel_gradient(b, g, f, part, da, &dskip[0][part]);
        for (int n = 0; n < s->n_state; n += 16) {
            int width = s->n_state - n < 16 ? s->n_state - n : 16;
            reduce16(da + n, sum);
            for (int j = 0; j < width; j++) b->da[(ptrdiff_t)f * s->n_state + n + j] += sum[j];
        }
        reduce16(dskip, sum);
        b->dskip[f] += sum[0];
    }
}
