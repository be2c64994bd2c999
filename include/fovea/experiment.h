// An experiment file: a base configuration, a sweep over it, probes, figures and claims.
// docs/experiments.md describes the format.
#ifndef FOVEA_EXPERIMENT_H
#define FOVEA_EXPERIMENT_H

#include <fovea/fields.h>
#include <fovea/probe.h>
#include <fovea/record.h>

#ifdef __cplusplus
extern "C" {
#endif

// One axis: a field and the values it takes, each as YAML text.
typedef struct fv_axis {
    const fv_field *field;
    int n;
    char **values;
    int n_items; // as written: of a list that is one value of a field of lists, or evenly spaced
    bool joint;  // its i-th value goes with the i-th of every other joint axis of the grid
} fv_axis;

// One grid: the product of its axes, where all joint axes together count as one, the first. A sweep
// is a list of grids, run one after the other.
typedef struct fv_grid {
    int n_axes;
    fv_axis *axes;
} fv_grid;

// A mapping of plain text keys to values, as figures and claims hold them. A value is one YAML
// scalar or a list of scalars; `line` is where the key stands in the file.
typedef struct fv_option {
    char *key;
    int n_values;
    char **values;
    bool is_list;
    int line;
} fv_option;
typedef struct fv_options {
    int n;
    fv_option *items;
    int line;
} fv_options;

// What an adaptive sweep knows between its rounds.
typedef struct fv_adaptive fv_adaptive;

// A field whose value is chosen for each arm of the sweep, and how.
typedef struct fv_choose fv_choose;

typedef struct fv_experiment {
    char *path;      // as given
    char *name;      // file name without folder and extension: "sticky-plateau"
    char *source;    // the file's `source`, "" if none
    fv_config *base; // what the file says beside its sweep (members: config.h)
    int n_grids;
    fv_grid *grids; // at least one; a file without sweep has one grid without axes
    int n_probes;
    const fv_probe **probes;
    int n_figures;
    fv_options *figures;
    int n_claims;
    fv_options *claims;
    int n_runs; // distinct configurations of all grids
    int *order; // [n_runs]: the place of each in the grids' product; NULL where that is its number
    fv_adaptive *adaptive; // NULL where the sweep is not adaptive
    fv_options optional;   // fields and values of the runs that are trained only when asked for
    bool complete;         // they have been asked for
    int n_left_out;        // distinct configurations that they are and that `n_runs` does not count
    int *left_out;         // [n_left_out]: their places
    bool overridden;       // by the command line
    struct fv_experiment *published; // what the file says without the overrides, for its claims;
                                     // NULL where there are none, or where it is a mistake
    fv_choose *choose;               // NULL where every field is given
} fv_experiment;

// Reads `path` and applies overrides ("task.vocab_size=4,10,100", "train.seed=0..9",
// "model.layers='[attention, attention]'"), which replace the file's value or axis of that field in
// every grid. Checks everything that can be known before training: every configuration of every
// grid, probe names, the options of figures and claims. Errors name file and line. Optional runs
// are left out, unless an override replaces a field that makes them so.
FV_API fv_status fv_experiment_read(const char *path, const char *const *overrides, int n_overrides,
                                    fv_experiment **experiment, fv_error *error);

// The same from memory, for experiments that a program writes: YAML, and therefore JSON. `name` is
// the experiment's name and begins messages, which name no line ("sweep: ...").
FV_API fv_status fv_experiment_parse(const char *name, const char *yaml, size_t size,
                                     fv_experiment **experiment, fv_error *error);
FV_API void fv_experiment_free(fv_experiment *experiment);

// The number of distinct configurations of the sweep, and the i-th, in the file's order
// (first grid first, last axis fastest).
FV_API int fv_experiment_n_runs(const fv_experiment *experiment);
FV_API void fv_experiment_config(const fv_experiment *experiment, int i, fv_config *config);

// Puts the optional runs into the sweep, where they change the numbers of the others.
FV_API fv_status fv_experiment_complete(fv_experiment *experiment, fv_error *error);

// Where a field is chosen for each arm, the sweep becomes the runs that try its values; nothing
// changes for other experiments, or where it has been chosen.
FV_API fv_status fv_experiment_try(fv_experiment *experiment, fv_error *error);

// The next round of an adaptive sweep, from the records of all its runs so far [n_runs]. *grew:
// there are more runs now. Never so for other sweeps and after the last round. After
// fv_experiment_try the sweep is again the experiment's own, each arm with its best value.
FV_API fv_status fv_experiment_refine(fv_experiment *experiment, const fv_record *const *records,
                                      bool *grew, fv_error *error);

typedef void (*fv_say)(void *context, const char *sentence);

// What was chosen, a sentence for each arm: "train.learning_rate 0.003 where model.selector topk".
// Nothing before the choice. And by which rule, "" without one; 512 bytes hold most, longer ones are
// cut off.
FV_API fv_status fv_experiment_choices(const fv_experiment *experiment, fv_say say, void *context,
                                       fv_error *error);
FV_API void fv_experiment_choice_rule(const fv_experiment *experiment, char *text, size_t size);

// What the experiment does that its author hardly meant and that only the results would show, a
// sentence each, "FILE: ..." or "FILE:LINE: ...": a sweep that trains one model twice, a task that
// cannot be learned as it is configured, means over samples that differ. Fails without memory.
FV_API fv_status fv_experiment_warn(const fv_experiment *experiment, fv_say say, void *context,
                                    fv_error *error);

// Whether a configuration has one of the values that `text` gives for a field, as on a command
// line: "4", "4,10", "0..9", "[attention, mlp]". The check fails with FV_USAGE for no field, or a
// value that it cannot take; matching then cannot fail.
FV_API fv_status fv_where_check(const char *key, const char *text, fv_error *error);
FV_API bool fv_where_matches(const char *key, const char *text, const fv_config *config);

// The option of a key, or NULL; its first value, or `otherwise`; as a number, or `otherwise`.
FV_API const fv_option *fv_options_find(const fv_options *options, const char *key);
FV_API const char *fv_options_text(const fv_options *options, const char *key,
                                   const char *otherwise);
FV_API double fv_options_number(const fv_options *options, const char *key, double otherwise);

#ifdef __cplusplus
}
#endif
#endif
