#include <fovea/own.h>

#include "base/clock.h"
#include "base/pool.h"
#include "config/config_readers.h"
#include "eval/own_answers.h"
#include "eval/own_set.h"
#include "model/positions.h"
#include "probes/retrieval.h"

#include <fovea/decode.h>
#include <fovea/task.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)FV_OWN_LONGEST == (int)FV_RETRIEVAL_LONGEST, "they are the same");

// Prompts from here on go through the decoder, one at a time: sixteen of them side by side would
// need the activations of all their positions.
enum { DECODED = 4096 };

// --- plans --------------------------------------------------------------------------------------

static void set_depths(fv_own_plan *plan, int step) {
    plan->n_depths = 0;
    for (int depth = 0; depth <= 100; depth += step) plan->depths[plan->n_depths++] = depth;
}

static fv_own_plan plan_of(const fv_config *config) {
    return (fv_own_plan){.n_samples = 256, .seed = fv_task_seed(config), .n_threads = 1};
}

void fv_own_plan_map(const fv_config *config, fv_own_plan *plan) {
    *plan = plan_of(config);
    set_depths(plan, 10);
    // The probe's grid, of a model that reads as far as this one can.
    fv_task_config task = config->task;
    int twice = 2 * training_longest(&task);
    if (!positions_type_of(config->model.positions)->plan && twice > task.context_length) {
        task.length_max = training_longest(&config->task);
        task.context_length = twice;
    }
    grid_plan grid;
    grid_plan_make(&task, &grid);
    for (int l = 0; l < grid.n_lengths; l++) {
        fv_error ignored;
        bool possible = retrieval_check(config, grid.lengths[l], 0, &ignored) == FV_OK;
        if (possible) plan->lengths[plan->n_lengths++] = grid.lengths[l];
    }
}

void fv_own_plan_middle(const fv_config *config, fv_own_plan *plan) {
    *plan = plan_of(config);
    set_depths(plan, 5);
    plan->lengths[plan->n_lengths++] = training_longest(&config->task);
}

// Of what a question may change of the model: what it is not, it must not seem to be.
static fv_status check_positions(const fv_config *config, fv_error *error) {
    static const char ROPE[] = "model.rope_", SELECTOR[] = "model.selector";
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) {
        bool changes = strncmp(fields[i].key, ROPE, strlen(ROPE)) == 0 ||
                       strncmp(fields[i].key, SELECTOR, strlen(SELECTOR)) == 0;
        if (!changes || config_reads(config, &fields[i]) || config_is_default(config, &fields[i]))
            continue;
        char value[64], needs[256];
        fv_config_get(config, &fields[i], value, sizeof value);
        config_readers_text(&fields[i], needs, sizeof needs);
        return fv_fail(error, FV_USAGE, "%s %s is read by nothing here; it needs %s", fields[i].key,
                       value, needs);
    }
    return FV_OK;
}

fv_status fv_own_check(const fv_config *config, const fv_own_plan *plan, fv_error *error) {
    fv_status status = check_positions(config, error);
    if (status != FV_OK) return status;
    if (plan->n_lengths == 0) // no length was possible: says why
        status = retrieval_check(config, training_longest(&config->task), 0, error);
    for (int l = 0; l < plan->n_lengths; l++)
        for (int d = 0; d < plan->n_depths && status == FV_OK; d++)
            status = retrieval_check(config, plan->lengths[l], plan->depths[d], error);
    if (status == FV_OK && plan->set != NULL) status = own_set_check(plan->set, plan, error);
    return status;
}

// --- progress -----------------------------------------------------------------------------------

// Multiply-adds of all cells, and how many of them are done.
typedef struct account {
    const fv_own_plan *plan;
    double per_question[FV_OWN_MOST]; // of each length
    bool decodes;                     // the decoder knows the model; else length counts instead
    double all, done;
    int cells_done;
    double begun, shown; // times
    pthread_mutex_t lock;
} account;

static fv_status account_open(const fv_config *config, const float *params, const fv_own_plan *plan,
                              account *a, fv_error *error) {
    *a = (account){.plan = plan, .begun = clock_now()};
    pthread_mutex_init(&a->lock, NULL);
    fv_model *model;
    fv_decoder *decoder;
    const fv_decoder_options least = {.n = 1, .n_threads = 1, .keep = plan->keep};
    fv_status status = fv_model_create(config, &model, error);
    if (status != FV_OK) return status;
    status = fv_decoder_create(model, params, &least, &decoder, error);
    fv_model_free(model);
    a->decodes = status == FV_OK;
    if (plan->keep.kind != FV_KEEP_ALL && !a->decodes) return status; // nothing else keeps keys so
    if (status != FV_OK && status != FV_USAGE) return status;
    for (int l = 0; l < plan->n_lengths; l++) {
        int length = plan->lengths[l];
        a->per_question[l] = a->decodes ? fv_decoder_operations(decoder, length) : length;
        a->all += a->per_question[l] * plan->n_depths * plan->n_samples;
    }
    fv_decoder_free(decoder);
    return FV_OK;
}

