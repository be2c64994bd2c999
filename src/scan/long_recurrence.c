// Recurrences whose state is a matrix over long sequences: who reads which positions of which
// head.
//
// Threads take heads of sequences and, where the sequence is cut into segments, those. A state is
// linear in the one before it: what a segment makes of nothing, and of the identity, is found for
// all segments side by side; then states are joined, one after the other, and each segment is read
// from the state before it. Of SSD the identity only decays. By the delta rule it becomes a
// matrix, and finding that takes as long as reading the segment.
#include "scan/long_recurrence_plan.h"

#include <fovea/machine.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENTS = 8, SHORTEST_SEGMENT = 2048, KEPT_BYTES = 1 << 26 };
enum { STATES_IN_CACHES = 1 << 21 }; // bytes

void fv_recurrence_config_init(fv_recurrence_config *config) {
    *config = (fv_recurrence_config){.n_batch = 1, .n = 1, .n_head = 1, .d_key = 64, .d_value = 64};
}

// --- creation -----------------------------------------------------------------------------------

static fv_status check(const fv_recurrence_config *c, fv_error *error) {
    const struct {
        const char *name;
        int64_t value, lowest, highest;
    } bounds[] = {{"rule", c->rule, FV_RECURRENCE_SSD, FV_RECURRENCE_GATED_DELTA},
                  {"n_batch", c->n_batch, 1, INT32_MAX},
                  {"n", c->n, 1, INT64_MAX - FV_CHUNK},
                  {"n_head", c->n_head, 1, INT32_MAX},
                  {"n_key_head", c->n_key_head, 0, c->n_head},
                  {"d_key", c->d_key, 1, FV_CHUNK_WIDEST},
                  {"d_value", c->d_value, 1, FV_CHUNK_WIDEST},
                  {"checkpoint", c->checkpoint, 0, 1 << 20},
                  {"segments", c->segments, 0, 65536},
                  {"n_threads", c->n_threads, 0, 4096}};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (bounds[i].value < bounds[i].lowest || bounds[i].value > bounds[i].highest)
            return fv_fail(error, FV_USAGE,
                           "the recurrence's %s is %lld; it lies between %lld and %lld",
                           bounds[i].name, (long long)bounds[i].value, (long long)bounds[i].lowest,
                           (long long)bounds[i].highest);
    if (c->n_key_head > 0 && c->n_head % c->n_key_head != 0)
        return fv_fail(error, FV_USAGE,
                       "the recurrence's n_head is %lld, no multiple of its n_key_head, %lld",
                       (long long)c->n_head, (long long)c->n_key_head);
    if (c->checkpoint % FV_CHUNK != 0)
        return fv_fail(error, FV_USAGE,
                       "the recurrence's checkpoint is %lld; it is a multiple of %d, or 0",
                       (long long)c->checkpoint, FV_CHUNK);
    if (!isfinite((float)c->scale))
        return fv_fail(
            error, FV_USAGE,
            "the recurrence's scale is %g; it is a finite float, or 0 for 1 / sqrt(d_key)",
            c->scale);
    int64_t size;
    if (__builtin_mul_overflow(c->n_batch, c->n, &size) ||
        __builtin_mul_overflow(size, c->n_head, &size) ||
        __builtin_mul_overflow(size, (int64_t)sizeof(float) * FV_CHUNK_WIDEST, &size) ||
        c->n_batch * c->n_head > INT32_MAX / (SEGMENTS + c->segments))
        return fv_fail(error, FV_USAGE,
                       "a recurrence of %lld sequences of %lld positions and %lld heads is too "
                       "large for its indices",
                       (long long)c->n_batch, (long long)c->n, (long long)c->n_head);
    return FV_OK;
}

static int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

