// A study: one experiment from its file to its verdicts. `run` makes one, `reproduce` one for every
// file of a post.
#ifndef FOVEA_TOOL_STUDY_H
#define FOVEA_TOOL_STUDY_H

#include "progress.h"

#include <fovea/figure.h>
#include <fovea/lab.h>

typedef struct study {
    fv_experiment *experiment;
    bool overridden;         // key=value changed what the file says
    fv_drawn *figures;       // [n_figures]
    int n_figures;           // drawn ones
    fv_judgement **verdicts; // [n_verdicts], an array of one each
    int n_verdicts;
    bool finished; // trained whole, and nothing stands in the way of a report
    int n_runs;
    double wall_seconds; // training time summed over runs
    fv_divergence diverged;
    int numerics; // as fv_report_part has it
} study;

typedef struct study_options {
    const char *folder; // where figures go; must exist
    int jobs;
    bool json;           // JSON Lines of runs on stdout
    progress *progress;  // may be NULL
    struct fleet *fleet; // processes that help training, or NULL
    int share, n_shares; // n_shares above 1: trains that share, draws and judges nothing
} study_options;

// Reads the file, with its optional runs if it is to be `complete`, and checks all that can be
// known before training. Returns an exit code; prints what is wrong. *s is released with study_free
// in any case.
int study_read(study *s, const char *path, const char *const *overrides, int n_overrides,
               bool complete);

// Prints what fv_experiment_warn has to say, to stderr. Returns an exit code.
int study_warn(const study *s);

// Trains what the store does not have, draws the figures, judges the claims. A figure that cannot
// be drawn or a claim that cannot be judged does not keep the others back.
int study_run(study *s, fv_store *store, const study_options *options);
void study_free(study *s);

// Writes FOLDER/claims.json and FOLDER/report.html of all studies, and FOLDER/gallery.md with
// `gallery`.
int study_write_reports(const char *folder, const char *title, const study *studies, int n,
                        bool gallery);

// Prints a table of all verdicts, and a line that counts them, to `stream`.
void study_print_verdicts(FILE *stream, const study *studies, int n);

// Makes the folder and those above it, and sees that it can be written, and that a database of that
// name can be opened in it (NULL: none will). Returns an exit code.
int study_make_folder(const char *folder, const char *database);

// Opens FOLDER/fovea.db for writing.
int study_open_store(const char *folder, fv_store **store);

#endif
