// What a kind of figure is: its options, as a table that checks experiment files and makes the
// documentation, and the function that writes its gnuplot script. A new kind is its own file with
// one figure_kind in it, and one line in FV_FIGURE_KIND_LIST.
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
    X(profile)                                                                                     \
    X(attention)                                                                                   \
    X(animation)                                                                                   \
    X(needle)                                                                                      \
    X(middle)

typedef enum option_type {
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
} option_type;

typedef struct figure_option {
    const char *key;
    option_type type;
    bool required;
    const char *choices; // CHOICE: "mean|median"; otherwise NULL
    const char *help;
} figure_option;

// The runs that a figure draws. `records` is NULL while an experiment file is checked: the
// configurations are known before anything is trained.
typedef struct figure_runs {
    int n;
    const fv_config **configs;
    const fv_record **records;
} figure_runs;

// One figure on its way: what it is made from and where its script goes.
typedef struct figure_view {
    const fv_experiment *experiment;
    const fv_options *options;
    figure_runs runs;
    figure_scratch *scratch;
    FILE *script;
    int width, height;  // of the canvas, set by draw
    hot_spots spots;    // tool tips, set by draw where a kind has them
    const char *remark; // what the caller should tell, a line each; NULL for nothing
} figure_view;

typedef struct figure_kind {
    const char *name, *help;
    const figure_option *options;
    int n_options;
    bool animated;       // a GIF instead of SVG and PNG
    const char *example; // YAML, for the documentation
    const char *needs;   // the other lines of an experiment file that can be drawn like this
    // What the types of the options cannot say; no records yet.
    fv_status (*check)(const figure_view *view, fv_error *error);
    fv_status (*draw)(figure_view *view, fv_error *error);
} figure_kind;

#define FV_FIGURE_KIND_EXTERN(name) extern const figure_kind figure_##name;
FV_FIGURE_KIND_LIST(FV_FIGURE_KIND_EXTERN)
#undef FV_FIGURE_KIND_EXTERN

// All kinds, and the options that every kind has.
const figure_kind *const *figure_kinds(int *n);
const figure_option *figure_common_options(int *n);
const char *option_type_text(option_type type);

// Checks the options against the kind's table: unknown keys, missing keys, values of a wrong type.
fv_status figure_check_options(const fv_experiment *experiment, const fv_options *options,
                               const figure_kind *kind, fv_error *error);

// Options of the checked types.
bool figure_flag(const fv_options *options, const char *key, bool otherwise);
double figure_number(const fv_options *options, const char *key); // NAN where it is not given

// Adds a line to view->remark; without memory, or for NULL, nothing.
void figure_remark(figure_view *view, const char *line);

// Fails with FV_USAGE and "path:line: figure KIND: message"; the line is the one of `key`, or of
// the figure where that is not given.
fv_status figure_fail(const figure_view *view, const char *key, fv_error *error, const char *format,
                      ...) FV_PRINTF(4, 5);

#endif
