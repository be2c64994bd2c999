#include "lab/crew.h"

#include <fovea/config.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct worker {
    crew *crew;
    pthread_t thread;
    int index;
    int n_threads;           // of its runs
    const crew_job *current; // NULL between jobs
    int step, n_steps;       // of `current`, at its last point
} worker;

// Finished runs that wait to be stored are held in memory: whoever trains faster waits too.
enum { MOST_WAITING = 64 };

struct crew {
    pthread_mutex_t lock; // guards everything below but `stop`
    pthread_cond_t changed, collected;
    crew_plan plan;
    int next;               // job
    crew_job *first, **end; // the queue of finished jobs,
    int n_waiting;          // and how many are in it
    double finished_work;
    fv_error failure, memory_failure;
    int last_step;
    double last_perplexity;
    worker *workers; // [n_workers]
    int n_workers, n_working;
    volatile int stop; // polled by fv_run
};

static bool is_stopped(const crew *c) {
    return __atomic_load_n(&c->stop, __ATOMIC_RELAXED) != 0;
}

static crew_job *take_job(crew *c) {
    pthread_mutex_lock(&c->lock);
    bool more = c->next < c->plan.n_jobs && !is_stopped(c);
    crew_job *job = more ? &c->plan.jobs[c->next++] : NULL;
    pthread_mutex_unlock(&c->lock);
    return job;
}

static void announce(worker *w, const crew_job *job) {
    pthread_mutex_lock(&w->crew->lock);
    w->current = job;
    w->step = 0;
    w->n_steps = job->record->config->train.steps;
    pthread_mutex_unlock(&w->crew->lock);
}

