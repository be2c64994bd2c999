#include "model/attention_long.h"

#include "model/attention_ways.h"

#include "model/scores.h"

#include <fovea/ring.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

#ifdef FOVEA_DOUBLE

fv_status long_attention_create(const model_layer *layer, void **out, fv_error *error) {
    (void)layer, (void)out, (void)error;
    return FV_OK;
}
void long_attention_free(void *attention) {
    (void)attention;
}
void long_attention_forward(void *attention, const model_layer *layer,
                            const model_long_rows *rows) {
    (void)attention, (void)layer, (void)rows;
}
void long_attention_backward(void *attention, const model_layer *layer,
                             const model_long_rows *rows) {
    (void)attention, (void)layer, (void)rows;
}

#else

static fv_attention_config describe(const model_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    fv_attention_config c;
    fv_attention_config_init(&c);
    c.n_batch = L;
    c.n_head = model_attention_of(layer)->heads.n;
    c.n_kv_head = model_attention_of(layer)->heads.n_kv;
    c.n_query = c.n_key = layer->out.at[layer->out.n - 1] + 1;
    c.d_head = model_attention_of(layer)->heads.width;
    c.layout = FV_POSITIONS_FIRST;
    c.score = config->score;
    score_type_of(config->score)->on_tiles(config, (int)c.d_head, &c);
    c.soft_cap = model_attention_of(layer)->soft_cap;
    c.slopes = model_attention_of(layer)->slopes;
    c.mask = sight_mask(&model_attention_of(layer)->sight);
    c.n_threads = 1; // the threads are at work on other groups
    return c;
}

// Numbers of a sample in its queries, and in its keys.
static size_t numbers_q(const model_layer *layer) {
    return (size_t)layer->out.n * (size_t)model_attention_of(layer)->heads.q;
}
static size_t numbers_k(const model_layer *layer) {
    return (size_t)layer->in.n * (size_t)model_attention_of(layer)->heads.kv;
}

// A worker's own: the kernel, or a place in the ring of ranks.
typedef struct long_attention {
    fv_attention *kernel;
    fv_ring *ring;
    float *z; // [16][T_q][q] on the way back; of a ring
} long_attention;

// Rows of a rank lie as in the ring's zigzag.
static fv_status join_ring(const model_layer *layer, long_attention *own, fv_error *error) {
    fv_ring_config config = {
        .attention = describe(layer), .layout = FV_RING_ZIGZAG, .gradients = true};
    int n = layer->model->config.task.context_length;
    config.attention.n_query = config.attention.n_key = n;
    own->z = malloc(numbers_q(layer) * L * sizeof *own->z);
    if (own->z == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    return fv_ring_create(&config, layer->model->ranks, &own->ring, error);
}

fv_status long_attention_create(const model_layer *layer, void **out, fv_error *error) {
    if (model_attention_of(layer)->way != FV_ATTEND_TILES) return FV_OK;
    fv_attention_config config = describe(layer);
    long_attention *own = calloc(1, sizeof *own);
    if (own == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    fv_status status = fv_attention_create(&config, &own->kernel, error);
    if (status == FV_OK && layer->model->ranks) status = join_ring(layer, own, error);
    if (status == FV_OK)
        *out = own;
    else
        long_attention_free(own);
    return status;
}

void long_attention_free(void *attention) {
    long_attention *own = attention;
    if (own == NULL) return;
    fv_attention_free(own->kernel);
    fv_ring_free(own->ring);
    free(own->z);
    free(own);
}

// [n][16] to [16][n].
static real *leave_lanes(const real *restrict from, size_t n, real *restrict to) {
    for (size_t i = 0; i < n; i += L) { // whole cache lines on both sides
        size_t end = i + L < n ? i + L : n;
        for (size_t l = 0; l < L; l++)
            for (size_t j = i; j < end; j++) to[l * n + j] = from[j * L + l];
    }
    return to;
}

static void enter_lanes(const real *restrict from, size_t n, real *restrict to) {
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < L; l++) to[i * L + l] = from[l * n + i];
}

// The sink of every head joins the sums of its queries: outputs z [16][T_q][q] shrink by its share.
static void add_sinks(const model_layer *layer, const model_long_rows *rows, float *z) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    int n = layer->out.n;
    for (int h = 0; h < heads->n; h++) {
        const float *sink = shape_sink(layer, rows->tile, h);
        if (sink == NULL) return;
        for (int l = 0; l < L; l++)
            for (int i = 0; i < n; i++) {
                float *logsumexp = rows->logsumexps + ((ptrdiff_t)l * heads->n + h) * n + i;
                float *to = z + ((ptrdiff_t)l * n + i) * heads->q + (ptrdiff_t)h * heads->width;
                double before = (double)*logsumexp, logit = (double)*sink;
                double larger = before > logit ? before : logit;
                double now = larger + log(exp(before - larger) + exp(logit - larger));
                float kept = (float)exp(before - now);
                for (int f = 0; f < heads->width; f++) to[f] *= kept;
                *logsumexp = (float)now;
            }
    }
}

