// Layers that mix positions: checks, weights, and the walk over stretches of positions.
#include "base/random.h"
#include "decode/mixer_plan.h"
#include "kernels/kernels.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WIDTH = 65536 };

void fv_mixer_config_init(fv_mixer_config *config) {
    *config = (fv_mixer_config){.kind = FV_MIXER_ATTENTION,
                                .n = 1,
                                .d_model = 64,
                                .n_head = 1,
                                .mask = {.causal = true},
                                .expand = 2,
                                .n_state = 16,
                                .conv_width = 4};
}

// --- checks --------------------------------------------------------------------------------------

static fv_status check_sizes(const fv_mixer_config *c, fv_error *error) {
    const struct {
        const char *name;
        int64_t value, lowest, highest;
    } bounds[] = {{"kind", c->kind, FV_MIXER_ATTENTION, FV_MIXER_MAMBA},
                  {"n", c->n, 1, INT64_MAX / MAX_WIDTH / 64},
                  {"d_model", c->d_model, 1, MAX_WIDTH},
                  {"n_head", c->n_head, 1, MAX_WIDTH},
                  {"expand", c->expand, 1, 64},
                  {"n_state", c->n_state, 1, FV_SCAN_MAX_STATE},
                  {"conv_width", c->conv_width, 1, FV_CONV_MAX_WIDTH},
                  {"dt_rank", c->dt_rank, 0, MAX_WIDTH}};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (bounds[i].value < bounds[i].lowest || bounds[i].value > bounds[i].highest)
            return fv_fail(error, FV_USAGE,
                           "mixer: %s is %" PRId64 "; it lies between %" PRId64 " and %" PRId64,
                           bounds[i].name, bounds[i].value, bounds[i].lowest, bounds[i].highest);
    return FV_OK;
}

// Everything of the mask that depends on no position is checked by planning one for the sequence.
static fv_status check_mask(const fv_mixer_config *c, fv_error *error) {
    if (c->d_model % c->n_head != 0)
        return fv_fail(error, FV_USAGE,
                       "mixer: %" PRId64 " heads cannot share a width of %" PRId64
                       "; n_head must divide d_model",
                       c->n_head, c->d_model);
    if (!c->mask.causal || c->mask.bitmap != NULL)
        return fv_fail(error, FV_USAGE,
                       "mixer: a sequence that goes in piece by piece needs a causal mask without "
                       "a bitmap");
    fv_attention_config config;
    fv_attention_config_init(&config);
    config.n_query = config.n_key = c->n;
    config.d_head = c->d_model / c->n_head;
    config.mask = c->mask;
    config.n_threads = 1;
    fv_attention *plan = NULL;
    fv_status status = fv_attention_create(&config, &plan, error);
    fv_attention_free(plan);
    return status;
}

static fv_status allocate(const fv_mixer *m, fv_arena *arena, fv_error *error) {
    if (fv_arena_allocate(arena, NULL) == FV_OK) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY,
                   "out of memory for a layer of width %" PRId64 " over %" PRId64 " positions",
                   m->config.d_model, m->config.n);
}

// --- weights -------------------------------------------------------------------------------------

typedef struct shape {
    int64_t rows, columns;
} shape;

static shape shape_of(const mixer_sizes *sizes, fv_mixer_weight w) {
    const int64_t d = sizes->d, E = sizes->E, N = sizes->N, R = sizes->R;
    const int64_t conv_width = sizes->conv_width;
#define SHAPE(name, rows, columns) [FV_MIXER_##name] = {rows, columns},
    const shape shapes[] = {FV_MIXER_WEIGHT_LIST(SHAPE)};
#undef SHAPE
    return shapes[w];
}

static bool is_map(fv_mixer_weight w) {
    return w != FV_MIXER_CONV && w != FV_MIXER_CONV_BIAS && w != FV_MIXER_STEP_BIAS &&
           w != FV_MIXER_A && w != FV_MIXER_D;
}

static fv_mixer_kind kind_of(fv_mixer_weight w) {
    return w <= FV_MIXER_W_O ? FV_MIXER_ATTENTION : FV_MIXER_MAMBA;
}