static void hand_over(worker *w, crew_job *job, const fv_error *error) {
    crew *c = w->crew;
    pthread_mutex_lock(&c->lock);
    w->current = NULL;
    if (job->status == FV_OK) c->finished_work += job->work;
    bool failed = job->status != FV_OK && job->status != FV_INTERRUPTED;
    if (failed && c->failure.status == FV_OK) c->failure = *error;
    bool memory = job->status == FV_NO_MEMORY;
    if (memory && c->memory_failure.status == FV_OK) c->memory_failure = *error;
    if (failed && (job->failure = malloc(sizeof *job->failure)) != NULL) *job->failure = *error;
    job->next = NULL;
    *c->end = job;
    c->end = &job->next;
    c->n_waiting++;
    pthread_cond_signal(&c->changed);
    while (c->n_waiting > MOST_WAITING && !is_stopped(c))
        pthread_cond_wait(&c->collected, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

// Called inside fv_run at every logged point. Progress is for the eye: where the lock is taken, the
// next point will do.
static void note_step(void *context, int step, double perplexity) {
    worker *w = context;
    crew *c = w->crew;
    if (pthread_mutex_trylock(&c->lock) != 0) return;
    w->step = step;
    c->last_step = step;
    c->last_perplexity = perplexity;
    pthread_mutex_unlock(&c->lock);
}

static void train(worker *w, crew_job *job, fv_error *error) {
    crew *c = w->crew;
    job->status = c->plan.begin(c->plan.context, job, error);
    if (job->status != FV_OK) return;
    announce(w, job);
    if (c->plan.remote != NULL && (w->index > 0 || c->plan.remote_always)) {
        job->status = c->plan.remote(c->plan.remote_context, w->index, job->record->config,
                                     job->probes, job->n_probes, &c->stop, job->record, error);
        return;
    }
    const fv_run_options options = {.n_threads = w->n_threads,
                                    .probes = job->probes,
                                    .n_probes = job->n_probes,
                                    .interrupted = &c->stop,
                                    .on_log = note_step,
                                    .context = w};
    job->status = fv_run(job->record->config, &options, job->record, error);
}

static void *work(void *context) {
    worker *w = context;
    for (crew_job *job; (job = take_job(w->crew)) != NULL;) {
        fv_error error = {0};
        train(w, job, &error);
        hand_over(w, job, &error);
    }
    pthread_mutex_lock(&w->crew->lock);
    w->crew->n_working--;
    pthread_cond_signal(&w->crew->changed);
    pthread_mutex_unlock(&w->crew->lock);
    return NULL;
}

// Waits are measured with the clock that nobody sets, where conditions can be told.
#if _POSIX_CLOCK_SELECTION > 0
static const clockid_t WAITS = CLOCK_MONOTONIC;
#else
static const clockid_t WAITS = CLOCK_REALTIME;
#endif

static void init_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
#if _POSIX_CLOCK_SELECTION > 0
    pthread_condattr_setclock(&attributes, WAITS);
#endif
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

// A machine that gives fewer threads than asked for does the work with those.
static fv_status start_workers(crew *c, int n_threads, fv_error *error) {
    int wanted = n_threads < c->plan.n_jobs ? n_threads : c->plan.n_jobs;
    fv_status status = FV_OK;
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < wanted; i++) {
        worker *w = &c->workers[i];
        *w = (worker){
            .crew = c, .index = i, .n_threads = n_threads / wanted + (i < n_threads % wanted)};
        int problem = pthread_create(&w->thread, NULL, work, w);
        if (problem == 0) {
            c->n_workers = ++c->n_working;
        } else {
            if (i == 0)
                status =
                    fv_fail(error, FV_NO_MEMORY, "no thread can be started: %s", strerror(problem));
            break;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return status;
}

fv_status crew_start(const crew_plan *plan, crew **out, fv_error *error) {
    *out = NULL;
    int n_threads = plan->n_threads > 0 ? plan->n_threads : 1;
    crew *c = calloc(1, sizeof *c);
    worker *workers = calloc((size_t)n_threads, sizeof *workers);
    if (c == NULL || workers == NULL) {
        free(c);
        free(workers);
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    c->plan = *plan;
    c->end = &c->first;
    c->workers = workers;
    pthread_mutex_init(&c->lock, NULL);
    init_condition(&c->changed);
    init_condition(&c->collected);
    fv_status status = start_workers(c, n_threads, error);
    if (status == FV_OK)
        *out = c;
    else
        crew_free(c);
    return status;
}

static struct timespec after(double seconds) {
    struct timespec t;
    clock_gettime(WAITS, &t);
    long long nanoseconds = t.tv_nsec + (long long)(seconds * 1e9);
    t.tv_sec += (time_t)(nanoseconds / 1000000000);
    t.tv_nsec = (long)(nanoseconds % 1000000000);
    return t;
}

crew_job *crew_collect(crew *c, double seconds, bool *working) {
    struct timespec until = after(seconds);
    pthread_mutex_lock(&c->lock);
    int waited = 0;
    while (c->first == NULL && c->n_working > 0 && waited == 0)
        waited = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    crew_job *finished = c->first;
    c->first = NULL;
    c->end = &c->first;
    c->n_waiting = 0;
    pthread_cond_broadcast(&c->collected);
    *working = c->n_working > 0;
    pthread_mutex_unlock(&c->lock);
    return finished;
}

void crew_failure(crew *c, bool only_memory, fv_error *failure) {
    pthread_mutex_lock(&c->lock);
    *failure = only_memory ? c->memory_failure : c->failure;
    pthread_mutex_unlock(&c->lock);
}

void crew_stop(crew *c) {
    __atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&c->lock);
    pthread_cond_broadcast(&c->collected);
    pthread_mutex_unlock(&c->lock);
}

void crew_progress_now(crew *c, crew_progress *progress) {
    pthread_mutex_lock(&c->lock);
    *progress = (crew_progress){c->finished_work, c->last_step, c->last_perplexity};
    for (int i = 0; i < c->n_workers; i++) {
        const worker *w = &c->workers[i];
        if (w->current == NULL || w->n_steps == 0) continue;
        progress->work += w->current->work * w->step / w->n_steps;
    }
    pthread_mutex_unlock(&c->lock);
}

void crew_free(crew *c) {
    if (c == NULL) return;
    crew_stop(c);
    for (int i = 0; i < c->n_workers; i++) pthread_join(c->workers[i].thread, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_cond_destroy(&c->collected);
    pthread_mutex_destroy(&c->lock);
    free(c->workers);
    free(c);
}