// Chooses what the caller left open, and cuts positions into segments of whole chunks.
static void cut(fv_recurrence *r) {
    fv_recurrence_config *c = &r->config;
    r->n_states = c->n_batch * c->n_head;
    r->state_size = chunk_state((int)c->d_key, (int)c->d_value);
    if (c->n_key_head == 0) c->n_key_head = c->n_head;
    if (c->scale == 0) c->scale = 1 / sqrt((double)c->d_key);
    const int64_t whole = round_up(c->n, FV_CHUNK);
    if (c->checkpoint == 0) {
        const int64_t most = KEPT_BYTES / (int64_t)(r->state_size * sizeof(float)) / r->n_states;
        for (c->checkpoint = FV_CHUNK;
             c->checkpoint < whole && whole / c->checkpoint > (most > 1 ? most : 1);)
            c->checkpoint *= 2;
    }
    if (c->checkpoint > whole) c->checkpoint = whole;
    r->n_kept = (c->n + c->checkpoint - 1) / c->checkpoint;
    if (c->segments == 0 && c->rule == FV_RECURRENCE_SSD) {
        const int64_t wanted = SEGMENTS / r->n_states, most = c->n / SHORTEST_SEGMENT;
        c->segments = wanted < most ? wanted : most;
    }
    if (c->segments < 3) c->segments = 1; // of two the second would wait for the first
    r->per_segment = round_up((c->n + c->segments - 1) / c->segments, FV_CHUNK);
    r->n_segments = (c->n + r->per_segment - 1) / r->per_segment;
}

static void reserve(fv_recurrence *r) {
    const fv_recurrence_config *c = &r->config;
    const size_t threads = (size_t)r->n_threads, states = (size_t)r->n_states;
    const size_t segments = (size_t)r->n_segments, columns = (size_t)chunk_padded((int)c->d_value);
    const bool turns = c->rule == FV_RECURRENCE_GATED_DELTA && segments > 1;
    size_t scratch = chunk_scratch((int)c->d_key, (int)c->d_value);
    if (turns) {
        const size_t other = chunk_scratch((int)c->d_key, (int)c->d_key);
        r->transition_size = chunk_state((int)c->d_key, (int)c->d_key);
        if (other > scratch) scratch = other;
    } else {
        r->transition_size = FV_LANES; // the decay
    }
    r->scratch_size = scratch + r->state_size;
    r->step_size = (size_t)(c->d_key < 2 ? 2 : c->d_key) * columns + 2 * columns;
    r->step_size = (r->step_size + FV_LANES - 1) / FV_LANES * FV_LANES;
    r->at_scratch = arena_reserve(&r->arena, threads, r->scratch_size * sizeof(float));
    r->at_states =
        arena_reserve(&r->arena, states * (segments + 1), 2 * r->state_size * sizeof(float));
    r->at_transitions =
        arena_reserve(&r->arena, states * segments, r->transition_size * sizeof(float));
    r->at_nothing =
        arena_reserve(&r->arena, turns ? FV_CHUNK * (size_t)c->d_key : 0, sizeof(float));
    r->at_step = arena_reserve(&r->arena, threads, r->step_size * sizeof(float));
    r->at_decays = arena_reserve(&r->arena, states + FV_LANES, sizeof(float));
}