// The published initialisation: steps between 0.001 and 0.1, A = -1, -2, ... in every channel.
static float draw(const mixer_sizes *sizes, fv_mixer_weight w, int64_t column, double fan_in,
                  fv_random *random) {
    double uniform = 2 * fv_random_uniform(random) - 1, step;
    switch (w) {
    case FV_MIXER_A:
        return (float)-(column + 1);
    case FV_MIXER_D:
        return 1;
    case FV_MIXER_STEP_BIAS:
        step = 0.001 * pow(100, (uniform + 1) / 2);
        return (float)log(expm1(step));
    case FV_MIXER_CONV_BIAS:
        return (float)(uniform / sqrt((double)sizes->conv_width));
    default:
        return (float)(uniform / sqrt(fan_in));
    }
}

static void install(fv_mixer *m, fv_mixer_weight w, shape s, const float *from, float *to) {
    if (is_map(w)) {
        fv_projection_pack((int)s.rows, (int)s.columns, from, to);
        m->projection[w] = (fv_projection){(int)s.rows, (int)s.columns, to};
        return;
    }
    m->array[w] = to;
    for (int64_t r = 0; r < s.rows; r++)
        for (int64_t c = 0; c < s.columns; c++)
            to[w == FV_MIXER_CONV ? c * s.rows + r : r * s.columns + c] = from[r * s.columns + c];
}

