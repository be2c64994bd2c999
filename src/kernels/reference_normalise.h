// The reference of normalisers: one query's scores become weights, and their gradients come back. A part
// of reference.c.
#define SQRT(x)      sqrt(x)
#define POW(x, y)    ((x) > 0 ? pow(x, y) : 0)
#define LOG(x)       ((x) > 0 ? log(x) : 0)
#define RATIO(x, y)  ((y) > 0 ? (x) / (y) : 0)
#define ONE_ABOVE(x) ((x) > 0 ? 1.0 : 0.0)
#define SIGMOID(x)   ((x) < (double)FV_LOG_LEAST_SHARE ? 0 : 1 / (1 + exp(-(x))))

// f(r), r being above the threshold.
static double weight_above(const kernel_attend *a, double r) {
    const double alpha = (double)a->alpha;
    (void)alpha;
    switch (a->normaliser) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, ...)                                         \
    case FV_NORMALISE_##NAME:                                                                      \
        return (double)(weight);
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return NAN;
}

// What a normaliser makes of a weight on the way back.
typedef struct formulas {
    double unit, slope, again;
} formulas;

static formulas formulas_of(const kernel_attend *a, double p) {
    const double alpha = (double)a->alpha;
    (void)alpha;
    switch (a->normaliser) {
#define FV_NORMALISER(NAME, name, rule, unit, weight, quotient, root, slope, again, ...)           \
    case FV_NORMALISE_##NAME:                                                                      \
        return (formulas){(double)(unit), (double)(slope), (double)(again)};
#include "kernels/normaliser_list.h"
    case FV_N_NORMALISERS:
        break;
    }
    return (formulas){NAN, NAN, NAN};
}

static double weight_from(const kernel_attend *a, double r) {
    return r > 0 ? weight_above(a, r) : r <= 0 ? 0 : NAN;
}

static real stretch_of(const kernel_attend *a, int g, int i, int l) {
    return a->stretch.data ? *at(&a->stretch, g, i, 0, l) : 1;
}

static bool keeps(const kernel_attend *a, int g, int i, int j, int l) {
    if (a->kept == NULL) return true;
    return a->kept[((ptrdiff_t)g * a->n_queries + i) * a->n_rows_keys + j] >> l & 1;
}

static real largest_score(const kernel_attend *a, int g, int i, int l) {
    real largest = -INFINITY;
    for (EACH_KEY(a, i, j)) {
        real s = *at(&a->p, g, i, j, l);
        if (s > largest) largest = s;
    }
    return largest;
}

static void exponential_weights(const kernel_attend *a, int g, int i, int l) {
    real largest = largest_score(a, g, i, l), sum = 0;
    if (a->sink) {
        if (*a->sink > largest) largest = *a->sink;
        sum = kernel_exp_share(*a->sink - largest);
    }
    const real at_sink = sum;
    for (EACH_KEY(a, i, j)) {
        real *p = at(&a->p, g, i, j, l);
        *p = kernel_exp_share(*p - largest);
        sum += *p;
    }
    for (EACH_KEY(a, i, j)) *at(&a->p, g, i, j, l) /= sum;
    if (a->sink) a->sink_p[((ptrdiff_t)g * a->n_queries + i) * L + l] = at_sink / sum;
}

static double sum_above(const kernel_attend *a, int g, int i, int l, double largest, double tau) {
    const double unit = formulas_of(a, 0).unit;
    double sum = 0;
    for (EACH_KEY(a, i, j))
        sum += weight_from(a, unit * ((double)*at(&a->p, g, i, j, l) - largest) - tau);
    return sum;
}

// The threshold by bisection: at -1 the largest score alone weighs 1, at 0 nothing weighs anything.
static void threshold_weights(const kernel_attend *a, int g, int i, int l) {
    enum { STEPS = sizeof(real) == sizeof(float) ? 40 : 60 };
    const double largest = (double)largest_score(a, g, i, l), unit = formulas_of(a, 0).unit;
    double low = -1, high = 0;
    for (int step = 0; step < STEPS; step++) {
        double middle = (low + high) / 2;
        if (sum_above(a, g, i, l, largest, middle) >= 1)
            low = middle;
        else
            high = middle;
    }
    double sum = sum_above(a, g, i, l, largest, low);
    for (EACH_KEY(a, i, j)) {
        real *p = at(&a->p, g, i, j, l);
        *p = kernel_flush((real)(weight_from(a, unit * ((double)*p - largest) - low) / sum),
                          FV_LEAST_SHARE);
    }
}

static void lone_weights(const kernel_attend *a, int g, int i, int l) {
    int n = 0;
    for (EACH_KEY(a, i, j)) n++;
    for (EACH_KEY(a, i, j)) {
        real *p = at(&a->p, g, i, j, l);
        *p = (real)weight_above(a, (double)*p - log(n));
    }
}

// Scores in P become weights.
static void weigh(const kernel_attend *a, int g, int i, int l) {
    switch (normaliser_rule_of(a->normaliser)) {
    case FV_RULE_EXPONENTIAL:
        exponential_weights(a, g, i, l);
        break;
    case FV_RULE_THRESHOLD:
        threshold_weights(a, g, i, l);
        break;
    case FV_RULE_ALONE:
        lone_weights(a, g, i, l);
        break;
    }
}

