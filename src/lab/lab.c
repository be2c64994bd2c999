// Sweeps: what the store has is loaded, the rest is trained by a crew of workers and stored as it
// ends. Results do not depend on who trained what and when, so that a sweep that was killed and
// repeated gives the same store as one that was not.
#include "base/clock.h"
#include "lab/crew.h"
#include "lab/older_runs.h"
#include "lab/share.h"
#include "lab/stored_runs.h"
#include "probes/probes.h"
#include "store/store_db.h"

#include <fovea/config.h>
#include <fovea/lab.h>
#include <fovea/machine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double PROGRESS_SECONDS = 0.2; // between two calls of on_progress
static const double POLL_SECONDS = 0.05;    // between two looks at options->interrupted

typedef struct lab {
    const fv_experiment *experiment;
    fv_store *store;
    const fv_lab_options *options;
    char probes[FV_PROBES_SIZE];  // that are asked for
    char lacking[FV_PROBES_SIZE]; // what stored runs were found to lack of them,
    int n_lacking;                // and how many
    older_runs older;             // stored runs that no longer are what is asked for
    const fv_probe **asked;       // [n_asked], the same as a list that jobs share
    int n_asked;
    bool *wanted;        // [n_runs]: belongs to the share and is not there yet
    fv_record **records; // [n_runs], NULL while missing; or NULL: they are not kept
    crew_job *jobs;      // [n_jobs], the longest first
    int n_jobs, most_jobs;
    int n_failed;
    int n_taken; // from the store, in one pass
    bool others; // the store has more runs than those
    double total_work;
    double started, reported; // seconds
    fv_lab_progress progress;
    fv_error *error;
} lab;

static fv_record *new_record(void) {
    fv_record *record = malloc(sizeof *record);
    if (record != NULL) fv_record_init(record);
    return record;
}

static void free_record(fv_record *record) {
    if (record == NULL) return;
    fv_record_free(record);
    free(record);
}

static fv_status no_memory(lab *l) {
    return fv_fail(l->error, FV_NO_MEMORY, "%s: out of memory for %d runs", l->experiment->name,
                   l->experiment->n_runs);
}

static bool is_interrupted(const lab *l) {
    return l->options->interrupted != NULL && *l->options->interrupted != 0;
}

// Operations of a run up to a constant: which runs are long, and what share of the sweep is done.
static double estimate_work(const fv_config *config) {
    const fv_task_config *task = &config->task;
    double longest = task->length_max > 0 ? task->length_max : task->context_length;
    double shortest = task->length_min > 0 ? task->length_min : longest;
    double width = config->model.n_embd, context = (shortest + longest) / 2;
    double layers = config->model.layers.n * context * (width + context);
    return (1.0 + config->train.steps) * config->train.batch_size * width *
           (config->task.vocab_size + layers);
}

// The record of run i is there: counts it, tells the caller and keeps it, or not.
static void take_record(lab *l, int i, fv_record *record, bool cached) {
    l->wanted[i] = false;
    l->progress.n_done++;
    if (cached) l->progress.n_cached++;
    fv_divergence_add(&l->progress.diverged, record);
    if (l->options->on_run != NULL) l->options->on_run(l->options->context, record, cached);
    if (l->records != NULL)
        l->records[i] = record;
    else
        free_record(record);
}

static fv_status list_probes(lab *l, const char *probes, const fv_probe ***list, int *n) {
    int n_known;
    const fv_probe *const *known = fv_probes(&n_known);
    *n = 0;
    *list = calloc((size_t)n_known + 1, sizeof **list);
    if (*list == NULL) return no_memory(l);
    for (int k = 0; k < n_known; k++)
        if (probes_listed(probes, known[k]->name)) (*list)[(*n)++] = known[k];
    return FV_OK;
}

static crew_job *add_job(lab *l) {
    if (l->n_jobs == l->most_jobs) {
        int most = l->most_jobs > 0 ? 2 * l->most_jobs : 64;
        crew_job *more = realloc(l->jobs, (size_t)most * sizeof *more);
        if (more == NULL) return NULL;
        l->jobs = more;
        l->most_jobs = most;
    }
    return &l->jobs[l->n_jobs++];
}

