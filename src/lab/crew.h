// The crew: worker threads that train the runs of a sweep. Workers take jobs one after the other,
// so that none waits while another has many left; what they finish goes through one queue to the
// thread that started them, the only one that touches the run store.
#ifndef LAB_CREW_H
#define LAB_CREW_H

#include <fovea/lab.h>
#include <fovea/train.h>

typedef struct crew_job {
    int index;               // of the run in its sweep
    double work;             // estimate of its operations, in any unit
    fv_record *record;       // its configuration beforehand, the rest by fv_run; the caller's
    const fv_probe **probes; // [n_probes], the caller's
    int n_probes;
    fv_status status;      // how fv_run ended
    struct crew_job *next; // in the queue
} crew_job;

typedef struct crew crew;

typedef struct crew_progress {
    double work; // of finished jobs and the done part of running ones
    int step;    // of the run that logged last,
    double perplexity;
} crew_progress;

// Starts min(n_threads, n_jobs) workers that take jobs[0], jobs[1], ...; threads beyond the number
// of jobs help inside runs. With `remote`, every worker but the first trains with it (lab.h). The
// jobs must outlive the crew.
fv_status crew_start(crew_job *jobs, int n_jobs, int n_threads, fv_lab_remote remote,
                     void *remote_context, crew **out, fv_error *error);

// Waits up to `seconds` for finished jobs and returns all of them in a list, in the order in which
// they ended; NULL if none. *working is false once every worker has ended and nothing is left.
crew_job *crew_collect(crew *c, double seconds, bool *working);

// What went wrong in the first run that failed; empty while none did. Interruptions are no
// failures.
void crew_failure(crew *c, fv_error *failure);

// Lets every running job end with FV_INTERRUPTED at its next step, and no new one begin.
void crew_stop(crew *c);
void crew_progress_now(crew *c, crew_progress *progress);

// Stops the workers, waits for them and frees the crew, not its jobs.
void crew_free(crew *c);

#endif
