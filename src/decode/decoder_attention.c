// Attention in pieces: the keys and values of a piece join the cache, then its queries look at the
// cache. Behind a window only what later queries see is carried on, the first rows (sinks) and the
// last ones, so that the cache stays as large as a window and a piece:
//
//     rows   | sinks | the window of the next query | room for a piece |
//              stay    move to the left when the room is full
//
// Queries and keys are then counted by their rows in the cache instead of their positions. The mask
// knows distances and first keys alone: rows of the window are as far apart as their positions, and
// what was dropped between sinks and window nobody sees.
//
// Where a position does not see itself, its query stands one row before its own.
//
// The tiled kernel adds a key's value to a running sum in single precision. Over a million keys of
// much the same weight each would be rounded against a sum a million times as large (0.1 added a
// million times is 100958), so that keys go by in spans, whose results are joined in double.
// Decoding a single query does the same.
#include "attention/plan.h"
#include "config/layer_list.h"
#include "decode/decoder_plan.h"
#include "model/attention_keys.h"
#include "model/positions.h"
#include "model/scores.h"

#include <fovea/config.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum attention_map { W_Q, W_K, W_V, W_O, W_G }; // and those of decoder_index.c
enum { SPAN = 1024, FEW = 4096 };               // keys of a span; of a window that needs none

// --- what a layer sees ---------------------------------------------------------------------------

static void load(decoder_loader *l, decoder_layer *layer) {
    static const char *const weights[] = {"blocks.%d.attn.W_Q", "blocks.%d.attn.W_K",
                                          "blocks.%d.attn.W_V", "blocks.%d.attn.W_O"};
    static const char *const biases[] = {"blocks.%d.attn.b_Q", "blocks.%d.attn.b_K",
                                         "blocks.%d.attn.b_V", "blocks.%d.attn.b_O"};
    for (int i = 0; i < 4; i++) {
        const fv_tensor *w = decoder_tensor(l, layer, weights[i]);
        layer->map[i] = decoder_load_map(l, w, 0, w->shape[1], decoder_tensor(l, layer, biases[i]));
    }
    static const char *const arrays[] = {"blocks.%d.attn.log_power",   "blocks.%d.attn.sinks",
                                         "blocks.%d.attn.q_norm.w",    "blocks.%d.attn.k_norm.w",
                                         "blocks.%d.attn.alpha_logit", "blocks.%d.attn.W_beta",
                                         "blocks.%d.attn.W_gamma"};
    for (int i = 0; i < 7; i++) {
        const fv_tensor *values = decoder_tensor(l, layer, arrays[i]);
        if (values) layer->array[A_LOG_POWER + i] = decoder_load_array(l, values);
    }
    const fv_tensor *of_head = decoder_tensor(l, layer, "blocks.%d.attn.score_stretch");
    if (of_head) layer->array[A_STRETCH_BY] = decoder_load_array(l, of_head);
    const fv_tensor *gate = decoder_tensor(l, layer, "blocks.%d.attn.W_G");
    if (gate)
        layer->map[W_G] = decoder_load_map(l, gate, 0, gate->shape[1],
                                           decoder_tensor(l, layer, "blocks.%d.attn.b_G"));
    decoder_index_load(l, layer);
}

static void choose_mask(const fv_decoder *d, const decoder_layer *layer, decoder_attention *a) {
    const fv_model_config *model = &d->config.model;
    if (d->has_mask) {
        a->mask = d->mask;
        return;
    }
    const attention_sight sight = sight_of(model, layer->place);
    a->exclude_self = sight.exclude_self;
    a->mask = sight_mask(&sight);
}

static void reserve(fv_decoder *d, decoder_layer *layer) {
    decoder_attention *a = &layer->attention;
    const decoder_sizes *s = &d->sizes;
    choose_mask(d, layer, a);
    a->qk_norm = layer_qk_norm(&d->config.model, layer->place);
    a->gate = layer_gate(&d->config.model, layer->place);
    a->soft_cap = layer_soft_cap(&d->config.model, layer->place);
    a->n_kv = heads_of(&d->config.model, layer->place).n_kv;
    size_t kv = (size_t)(a->n_kv * s->d_head) * sizeof(float);
    const fv_attention_mask *mask = &a->mask;
    a->rolling = (mask->window > 0 || mask->sinks > 0) && mask->stride == 0 &&
                 mask->n_globals == 0 && mask->random_blocks == 0;
    // Slopes go by positions, and rows of sinks would be nearer than they are.
    bool sloped = positions_type_of(d->config.model.positions)->slopes != NULL;
    a->rolling = a->rolling && !(sloped && mask->sinks > 0);
    // So do blocks of keys.
    a->rolling = a->rolling && !decoder_selects(d, layer->place);
    a->n_sinks = mask->sinks;
    a->keep = mask->window + a->exclude_self - 1;
    if (a->keep < 0) a->keep = 0;
    a->capacity = d->n;
    if (a->rolling && a->n_sinks + a->keep < d->n - s->piece)
        a->capacity = a->n_sinks + a->keep + s->piece;
    a->at_k = arena_reserve(&d->kept, (size_t)a->capacity, kv);
    a->at_v = arena_reserve(&d->kept, (size_t)a->capacity, kv);
    a->weighs = decoder_weighs(d, layer->place);
    if (a->weighs) decoder_weigh_reserve(d, a);
    decoder_index_reserve(d, layer);
    if (decoder_evicts(d)) decoder_evict_reserve(d, layer);
}

