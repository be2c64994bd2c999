// Rows of scores become weights, and gradients of weights gradients of scores, sixteen samples at once
// (kernels/normaliser_formulas.h).
//
// A threshold is not found by sorting, which would take every lane another way, but by steps that all
// lanes take together. With r = unit (score - largest) - tau the sum S of f(r) falls with tau, and the
// N = S^unit is convex: tangents of N - 1 from the left, where S >= 1, never pass the root. They begin at
// tau = -1, where the largest key alone has weight 1. N is linear in tau while the same keys are above it
// and r is one number or f linear, so sparsemax and ties end after as many steps as keys drop out
// (Michelot's projection), the others when a step changes nothing; three to five steps are usual. A lane
// that has arrived stands still, whatever the others do: its bits do not depend on them.
#include "kernels/body_rows.h"

#define SQRT(x)      vf_sqrt(x)
#define POW(x, y)    vf_pow(x, y)
#define LOG(x)       vf_log(x)
#define RATIO(x, y)  ((x) / vf_max(vf_set1(FV_LEAST), y))
#define ONE_ABOVE(x) vf_and(vf_set1(1), (x) > 0.0f)
#define SIGMOID(x)   vf_sigmoid(x)

INLINE vf vf_pow(vf x, float y) {
    return vf_and(vf_exp(vf_log(x) * y), ~(x <= 0.0f));
}

// The formulas of a normaliser, in the words above.

INLINE float unit_of(kernel_normaliser kind, float alpha) {
    (void)alpha;
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, ...)                                                 \
    case FV_NORMALISE_##NAME:                                                                      \
        return unit;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return NAN;
}

INLINE vf weight_of(kernel_normaliser kind, float alpha, vf r) {
    (void)alpha;
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, ...)                                         \
    case FV_NORMALISE_##NAME:                                                                      \
        return weight;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return vf_set1(NAN);
}

INLINE vf quotient_of(kernel_normaliser kind, float alpha, vf r, vf w) {
    (void)alpha, (void)w;
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, quotient, ...)                               \
    case FV_NORMALISE_##NAME:                                                                      \
        return quotient;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return vf_set1(NAN);
}

INLINE vf root_of(kernel_normaliser kind, float alpha, vf total) {
    (void)alpha;
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, quotient, root, ...)                         \
    case FV_NORMALISE_##NAME:                                                                      \
        return root;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return vf_set1(NAN);
}

INLINE vf slope_of(kernel_normaliser kind, float alpha, vf p) {
    (void)alpha;
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, quotient, root, slope, ...)                  \
    case FV_NORMALISE_##NAME:                                                                      \
        return slope;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return vf_set1(NAN);
}

INLINE vf score_again(kernel_normaliser kind, float alpha, vf p) {
    (void)alpha;
    switch (kind) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, quotient, root, slope, again, ...)           \
    case FV_NORMALISE_##NAME:                                                                      \
        return again;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return vf_set1(NAN);
}

// Sums over the keys above a threshold: of f(r), and of f(r) / r.
typedef struct threshold_sums {
    vf weight, quotient;
} threshold_sums;

INLINE void add_key(kernel_normaliser kind, float alpha, vf x, vf tau, threshold_sums *sums) {
    vf r = vf_max(vf_set1(0), x - tau), w = weight_of(kind, alpha, r);
    sums->weight += w;
    sums->quotient += quotient_of(kind, alpha, r, w);
}

// Four sums at a time, which do not wait for each other.
INLINE threshold_sums sums_above(kernel_normaliser kind, float alpha, const float *x, keys query,
                                 vf tau) {
    const threshold_sums none = {vf_set1(0), vf_set1(0)};
    threshold_sums sums[4] = {none, none, none, none};
    for (int s = 0; s < 2; s++) {
        int j = query.first[s];
        for (; j + 4 <= query.end[s]; j += 4)
            UNROLL for (int i = 0; i < 4; i++)
                add_key(kind, alpha, vf_load(x + (j + i) * L), tau, &sums[i]);
        for (; j < query.end[s]; j++) add_key(kind, alpha, vf_load(x + j * L), tau, &sums[0]);
    }
    return (threshold_sums){(sums[0].weight + sums[1].weight) + (sums[2].weight + sums[3].weight),
                            (sums[0].quotient + sums[1].quotient) +
                                (sums[2].quotient + sums[3].quotient)};
}

INLINE vf largest_of(const float *p, keys query) {
    vf largest = vf_set1(-INFINITY);
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++)
            largest = vf_max(largest, vf_load(p + j * L));
    return largest;
}