fv_status fv_recurrence_create(const fv_recurrence_config *config, fv_recurrence **out,
                               fv_error *error) {
    fv_status status = check(config, error);
    if (status != FV_OK) return status;
    fv_recurrence *r = calloc(1, sizeof *r);
    if (r == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a recurrence");
    r->config = *config;
    r->kernels = kernels_get();
    r->n_threads = config->n_threads > 0 ? config->n_threads : fv_machine_cores();
    cut(r);
    reserve(r);
    status = arena_allocate(&r->arena, error);
    if (status == FV_OK) status = pool_create(r->n_threads, &r->pool, error);
    if (status != FV_OK) {
        fv_recurrence_free(r);
        return status;
    }
    *out = r;
    return FV_OK;
}

void fv_recurrence_free(fv_recurrence *r) {
    if (r == NULL) return;
    pool_free(r->pool);
    arena_free(&r->arena);
    arena_free(&r->kept);
    arena_free(&r->again);
    free(r);
}

size_t fv_recurrence_bytes(const fv_recurrence *r) {
    return sizeof *r + r->arena.size + r->kept.size + r->again.size;
}

// --- states and chunks --------------------------------------------------------------------------

void recurrence_load(const fv_recurrence *r, const float *from, float *state) {
    const size_t width = (size_t)r->config.d_value, row = (size_t)chunk_row((int)width);
    memset(state, 0, r->state_size * sizeof *state);
    for (size_t i = 0; from && i < (size_t)r->config.d_key; i++)
        memcpy(state + i * row, from + i * width, width * sizeof *state);
}

void recurrence_save(const fv_recurrence *r, const float *state, float *to) {
    const size_t width = (size_t)r->config.d_value, row = (size_t)chunk_row((int)width);
    for (size_t i = 0; i < (size_t)r->config.d_key; i++)
        memcpy(to + i * width, state + i * row, width * sizeof *state);
}

kernel_chunk recurrence_chunk(const fv_recurrence *r, const fv_recurrence_input *input,
                              int64_t state, int64_t position, int64_t end) {
    const fv_recurrence_config *c = &r->config;
    const int64_t batch = state / c->n_head, head = state % c->n_head;
    const int64_t at = batch * c->n + position, left = end - position;
    const int64_t keys = (at * c->n_key_head + head / (c->n_head / c->n_key_head)) * c->d_key;
    return (kernel_chunk){.n = (int)(left < FV_CHUNK ? left : FV_CHUNK),
                          .n_key = (int)c->d_key,
                          .n_value = (int)c->d_value,
                          .replaces = c->rule == FV_RECURRENCE_GATED_DELTA,
                          .scale = (float)c->scale,
                          .q = input->q + keys,
                          .k = input->k + keys,
                          .v = input->v + (at * c->n_head + head) * c->d_value,
                          .log_decay =
                              input->log_decay ? input->log_decay + at * c->n_head + head : NULL,
                          .rate = input->rate ? input->rate + at * c->n_head + head : NULL,
                          .key_row = c->n_key_head * c->d_key,
                          .value_row = c->n_head * c->d_value,
                          .head_row = c->n_head};
}

fv_status recurrence_check_input(const fv_recurrence_input *input, fv_error *error) {
    if (input->q && input->k && input->v) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "the recurrence's input lacks q, k or v; only log_decay, rate and initial may "
                   "be NULL");
}

// --- forward ------------------------------------------------------------------------------------

typedef struct forward_pass {
    fv_recurrence *recurrence;
    const fv_recurrence_input *input;
    float *y, *final;
    bool keep;
} forward_pass;

static int64_t end_of(const fv_recurrence *r, int64_t segment) {
    const int64_t end = (segment + 1) * r->per_segment;
    return end < r->config.n ? end : r->config.n;
}

// Reads a segment from the state at `state`, which moves on.
static void read_segment(const forward_pass *pass, int64_t index, int64_t segment, float *state,
                         int worker) {
    fv_recurrence *r = pass->recurrence;
    const int64_t end = end_of(r, segment);
    for (int64_t p = segment * r->per_segment; p < end; p += FV_CHUNK) {
        kernel_chunk chunk = recurrence_chunk(r, pass->input, index, p, end);
        if (pass->keep && p % r->config.checkpoint == 0)
            memcpy(recurrence_kept(r, index, p / r->config.checkpoint), state,
                   r->state_size * sizeof *state);
        chunk.state = state;
        chunk.scratch = recurrence_scratch(r, worker);
        chunk.y = pass->y + (chunk.v - pass->input->v);
        chunk.next = p + FV_CHUNK < end ? FV_CHUNK : 0;
        r->kernels->chunk(&chunk);
    }
}

static float *transition_of(const fv_recurrence *r, int64_t index, int64_t segment) {
    return (float *)arena_at(&r->arena, r->at_transitions) +
           (size_t)(index * r->n_segments + segment) * r->transition_size;
}

