// The public face of attention: checks, the plan's memory, whole sequences in one piece.
#include "attention/plan.h"

#include <fovea/machine.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LOG2_E = 1.4426950408889634;

void fv_attention_config_init(fv_attention_config *config) {
    *config = (fv_attention_config){.n_batch = 1,
                                    .n_head = 1,
                                    .n_kv_head = 1,
                                    .n_query = 1,
                                    .n_key = 1,
                                    .d_head = 64,
                                    .score = FV_SCORE_DOT,
                                    .power = 2,
                                    .floor = 1e-3,
                                    .mask = {.causal = true}};
}

// Checks ------------------------------------------------------------------------------------------

static fv_status check_sizes(const fv_attention_config *c, fv_error *error) {
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {{"n_batch", c->n_batch}, {"n_head", c->n_head}, {"n_kv_head", c->n_kv_head},
                 {"n_query", c->n_query}, {"n_key", c->n_key},   {"d_head", c->d_head}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1)
            return fv_fail(error, FV_USAGE, "attention: %s is %" PRId64 "; it must be 1 or more",
                           sizes[i].name, sizes[i].value);
    if (c->d_head > FV_MAX_HEAD_WIDTH)
        return fv_fail(error, FV_USAGE, "attention: d_head is %" PRId64 "; it may be at most %d",
                       c->d_head, FV_MAX_HEAD_WIDTH);
    if (c->n_head % c->n_kv_head != 0)
        return fv_fail(error, FV_USAGE,
                       "attention: %" PRId64 " heads cannot share %" PRId64
                       " heads of keys; n_kv_head must divide n_head",
                       c->n_head, c->n_kv_head);
    if (c->first_query < 0)
        return fv_fail(error, FV_USAGE, "attention: first_query is %" PRId64 ", a position below 0",
                       c->first_query);
    return FV_OK;
}

// Every array must have a size in bytes, and twice every position must be a number.
static fv_status check_overflow(const fv_attention_config *c, fv_error *error) {
    int64_t end, rows = c->n_query > c->n_key ? c->n_query : c->n_key, size;
    if (__builtin_add_overflow(c->first_query, c->n_query, &end) || end > INT64_MAX / 4 ||
        c->n_key > INT64_MAX / 4 || __builtin_mul_overflow(rows, c->d_head, &size) ||
        __builtin_mul_overflow(size, c->n_head, &size) ||
        __builtin_mul_overflow(size, c->n_batch, &size) ||
        __builtin_mul_overflow(size, (int64_t)sizeof(float), &size) || (uint64_t)size > PTRDIFF_MAX)
        return fv_fail(
            error, FV_USAGE,
            "attention: %" PRId64 " x %" PRId64 " x %" PRId64 " x %" PRId64
            " numbers (batch, heads, positions, d_head) are more than memory can address",
            c->n_batch, c->n_head, rows, c->d_head);
    return FV_OK;
}

static const char names_of_scores[] =
#define FV_SCORE(NAME, name, ...) " FV_SCORE_" #NAME
#include "kernels/score_list.h"
    ;

static fv_status check_score(const fv_attention_config *c, fv_error *error) {
    static const char *const names[] = {
#define FV_SCORE(NAME, name, ...) #name,
#include "kernels/score_list.h"
    };
    if (c->score < 0 || c->score >= FV_SCORE_COUNT)
        return fv_fail(error, FV_USAGE, "attention: there is no score %d; there are%s", c->score,
                       names_of_scores);
    if (!isfinite(c->scale) || c->scale < 0)
        return fv_fail(error, FV_USAGE, "attention: scale is %g; it must be finite and 0 or more",
                       c->scale);
    kernel_score kind = (kernel_score)c->score;
    if (score_has_power(kind) && (!isfinite(c->power) || c->power <= 0))
        return fv_fail(error, FV_USAGE, "attention: the %s score needs a power above 0; it is %g",
                       names[kind], c->power);
    if (score_has_floor(kind) && (!isfinite(c->floor) || c->floor < 1e-30))
        return fv_fail(error, FV_USAGE,
                       "attention: the %s score needs a floor of 1e-30 or more; it is %g",
                       names[kind], c->floor);
    if (!isfinite(c->soft_cap) || c->soft_cap < 0)
        return fv_fail(error, FV_USAGE,
                       "attention: soft_cap is %g; it must be finite and 0 or more", c->soft_cap);
    if (c->soft_cap > 0 && score_is_metric(kind))
        return fv_fail(error, FV_USAGE,
                       "attention: soft_cap %g bounds products, and the %s score compares "
                       "distances; it must be 0",
                       c->soft_cap, names[kind]);
    for (int64_t h = 0; c->slopes && h < c->n_head; h++)
        if (!isfinite(c->slopes[h]))
            return fv_fail(error, FV_USAGE,
                           "attention: the slope of head %" PRId64 " is %g; it must be finite", h,
                           c->slopes[h]);
    return FV_OK;
}

