// Everything that touches each number once or twice: cross-entropy, norms, activations, updates.
#include "kernels/simd_gates.h"

// Of many classes the targets' own are looked up lane by lane, sixteen scalar accesses a row; few
// classes are all compared with the targets, and several rows of them go in step, as one alone
// would wait for its own exponentials, logarithm and division.
enum { COMPARED_CLASSES = 16, COMPARED_ROWS = VW == 16 ? 4 : 2 };

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

typedef struct class_row {
    float *logits; // [V][16]
    const int32_t *targets;
    vf largest, at_target, sum;
} class_row;

INLINE class_row class_row_of(const kernel_cross_entropy *a, int r, int part) {
    class_row row = {.logits = a->logits + (size_t)r * a->vocab_size * L + part * VW,
                     .targets = a->targets + r * L + part * VW};
    row.largest = vf_load(row.logits);
    row.at_target = row.sum = vf_set1(0);
    return row;
}

INLINE void exponentiate(class_row *row, int n) {
    vf e = vf_exp_share(vf_load(row->logits + n * L) - row->largest);
    row->sum += e;
    vf_store(row->logits + n * L, e);
}

// Of a row whose exponentials are in place.
INLINE void store_loss(const kernel_cross_entropy *a, const class_row *row, int r, int part) {
    vi wanted = vi_load(row->targets) >= 0;
    vf_store(a->losses + r * L + part * VW,
             vf_and(vf_log(row->sum) - (row->at_target - row->largest), wanted));
    if (a->inverse) vf_store(a->inverse + r * L + part * VW, vf_and(a->weight / row->sum, wanted));
}

INLINE void cross_entropy_many(const kernel_cross_entropy *a, int r, int part) {
    class_row row = class_row_of(a, r, part);
    for (int n = 1; n < a->vocab_size; n++)
        row.largest = vf_max(row.largest, vf_load(row.logits + n * L));
    for (int l = 0; l < VW; l++)
        if (row.targets[l] >= 0) row.at_target[l] = row.logits[row.targets[l] * L + l];
    if (a->correct)
        vf_store(a->correct + r * L + part * VW,
                 target_is_first(row.logits, row.targets, row.largest));
    for (int n = 0; n < a->vocab_size; n++) exponentiate(&row, n);
    store_loss(a, &row, r, part);
    for (int l = 0; a->inverse && l < VW; l++)
        if (row.targets[l] >= 0) row.logits[row.targets[l] * L + l] -= row.sum[l];
}

INLINE void cross_entropy_few(const kernel_cross_entropy *a, int r, int part, int n_rows) {
    class_row rows[COMPARED_ROWS];
    UNROLL for (int i = 0; i < n_rows; i++) rows[i] = class_row_of(a, r + i, part);
    for (int n = 0; n < a->vocab_size; n++) UNROLL for (int i = 0; i < n_rows; i++) {
            vf logit = vf_load(rows[i].logits + n * L);
            rows[i].largest = vf_max(rows[i].largest, logit);
            rows[i].at_target =
                vf_add_where_equal(rows[i].at_target, logit, vi_load(rows[i].targets), vi_set1(n));
        }
    if (a->correct)
        UNROLL for (int i = 0; i < n_rows; i++)
            vf_store(a->correct + (r + i) * L + part * VW,
                     target_is_first(rows[i].logits, rows[i].targets, rows[i].largest));
    for (int n = 0; n < a->vocab_size; n++)
        UNROLL for (int i = 0; i < n_rows; i++) exponentiate(&rows[i], n);
    UNROLL for (int i = 0; i < n_rows; i++) store_loss(a, &rows[i], r + i, part);
    for (int n = 0; a->inverse && n < a->vocab_size; n++) UNROLL for (int i = 0; i < n_rows; i++) {
            float *e = rows[i].logits + n * L;
            vf_store(e, vf_subtract_where_equal(vf_load(e), rows[i].sum, vi_load(rows[i].targets),
                                                vi_set1(n)));
        }
}

