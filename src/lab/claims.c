// Verdicts. Each seed of a sweep is one independent attempt at a claim: a seed agrees when all of
// its runs that the claim selects do, or their fit does, and the share of agreeing seeds is the
// verdict.
#include "base/text.h"
#include "lab/claim_cells.h"
#include "lab/power_fit.h"
#include "lab/rehearsal.h"
#include "lab/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double share_reproduced = 4.0 / 5, share_partly = 2.0 / 5;
enum { MAX_LISTED = 8 }; // seeds named in a note

typedef fv_claim_cell cell;

const char *fv_verdict_text(fv_verdict verdict) {
    static const char *const texts[] = {"reproduced", "partly", "not reproduced"};
    return texts[verdict];
}

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Median of the finite ones among the values of the cells whose `along` is given (all with NAN),
// and their ends; NAN where there is none. Returns how many are finite. `room` [n].
static int summarise(const cell *cells, int n, double along, double *room, double *median,
                     double *lowest, double *highest) {
    int m = 0;
    for (int i = 0; i < n; i++)
        if ((isnan(along) || cells[i].along == along) && !isnan(cells[i].value))
            room[m++] = cells[i].value;
    *median = *lowest = *highest = NAN;
    if (m == 0) return 0;
    qsort(room, (size_t)m, sizeof *room, compare_numbers);
    *median = (room[(m - 1) / 2] + room[m / 2]) / 2;
    *lowest = room[0];
    *highest = room[m - 1];
    return m;
}

static bool value_agrees(const fv_claim_plan *plan, const cell *c) {
    if (isnan(c->value)) return false;
    if (c->beyond)
        return plan->kind == FV_CLAIM_BOUND && plan->above <= c->value && isinf(plan->below);
    if (plan->kind == FV_CLAIM_BOUND) return plan->above < c->value && c->value < plan->below;
    // The last digit of a decimal tolerance is not the seed's fault.
    return fabs(c->value - plan->target) <= plan->tolerance * (1 + 1e-12);
}

// Every run against every run further along the field.
static bool trend_agrees(const fv_claim_plan *plan, const cell *cells, int n) {
    bool compared = false;
    for (int i = 0; i < n; i++) {
        if (isnan(cells[i].value)) return false;
        for (int j = i + 1; j < n; j++) {
            if (cells[j].along == cells[i].along) continue;
            if (!(plan->sign * (cells[j].value - cells[i].value) > 0)) return false;
            compared = true;
        }
    }
    return compared;
}

static bool seed_agrees(const fv_claim_plan *plan, const cell *cells, int n) {
    if (plan->kind == FV_CLAIM_TREND) return trend_agrees(plan, cells, n);
    for (int i = 0; i < n; i++)
        if (!value_agrees(plan, &cells[i])) return false;
    return true;
}

static void add_number(text_buffer *out, double value) {
    if (isnan(value))
        text_add(out, "none");
    else
        text_add(out, fabs(value) < 1000 ? "%.4g" : "%.0f", value);
}

// What the seed measured: "0.71", or all of its runs: "310, 280, 900".
static void add_values(text_buffer *out, const cell *cells, int n) {
    for (int i = 0; i < n; i++) {
        text_add(out, "%s%s", i > 0 ? ", " : "", cells[i].beyond ? "more than " : "");
        add_number(out, cells[i].value);
    }
}

static void add_criterion(text_buffer *out, const fv_claim_plan *plan) {
    if (plan->kind == FV_CLAIM_NEAR)
        text_add(out, " within %.3g", plan->tolerance);
    else if (plan->kind == FV_CLAIM_TREND)
        text_add(out, " %s with %s", plan->sign > 0 ? "increasing" : "decreasing",
                 plan->across->key);
    else if (isinf(plan->below))
        text_add(out, " above %.3g", plan->above);
    else if (isinf(plan->above))
        text_add(out, " below %.3g", plan->below);
    else
        text_add(out, " between %.3g and %.3g", plan->above, plan->below);
}

// The seeds that do not agree, in two lists: those without any value, and the others with theirs.
typedef struct dissent {
    int n_none, n_other;
    text_buffer none, other, values;
} dissent;

