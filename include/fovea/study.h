// A study: one experiment from its file to its verdicts. Missing runs are trained, figures drawn,
// claims judged. Nothing is printed: whoever asks hears of progress, runs and failures by
// callbacks.
//
//     fv_study *study;
//     fv_study_read("plateau.yaml", NULL, 0, false, &study, &error);
//     fv_study_run(study, store, &options, &error);
//     ... study->verdicts[0]->verdict ...
//     fv_study_free(study);
#ifndef FOVEA_STUDY_H
#define FOVEA_STUDY_H

#include <fovea/claim.h>
#include <fovea/figure.h>
#include <fovea/lab.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_study {
    fv_experiment *experiment;
    bool overridden;     // an override changed what the file says
    int n_runs;          // of the sweep; an adaptive one grows
    fv_record **records; // [n_runs] with keep_records; else NULL
    fv_drawn *figures;   // [n_figures], those that were drawn
    int n_figures;
    fv_judgement **verdicts; // [n_verdicts], an array of one each
    int n_verdicts;
    bool finished;       // trained whole, and nothing stands in the way of a report
    double wall_seconds; // training time summed over runs
    fv_divergence diverged;
    int numerics; // as fv_report_part has it
} fv_study;

typedef struct fv_study_options {
    const char *folder; // where figures go; must exist. NULL: none are drawn
    bool keep_records;  // the runs stay in memory, in study->records
    // Who trains and who hears of it. Of an adaptive sweep on_run tells each run once. A share of a
    // sweep is trained only; nothing of it is drawn or judged.
    fv_lab_options lab;
    // What follows has lab.context as its context and may be NULL.
    void (*on_trained)(void *context);                          // a round of training is over
    void (*on_drawn)(void *context, const fv_drawn *drawn);     // a figure is there
    void (*on_left_out)(void *context, const char *sentence);   // why a figure or claim is not
    void (*on_failure)(void *context, const fv_error *failure); // each, the last one too
} fv_study_options;

// Reads the file, with its optional runs if it is to be `complete`, and checks all that can be
// known before training. Overrides are "key=value", as fv_experiment_read takes them.
FV_API fv_status fv_study_read(const char *path, const char *const *overrides, int n_overrides,
                               bool complete, fv_study **study, fv_error *error);
FV_API void fv_study_free(fv_study *study);

// Trains what the store does not have, judges the claims, draws the figures. A figure that cannot
// be drawn or a claim that cannot be judged does not keep the others back; the first failure comes
// back. FV_INTERRUPTED once *lab.interrupted is set: the same call goes on from there.
FV_API fv_status fv_study_run(fv_study *study, fv_store *store, const fv_study_options *options,
                              fv_error *error);

// Writes FOLDER/claims.json and FOLDER/report.html of all studies, and FOLDER/gallery.md with
// `gallery`.
FV_API fv_status fv_study_write_reports(const char *folder, const char *title,
                                        const fv_study *const *studies, int n, bool gallery,
                                        fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