// The threshold of x, and in *inverse by what its weights are divided so that rounding leaves their sum
// at 1. Steps of S - 1 go as far as those of N - 1 in the end, where N is rounded more.
INLINE vf threshold_of(kernel_normaliser kind, float alpha, const float *x, keys query,
                       vf *inverse) {
    enum { MOST_STEPS = 40 };
    const float unit = unit_of(kind, alpha);
    vf tau = vf_set1(-1);
    for (int step = 0;; step++) {
        threshold_sums sums = sums_above(kind, alpha, x, query, tau);
        vf root = root_of(kind, alpha, sums.weight);
        vf by_root = (root - 1.0f) * sums.weight / (root * sums.quotient);
        vf by_sum = (sums.weight - 1.0f) * unit / sums.quotient;
        vf next = tau + vf_max(by_root, by_sum);
        *inverse = 1.0f / sums.weight;
        if (step == MOST_STEPS || !vf_any_above(next, tau)) return tau;
        tau = vf_max(next, tau);
    }
}

INLINE void threshold_row(kernel_normaliser kind, float alpha, float *p, keys query, float scale) {
    const vf largest = largest_of(p, query), factor = vf_set1(scale * unit_of(kind, alpha));
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++)
            vf_store(p + j * L, (vf_load(p + j * L) - largest) * factor);
    vf inverse, tau = threshold_of(kind, alpha, p, query, &inverse);
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++) {
            vf w = weight_of(kind, alpha, vf_max(vf_set1(0), vf_load(p + j * L) - tau));
            vf_store(p + j * L, vf_flush(w * inverse, FV_LEAST_SHARE));
        }
}

INLINE void lone_row(kernel_normaliser kind, float alpha, float *p, keys query, float scale) {
    int n = query.end[0] - query.first[0] + query.end[1] - query.first[1];
    const vf log_n = vf_log(vf_set1((float)n)), factor = vf_set1(scale);
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++)
            vf_store(p + j * L, weight_of(kind, alpha, vf_fma(vf_load(p + j * L), factor, -log_n)));
}

// What reaches the gradients of a row beside ds: lane by lane, of the head's alpha and of the row's
// stretch.
typedef struct row_gradient {
    vf alpha, stretch;
} row_gradient;

// d weight_j / d alpha of alpha-entmax, with q = slope / sum of slopes and h = -p log p:
// (p - q) / (alpha - 1)^2 + (h - q sum h) / (alpha - 1)  (arXiv 1909.00015, proposition 1).
INLINE vf alpha_row_gradient(float alpha, const float *dp, const float *p, keys block, vf mean) {
    const float inverse = 1 / (alpha - 1);
    vf of_p = vf_set1(0), of_h = vf_set1(0), sum = vf_set1(0);
    for (int s = 0; s < 2; s++)
        for (int j = block.first[s]; j < block.end[s]; j++) {
            vf weight = vf_load(p + j * L), gradient = vf_load(dp + j * L);
            vf h = -weight * vf_log(weight);
            of_p = vf_fma(gradient, weight, of_p);
            of_h = vf_fma(gradient, h, of_h);
            sum += h;
        }
    return ((of_p - mean) * inverse + (of_h - mean * sum)) * inverse;
}

// ds = slope (dp - mean), in place of dp, where the mean of dp is weighted by slopes, and is 0 where each
// key stands for itself; times what scores were multiplied by.
INLINE row_gradient weigh_row_gradient(kernel_normaliser kind, float alpha, float *ds,
                                       const float *p, keys block, float scale, vf stretch) {
    vf sum = vf_set1(0), slopes = vf_set1(0), mean = vf_set1(0), again = vf_set1(0);
    for (int s = 0; s < 2 && normaliser_rule_of(kind) != FV_RULE_ALONE; s++)
        for (int j = block.first[s]; j < block.end[s]; j++) {
            vf slope = slope_of(kind, alpha, vf_load(p + j * L));
            slopes += slope;
            sum = vf_fma(vf_load(ds + j * L), slope, sum);
        }
    if (normaliser_rule_of(kind) != FV_RULE_ALONE) mean = sum / vf_max(vf_set1(FV_LEAST), slopes);
    row_gradient gradient = {vf_set1(0), vf_set1(0)};
    if (normaliser_has_alpha(kind)) gradient.alpha = alpha_row_gradient(alpha, ds, p, block, mean);
    vf factor = stretch * scale;
    for (int s = 0; s < 2; s++)
        for (int j = block.first[s]; j < block.end[s]; j++) {
            vf weight = vf_load(p + j * L);
            vf back = (vf_load(ds + j * L) - mean) * slope_of(kind, alpha, weight);
            again = vf_fma(back, score_again(kind, alpha, weight), again);
            vf_store(ds + j * L, vf_flush(back * factor, FV_LEAST));
        }
    gradient.stretch = vf_and(again / (stretch * unit_of(kind, alpha)), stretch != 0.0f);
    return gradient;
}

#undef SQRT
#undef POW
#undef LOG
#undef RATIO
#undef ONE_ABOVE
#undef SIGMOID

// Scores of keys that are not kept are -infinity.
INLINE void keep_row(const kernel_attend *a, float *p, keys query, int g, int part, int i) {
    const uint16_t *kept = a->kept + ((ptrdiff_t)g * a->n_queries + i) * a->n_rows_keys;
    vi lane = vi_set1(0);
    UNROLL for (int l = 0; l < VW; l++) lane[l] = 1 << (part * VW + l);
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++) {
            vi is_kept = (vi_set1(kept[j]) & lane) != 0;
            vf score = vf_and(vf_load(p + j * L), is_kept);
            vf_store(p + j * L, (vf)((vi)score | ((vi)vf_set1(-INFINITY) & ~is_kept)));
        }
}