// A plan over the cache, of n_head heads from `head` on.
static fv_status make_plan(const fv_decoder *d, const decoder_layer *layer, int64_t n_head,
                           int head, fv_attention **plan, fv_error *error) {
    const decoder_attention *a = &layer->attention;
    const fv_model_config *model = &d->config.model;
    fv_attention_config c;
    fv_attention_config_init(&c);
    c.n_head = n_head;
    c.n_kv_head = n_head == 1 ? 1 : a->n_kv;
    c.n_query = c.n_key = a->capacity;
    c.d_head = d->sizes.d_head;
    c.score = model->score;
    score_type_of(model->score)->on_tiles(model, (int)c.d_head, &c);
    if (layer->array[A_LOG_POWER]) c.power = (double)expf(layer->array[A_LOG_POWER][head]);
    c.soft_cap = a->soft_cap;
    c.slopes = a->slopes ? a->slopes + head : NULL;
    c.mask = a->mask;
    c.n_threads = d->n_threads;
    return fv_attention_create(&c, plan, error);
}

// Slopes and sinks. In tiles a query that stands one row before its own is one nearer to all keys.
static fv_status make_numbers(const fv_decoder *d, decoder_layer *layer, fv_error *error) {
    decoder_attention *a = &layer->attention;
    const positions_type *type = positions_type_of(d->config.model.positions);
    size_t n = (size_t)d->sizes.n_head;
    int sink_logit = layer_sink_logit(&d->config.model, layer->place);
    if (type->slopes) a->slopes = calloc(n, sizeof *a->slopes);
    if (sink_logit != FV_SINK_LOGIT_NONE) a->sinks = calloc(n, sizeof *a->sinks);
    if ((type->slopes && !a->slopes) || (sink_logit != FV_SINK_LOGIT_NONE && !a->sinks))
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a decoder");
    if (a->slopes) type->slopes((int)n, a->slopes);
    for (size_t h = 0; a->sinks && h < n; h++) {
        if (layer->array[A_SINKS]) a->sinks[h] = (double)layer->array[A_SINKS][h];
        if (a->slopes && a->exclude_self && !a->weighs) a->sinks[h] += a->slopes[h];
    }
    return FV_OK;
}

