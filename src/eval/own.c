#include <fovea/own.h>

#include "base/pool.h"
#include "probes/retrieval.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- plans --------------------------------------------------------------------------------------

static void set_depths(fv_own_plan *plan, int step) {
    plan->n_depths = 0;
    for (int depth = 0; depth <= 100; depth += step) plan->depths[plan->n_depths++] = depth;
}

static fv_own_plan plan_of(const fv_config *config) {
    return (fv_own_plan){.n_samples = 256, .seed = (uint64_t)config->train.seed, .n_threads = 1};
}

void fv_own_plan_map(const fv_config *config, fv_own_plan *plan) {
    *plan = plan_of(config);
    set_depths(plan, 10);
    // The probe's grid, of a model that reads as far as this one can.
    fv_task_config task = config->task;
    int twice = 2 * fv_training_longest(&task);
    if (config->model.positions != FV_POSITIONS_LEARNED && twice > task.context_length) {
        task.length_max = fv_training_longest(&config->task);
        task.context_length = twice;
    }
    fv_grid_plan grid;
    fv_grid_plan_make(&task, &grid);
    for (int l = 0; l < grid.n_lengths; l++) {
        fv_error ignored;
        bool possible = fv_retrieval_check(config, grid.lengths[l], 0, &ignored) == FV_OK;
        if (possible) plan->lengths[plan->n_lengths++] = grid.lengths[l];
    }
}

void fv_own_plan_middle(const fv_config *config, fv_own_plan *plan) {
    *plan = plan_of(config);
    set_depths(plan, 5);
    plan->lengths[plan->n_lengths++] = fv_training_longest(&config->task);
}

fv_status fv_own_check(const fv_config *config, const fv_own_plan *plan, fv_error *error) {
    fv_status status = FV_OK;
    if (plan->n_lengths == 0) // no length was possible: says why
        status = fv_retrieval_check(config, fv_training_longest(&config->task), 0, error);
    for (int l = 0; l < plan->n_lengths; l++)
        for (int d = 0; d < plan->n_depths && status == FV_OK; d++)
            status = fv_retrieval_check(config, plan->lengths[l], plan->depths[d], error);
    return status;
}

// --- asking -------------------------------------------------------------------------------------

typedef struct asked_cell {
    fv_retrieval result;
    fv_status status;
    fv_error error;
} asked_cell;

typedef struct asking {
    const fv_config *config;
    const float *params;
    const fv_own_plan *plan;
    asked_cell *cells; // [n_lengths][n_depths]
} asking;

static void add(fv_retrieval *sum, const fv_retrieval *more) {
    sum->score = (sum->score * sum->n + more->score * more->n) / (sum->n + more->n);
    sum->n += more->n;
    sum->found += more->found;
    sum->part += more->part;
    sum->distractor += more->distractor;
    sum->wrong += more->wrong;
}

static bool is_narrow(const fv_own_plan *plan, const fv_retrieval *result) {
    double low, high;
    fv_wilson(result->found, result->n, FV_Z95, &low, &high);
    return plan->width <= 0 || high - low <= plan->width || result->n >= plan->most_samples;
}

// Each cell has sequences of its own: cell i draws those from i * 2^32 on.
static void ask_cell(void *context, int piece, int worker) {
    (void)worker;
    const asking *a = context;
    const fv_own_plan *plan = a->plan;
    asked_cell *cell = &a->cells[piece];
    int length = plan->lengths[piece / plan->n_depths];
    double depth = plan->depths[piece % plan->n_depths];
    uint64_t seed = plan->seed + ((uint64_t)piece << 32); // a stream of test sequences a cell
    do {
        if (plan->interrupted && __atomic_load_n(plan->interrupted, __ATOMIC_RELAXED)) {
            cell->status = fv_fail(&cell->error, FV_INTERRUPTED,
                                   "interrupted at length %d, depth "
                                   "%g %%",
                                   length, depth);
            return;
        }
        fv_retrieval more;
        cell->status =
            fv_retrieval_ask(a->config, a->params, length, depth, seed, (uint64_t)cell->result.n,
                             plan->n_samples, &more, &cell->error);
        if (cell->status == FV_OK) add(&cell->result, &more);
    } while (cell->status == FV_OK && !is_narrow(plan, &cell->result));
}

static fv_status put_cell(const asking *a, const char *label, int piece, fv_cells *cells,
                          fv_error *error) {
    const fv_own_plan *plan = a->plan;
    const fv_retrieval *result = &a->cells[piece].result;
    fv_cell cell = {.unit = "tokens",
                    .length = plan->lengths[piece / plan->n_depths],
                    .trained_length = fv_training_longest(&a->config->task),
                    .depth = plan->depths[piece % plan->n_depths],
                    .n = result->n,
                    .hits = result->found,
                    .score = result->score};
    snprintf(cell.model, sizeof cell.model, "%s", label);
    snprintf(cell.task, sizeof cell.task, "%s",
             fv_field_find("task.name")->choices[a->config->task.name]);
    cell.counts[FV_ANSWER_FOUND] = result->found;
    cell.counts[FV_ANSWER_PART] = result->part;
    cell.counts[FV_ANSWER_DISTRACTOR] = result->distractor;
    cell.counts[FV_ANSWER_WRONG] = result->wrong;
    return fv_cells_put(cells, &cell, error);
}

fv_status fv_own_measure(const fv_config *config, const float *params, const char *label,
                         const fv_own_plan *plan, fv_cells *cells, fv_error *error) {
    int n = plan->n_lengths * plan->n_depths;
    asking a = {config, params, plan, NULL};
    fv_pool *pool = NULL;
    fv_status status = fv_own_check(config, plan, error);
    if (status != FV_OK) return status;
    a.cells = calloc((size_t)n + 1, sizeof *a.cells);
    if (a.cells == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for %d cells", n);
    status = fv_pool_create(plan->n_threads, &pool, error);
    if (status == FV_OK) fv_pool_run(pool, n, ask_cell, &a);
    for (int i = 0; i < n && status == FV_OK; i++) {
        status = a.cells[i].status;
        if (status != FV_OK && error) *error = a.cells[i].error;
    }
    for (int i = 0; i < n && status == FV_OK; i++) status = put_cell(&a, label, i, cells, error);
    fv_pool_free(pool);
    free(a.cells);
    return status;
}

// --- names --------------------------------------------------------------------------------------

// Appends to a label that may already be full.
static void append(char label[96], const char *format, ...) FV_PRINTF(2, 3);

static void append(char label[96], const char *format, ...) {
    size_t used = strlen(label);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(label + used, 96 - used, format, arguments);
    va_end(arguments);
}

void fv_own_label(const fv_config *config, char label[96]) {
    const fv_model_config *model = &config->model;
    const char *const *names = fv_field_find("model.layers")->choices;
    bool attends = false;
    *label = '\0';
    for (int i = 0, n; i < model->layers.n; i += n) {
        int kind = model->layers.kind[i];
        for (n = 1; i + n < model->layers.n && model->layers.kind[i + n] == kind;) n++;
        append(label, "%s", i ? " + " : "");
        if (n > 1) append(label, "%d x ", n);
        append(label, "%s", names[kind]);
        attends |= kind == FV_LAYER_ATTENTION;
    }
    if (attends && model->window > 0) append(label, ", window %d", model->window);
    if (attends && model->sinks > 0) append(label, ", %d sinks", model->sinks);
    if (model->positions != FV_POSITIONS_NONE)
        append(label, ", %s positions",
               fv_field_find("model.positions")->choices[model->positions]);
    else if (attends)
        append(label, ", no positions");
}
