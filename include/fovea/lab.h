// The lab: trains what is missing of an experiment's sweep on all cores and keeps it in the store.
#ifndef FOVEA_LAB_H
#define FOVEA_LAB_H

#include <fovea/experiment.h>
#include <fovea/store.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_lab_progress {
    int n_runs, n_done, n_cached; // n_done includes the cached ones
    fv_divergence diverged;       // of those that are done
    double share;                 // of all missing steps, 0 to 1
    double seconds;               // since the start
    double seconds_left;          // estimate; negative while unknown
    const char *experiment;       // its name
    int step;                     // of the run that logged last,
    double perplexity;            // and its training perplexity
} fv_lab_progress;

// Trains one run in another process, as fv_run does in this one, and returns when it is done.
// Called by as many threads at once as there are workers. Once *interrupted is set it may give up
// with FV_INTERRUPTED.
typedef fv_status (*fv_lab_remote)(void *context, int worker, const fv_config *config,
                                   const fv_probe *const *probes, int n_probes,
                                   const volatile int *interrupted, fv_record *record,
                                   fv_error *error);

typedef struct fv_lab_options {
    int n_jobs;           // worker threads, >= 1
    int share, n_shares;  // trains share 1..n_shares of the sweep only; n_shares 0: all of it
    fv_lab_remote remote; // NULL, or what workers 1 to n_jobs - 1 train with; worker 0 is here
    void *remote_context;
    bool remote_always; // worker 0 trains with it, too
    const volatile int *interrupted;
    // All are called from the thread that called fv_lab_run, and may be NULL.
    void (*on_progress)(void *context, const fv_lab_progress *progress); // some times a second
    void (*on_run)(void *context, const fv_record *record, bool cached); // each run, stored
    void (*on_notice)(void *context, const char *text); // a sentence: why a run is trained again
    // A run failed, `i` in the sweep. With it the others go on, and such runs have no record; with
    // NULL the first failure ends the sweep. Lack of memory always does.
    void (*on_failed)(void *context, int i, const fv_error *failure);
    void *context;
} fv_lab_options;

// Trains every run of the sweep that the store does not have, and stores each as it ends; a stored
// run that was not measured by a probe of the experiment is trained again and replaced, and said to
// be (on_notice). With fewer runs than jobs the threads share runs. *records receives the records
// of all runs in the sweep's order (an array of n_runs pointers, freed with fv_records_free), NULL
// for those of other shares and for failed ones. With NULL for `records` none is kept, so that a sweep of any length
// takes some 100 bytes a run; on_run is then told of stored runs in the order in which they were
// stored, with the last points of their curves only. When interrupted, finished runs are stored and
// FV_INTERRUPTED comes back.
FV_API fv_status fv_lab_run(const fv_experiment *experiment, fv_store *store,
                            const fv_lab_options *options, fv_record ***records, fv_error *error);
FV_API void fv_records_free(fv_record **records, int n);

// One step of the sweep's first run, of which nothing is kept. Fails where a probe cannot measure
// it.
FV_API fv_status fv_lab_rehearse(const fv_experiment *experiment, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
