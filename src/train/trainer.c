// One training step: tiles forward and backward, gradients summed, parameters updated.
//
// The batch is cut into tiles and the tiles into at most SLOTS runs of neighbours. Each run adds
// its tiles' gradients up in order, in a buffer of its own; the buffers are added up in order at
// the end. Both cuts depend on shapes alone, so the sum has the same bits for any number of
// threads.
//
// A run whose task has a range of lengths draws one at every step and takes the model that is
// planned for it (lengths.h); parameters, gradients and workspaces are the same for all.
#include "base/pool.h"
#include "config/stages.h"
#include "model/layers.h"
#include "train/embeddings.h"
#include "train/lengths.h"
#include "train/optimizer.h"
#include "train/ranks.h"
#include "train/rates.h"
#include "train/start.h"
#include "train/trainer_state.h"

#include <fovea/train.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 8, L = FV_LANES };

typedef struct part {
    double loss, correct;
    double own[FV_MAX_LAYERS]; // what layers of the list add for themselves
    real *gradient;            // [n_params], padded to whole vectors
} part;

struct fv_trainer {
    fv_config config; // of the stage that is under way
    fv_config *whole; // with its stages; NULL where there are none
    int next_stage;   // the step at which another one begins
    fv_model *model;  // of the whole context; owns the layout of the parameters
    train_lengths lengths;
    train_length *length; // of the sequences at work
    train_ranks *ranks;   // NULL: sequences are here as a whole
    const kernel_set *kernels;
    thread_pool *pool;
    int n_threads, n_slots, n_threads_given;
    part slots[SLOTS];
    memory_arena memory;                // parameters, moments, gradients
    memory_arena *workspaces;           // [n_threads]
    model_worker_layers *worker_layers; // [n_threads][lengths.n]
    train_optimizer optimizer;
    train_embeddings embeddings;
    int steps_done;
    bool count_correct;
    real weight;               // of a target: 1 / targets in the batch
    double own[FV_MAX_LAYERS]; // of the last step, a mean over samples; NAN of layers without
};

// What computes the sequences at work.
static const fv_model *computing(const fv_trainer *t) {
    return t->ranks ? t->ranks->model : t->length->model;
}

static int tiles_of(const fv_trainer *t, int n_samples) {
    int groups = (n_samples + L - 1) / L, capacity = computing(t)->group_capacity;
    return (groups + capacity - 1) / capacity;
}

