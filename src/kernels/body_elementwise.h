// Everything that touches each number once or twice: cross-entropy, norms, activations, updates.
#include "kernels/simd.h"

// Few classes are compared with the targets; of many, the targets' own are looked up lane by lane,
// sixteen scalar accesses a row instead of a comparison for every class.
enum { COMPARED_CLASSES = 16 };

INLINE vf logits_at_targets(const float *logits, const int32_t *targets, int vocab_size) {
    vf at_target = vf_set1(0);
    vi target = vi_load(targets);
    if (vocab_size <= COMPARED_CLASSES) {
        for (int n = 0; n < vocab_size; n++)
            at_target = at_target + vf_and(vf_load(logits + n * L), target == n);
        return at_target;
    }
    for (int l = 0; l < VW; l++)
        if (targets[l] >= 0) at_target[l] = logits[targets[l] * L + l];
    return at_target;
}

INLINE void take_targets_out(float *e, const int32_t *targets, vf sum, int vocab_size) {
    vi target = vi_load(targets);
    if (vocab_size <= COMPARED_CLASSES) {
        for (int n = 0; n < vocab_size; n++)
            vf_store(e + n * L, vf_load(e + n * L) - vf_and(sum, target == n));
        return;
    }
    for (int l = 0; l < VW; l++)
        if (targets[l] >= 0) e[targets[l] * L + l] -= sum[l];
}

// 1 where the target is the first class with the largest logit.
INLINE vf target_is_first(const float *logits, const int32_t *targets, vf largest) {
    vf correct = vf_set1(0);
    for (int l = 0; l < VW; l++) {
        int best = 0;
        while (logits[best * L + l] < largest[l]) best++;
        correct[l] = targets[l] == best;
    }
    return correct;
}

INLINE void cross_entropy_row(const fv_cross_entropy *a, int r, int part) {
    float *logits = a->logits + (size_t)r * a->vocab_size * L + part * VW;
    const int32_t *targets = a->targets + r * L + part * VW;
    vf largest = vf_load(logits), sum = vf_set1(0);
    for (int n = 1; n < a->vocab_size; n++) largest = vf_max(largest, vf_load(logits + n * L));
    vf at_target = logits_at_targets(logits, targets, a->vocab_size);
    if (a->correct)
        vf_store(a->correct + r * L + part * VW, target_is_first(logits, targets, largest));
    for (int n = 0; n < a->vocab_size; n++) {
        vf e = vf_exp(vf_load(logits + n * L) - largest);
        sum += e;
        vf_store(logits + n * L, e);
    }
    vi wanted = vi_load(targets) >= 0;
    vf_store(a->losses + r * L + part * VW, vf_and(vf_log(sum) - (at_target - largest), wanted));
    if (!a->inverse) return;
    vf_store(a->inverse + r * L + part * VW, vf_and(a->weight / sum, wanted));
    take_targets_out(logits, targets, sum, a->vocab_size);
}

static void cross_entropy(const fv_cross_entropy *a) {
    for (int r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) cross_entropy_row(a, r, part);
}

static void norm(const fv_norm *a) {
    const float share = 1.0f / (float)a->n_features;
    for (int r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            const float *x = a->x.data + r * a->x.stride + part * VW;
            float *y = a->y.data + r * a->y.stride + part * VW;
            vf mean = vf_set1(0), variance = vf_set1(0);
            for (int f = 0; a->center && f < a->n_features; f++) mean += vf_load(x + f * L);
            mean *= share;
            for (int f = 0; f < a->n_features; f++) {
                vf d = vf_load(x + f * L) - mean;
                variance = vf_fma(d, d, variance);
            }
            vf rstd = 1.0f / vf_sqrt(variance * share + 1e-5f);
            for (int f = 0; f < a->n_features; f++) {
                vf bias = vf_set1(a->b ? a->b[f] : 0);
                vf_store(y + f * L,
                         vf_fma((vf_load(x + f * L) - mean) * rstd, vf_set1(a->w[f]), bias));
            }
            if (a->center) vf_store(a->mean + r * L + part * VW, mean);
            vf_store(a->rstd + r * L + part * VW, rstd);
        }
}

INLINE void norm_row_gradient(const fv_norm_gradient *b, int r, int part) {
    const fv_norm *a = &b->forward;
    const float *x = a->x.data + r * a->x.stride + part * VW;
    const float *dy = b->dy.data + r * b->dy.stride + part * VW;
    float *dx = b->dx.data + r * b->dx.stride + part * VW;
    vf mean = a->center ? vf_load(a->mean + r * L + part * VW) : vf_set1(0);
    vf rstd = vf_load(a->rstd + r * L + part * VW), mean_g = vf_set1(0), mean_gu = vf_set1(0);
    for (int f = 0; f < a->n_features; f++) {
        vf g = vf_load(dy + f * L) * a->w[f];
        if (a->center) mean_g += g;
        mean_gu = vf_fma(g, (vf_load(x + f * L) - mean) * rstd, mean_gu);
    }
    const float share = 1.0f / (float)a->n_features;
    mean_g *= share;
    mean_gu *= share;
    for (int f = 0; f < a->n_features; f++) {
        vf u = (vf_load(x + f * L) - mean) * rstd;
        vf_store(dx + f * L, rstd * (vf_load(dy + f * L) * a->w[f] - mean_g - u * mean_gu));
    }
}

