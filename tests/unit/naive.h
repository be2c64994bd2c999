// The model once more, as a textbook writes it: one sequence, double precision, every position of
// every layer, no blocks, no lanes, no pruning. The engine's forward pass is held against it.
#ifndef TESTS_NAIVE_H
#define TESTS_NAIVE_H

#include "configurations.h"
#include "model/scores.h"
#include "model/selectors.h"
#include "normaliser_truth.h"
#include "score_truth.h"

#include <fovea/model.h>

typedef struct naive {
    const fv_model *model;
    const fv_config *config;
    const double *params;
    int T, d, V;
    double *x;        // [T][d], the stream
    double *patterns; // [n_attention][H][T][T], or NULL
    bool dense;       // selectors that learn keep every key
    double *own;      // += the losses that selectors have for themselves, each a mean; or NULL
} naive;

// The parameter of that name; NULL where the model has none.
static const double *naive_param(const naive *n, const char *format, int layer) {
    char name[48];
    snprintf(name, sizeof name, format, layer);
    const fv_tensor *tensor = fv_model_tensor(n->model, name);
    return tensor ? n->params + tensor->offset : NULL;
}

static void naive_linear(const double *x, const double *w, const double *b, int n_in, int n_out,
                         double *y) {
    for (int o = 0; o < n_out; o++) {
        y[o] = b ? b[o] : 0;
        for (int i = 0; i < n_in; i++) y[o] += x[i] * w[i * n_out + o];
    }
}

// Layer norm, or RMS norm where there is no bias; x itself where there is no weight.
static void naive_norm(const double *x, const double *w, const double *b, int n, double *y) {
    double mean = 0, square = 0;
    for (int i = 0; i < n && b; i++) mean += x[i] / n;
    for (int i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / n;
    for (int i = 0; i < n; i++)
        y[i] = w ? (x[i] - mean) / sqrt(square + 1e-5) * w[i] + (b ? b[i] : 0) : x[i];
}

static void naive_norm_rows(const naive *n, const char *w, const char *b, int layer, double *y) {
    for (int t = 0; t < n->T; t++)
        naive_norm(n->x + t * n->d, naive_param(n, w, layer), naive_param(n, b, layer), n->d,
                   y + t * n->d);
}

// How near a key has come to the threshold of a sparse normaliser, of all since it was set.
static double naive_margin;

// By what the scores of query q are multiplied, of head h that sees n keys.
static double naive_stretch(const naive *n, int layer, int h, const double *q, int n_keys) {
    const int width = n->d / n->config->model.n_head;
    const double *s = naive_param(n, "blocks.%d.attn.score_stretch", layer),
                 *to_beta = naive_param(n, "blocks.%d.attn.W_beta", layer),
                 *to_gamma = naive_param(n, "blocks.%d.attn.W_gamma", layer);
    double beta = 0, gamma = 0;
    if (s != NULL) return s[h] * log(n_keys);
    if (to_beta == NULL || n_keys < 2) return 1;
    for (int f = 0; f < width; f++) {
        beta += to_beta[h * width + f] * q[f];
        gamma += to_gamma[h * width + f] * q[f];
    }
    return 1 + log1p(exp(beta)) * pow(log(n_keys), 3 * tanh(gamma));
}

static double naive_alpha(const naive *n, int layer, int h) {
    const double *logit = naive_param(n, "blocks.%d.attn.alpha_logit", layer);
    return logit ? 1.01 + 0.99 / (1 + exp(-logit[h])) : n->config->model.entmax_alpha;
}

// Softmax in place; a score of -infinity weighs nothing.
static void naive_softmax(double *scores, int n) {
    double largest = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++) largest = fmax(largest, scores[j]);
    for (int j = 0; j < n; j++) sum += scores[j] = exp(scores[j] - largest);
    for (int j = 0; j < n; j++) scores[j] /= sum;
}

// What layer i of the list says, or else the model.
static int naive_option(const fv_layer_option *own, int of_model) {
    return own->given ? (int)own->value : of_model;
}

