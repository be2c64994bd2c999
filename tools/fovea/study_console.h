// A study as people see it: what <fovea/study.h> tells by callbacks, printed. `run` makes one, and
// `reproduce` one for every file of a post.
#ifndef FOVEA_TOOL_STUDY_CONSOLE_H
#define FOVEA_TOOL_STUDY_CONSOLE_H

#include "progress.h"

#include <fovea/study.h>

typedef struct study_options {
    const char *folder; // where figures go; must exist
    int jobs;
    bool json;                   // JSON Lines of runs on stdout
    progress *progress;          // may be NULL
    struct fleet *fleet;         // processes that help training, or NULL
    struct context_ranks *ranks; // or that share every sequence, or NULL
    int share, n_shares;         // n_shares above 1: trains that share, draws and judges nothing
} study_options;

// fv_study_read; returns an exit code and prints what is wrong. *s is released with fv_study_free
// in any case.
int study_read(const char *path, const char *const *overrides, int n_overrides, bool complete,
               fv_study **s);

// Prints what fv_experiment_warn has to say, to stderr. Returns an exit code.
int study_warn(const fv_study *s);

// fv_study_run; prints what fails, what is left out, and runs as JSON. Returns an exit code.
int study_run(fv_study *s, fv_store *store, const study_options *options);

// fv_study_write_reports; returns an exit code.
int study_write_reports(const char *folder, const char *title, const fv_study *const *studies,
                        int n, bool gallery);

// Prints a table of all verdicts, and a line that counts them, to `stream`.
void study_print_verdicts(FILE *stream, const fv_study *const *studies, int n);

// Makes the folder and those above it, and sees that it can be written, and that a database of that
// name can be opened in it (NULL: none will). Returns an exit code.
int study_make_folder(const char *folder, const char *database);

// Opens FOLDER/fovea.db for writing.
int study_open_store(const char *folder, fv_store **store);

#endif
