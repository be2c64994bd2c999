// Attention that needs the weights of all keys of a query at once: normalisers but softmax, and selectors.
// Tiles keep none. Sixteen neighbouring queries of one head are the lanes:
//
//     scores   [key][16]   the lab's map kernel, the cached keys being its matrix
//     which    [key]       bit l: lane l sees the key, and keeps it (decoder_select.c)
//     weights  [key][16]   the lab's attention kernel, for queries of 1 and scores as keys, so that every
//                          normaliser is the lab's own
//     outputs  [d_head][16] the map kernel again, the cached values being its matrix, a span of keys at a
//                          time, whose sums are added in double
//
// Keys between sinks and a window are left out, so that rows of keys are those of the cache in two ranges.
#include "decode/decoder_weigh.h"
#include "config/layer_list.h"
#include "kernels/kernels.h"
#include "model/attention_keys.h"
#include "model/normalisers.h"
#include "model/scores.h"

#include <math.h>
#include <string.h>

enum { L = FV_LANES, SPAN = 1024 };

bool decoder_weighs(const fv_decoder *d, int place) {
    const fv_model_config *config = &d->config.model;
    return d->keep.kind != FV_KEEP_ALL ||
           !normaliser_is_softmax((int)layer_normaliser(config, place)) ||
           decoder_selects(d, place);
}

bool decoder_selects(const fv_decoder *d, int place) {
    return !selector_type_of((int)layer_selector(&d->config.model, place))->absent;
}

void decoder_weigh_reserve(fv_decoder *d, const decoder_attention *a) {
    weigh_buffers *at = &d->at.weigh;
    size_t n = (size_t)a->capacity, d_head = (size_t)d->sizes.d_head;
    if (at->n >= n) return;
    *at = (weigh_buffers){.n = n};
    memory_arena *w = &d->working;
    at->q = arena_reserve(w, d_head * L, sizeof(float));
    at->z = arena_reserve(w, d_head * L, sizeof(float));
    at->sums = arena_reserve(w, d_head * L, sizeof(double));
    at->scores = arena_reserve(w, n * L, sizeof(float));
    at->weights = arena_reserve(w, n * L, sizeof(float));
    at->kept = arena_reserve(w, n, sizeof(uint16_t));
    at->rows = arena_reserve(w, n, sizeof(int));
    at->ranks = arena_reserve(w, n * L, sizeof(float));
    at->far = arena_reserve(w, n * L, sizeof(float));
    at->units = arena_reserve(w, n, sizeof(uint16_t));
    at->means = arena_reserve(w, n, d_head * sizeof(float));
    if (decoder_evicts(d)) at->values = arena_reserve(w, n, d_head * sizeof(float));
}

// --- scores --------------------------------------------------------------------------------------

#define LOG(x)       logf(x)
#define FINITE(y, x) (y)

// Of a squared distance (kernels/score_formulas.h).
static float metric_score(kernel_score kind, float factor, float floor, float x) {
    (void)floor;
    switch (kind) {
#define FV_SCORE(NAME, name, of, bends, factor_, value, ...)                                       \
    case FV_KERNEL_##NAME:                                                                         \
        return value;
#include "kernels/score_list.h"
    case FV_N_SCORES:
        break;
    }
    return NAN;
}

static void products(const weighing *w, int64_t n, const float *k, float *scores) {
    float factor = (float)score_factor(w->head.score, (double)w->head.scale, (double)w->head.power);
    kernels_get()->map(&(kernel_map){.n_rows = 1,
                                     .n_in = (int)w->d_head,
                                     .n_out = (int)n,
                                     .x = {(float *)(uintptr_t)w->q, w->d_head * L},
                                     .y = {scores, n * L},
                                     .w = k,
                                     .w_in = 1,
                                     .w_out = w->d_head});
    for (int64_t i = 0; i < n * L; i++) scores[i] *= factor;
}

