// The reference: plain loops that say what every kernel computes. Never optimised, never deleted;
// every faster variant is held against it, and the gradient checks run it in double precision.
#define VARIANT reference
#include "kernels/variants.h"

#include "base/random.h"
#include "kernels/parts.h"

#include <math.h>

enum { L = FV_LANES };

#include "kernels/reference_scan.h" // needs L
// needs reference_scan.h
#include "kernels/reference_recurrence.h"

void KERNEL(draw)(const kernel_draw *a) {
    for (int g = 0; g < a->n_groups; g++)
        for (int l = 0; l < L; l++) {
            random_source random;
            random_init(&random, a->seed, (random_stream)a->stream, a->step,
                        a->first_sample + (uint32_t)(g * L + l));
            for (int t = 0; t < a->n_rows; t++)
                a->tokens[((size_t)g * a->n_rows + t) * L + l] =
                    (int32_t)random_below(&random, a->vocab_size);
        }
}

void KERNEL(embed)(const kernel_embed *a) {
    for (int g = 0; g < a->n_groups; g++)
        for (int t = 0; t < a->n_rows; t++)
            for (int f = 0; f < a->n_embd; f++)
                for (int l = 0; l < L; l++) {
                    int32_t token = a->tokens[g * a->tokens_group_stride + t * L + l];
                    real position = a->positions ? a->positions[t * a->n_embd + f] : 0;
                    a->x[(((size_t)g * a->n_rows + t) * a->n_embd + f) * L + l] =
                        a->table[(size_t)token * a->n_embd + f] + position;
                }
}

void KERNEL(embed_gradient)(const kernel_embed_gradient *a) {
    const kernel_embed *e = &a->forward;
    for (int g = 0; g < e->n_groups; g++)
        for (int t = 0; t < e->n_rows; t++)
            for (int f = 0; f < e->n_embd; f++)
                for (int l = 0; l < L; l++) {
                    int32_t token = e->tokens[g * e->tokens_group_stride + t * L + l];
                    real dx = e->x[(((size_t)g * e->n_rows + t) * e->n_embd + f) * L + l];
                    a->dtable[(size_t)token * e->n_embd + f] += dx;
                    if (a->dpositions) a->dpositions[t * e->n_embd + f] += dx;
                }
}

void KERNEL(map)(const kernel_map *a) {
    for (int r = 0; r < a->n_rows; r++)
        for (int n = 0; n < a->n_out; n++)
            for (int l = 0; l < L; l++) {
                real *y = a->y.data + r * a->y.stride + n * L + l;
                real sum = (a->accumulate ? *y : 0) + (a->bias ? a->bias[n] : 0);
                for (int k = 0; k < a->n_in; k++)
                    sum +=
                        a->x.data[r * a->x.stride + k * L + l] * a->w[k * a->w_in + n * a->w_out];
                *y = sum;
            }
}

void KERNEL(map_gradient)(const kernel_map_gradient *a) {
    for (int k = 0; k < a->n_in; k++)
        for (int n = 0; n < a->n_out; n++) {
            real sum = 0;
            for (int r = 0; r < a->n_rows; r++)
                for (int l = 0; l < L; l++)
                    sum += a->x.data[r * a->x.stride + k * L + l] *
                           a->dy.data[r * a->dy.stride + n * L + l];
            a->dw[k * a->w_in + n * a->w_out] += sum;
        }
}

void KERNEL(chain)(const kernel_chain *a) {
    chain_by_parts(a);
}

void KERNEL(chain_gradient)(const kernel_chain_gradient *b) {
    chain_gradient_by_parts(b);
}

static real difference(const kernel_distances *a, int r, int k, int n, int l) {
    return a->x.data[r * a->x.stride + k * L + l] - a->w[k * a->w_in + n * a->w_out];
}

void KERNEL(distances)(const kernel_distances *a) {
    for (int r = 0; r < a->n_rows; r++)
        for (int n = 0; n < a->n_out; n++)
            for (int l = 0; l < L; l++) {
                real square = a->floor;
                for (int k = 0; k < a->n_in; k++)
                    square += difference(a, r, k, n, l) * difference(a, r, k, n, l);
                a->squares.data[r * a->squares.stride + n * L + l] = square;
                a->y.data[r * a->y.stride + n * L + l] = -a->factor * real_log(square);
            }
}