static void add_seed(text_buffer *list, int *n, int seed) {
    if (++*n <= MAX_LISTED)
        text_add(list, "%s%d", *n > 1 ? ", " : "", seed);
    else if (*n == MAX_LISTED + 1)
        text_add(list, ", ...");
}

static void add_dissent(dissent *d, const cell *cells, int n) {
    bool none = true;
    for (int i = 0; i < n; i++) none &= isnan(cells[i].value);
    add_seed(none ? &d->none : &d->other, none ? &d->n_none : &d->n_other, cells->seed);
    if (none || d->n_other > MAX_LISTED) return;
    if (d->n_other > 1) text_add(&d->values, "; ");
    add_values(&d->values, cells, n);
}

static void describe_dissent(dissent *d, text_buffer *note) {
    if (d->n_none > 0)
        text_add(note, "; no value for seed%s %s", d->n_none > 1 ? "s" : "",
                 d->none.data ? d->none.data : "");
    if (d->n_other > 0)
        text_add(note, "; seed%s %s did not (%s)", d->n_other > 1 ? "s" : "",
                 d->other.data ? d->other.data : "", d->values.data ? d->values.data : "");
    note->failed |= d->none.failed || d->other.failed || d->values.failed;
    text_free(&d->none);
    text_free(&d->other);
    text_free(&d->values);
}

// Counts the seeds and writes the note: "3 of 5 seeds within 0.1; no value for seed 2; seed 3 did
// not (0.71)".
static void count_seeds(const fv_claim_plan *plan, const cell *cells, int n, fv_judgement *j,
                        text_buffer *note) {
    dissent d = {0};
    for (int i = 0, end; i < n; i = end) {
        for (end = i; end < n && cells[end].seed == cells[i].seed; end++) {
        }
        j->n_seeds++;
        if (seed_agrees(plan, cells + i, end - i))
            j->n_agree++;
        else
            add_dissent(&d, cells + i, end - i);
    }
    text_add(note, "%d of %d seeds", j->n_agree, j->n_seeds);
    add_criterion(note, plan);
    describe_dissent(&d, note);
}

static void describe_values(const cell *cells, int n, double *room, fv_judgement *j,
                            text_buffer *out) {
    int m = summarise(cells, n, NAN, room, &j->median, &j->lowest, &j->highest);
    if (m > 0 && n > 1) text_add(out, "median ");
    add_number(out, j->median);
    if (m > 0 && n > 1) {
        text_add(out, " (");
        add_number(out, j->lowest);
        text_add(out, " to ");
        add_number(out, j->highest);
        text_add(out, ")");
    }
    if (m > 0 && m < n) text_add(out, ", none in %d of %d runs", n - m, n);
}

// "exponent 2.31 (95 % from 2.05 to 2.6), 2 of 21 runs ended before": one law for all seeds.
static void describe_power(const cell *cells, int n, fv_judgement *j, text_buffer *out) {
    fv_power_fit fit;
    j->median = j->lowest = j->highest = NAN;
    if (!fv_claim_cells_power(cells, n, &fit)) {
        text_add(out, "none");
        return;
    }
    j->median = fit.exponent;
    j->lowest = fit.low;
    j->highest = fit.high;
    text_add(out, "exponent %.3g (95 %% from %.3g to %.3g)", fit.exponent, fit.low, fit.high);
    if (fit.n_censored > 0) text_add(out, ", %d of %d runs ended before", fit.n_censored, fit.n);
}

// "medians 4: 640, 10: 1100, 100: 1700": the medians along the field.
static void describe_trend(const cell *cells, int n, double *room, fv_judgement *j,
                           text_buffer *out) {
    j->median = j->lowest = j->highest = NAN;
    for (double along = -INFINITY;;) {
        double next = INFINITY, median, lowest, highest;
        for (int i = 0; i < n; i++)
            if (cells[i].along > along && cells[i].along < next) next = cells[i].along;
        if (isinf(next)) return;
        summarise(cells, n, next, room, &median, &lowest, &highest);
        text_add(out, "%s%.6g: ", isinf(along) ? "medians " : ", ", next);
        add_number(out, median);
        along = next;
    }
}