static void distances(const weighing *w, int64_t n, const float *k, float *scores) {
    float factor = (float)score_factor(w->head.score, (double)w->head.scale, (double)w->head.power);
    for (int64_t j = 0; j < n; j++, k += w->d_head, scores += L) {
        float square[L] = {0};
        for (int64_t f = 0; f < w->d_head; f++)
            for (int l = 0; l < L; l++) {
                float far = w->q[f * L + l] - k[f];
                square[l] += far * far;
            }
        for (int l = 0; l < L; l++)
            scores[l] = metric_score(w->head.score, factor, (float)w->head.floor, square[l]);
    }
}

void weigh_scores(const weighing *w, int64_t n, const float *k, float *scores) {
    if (n == 0) return;
    if (score_is_metric(w->head.score))
        distances(w, n, k, scores);
    else
        products(w, n, k, scores);
}

// What becomes of scores of keys: the cap, and the slope of positions.
static void shape(const weighing *w, float *scores) {
    float cap = (float)w->head.cap, slope = (float)w->head.slope;
    for (int j = 0; j < w->n_keys && (cap != 0 || slope != 0); j++, scores += L)
        for (int l = 0; l < L; l++) {
            if (cap != 0) scores[l] = cap * tanhf(scores[l] / cap);
            scores[l] -= slope * (float)(weigh_row(w, l) + w->ahead - w->rows[j]);
        }
}

// --- what queries see ----------------------------------------------------------------------------

// Of the mask of a layer of its own: a window and sinks, or everything before.
static bool sees(const fv_attention_mask *mask, int64_t row, int64_t key) {
    bool all = mask->window == 0 && mask->sinks == 0;
    return key <= row && (all || row - key < mask->window || key < mask->sinks);
}

static int64_t n_seen(const fv_attention_mask *mask, int64_t row) {
    if (mask->window == 0 && mask->sinks == 0) return row + 1;
    int64_t near = mask->window < row + 1 ? mask->window : row + 1, far = row + 1 - near;
    return near + (mask->sinks < far ? mask->sinks : far);
}

// The rows of the cache that any lane sees, in at most two ranges, and which lane does.
static void list_keys(const decoder_attention *a, weighing *w) {
    const fv_attention_mask *mask = &a->mask;
    bool all = mask->window == 0 && mask->sinks == 0;
    int64_t from = all || w->row < mask->window ? 0 : w->row - mask->window + 1;
    int64_t sinks = all || mask->sinks >= from ? 0 : mask->sinks;
    if (sinks == 0 && !all && mask->sinks > 0) from = 0;
    w->n_sinks = (int)sinks;
    w->from = from;
    w->n_keys = (int)(sinks + w->row + w->n - from);
    for (int j = 0; j < w->n_keys; j++) {
        int64_t key = j < sinks ? j : from + j - sinks;
        w->rows[j] = (int)key;
        w->kept[j] = 0;
        for (int l = 0; l < L; l++)
            if (sees(mask, weigh_row(w, l), key)) w->kept[j] |= (uint16_t)(1u << l);
    }
}

// --- weights -------------------------------------------------------------------------------------

void weigh_keys(const weighing *w, int n, kernel_normaliser normaliser, const float *scores,
                const uint16_t *kept, const float *stretch, bool sink, float *weights) {
    _Alignas(FV_ALIGNMENT) float one[L], sink_p[L], factors[L];
    for (int l = 0; l < L; l++) one[l] = 1;
    if (stretch) memcpy(factors, stretch, sizeof factors);
    float logit = sink && w->head.sink ? (float)*w->head.sink : 0;
    float *keys = (float *)(uintptr_t)scores; // which the kernel reads
    kernels_get()->attend(&(kernel_attend){.n_groups = 1,
                                           .n_queries = 1,
                                           .n_rows_keys = n,
                                           .d_key = 1,
                                           .n_keys = &n,
                                           .score = FV_KERNEL_DOT,
                                           .scale = 1,
                                           .normaliser = normaliser,
                                           .alpha = w->head.alpha,
                                           .stretch = {stretch ? factors : NULL, L, 0},
                                           .kept = kept,
                                           .q = {one, L, 0},
                                           .k = {keys, L, 0},
                                           .v = {keys, L, 0},
                                           .z = {one, L, 0},
                                           .p = {weights, (ptrdiff_t)n * L, 0},
                                           .sink = sink && w->head.sink ? &logit : NULL,
                                           .sink_p = sink_p});
}

