// `fovea needle --against`: two models on the same prompts.
#ifndef FOVEA_TOOL_AGAINST_H
#define FOVEA_TOOL_AGAINST_H

#include "needle/ask_served.h"
#include "needle/gates.h"

#include <fovea/compare.h>
#include <jansson.h>

// Whether the request's options of comparing go together; EXIT_DONE, or the exit code after a
// message.
int against_check(const served_request *r);

// The label whose prompts the first model is asked: that of --against where it is one; else NULL.
const char *against_prompts(const served_request *r);

// What else is asked, and how many prompts show --difference: into `out`, or as a member of the plan.
// Returns the exit code.
int against_plan(FILE *out, const served_request *r, const fv_served_plan *plan, fv_served *served);
int against_plan_json(const served_request *r, fv_served *served, json_t *plan);

// After the first model was asked, with its label: asks it again (--noise), asks the other, prints
// what differs, and judges the gates. Cells of the other are added to `cells`. Returns the exit
// code of all of that.
int against_run(const served_request *r, const fv_served_options *options, const char *label,
                fv_cells *cells);

// The gates of a model that is compared with nobody.
int against_nobody(const served_request *r, const fv_cells *cells, const char *label);

// The more telling of two exit codes: what is wrong, then a gate that failed, then what is missing.
int against_worse(int a, int b);

// The gates that the request asks for, and what of the cells they judge.
gate_limits against_limits(const served_request *r);
void against_count(const fv_cells *cells, gate_counts *counts);

// What the first model, asked a second time, answered otherwise; n 0: not asked.
typedef struct against_noise {
    int n, n_flips, n_changed; // n_changed: of another class
} against_noise;

// Two models and what came of their comparison.
typedef struct against_sides {
    const char *label[2];
    const fv_comparison *comparison;
    const against_noise *noise;
    // The prompt of a flip; the caller frees it.
    fv_status (*prompt)(void *context, const fv_flip *flip, char **prompt, fv_error *error);
    void *context;
} against_sides;

// Prints and draws it, writes the flips and judges the gates. Returns the exit code.
int against_report(const served_request *r, const against_sides *sides, gate_counts *counts);

// --- between against_judge.c and against_print.c -------------------------------------------------

void against_print(FILE *out, const char *const label[2], const fv_comparison *c,
                   const against_noise *noise);
void against_summary(const char *const label[2], const fv_comparison *c, char *text, size_t size);
json_t *against_json(const char *const label[2], const fv_comparison *c,
                     const against_noise *noise);

// Writes FOLDER/flips.jsonl, a line a flip with its prompt.
fv_status against_write_flips(const char *folder, const against_sides *sides, fv_error *error);

// Draws FOLDER/differences.svg and .png.
fv_status against_draw(const char *folder, const char *const label[2], const fv_comparison *c,
                       fv_error *error);

#endif