static fv_status plan(fv_decoder *d, decoder_layer *layer, fv_error *error) {
    decoder_attention *a = &layer->attention;
    if (a->weighs) {
        fv_status made = make_numbers(d, layer, error);
        return made == FV_OK ? decoder_index_plan(d, layer, error) : made;
    }
    // Heads that differ in their score have a plan each.
    bool differ = layer->array[A_LOG_POWER] != NULL ||
                  positions_type_of(d->config.model.positions)->slopes != NULL;
    a->n_plans = differ ? (int)d->sizes.n_head : 1;
    a->plans = calloc((size_t)a->n_plans, sizeof(fv_attention *));
    if (a->plans == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a decoder");
    fv_status status = make_numbers(d, layer, error);
    int64_t together = d->sizes.n_head / a->n_plans;
    for (int h = 0; h < a->n_plans && status == FV_OK; h++)
        status = make_plan(d, layer, together, h, &a->plans[h], error);
    if (status == FV_OK && together > 1) status = make_plan(d, layer, 1, 0, &a->one_head, error);
    return status;
}

static void free_plans(decoder_layer *layer) {
    decoder_attention *a = &layer->attention;
    for (int h = 0; a->plans && h < a->n_plans; h++) fv_attention_free(a->plans[h]);
    fv_attention_free(a->one_head);
    free(a->plans);
    free(a->slopes);
    free(a->sinks);
    decoder_index_free(layer);
}

// --- the cache -----------------------------------------------------------------------------------

// Makes room for n more rows where the cache drops rows that no query will see again.
static void make_room(const fv_decoder *d, decoder_attention *a, int64_t n) {
    if (a->n_held + n <= a->capacity) return;
    size_t d_head = (size_t)d->sizes.d_head, head = (size_t)a->capacity * d_head;
    size_t to = (size_t)a->n_sinks * d_head, from = (size_t)(a->n_held - a->keep) * d_head;
    size_t bytes = (size_t)a->keep * d_head * sizeof(float);
    for (size_t h = 0; h < (size_t)a->n_kv; h++) {
        float *k = decoder_kept(d, a->at_k) + h * head, *v = decoder_kept(d, a->at_v) + h * head;
        memmove(k + to, k + from, bytes);
        memmove(v + to, v + from, bytes);
    }
    a->n_held = a->n_sinks + a->keep;
}

static bool reaches(const decoder_layer *layer, int64_t n, int64_t left) {
    const decoder_attention *a = &layer->attention;
    int64_t held = a->n_held - n;
    if (a->evicts) return n == 0;
    return held >= left || (a->rolling && held >= a->n_sinks + a->keep);
}

static void forget(fv_decoder *d, decoder_layer *layer, int64_t n, int64_t left) {
    if (decoder_evicts(d) && left == 0) decoder_evict_forget(d, layer);
    layer->attention.n_held = left == 0 ? 0 : layer->attention.n_held - n;
}

// --- a piece -------------------------------------------------------------------------------------

// y = x W + b for n positions, to row `first` of heads of `rows` rows.
static void project_heads(const fv_decoder *d, const decode_projection *map, int64_t n,
                          const float *x, float *heads, int64_t rows, int64_t first) {
    int64_t d_head = d->sizes.d_head;
    decode_project(map, n, x, decoder_working(d, d->at.scratch),
                   (decode_projected){heads + first * d_head, d_head, (int)d_head, rows * d_head});
}

// RMS norms of rows [n_rows][width], as the lab has them.
static void normalise(int64_t n_rows, int64_t width, const float *w, float *x) {
    for (int64_t r = 0; r < n_rows; r++, x += width) {
        double square = 0;
        for (int64_t f = 0; f < width; f++) square += (double)x[f] * (double)x[f];
        double factor = 1 / sqrt(square / (double)width + 1e-5);
        for (int64_t f = 0; f < width; f++) x[f] = (float)((double)x[f] * factor * (double)w[f]);
    }
}

// Of all heads of a position together: `heads` rows lie `head` numbers apart.
static void normalise_whole(int64_t n, int64_t heads, int64_t head, int64_t d_head, const float *w,
                            float *x) {
    for (int64_t t = 0; t < n; t++) {
        double square = 0;
        for (int64_t i = 0; i < heads * d_head; i++) {
            double y = (double)x[i / d_head * head + t * d_head + i % d_head];
            square += y * y;
        }
        double factor = 1 / sqrt(square / (double)(heads * d_head) + 1e-5);
        for (int64_t i = 0; i < heads * d_head; i++) {
            float *y = &x[i / d_head * head + t * d_head + i % d_head];
            *y = (float)((double)*y * factor * (double)w[i]);
        }
    }
}

// Queries or keys of n positions of the piece, from its position `from` on: norms, and turned.
// `heads` heads lie `head` numbers apart.
static void prepare_rows(const fv_decoder *d, const decoder_layer *layer, const float *w,
                         int64_t from, int64_t n, int64_t heads, int64_t head, float *x) {
    const decoder_attention *a = &layer->attention;
    const rotary *r = &d->rotary;
    int64_t d_head = d->sizes.d_head;
    if (a->qk_norm == FV_QK_NORM_VECTOR) normalise_whole(n, heads, head, d_head, w, x);
    for (int64_t h = 0; h < heads; h++) {
        float *rows = x + h * head;
        if (a->qk_norm == FV_QK_NORM_HEAD) normalise(n, d_head, w, rows);
        const float *cosine = decoder_working(d, d->at.cosines) + from * r->n_pairs;
        const float *sine = decoder_working(d, d->at.sines) + from * r->n_pairs;
        for (int64_t t = 0; t < n && r->n_pairs > 0; t++, rows += d_head)
            for (int m = 0; m < r->n_pairs; m++, cosine++, sine++) {
                float *first = rows + (ptrdiff_t)m * r->step, *second = first + r->apart;
                float before = *first;
                *first = before * *cosine - *second * *sine;
                *second = before * *sine + *second * *cosine;
            }
    }
}

static void heads_to_rows(const fv_decoder *d, int64_t n, const float *heads, float *rows) {
    size_t width = (size_t)d->sizes.d, d_head = (size_t)d->sizes.d_head;
    for (size_t h = 0; h < (size_t)d->sizes.n_head; h++)
        for (size_t t = 0; t < (size_t)n; t++)
            memcpy(rows + t * width + h * d_head, heads + (h * (size_t)n + t) * d_head,
                   d_head * sizeof *rows);
}

// The plan for one head alone.
static fv_attention *plan_of_head(const decoder_attention *a, int h) {
    return a->one_head ? a->one_head : a->plans[h];
}

// (o, logsumexp) of some keys joins that of others: their mean, weighted by their sums.
static void join(int64_t d_head, const float *part, float part_logsumexp, float *o,
                 double *logsumexp) {
    double larger = *logsumexp > part_logsumexp ? *logsumexp : part_logsumexp;
    if (part_logsumexp == -INFINITY) return;
    double ours = exp(*logsumexp - larger), theirs = exp(part_logsumexp - larger),
           sum = ours + theirs;
    for (int64_t f = 0; f < d_head; f++)
        o[f] = (float)((ours * (double)o[f] + theirs * (double)part[f]) / sum);
    *logsumexp = larger + log(sum);
}

// o [n][d_head] of one head's queries, over a span of keys at a time.
static void attend_head(const fv_decoder *d, const decoder_attention *a, fv_attention *plan,
                        decoder_run at, const float *q, const float *k, const float *v,
                        const double *sink, float *o) {
    int64_t d_head = d->sizes.d_head, n = at.n;
    float *part = decoder_working(d, d->at.part),
          *logsumexps = decoder_working(d, d->at.logsumexps);
    double *running = arena_at(&d->working, d->at.running);
    const local_queries queries = {{1, {{n, at.first, 1}}}, q, part, logsumexps};
    memset(o, 0, (size_t)(n * d_head) * sizeof *o);
    for (int64_t i = 0; i < n; i++) running[i] = -INFINITY;
    int64_t end = at.first + n, most = a->mask.window > 0 && a->mask.window <= FEW ? end : SPAN;
    for (int64_t from = 0, span; from < end; from += span) {
        span = end - from < most + most / 2 ? end - from : most;
        const local_keys keys = {{1, {{span, from, 1}}}, k + from * d_head, v + from * d_head};
        if (a->mask.window > FEW && !tiles_any(plan, &queries.at, &keys.at)) continue;
        tiles_forward(plan, &queries, &keys, true);
        for (int64_t i = 0; i < n; i++)
            join(d_head, part + i * d_head, logsumexps[i], o + i * d_head, &running[i]);
    }
    if (sink == NULL) return;
    for (int64_t i = 0; i < n; i++) {
        double larger = running[i] > *sink ? running[i] : *sink;
        double ours = exp(running[i] - larger), kept = ours / (ours + exp(*sink - larger));
        for (int64_t f = 0; f < d_head; f++)
            o[i * d_head + f] = (float)(kept * (double)o[i * d_head + f]);
    }
}

// o [head][n][d_head] of the queries q that stand at `row` of the cache and behind it.
static fv_status attend(fv_decoder *d, decoder_layer *layer, int64_t row, int64_t n, const float *q,
                        float *o, fv_error *error) {
    const decoder_attention *a = &layer->attention;
    const float *k = decoder_kept(d, a->at_k), *v = decoder_kept(d, a->at_v);
    int64_t rows = n * d->sizes.d_head, cache = a->capacity * d->sizes.d_head;
    fv_status status = FV_OK;
    if (a->weighs) {
        decoder_weigh(d, layer, row, n, q, o);
        return FV_OK;
    }
    for (int h = 0; n > 1 && h < d->sizes.n_head; h++) {
        int64_t shared = h * a->n_kv / d->sizes.n_head * cache;
        attend_head(d, a, plan_of_head(a, h), (decoder_run){row, n}, q + h * rows, k + shared,
                    v + shared, a->sinks ? &a->sinks[h] : NULL, o + h * rows);
    }
    for (int h = 0; n == 1 && h < a->n_plans && status == FV_OK; h++) {
        int64_t shared = h * a->n_kv / d->sizes.n_head * cache;
        status = attention_decode(a->plans[h], row + 1, q + h * rows, k + shared, v + shared,
                                  a->sinks ? a->sinks + h : NULL, o + h * rows, error);
    }
    return status;
}

// z times its gates, in rows of d.
static void apply_gate(const fv_decoder *d, const decoder_layer *layer, int64_t n, const float *x,
                       float *rows) {
    int64_t n_gates = layer->map[W_G].n_out, width = d->sizes.d / n_gates;
    float *gates = decoder_working(d, d->at.gates);
    decoder_project(d, &layer->map[W_G], n, x, gates);
    for (int64_t i = 0; i < n * n_gates; i++) {
        float gate = 1 / (1 + expf(-gates[i]));
        for (int64_t f = 0; f < width; f++) rows[i * width + f] *= gate;
    }
}

// The outputs of n neighbouring positions, the first of which has its key at `row` of the cache.
// x: the inputs of the piece, `from` the first of the run among them.
static fv_status pass_run(fv_decoder *d, decoder_layer *layer, int64_t row, int64_t from, int64_t n,
                          const float *x, float *y, fv_error *error) {
    const decoder_attention *a = &layer->attention;
    float *q = decoder_working(d, d->at.q), *o = decoder_working(d, d->at.o);
    float *rows = decoder_working(d, d->at.rows);
    fv_status status = FV_OK;
    int64_t blind = a->exclude_self && row == 0; // the first position then sees nothing
    if (n > blind) {
        int64_t left = n - blind;
        project_heads(d, &layer->map[W_Q], left, x + blind * d->sizes.d, q, left, 0);
        prepare_rows(d, layer, layer->array[A_Q_NORM], from + blind, left, d->sizes.n_head,
                     left * d->sizes.d_head, q);
        decoder_index_queries(d, layer, from + blind, left, x + blind * d->sizes.d);
        status = attend(d, layer, row + blind - a->exclude_self, n - blind, q, o, error);
        heads_to_rows(d, n - blind, o, rows + blind * d->sizes.d);
    }
    if (blind) memset(rows, 0, (size_t)d->sizes.d * sizeof *rows);
    if (status == FV_OK && a->gate != FV_GATE_NONE) apply_gate(d, layer, n, x, rows);
    if (status == FV_OK) decoder_project(d, &layer->map[W_O], n, rows, y);
    return status;
}

static fv_status pass(fv_decoder *d, decoder_layer *layer, int64_t n, const float *x,
                      const decoder_rows *rows, float *y, fv_error *error) {
    decoder_attention *a = &layer->attention;
    int64_t width = d->sizes.d;
    make_room(d, a, n);
    project_heads(d, &layer->map[W_K], n, x, decoder_kept(d, a->at_k), a->capacity, a->n_held);
    project_heads(d, &layer->map[W_V], n, x, decoder_kept(d, a->at_v), a->capacity, a->n_held);
    prepare_rows(d, layer, layer->array[A_K_NORM], 0, n, a->n_kv, a->capacity * d->sizes.d_head,
                 decoder_kept(d, a->at_k) + a->n_held * d->sizes.d_head);
    decoder_index_keys(d, layer, n, x);
    fv_status status = FV_OK;
    if (a->evicts) { // the choice of keys is made of every query
        status = pass_run(d, layer, a->n_held, 0, n, x, y, error);
        float *all = y;
        for (int64_t r = 0; r < rows->n_runs; r++) {
            decoder_run run = rows->runs[r];
            memmove(y, all + run.first * width, (size_t)(run.n * width) * sizeof *y);
            y += run.n * width;
        }
        a->n_held += n;
        return status;
    }
    for (int64_t r = 0; r < rows->n_runs && status == FV_OK; r++) {
        decoder_run run = rows->runs[r];
        status = pass_run(d, layer, a->n_held + run.first, run.first, run.n, x + run.first * width,
                          y, error);
        y += run.n * width;
    }
    a->n_held += n;
    return status;
}

static double operations(const fv_decoder *d, const decoder_layer *layer, double n, bool last) {
    const fv_attention_mask *mask = &layer->attention.mask;
    double outer = 2 * decoder_map_operations(&layer->map[W_Q]), seen = n;
    double inner = 2 * decoder_map_operations(&layer->map[W_K]);
    if (mask->window > 0 && (double)(mask->window + mask->sinks) < n)
        seen = (double)(mask->window + mask->sinks);
    double pairs = last ? seen : (n - seen / 2) * seen, queries = last ? 1 : n;
    return inner * n + outer * queries + 2 * (double)d->sizes.d * pairs +
           decoder_index_operations(layer, queries, n, pairs);
}

const decoder_kind decoder_kind_attention = {.norm = "blocks.%d.ln1",
                                             .mixes_positions = true,
                                             .load = load,
                                             .reserve = reserve,
                                             .plan = plan,
                                             .pass = pass,
                                             .reaches = reaches,
                                             .forget = forget,
                                             .operations = operations,
                                             .free = free_plans};