// `probes`: what to measure, those that are asked for among them.
static fv_status plan_run(lab *l, int i, const fv_config *config, const char *probes) {
    crew_job job = {.index = i, .work = estimate_work(config)};
    job.probes = l->asked;
    job.n_probes = l->n_asked;
    if (strcmp(probes, l->probes) != 0) {
        const fv_probe **own;
        fv_status status = list_probes(l, probes, &own, &job.n_probes);
        if (status != FV_OK) return status;
        job.probes = own;
    }
    crew_job *place = add_job(l);
    if (place == NULL) {
        if (job.probes != l->asked) free((void *)job.probes);
        return no_memory(l);
    }
    *place = job;
    l->total_work += job.work;
    return FV_OK;
}

// Whether the run was measured as it is asked for; else what it lacks is noted.
static bool has_probes(lab *l, const fv_record *record) {
    bool has = true;
    for (int i = 0; i < l->experiment->n_probes; i++) {
        const char *name = l->experiment->probes[i]->name;
        if (probes_listed(record->probes, name)) continue;
        probes_unite(l->lacking, name);
        has = false;
    }
    l->n_lacking += !has;
    return has;
}

static void notice(void *context, const char *text) {
    const lab *l = context;
    if (l->options->on_notice != NULL) l->options->on_notice(l->options->context, text);
}

static fv_status compare_config(const fv_record *record, const char *id, fv_error *error) {
    char stored[17];
    fv_config_id(record->config, fv_kernels_arithmetic(), stored);
    if (strcmp(stored, id) == 0) return FV_OK;
    return fv_fail(error, FV_STORE,
                   "run %s is damaged: its configuration is not the one that was asked for", id);
}

// Loads a stored run; *gone where it was damaged and has been put out of the way.
static fv_status get_run(lab *l, const char *id, fv_record *record, bool *gone) {
    fv_error why = {0};
    *gone = false;
    fv_status status = fv_store_get(l->store, id, record, &why);
    if (status == FV_OK) status = compare_config(record, id, &why);
    if (status != FV_OK && store_is_damage(l->store, status)) {
        fv_record_free(record);
        status = store_mend(l->store, why.text, notice, l, &why);
        *gone = status == FV_OK && !fv_store_has(l->store, id);
        if (status == FV_OK && !*gone) status = fv_store_get(l->store, id, record, &why);
        if (status == FV_OK && !*gone) status = compare_config(record, id, &why);
    }
    if (status != FV_OK && l->error != NULL) *l->error = why;
    return status;
}

// Takes the run from the store. One that lacks a probe is trained again with those it has and those
// it lacks, so that two experiments on one store do not take turns.
static fv_status load_run(lab *l, int i, const fv_config *config, const char *id) {
    fv_record *record = new_record();
    if (record == NULL) return no_memory(l);
    bool gone;
    fv_status status = get_run(l, id, record, &gone);
    bool complete = status == FV_OK && !gone && has_probes(l, record);
    if (complete) {
        take_record(l, i, record, true);
        return FV_OK;
    }
    if (status == FV_OK) {
        if (gone) memcpy(record->probes, l->probes, sizeof record->probes);
        probes_unite(record->probes, l->probes);
        status = plan_run(l, i, config, record->probes);
    }
    free_record(record);
    return status;
}

// Why more is trained than the store seems to lack.
static void say_what_lacks(lab *l) {
    char text[FV_PROBES_SIZE + 256];
    if (l->older.n > 0) {
        older_runs_text(&l->older, l->experiment->name, text, sizeof text);
        notice(l, text);
    }
    if (l->n_lacking == 0) return;
    bool one = l->n_lacking == 1;
    snprintf(text, sizeof text, "%s: %d stored run%s not measured by %s and %s trained again",
             l->experiment->name, l->n_lacking, one ? " was" : "s were", l->lacking,
             one ? "is" : "are");
    notice(l, text);
}

static int longest_first(const void *a, const void *b) {
    const crew_job *p = a, *q = b;
    if (p->work != q->work) return p->work > q->work ? -1 : 1;
    return p->index - q->index;
}

// A run from the pass over the store; one that lacks a probe is left to load_run. Those that are kept
// are told later, in the sweep's order.
static fv_status take_stored(void *context, int i, fv_record *record) {
    lab *l = context;
    if (is_interrupted(l)) {
        fv_record_free(record);
        return FV_INTERRUPTED;
    }
    bool complete = true;
    for (int k = 0; k < l->experiment->n_probes; k++)
        complete = complete && probes_listed(record->probes, l->experiment->probes[k]->name);
    fv_record *own = complete ? malloc(sizeof *own) : NULL;
    if (own == NULL) {
        fv_record_free(record);
        return complete ? no_memory(l) : FV_OK;
    }
    *own = *record;
    l->n_taken++;
    if (l->records != NULL)
        l->records[i] = own;
    else
        take_record(l, i, own, true);
    return FV_OK;
}