static double naive_score(const fv_model_config *config, double power, const double *q,
                          const double *k, int n) {
    double product = 0, distance = 0;
    for (int f = 0; f < n; f++) {
        product += q[f] * k[f];
        distance += (q[f] - k[f]) * (q[f] - k[f]);
    }
    kernel_score kind = (kernel_score)config->score;
    fv_attention_config numbers = {0};
    score_type_of(config->score)->on_tiles(config, n, &numbers);
    double scale = kind == FV_KERNEL_DOT         ? 1 / sqrt(n)
                   : kind == FV_KERNEL_EUCLIDEAN ? config->score_beta
                                                 : numbers.scale;
    if (kind != FV_KERNEL_HARMONIC && !config->score_power_learned) power = numbers.power;
    double floor = kind == FV_KERNEL_HARMONIC ? config->score_floor : numbers.floor, slope;
    return score_truth((score_case){kind, scale, power, floor, product, distance}, &slope);
}

// What one query of a head scores.
typedef struct naive_query {
    int layer, place, h, t, width;
    double power;
    const double *q, *k; // k of position j at k + j * d
    const double *x;     // [T][d] what the layer's queries and keys are made of
} naive_query;

static void naive_turn_width(const naive *n, int t, int width, double *x);

static bool naive_learns(int kind) {
    return kind == FV_SELECTOR_INDEXER || kind == FV_SELECTOR_GROUP_INDEXER;
}

// The choice that head h takes part in.
static int naive_choice(const naive *n, int place, int kind, int h) {
    const fv_model_config *c = &n->config->model;
    int n_kv = naive_option(&c->layers.n_kv_head[place], c->n_kv_head);
    if (n_kv == 0) n_kv = c->n_head;
    return kind == FV_SELECTOR_GROUP_INDEXER ? h * n_kv / c->n_head : 0;
}

// The learned index of a query and key j (src/model/key_index.h).
static double naive_index(const naive *n, const naive_query *a, int kind, int j) {
    const fv_model_config *c = &n->config->model;
    bool weighted = kind == FV_SELECTOR_INDEXER;
    int heads = weighted ? c->indexer_heads : 1, width = c->indexer_width, d = n->d;
    int first = naive_choice(n, a->place, kind, a->h) * width;
    const double *w_q = naive_param(n, "blocks.%d.attn.selector.W_Q", a->layer),
                 *w_k = naive_param(n, "blocks.%d.attn.selector.W_K", a->layer),
                 *w_w = naive_param(n, "blocks.%d.attn.selector.W_w", a->layer);
    int n_q = (int)fv_model_tensor(n->model, "blocks.0.attn.selector.W_Q")->shape[1];
    double sum = 0, q[256], k[64];
    for (int o = 0; o < n_q; o++) {
        q[o] = 0;
        for (int f = 0; f < d; f++) q[o] += a->x[a->t * d + f] * w_q[f * n_q + o];
    }
    naive_linear(a->x + j * d, w_k, NULL, d, width, k);
    if (c->positions == FV_POSITIONS_ROPE) naive_turn_width(n, j, width, k);
    for (int h = 0; h < heads; h++) {
        double product = 0, weight = 1, *q_h = q + first + h * width;
        if (c->positions == FV_POSITIONS_ROPE) naive_turn_width(n, a->t, width, q_h);
        for (int f = 0; f < width; f++) product += q_h[f] * k[f];
        if (weighted) {
            weight = 0;
            for (int f = 0; f < d; f++) weight += a->x[a->t * d + f] * w_w[f * heads + h];
            product = fmax(product, 0);
        }
        sum += weight * product;
    }
    return sum / sqrt(width * heads);
}

// Ranks of units by model.selector, larger is better.
static void naive_ranks(const naive *n, const naive_query *a, int kind, int block,
                        const double *scores, int n_keys, double *ranks) {
    const fv_config *config = n->config;
    double mean[512];
    for (int u = 0; u <= a->t / block; u++) {
        int end = (u + 1) * block < n->T ? (u + 1) * block : n->T;
        ranks[u] = -INFINITY;
        for (int j = u * block; j < end && j < n_keys; j++) {
            double score =
                naive_learns(kind) && isfinite(scores[j]) ? naive_index(n, a, kind, j) : scores[j];
            double larger = fmax(ranks[u], score), smaller = fmin(ranks[u], score);
            ranks[u] = larger;
            if (kind == FV_SELECTOR_ORACLE_TOPK && isfinite(smaller))
                ranks[u] += log1p(exp(smaller - larger));
        }
        if (kind != FV_SELECTOR_BLOCK_TOPK || ranks[u] == -INFINITY) continue;
        int n_seen = 0; // of the block: a window hides some
        for (int j = u * block; j < end && j < n_keys; j++) n_seen += isfinite(scores[j]);
        for (int f = 0; f < a->width; f++) {
            mean[f] = 0;
            for (int j = u * block; j < end && j < n_keys; j++)
                if (isfinite(scores[j])) mean[f] += a->k[j * n->d + f] / n_seen;
        }
        ranks[u] = naive_score(&config->model, a->power, a->q, mean, a->width);
    }
    if (kind != FV_SELECTOR_RANDOM_TOPK) return;
    real noise[512];
    selector_noise((uint64_t)config->train.seed, a->layer, a->h, 0, 0, a->t, a->t / block + 1,
                   noise, 1);
    for (int u = 0; u <= a->t / block; u++)
        if (ranks[u] > -INFINITY) ranks[u] = (double)noise[u];
}