void KERNEL(cross_entropy)(const kernel_cross_entropy *a) {
    bool few = a->vocab_size <= COMPARED_CLASSES;
    for (int part = 0; part < PARTS; part++) {
        int r = 0;
        for (; few && r + COMPARED_ROWS <= a->n_rows; r += COMPARED_ROWS)
            cross_entropy_few(a, r, part, COMPARED_ROWS);
        for (; few && r < a->n_rows; r++) cross_entropy_few(a, r, part, 1);
        for (; r < a->n_rows; r++) cross_entropy_many(a, r, part);
    }
}

void KERNEL(rotate)(const kernel_rotate *a) {
    ptrdiff_t row_width = (ptrdiff_t)a->n_heads * a->head_width * L;
    for (ptrdiff_t r = 0; r < (ptrdiff_t)a->n_groups * a->n_rows; r++) {
        const float *cosines = a->cosines + r % a->n_rows * a->n_pairs;
        const float *sines = a->sines + r % a->n_rows * a->n_pairs;
        for (int h = 0; h < a->n_heads; h++) {
            float *x = a->x + r * row_width + (ptrdiff_t)h * a->head_width * L;
            for (int m = 0; m < a->n_pairs; m++, x += a->step * L) {
                const float c = cosines[m], s = a->back ? -sines[m] : sines[m];
                float *y = x + a->apart * L;
                for (int part = 0; part < PARTS; part++) {
                    vf first = vf_load(x + part * VW), second = vf_load(y + part * VW);
                    vf_store(x + part * VW, vf_fma(first, vf_set1(c), -(second * s)));
                    vf_store(y + part * VW, vf_fma(first, vf_set1(s), second * c));
                }
            }
        }
    }
}

void KERNEL(sigmoid_gate)(const kernel_sigmoid_gate *a) {
    for (size_t i = 0; i < a->n_gates; i++)
        for (int part = 0; part < PARTS; part++) {
            vf s = vf_sigmoid(vf_load(a->g + i * L + part * VW));
            size_t at = i * (size_t)a->width * L + (size_t)(part * VW);
            for (int f = 0; f < a->width; f++, at += L) vf_store(a->y + at, vf_load(a->x + at) * s);
        }
}

void KERNEL(sigmoid_gate_gradient)(const kernel_sigmoid_gate_gradient *b) {
    const kernel_sigmoid_gate *a = &b->forward;
    for (size_t i = 0; i < a->n_gates; i++)
        for (int part = 0; part < PARTS; part++) {
            vf s = vf_sigmoid(vf_load(a->g + i * L + part * VW)), sum = vf_set1(0);
            size_t at = i * (size_t)a->width * L + (size_t)(part * VW);
            for (int f = 0; f < a->width; f++, at += L) {
                vf dy = vf_load(b->dy + at);
                sum = vf_fma(dy, vf_load(a->x + at), sum);
                vf_store(b->dx + at, dy * s);
            }
            vf_store(b->dg + i * L + part * VW, sum * s * (1.0f - s));
        }
}