// What the store has of the sweep and has whole. Its indexes, which later commands need, are made
// anew where they are damaged.
static fv_status take_all_stored(lab *l) {
    fv_error why = {0};
    fv_status status = fv_store_mend(l->store, notice, l, l->error);
    if (status != FV_OK) return status;
    status =
        stored_each(l->experiment, l->store, l->wanted, l->records == NULL, take_stored, l, &why);
    if (status != FV_OK && store_is_damage(l->store, status))
        status = store_mend(l->store, why.text, notice, l, l->error);
    else if (status != FV_OK && l->error != NULL)
        *l->error = why;
    store_total total = {0};
    if (status == FV_OK) status = store_get_total(l->store, &total, l->error);
    l->others = status == FV_OK && total.n_runs > l->n_taken;
    return status;
}

// Whether the store has the run; notes where it has an older one.
static bool is_stored(lab *l, const fv_config *config, const char *id) {
    if (!l->others) return false;
    bool stored = fv_store_has(l->store, id);
    if (!stored) older_runs_count(&l->older, l->store, config, l->probes);
    return stored;
}

// Takes what is there, and makes jobs of the rest.
static fv_status plan_runs(lab *l) {
    fv_status status = take_all_stored(l);
    if (is_interrupted(l)) return FV_OK;
    for (int i = 0; i < l->experiment->n_runs && status == FV_OK; i++) {
        if (!l->wanted[i]) continue;
        if (is_interrupted(l)) return FV_OK;
        if (l->records != NULL && l->records[i] != NULL) {
            take_record(l, i, l->records[i], true);
            continue;
        }
        fv_config config;
        char id[17];
        fv_experiment_config(l->experiment, i, &config);
        fv_config_id(&config, fv_kernels_arithmetic(), id);
        status = is_stored(l, &config, id) ? load_run(l, i, &config, id)
                                           : plan_run(l, i, &config, l->probes);
    }
    if (status == FV_OK) say_what_lacks(l);
    if (l->n_jobs > 0) qsort(l->jobs, (size_t)l->n_jobs, sizeof *l->jobs, longest_first);
    return status;
}

static void report(lab *l, crew *workers) {
    if (l->options->on_progress == NULL) return;
    double seconds = clock_now() - l->started;
    crew_progress at = {.work = l->total_work};
    if (workers != NULL) crew_progress_now(workers, &at);
    fv_lab_progress *p = &l->progress;
    double share = l->total_work > 0 ? at.work / l->total_work : 1;
    if (share > p->share) p->share = share; // runs that are interrupted take theirs back
    p->seconds = seconds;
    p->seconds_left = p->share > 0 ? seconds * (1 - p->share) / p->share : -1;
    p->step = at.step;
    p->perplexity = at.perplexity;
    l->reported = clock_now();
    l->options->on_progress(l->options->context, p);
}

static fv_status find_failure(lab *l, crew *workers) {
    fv_error failure;
    crew_failure(workers, l->options->on_failed != NULL, &failure);
    if (failure.status == FV_OK) return FV_OK;
    return fv_fail(l->error, failure.status, "%s: %.900s", l->experiment->name, failure.text);
}

// Stores the finished runs of the list in one transaction, then gives them to the caller.
static fv_status store_runs(lab *l, const crew_job *list) {
    if (list == NULL) return FV_OK;
    fv_status status = fv_store_begin(l->store, l->error);
    if (status != FV_OK) return status;
    for (const crew_job *job = list; job != NULL && status == FV_OK; job = job->next)
        if (job->status == FV_OK)
            status = fv_store_put(l->store, l->experiment->name, job->record, l->error);
    // What was put before a failure is kept: each run is whole in itself.
    fv_status committed = fv_store_commit(l->store, status == FV_OK ? l->error : NULL);
    return status != FV_OK ? status : committed;
}

static void take_runs(lab *l, crew_job *list) {
    for (crew_job *job = list; job != NULL; job = job->next) {
        if (job->failure != NULL && l->options->on_failed != NULL) {
            l->n_failed++;
            l->options->on_failed(l->options->context, job->index, job->failure);
        }
        if (job->status != FV_OK) continue;
        take_record(l, job->index, job->record, false);
        job->record = NULL;
    }
}