// What the last query kept.
static bool naive_kept[512];

// Scores of keys that the query does not keep become -infinity.
static void naive_select(const naive *n, const naive_query *a, double *scores, int n_keys) {
    const fv_model_config *config = &n->config->model;
    int kind = naive_option(&config->layers.selector[a->place], config->selector);
    int k = naive_option(&config->layers.selector_k[a->place], config->selector_k);
    int block = naive_option(&config->layers.selector_block[a->place], config->selector_block);
    bool kept[512] = {false};
    double ranks[512];
    for (int j = 0; j < n_keys; j++) naive_kept[j] = isfinite(scores[j]);
    if (kind == FV_SELECTOR_NONE || n_keys == 0) return;
    if (naive_learns(kind) && n->dense) return;
    if (kind == FV_SELECTOR_TOPK) block = 1;
    int own = a->t / block;
    naive_ranks(n, a, kind, block, scores, n_keys, ranks);
    if (block > 1) {
        kept[own] = true;
        k--;
    }
    double last = INFINITY, best = -INFINITY;
    for (int left = k; left >= 0; left--) {
        int chosen = -1;
        for (int u = 0; u <= own; u++)
            if (!kept[u] && ranks[u] > -INFINITY && (chosen < 0 || ranks[u] > ranks[chosen]))
                chosen = u;
        if (chosen < 0) break;
        best = ranks[chosen];
        if (left == 0) break;
        kept[chosen] = true;
        last = best;
        best = -INFINITY;
    }
    // The same key twice stays the same key, of which the first is kept.
    bool tied = last - best < 1e-12;
    if (kind != FV_SELECTOR_RANDOM_TOPK && !tied) naive_margin = fmin(naive_margin, last - best);
    for (int j = 0; j < n_keys; j++)
        if (!(naive_kept[j] &= kept[j / block])) scores[j] = -INFINITY;
}

// Scores of keys 0 .. n_keys - 1 become weights; a key that is not seen has a score of -infinity.
static void naive_weigh(const naive *n, const naive_query *a, double *scores, int n_keys) {
    int n_seen = 0;
    for (int j = 0; j < n_keys; j++) n_seen += isfinite(scores[j]);
    double stretch = naive_stretch(n, a->layer, a->h, a->q, n_seen);
    naive_select(n, a, scores, n_keys);
    for (int j = 0; j < n_keys; j++)
        if (isfinite(scores[j])) scores[j] *= stretch;
    const int normaliser =
        naive_option(&n->config->model.layers.normaliser[a->place], n->config->model.normaliser);
    double margin = normaliser_truth((kernel_normaliser)normaliser, naive_alpha(n, a->layer, a->h),
                                     scores, n_keys, n_seen);
    naive_margin = fmin(naive_margin, margin);
}

// What layer i says of a number or choice, or else the model.
#define NAIVE_OPTION(config, name, i)                                                              \
    ((config)->layers.name[i].given ? (config)->layers.name[i].value : (double)(config)->name)