static fv_verdict verdict_of(const fv_judgement *j) {
    double share = (double)j->n_agree / j->n_seeds;
    return share >= share_reproduced ? FV_REPRODUCED
           : share >= share_partly   ? FV_PARTLY
                                     : FV_NOT_REPRODUCED;
}

static fv_status fail_empty(const fv_experiment *experiment, const fv_claim_plan *plan,
                            fv_error *error) {
    return fv_fail(error, FV_USAGE, "%s:%d: claim: its 'where' selects no run of the sweep",
                   experiment->path, plan->options->line);
}

static fv_status fail_alone(const fv_experiment *experiment, const fv_claim_plan *plan,
                            fv_error *error) {
    return fv_fail(
        error, FV_USAGE, "%s:%d: claim: 'across' compares values of %s, and its runs have only one",
        experiment->path, fv_options_find(plan->options, "across")->line, plan->across->key);
}

static fv_status measure_run(const fv_experiment *experiment, const fv_claim_plan *plan,
                             const fv_record *record, double *value, fv_error *error) {
    fv_error cause;
    fv_status status = fv_measure(plan->measure, record, value, &cause);
    if (status == FV_OK) return FV_OK;
    return fv_fail(error, status, "%s:%d: claim: %s", experiment->path,
                   fv_options_find(plan->options, "measure")->line, cause.text);
}

// Measures the selected runs. cells [n_records].
static fv_status measure_cells(const fv_experiment *experiment, const fv_claim_plan *plan,
                               const fv_record *const *records, int n_records, cell *cells, int *n,
                               fv_error *error) {
    *n = 0;
    bool several = false;
    for (int i = 0; i < n_records; i++) {
        const fv_config *config = &records[i]->config;
        if (!fv_claim_selects(plan, config)) continue;
        cell *c = &cells[(*n)++];
        c->seed = config->train.seed;
        c->along = plan->across != NULL ? fv_config_number(config, plan->across) : 0;
        several |= c->along != cells[0].along;
        c->end = records[i]->steps;
        c->beyond = false;
        fv_status status = measure_run(experiment, plan, records[i], &c->value, error);
        if (status != FV_OK) return status;
    }
    if (*n == 0) return fail_empty(experiment, plan, error);
    if (plan->across != NULL && !several) return fail_alone(experiment, plan, error);
    fv_claim_cells_sort(cells, *n);
    return FV_OK;
}

// The runs that are left out, or come with a later round, may be those that a claim speaks of.
static bool knows_all_runs(const fv_experiment *experiment) {
    return experiment->n_left_out == 0 && experiment->adaptive == NULL;
}

static fv_status rehearse(const fv_claim_plan *plan, rehearsal *stage, fv_error *error) {
    const fv_experiment *experiment = stage->experiment;
    fv_config config, first;
    int n_selected = 0;
    bool several = false; // values of the field of `across`
    for (int i = 0; i < fv_experiment_n_runs(experiment); i++) {
        fv_experiment_config(experiment, i, &config);
        if (!fv_claim_selects(plan, &config)) continue;
        if (n_selected++ == 0) first = config;
        several |= plan->across != NULL && fv_config_number(&config, plan->across) !=
                                               fv_config_number(&first, plan->across);
    }
    bool complete = knows_all_runs(experiment);
    if (n_selected == 0 && !complete) return FV_OK;
    if (n_selected == 0) return fail_empty(experiment, plan, error);
    if (plan->across != NULL && !several && complete) return fail_alone(experiment, plan, error);
    const fv_record *record;
    double value;
    fv_status status = rehearsal_run(stage, &first, &record, error);
    if (status != FV_OK || record == NULL) return status;
    return measure_run(experiment, plan, record, &value, error);
}

fv_status fv_claims_rehearse(const fv_experiment *experiment, fv_error *error) {
    rehearsal stage;
    rehearsal_init(&stage, experiment);
    fv_status status = FV_OK;
    for (int i = 0; i < experiment->n_claims && status == FV_OK; i++) {
        fv_claim_plan plan;
        status = fv_claim_read(experiment, i, &plan, error);
        if (status == FV_OK) status = rehearse(&plan, &stage, error);
    }
    rehearsal_free(&stage);
    return status;
}