static fv_status load_weights(fv_mixer *m, const float *const *given, fv_error *error) {
    size_t at[FV_MIXER_N_WEIGHTS] = {0}, largest = 0;
    for (int w = 0; w < FV_MIXER_N_WEIGHTS; w++) {
        if (kind_of(w) != m->config.kind) continue;
        shape s = shape_of(&m->sizes, w);
        size_t n = (size_t)s.rows * (size_t)s.columns;
        largest = n > largest ? n : largest;
        if (is_map(w)) n = fv_projection_size((int)s.rows, (int)s.columns);
        at[w] = fv_arena_reserve(&m->weights, n, sizeof(float));
    }
    fv_status status = allocate(m, &m->weights, error);
    if (status != FV_OK) return status;
    float *drawn = malloc(largest * sizeof *drawn);
    if (drawn == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a layer's weights");
    for (int w = 0; w < FV_MIXER_N_WEIGHTS; w++) {
        if (kind_of(w) != m->config.kind) continue;
        shape s = shape_of(&m->sizes, w);
        fv_random random;
        fv_random_init(&random, m->config.seed, FV_STREAM_INIT, 0, (uint32_t)w);
        double fan_in = (double)(w == FV_MIXER_CONV ? s.columns : s.rows);
        for (int64_t i = 0; given[w] == NULL && i < s.rows * s.columns; i++)
            drawn[i] = draw(&m->sizes, w, i % s.columns, fan_in, &random);
        install(m, w, s, given[w] ? given[w] : drawn, fv_arena_at(&m->weights, at[w]));
    }
    free(drawn);
    return FV_OK;
}

// --- creation ------------------------------------------------------------------------------------

static void set_sizes(fv_mixer *m) {
    const fv_mixer_config *c = &m->config;
    m->sizes = (mixer_sizes){.d = c->d_model,
                             .E = c->expand * c->d_model,
                             .N = c->n_state,
                             .R = c->dt_rank > 0 ? c->dt_rank : (c->d_model + 15) / 16,
                             .conv_width = c->conv_width,
                             .d_head = c->d_model / c->n_head,
                             .stretch = c->n < MIXER_STRETCH ? c->n : MIXER_STRETCH};
}

static fv_status copy_globals(fv_mixer *m, fv_error *error) {
    size_t n = (size_t)m->config.mask.n_globals;
    if (n == 0 || m->config.kind != FV_MIXER_ATTENTION) return FV_OK;
    m->globals = malloc(n * sizeof *m->globals);
    if (m->globals == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a mask");
    memcpy(m->globals, m->config.mask.globals, n * sizeof *m->globals);
    m->config.mask.globals = m->globals;
    return FV_OK;
}

static fv_status reserve_arrays(fv_mixer *m, fv_error *error) {
    size_t widest = (size_t)(m->config.kind == FV_MIXER_MAMBA ? m->sizes.E : m->sizes.d);
    if (m->config.kind == FV_MIXER_MAMBA && (size_t)m->sizes.R > widest)
        widest = (size_t)m->sizes.R;
    m->at_scratch = fv_arena_reserve(&m->working, (widest + FV_SCAN_MAX_STATE) / FV_LANES + 1,
                                     FV_LANES * FV_PROJECT_POSITIONS * sizeof(float));
    if (m->config.kind == FV_MIXER_MAMBA)
        mixer_mamba_reserve(m);
    else
        mixer_attention_reserve(m);
    fv_status status = allocate(m, &m->kept, error);
    return status == FV_OK ? allocate(m, &m->working, error) : status;
}

fv_status fv_mixer_create(const fv_mixer_config *config, fv_mixer **out, fv_error *error) {
    *out = NULL;
    fv_status status = check_sizes(config, error);
    if (status == FV_OK && config->kind == FV_MIXER_ATTENTION) status = check_mask(config, error);
    if (status != FV_OK) return status;
    fv_mixer *m = calloc(1, sizeof *m);
    if (m == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a layer");
    m->config = *config;
    memset(m->config.weights, 0, sizeof m->config.weights);
    if (config->kind == FV_MIXER_MAMBA) m->config.n_head = 1;
    set_sizes(m);
    status = copy_globals(m, error);
    if (status == FV_OK) status = load_weights(m, config->weights, error);
    if (status == FV_OK) status = reserve_arrays(m, error);
    if (status == FV_OK)
        *out = m;
    else
        fv_mixer_free(m);
    return status;
}

void fv_mixer_free(fv_mixer *m) {
    if (m == NULL) return;
    mixer_attention_free(m);
    mixer_mamba_free(m);
    fv_arena_free(&m->weights);
    fv_arena_free(&m->kept);
    fv_arena_free(&m->working);
    free(m->globals);
    free(m);
}

// --- a sequence ----------------------------------------------------------------------------------

void mixer_project(const fv_mixer *m, fv_mixer_weight w, int64_t n, const float *x, float *y) {
    const fv_projection *p = &m->projection[w];
    fv_project(p, n, x, fv_arena_at(&m->working, m->at_scratch), fv_projected_rows(p, y));
}

fv_status fv_mixer_rewind(fv_mixer *m, int64_t n_seen, fv_error *error) {
    bool mamba = m->config.kind == FV_MIXER_MAMBA;
    if (n_seen < 0 || n_seen > m->n_seen)
        return fv_fail(error, FV_USAGE,
                       "mixer: position %" PRId64 " is not behind the sequence's %" PRId64, n_seen,
                       m->n_seen);
    if (n_seen > 0 && n_seen < m->n_seen &&
        (mamba || !mixer_attention_reaches(m, m->n_seen - n_seen)))
        return fv_fail(error, FV_USAGE,
                       "mixer: what was seen before position %" PRId64
                       " is not kept; the sequence can begin again, at 0",
                       n_seen);
    if (mamba && n_seen == 0) mixer_mamba_reset(m);
    m->attention.n_held = n_seen == 0 ? 0 : m->attention.n_held - (m->n_seen - n_seen);
    m->n_seen = n_seen;
    return FV_OK;
}

fv_status fv_mixer_forward(fv_mixer *m, int64_t count, const float *x, float *y, fv_error *error) {
    if (count < 1 || count > m->config.n - m->n_seen)
        return fv_fail(error, FV_USAGE,
                       "mixer: %" PRId64 " positions after %" PRId64
                       "; the sequence has room for %" PRId64 " in all",
                       count, m->n_seen, m->config.n);
    fv_status status = FV_OK;
    for (int64_t done = 0, n; status == FV_OK && done < count; done += n) {
        n = count - done < m->sizes.stretch ? count - done : m->sizes.stretch;
        const float *from = x + done * m->sizes.d;
        float *to = y + done * m->sizes.d;
        status = m->config.kind == FV_MIXER_MAMBA ? mixer_mamba_pass(m, n, from, to, error)
                                                  : mixer_attention_pass(m, n, from, to, error);
        if (status == FV_OK) m->n_seen += n;
    }
    return status;
}

fv_mixer_memory fv_mixer_bytes(const fv_mixer *m) {
    fv_mixer_memory bytes = {m->weights.size, m->kept.size, m->working.size};
    bytes.working += m->attention.plan_bytes;
    if (m->mamba.scan) bytes.working += fv_selective_scan_bytes(m->mamba.scan);
    if (m->config.kind == FV_MIXER_MAMBA) { // the convolution's past lies among the working memory
        size_t past = (size_t)((m->sizes.conv_width - 1) * m->sizes.E) * sizeof(float);
        bytes.kept += past;
        bytes.working -= past;
    }
    return bytes;
}