// Collects from the workers until the last has ended; after a failure only to let them end.
static fv_status collect(lab *l, crew *workers) {
    fv_status status = FV_OK;
    bool working = true;
    while (working) {
        crew_job *list = crew_collect(workers, POLL_SECONDS, &working);
        if (status == FV_OK) status = store_runs(l, list);
        if (status == FV_OK) {
            take_runs(l, list);
            status = find_failure(l, workers);
        }
        if (status != FV_OK || is_interrupted(l)) crew_stop(workers);
        if (clock_now() - l->reported >= PROGRESS_SECONDS) report(l, workers);
    }
    return status;
}

// Of a job that begins; several at once.
static fv_status begin_run(void *context, crew_job *job, fv_error *error) {
    const lab *l = context;
    job->record = new_record();
    if (job->record == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = fv_record_set_config(job->record, NULL, error);
    if (status != FV_OK) return status;
    fv_experiment_config(l->experiment, job->index, job->record->config);
    return FV_OK;
}

static fv_status train_missing(lab *l) {
    crew *workers = NULL;
    const crew_plan plan = {.jobs = l->jobs,
                            .n_jobs = l->n_jobs,
                            .n_threads = l->options->n_jobs,
                            .begin = begin_run,
                            .context = l,
                            .remote = l->options->remote,
                            .remote_context = l->options->remote_context,
                            .remote_always = l->options->remote_always};
    fv_status status = crew_start(&plan, &workers, l->error);
    if (status != FV_OK) return status;
    status = collect(l, workers);
    if (status == FV_OK) report(l, workers);
    crew_free(workers);
    return status;
}

static fv_status check_complete(lab *l) {
    int n = l->progress.n_runs;
    if (l->progress.n_done + l->n_failed == n) return FV_OK;
    return fv_fail(l->error, FV_INTERRUPTED,
                   "%s: interrupted with %d of %d runs stored; the same command goes on from there",
                   l->experiment->name, l->progress.n_done, n);
}

// Which runs are to be had, and how many.
static fv_status choose_share(lab *l) {
    int n = l->experiment->n_runs, n_shares = l->options->n_shares;
    if (n_shares <= 1) {
        memset(l->wanted, true, (size_t)n * sizeof *l->wanted);
        l->progress.n_runs = n;
        return FV_OK;
    }
    double *work = calloc((size_t)n, sizeof *work);
    if (work == NULL) return no_memory(l);
    for (int i = 0; i < n; i++) {
        fv_config config;
        fv_experiment_config(l->experiment, i, &config);
        work[i] = estimate_work(&config);
    }
    fv_status status = share_deal(work, n, l->options->share, n_shares, l->wanted, l->error);
    for (int i = 0; i < n; i++) l->progress.n_runs += l->wanted[i];
    free(work);
    return status;
}

static fv_status prepare(lab *l, bool keep) {
    const fv_experiment *experiment = l->experiment;
    size_t n = (size_t)experiment->n_runs;
    if (keep) l->records = calloc(n, sizeof *l->records);
    l->wanted = calloc(n, sizeof *l->wanted);
    if (l->wanted == NULL || (keep && l->records == NULL)) return no_memory(l);
    probes_list(experiment->probes, experiment->n_probes, l->probes);
    fv_status status = list_probes(l, l->probes, &l->asked, &l->n_asked);
    return status == FV_OK ? choose_share(l) : status;
}

static void free_jobs(lab *l) {
    for (int i = 0; i < l->n_jobs; i++) {
        free_record(l->jobs[i].record);
        free(l->jobs[i].failure);
        if (l->jobs[i].probes != l->asked) free((void *)l->jobs[i].probes);
    }
    free(l->jobs);
    free(l->asked);
    free(l->wanted);
}

fv_status fv_lab_run(const fv_experiment *experiment, fv_store *store,
                     const fv_lab_options *options, fv_record ***records, fv_error *error) {
    if (records != NULL) *records = NULL;
    lab l = {.experiment = experiment, .store = store, .options = options, .error = error};
    l.started = clock_now();
    l.progress.experiment = experiment->name;
    fv_status status = prepare(&l, records != NULL);
    if (status == FV_OK) status = plan_runs(&l);
    if (status == FV_OK && l.n_jobs > 0 && !is_interrupted(&l)) status = train_missing(&l);
    if (status == FV_OK) status = check_complete(&l);
    if (status == FV_OK && l.n_jobs == 0) report(&l, NULL);
    free_jobs(&l);
    if (status == FV_OK && records != NULL)
        *records = l.records;
    else
        fv_records_free(l.records, experiment->n_runs);
    return status;
}

void fv_records_free(fv_record **records, int n) {
    if (records == NULL) return;
    for (int i = 0; i < n; i++) free_record(records[i]);
    free(records);
}