void KERNEL(distances_gradient)(const kernel_distances_gradient *b) {
    const kernel_distances *a = &b->forward;
    for (int r = 0; r < a->n_rows; r++)
        for (int l = 0; l < L; l++) {
            real *dx = b->dx.data + r * b->dx.stride + l;
            for (int k = 0; k < a->n_in; k++) dx[k * L] = 0;
            for (int n = 0; n < a->n_out; n++) {
                real *dy = b->dy.data + r * b->dy.stride + n * L + l;
                real square = a->squares.data[r * a->squares.stride + n * L + l];
                *dy = kernel_flush(*dy * (b->scale[r * L + l] * -a->factor) / square, FV_LEAST);
                for (int k = 0; k < a->n_in; k++) {
                    real slope = 2 * *dy * difference(a, r, k, n, l);
                    dx[k * L] += slope;
                    b->dw[k * a->w_in + n * a->w_out] -= slope;
                }
            }
        }
}

void KERNEL(bias_gradient)(int n_rows, int n_out, kernel_rows dy, real *db) {
    for (int n = 0; n < n_out; n++)
        for (int r = 0; r < n_rows; r++)
            for (int l = 0; l < L; l++) db[n] += dy.data[r * dy.stride + n * L + l];
}

// Element of row r, feature f, lane l in group g.
static real *at(const kernel_attend_rows *a, int g, int r, int f, int l) {
    return a->data + g * a->group_stride + r * a->row_stride + f * L + l;
}

// What the formulas of scores are made of (kernels/score_formulas.h).
#define LOG(x)       real_log(x)
#define FINITE(y, x) (y)