// By what the scores of each lane are multiplied (model/normalisers.h). Returns whether by anything.
static bool find_stretch(const weighing *w, const fv_attention_mask *mask, float stretch[L]) {
    for (int l = 0; l < L; l++) {
        int64_t n = n_seen(mask, weigh_row(w, l));
        double log_n = n > 1 ? log((double)n) : 0;
        switch (w->head.stretch) {
        case FV_NO_STRETCH:
            return false;
        case FV_STRETCH_OF_HEAD:
            stretch[l] = (float)((double)*w->head.stretch_by * log_n);
            break;
        case FV_STRETCH_OF_QUERY: {
            double beta = 0, gamma = 0;
            for (int64_t f = 0; f < w->d_head; f++) {
                beta += (double)w->q[f * L + l] * (double)w->head.stretch_by[f];
                gamma += (double)w->q[f * L + l] * (double)w->head.stretch_power[f];
            }
            beta = beta > 0 ? beta + log1p(exp(-beta)) : log1p(exp(beta));
            stretch[l] = log_n > 0 ? (float)(1 + beta * pow(log_n, 3 * tanh(gamma))) : 1;
        }
        }
    }
    return true;
}

// A rule that takes each key for itself subtracts the logarithm of how many there are, of which each
// lane has its own number.
static void count_by_lane(const weighing *w, const fv_attention_mask *mask, float *scores) {
    float more[L];
    if (normaliser_rule_of(w->head.normaliser) != FV_RULE_ALONE) return;
    for (int l = 0; l < L; l++)
        more[l] = (float)log((double)w->n_keys / (double)n_seen(mask, weigh_row(w, l)));
    for (int j = 0; j < w->n_keys; j++)
        for (int l = 0; l < L; l++) scores[j * L + l] += more[l];
}

// --- outputs -------------------------------------------------------------------------------------

// sums [d_head][16] += weights of n keys times their values.
static void pool(const weighing *w, int64_t n, const float *weights, const float *v, float *z,
                 double *sums) {
    for (int64_t at = 0, some; at < n; at += some) {
        some = n - at < SPAN ? n - at : SPAN;
        kernels_get()->map(&(kernel_map){.n_rows = 1,
                                         .n_in = (int)some,
                                         .n_out = (int)w->d_head,
                                         .x = {(float *)(uintptr_t)weights + at * L, some * L},
                                         .y = {z, w->d_head * L},
                                         .w = v + at * w->d_head,
                                         .w_in = w->d_head,
                                         .w_out = 1});
        for (int64_t i = 0; i < w->d_head * L; i++) sums[i] += (double)z[i];
    }
}

// o [n][d_head] of the lanes' queries q [n][d_head].
static void attend_lanes(fv_decoder *d, decoder_layer *layer, weighing *w, const float *q,
                         const float *k, const float *v, float *o) {
    const decoder_attention *a = &layer->attention;
    const weigh_buffers *at = &d->at.weigh;
    const int64_t d_head = w->d_head;
    float *scores = decoder_working(d, at->scores), *weights = decoder_working(d, at->weights);
    float *lanes = decoder_working(d, at->q), stretch[L];
    double *sums = arena_at(&d->working, at->sums);
    for (int64_t f = 0; f < d_head; f++)
        for (int l = 0; l < L; l++) lanes[f * L + l] = q[(l < w->n ? l : w->n - 1) * d_head + f];
    w->q = lanes;
    if (decoder_evicts(d))
        decoder_evict_list(d, layer, w, &k, &v);
    else
        list_keys(a, w);
    weigh_scores(w, w->n_sinks, k, scores);
    weigh_scores(w, w->n_keys - w->n_sinks, k + w->from * d_head, scores + w->n_sinks * L);
    shape(w, scores);
    decoder_select(d, layer, w, k, scores, weights);
    bool stretched = find_stretch(w, &a->mask, stretch);
    count_by_lane(w, &a->mask, scores);
    weigh_keys(w, w->n_keys, w->head.normaliser, scores, w->kept, stretched ? stretch : NULL, true,
               weights);
    memset(sums, 0, (size_t)(d_head * L) * sizeof *sums);
    float *z = decoder_working(d, at->z);
    pool(w, w->n_sinks, weights, v, z, sums);
    pool(w, w->n_keys - w->n_sinks, weights + w->n_sinks * L, v + w->from * d_head, z, sums);
    if (decoder_evicts(d)) decoder_evict_one(d, layer, w, weights);
    for (int l = 0; l < w->n; l++)
        for (int64_t f = 0; f < d_head; f++) o[l * d_head + f] = (float)sums[f * L + l];
}