// Rotary positions by their definition: pairs as complex numbers, frequencies one by one.
static void naive_turn_width(const naive *n, int t, int width, double *x) {
    const fv_model_config *c = &n->config->model;
    double original = c->rope_original > 0 ? c->rope_original : n->T, s = c->rope_factor;
    if (s == 0) s = fmax(1, n->config->task.context_length / original);
    double pi = acos(-1), ln_base = log(c->rope_base), scale = 1;
    if (c->rope_scaling == FV_ROPE_SCALING_NTK) ln_base += log(s) * width / (width - 2);
    for (int m = 0; m < width / 2; m++) {
        double w = exp(-ln_base * 2 * m / width), turns = original * w / (2 * pi), mix;
        switch (c->rope_scaling) {
        case FV_ROPE_SCALING_LINEAR:
            w /= s;
            break;
        case FV_ROPE_SCALING_YARN: {
            double low = width * log(original / (c->rope_beta_fast * 2 * pi)) / (2 * ln_base);
            double high = width * log(original / (c->rope_beta_slow * 2 * pi)) / (2 * ln_base);
            low = fmin(fmax(floor(low), 0), width - 1);
            high = fmin(fmax(ceil(high), 0), width - 1);
            if (low == high) high += 0.001;
            mix = fmin(fmax((m - low) / (high - low), 0), 1);
            w = w / s * mix + w * (1 - mix);
            scale = c->rope_mscale > 0 ? c->rope_mscale : 1 + 0.1 * log(s);
            break;
        }
        case FV_ROPE_SCALING_LLAMA3:
            mix = (turns - c->rope_low_freq) / (c->rope_high_freq - c->rope_low_freq);
            if (turns < c->rope_low_freq)
                w /= s;
            else if (turns <= c->rope_high_freq)
                w = (1 - mix) * w / s + mix * w;
            break;
        }
        int a = c->rope_pairs == FV_ROPE_PAIRS_HALF ? m : 2 * m;
        int b = c->rope_pairs == FV_ROPE_PAIRS_HALF ? m + width / 2 : 2 * m + 1;
        double first = x[a], second = x[b];
        x[a] = scale * (first * cos(t * w) - second * sin(t * w));
        x[b] = scale * (first * sin(t * w) + second * cos(t * w));
    }
}

static void naive_turn(const naive *n, int t, double *x) {
    const fv_model_config *c = &n->config->model;
    naive_turn_width(n, t, c->rope_width > 0 ? c->rope_width : c->n_embd / c->n_head, x);
}

// The norm, then the turning, of the heads of a row.
static void naive_prepare(const naive *n, int i, int t, int n_heads, const double *w, double *x) {
    const fv_model_config *c = &n->config->model;
    int width = c->n_embd / c->n_head, norm = (int)NAIVE_OPTION(c, qk_norm, i);
    double copy[256];
    memcpy(copy, x, sizeof(double) * (size_t)(n_heads * width));
    if (norm == FV_QK_NORM_VECTOR) naive_norm(copy, w, NULL, n_heads * width, x);
    for (int h = 0; h < n_heads; h++) {
        if (norm == FV_QK_NORM_HEAD) naive_norm(copy + h * width, w, NULL, width, x + h * width);
        if (c->positions == FV_POSITIONS_ROPE) naive_turn(n, t, x + h * width);
    }
}

// ALiBi's slope of head h of H, 0 without it.
static double naive_slope(const fv_model_config *c, int h) {
    int below = 1, H = c->n_head;
    if (c->positions != FV_POSITIONS_ALIBI) return 0;
    while (below * 2 <= H) below *= 2;
    if (h < below) return pow(2, -8.0 * (h + 1) / below);
    return pow(2, -8.0 * (2 * (h - below) + 1) / (2.0 * below));
}

// KL(what the heads of each choice gave to the keys of query t || softmax of its index), over the keys
// that they kept; p [H][T] are their weights, below 0 where a key was not kept.
static void naive_lesson(const naive *n, naive_query *a, int kind, double share, const double *p) {
    const int H = n->config->model.n_head;
    int n_choices = naive_choice(n, a->place, kind, H - 1) + 1;
    for (int c = 0; c < n_choices; c++) {
        double target[512] = {0}, total = 0, sum = 0, loss = 0;
        for (int h = H - 1; h >= 0; h--) {
            if (naive_choice(n, a->place, kind, h) != c) continue;
            a->h = h;
            for (int j = 0; j <= a->t; j++) target[j] += p[h * n->T + j];
        }
        for (int j = 0; j <= a->t; j++) total += fmax(target[j], 0);
        if (total == 0) continue;
        for (int j = 0; j <= a->t; j++)
            if (target[j] >= 0) sum += exp(naive_index(n, a, kind, j));
        for (int j = 0; j <= a->t; j++)
            if (target[j] > 0)
                loss += target[j] / total *
                        (log(target[j] / total) - naive_index(n, a, kind, j) + log(sum));
        *n->own += share * loss / n_choices;
    }
}