static fv_status check_choices(const fv_attention_config *c, fv_error *error) {
    if (c->layout != FV_HEADS_FIRST && c->layout != FV_POSITIONS_FIRST)
        return fv_fail(error, FV_USAGE,
                       "attention: layout is %d; it must be FV_HEADS_FIRST or FV_POSITIONS_FIRST",
                       (int)c->layout);
    if (c->kv_type != FV_FLOAT32 && c->kv_type != FV_BFLOAT16)
        return fv_fail(error, FV_USAGE,
                       "attention: kv_type is %d; it must be FV_FLOAT32 or FV_BFLOAT16",
                       (int)c->kv_type);
    if (c->n_threads < 0)
        return fv_fail(error, FV_USAGE,
                       "attention: n_threads is %d; it must be 1 or more, or 0 for all cores",
                       c->n_threads);
    return check_score(c, error);
}

// The plan ----------------------------------------------------------------------------------------

static void choose_score(fv_attention *plan) {
    const fv_attention_config *c = &plan->config;
    kernel_score kind = (kernel_score)c->score;
    bool metric = score_is_metric(kind);
    double scale = c->scale != 0 ? c->scale : metric ? 1 : 1 / sqrt((double)c->d_head);
    double factor = score_factor(kind, scale, c->power);
    plan->score = (tile_score){.kind = kind,
                               .factor = (float)(factor * LOG2_E),
                               .floor = (float)c->floor,
                               .slope = (float)(metric ? 2 * factor : factor),
                               .cap = (float)(c->soft_cap * LOG2_E)};
    plan->column_factor = metric ? 1 : plan->score.factor;
}

static int between(int64_t low, int64_t x, int64_t high) {
    return (int)(x < low ? low : x > high ? high : x);
}

// Keys, values and their gradients of a backward piece take 512 KiB; the totals of the gradients,
// which are rarely touched, another 256. Where a tile of queries sees few keys of a chunk, loading
// it costs more than what falls out of the cache: chunks are longer, while there are sixteen.
static int chunk_of(const fv_attention_config *config, int d_padded) {
    int chunk = between(FV_TILE_KEYS, 32768 / d_padded / FV_TILE_KEYS * FV_TILE_KEYS, 1024);
    const fv_attention_mask *mask = &config->mask;
    bool blocks = mask->random_blocks > 0 || mask->bitmap != NULL || mask->selected > 0;
    if (mask->stride == 0 && !blocks) return chunk;
    return between(chunk, config->n_key / 16 / FV_TILE_KEYS * FV_TILE_KEYS, 4 * chunk);
}

// Columns of queries and running outputs of tiles that go together take 256 KiB, which leaves the
// rest of a second-level cache to the keys and values that they share.
static int block_tiles_of(int d_padded) {
    int n = 512 / d_padded;
    if (n < 1) return 1;
    return n > FV_MOST_BLOCK_TILES ? FV_MOST_BLOCK_TILES : n;
}

// Calls ADD(member, count) for every array of floats of a tile of queries, and of a worker.
#define FV_STATE_ARRAYS(ADD)                                                                       \
    ADD(qt, FV_TILE_QUERIES *n)                                                                    \
    ADD(ot, FV_TILE_QUERIES *n)                                                                    \
    ADD(largest, FV_TILE_QUERIES)                                                                  \
    ADD(sum, FV_TILE_QUERIES)                                                                      \
    ADD(bias, FV_TILE_QUERIES)
#define FV_WORKER_ARRAYS(ADD)                                                                      \
    ADD(q, FV_TILE_QUERIES *n)                                                                     \
    ADD(g, FV_TILE_QUERIES *n)                                                                     \
    ADD(o, FV_TILE_QUERIES *n)                                                                     \
    ADD(gt, FV_TILE_QUERIES *n)                                                                    \
    ADD(p, FV_TILE_QUERIES *FV_TILE_KEYS)                                                          \
    ADD(ds, FV_TILE_QUERIES *FV_TILE_KEYS)                                                         \
    ADD(k, FV_TILE_KEYS *n)                                                                        \
    ADD(v, FV_TILE_KEYS *n)                                                                        \
    ADD(chunk_k, chunk *n)                                                                         \
    ADD(chunk_v, chunk *n)                                                                         \
    ADD(chunk_dk, chunk *n)                                                                        \
    ADD(chunk_dv, chunk *n)                                                                        \
    ADD(total_dk, chunk *n)                                                                        \
    ADD(total_dv, chunk *n)                                                                        \
    ADD(factors, FV_TILE_QUERIES)                                                                  \
    ADD(key_bias, FV_TILE_KEYS)                                                                    \
    ADD(decode_bias, group *FV_TILE_KEYS)                                                          \
    ADD(decode_q, group *n)                                                                        \
    ADD(decode_paired, group *n)                                                                   \
    ADD(decode_p, group *FV_TILE_KEYS)