// The numbers of head h.
static weighing_head head_of(const fv_decoder *d, const decoder_layer *layer, int h) {
    const decoder_attention *a = &layer->attention;
    const fv_model_config *model = &d->config.model;
    const int normaliser = (int)layer_normaliser(model, layer->place);
    const normaliser_type *type = normaliser_type_of(normaliser);
    const int64_t d_head = d->sizes.d_head;
    kernel_attend numbers = {0};
    score_type_of(model->score)->on_lanes(model, (int)d_head, &numbers);
    weighing_head head = {.index = h,
                          .score = (kernel_score)model->score,
                          .scale = numbers.scale,
                          .power = numbers.power,
                          .floor = numbers.floor,
                          .normaliser = (kernel_normaliser)normaliser,
                          .stretch = type->stretch,
                          .cap = a->soft_cap,
                          .slope = a->slopes ? a->slopes[h] : 0,
                          .sink = a->sinks ? &a->sinks[h] : NULL};
    if (layer->array[A_LOG_POWER]) head.power = expf(layer->array[A_LOG_POWER][h]);
    if (type->alpha) head.alpha = (float)model->entmax_alpha;
    float slope;
    if (layer->array[A_ALPHA_LOGIT])
        head.alpha = normaliser_alpha(layer->array[A_ALPHA_LOGIT][h], &slope);
    if (type->stretch == FV_STRETCH_OF_HEAD) head.stretch_by = layer->array[A_STRETCH_BY] + h;
    if (type->stretch == FV_STRETCH_OF_QUERY) {
        head.stretch_by = layer->array[A_STRETCH_BY] + h * d_head;
        head.stretch_power = layer->array[A_STRETCH_POWER] + h * d_head;
    }
    return head;
}

void decoder_weigh(fv_decoder *d, decoder_layer *layer, int64_t row, int64_t n, const float *q,
                   float *o) {
    const decoder_attention *a = &layer->attention;
    const float *k = decoder_kept(d, a->at_k), *v = decoder_kept(d, a->at_v);
    int64_t d_head = d->sizes.d_head, cache = a->capacity * d_head;
    const int together = decoder_evicts(d) ? 1 : L; // what one evicts the next does without
    weighing w = {.d_head = d_head,
                  .ahead = a->exclude_self,
                  .chosen = -1,
                  .kept = arena_at(&d->working, d->at.weigh.kept),
                  .rows = arena_at(&d->working, d->at.weigh.rows)};
    // Heads that choose together follow each other, with the same queries.
    const int64_t n_head = d->sizes.n_head, blocks = (n + together - 1) / together;
    for (int64_t i = 0; i < n_head * blocks; i++) {
        int h = (int)(a->index.present ? i % n_head : i / blocks);
        int64_t at = (a->index.present ? i / n_head : i % blocks) * together;
        int64_t shared = h * a->n_kv / n_head * cache, from = (h * n + at) * d_head;
        if (at != w.query) w.chosen = -1;
        if (i == 0 || h != w.head.index) w.head = head_of(d, layer, h);
        w.n = n - at < together ? (int)(n - at) : together;
        w.row = row + at;
        w.query = at;
        attend_lanes(d, layer, &w, q + from, k + shared, v + shared, o + from);
    }
}
