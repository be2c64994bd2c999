// Attention in stretches of positions: the keys and values of a stretch join the cache, then its
// queries look at the cache. Behind a pure window only what later queries see is carried on, so
// that the cache stays as large as a window and a stretch: the mask knows distances alone, and rows
// may be counted from anywhere.
#include "attention/plan.h"
#include "decode/mixer_plan.h"

#include <string.h>

void mixer_attention_reserve(fv_mixer *m) {
    mixer_attention_state *a = &m->attention;
    const fv_attention_mask *mask = &m->config.mask;
    size_t d = (size_t)m->sizes.d, stretch = (size_t)m->sizes.stretch;
    a->rolling = mask->window > 0 && mask->sinks == 0 && mask->stride == 0 &&
                 mask->n_globals == 0 && mask->random_blocks == 0;
    a->keep = mask->window - 1;
    a->capacity = m->config.n;
    if (a->rolling && a->keep < m->config.n - m->sizes.stretch)
        a->capacity = a->keep + m->sizes.stretch;
    a->at_k = fv_arena_reserve(&m->kept, (size_t)a->capacity, d * sizeof(float));
    a->at_v = fv_arena_reserve(&m->kept, (size_t)a->capacity, d * sizeof(float));
    a->at_q = fv_arena_reserve(&m->working, stretch, d * sizeof(float));
    a->at_o = fv_arena_reserve(&m->working, stretch, d * sizeof(float));
    a->at_rows = fv_arena_reserve(&m->working, stretch, d * sizeof(float));
}

void mixer_attention_free(fv_mixer *m) {
    fv_attention_free(m->attention.decode);
}

bool mixer_attention_reaches(const fv_mixer *m, int64_t n) {
    const mixer_attention_state *a = &m->attention;
    int64_t left = m->n_seen - n, held = a->n_held - n;
    return held >= left || (a->rolling && held >= a->keep);
}

// Makes room for n more rows where the cache drops rows that no query will see again.
static void make_room(fv_mixer *m, int64_t n) {
    mixer_attention_state *a = &m->attention;
    if (a->n_held + n <= a->capacity) return;
    size_t d_head = (size_t)m->sizes.d_head, head = (size_t)a->capacity * d_head;
    int64_t keep = a->keep < a->n_held ? a->keep : a->n_held;
    size_t dropped = (size_t)(a->n_held - keep) * d_head;
    for (int64_t h = 0; h < m->config.n_head; h++) {
        float *k = mixer_kept(m, a->at_k) + (size_t)h * head;
        float *v = mixer_kept(m, a->at_v) + (size_t)h * head;
        memmove(k, k + dropped, (size_t)keep * d_head * sizeof *k);
        memmove(v, v + dropped, (size_t)keep * d_head * sizeof *v);
    }
    a->n_held = keep;
}

// x W for n positions, to row `first` of heads of `rows` rows.
static void project_heads(const fv_mixer *m, fv_mixer_weight w, int64_t n, const float *x,
                          float *heads, int64_t rows, int64_t first) {
    int64_t d_head = m->sizes.d_head;
    fv_project(&m->projection[w], n, x, mixer_working(m, m->at_scratch),
               (fv_projected){heads + first * d_head, d_head, (int)d_head, rows * d_head});
}

static void heads_to_rows(const fv_mixer *m, int64_t n, const float *heads, float *rows) {
    size_t d = (size_t)m->sizes.d, d_head = (size_t)m->sizes.d_head;
    for (size_t h = 0; h < (size_t)m->config.n_head; h++)
        for (size_t t = 0; t < (size_t)n; t++)
            memcpy(rows + t * d + h * d_head, heads + (h * (size_t)n + t) * d_head,
                   d_head * sizeof *rows);
}

static fv_status make_plan(fv_mixer *m, int64_t n, int64_t first, fv_attention **plan,
                           fv_error *error) {
    fv_attention_config config;
    fv_attention_config_init(&config);
    config.n_head = config.n_kv_head = m->config.n_head;
    config.d_head = m->sizes.d_head;
    config.n_query = n;
    config.n_key = m->attention.capacity;
    config.first_query = first;
    config.mask = m->config.mask;
    config.n_threads = 1;
    fv_status status = fv_attention_create(&config, plan, error);
    if (status == FV_OK && (*plan)->arena.size > m->attention.plan_bytes)
        m->attention.plan_bytes = (*plan)->arena.size;
    return status;
}

fv_status mixer_attention_pass(fv_mixer *m, int64_t n, const float *x, float *y, fv_error *error) {
    mixer_attention_state *a = &m->attention;
    make_room(m, n);
    float *q = mixer_working(m, a->at_q), *o = mixer_working(m, a->at_o);
    float *k = mixer_kept(m, a->at_k), *v = mixer_kept(m, a->at_v);
    float *rows = mixer_working(m, a->at_rows);
    project_heads(m, FV_MIXER_W_Q, n, x, q, n, 0);
    project_heads(m, FV_MIXER_W_K, n, x, k, a->capacity, a->n_held);
    project_heads(m, FV_MIXER_W_V, n, x, v, a->capacity, a->n_held);
    fv_status status = FV_OK;
    if (n == 1) {
        if (a->decode == NULL) status = make_plan(m, 1, a->capacity - 1, &a->decode, error);
        if (status == FV_OK)
            status = fv_attention_decode(a->decode, a->n_held + 1, q, k, v, o, error);
    } else {
        fv_attention *plan = NULL;
        status = make_plan(m, n, a->n_held, &plan, error);
        if (status == FV_OK) status = fv_attention_forward(plan, q, k, v, o, NULL, error);
        fv_attention_free(plan);
    }
    if (status != FV_OK) return status;
    heads_to_rows(m, n, o, rows);
    mixer_project(m, FV_MIXER_W_O, n, rows, y);
    a->n_held += n;
    return FV_OK;
}