// The score of a query and a key, and its slope over their squared distance.
static real score(const kernel_attend *a, int g, int i, int j, int l, real *slope) {
    real product = 0, distance = 0;
    for (int f = 0; f < a->d_key; f++) {
        real q = *at(&a->q, g, i, f, l), k = *at(&a->k, g, j, f, l);
        product += q * k;
        distance += (q - k) * (q - k);
    }
    const bool metric = score_is_metric(a->score);
    const real factor = (real)score_factor(a->score, (double)a->scale, (double)a->power);
    const real floor = a->floor, c = -factor, x = metric ? distance : product;
    switch (a->score) {
#define FV_SCORE(NAME, name, of, bends, factor_, value_, slope_, ...)                              \
    case FV_KERNEL_##NAME:                                                                         \
        *slope = metric ? (slope_) : 0;                                                            \
        return metric ? (value_) : factor * (value_);
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return *slope = NAN; // there is no such score
}

// The key that query i sees after key j; the first for j = -1, n_keys[i] or more behind the last.
static int next_key(const kernel_attend *a, int i, int j) {
    do j++;
    while (j < a->n_keys[i] && !attend_sees(a, i, j));
    return j;
}
#define EACH_KEY(a, i, j)                                                                          \
    int j = next_key(a, i, -1);                                                                    \
    j < (a)->n_keys[i];                                                                            \
    j = next_key(a, i, j)

#undef LOG
#include "kernels/reference_normalise.h" // needs L, at, EACH_KEY

// The score as it goes to the normaliser; *slope is what its gradient keeps.
static real shaped_score(const kernel_attend *a, int g, int i, int j, int l, real *slope) {
    real s = score(a, g, i, j, l, slope);
    if (a->cap != 0) {
        real t = real_tanh(s / a->cap);
        s = a->cap * t;
        *slope = 1 - t * t;
    }
    if (a->bias != 0) s -= a->bias * (real)(a->query_at[i] - a->key_at[j]);
    return s;
}

static bool has_slopes(const kernel_attend *a) {
    return score_is_metric(a->score) || a->cap != 0;
}

static void attend_query(const kernel_attend *a, int g, int i, int l) {
    real slope;
    for (EACH_KEY(a, i, j)) {
        real s = shaped_score(a, g, i, j, l, &slope) * stretch_of(a, g, i, l);
        *at(&a->p, g, i, j, l) = keeps(a, g, i, j, l) ? s : -INFINITY;
        if (has_slopes(a)) *at(&a->slopes, g, i, j, l) = slope;
    }
    weigh(a, g, i, l);
    for (int f = 0; f < a->d_value; f++) {
        real z = 0;
        for (EACH_KEY(a, i, j)) z += *at(&a->p, g, i, j, l) * *at(&a->v, g, j, f, l);
        *at(&a->z, g, i, f, l) = z;
    }
}

void KERNEL(attend)(const kernel_attend *a) {
    for (int g = 0; g < a->n_groups; g++)
        for (int i = 0; i < a->n_queries; i++)
            for (int l = 0; l < L; l++) attend_query(a, g, i, l);
}

static void attend_query_gradient(const kernel_attend_gradient *b, int g, int i, int l) {
    const kernel_attend *a = &b->forward;
    real *ds = b->scratch + (size_t)i * a->n_rows_keys * L + l;
    for (EACH_KEY(a, i, j)) {
        real dp = 0;
        for (int f = 0; f < a->d_value; f++) dp += *at(&b->dz, g, i, f, l) * *at(&a->v, g, j, f, l);
        ds[j * L] = dp;
    }
    real sum = 0;
    for (EACH_KEY(a, i, j)) sum += ds[j * L] * *at(&a->p, g, i, j, l);
    if (b->dsink) *b->dsink -= a->sink_p[((ptrdiff_t)g * a->n_queries + i) * L + l] * sum;
    weigh_back(b, g, i, l, ds);
    for (EACH_KEY(a, i, j)) {
        real slope;
        if (b->dlog_power) *b->dlog_power += ds[j * L] * score(a, g, i, j, l, &slope);
    }
    for (int f = 0; f < a->d_key; f++) *at(&b->dq, g, i, f, l) = 0;
    for (EACH_KEY(a, i, j))
        for (int f = 0; f < a->d_key; f++) {
            real q = *at(&a->q, g, i, f, l), k = *at(&a->k, g, j, f, l);
            if (!score_is_metric(a->score)) {
                real towards = ds[j * L] * a->scale;
                if (a->cap != 0) towards *= *at(&a->slopes, g, i, j, l);
                *at(&b->dq, g, i, f, l) += towards * k;
                *at(&b->dk, g, j, f, l) += towards * q;
            } else {
                real towards = 2 * ds[j * L] * *at(&a->slopes, g, i, j, l) * (q - k);
                *at(&b->dq, g, i, f, l) += towards;
                *at(&b->dk, g, j, f, l) -= towards;
            }
        }
    for (EACH_KEY(a, i, j))
        for (int f = 0; f < a->d_value; f++)
            *at(&b->dv, g, j, f, l) += *at(&a->p, g, i, j, l) * *at(&b->dz, g, i, f, l);
}

static void clear_rows(const kernel_attend_rows *rows, int n_groups, int n_rows, int width) {
    for (int g = 0; g < n_groups; g++)
        for (int r = 0; r < n_rows; r++)
            for (int i = 0; i < width * L; i++) *at(rows, g, r, 0, i) = 0;
}

void KERNEL(attend_gradient)(const kernel_attend_gradient *b) {
    const kernel_attend *a = &b->forward;
    if (b->overwrite) {
        clear_rows(&b->dk, a->n_groups, a->n_rows_keys, a->d_key);
        clear_rows(&b->dv, a->n_groups, a->n_rows_keys, a->d_value);
    }
    for (int g = 0; g < b->forward.n_groups; g++)
        for (int i = 0; i < b->forward.n_queries; i++)
            for (int l = 0; l < L; l++) attend_query_gradient(b, g, i, l);
}

void KERNEL(rotate)(const kernel_rotate *a) {
    ptrdiff_t n = (ptrdiff_t)a->n_groups * a->n_rows * a->n_heads;
    for (ptrdiff_t i = 0; i < n * a->n_pairs * L; i++) {
        ptrdiff_t head = i / L / a->n_pairs, row = head / a->n_heads % a->n_rows;
        int m = (int)(i / L % a->n_pairs), l = (int)(i % L);
        real c = a->cosines[row * a->n_pairs + m], s = a->sines[row * a->n_pairs + m];
        real *x = a->x + (head * a->head_width + m * a->step) * L + l, *y = x + a->apart * L;
        real first = *x, second = *y;
        if (a->back) s = -s;
        *x = first * c - second * s;
        *y = first * s + second * c;
    }
}

void KERNEL(sigmoid_gate)(const kernel_sigmoid_gate *a) {
    size_t width = (size_t)a->width;
    for (size_t i = 0; i < a->n_gates * width * L; i++)
        a->y[i] = a->x[i] * sigmoid(a->g[i / L / width * L + i % L]);
}

void KERNEL(sigmoid_gate_gradient)(const kernel_sigmoid_gate_gradient *b) {
    const kernel_sigmoid_gate *a = &b->forward;
    size_t width = (size_t)a->width;
    for (size_t i = 0; i < a->n_gates * L; i++) {
        real s = sigmoid(a->g[i]), sum = 0;
        for (size_t f = 0; f < width; f++) {
            size_t at = (i / L * width + f) * L + i % L;
            real dy = b->dy[at];
            sum += dy * a->x[at];
            b->dx[at] = dy * s;
        }
        b->dg[i] = sum * s * (1 - s);
    }
}

static void cross_entropy_sample(const kernel_cross_entropy *a, int r, int l) {
    real *logits = a->logits + (size_t)r * a->vocab_size * L + l;
    int target = a->targets[r * L + l], best = 0;
    real sum = 0;
    for (int n = 1; n < a->vocab_size; n++)
        if (logits[n * L] > logits[best * L]) best = n;
    real largest = logits[best * L], at_target = target >= 0 ? logits[target * L] : 0;
    for (int n = 0; n < a->vocab_size; n++) sum += kernel_exp_share(logits[n * L] - largest);
    a->losses[r * L + l] = target >= 0 ? real_log(sum) - (at_target - largest) : 0;
    if (a->correct) a->correct[r * L + l] = target == best;
    if (!a->inverse) return;
    for (int n = 0; n < a->vocab_size; n++)
        logits[n * L] =
            target >= 0 ? kernel_exp_share(logits[n * L] - largest) - (n == target ? sum : 0) : 0;
    a->inverse[r * L + l] = target >= 0 ? a->weight / sum : 0;
}

void KERNEL(cross_entropy)(const kernel_cross_entropy *a) {
    for (int r = 0; r < a->n_rows; r++)
        for (int l = 0; l < L; l++) cross_entropy_sample(a, r, l);
}

void KERNEL(readout)(const kernel_readout *a) {
    readout_by_parts(a);
}

static void norm_sample(const kernel_norm *a, int r, int l) {
    const real *x = a->x.data + r * a->x.stride + l;
    real *y = a->y.data + r * a->y.stride + l, mean = 0, variance = 0;
    for (int f = 0; a->center && f < a->n_features; f++) mean += x[f * L] / a->n_features;
    for (int f = 0; f < a->n_features; f++)
        variance += (x[f * L] - mean) * (x[f * L] - mean) / a->n_features;
    real rstd = 1 / real_sqrt(variance + (real)1e-5);
    for (int f = 0; f < a->n_features; f++)
        y[f * L] = (x[f * L] - mean) * rstd * a->w[f] + (a->b ? a->b[f] : 0);
    if (a->center) a->mean[r * L + l] = mean;
    a->rstd[r * L + l] = rstd;
}

void KERNEL(norm)(const kernel_norm *a) {
    for (int r = 0; r < a->n_rows; r++)
        for (int l = 0; l < L; l++) norm_sample(a, r, l);
}

// With u = (x - mean) rstd and g = dy w:  dx = rstd (g - mean(g) - u mean(g u)), mean(g) only where
// the mean was taken off.
static void norm_gradient_sample(const kernel_norm_gradient *b, int r, int l) {
    const kernel_norm *a = &b->forward;
    const real *x = a->x.data + r * a->x.stride + l, *dy = b->dy.data + r * b->dy.stride + l;
    real *dx = b->dx.data + r * b->dx.stride + l;
    real mean = a->center ? a->mean[r * L + l] : 0, rstd = a->rstd[r * L + l];
    real mean_g = 0, mean_gu = 0;
    for (int f = 0; f < a->n_features; f++) {
        real u = (x[f * L] - mean) * rstd, g = dy[f * L] * a->w[f];
        if (a->center) mean_g += g / a->n_features;
        mean_gu += g * u / a->n_features;
        b->dw[f] += dy[f * L] * u;
        if (b->db) b->db[f] += dy[f * L];
    }
    for (int f = 0; f < a->n_features; f++) {
        real u = (x[f * L] - mean) * rstd;
        dx[f * L] = rstd * (dy[f * L] * a->w[f] - mean_g - u * mean_gu);
    }
}

void KERNEL(norm_gradient)(const kernel_norm_gradient *b) {
    for (int r = 0; r < b->forward.n_rows; r++)
        for (int l = 0; l < L; l++) norm_gradient_sample(b, r, l);
}

// What the formulas of activations are made of (kernels/activation_formulas.h).
#define NUMBER(c)            ((real)(c))
#define FMA(a, b, c)         ((a) * (b) + (c))
#define SIGMOID(x)           sigmoid(x)
#define POSITIVE(x)          ((x) <= 0 ? 0 : (x))
#define WHERE_POSITIVE(x, y) ((x) <= 0 ? 0 : (y))

// f(x), and dy f'(x).
static real activation(kernel_activation kind, real x, real dy, real *back) {
    switch (kind) {
#define FV_ACTIVATION(NAME, name, help, theirs, exps, shared, value, slope)                        \
    case FV_KERNEL_##NAME: {                                                                       \
        real g = shared;                                                                           \
        (void)g;                                                                                   \
        *back = slope;                                                                             \
        return value;                                                                              \
    }
#include <fovea/parts/activations.def>
#undef FV_ACTIVATION
    case FV_N_ACTIVATIONS:
        break;
    }
    return *back = NAN; // there is no such activation
}

