#include "train/ranks.h"

#include "base/clock.h"
#include "config/layer_list.h"
#include "model/normalisers.h"
#include "model/selectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES, SLOT = 0 };

// --- what is carried -----------------------------------------------------------------------------

static const char *choice_of(const char *key, int kind) {
    return fv_field_find(key)->choices[kind];
}

static fv_status refuse(fv_error *error, int n, const char *what, const char *why) {
    return fv_fail(error, FV_USAGE,
                   "train.context_ranks %d does not go with %s: %s; it trains on one process, with "
                   "train.context_ranks 1",
                   n, what, why);
}

static fv_status check_layer(const fv_model_config *m, int i, int n, fv_error *error) {
    const layer_type *type = layer_type_of(m->layers.kind[i]);
    const char *kind = choice_of("model.layers", m->layers.kind[i]);
    char what[128];
    if (m->layers.kind[i] == FV_LAYER_NSA || m->layers.kind[i] == FV_LAYER_COMPRESSED_ATTENTION) {
        snprintf(what, sizeof what, "layers of the kind %s", kind);
        return refuse(error, n, what, "blocks of keys that become one lie across ranks");
    }
    if (type->attends) {
        int selector = (int)layer_selector(m, i), normaliser = (int)layer_normaliser(m, i);
        if (!normaliser_is_softmax(normaliser)) {
            snprintf(what, sizeof what, "model.normaliser %s",
                     choice_of("model.normaliser", normaliser));
            return refuse(error, n, what, "the ring joins softmaxes of parts");
        }
        if (selector_type_of(selector)->absent) return FV_OK;
        snprintf(what, sizeof what, "model.selector %s", choice_of("model.selector", selector));
        return refuse(error, n, what, "queries choose among keys that no rank has together");
    }
    if (type->needs == NULL) return FV_OK;
    snprintf(what, sizeof what, "layers of the kind %s", kind);
    return refuse(error, n, what, "they hand a state from position to position, and no ring does");
}

static fv_status check_parts(const fv_config *config, fv_error *error) {
    const fv_model_config *m = &config->model;
    int n = config->train.context_ranks;
    if (task_inputs(&config->task) > 0 || task_outputs(&config->task) > 0)
        return refuse(error, n, "tasks of reals", "ranks exchange tokens");
    for (int i = 0; i < m->layers.n; i++) {
        fv_status status = check_layer(m, i, n, error);
        if (status != FV_OK) return status;
    }
    if (m->exclude_self)
        return refuse(error, n, "model.exclude_self", "in the ring every position sees itself");
    if (m->score_power_learned)
        return refuse(error, n, "model.score_power_learned",
                      "the ring has no gradient of a score's power");
    if (config->task.length_min > 0 && config->task.length_min != config->task.context_length)
        return refuse(error, n, "lengths that are drawn (task.length_min)",
                      "a ring is made for one length");
    if (config->task.name == FV_TASK_CUSTOM)
        return refuse(error, n, "task.name custom", "its sequences are one program's");
    return FV_OK;
}

static fv_status check(const fv_config *config, const fv_ring_transport *others, fv_error *error) {
    int n = config->train.context_ranks, length = config->task.context_length;
    if (others == NULL)
        return fv_fail(
            error, FV_USAGE,
            "train.context_ranks %d shares every sequence among %d processes, and this is "
            "one: 'mpirun -n %d fovea run FILE' starts them",
            n, n, n);
    if (others->n_ranks != n)
        return fv_fail(error, FV_USAGE,
                       "train.context_ranks is %d and %d processes were started; there must be as "
                       "many",
                       n, others->n_ranks);
    if (length < 2 * n)
        return fv_fail(error, FV_USAGE,
                       "train.context_ranks %d: %d positions make no two pieces for each rank; "
                       "task.context_length must be %d or more",
                       n, length, 2 * n);
    return check_parts(config, error);
}

// --- counting ------------------------------------------------------------------------------------

// The first failure is kept; what follows it computes on nonsense, and the step is refused.
static fv_status note(train_ranks *r, fv_status status, const fv_error *failure) {
    if (status != FV_OK && r->failure.status == FV_OK) r->failure = *failure;
    return status;
}

static fv_status send(void *context, int slot, int to, const void *data, size_t size,
                      fv_error *error) {
    train_ranks *r = context;
    fv_error mine = {0};
    (void)error;
    r->report.bytes_sent += size;
    return note(r, r->others.send(r->others.context, slot, to, data, size, &mine), &mine);
}

static fv_status receive(void *context, int slot, int from, void *data, size_t size,
                         fv_error *error) {
    train_ranks *r = context;
    fv_error mine = {0};
    (void)error;
    return note(r, r->others.receive(r->others.context, slot, from, data, size, &mine), &mine);
}

static fv_status wait_for(train_ranks *r, int slot,
                          fv_status (*wait)(void *context, int slot, fv_error *error)) {
    fv_error mine = {0};
    double began = clock_now();
    fv_status status = wait(r->others.context, slot, &mine);
    r->report.wait_seconds += clock_now() - began;
    return note(r, status, &mine);
}

