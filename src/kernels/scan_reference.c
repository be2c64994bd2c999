// The long scan as its definition says it, channel by channel: never optimised, never deleted.

#ifndef FOVEA_DOUBLE
#define VARIANT reference
#include "kernels/variants.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { W = FV_SCAN_BLOCK, ROW = FV_SCAN_ROW };

static float sigmoid(float x) {
    return x > 0 ? 1 / (1 + expf(-x)) : kernel_exp_share(x) / (1 + kernel_exp_share(x));
}

static float softplus(float x) {
    return (x <= 0 ? 0 : x) + log1pf(kernel_exp_share(x > 0 ? -x : x));
}

// The state h after a step; log_decay in units of log 2.
static float next_state(float log_decay, float h, float drive) {
    return kernel_flush(kernel_exp2_share(log_decay) * h + drive, FV_LEAST);
}

static void forward_channel(const kernel_scan_chunk *s, int i) {
    for (int t = 0; t < s->n; t++) {
        float raw = s->delta[t * s->row + i] + s->bias[i], u = s->u[t * s->row + i];
        float step = s->softplus ? softplus(raw) : raw;
        float drive = s->correction ? 0 : step * u, sum = s->correction ? 0 : s->skip[i] * u;
        for (int n = 0; n < s->n_state; n++) {
            float *h = &s->state[n * W + i];
            *h = next_state(step * s->a[n * W + i], *h, drive * s->b[t * s->n_state + n]);
            sum += *h * s->c[t * s->n_state + n];
        }
        s->step[t * ROW + i] = step;
        s->drive[t * ROW + i] = drive;
        s->sum[t * ROW + i] = sum;
        if (s->total) s->total[i] += step;
        if (s->y == NULL) continue;
        float z = s->z ? s->z[t * s->row + i] : 0, y = s->z ? sum * z * sigmoid(z) : sum;
        s->y[t * s->row + i] = y + (s->correction ? s->y[t * s->row + i] : 0);
    }
}

void KERNEL(long_scan)(const kernel_scan_chunk *s) {
    for (int i = 0; i < s->width; i++) forward_channel(s, i);
}

// Number n of channel i's state: forward once more, then back. Fills dstep and ddrive up to factors
// that are the same for the whole state.
static void backward_state(const scan_chunk_gradient *b, int i, int n) {
    const kernel_scan_chunk *s = &b->forward;
    float *kept = b->kept, a = s->a[n * W + i]; // h before each position
    for (int t = 0; t < s->n; t++) {
        kept[t] = s->state[n * W + i];
        s->state[n * W + i] = next_state(s->step[t * ROW + i] * a, kept[t],
                                         s->drive[t * ROW + i] * s->b[t * s->n_state + n]);
    }
    float after = s->state[n * W + i], dh = b->dstate[n * W + i];
    for (int t = s->n - 1; t >= 0; t--) {
        int at = t * s->n_state + n;
        float decay = kernel_exp2_share(s->step[t * ROW + i] * a), dsum = b->dsum[t * ROW + i];
        b->dc[at] += dsum * after;
        dh += dsum * s->c[at];
        b->db[at] += dh * s->drive[t * ROW + i];
        b->ddrive[t * ROW + i] += dh * s->b[at];
        dh = kernel_flush(dh * decay, FV_LEAST);
        b->dstep[t * ROW + i] += dh * kept[t] * a * 0.693147181f;
        b->da[n * W + i] += dh * kept[t] * s->step[t * ROW + i];
        after = kept[t];
    }
    b->dstate[n * W + i] = dh;
}

static void backward_channel(const scan_chunk_gradient *b, int i) {
    const kernel_scan_chunk *s = &b->forward;
    for (int t = 0; t < s->n; t++) {
        float dy = b->dy[t * s->row + i], z = s->z ? s->z[t * s->row + i] : 0;
        float gate = s->z ? z * sigmoid(z) : 1, u = s->u[t * s->row + i];
        b->dsum[t * ROW + i] = dy * gate;
        b->ddrive[t * ROW + i] = b->dstep[t * ROW + i] = 0;
        b->dskip[i] += dy * gate * u;
        if (b->dz)
            b->dz[t * s->row + i] =
                dy * s->sum[t * ROW + i] * sigmoid(z) * (1 + z * (1 - sigmoid(z)));
    }
    for (int n = 0; n < s->n_state; n++) backward_state(b, i, n);
    for (int t = 0; t < s->n; t++) {
        float u = s->u[t * s->row + i], ddrive = b->ddrive[t * ROW + i];
        float dstep = b->dstep[t * ROW + i] + ddrive * u;
        if (s->softplus) dstep *= sigmoid(s->delta[t * s->row + i] + s->bias[i]);
        b->du[t * s->row + i] = ddrive * s->step[t * ROW + i] + b->dsum[t * ROW + i] * s->skip[i];
        b->ddelta[t * s->row + i] = dstep;
        b->dbias[i] += dstep;
    }
}

void KERNEL(long_scan_gradient)(const scan_chunk_gradient *b) {
    const kernel_scan_chunk *s = &b->forward;
    size_t size = (size_t)s->n_state * W * sizeof(float);
    float *before = b->lanes; // room for the states before the chunk
    memcpy(before, s->state, size);
    KERNEL(long_scan)(s);
    memcpy(s->state, before, size);
    for (int i = 0; i < s->width; i++) backward_channel(b, i);
}

#endif