// delta [16][n_head][T_q]: d logit of a query is less its share times what the softmax's gradient
// takes off every other score.
static void add_dsinks(const model_layer *layer, const model_long_rows *rows, const float *delta) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    ptrdiff_t n = layer->out.n;
    for (int h = 0; h < heads->n; h++) {
        float *dsink = shape_dsink(layer, rows->tile, h);
        if (dsink == NULL) return;
        double sum = 0, logit = (double)*shape_sink(layer, rows->tile, h);
        for (int l = 0; l < L; l++)
            for (ptrdiff_t i = 0; i < n; i++) {
                ptrdiff_t at = (l * heads->n + h) * n + i;
                sum += exp(logit - (double)rows->logsumexps[at]) * (double)delta[at];
            }
        *dsink -= (float)sum;
    }
}

void long_attention_forward(void *attention, const model_layer *layer,
                            const model_long_rows *rows) {
    const attention_layer *a = model_attention_of(layer);
    size_t n_q = numbers_q(layer), n_k = numbers_k(layer);
    float *q = leave_lanes(rows->q, n_q, rows->scratch), *z = q + n_q * L, *k = z + n_q * L;
    float *v = leave_lanes(rows->v, n_k, leave_lanes(rows->k, n_k, k) + n_k * L);
    const long_attention *own = attention;
    // A transport that fails has its own way to say so (train/ranks.c).
    if (own->ring)
        fv_ring_forward(own->ring, q, k, v, z, rows->logsumexps, NULL);
    else
        tiles_forward(own->kernel, &(local_queries){a->queries, q, z, rows->logsumexps},
                      &(local_keys){a->keys, k, v}, true);
    add_sinks(layer, rows, z);
    enter_lanes(z, n_q, rows->z);
}

void long_attention_backward(void *attention, const model_layer *layer,
                             const model_long_rows *rows) {
    const attention_layer *a = model_attention_of(layer);
    size_t n_q = numbers_q(layer), n_k = numbers_k(layer);
    float *q = leave_lanes(rows->q, n_q, rows->scratch);
    float *dz = leave_lanes(rows->dz, n_q, q + n_q * L);
    float *k = leave_lanes(rows->k, n_k, dz + n_q * L);
    float *v = leave_lanes(rows->v, n_k, k + n_k * L);
    float *dk = v + n_k * L, *dv = dk + n_k * L, *dq = dv + n_k * L, *delta = dq + n_q * L;
    const long_attention *own = attention;
    float *z = leave_lanes(rows->z, n_q, own->ring ? own->z : dq);
    tiles_delta(own->kernel, layer->out.n, z, dz, delta);
    add_dsinks(layer, rows, delta);
    if (own->ring) {
        fv_ring_backward(own->ring, q, k, v, z, rows->logsumexps, dz, dq, dk, dv, NULL);
    } else {
        memset(dk, 0, (2 * n_k + n_q) * L * sizeof *dk);
        tiles_backward(own->kernel,
                       &(local_gradients){a->queries, q, rows->logsumexps, dz, delta, dq},
                       &(local_keys){a->keys, k, v}, dk, dv);
    }
    enter_lanes(dq, n_q, rows->dq);
    enter_lanes(dk, n_k, rows->dk);
    enter_lanes(dv, n_k, rows->dv);
}

#endif