void KERNEL(norm)(const kernel_norm *a) {
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

INLINE void norm_row_gradient(const kernel_norm_gradient *b, int r, int part) {
    const kernel_norm *a = &b->forward;
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
static void norm_weight_gradient(const kernel_norm_gradient *b, int f, int width) {
    const kernel_norm *a = &b->forward;
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

void KERNEL(norm_gradient)(const kernel_norm_gradient *b) {
    const kernel_norm *a = &b->forward;
    for (int f = 0; f < a->n_features; f += 16)
        norm_weight_gradient(b, f, a->n_features - f < 16 ? a->n_features - f : 16);
    for (int r = 0; r < a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) norm_row_gradient(b, r, part);
}

// What the formulas of activations are made of (kernels/activation_formulas.h).
#define NUMBER(c)            vf_set1((float)(c))
#define FMA(a, b, c)         vf_fma(a, b, c)
#define SIGMOID(x)           vf_sigmoid(x)
#define POSITIVE(x)          vf_max(vf_set1(0), x)
#define WHERE_POSITIVE(x, y) vf_and(y, ~((x) <= 0.0f))

void KERNEL(activate)(kernel_activation kind, size_t n, const float *from, float *to) {
    switch (kind) {
#define FV_ACTIVATION(NAME, name, help, theirs, exps, shared, value, slope)                        \
    case FV_KERNEL_##NAME:                                                                         \
        for (size_t i = 0; i < n; i += VW) {                                                       \
            vf x = vf_load(from + i), g = shared;                                                  \
            (void)g;                                                                               \
            vf_store(to + i, value);                                                               \
        }                                                                                          \
        break;
#include <fovea/parts/activations.def>
#undef FV_ACTIVATION
    case FV_N_ACTIVATIONS:
        break;
    }
}

void KERNEL(activate_gradient)(kernel_activation kind, size_t n, const float *from,
                               const float *dto, float *dfrom) {
    switch (kind) {
#define FV_ACTIVATION(NAME, name, help, theirs, exps, shared, value, slope)                        \
    case FV_KERNEL_##NAME:                                                                         \
        for (size_t i = 0; i < n; i += VW) {                                                       \
            vf x = vf_load(from + i), dy = vf_load(dto + i), g = shared;                           \
            (void)g;                                                                               \
            vf_store(dfrom + i, slope);                                                            \
        }                                                                                          \
        break;
#include <fovea/parts/activations.def>
#undef FV_ACTIVATION
    case FV_N_ACTIVATIONS:
        break;
    }
}

void KERNEL(gate)(const kernel_gate *a) {
    switch (a->kind) {
#define FV_ACTIVATION(NAME, name, help, theirs, exps, shared, value, slope)                        \
    case FV_KERNEL_##NAME:                                                                         \
        for (size_t i = 0; i < a->n; i += VW) {                                                    \
            vf x = vf_load(a->x + i), g = shared;                                                  \
            (void)g;                                                                               \
            vf_store(a->y + i, (value)*vf_load(a->u + i));                                         \
        }                                                                                          \
        break;
#include <fovea/parts/activations.def>
#undef FV_ACTIVATION
    case FV_N_ACTIVATIONS:
        break;
    }
}

void KERNEL(gate_gradient)(const kernel_gate_gradient *b) {
    const kernel_gate *a = &b->forward;
    switch (a->kind) {
#define FV_ACTIVATION(NAME, name, help, theirs, exps, shared, value, slope)                        \
    case FV_KERNEL_##NAME:                                                                         \
        for (size_t i = 0; i < a->n; i += VW) {                                                    \
            vf x = vf_load(a->x + i), g = shared, back = vf_load(b->dy + i);                       \
            vf dy = back * vf_load(a->u + i);                                                      \
            (void)g;                                                                               \
            vf_store(b->dx + i, slope);                                                            \
            vf_store(b->du + i, back * (value));                                                   \
        }                                                                                          \
        break;
#include <fovea/parts/activations.def>
#undef FV_ACTIVATION
    case FV_N_ACTIVATIONS:
        break;
    }
}

void KERNEL(scale_rows)(int n_rows, int n_features, kernel_rows x, const float *scale,
                        kernel_rows y) {
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
void KERNEL(adam)(const kernel_adam *a) {
    vf share1 = vf_set1(a->share1), share2 = vf_set1(a->share2);
    for (size_t i = 0; i < a->n; i += VW) {
        vf g = vf_flush(vf_load(a->gradient + i), a->least_gradient), p = vf_load(a->params + i);
        vf m = vf_load(a->m + i), v = vf_load(a->v + i);
        m = vf_flush(vf_fma(share1, g - m, m), FV_LEAST);
        v = vf_fma(share2, g * g - v, v);
        v = vf_zero_below(v, v, FV_LEAST_SQUARE);
        vf_store(a->m + i, m);
        vf_store(a->v + i, v);
        vf root = vf_fma(vf_sqrt(v), vf_set1(a->root_correction), vf_set1(a->epsilon));
        vf rate = vf_set1(-a->rate), decay = vf_set1(-a->decay);
        if (a->rate_scale) {
            rate *= vf_load(a->rate_scale + i);
            decay *= vf_load(a->rate_scale + i);
        }
        p = vf_fma(decay, p, p);
        vf_store(a->params + i, vf_flush(vf_fma(rate, m / root, p), FV_LEAST));
    }
}

void KERNEL(exp_array)(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i += VW) vf_store(y + i, vf_exp(vf_load(x + i)));
}

void KERNEL(log_array)(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i += VW) vf_store(y + i, vf_log(vf_load(x + i)));
}