void KERNEL(activate)(kernel_activation kind, size_t n, const real *x, real *y) {
    real back;
    for (size_t i = 0; i < n; i++) y[i] = activation(kind, x[i], 0, &back);
}

void KERNEL(activate_gradient)(kernel_activation kind, size_t n, const real *x, const real *dy,
                               real *dx) {
    for (size_t i = 0; i < n; i++) activation(kind, x[i], dy[i], &dx[i]);
}

void KERNEL(gate)(const kernel_gate *a) {
    real back;
    for (size_t i = 0; i < a->n; i++) a->y[i] = activation(a->kind, a->x[i], 0, &back) * a->u[i];
}

void KERNEL(gate_gradient)(const kernel_gate_gradient *b) {
    const kernel_gate *a = &b->forward;
    for (size_t i = 0; i < a->n; i++)
        b->du[i] = b->dy[i] * activation(a->kind, a->x[i], b->dy[i] * a->u[i], &b->dx[i]);
}

void KERNEL(scale_rows)(int n_rows, int n_features, kernel_rows x, const real *scale,
                        kernel_rows y) {
    for (int r = 0; r < n_rows; r++)
        for (int f = 0; f < n_features; f++)
            for (int l = 0; l < L; l++)
                y.data[r * y.stride + f * L + l] =
                    x.data[r * x.stride + f * L + l] * scale[r * L + l];
}