static fv_status wait_send(void *context, int slot, fv_error *error) {
    (void)error;
    return wait_for(context, slot, ((train_ranks *)context)->others.wait_send);
}

static fv_status wait_receive(void *context, int slot, fv_error *error) {
    (void)error;
    return wait_for(context, slot, ((train_ranks *)context)->others.wait_receive);
}

// --- making --------------------------------------------------------------------------------------

static fv_status plan(const fv_model *whole, train_ranks *r, fv_error *error) {
    int n_ranks = r->others.n_ranks, rank = r->others.rank, n = whole->config.task.context_length;
    model_positions own = {.n = (int)fv_ring_rows(FV_RING_ZIGZAG, n, n_ranks, rank)};
    own.at = malloc((size_t)own.n * sizeof *own.at);
    r->n_loss = whole->data.n_loss;
    r->row_of = malloc((size_t)r->n_loss * sizeof *r->row_of);
    r->targets = malloc((size_t)r->n_loss * L * sizeof *r->targets);
    if (own.at == NULL || r->row_of == NULL || r->targets == NULL) {
        free(own.at);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a rank");
    }
    for (int i = 0; i < own.n; i++)
        own.at[i] = (int)fv_ring_position(FV_RING_ZIGZAG, n, n_ranks, rank, i);
    for (int i = 0, row = 0; i < r->n_loss; i++) {
        while (row < own.n && own.at[row] < whole->data.loss_positions[i]) row++;
        bool here = row < own.n && own.at[row] == whole->data.loss_positions[i];
        r->row_of[i] = here ? row : -1;
    }
    fv_status status =
        model_plan_rank(&whole->config, whole->n_positions, &own, &r->counted, &r->model, error);
    free(own.at);
    return status;
}

fv_status ranks_create(const fv_model *whole, const fv_ring_transport *others, size_t n,
                       train_ranks **out, fv_error *error) {
    *out = NULL;
    fv_status status = check(&whole->config, others, error);
    if (status != FV_OK) return status;
    train_ranks *r = calloc(1, sizeof *r);
    if (r == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a rank");
    r->others = *others;
    r->report.n_ranks = others->n_ranks;
    r->counted = (fv_ring_transport){.context = r,
                                     .rank = others->rank,
                                     .n_ranks = others->n_ranks,
                                     .send = send,
                                     .receive = receive,
                                     .wait_send = wait_send,
                                     .wait_receive = wait_receive};
    r->received = malloc(n * sizeof *r->received);
    if (r->received == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory for gradients");
    if (status == FV_OK) status = plan(whole, r, error);
    if (status == FV_OK)
        *out = r;
    else
        ranks_free(r);
    return status;
}

void ranks_free(train_ranks *r) {
    if (r == NULL) return;
    fv_model_free(r->model);
    free(r->row_of);
    free(r->targets);
    free(r->received);
    free(r);
}

// --- a step --------------------------------------------------------------------------------------

void ranks_draw(train_ranks *r, const task_data *data, random_stream stream, uint32_t step,
                int n_samples, model_tile *tile) {
    int32_t *targets = arena_at(tile->workspace, r->model->targets);
    data_batch(data, stream, step, (int)tile->first_group, 1, n_samples,
               arena_at(tile->workspace, r->model->tokens), r->targets);
    for (int i = 0; i < r->model->data.n_loss * L; i++) targets[i] = -1;
    for (int i = 0; i < r->n_loss; i++)
        if (r->row_of[i] >= 0)
            memcpy(targets + r->row_of[i] * L, r->targets + i * L, L * sizeof *targets);
}

static void exchange(train_ranks *r, bool sends, int rank, void *data, size_t size) {
    const fv_ring_transport *t = &r->counted;
    if (r->failure.status != FV_OK || size == 0) return;
    if (sends) {
        if (t->send(t->context, SLOT, rank, data, size, NULL) == FV_OK)
            t->wait_send(t->context, SLOT, NULL);
    } else if (t->receive(t->context, SLOT, rank, data, size, NULL) == FV_OK) {
        t->wait_receive(t->context, SLOT, NULL);
    }
}

void ranks_sum(train_ranks *r, size_t n, real *x, int m, double *y) {
    enum { MOST = 8 };
    double more[MOST];
    bool first = r->others.rank == 0;
    for (int other = 1; other < r->others.n_ranks && first; other++) {
        exchange(r, false, other, r->received, n * sizeof *x);
        exchange(r, false, other, more, (size_t)m * sizeof *y);
        for (size_t i = 0; i < n; i++) x[i] += r->received[i];
        for (int i = 0; i < m; i++) y[i] += more[i];
    }
    if (!first) {
        exchange(r, true, 0, x, n * sizeof *x);
        exchange(r, true, 0, y, (size_t)m * sizeof *y);
    }
    for (int other = 1; other < r->others.n_ranks && first; other++) {
        exchange(r, true, other, x, n * sizeof *x);
        exchange(r, true, other, y, (size_t)m * sizeof *y);
    }
    if (first) return;
    exchange(r, false, 0, x, n * sizeof *x);
    exchange(r, false, 0, y, (size_t)m * sizeof *y);
}
