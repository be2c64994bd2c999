// The crew: worker threads that train the runs of a sweep. Workers take jobs one after the other,
// so that none waits while another has many left; what they finish goes through one queue to the
// thread that started them, the only one that touches the run store.
#ifndef LAB_CREW_H
#define LAB_CREW_H

#include <fovea/lab.h>
#include <fovea/train.h>

typedef struct crew_job {
    int index; // of the run in its sweep
    int n_probes;
    double work;                   // estimate of its operations, in any unit
    const fv_probe *const *probes; // [n_probes], the caller's
    fv_record *record;             // NULL before it is begun; the caller's
    fv_status status;              // how fv_run ended,
    fv_error *failure;             // and why it failed; malloc, or NULL without memory
    struct crew_job *next;         // in the queue
} crew_job;

typedef struct crew crew;

// Makes the record of a job, with the configuration of its run; the rest is fv_run's. Called by
// several workers at once: a sweep has many more jobs than are under way.
typedef fv_status (*crew_begin)(void *context, crew_job *job, fv_error *error);

typedef struct crew_progress {
    double work; // of finished jobs and the done part of running ones
    int step;    // of the run that logged last,
    double perplexity;
} crew_progress;

// Starts min(n_threads, n_jobs) workers that take jobs[0], jobs[1], ...; threads beyond the number
// of jobs help inside runs. With `remote`, every worker but the first trains with it (lab.h). The
// jobs must outlive the crew.
typedef struct crew_plan {
    crew_job *jobs; // [n_jobs]
    int n_jobs, n_threads;
    crew_begin begin;
    void *context;
    fv_lab_remote remote;
    void *remote_context;
    bool remote_always;
} crew_plan;
fv_status crew_start(const crew_plan *plan, crew **out, fv_error *error);

// Waits up to `seconds` for finished jobs (of which workers let no more than a few hundred wait to be
// collected) and returns all of them in a list, in the order in which
// they ended; NULL if none. *working is false once every worker has ended and nothing is left.
crew_job *crew_collect(crew *c, double seconds, bool *working);

// What went wrong in the first run that failed, or with `only_memory` of memory; empty while none
// did. Interruptions are no failures.
void crew_failure(crew *c, bool only_memory, fv_error *failure);

// Lets every running job end with FV_INTERRUPTED at its next step, and no new one begin.
void crew_stop(crew *c);
void crew_progress_now(crew *c, crew_progress *progress);

// Stops the workers, waits for them and frees the crew, not its jobs.
void crew_free(crew *c);

#endif