// What a segment makes of nothing, in the place beside the state before it, and of the identity.
static void find_states(const forward_pass *pass, int64_t index, int64_t segment, int worker) {
    fv_recurrence *r = pass->recurrence;
    const fv_recurrence_config *c = &r->config;
    const int64_t end = end_of(r, segment);
    float *local = recurrence_state(r, index, segment) + r->state_size;
    float *transition = transition_of(r, index, segment);
    const bool turns = c->rule == FV_RECURRENCE_GATED_DELTA;
    double sum = 0;
    memset(local, 0, r->state_size * sizeof *local);
    memset(transition, 0, r->transition_size * sizeof *transition);
    for (int64_t i = 0; turns && i < c->d_key; i++)
        transition[i * chunk_row((int)c->d_key) + i] = 1;
    for (int64_t p = segment * r->per_segment; p < end; p += FV_CHUNK) {
        kernel_chunk chunk = recurrence_chunk(r, pass->input, index, p, end);
        chunk.state = local;
        chunk.scratch = recurrence_scratch(r, worker);
        r->kernels->chunk(&chunk);
        for (int t = 0; t < chunk.n && chunk.log_decay; t++)
            sum += (double)chunk.log_decay[t * chunk.head_row];
        if (!turns) continue;
        chunk.state = transition;
        chunk.v = arena_at(&r->arena, r->at_nothing);
        chunk.n_value = chunk.n_key;
        chunk.value_row = chunk.n_key;
        r->kernels->chunk(&chunk);
    }
    if (!turns) transition[0] = kernel_exp2_share((float)(sum * 1.4426950408889634));
}

static void begin(const forward_pass *pass, int64_t index, float *state) {
    const fv_recurrence_config *c = &pass->recurrence->config;
    const float *initial = pass->input->initial;
    if (initial) initial += index * c->d_key * c->d_value;
    recurrence_load(pass->recurrence, initial, state);
}

static void finish(const forward_pass *pass, int64_t index, const float *state) {
    const fv_recurrence_config *c = &pass->recurrence->config;
    if (pass->final)
        recurrence_save(pass->recurrence, state, pass->final + index * c->d_key * c->d_value);
}

// Piece (state, segment but the last): the first is read at once, as its state is known.
static void begin_segment(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    fv_recurrence *r = pass->recurrence;
    const int64_t n = r->n_segments > 1 ? r->n_segments - 1 : 1;
    const int64_t index = piece / n, segment = piece % n;
    if (segment > 0) {
        find_states(pass, index, segment, worker);
        return;
    }
    float *state = recurrence_state(r, index, 0) + r->state_size;
    begin(pass, index, state);
    read_segment(pass, index, 0, state, worker);
    if (r->n_segments == 1) finish(pass, index, state);
}

// after = transition before + local
static void join(const fv_recurrence *r, const float *transition, const float *before,
                 const float *local, float *after) {
    const fv_recurrence_config *c = &r->config;
    const int64_t row = chunk_row((int)c->d_value), key = chunk_row((int)c->d_key);
    const bool turns = c->rule == FV_RECURRENCE_GATED_DELTA;
    memcpy(after, local, r->state_size * sizeof *after);
    for (int64_t i = 0; i < c->d_key; i++)
        for (int64_t k = turns ? 0 : i; k < (turns ? c->d_key : i + 1); k++) {
            const float factor = turns ? transition[i * key + k] : transition[0];
            for (int64_t f = 0; f < c->d_value; f++)
                after[i * row + f] += factor * before[k * row + f];
        }
    for (size_t i = 0; i < r->state_size; i++) after[i] = kernel_flush(after[i], FV_LEAST);
}

static void join_segments(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    const fv_recurrence *r = pass->recurrence;
    (void)worker;
    memcpy(recurrence_state(r, piece, 1), recurrence_state(r, piece, 0) + r->state_size,
           r->state_size * sizeof(float));
    for (int64_t s = 1; s + 1 < r->n_segments; s++)
        join(r, transition_of(r, piece, s), recurrence_state(r, piece, s),
             recurrence_state(r, piece, s) + r->state_size, recurrence_state(r, piece, s + 1));
}

// Piece (state, segment but the first).
static void read_joined(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    fv_recurrence *r = pass->recurrence;
    const int64_t n = r->n_segments - 1, index = piece / n, segment = 1 + piece % n;
    float *state = recurrence_state(r, index, segment);
    read_segment(pass, index, segment, state, worker);
    if (segment == n) finish(pass, index, state);
}