// Scores times the stretch of their query.
INLINE void stretch_row(float *p, keys query, vf stretch) {
    for (int s = 0; s < 2; s++)
        for (int j = query.first[s]; j < query.end[s]; j++)
            vf_store(p + j * L, vf_load(p + j * L) * stretch);
}

INLINE void weigh_rows_as(const kernel_attend *a, kernel_normaliser kind, int g, int part, int i,
                          int m, keys block) {
    lanes p = lanes_of(&a->p, g, part);
    for (int row = i; row < i + m; row++) {
        float *weights = p.data + row * p.row;
        keys query = keys_of_query(a, row);
        hide(weights, block, query);
        if (a->stretch.data) stretch_row(weights, query, stretch_of(a, g, part, row));
        if (a->kept) keep_row(a, weights, query, g, part, row);
        if (normaliser_rule_of(kind) == FV_RULE_THRESHOLD)
            threshold_row(kind, a->alpha, weights, query, softmax_factor(a));
        else if (normaliser_rule_of(kind) == FV_RULE_ALONE)
            lone_row(kind, a->alpha, weights, query, softmax_factor(a));
        else
            softmax_row(weights, block, query, softmax_factor(a), a->sink,
                        sink_p_of(a, g, part, row));
    }
}

void KERNEL(weigh_rows)(const kernel_attend *a, int g, int part, int i, int m, keys block) {
    switch (a->normaliser) {
#define FV_NORMALISER(NAME, name, ...)                                                             \
    case FV_NORMALISE_##NAME:                                                                      \
        weigh_rows_as(a, FV_NORMALISE_##NAME, g, part, i, m, block);                               \
        break;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
}

vf KERNEL(weigh_row_back)(const kernel_attend_gradient *b, int g, int part, int row, float *ds,
                          keys block) {
    const kernel_attend *a = &b->forward;
    const float *p = a->p.data + g * a->p.group_stride + row * a->p.row_stride + part * VW;
    const vf stretch = stretch_of(a, g, part, row);
    row_gradient gradient = {vf_set1(0), vf_set1(0)};
    switch (a->normaliser) {
#define FV_NORMALISER(NAME, name, ...)                                                             \
    case FV_NORMALISE_##NAME:                                                                      \
        gradient = weigh_row_gradient(FV_NORMALISE_##NAME, a->alpha, ds, p, block,                 \
                                      softmax_factor(a), stretch);                                 \
        break;
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    if (b->dstretch.data)
        vf_store(b->dstretch.data + g * b->dstretch.group_stride + row * b->dstretch.row_stride +
                     part * VW,
                 gradient.stretch);
    return gradient.alpha;
}

// What a query's stretch is made of.
typedef struct stretch_parts {
    vf beta, tanh, power, log_log; // power: L^gamma
} stretch_parts;

INLINE stretch_parts stretch_parts_of(const float *raw, float log_n) {
    stretch_parts s = {.beta = vf_softplus(vf_load(raw)),
                       .tanh = vf_fma(vf_set1(2), vf_sigmoid(2.0f * vf_load(raw + L)), vf_set1(-1)),
                       .log_log = vf_log(vf_set1(log_n))};
    s.power = vf_exp(3.0f * s.tanh * s.log_log);
    return s;
}

void KERNEL(stretch)(const kernel_stretch *a) {
    for (int r = 0; r < a->n_groups * a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            float log_n = a->log_n[r % a->n_rows];
            stretch_parts s = stretch_parts_of(a->raw.data + r * a->raw.stride + part * VW, log_n);
            vf_store(a->stretch.data + r * a->stretch.stride + part * VW,
                     log_n > 0 ? vf_fma(s.beta, s.power, vf_set1(1)) : vf_set1(1));
        }
}

void KERNEL(stretch_gradient)(const kernel_stretch_gradient *b) {
    const kernel_stretch *a = &b->forward;
    for (int r = 0; r < a->n_groups * a->n_rows; r++)
        for (int part = 0; part < PARTS; part++) {
            const float *raw = a->raw.data + r * a->raw.stride + part * VW;
            float log_n = a->log_n[r % a->n_rows], *draw = b->draw.data + r * b->draw.stride;
            stretch_parts s = stretch_parts_of(raw, log_n);
            vf d = vf_load(a->stretch.data + r * a->stretch.stride + part * VW) * s.power;
            vf of_beta = d * vf_sigmoid(vf_load(raw));
            vf of_gamma = d * s.beta * s.log_log * 3.0f * (1.0f - s.tanh * s.tanh);
            vf_store(draw + part * VW, log_n > 0 ? of_beta : vf_set1(0));
            vf_store(draw + L + part * VW, log_n > 0 ? of_gamma : vf_set1(0));
        }
}