// Reserves every worker's arrays, or with `place` says where they lie: the same calls give the same
// offsets.
static void lay_out(fv_attention *plan, memory_arena *arena, bool place) {
    size_t n = (size_t)plan->d_padded, chunk = (size_t)plan->chunk, group = (size_t)plan->group, at;
#define LAY_OUT(member, count)                                                                     \
    at = arena_reserve(arena, count, sizeof *x->member);                                           \
    if (place) x->member = arena_at(&plan->arena, at);
    for (int i = 0; i < plan->n_workers; i++) {
        attention_worker *x = &plan->workers[i];
        x->states = plan->states + (ptrdiff_t)i * plan->block_tiles;
        FV_WORKER_ARRAYS(LAY_OUT)
    }
    for (int i = 0; i < plan->n_workers * plan->block_tiles; i++) {
        query_state *x = &plan->states[i];
        FV_STATE_ARRAYS(LAY_OUT)
        LAY_OUT(walk.intervals, walk_capacity(&plan->mask))
    }
#undef LAY_OUT
}

static fv_status allocate_workers(fv_attention *plan, fv_error *error) {
    size_t n = (size_t)plan->n_workers;
    plan->workers = calloc(n, sizeof *plan->workers);
    plan->states = calloc(n * (size_t)plan->block_tiles, sizeof *plan->states);
    if (plan->workers == NULL || plan->states == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for %d workers", plan->n_workers);
    lay_out(plan, &plan->arena, false);
    fv_status status = arena_allocate(&plan->arena, error);
    if (status != FV_OK) return status;
    memory_arena again = {0};
    lay_out(plan, &again, true);
    return FV_OK;
}

// Chunks of one head of keys in one component, at most: the first has the columns and the band.
static fv_status allocate_progress(fv_attention *plan, fv_error *error) {
    int64_t lists = FV_MAX_RANGES * (plan->mask.stride + 2) + 1, n;
    int64_t keys = plan->config.n_key + mask_columns(&plan->mask);
    if (__builtin_mul_overflow(keys / plan->chunk + lists,
                               plan->config.n_batch * plan->config.n_kv_head, &n) ||
        n > INT_MAX)
        return fv_fail(error, FV_USAGE,
                       "attention: %" PRId64 " keys of %" PRId64
                       " heads are more pieces of work than can be numbered",
                       plan->config.n_key, plan->config.n_batch * plan->config.n_kv_head);
    plan->progress = calloc((size_t)n, sizeof *plan->progress);
    plan->n_progress = n;
    if (plan->progress == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for %" PRId64 " pieces of work", n);
    return FV_OK;
}

static fv_status copy_slopes(fv_attention *plan, fv_error *error) {
    size_t n = (size_t)plan->config.n_head;
    if (plan->config.slopes == NULL) return FV_OK;
    plan->slopes = malloc(n * sizeof *plan->slopes);
    if (plan->slopes == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for slopes");
    memcpy(plan->slopes, plan->config.slopes, n * sizeof *plan->slopes);
    plan->config.slopes = plan->slopes;
    return FV_OK;
}

static fv_status prepare(fv_attention *plan, fv_error *error) {
    const fv_attention_config *c = &plan->config;
    plan->kernels = kernels_get();
    plan->d_padded = (int)((c->d_head + FV_LANES - 1) / FV_LANES * FV_LANES);
    plan->group = (int)(c->n_head / c->n_kv_head);
    plan->chunk = chunk_of(c, plan->d_padded);
    plan->block_tiles = block_tiles_of(plan->d_padded);
    plan->n_workers = c->n_threads ? c->n_threads : fv_machine_cores();
    choose_score(plan);
    fv_status status = mask_create(c, &plan->mask, error);
    if (status == FV_OK) status = selections_create(plan, error);
    if (status == FV_OK) status = copy_slopes(plan, error);
    if (status == FV_OK) status = components_create(&plan->mask, &plan->components, error);
    if (status == FV_OK) status = allocate_workers(plan, error);
    if (status == FV_OK) status = allocate_progress(plan, error);
    if (status == FV_OK) status = pool_create(plan->n_workers, &plan->pool, error);
    plan->config.mask.window = plan->mask.window; // not beyond the sequence
    plan->config.mask.globals = NULL;
    plan->config.mask.bitmap = NULL;
    return status;
}

fv_status fv_attention_create(const fv_attention_config *config, fv_attention **out,
                              fv_error *error) {
    *out = NULL;
    fv_status status = check_sizes(config, error);
    if (status == FV_OK) status = check_overflow(config, error);
    if (status == FV_OK) status = check_choices(config, error);
    if (status != FV_OK) return status;
    fv_attention *plan = calloc(1, sizeof *plan);
    if (plan == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for an attention");
    plan->config = *config;
    status = prepare(plan, error);
    if (status != FV_OK) {
        fv_attention_free(plan);
        return status;
    }
    *out = plan;
    return FV_OK;
}

void fv_attention_free(fv_attention *plan) {
    if (plan == NULL) return;
    pool_free(plan->pool);
    free(plan->progress);
    free(plan->slopes);
    free(plan->selections);
    free(plan->workers);
    free(plan->states);
    arena_free(&plan->arena);
    components_free(&plan->components);
    mask_free(&plan->mask);
    free(plan);
}

const fv_attention_config *attention_config_of(const fv_attention *plan) {
    return &plan->config;
}

// Whole sequences ---------------------------------------------------------------------------------

static attention_placement whole(int64_t n, int64_t first) {
    return (attention_placement){1, {{n, first, 1}}};
}

// An array for what a caller may not want but the work needs.
static fv_status temporary(const fv_attention *plan, float **out, fv_error *error) {
    const fv_attention_config *c = &plan->config;
    *out = malloc((size_t)(c->n_batch * c->n_head * c->n_query) * sizeof **out);
    if (*out == NULL)
        return fv_fail(error, FV_NO_MEMORY,
                       "out of memory for one number for each of %" PRId64 " queries",
                       c->n_batch * c->n_head * c->n_query);
    return FV_OK;
}

fv_status fv_attention_forward(fv_attention *plan, const float *q, const void *k, const void *v,
                               float *o, float *logsumexp, fv_error *error) {
    const fv_attention_config *c = &plan->config;
    float *own = NULL;
    if (logsumexp == NULL) {
        fv_status status = temporary(plan, &own, error);
        if (status != FV_OK) return status;
    }
    local_queries queries = {whole(c->n_query, c->first_query), q, o, logsumexp ? logsumexp : own};
    local_keys keys = {whole(c->n_key, 0), k, v};
    tiles_forward(plan, &queries, &keys, true);
    free(own);
    return FV_OK;
}

static void zero(float *x, int64_t n_rows, int64_t d) {
    memset(x, 0, (size_t)(n_rows * d) * sizeof *x);
}

fv_status fv_attention_backward(fv_attention *plan, const float *q, const void *k, const void *v,
                                const float *o, const float *logsumexp, const float *d_o, float *dq,
                                float *dk, float *dv, fv_error *error) {
    const fv_attention_config *c = &plan->config;
    if (logsumexp == NULL)
        return fv_fail(error, FV_USAGE,
                       "attention: the gradients need the logsumexp that the forward pass gives");
    float *delta;
    fv_status status = temporary(plan, &delta, error);
    if (status != FV_OK) return status;
    tiles_delta(plan, c->n_query, o, d_o, delta);
    zero(dq, c->n_batch * c->n_head * c->n_query, c->d_head);
    zero(dk, c->n_batch * c->n_kv_head * c->n_key, c->d_head);
    zero(dv, c->n_batch * c->n_kv_head * c->n_key, c->d_head);
    local_gradients queries = {whole(c->n_query, c->first_query), q, logsumexp, d_o, delta, dq};
    local_keys keys = {whole(c->n_key, 0), k, v};
    tiles_backward(plan, &queries, &keys, dk, dv);
    free(delta);
    return FV_OK;
}

double fv_attention_pairs(const fv_attention *plan) {
    const fv_attention_config *c = &plan->config;
    attention_placement queries = whole(c->n_query, c->first_query), keys = whole(c->n_key, 0);
    if (plan->mask.everything && !plan->mask.causal) return (double)c->n_query * (double)c->n_key;
    double pairs = (double)tiles_count(plan, &queries, &keys).pairs;
    return pairs < 0 ? pairs : pairs / (double)plan->mask.n_bitmaps;
}

fv_attention_work fv_attention_worked(const fv_attention *plan) {
    fv_attention_work total = {0};
    for (int i = 0; i < plan->n_workers; i++) {
        total.pairs += plan->workers[i].work.pairs;
        total.tiles += plan->workers[i].work.tiles;
    }
    return total;
}