fv_status fv_recurrence_forward(fv_recurrence *r, const fv_recurrence_input *input, float *y,
                                float *final, bool keep, fv_error *error) {
    fv_status status = recurrence_check_input(input, error);
    r->is_kept = false;
    if (status == FV_OK && keep && r->kept.base == NULL) {
        r->kept = (memory_arena){0};
        arena_reserve(&r->kept, (size_t)(r->n_states * r->n_kept), r->state_size * sizeof(float));
        status = arena_allocate(&r->kept, error);
    }
    if (status != FV_OK) return status;
    forward_pass pass = {r, input, y, final, keep};
    const int states = (int)r->n_states, n = (int)r->n_segments;
    pool_run(r->pool, n > 1 ? states * (n - 1) : states, begin_segment, &pass);
    if (n > 1) {
        pool_run(r->pool, states, join_segments, &pass);
        pool_run(r->pool, states * (n - 1), read_joined, &pass);
    }
    r->is_kept = keep;
    return FV_OK;
}

// --- one position -------------------------------------------------------------------------------

typedef struct step_pass {
    fv_recurrence *recurrence;
    const fv_recurrence_input *input;
    float *state, *y;
} step_pass;

static void copy_columns(const float *from, int64_t from_row, int64_t rows, int64_t width,
                         float *to, int64_t to_row) {
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_row, from + i * from_row, (size_t)width * sizeof *to);
}

// Whether a step over all states finds none of them in the caches of a core any more.
static bool from_memory(const fv_recurrence *r) {
    const int64_t size = r->n_states * r->config.d_key * r->config.d_value;
    return size * (int64_t)sizeof(float) > STATES_IN_CACHES;
}

static void step_state(void *context, int piece, int worker) {
    const step_pass *pass = context;
    fv_recurrence *r = pass->recurrence;
    const fv_recurrence_config *c = &r->config;
    const int64_t columns = chunk_padded((int)c->d_value), head = piece % c->n_head;
    const int64_t key = piece / c->n_head * c->n_key_head + head / (c->n_head / c->n_key_head);
    float *v = (float *)arena_at(&r->arena, r->at_step) + (size_t)worker * r->step_size;
    float *y = v + columns, *own = y + columns,
          *state = pass->state + piece * c->d_key * c->d_value;
    const bool in_place = columns == c->d_value && (uintptr_t)state % FV_ALIGNMENT == 0;
    const float *decay = (const float *)arena_at(&r->arena, r->at_decays) + piece;
    memset(v + c->d_value, 0, (size_t)(columns - c->d_value) * sizeof *v);
    memcpy(v, pass->input->v + piece * c->d_value, (size_t)c->d_value * sizeof *v);
    if (!in_place) {
        memset(own, 0, (size_t)(c->d_key * columns) * sizeof *own);
        copy_columns(state, c->d_value, c->d_key, c->d_value, own, columns);
    }
    r->kernels->state_step(
        &(kernel_state_step){.n_key = (int)c->d_key,
                             .n_columns = (int)columns,
                             .replaces = c->rule == FV_RECURRENCE_GATED_DELTA,
                             .n_decay = pass->input->log_decay ? 1 : 0,
                             .rate = pass->input->rate ? pass->input->rate[piece] : 1,
                             .decay = decay,
                             .q = pass->input->q + key * c->d_key,
                             .k = pass->input->k + key * c->d_key,
                             .v = v,
                             .state = in_place ? state : own,
                             .y = y,
                             .room = in_place && from_memory(r) ? own : NULL});
    if (!in_place) copy_columns(own, columns, c->d_key, c->d_value, state, c->d_value);
    for (int64_t f = 0; f < c->d_value; f++)
        pass->y[piece * c->d_value + f] = (float)c->scale * y[f];
}

fv_status fv_recurrence_step(fv_recurrence *r, const fv_recurrence_input *input, float *state,
                             float *y, fv_error *error) {
    fv_status status = recurrence_check_input(input, error);
    if (status != FV_OK) return status;
    float *decays = arena_at(&r->arena, r->at_decays);
    for (int64_t i = 0; input->log_decay && i < r->n_states; i++)
        decays[i] =
            input->log_decay[i] < FV_LOG_LEAST_SHARE ? FV_LOG_LEAST_EXP - 1 : input->log_decay[i];
    if (input->log_decay)
        r->kernels->exp_array((size_t)round_up(r->n_states, FV_LANES), decays, decays);
    step_pass pass = {r, input, state, y};
    pool_run(r->pool, (int)r->n_states, step_state, &pass);
    return FV_OK;
}