void KERNEL(adam)(const kernel_adam *a) {
    for (size_t i = 0; i < a->n; i++) {
        real g = kernel_flush(a->gradient[i], a->least_gradient);
        a->m[i] = kernel_flush(a->m[i] + a->share1 * (g - a->m[i]), FV_LEAST);
        a->v[i] = kernel_flush(a->v[i] + a->share2 * (g * g - a->v[i]), FV_LEAST_SQUARE);
        real root = real_sqrt(a->v[i]) * a->root_correction + a->epsilon;
        real scale = a->rate_scale ? a->rate_scale[i] : 1;
        real change = scale * (a->decay * a->params[i] + a->rate * a->m[i] / root);
        a->params[i] = kernel_flush(a->params[i] - change, FV_LEAST);
    }
}

void KERNEL(exp_array)(size_t n, const real *x, real *y) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] < FV_LOG_LEAST_EXP ? 0 : real_exp(x[i]);
}

void KERNEL(log_array)(size_t n, const real *x, real *y) {
    for (size_t i = 0; i < n; i++) y[i] = real_log(x[i]);
}

double KERNEL(peak_fma)(long n, double *flops) {
    real sum[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (long i = 0; i < n; i++)
        for (int j = 0; j < 8; j++) sum[j] = sum[j] * (real)0.999 + (real)1e-3;
    *flops = 16.0 * (double)n;
    return (double)(sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7]);
}

double KERNEL(peak_exp)(long n, double *exps) {
    real sum = 0;
    for (long i = 0; i < n; i++) sum += real_exp((real)(-(i % 64)) / 8);
    *exps = (double)n;
    return (double)sum;
}
