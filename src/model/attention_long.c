#include "model/attention_long.h"

#include "attention/tiles.h"
#include "kernels/tile_kernels.h"

#include <fovea/machine.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

#ifdef FOVEA_DOUBLE

fv_status fv_long_attention_create(const fv_layer *layer, fv_long_attention **out,
                                   fv_error *error) {
    (void)layer, (void)error;
    *out = NULL;
    return FV_OK;
}
void fv_long_attention_free(fv_long_attention *attention) {
    (void)attention;
}
void fv_long_attention_forward(fv_long_attention *attention, const fv_long_rows *rows) {
    (void)attention, (void)rows;
}
void fv_long_attention_backward(fv_long_attention *attention, const fv_long_rows *rows) {
    (void)attention, (void)rows;
}

#else

struct fv_long_attention {
    fv_placement queries, keys; // where the layer's rows stand in the sequence
    size_t n_embd;
    pthread_mutex_t lock;
    pthread_cond_t returned;
    int n, n_free;
    fv_attention *kernels[]; // [n], of which the first n_free are at rest
};

// Positions as at most two stretches: all, the last ones, or some sinks and a window.
static bool place(const fv_positions *positions, fv_placement *placement) {
    *placement = (fv_placement){0};
    for (int i = 0; i < positions->n; i++) {
        if (i == 0 || positions->at[i] != positions->at[i - 1] + 1) {
            if (placement->n_stretches == FV_MAX_STRETCHES) return false;
            placement->stretches[placement->n_stretches++] =
                (fv_stretch){.first = positions->at[i], .step = 1};
        }
        placement->stretches[placement->n_stretches - 1].n++;
    }
    return true;
}

static bool serves(const fv_layer *layer, fv_placement *queries, fv_placement *keys) {
    const fv_model_config *config = &layer->model->config.model;
    return layer->in.n >= FV_LONG_CONTEXT && config->n_embd / config->n_head <= FV_MAX_HEAD_WIDTH &&
           !config->exclude_self && !config->score_power_learned && place(&layer->out, queries) &&
           place(&layer->in, keys);
}

static fv_attention_config describe(const fv_layer *layer) {
    const fv_model_config *config = &layer->model->config.model;
    fv_attention_config c;
    fv_attention_config_init(&c);
    c.n_batch = L;
    c.n_head = c.n_kv_head = config->n_head;
    c.n_query = c.n_key = layer->out.at[layer->out.n - 1] + 1;
    c.d_head = config->n_embd / config->n_head;
    c.layout = FV_POSITIONS_FIRST;
    c.score = config->score;
    c.scale = config->score == FV_SCORE_DOT ? 0 : config->score_beta;
    c.power = config->score_power;
    c.floor = config->score_floor;
    c.mask.window = layer->window;
    c.mask.sinks = layer->window > 0 ? layer->sinks : 0;
    c.n_threads = 1; // the threads are at work on other groups
    return c;
}

fv_status fv_long_attention_create(const fv_layer *layer, fv_long_attention **out,
                                   fv_error *error) {
    *out = NULL;
    fv_placement queries, keys;
    if (!serves(layer, &queries, &keys)) return FV_OK;
    int n = fv_machine_cores();
    if (n > layer->model->max_groups) n = layer->model->max_groups; // no more tiles than that
    fv_long_attention *a = calloc(1, sizeof *a + (size_t)n * sizeof *a->kernels);
    if (a == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for attention");
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->returned, NULL);
    a->queries = queries;
    a->keys = keys;
    a->n_embd = (size_t)layer->model->config.model.n_embd;
    fv_attention_config config = describe(layer);
    for (; a->n < n; a->n++) {
        fv_status status = fv_attention_create(&config, &a->kernels[a->n], error);
        if (status == FV_OK) continue;
        fv_long_attention_free(a);
        return status;
    }
    a->n_free = n;
    *out = a;
    return FV_OK;
}

void fv_long_attention_free(fv_long_attention *a) {
    if (a == NULL) return;
    for (int i = 0; i < a->n; i++) fv_attention_free(a->kernels[i]);
    pthread_cond_destroy(&a->returned);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static fv_attention *borrow(fv_long_attention *a) {
    pthread_mutex_lock(&a->lock);
    while (a->n_free == 0) pthread_cond_wait(&a->returned, &a->lock);
    fv_attention *kernel = a->kernels[--a->n_free];
    pthread_mutex_unlock(&a->lock);
    return kernel;
}

static void give_back(fv_long_attention *a, fv_attention *kernel) {
    pthread_mutex_lock(&a->lock);
    a->kernels[a->n_free++] = kernel;
    pthread_cond_signal(&a->returned);
    pthread_mutex_unlock(&a->lock);
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

// Numbers in a sample's queries, and in its keys.
static size_t query_numbers(const fv_long_attention *a) {
    return (size_t)fv_placement_rows(&a->queries) * a->n_embd;
}
static size_t key_numbers(const fv_long_attention *a) {
    return (size_t)fv_placement_rows(&a->keys) * a->n_embd;
}

void fv_long_attention_forward(fv_long_attention *a, const fv_long_rows *rows) {
    fv_attention *kernel = borrow(a);
    size_t n_q = query_numbers(a), n_k = key_numbers(a);
    float *q = leave_lanes(rows->q, n_q, rows->scratch), *z = q + n_q * L, *k = z + n_q * L;
    float *v = leave_lanes(rows->v, n_k, leave_lanes(rows->k, n_k, k) + n_k * L);
    fv_tiles_forward(kernel, &(fv_local_queries){a->queries, q, z, rows->log_sums},
                     &(fv_local_keys){a->keys, k, v}, true);
    enter_lanes(z, n_q, rows->z);
    give_back(a, kernel);
}

void fv_long_attention_backward(fv_long_attention *a, const fv_long_rows *rows) {
    fv_attention *kernel = borrow(a);
    size_t n_q = query_numbers(a), n_k = key_numbers(a);
    float *q = leave_lanes(rows->q, n_q, rows->scratch);
    float *dz = leave_lanes(rows->dz, n_q, q + n_q * L);
    float *k = leave_lanes(rows->k, n_k, dz + n_q * L);
    float *v = leave_lanes(rows->v, n_k, k + n_k * L);
    float *dk = v + n_k * L, *dv = dk + n_k * L, *dq = dv + n_k * L, *delta = dq + n_q * L;
    fv_tiles_delta(kernel, fv_placement_rows(&a->queries), leave_lanes(rows->z, n_q, dq), dz,
                   delta);
    memset(dk, 0, (2 * n_k + n_q) * L * sizeof *dk);
    fv_tiles_backward(kernel, &(fv_local_gradients){a->queries, q, rows->log_sums, dz, delta, dq},
                      &(fv_local_keys){a->keys, k, v}, dk, dv);
    enter_lanes(dq, n_q, rows->dq);
    enter_lanes(dk, n_k, rows->dk);
    enter_lanes(dv, n_k, rows->dv);
    give_back(a, kernel);
}

#endif
