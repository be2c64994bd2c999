// What a kind of figure is: its options, as a table that checks experiment files and makes the
// documentation, and the function that writes its gnuplot script. A new kind is its own file with
// one fv_figure_kind in it, and one line in FV_FIGURE_KIND_LIST.
#ifndef FOVEA_FIGURES_KIND_H
#define FOVEA_FIGURES_KIND_H

#include "figures/scratch.h"
#include "figures/spots.h"

#include <fovea/figure.h>
#include <stdio.h>

#define FV_FIGURE_KIND_LIST(X)                                                                     \
    X(curves)                                                                                      \
    X(scatter)                                                                                     \
    X(trajectories)                                                                                \
    X(heatmap)                                                                                     \
    X(scaling)                                                                                     \
    X(animation)                                                                                   \
    X(needle)                                                                                      \
    X(middle)

typedef enum fv_option_type {
    FV_OPTION_TEXT,  // anything
    FV_OPTION_TEXTS, // one or a list
    FV_OPTION_FILE,  // part of a file name: letters, digits, '-', '_', '.'
    FV_OPTION_NUMBER,
    FV_OPTION_BOOL,
    FV_OPTION_CHOICE,     // one word of `choices`
    FV_OPTION_FIELD,      // the dotted key of a configuration field
    FV_OPTION_FIELDS,     // one or a list; or the word "none"
    FV_OPTION_ONE_SERIES, // the name of a curve
    FV_OPTION_SERIES,     // names of curves, '*' and '?' standing for others; one or a list
    FV_OPTION_MEASURE,    // an expression as in claims
    FV_OPTION_MEASURES,
    FV_OPTION_WHERE, // a mapping of fields to the values that are drawn
} fv_option_type;

typedef struct fv_figure_option {
    const char *key;
    fv_option_type type;
    bool required;
    const char *choices; // CHOICE: "mean|median"; otherwise NULL
    const char *help;
} fv_figure_option;

// The runs that a figure draws. `records` is NULL while an experiment file is checked: the
// configurations are known before anything is trained.
typedef struct fv_runs {
    int n;
    const fv_config **configs;
    const fv_record **records;
} fv_runs;

// One figure on its way: what it is made from and where its script goes.
typedef struct fv_figure_view {
    const fv_experiment *experiment;
    const fv_options *options;
    fv_runs runs;
    fv_scratch *scratch;
    FILE *script;
    int width, height;  // of the canvas, set by draw
    fv_hot_spots spots; // tool tips, set by draw where a kind has them
    const char *remark; // what the caller should tell, a line each; NULL for nothing
} fv_figure_view;

typedef struct fv_figure_kind {
    const char *name, *help;
    const fv_figure_option *options;
    int n_options;
    bool animated;       // a GIF instead of SVG and PNG
    const char *example; // YAML, for the documentation
    const char *needs;   // the other lines of an experiment file that can be drawn like this
    // What the types of the options cannot say; no records yet.
    fv_status (*check)(const fv_figure_view *view, fv_error *error);
    fv_status (*draw)(fv_figure_view *view, fv_error *error);
} fv_figure_kind;

#define FV_FIGURE_KIND_EXTERN(name) extern const fv_figure_kind fv_figure_##name;
FV_FIGURE_KIND_LIST(FV_FIGURE_KIND_EXTERN)
#undef FV_FIGURE_KIND_EXTERN

// All kinds, and the options that every kind has.
const fv_figure_kind *const *fv_figure_kinds(int *n);
const fv_figure_option *fv_figure_common_options(int *n);
const char *fv_option_type_text(fv_option_type type);

// Checks the options against the kind's table: unknown keys, missing keys, values of a wrong type.
fv_status fv_figure_check_options(const fv_experiment *experiment, const fv_options *options,
                                  const fv_figure_kind *kind, fv_error *error);

// Options of the checked types.
bool fv_figure_flag(const fv_options *options, const char *key, bool otherwise);
double fv_figure_number(const fv_options *options, const char *key); // NAN where it is not given

// Adds a line to view->remark; without memory, or for NULL, nothing.
void fv_figure_remark(fv_figure_view *view, const char *line);

// Fails with FV_USAGE and "path:line: figure KIND: message"; the line is the one of `key`, or of
// the figure where that is not given.
fv_status fv_figure_fail(const fv_figure_view *view, const char *key, fv_error *error,
                         const char *format, ...) FV_PRINTF(4, 5);

#endif
