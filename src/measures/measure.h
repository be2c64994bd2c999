// Inside of fv_measure (claim.h): from the text of a measure to an SQL statement and its
// parameters, and the functions that it may call. docs/claims.md describes measures to their users.
//
//   plateau(perplexity) / task.vocab_size   ->   SELECT plateau(?1) / ?2
//                                                ?1 = series "perplexity", ?2 = field, as REAL
//
// SQLite evaluates; Fovea reads the text only as far as it must to tell fields from series, to make
// every number REAL (5 / 2 is 2.5), to check functions and their arguments before any run exists,
// and to let nothing else of SQL through: no SELECT, no tables, no side effects.
#ifndef FOVEA_MEASURES_MEASURE_H
#define FOVEA_MEASURES_MEASURE_H

#include <fovea/claim.h>
#include <sqlite3.h>

enum { FV_MEASURE_MAX_TEXT = 1000, FV_MEASURE_MAX_NAMES = 16 };

// A number that needs no series: of a run's configuration, or of how it ended. NAN: unknown.
typedef struct measure_quantity {
    const char *name;
    bool is_step; // of an event, which may not come before the run ends
    double (*value)(const fv_record *record);
    const char *help;
} measure_quantity;

// Operations of a training step; NAN where the run's model cannot be made.
double measure_flops_per_step(const fv_record *record);

const measure_quantity *measure_quantities(int *n);
const measure_quantity *measure_quantity_find(const char *name);

// A field, a quantity, or a series where both are NULL.
typedef struct measure_name {
    char text[64];
    const fv_field *field;
    const measure_quantity *quantity;
} measure_name;

typedef struct measure_text {
    char sql[4 * FV_MEASURE_MAX_TEXT + 16];
    const struct measure_function *whole; // whose one call the measure is; else NULL
    int n_names;
    measure_name names[FV_MEASURE_MAX_NAMES]; // parameter ?1 is names[0]
} measure_text;

// Fails with FV_USAGE and a sentence that names the place and the nearest known name.
fv_status measure_parse(const char *expression, measure_text *parsed, fv_error *error);

// What a function takes: 's' a series, 't' a tensor and 'l' a kind of layer, both in quotes, 'n' a number; what follows '|' may be
// left out. `evaluate` is NULL for functions of SQLite's own.
typedef struct measure_call {
    const fv_record *record;
    const fv_series *series[2];
    const char *text;
    int n_numbers;
    double numbers[4];
    const char *problem; // set by a function that cannot do its work
} measure_call;

// What part of a run a function speaks of. A run that diverged is known before the step where it
// did; what a function says of a later moment, of the end or of the whole course is no value.
typedef enum measure_reach {
    FV_REACH_NONE,    // of no run: numbers alone
    FV_REACH_FOUND,   // of the moment that it finds; of all of the run where it finds none
    FV_REACH_END,     // of the end, or of the whole course
    FV_REACH_STEPS_0, // of what lies up to the latest of its numbers from this one on, all of them
    FV_REACH_STEPS_1, // steps; of the whole course where they are left out
    FV_REACH_STEPS_2,
} measure_reach;

typedef struct measure_function {
    const char *name;
    measure_reach reach;
    const char *arguments;
    double (*evaluate)(measure_call *call); // NAN: never
    const char *help;
    const char *example; // a measure with it, of series that every run has
} measure_function;

// What training logs whatever the probes (train.h): NULL behind the last.
const char *const *measure_logged(void);

// Whether a measure that can be parsed has a series that training logs.
bool measure_reads_logged(const char *expression);

// For a name that is no series: "; the nearest metric is accuracy", "; the nearest probe is swaps",
// or where nothing is near what lists them.
enum { MEASURE_HINT = 128 };
void measure_hint_series(const char *name, char hint[MEASURE_HINT]);

const measure_function *measure_functions(int *n);
const measure_function *measure_function_find(const char *name, size_t length);

// The series that a measure or a figure calls `name`: the one of exactly this name, or the only one
// whose dotted parts contain the parts of `name` in their order ("effective_rank.W_Q" for
// "effective_rank.blocks.0.attn.W_Q"). NULL where there is none or several.
const fv_series *series_called(const fv_record *record, const char *name);

// Whether the measure is the step of an event: no value then means that it had not come by the
// run's last step.
bool measure_is_step(const char *expression);

#endif