// The mean of the gradients of weights, by their slopes; 0 where each weight stands for itself.
static double mean_gradient(const kernel_attend *a, int g, int i, int l, const real *dp) {
    double sum = 0, slopes = 0;
    if (normaliser_rule_of(a->normaliser) == FV_RULE_ALONE) return 0;
    for (EACH_KEY(a, i, j)) {
        double slope = formulas_of(a, (double)*at(&a->p, g, i, j, l)).slope;
        sum += (double)dp[j * L] * slope;
        slopes += slope;
    }
    return slopes > 0 ? sum / slopes : 0;
}

static double alpha_gradient(const kernel_attend *a, int g, int i, int l, const real *dp,
                             double mean) {
    double of_p = 0, of_h = 0, h_sum = 0, inverse = 1 / ((double)a->alpha - 1);
    for (EACH_KEY(a, i, j)) {
        double p = (double)*at(&a->p, g, i, j, l), h = -p * LOG(p);
        of_p += (double)dp[j * L] * p;
        of_h += (double)dp[j * L] * h;
        h_sum += h;
    }
    return ((of_p - mean) * inverse + (of_h - mean * h_sum)) * inverse;
}

static void softmax_back(const kernel_attend *a, int g, int i, int l, real *dp) {
    real sum = 0;
    for (EACH_KEY(a, i, j)) sum += dp[j * L] * *at(&a->p, g, i, j, l);
    for (EACH_KEY(a, i, j))
        dp[j * L] = kernel_flush((dp[j * L] - sum) * *at(&a->p, g, i, j, l), FV_LEAST);
}

// Gradients of weights, dp[j * L], become those of scores.
static void weigh_back(const kernel_attend_gradient *b, int g, int i, int l, real *dp) {
    const kernel_attend *a = &b->forward;
    if (a->normaliser == FV_NORMALISE_SOFTMAX && a->stretch.data == NULL) {
        softmax_back(a, g, i, l, dp);
        return;
    }
    double mean = mean_gradient(a, g, i, l, dp), again = 0;
    const double stretch = (double)stretch_of(a, g, i, l);
    if (b->dalpha) *b->dalpha += (real)alpha_gradient(a, g, i, l, dp, mean);
    for (EACH_KEY(a, i, j)) {
        formulas f = formulas_of(a, (double)*at(&a->p, g, i, j, l));
        double back = ((double)dp[j * L] - mean) * f.slope;
        again += back * f.again / f.unit;
        dp[j * L] = kernel_flush((real)(back * stretch), FV_LEAST);
    }
    if (b->dstretch.data)
        *at(&b->dstretch, g, i, 0, l) = stretch == 0 ? 0 : (real)(again / stretch);
}

#undef SQRT
#undef POW
#undef LOG
#undef RATIO
#undef ONE_ABOVE
#undef SIGMOID

// What a query's stretch is made of.
typedef struct stretch_parts {
    double beta, tanh, power, log_log;
} stretch_parts;

static stretch_parts stretch_parts_of(const real *raw, double log_n) {
    stretch_parts s = {.beta = raw[0] > 40 ? (double)raw[0] : log1p(exp((double)raw[0])),
                       .tanh = tanh((double)raw[L]),
                       .log_log = log(log_n)};
    s.power = exp(3 * s.tanh * s.log_log);
    return s;
}

void KERNEL(stretch)(const kernel_stretch *a) {
    for (int r = 0; r < a->n_groups * a->n_rows; r++)
        for (int l = 0; l < L; l++) {
            double log_n = (double)a->log_n[r % a->n_rows];
            stretch_parts s = stretch_parts_of(a->raw.data + r * a->raw.stride + l, log_n);
            a->stretch.data[r * a->stretch.stride + l] =
                log_n > 0 ? (real)(1 + s.beta * s.power) : 1;
        }
}

void KERNEL(stretch_gradient)(const kernel_stretch_gradient *b) {
    const kernel_stretch *a = &b->forward;
    for (int r = 0; r < a->n_groups * a->n_rows; r++)
        for (int l = 0; l < L; l++) {
            const real *raw = a->raw.data + r * a->raw.stride + l;
            real *draw = b->draw.data + r * b->draw.stride + l;
            double log_n = (double)a->log_n[r % a->n_rows];
            stretch_parts s = stretch_parts_of(raw, log_n);
            double d = (double)a->stretch.data[r * a->stretch.stride + l] * s.power;
            draw[0] = log_n > 0 ? (real)(d / (1 + exp(-(double)raw[0]))) : 0;
            draw[L] = log_n > 0 ? (real)(d * s.beta * s.log_log * 3 * (1 - s.tanh * s.tanh)) : 0;
        }
}

// A unit is kept if fewer than k stand before it: larger ones, and equal ones in front of it.
void KERNEL(select)(const kernel_select *a) {
    for (int r = 0; r < a->n_rows; r++) {
        const real *ranks = a->ranks + (ptrdiff_t)r * a->n_units * L;
        for (int u = 0; u < a->n_units; u++) {
            unsigned bits = 0;
            for (int l = 0; l < L; l++) {
                real rank = ranks[u * L + l];
                int before = 0;
                for (int other = 0; other < a->n_units; other++) {
                    real theirs = ranks[other * L + l];
                    before += theirs > rank || (theirs == rank && other < u);
                }
                bits |= (unsigned)(rank >= 0 && before < a->k) << l;
            }
            a->kept[(ptrdiff_t)r * a->n_units + u] = (uint16_t)bits;
        }
    }
}