// Attention layer `layer`, the i-th of the list.
static void naive_attention(const naive *n, int layer, int i) {
    const fv_model_config *config = &n->config->model;
    int window = naive_option(&config->layers.window[i], config->window);
    int sinks = naive_option(&config->layers.sinks[i], config->sinks);
    const double *log_power = naive_param(n, "blocks.%d.attn.log_power", layer);
    int d = n->d, T = n->T, H = n->config->model.n_head, width = d / H;
    int n_kv = naive_option(&config->layers.n_kv_head[i], config->n_kv_head);
    int kv = (n_kv > 0 ? n_kv : H) * width, group = n_kv > 0 ? H / n_kv : 1;
    double cap = NAIVE_OPTION(config, soft_cap, i);
    int sink = (int)NAIVE_OPTION(config, sink_logit, i), gate = (int)NAIVE_OPTION(config, gate, i);
    const double *sinks_of = naive_param(n, "blocks.%d.attn.sinks", layer);
    int kind = naive_option(&config->layers.selector[i], config->selector);
    bool learns = n->own != NULL && naive_learns(kind);
    double *taught = calloc((size_t)(T * T * H), sizeof *taught); // [T][H][T]
    double *normed = malloc(sizeof(double) * (size_t)(5 * T * d + T + 1)), *q = normed + T * d,
           *k = q + T * d, *v = k + T * d, *z = v + T * d, *p = z + T * d;
    naive_norm_rows(n, "blocks.%d.ln1.w", "blocks.%d.ln1.b", layer, normed);
    for (int t = 0; t < T; t++) {
        const double *x = normed + t * d;
        naive_linear(x, naive_param(n, "blocks.%d.attn.W_Q", layer),
                     naive_param(n, "blocks.%d.attn.b_Q", layer), d, d, q + t * d);
        naive_linear(x, naive_param(n, "blocks.%d.attn.W_K", layer),
                     naive_param(n, "blocks.%d.attn.b_K", layer), d, kv, k + t * d);
        naive_linear(x, naive_param(n, "blocks.%d.attn.W_V", layer),
                     naive_param(n, "blocks.%d.attn.b_V", layer), d, kv, v + t * d);
        naive_prepare(n, i, t, H, naive_param(n, "blocks.%d.attn.q_norm.w", layer), q + t * d);
        naive_prepare(n, i, t, kv / width, naive_param(n, "blocks.%d.attn.k_norm.w", layer),
                      k + t * d);
    }
    for (int h = 0; h < H; h++)
        for (int t = 0; t < T; t++) {
            int shared = h / group * width; // where the keys and values of this head begin
            int n_keys = n->config->model.exclude_self ? t : t + 1;
            double power = log_power ? exp(log_power[h]) : config->score_power;
            for (int j = 0; j < n_keys; j++) {
                bool seen = window == 0 || j > t - window || j < sinks;
                p[j] = seen ? naive_score(config, power, q + t * d + h * width, k + j * d + shared,
                                          width)
                            : -INFINITY;
                if (seen && cap > 0) p[j] = cap * tanh(p[j] / cap);
                p[j] -= naive_slope(config, h) * (t - j);
            }
            naive_query query = {layer,      i,     h, t, width, power, q + t * d + h * width,
                                 k + shared, normed};
            if (sink == FV_SINK_LOGIT_NONE) {
                naive_weigh(n, &query, p, n_keys);
            } else {
                naive_select(n, &query, p, n_keys);
                p[n_keys] = sink == FV_SINK_LOGIT_LEARNED ? sinks_of[h] : 0;
                naive_softmax(p, n_keys + 1);
            }
            for (int f = 0; f < width; f++) {
                double sum = 0;
                for (int j = 0; j < n_keys; j++) sum += p[j] * v[j * d + shared + f];
                z[t * d + h * width + f] = sum;
            }
            for (int j = 0; j < T; j++)
                taught[(t * H + h) * T + j] = j < n_keys && naive_kept[j] ? p[j] : -1;
            for (int j = 0; j < n_keys && n->patterns; j++)
                n->patterns[((layer * H + h) * T + t) * T + j] = p[j];
        }
    const model_positions *out = &n->model->layers[i + 1].out;
    for (int r = 0; learns && r < out->n; r++) {
        naive_query query = {.layer = layer, .place = i, .t = out->at[r], .x = normed};
        naive_lesson(n, &query, kind, 1.0 / out->n, taught + out->at[r] * H * T);
    }
    free(taught);
    for (int t = 0; t < T; t++) {
        double *y = q, *gates = k; // no longer needed
        int n_gates = gate == FV_GATE_NONE ? 0 : gate == FV_GATE_HEAD ? H : d;
        if (n_gates > 0)
            naive_linear(normed + t * d, naive_param(n, "blocks.%d.attn.W_G", layer),
                         naive_param(n, "blocks.%d.attn.b_G", layer), d, n_gates, gates);
        for (int f = 0; f < d && n_gates > 0; f++)
            z[t * d + f] /= 1 + exp(-gates[f / (d / n_gates)]);
        naive_linear(z + t * d, naive_param(n, "blocks.%d.attn.W_O", layer),
                     naive_param(n, "blocks.%d.attn.b_O", layer), d, d, y);
        for (int f = 0; f < d; f++)
            n->x[t * d + f] = y[f] + (n->config->model.residual ? n->x[t * d + f] : 0);
    }
    free(normed);
}