// The fields of the judgement that are text. Takes over what `measured` and `note` hold.
static fv_status set_texts(const fv_experiment *experiment, const fv_claim_plan *plan,
                           text_buffer *measured, text_buffer *note, fv_judgement *j,
                           fv_error *error) {
    text_buffer id = {0};
    text_add(&id, "%s/%s", experiment->name, plan->id);
    j->id = id.data;
    j->source = text_copy(experiment->source);
    j->statement = text_copy(plan->statement);
    j->published = text_copy(plan->published);
    j->measured = measured->data;
    j->note = note->data;
    if (id.failed || measured->failed || note->failed || !j->source || !j->statement ||
        !j->published)
        return fv_fail(error, FV_NO_MEMORY, "no memory for the verdicts of %s", experiment->path);
    return FV_OK;
}

// "; without 3 optional runs (task.n_pairs 32)", where the claim speaks of them.
static void note_left_out(const fv_experiment *experiment, const fv_claim_plan *plan,
                          text_buffer *note) {
    int n = 0;
    for (int i = 0; i < experiment->n_left_out; i++) {
        fv_config config;
        sweep_left_out(experiment, i, &config);
        n += fv_claim_selects(plan, &config);
    }
    if (n == 0) return;
    text_add(note, "; without %d optional run%s (", n, n > 1 ? "s" : "");
    for (int i = 0; i < experiment->optional.n; i++) {
        const fv_option *option = &experiment->optional.items[i];
        text_add(note, "%s%s", i > 0 ? ", " : "", option->key);
        for (int v = 0; v < option->n_values; v++) text_add(note, " %s", option->values[v]);
    }
    text_add_char(note, ')');
}

static fv_status judge(const fv_experiment *experiment, int i, const fv_record *const *records,
                       int n_records, cell *cells, double *room, fv_judgement *j, fv_error *error) {
    fv_claim_plan plan;
    int n;
    fv_status status = fv_claim_read(experiment, i, &plan, error);
    if (status == FV_OK)
        status = measure_cells(experiment, &plan, records, n_records, cells, &n, error);
    if (status != FV_OK) return status;
    text_buffer measured = {0}, note = {0};
    n = fv_claim_cells_reduce(plan.reduce, cells, n);
    if (plan.fit == FV_FIT_POWER) describe_power(cells, n, j, &measured);
    n = fv_claim_cells_fit(plan.fit, cells, n);
    count_seeds(&plan, cells, n, j, &note);
    note_left_out(experiment, &plan, &note);
    if (*plan.note != '\0') text_add(&note, ". %s", plan.note);
    if (plan.kind == FV_CLAIM_TREND)
        describe_trend(cells, n, room, j, &measured);
    else if (plan.fit != FV_FIT_POWER)
        describe_values(cells, n, room, j, &measured);
    j->verdict = verdict_of(j);
    return set_texts(experiment, &plan, &measured, &note, j, error);
}

fv_status fv_claims_judge(const fv_experiment *experiment, const fv_record *const *records,
                          int n_records, fv_judgement **judgements, fv_error *error) {
    *judgements = NULL;
    cell *cells = calloc((size_t)n_records + 1, sizeof *cells);
    double *room = calloc((size_t)n_records + 1, sizeof *room);
    fv_judgement *all = calloc((size_t)experiment->n_claims + 1, sizeof *all);
    fv_status status = FV_OK;
    if (!cells || !room || !all)
        status = fv_fail(error, FV_NO_MEMORY, "no memory for the verdicts of %s", experiment->path);
    for (int i = 0; i < experiment->n_claims && status == FV_OK; i++)
        status = judge(experiment, i, records, n_records, cells, room, &all[i], error);
    free(cells);
    free(room);
    if (status == FV_OK)
        *judgements = all;
    else
        fv_judgements_free(all, experiment->n_claims);
    return status;
}

void fv_judgements_free(fv_judgement *judgements, int n) {
    for (int i = 0; judgements != NULL && i < n; i++) {
        free(judgements[i].id);
        free(judgements[i].source);
        free(judgements[i].statement);
        free(judgements[i].published);
        free(judgements[i].measured);
        free(judgements[i].note);
    }
    free(judgements);
}