static fv_status list_frozen(fv_trainer *t, fv_error *error) {
    const fv_model *model = t->model;
    if (strcmp(t->config.train.freeze.value, "[]") == 0) return FV_OK;
    train_span *spans = calloc((size_t)model->n_tensors, sizeof *spans);
    if (spans == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a run");
    t->optimizer.frozen = spans;
    for (int i = 0; i < model->n_tensors; i++)
        if (rates_frozen(&t->config, model->tensors[i].name))
            spans[t->optimizer.n_frozen++] =
                (train_span){model->tensors[i].offset, model->tensors[i].size};
    return FV_OK;
}

static fv_status create_memory(fv_trainer *t, fv_error *error) {
    size_t n = (fv_model_n_params(t->model) + L - 1) / L * L, offsets[4 + SLOTS];
    for (int i = 0; i < 4 + t->n_slots; i++)
        offsets[i] = arena_reserve(&t->memory, n, sizeof(real));
    fv_status status = arena_allocate(&t->memory, error);
    if (status != FV_OK) return status;
    t->optimizer = (train_optimizer){.config = &t->config.train,
                                     .n = n,
                                     .params = arena_at(&t->memory, offsets[0]),
                                     .m = arena_at(&t->memory, offsets[1]),
                                     .v = arena_at(&t->memory, offsets[2])};
    real *scale = arena_at(&t->memory, offsets[3]);
    const task_weights *weights = &lengths_longest(&t->lengths)->data.weights;
    if (rates_fill(t->model, weights, scale)) t->optimizer.rate_scale = scale;
    for (int i = 0; i < t->n_slots; i++)
        t->slots[i].gradient = arena_at(&t->memory, offsets[4 + i]);
    return list_frozen(t, error);
}

// One workspace a worker for all lengths, and what the layers of each length have for themselves.
static fv_status create_workers(fv_trainer *t, fv_error *error) {
    int n = t->n_threads, n_lengths = t->lengths.n;
    t->workspaces = calloc((size_t)n, sizeof *t->workspaces);
    t->worker_layers = calloc((size_t)n * (size_t)n_lengths, sizeof *t->worker_layers);
    if (t->workspaces == NULL || t->worker_layers == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for %d threads", n);
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        t->workspaces[i] = t->ranks ? t->ranks->model->plan : lengths_workspace(&t->lengths);
        status = arena_allocate(&t->workspaces[i], error);
        for (int k = 0; k < n_lengths && status == FV_OK; k++)
            status = worker_layers_create(t->ranks ? t->ranks->model : t->lengths.at[k].model,
                                          &t->worker_layers[i * n_lengths + k], error);
    }
    return status;
}

static void free_workers(fv_trainer *t) {
    for (int i = 0; t->worker_layers && i < t->n_threads * t->lengths.n; i++)
        worker_layers_free(&t->worker_layers[i]);
    free(t->worker_layers);
    for (int i = 0; t->workspaces && i < t->n_threads; i++) arena_free(&t->workspaces[i]);
    free(t->workspaces);
}

static fv_status init_params(fv_trainer *t, fv_error *error) {
    size_t n = fv_model_n_params(t->model);
    float *initial = malloc(n * sizeof *initial);
    if (initial == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for parameters");
    fv_status status = FV_OK;
    if (t->config.train.from.value[0] != '\0')
        status = start_fill(&t->config, t->model, initial, error);
    else
        fv_model_init_params(t->model, (uint64_t)t->config.train.seed, initial);
    for (size_t i = 0; i < n && status == FV_OK; i++) t->optimizer.params[i] = initial[i];
    free(initial);
    return status;
}

// The order of tiles is that of messages, so that one thread takes them.
static fv_status join_ranks(fv_trainer *t, const fv_ring_transport *others, fv_error *error) {
    size_t n = (fv_model_n_params(t->model) + L - 1) / L * L;
    if (t->config.train.context_ranks == 1) return FV_OK;
    return ranks_create(t->model, others, n, &t->ranks, error);
}

// Of one stage. Parameters of a later one come from the one before.
static fv_status create_stage(const fv_config *config, bool later, int n_threads,
                              const fv_ring_transport *others, fv_trainer **out, fv_error *error) {
    fv_trainer *t = calloc(1, sizeof *t);
    if (t == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a run");
    t->config = *config;
    t->n_threads_given = n_threads;
    t->next_stage = INT_MAX;
    t->kernels = kernels_get();
    fv_status status = fv_model_create(config, &t->model, error);
    if (status == FV_OK) status = join_ranks(t, others, error);
    const fv_field *culprit;
    if (status == FV_OK) status = rates_check(config, t->model, &culprit, error);
    if (status == FV_OK) status = lengths_create(t->model, &t->lengths, error);
    if (status == FV_OK) {
        int n_tiles = t->ranks ? 1 : lengths_most_tiles(&t->lengths);
        t->n_slots = n_tiles < SLOTS ? n_tiles : SLOTS;
        t->n_threads = n_threads < t->n_slots ? n_threads : t->n_slots;
        status = create_memory(t, error);
    }
    if (status == FV_OK) status = optimizer_open(&t->optimizer, t->model, error);
    if (status == FV_OK) status = create_workers(t, error);
    if (status == FV_OK) status = pool_create(t->n_threads, &t->pool, error);
    if (status == FV_OK && !later) status = init_params(t, error);
    if (status == FV_OK) status = embeddings_create(t->model, &t->embeddings, error);
    if (status != FV_OK) {
        fv_trainer_free(t);
        return status;
    }
    *out = t;
    return FV_OK;
}

static fv_status create(const fv_config *config, int n_threads, const fv_ring_transport *others,
                        fv_trainer **out, fv_error *error) {
    if (!stages_any(config)) return create_stage(config, false, n_threads, others, out, error);
    fv_config *whole = malloc(2 * sizeof *whole);
    stage_now now;
    if (whole == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a run");
    whole[0] = *config;
    fv_status status = stages_at(config, 0, &whole[1], &now, error);
    if (status == FV_OK) status = create_stage(&whole[1], false, n_threads, others, out, error);
    if (status != FV_OK) {
        free(whole);
        return status;
    }
    (*out)->whole = whole;
    (*out)->next_stage = now.next;
    return FV_OK;
}

fv_status fv_trainer_create(const fv_config *config, int n_threads, fv_trainer **out,
                            fv_error *error) {
    return create(config, n_threads, NULL, out, error);
}

fv_status fv_trainer_create_rank(const fv_config *config, const fv_ring_transport *ranks,
                                 fv_trainer **out, fv_error *error) {
    return create(config, 1, ranks, out, error);
}

fv_ranks_report fv_trainer_ranks(const fv_trainer *t) {
    return t->ranks ? t->ranks->report : (fv_ranks_report){0};
}

void fv_trainer_free(fv_trainer *t) {
    if (t == NULL) return;
    pool_free(t->pool);
    free_workers(t);
    embeddings_free(&t->embeddings);
    ranks_free(t->ranks);
    optimizer_close(&t->optimizer);
    free(t->optimizer.frozen);
    free(t->whole);
    arena_free(&t->memory);
    lengths_free(&t->lengths);
    fv_model_free(t->model);
    free(t);
}

// The sum of n * 16 values: lane by lane first, which vectorises, then over the lanes.
static double sum_lanes(const real *values, int n) {
    double lane[L] = {0}, sum = 0;
    for (int i = 0; i < n; i++)
        for (int l = 0; l < L; l++) lane[l] += (double)values[i * L + l];
    for (int l = 0; l < L; l++) sum += lane[l];
    return sum;
}

static void count_tile(const model_tile *tile, part *slot) {
    int n = tile->n_groups * tile->model->data.n_loss;
    const fv_model *model = tile->model;
    slot->loss += sum_lanes(tile_buffer(tile, model->losses), n);
    for (int i = 1; tile->sample_weight > 0 && i < model->n_layers - 1; i++)
        if (model->layers[i].own_terms > 0)
            slot->own[i - 1] +=
                sum_lanes(tile_buffer(tile, model->layers[i].own_loss), tile->n_groups);
    if (tile->count_correct) slot->correct += sum_lanes(tile_buffer(tile, tile->model->correct), n);
}

// The sequences of tile i of n_samples of the stream.
static void draw_tile(const fv_trainer *t, random_stream stream, uint32_t step, int n_samples,
                      int i, model_tile *tile) {
    const fv_model *model = computing(t);
    int n_groups = (n_samples + L - 1) / L, capacity = model->group_capacity;
    int group = i * capacity, left = n_groups - group;
    tile->n_groups = left < capacity ? left : capacity;
    tile->step = step;
    tile->first_group = (uint32_t)group;
    tile->n_samples = n_samples;
    if (t->ranks) {
        ranks_draw(t->ranks, &t->length->data, stream, step, n_samples, tile);
        return;
    }
    data_batch(&t->length->data, stream, step, group, tile->n_groups, n_samples,
               arena_at(tile->workspace, model->tokens), arena_at(tile->workspace, model->targets));
}

// Runs the tiles of one slot over n_samples sequences of the stream; without a step only forward.
static void run_tiles(fv_trainer *t, random_stream stream, uint32_t step, int n_samples, int first,
                      int last, model_tile *tile, part *slot) {
    slot->loss = slot->correct = 0;
    memset(slot->own, 0, sizeof slot->own);
    for (int i = first; i < last; i++) {
        draw_tile(t, stream, step, n_samples, i, tile);
        tile_run(tile);
        count_tile(tile, slot);
    }
}

static model_tile tile_of_worker(const fv_trainer *t, int worker) {
    ptrdiff_t length = t->length - t->lengths.at;
    return (model_tile){.model = computing(t),
                        .own = t->worker_layers[worker * t->lengths.n + length].own,
                        .kernels = t->kernels,
                        .workspace = &t->workspaces[worker],
                        .params = t->optimizer.params,
                        .weight = t->weight,
                        .count_correct = t->count_correct};
}

static void train_slot(void *context, int piece, int worker) {
    fv_trainer *t = context;
    part *slot = &t->slots[piece];
    model_tile tile = tile_of_worker(t, worker);
    tile.gradient = slot->gradient;
    tile.dense = t->steps_done < t->config.train.indexer_warmup;
    tile.sample_weight = 1 / (real)t->config.train.batch_size;
    memset(slot->gradient, 0, t->optimizer.n * sizeof *slot->gradient);
    long n_tiles = tiles_of(t, t->config.train.batch_size);
    int first = (int)(piece * n_tiles / t->n_slots);
    int last = (int)((piece + 1) * n_tiles / t->n_slots);
    run_tiles(t, FV_STREAM_TRAIN, (uint32_t)t->steps_done, t->config.train.batch_size, first, last,
              &tile, slot);
}

// What the stage before leaves to the one that begins.
static void hand_over(const fv_trainer *from, fv_trainer *to, bool reset) {
    size_t n = from->optimizer.n;
    memcpy(to->optimizer.params, from->optimizer.params, n * sizeof *to->optimizer.params);
    to->steps_done = from->steps_done;
    to->optimizer.first_step = from->steps_done;
    if (!reset && from->config.train.optimizer == to->config.train.optimizer)
        optimizer_keep(&to->optimizer, &from->optimizer);
}

// Everything but the parameters is made anew: data, batches and workspaces may all be others. The stage is
// that of a step; whether it takes over what t has trained so far.
static fv_status begin_stage(fv_trainer *t, int step, bool goes_on, fv_error *error) {
    fv_trainer *next = NULL;
    stage_now now;
    fv_config *here = &t->whole[1];
    fv_status status = stages_at(&t->whole[0], step, here, &now, error);
    if (status == FV_OK) status = create_stage(here, true, t->n_threads_given, NULL, &next, error);
    if (status != FV_OK) return status;
    if (goes_on) hand_over(t, next, now.reset);
    next->whole = t->whole;
    next->next_stage = now.next;
    t->whole = NULL;
    fv_trainer old = *t;
    *t = *next;
    *next = old;
    t->optimizer.config = &t->config.train;
    next->optimizer.config = &next->config.train;
    fv_trainer_free(next);
    return FV_OK;
}

fv_status trainer_enter_stage(fv_trainer *t, bool *entered, fv_error *error) {
    *entered = t->steps_done >= t->next_stage;
    return *entered ? begin_stage(t, t->steps_done, true, error) : FV_OK;
}

const fv_config *trainer_config(const fv_trainer *t) {
    return &t->config;
}

fv_status fv_trainer_prepare(fv_trainer *t, fv_error *error) {
    bool entered;
    fv_status status = trainer_enter_stage(t, &entered, error);
    if (status != FV_OK) return status;
    t->length = lengths_draw(&t->lengths, t->steps_done);
    return data_take(&t->length->data, (uint32_t)t->steps_done, error);
}

// Over all ranks; false where the transport failed, after which nothing here is a result.
static bool sum_ranks(fv_trainer *t, size_t n, real *gradient, double *loss, double *correct) {
    double sums[] = {*loss, *correct};
    if (t->ranks == NULL) return true;
    ranks_sum(t->ranks, n, gradient, 2, sums);
    *loss = sums[0];
    *correct = sums[1];
    return t->ranks->failure.status == FV_OK;
}

bool trainer_any_rank(fv_trainer *t, bool here) {
    double n = here;
    if (t->ranks) ranks_sum(t->ranks, 0, NULL, 1, &n);
    return n > 0;
}

fv_status trainer_rank_failed(const fv_trainer *t, fv_error *error) {
    if (t->ranks == NULL || t->ranks->failure.status == FV_OK) return FV_OK;
    if (error) *error = t->ranks->failure;
    return t->ranks->failure.status;
}

// Of layers that add to the loss for themselves: the mean over samples, and over what they add it for.
static void sum_own(fv_trainer *t) {
    const fv_model *model = t->length->model;
    for (int i = 0; i < model->n_layers - 2; i++) {
        double terms = model->layers[i + 1].own_terms, sum = 0;
        for (int s = 0; s < t->n_slots; s++) sum += t->slots[s].own[i];
        t->own[i] = terms > 0 ? sum / (terms * t->config.train.batch_size) : NAN;
    }
}

double trainer_own_loss(const fv_trainer *t, int i, int *index) {
    if (i >= t->model->n_layers - 2) return NAN;
    *index = t->model->layers[i + 1].index;
    return t->own[i];
}

double fv_trainer_step(fv_trainer *t, double *accuracy) {
    if (fv_trainer_prepare(t, NULL) != FV_OK) return NAN;
    double n_targets =
        data_n_targets(&t->length->data, FV_STREAM_TRAIN, t->config.train.batch_size);
    t->count_correct = accuracy != NULL;
    t->weight = (real)(1 / n_targets);
    embeddings_before(&t->embeddings, t->steps_done, t->optimizer.params);
    pool_run(t->pool, t->n_slots, train_slot, t);
    embeddings_after(&t->embeddings, t->optimizer.params);
    double loss = 0, correct = 0;
    real *gradient = t->slots[0].gradient;
    for (int s = 0; s < t->n_slots; s++) {
        loss += t->slots[s].loss;
        correct += t->slots[s].correct;
        const real *restrict from = t->slots[s].gradient;
        for (size_t i = 0; s > 0 && i < t->optimizer.n; i++) gradient[i] += from[i];
    }
    if (!sum_ranks(t, t->optimizer.n, gradient, &loss, &correct)) return NAN;
    sum_own(t);
    optimizer_step(&t->optimizer, t->kernels, t->steps_done, gradient);
    t->steps_done++;
    if (accuracy) *accuracy = correct / n_targets;
    return loss / n_targets;
}

void fv_trainer_draw(fv_trainer *t) {
    if (fv_trainer_prepare(t, NULL) != FV_OK) return;
    model_tile tile = tile_of_worker(t, 0);
    for (int i = 0; i < tiles_of(t, t->config.train.batch_size); i++)
        draw_tile(t, FV_STREAM_TRAIN, (uint32_t)t->steps_done, t->config.train.batch_size, i,
                  &tile);
}

// Test tiles are shared out like training tiles; the slots' sums are added in order.
static void test_slot(void *context, int piece, int worker) {
    fv_trainer *t = context;
    model_tile tile = tile_of_worker(t, worker);
    int n_samples = t->config.task.n_test;
    long n_tiles = tiles_of(t, n_samples);
    run_tiles(t, FV_STREAM_TEST, 0, n_samples, (int)(piece * n_tiles / t->n_slots),
              (int)((piece + 1) * n_tiles / t->n_slots), &tile, &t->slots[piece]);
}

void fv_trainer_test(fv_trainer *t, double *loss, double *accuracy) {
    t->length = lengths_longest(&t->lengths);
    double n_targets = data_n_targets(&t->length->data, FV_STREAM_TEST, t->config.task.n_test);
    t->count_correct = true;
    pool_run(t->pool, t->n_slots, test_slot, t);
    *loss = *accuracy = 0;
    for (int s = 0; s < t->n_slots; s++) {
        *loss += t->slots[s].loss / n_targets;
        *accuracy += t->slots[s].correct / n_targets;
    }
    sum_ranks(t, 0, NULL, loss, accuracy);
}

// The arrays of a state, NULL behind the last.
enum { MOST_CARRIED = 4 };
static void list_carried(const fv_trainer *t, real *arrays[MOST_CARRIED + 1]) {
    const train_optimizer *o = &t->optimizer;
    real *all[] = {o->params, o->m, o->v, optimizer_carried(o), NULL};
    memcpy(arrays, all, sizeof all);
}

size_t trainer_state_size(const fv_trainer *t) {
    real *arrays[MOST_CARRIED + 1];
    size_t n = 0;
    list_carried(t, arrays);
    while (arrays[n]) n++;
    return n * t->optimizer.n;
}

trainer_place trainer_save(const fv_trainer *t, real *state) {
    real *arrays[MOST_CARRIED + 1];
    size_t n = t->optimizer.n;
    list_carried(t, arrays);
    for (int i = 0; arrays[i]; i++) memcpy(state + (size_t)i * n, arrays[i], n * sizeof *state);
    return (trainer_place){t->steps_done, t->optimizer.first_step};
}

// The step that left a state behind; a stage begins when its first step is taken.
static int step_before(int step) {
    return step > 0 ? step - 1 : 0;
}

// Stages are told apart by where they end.
static fv_status enter_stage_of(fv_trainer *t, int step, fv_error *error) {
    stage_now now;
    fv_status status = stages_at(&t->whole[0], step, &t->whole[1], &now, error);
    if (status != FV_OK || now.next == t->next_stage) return status;
    return begin_stage(t, step, false, error);
}

fv_status trainer_restore(fv_trainer *t, const real *state, trainer_place place, fv_error *error) {
    fv_status status = t->whole ? enter_stage_of(t, step_before(place.step), error) : FV_OK;
    if (status != FV_OK) return status;
    real *arrays[MOST_CARRIED + 1];
    size_t n = t->optimizer.n;
    list_carried(t, arrays);
    for (int i = 0; arrays[i]; i++) memcpy(arrays[i], state + (size_t)i * n, n * sizeof *state);
    t->steps_done = place.step;
    t->optimizer.first_step = place.since;
    return FV_OK;
}

fv_status trainer_restage(fv_trainer *t, const fv_config *config, fv_error *error) {
    stage_now now;
    if (t->whole == NULL) t->whole = malloc(2 * sizeof *t->whole);
    if (t->whole == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a stage");
    t->whole[0] = *config;
    fv_status status = stages_at(config, step_before(t->steps_done), &t->whole[1], &now, error);
    if (status == FV_OK) t->next_stage = now.next;
    return status;
}

int fv_trainer_steps_done(const fv_trainer *t) {
    return t->steps_done;
}
const fv_model *fv_trainer_model(const fv_trainer *t) {
    return t->model;
}

fv_step_cost fv_trainer_cost(const fv_trainer *t) {
    return lengths_cost(&t->lengths, t->config.train.batch_size);
}

#ifndef FOVEA_DOUBLE
const float *fv_trainer_params(const fv_trainer *t) {
    return t->optimizer.params;
}
const float *fv_trainer_gradient(const fv_trainer *t) {
    return t->slots[0].gradient;
}
#endif
