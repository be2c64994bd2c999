// What a run leaves behind: its configuration, its curves, snapshots of its parameters. The train
// floor fills a record, the run store keeps it, probes, claims and figures read it.
#ifndef FOVEA_RECORD_H
#define FOVEA_RECORD_H

#include <fovea/fields.h>

#ifdef __cplusplus
extern "C" {
#endif

// name, text
#define FV_OUTCOME_LIST(X)                                                                         \
    X(DONE, "done")         /* trained all its steps */                                            \
    X(STOPPED, "stopped")   /* reached stop_value early */                                         \
    X(DIVERGED, "diverged") /* the loss became NaN or infinite; the curve ends there */

typedef enum fv_outcome {
#define FV_OUTCOME_ENUM(name, text) FV_OUTCOME_##name,
    FV_OUTCOME_LIST(FV_OUTCOME_ENUM)
#undef FV_OUTCOME_ENUM
} fv_outcome;

// A named curve: n points, steps strictly increasing. Names are metrics ("loss", "perplexity",
// "accuracy", "test_loss", ...) or probes, with an index where a probe measures several numbers
// ("attention_mass[2]").
typedef struct fv_series {
    char name[64];
    int n, capacity;
    int32_t *steps; // [n]
    float *values;  // [n]
} fv_series;

// All parameters before the update of `step` (0 = the initialisation; train.steps = the result).
typedef struct fv_snapshot {
    int step;
    float *params; // [n_params], the model's tensors one after the other (fv_model_tensors)
} fv_snapshot;

enum { FV_KERNELS_SIZE = 16, FV_PROBES_SIZE = 512 };

typedef struct fv_record {
    char id[17];
    fv_config *config; // its own copy; NULL until fv_record_set_config (members: config.h)
    int numerics;      // fv_config_numerics of the Fovea that trained it; 0: before that was kept
    char kernels[FV_KERNELS_SIZE]; // fv_kernels_name of the machine that trained it
    char probes[FV_PROBES_SIZE];   // what was measured: names in alphabetical order, by commas
    fv_outcome outcome;
    int steps; // steps taken
    double wall_seconds;
    double us_per_step; // training alone: without logging, probes and snapshots
    int n_series;
    fv_series *series;
    size_t n_params;
    int n_snapshots;
    fv_snapshot *snapshots; // by increasing step; the last one is the result
} fv_record;

FV_API void fv_record_init(fv_record *record);
FV_API void fv_record_free(fv_record *record); // what it owns, not the structure

// Gives the record a copy of `config`, or with NULL one of defaults, in the place of the one that it
// has: record->config stays where it is. `config` may be the record's own.
FV_API fv_status fv_record_set_config(fv_record *record, const fv_config *config, fv_error *error);

// Appends a point to the named series, creating it where it does not exist yet. FV_USAGE for a name
// of 64 bytes or more, or a step that is not after the series' last one.
FV_API fv_status fv_record_add(fv_record *record, const char *series, int step, float value);

// Appends a copy of `params` [n_params]; record->n_params is set before. FV_USAGE for a step that
// is not after the last snapshot's.
FV_API fv_status fv_record_add_snapshot(fv_record *record, int step, const float *params);

// The series of that name, or NULL.
FV_API const fv_series *fv_record_find(const fv_record *record, const char *series);

FV_API const char *fv_outcome_text(fv_outcome outcome);

// The step at which a run diverged: its loss before the update of this step was no number, so that
// nothing is known from here on. -1 where it did not diverge.
FV_API int fv_record_diverged_at(const fv_record *record);

// How many of several runs diverged, and the steps at which the first and the last of them did.
typedef struct fv_divergence {
    int n_runs, n, first, last;
} fv_divergence;

// Counts one more run, or all that another has counted.
FV_API void fv_divergence_add(fv_divergence *divergence, const fv_record *record);
FV_API void fv_divergence_join(fv_divergence *divergence, const fv_divergence *other);

// "2 of 12 runs diverged, at steps 120 to 910"; "" where none did. Returns the length that the
// whole text has, like snprintf.
FV_API int fv_divergence_text(const fv_divergence *divergence, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