// A tenth of a second between two reports, and the last one always.
static void account_show(account *a) {
    double now = clock_now(), share = a->done / a->all;
    int n = a->plan->n_lengths * a->plan->n_depths;
    if (a->plan->on_progress == NULL || (now - a->shown < 0.1 && a->cells_done < n)) return;
    a->shown = now;
    if (share > 1) share = 1; // more samples than the plan's, for a narrow interval
    fv_own_progress progress = {.n_done = a->cells_done,
                                .n_all = n,
                                .share = share,
                                .seconds = now - a->begun,
                                .seconds_left =
                                    share > 0 ? (now - a->begun) * (1 - share) / share : -1};
    a->plan->on_progress(a->plan->context, &progress);
}

static void account_add(account *a, double operations, int cells) {
    pthread_mutex_lock(&a->lock);
    a->done += operations;
    a->cells_done += cells;
    account_show(a);
    pthread_mutex_unlock(&a->lock);
}

// --- asking -------------------------------------------------------------------------------------

typedef struct asked_cell {
    probe_retrieval result;
    own_answers answers; // where they are stored
    fv_status status;
    fv_error error;
} asked_cell;

typedef struct asking {
    const fv_config *config;
    const float *params;
    const fv_own_plan *plan;
    asked_cell *cells; // [n_lengths][n_depths]
    account account;
    int threads_each; // of a cell
    own_store *store; // NULL: answers are stored nowhere
} asking;

static bool is_interrupted(const fv_own_plan *plan) {
    return plan->interrupted && __atomic_load_n(plan->interrupted, __ATOMIC_RELAXED);
}

// A cell at work.
typedef struct work {
    asking *asking;
    int length_index, length;
    double depth;
    own_answers *answers; // NULL: nobody keeps them
} work;

static bool watch(void *context, double operations) {
    asking *a = ((work *)context)->asking;
    account_add(&a->account, operations, 0);
    return !is_interrupted(a->plan);
}

static void take(void *context, const retrieval_answer *answer) {
    own_answers_add(((work *)context)->answers, answer);
}

static void add(probe_retrieval *sum, const probe_retrieval *more) {
    sum->score = (sum->score * sum->n + more->score * more->n) / (sum->n + more->n);
    sum->n += more->n;
    sum->found += more->found;
    sum->part += more->part;
    sum->distractor += more->distractor;
    sum->wrong += more->wrong;
}

static bool is_narrow(const fv_own_plan *plan, const probe_retrieval *result) {
    double low, high;
    fv_wilson(result->found, result->n, FV_Z95, &low, &high);
    return plan->width <= 0 || high - low <= plan->width || result->n >= plan->most_samples;
}

static fv_status ask_more(work *w, const retrieval_source *from, probe_retrieval *more,
                          fv_error *error) {
    asking *a = w->asking;
    int n = a->plan->n_samples;
    const retrieval_listener listener = {
        .watch = watch, .take = w->answers != NULL ? take : NULL, .context = w};
    const fv_decoder_options options = {.n_threads = a->threads_each, .keep = a->plan->keep};
    if ((w->length >= DECODED || options.keep.kind != FV_KEEP_ALL) && a->account.decodes)
        return retrieval_read(a->config, a->params, w->length, w->depth, from, n, &options,
                              &listener, more, error);
    fv_status status =
        retrieval_ask(a->config, a->params, w->length, w->depth, from, n, &listener, more, error);
    account_add(&a->account, a->account.per_question[w->length_index] * n, 0);
    return status;
}

static void ask_cell(void *context, int piece, int worker) {
    (void)worker;
    asking *a = context;
    const fv_own_plan *plan = a->plan;
    asked_cell *cell = &a->cells[piece];
    int l = piece / plan->n_depths;
    work w = {a, l, plan->lengths[l], plan->depths[piece % plan->n_depths],
              plan->folder != NULL ? &cell->answers : NULL};
    retrieval_source from = {.seed = own_cell_seed(plan->seed, w.length, w.depth)};
    if (plan->set != NULL) own_set_find(plan->set, w.length, w.depth, &from);
    do {
        probe_retrieval more;
        from.first = (uint64_t)cell->result.n;
        cell->status =
            is_interrupted(plan) ? FV_INTERRUPTED : ask_more(&w, &from, &more, &cell->error);
        if (cell->status == FV_INTERRUPTED)
            fv_fail(&cell->error, FV_INTERRUPTED, "interrupted at length %d, depth %g %%", w.length,
                    w.depth);
        if (cell->status == FV_OK) add(&cell->result, &more);
    } while (cell->status == FV_OK && !is_narrow(plan, &cell->result));
    account_add(&a->account, 0, 1);
}