// dw and db of features f .. f + width - 1, summed over all rows and lanes.
static void norm_weight_gradient(const fv_norm_gradient *b, int f, int width) {
    const fv_norm *a = &b->forward;
    vf dw[16][PARTS], db[16][PARTS];
    float sum[16];
    memset(dw, 0, sizeof dw);
    memset(db, 0, sizeof db);
    for (int r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            vf mean = a->center ? vf_load(a->mean + r * L + part * VW) : vf_set1(0);
            vf rstd = vf_load(a->rstd + r * L + part * VW);
            for (int j = 0; j < width; j++) {
                vf x = vf_load(a->x.data + r * a->x.stride + (f + j) * L + part * VW);
                vf dy = vf_load(b->dy.data + r * b->dy.stride + (f + j) * L + part * VW);
                dw[j][part] = vf_fma(dy, (x - mean) * rstd, dw[j][part]);
                db[j][part] += dy;
            }
        }
    reduce16(dw, sum);
    for (int j = 0; j < width; j++) b->dw[f + j] += sum[j];
    reduce16(db, sum);
    for (int j = 0; b->db && j < width; j++) b->db[f + j] += sum[j];
}

static void norm_gradient(const fv_norm_gradient *b) {
    const fv_norm *a = &b->forward;
    for (int f = 0; f < a->n_features; f += 16)
        norm_weight_gradient(b, f, a->n_features - f < 16 ? a->n_features - f : 16);
    for (int r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) norm_row_gradient(b, r, part);
}

// The tanh form of the GELU is x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3).
INLINE vf gelu_gate(vf x) {
    vf u2 = x * vf_fma(x * x, vf_set1(2 * 0.7978845608f * 0.044715f), vf_set1(2 * 0.7978845608f));
    return 1.0f / (1.0f + vf_exp(-vf_max(u2, vf_set1(-80.0f))));
}

static void activate(fv_activation kind, size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i += VW) {
        vf v = vf_load(x + i);
        vf_store(y + i, kind == FV_KERNEL_RELU ? vf_max(v, vf_set1(0)) : v * gelu_gate(v));
    }
}

static void activate_gradient(fv_activation kind, size_t n, const float *x, const float *dy,
                              float *dx) {
    for (size_t i = 0; i < n; i += VW) {
        vf v = vf_load(x + i), slope = vf_load(dy + i);
        if (kind == FV_KERNEL_RELU) {
            vf_store(dx + i, vf_and(slope, v > 0.0f));
        } else {
            vf s = gelu_gate(v);
            vf du2 =
                vf_fma(v * v, vf_set1(6 * 0.7978845608f * 0.044715f), vf_set1(2 * 0.7978845608f));
            vf_store(dx + i, slope * vf_fma(v * s * (1.0f - s), du2, s));
        }
    }
}

static void scale_rows(int n_rows, int n_features, fv_rows x, const float *scale, fv_rows y) {
    for (int r = 0; r < n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            vf s = vf_load(scale + r * L + part * VW);
            const float *from = x.data + r * x.stride + part * VW;
            float *to = y.data + r * y.stride + part * VW;
            for (int f = 0; f < n_features; f++) vf_store(to + f * L, vf_load(from + f * L) * s);
        }
}

// Moments move by their distance to the new value: beta v + (1 - beta) g^2 written as v + (1 -
// beta) (g^2 - v) keeps its digits also where g^2 is far larger than v.
static void adam(const fv_adam *a) {
    vf share1 = vf_set1(1 - a->beta1), share2 = vf_set1(1 - a->beta2);
    for (size_t i = 0; i < a->n; i += VW) {
        vf g = vf_load(a->gradient + i), p = vf_load(a->params + i);
        vf m = vf_load(a->m + i), v = vf_load(a->v + i);
        m = vf_fma(share1, g - m, m);
        v = vf_fma(share2, g * g - v, v);
        vf_store(a->m + i, m);
        vf_store(a->v + i, v);
        vf root = vf_fma(vf_sqrt(v), vf_set1(a->root_correction), vf_set1(a->epsilon));
        vf rate = vf_set1(-a->rate), decay = vf_set1(-a->decay);
        if (a->rate_scale) {
            rate *= vf_load(a->rate_scale + i);
            decay *= vf_load(a->rate_scale + i);
        }
        p = vf_fma(decay, p, p);
        vf_store(a->params + i, vf_fma(rate, m / root, p));
    }
}

static void exp_array(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i += VW) vf_store(y + i, vf_exp(vf_load(x + i)));
}

static void log_array(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i += VW) vf_store(y + i, vf_log(vf_load(x + i)));
}