static double naive_activation(int kind, double x) {
    if (kind == FV_ACTIVATION_RELU) return x > 0 ? x : 0;
    if (kind == FV_ACTIVATION_RELU2) return x > 0 ? x * x : 0;
    if (kind == FV_ACTIVATION_ELU_PLUS_ONE) return x > 0 ? x + 1 : exp(x);
    if (kind == FV_ACTIVATION_SILU || kind == FV_ACTIVATION_SWIGLU) return x / (1 + exp(-x));
    if (kind != FV_ACTIVATION_GELU && kind != FV_ACTIVATION_GEGLU)
        fail_msg("the naive forward pass lacks this activation");
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static void naive_mlp(const naive *n, int layer) {
    const fv_model_config *config = &n->config->model;
    bool gated = config->activation == FV_ACTIVATION_SWIGLU || //
                 config->activation == FV_ACTIVATION_GEGLU;
    int d = n->d, m = gated ? (int)lround(8.0 / 3 * d) : 4 * d;
    if (config->d_mlp > 0) m = config->d_mlp;
    double *normed = malloc(sizeof(double) * (size_t)(n->T * d + 2 * m + d)),
           *hidden = normed + n->T * d, *gate = hidden + m, *y = gate + m;
    naive_norm_rows(n, "blocks.%d.ln2.w", "blocks.%d.ln2.b", layer, normed);
    for (int t = 0; t < n->T; t++) {
        naive_linear(normed + t * d, naive_param(n, "blocks.%d.mlp.W_in", layer),
                     naive_param(n, "blocks.%d.mlp.b_in", layer), d, m, hidden);
        if (gated)
            naive_linear(normed + t * d, naive_param(n, "blocks.%d.mlp.W_gate", layer),
                         naive_param(n, "blocks.%d.mlp.b_gate", layer), d, m, gate);
        for (int i = 0; i < m; i++)
            hidden[i] = gated ? naive_activation(config->activation, gate[i]) * hidden[i]
                              : naive_activation(config->activation, hidden[i]);
        naive_linear(hidden, naive_param(n, "blocks.%d.mlp.W_out", layer),
                     naive_param(n, "blocks.%d.mlp.b_out", layer), m, d, y);
        for (int f = 0; f < d; f++)
            n->x[t * d + f] = y[f] + (config->residual ? n->x[t * d + f] : 0);
    }
    free(normed);
}

static double naive_silu(double x) {
    return x / (1 + exp(-x));
}

// One channel of a Mamba layer over the whole sequence: u [T][E], step, B, C [T][R + 2 N] -> y [T].
static void naive_scan(const naive *n, int layer, int channel, const double *u, const double *maps,
                       double *y) {
    const fv_model_config *config = &n->config->model;
    int E = config->mamba_expand * n->d, N = config->mamba_state;
    int R = config->mamba_dt_rank > 0 ? config->mamba_dt_rank : (n->d + 15) / 16;
    const double *w_dt = naive_param(n, "blocks.%d.mamba.dt_proj.w", layer),
                 *b_dt = naive_param(n, "blocks.%d.mamba.dt_proj.b", layer),
                 *a_log = naive_param(n, "blocks.%d.mamba.A_log", layer),
                 *skip = naive_param(n, "blocks.%d.mamba.D", layer);
    double h[256] = {0};
    for (int t = 0; t < n->T; t++) {
        const double *map = maps + t * (R + 2 * N), *B = map + R, *C = B + N;
        double step = b_dt[channel], ut = u[t * E + channel];
        for (int r = 0; r < R; r++) step += map[r] * w_dt[r * E + channel];
        double delta = log1p(exp(step));
        y[t] = skip[channel] * ut;
        for (int s = 0; s < N; s++) {
            h[s] = exp(-delta * exp(a_log[channel * N + s])) * h[s] + delta * B[s] * ut;
            y[t] += C[s] * h[s];
        }
    }
}

static void naive_mamba(const naive *n, int layer) {
    const fv_model_config *config = &n->config->model;
    int d = n->d, T = n->T, E = config->mamba_expand * d, taps = config->mamba_conv;
    int R = config->mamba_dt_rank > 0 ? config->mamba_dt_rank : (d + 15) / 16;
    int maps_width = R + 2 * config->mamba_state;
    double *normed = malloc(sizeof(double) * (size_t)(T * (2 * d + 4 * E + maps_width + 1))),
           *xz = normed + T * d, *u = xz + 2 * T * E, *gated = u + T * E, *y = gated + T * E,
           *maps = y + T * d, *scanned = maps + T * maps_width;
    const double *filter = naive_param(n, "blocks.%d.mamba.conv.w", layer),
                 *bias = naive_param(n, "blocks.%d.mamba.conv.b", layer);
    naive_norm_rows(n, "blocks.%d.ln_mamba.w", "blocks.%d.ln_mamba.b", layer, normed);
    for (int t = 0; t < T; t++)
        naive_linear(normed + t * d, naive_param(n, "blocks.%d.mamba.in_proj", layer), NULL, d,
                     2 * E, xz + t * 2 * E);
    for (int t = 0; t < T; t++) {
        for (int e = 0; e < E; e++) {
            double sum = bias[e];
            for (int back = 0; back < taps && back <= t; back++)
                sum += filter[e * taps + taps - 1 - back] * xz[(t - back) * 2 * E + e];
            u[t * E + e] = naive_silu(sum);
        }
        naive_linear(u + t * E, naive_param(n, "blocks.%d.mamba.x_proj", layer), NULL, E,
                     maps_width, maps + t * maps_width);
    }
    for (int e = 0; e < E; e++) {
        naive_scan(n, layer, e, u, maps, scanned);
        for (int t = 0; t < T; t++)
            gated[t * E + e] = scanned[t] * naive_silu(xz[t * 2 * E + E + e]);
    }
    for (int t = 0; t < T; t++) {
        naive_linear(gated + t * E, naive_param(n, "blocks.%d.mamba.out_proj", layer), NULL, E, d,
                     y + t * d);
        for (int f = 0; f < d; f++)
            n->x[t * d + f] = y[t * d + f] + (config->residual ? n->x[t * d + f] : 0);
    }
    free(normed);
}

static void naive_embed(const naive *n, const int32_t *tokens) {
    const double *table = naive_param(n, "embed.W_E", 0);
    const double *learned = naive_param(n, "pos_embed.W_pos", 0);
    for (int t = 0; t < n->T; t++)
        for (int f = 0; f < n->d; f++) {
            double angle = t / pow(10000, (double)(f - f % 2) / n->d), position = 0;
            if (n->config->model.positions == FV_POSITIONS_SINUSOIDAL)
                position = f % 2 ? cos(angle) : sin(angle);
            if (n->config->model.positions == FV_POSITIONS_LEARNED)
                position = learned[t * n->d + f];
            n->x[t * n->d + f] = table[tokens[t] * n->d + f] + position;
        }
}

// What model.norm_place has behind a layer that read `before`.
static void naive_behind(const naive *n, const char *norm, int layer, const double *before) {
    const fv_model_config *config = &n->config->model;
    if (config->norm == FV_NORM_NONE || config->norm_place == FV_NORM_PLACE_PRE) return;
    char w[48], b[48];
    snprintf(w, sizeof w, "blocks.%%d.%s_post.w", norm);
    snprintf(b, sizeof b, "blocks.%%d.%s_post.b", norm);
    bool adds = config->norm_place != FV_NORM_PLACE_POST && config->residual;
    for (int i = 0; adds && i < n->T * n->d; i++) n->x[i] -= before[i];
    naive_norm_rows(n, w, b, layer, n->x);
    for (int i = 0; adds && i < n->T * n->d; i++) n->x[i] += before[i];
}

#include "naive_compressed.h"
#include "naive_recurrence.h"

// Logits of one sequence at every position: tokens [T] -> logits [T][V]; of `n` only its model, its
// parameters and what it is to do are given.
static inline void naive_forward_of(naive n, const int32_t *tokens, double *logits) {
    n.config = fv_model_config_of(n.model);
    n.T = n.config->task.context_length;
    n.d = n.config->model.n_embd;
    n.V = n.config->task.vocab_size;
    double *normed = malloc(sizeof(double) * (size_t)(2 * n.T * n.d));
    n.x = normed + n.T * n.d;
    naive_embed(&n, tokens);
    int n_attention = 0, n_mlp = 0, n_norms = 0, n_mamba = 0, n_recurrent[FV_LAYER_COUNT] = {0};
    double *before = malloc(sizeof(double) * (size_t)(n.T * n.d));
    for (int i = 0; i < n.config->model.layers.n; i++) {
        memcpy(before, n.x, sizeof(double) * (size_t)(n.T * n.d));
        switch (n.config->model.layers.kind[i]) {
        case FV_LAYER_ATTENTION:
            naive_attention(&n, n_attention, i);
            naive_behind(&n, "ln1", n_attention++, before);
            break;
        case FV_LAYER_MLP:
            naive_mlp(&n, n_mlp);
            naive_behind(&n, "ln2", n_mlp++, before);
            break;
        case FV_LAYER_MAMBA:
            naive_mamba(&n, n_mamba);
            naive_behind(&n, "ln_mamba", n_mamba++, before);
            break;
#define RECURRENCE(NAME, name)                                                                     \
    case FV_LAYER_##NAME:                                                                          \
        naive_recurrence(&n, FV_LAYER_##NAME, n_recurrent[FV_LAYER_##NAME]);                       \
        naive_behind(&n, "ln_" #name, n_recurrent[FV_LAYER_##NAME]++, before);                     \
        break;
        case FV_LAYER_SHORT_CONVOLUTION:
            naive_short_convolution(&n, n_recurrent[FV_LAYER_SHORT_CONVOLUTION]);
            naive_behind(&n, "ln_conv", n_recurrent[FV_LAYER_SHORT_CONVOLUTION]++, before);
            break;
        case FV_LAYER_NSA:
            naive_nsa(&n, n_recurrent[FV_LAYER_NSA]);
            naive_behind(&n, "ln_nsa", n_recurrent[FV_LAYER_NSA]++, before);
            break;
        case FV_LAYER_COMPRESSED_ATTENTION:
            naive_compressed(&n, n_recurrent[FV_LAYER_COMPRESSED_ATTENTION]);
            naive_behind(&n, "ln_compressed", n_recurrent[FV_LAYER_COMPRESSED_ATTENTION]++, before);
            break;
            NAIVE_RECURRENCES(RECURRENCE)
#undef RECURRENCE
        default:
            naive_norm_rows(&n, "norms.%d.w", "norms.%d.b", n_norms++, n.x);
        }
    }
    free(before);
    naive_norm_rows(&n, "ln_final.w", "ln_final.b", 0, normed);
    const double *unembed = naive_param(&n, "unembed.W_U", 0),
                 *table = naive_param(&n, "embed.W_E", 0);
    for (int t = 0; t < n.T; t++)
        for (int v = 0; v < n.V; v++) {
            double sum = 0, square = n.config->model.readout_floor;
            for (int f = 0; f < n.d; f++) {
                double x = normed[t * n.d + f];
                double w = n.config->model.tied ? table[v * n.d + f] : unembed[f * n.V + v];
                sum += x * w;
                square += (x - w) * (x - w);
            }
            bool harmonic = n.config->model.readout == FV_READOUT_HARMONIC;
            double power = n.config->model.readout_power;
            logits[t * n.V + v] = harmonic ? -log(square) / 2 * (power > 0 ? power : n.d) : sum;
        }
    free(normed);
}

// The same with patterns as in `naive`, or NULL.
static inline void naive_forward(const fv_model *model, const double *params, const int32_t *tokens,
                                 double *logits, double *patterns) {
    naive_forward_of((naive){.model = model, .params = params, .patterns = patterns}, tokens,
                     logits);
}

// Cross-entropy of one row of logits at its target, in nats.
static inline double naive_loss(const double *logits, int n_vocab, int target) {
    double largest = logits[0], sum = 0;
    for (int v = 1; v < n_vocab; v++) largest = fmax(largest, logits[v]);
    for (int v = 0; v < n_vocab; v++) sum += exp(logits[v] - largest);
    return log(sum) + largest - logits[target];
}

#endif