static fv_status put_cell(const asking *a, const char *label, int piece, fv_cells *cells,
                          fv_error *error) {
    const fv_own_plan *plan = a->plan;
    const probe_retrieval *result = &a->cells[piece].result;
    fv_cell cell = {.unit = "tokens",
                    .length = plan->lengths[piece / plan->n_depths],
                    .trained_length = training_longest(&a->config->task),
                    .depth = plan->depths[piece % plan->n_depths],
                    .n = result->n,
                    .hits = result->found,
                    .score = result->score};
    snprintf(cell.model, sizeof cell.model, "%s", label);
    snprintf(cell.task, sizeof cell.task, "%s%s",
             fv_field_find("task.name")->choices[a->config->task.name],
             plan->set != NULL ? ", data" : "");
    cell.counts[FV_ANSWER_FOUND] = result->found;
    cell.counts[FV_ANSWER_PART] = result->part;
    cell.counts[FV_ANSWER_DISTRACTOR] = result->distractor;
    cell.counts[FV_ANSWER_WRONG] = result->wrong;
    return fv_cells_put(cells, &cell, error);
}

// All answers, or none.
static fv_status store(const asking *a, const char *label, fv_error *error) {
    const fv_own_plan *plan = a->plan;
    int n = plan->n_lengths * plan->n_depths;
    fv_status status = own_store_begin(a->store, error);
    for (int i = 0; i < n && status == FV_OK; i++)
        status = own_store_put(a->store, label, plan->lengths[i / plan->n_depths],
                               plan->depths[i % plan->n_depths], &a->cells[i].answers, error);
    return status == FV_OK ? own_store_commit(a->store, error) : status;
}

static fv_status measure(asking *a, const char *label, fv_cells *cells, fv_error *error) {
    const fv_own_plan *plan = a->plan;
    int n = plan->n_lengths * plan->n_depths, n_threads = plan->n_threads;
    a->threads_each = n < n_threads ? n_threads / n : 1;
    thread_pool *pool = NULL;
    fv_status status = pool_create(n < n_threads ? n : n_threads, &pool, error);
    if (status == FV_OK) pool_run(pool, n, ask_cell, a);
    for (int i = 0; i < n && status == FV_OK; i++) {
        status = a->cells[i].status;
        if (status != FV_OK && error) *error = a->cells[i].error;
    }
    if (status == FV_OK && plan->folder != NULL) status = store(a, label, error);
    for (int i = 0; i < n && status == FV_OK; i++) status = put_cell(a, label, i, cells, error);
    pool_free(pool);
    return status;
}

fv_status fv_own_measure(const fv_config *config, const float *params, const char *label,
                         const fv_own_plan *plan, fv_cells *cells, fv_error *error) {
    int n = plan->n_lengths * plan->n_depths;
    asking a = {.config = config, .params = params, .plan = plan};
    fv_status status = fv_own_check(config, plan, error);
    if (status != FV_OK || n == 0) return status;
    a.cells = calloc((size_t)n, sizeof *a.cells);
    if (a.cells == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for %d cells", n);
    status = account_open(config, params, plan, &a.account, error);
    if (status == FV_OK && plan->folder != NULL)
        status = own_store_open(config, params, label, plan, &a.store, error);
    if (status == FV_OK) status = measure(&a, label, cells, error);
    own_store_close(a.store);
    pthread_mutex_destroy(&a.account.lock);
    for (int i = 0; i < n; i++) own_answers_free(&a.cells[i].answers);
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
        attends |= layer_type_of(kind)->attends;
    }
    if (attends && model->window > 0) append(label, ", window %d", model->window);
    if (attends && model->sinks > 0) append(label, ", %d sinks", model->sinks);
    if (model->positions != FV_POSITIONS_NONE)
        append(label, ", %s positions",
               fv_field_find("model.positions")->choices[model->positions]);
    else if (attends)
        append(label, ", no positions");
    if (attends && model->selector != FV_SELECTOR_NONE)
        append(label, ", %s %d", fv_field_find("model.selector")->choices[model->selector],
               model->selector_k);
    if (model->rope_scaling != FV_ROPE_SCALING_NONE)
        append(label, ", %s x %g",
               fv_field_find("model.rope_scaling")->choices[model->rope_scaling],
               model->rope_factor);
}
