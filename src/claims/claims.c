// Verdicts. Each seed of a sweep is one independent attempt at a claim: a seed agrees when all of
// its runs that the claim selects do, or their fit does, and the share of agreeing seeds is the
// verdict, unless overrides have changed the runs. A seed whose runs ended too early to tell is
// undecided: it does not agree, and the note says that it does not contradict either.
#include "claims/claim_note.h"
#include "claims/claim_text.h"
#include "claims/comparable.h"
#include "config/record_config.h"
#include "lab/rehearsal.h"
#include "lab/sweep.h"
#include "measures/power_fit.h"

#include <fovea/config.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double share_reproduced = 4.0 / 5, share_partly = 2.0 / 5;

typedef claim_cell cell;
typedef claim_range range;

// What a claim makes of a seed, worst first: a seed is as good as the worst of its runs.
typedef enum outcome { CONTRADICTS, UNDECIDED, AGREES } outcome;

const char *fv_verdict_text(fv_verdict verdict) {
#define TEXT(name, text) text,
    static const char *const texts[] = {FV_VERDICT_LIST(TEXT)};
#undef TEXT
    return texts[verdict];
}

static outcome judge_value(const claim_plan *plan, const range *v) {
    if (isnan(v->high)) return CONTRADICTS;
    bool exact = v->low == v->high, near = plan->kind == FV_CLAIM_NEAR;
    // The last digit of a decimal tolerance is not the seed's fault.
    double slack = plan->tolerance * (1 + 1e-12);
    if (near && exact) return fabs(v->low - plan->target) <= slack ? AGREES : CONTRADICTS;
    double above = near ? plan->target - slack : plan->above;
    double below = near ? plan->target + slack : plan->below;
    if (v->high <= above || v->low >= below) return CONTRADICTS;
    return exact || (above <= v->low && v->high <= below) ? AGREES : UNDECIDED;
}

// Whether one value is smaller than another. Ranges that only touch have no number in common.
static outcome judge_order(const range *small, const range *large) {
    bool exact = small->low == small->high && large->low == large->high;
    if (isnan(small->high) || isnan(large->high)) return CONTRADICTS;
    if (large->low > small->high || (large->low == small->high && !exact)) return AGREES;
    return large->high <= small->low ? CONTRADICTS : UNDECIDED;
}

// Every run against every run further along the field.
static outcome judge_trend(const claim_plan *plan, const cell *cells, int n) {
    bool compared = false;
    outcome worst = AGREES;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            if (cells[j].along == cells[i].along) continue;
            const range *a = &cells[i].value, *b = &cells[j].value;
            outcome o = plan->sign > 0 ? judge_order(a, b) : judge_order(b, a);
            if (o < worst) worst = o;
            compared = true;
        }
    return compared ? worst : CONTRADICTS;
}

static outcome judge_seed(const claim_plan *plan, const cell *cells, int n) {
    if (plan->kind == FV_CLAIM_TREND) return judge_trend(plan, cells, n);
    outcome worst = AGREES;
    for (int i = 0; i < n; i++) {
        outcome o = judge_value(plan, &cells[i].value);
        if (o < worst) worst = o;
    }
    return worst;
}

static bool has_no_value(const cell *cells, int n) {
    for (int i = 0; i < n; i++)
        if (!isnan(cells[i].value.high)) return false;
    return true;
}

static fv_verdict verdict_of(const fv_judgement *j) {
    double share = (double)j->n_agree / j->n_seeds;
    return share >= share_reproduced ? FV_REPRODUCED
           : share >= share_partly   ? FV_PARTLY
                                     : FV_NOT_REPRODUCED;
}

// Counts the seeds, gives the verdict and writes the note: "3 of 5 seeds within 0.1; no value for
// seed 2; seed 3 did not (0.71)". j->undecided has room for n.
static void judge_seeds(const claim_plan *plan, const cell *cells, int n, fv_judgement *j,
                        text_buffer *note) {
    claim_dissents d = {0};
    for (int i = 0, end; i < n; i = end) {
        for (end = i; end < n && cells[end].seed == cells[i].seed; end++) {
        }
        j->n_seeds++;
        outcome o = judge_seed(plan, cells + i, end - i);
        if (o == AGREES) {
            j->n_agree++;
        } else if (o == UNDECIDED) {
            j->undecided[j->n_undecided++] = cells[i].seed;
            claim_note_dissent(&d.open, cells + i, end - i);
        } else {
            bool without = has_no_value(cells + i, end - i);
            claim_note_dissent(without ? &d.without : &d.against, cells + i, end - i);
        }
    }
    j->verdict = verdict_of(j);
    claim_note_rate(j->n_agree, j->n_seeds, note);
    claim_note_criterion(plan, note);
    claim_note_dissents(&d, j, note);
}

// A range that has one end in one number: that end.
static double number_of(const range *v) {
    if (v->low == v->high || !(v->low > 0)) return isfinite(v->high) ? v->high : NAN;
    return isinf(v->high) ? v->low : NAN;
}

static void describe_values(const cell *cells, int n, double *room, fv_judgement *j,
                            text_buffer *out) {
    claim_summary s = claim_cells_summarise(cells, n, NAN, room);
    j->median = number_of(&s.median);
    j->lowest = number_of(&s.lowest);
    j->highest = number_of(&s.highest);
    bool known = isfinite(s.lowest.high) || s.highest.low > 0; // of one of them, if only a bound
    bool spread = s.n > 0 && n > 1 && known;
    if (spread) text_add(out, "median ");
    claim_text_range(out, &s.median, CLAIM_TEXT_DIGITS);
    if (spread) {
        text_add(out, " (");
        claim_text_range(out, &s.lowest, CLAIM_TEXT_DIGITS);
        text_add(out, " to ");
        claim_text_range(out, &s.highest, CLAIM_TEXT_DIGITS);
        text_add(out, ")");
    }
    if (s.n > 0 && s.n < n) text_add(out, ", none in %d of %d runs", n - s.n, n);
}

// "exponent 2.31 (95 % from 2.05 to 2.6), 2 of 21 runs ended before": one law for all seeds.
static void describe_power(const cell *cells, int n, fv_judgement *j, text_buffer *out) {
    power_fit fit;
    j->median = j->lowest = j->highest = NAN;
    if (!claim_cells_power(cells, n, &fit)) {
        text_add(out, "none");
        return;
    }
    j->median = fit.exponent;
    j->lowest = fit.low;
    j->highest = fit.high;
    text_add(out, "exponent %.3g (95 %% from %.3g to %.3g)", fit.exponent, fit.low, fit.high);
    if (fit.n_censored > 0) text_add(out, ", %d of %d runs ended before", fit.n_censored, fit.n);
}

// The next place along the field, and the median there. False behind the last.
static bool next_median(const cell *cells, int n, double *room, double *along, range *median) {
    double next = INFINITY;
    for (int i = 0; i < n; i++)
        if (cells[i].along > *along && cells[i].along < next) next = cells[i].along;
    if (isinf(next)) return false;
    *along = next;
    *median = claim_cells_summarise(cells, n, next, room).median;
    return true;
}

// The medians along the field: how many, digits that tell neighbours apart, the lowest and highest.
typedef struct course {
    int n, digits;
    range lowest, highest;
} course;

static course survey(const cell *cells, int n, double *room) {
    course c = {0, CLAIM_TEXT_DIGITS, {NAN, NAN}, {NAN, NAN}};
    double along = -INFINITY;
    range median, before = {NAN, NAN};
    for (; next_median(cells, n, room, &along, &median); c.n++) {
        c.digits = claim_text_digits(c.digits, &before, &median);
        before = median;
        if (!(c.lowest.high <= median.high) && !isnan(median.high)) c.lowest = median;
        if (!(c.highest.high >= median.high) && !isnan(median.high)) c.highest = median;
    }
    return c;
}

// "medians 4: 640, 10: 1100, 100: 1700", or of many the first few and the last: "medians 4: 640, 5:
// 650, 6: 670, 7: 650, 92 more from 640 to 1700, 100: 1700".
static void describe_trend(const fv_field *field, const cell *cells, int n, double *room,
                           fv_judgement *j, text_buffer *out) {
    j->median = j->lowest = j->highest = NAN;
    course c = survey(cells, n, room);
    double along = -INFINITY;
    range median;
    for (int i = 0; next_median(cells, n, room, &along, &median); i++) {
        bool many = c.n > CLAIM_TEXT_MOST, last = i == c.n - 1;
        if (many && i >= CLAIM_TEXT_FEW && !last) continue;
        if (many && last) {
            text_add(out, ", %d more from ", c.n - 1 - CLAIM_TEXT_FEW);
            claim_text_range(out, &c.lowest, c.digits);
            text_add(out, " to ");
            claim_text_range(out, &c.highest, c.digits);
        }
        text_add(out, i == 0 ? "medians " : ", ");
        claim_text_place(out, field, along);
        text_add(out, ": ");
        claim_text_range(out, &median, c.digits);
    }
}

static fv_status fail_memory(const fv_experiment *experiment, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "no memory for the verdicts of %s", experiment->path);
}

static fv_status fail_empty(const fv_experiment *experiment, const claim_plan *plan,
                            fv_error *error) {
    return fv_fail(error, FV_USAGE, "%s:%d: claim: its 'where' selects no run of the sweep",
                   experiment->path, plan->options->line);
}

static fv_status fail_alone(const fv_experiment *experiment, const claim_plan *plan,
                            fv_error *error) {
    return fv_fail(error, FV_USAGE,
                   "%s:%d: claim: 'across' compares values of %s, and its runs have only one",
                   experiment->path, fv_options_find(plan->options, "across")->line, plan->across);
}

static fv_status measure_run(const fv_experiment *experiment, const claim_plan *plan,
                             const fv_record *record, double *value, fv_error *error) {
    fv_error cause;
    fv_status status = fv_measure(plan->measure, record, value, &cause);
    if (status == FV_OK) return FV_OK;
    return fv_fail(error, status, "%s:%d: claim: %s", experiment->path,
                   fv_options_find(plan->options, "measure")->line, cause.text);
}

// Where a run stands along `across`.
static fv_status place_run(const fv_experiment *experiment, const claim_plan *plan,
                           const fv_config *config, double *along, fv_error *error) {
    fv_error cause;
    fv_status status = claim_along(plan, config, along, &cause);
    if (status == FV_OK && !isnan(*along)) return FV_OK;
    int line = fv_options_find(plan->options, "across")->line;
    if (status != FV_OK)
        return fv_fail(error, status, "%s:%d: claim: %s", experiment->path, line, cause.text);
    return fv_fail(error, FV_USAGE,
                   "%s:%d: claim: 'across' has no value for a run that it selects; leave that one "
                   "out with 'where'",
                   experiment->path, line);
}

// Measures the selected runs. cells [n_records].
static fv_status measure_cells(const fv_experiment *experiment, const claim_plan *plan,
                               const fv_record *const *records, int n_records, cell *cells, int *n,
                               fv_divergence *diverged, fv_error *error) {
    *n = 0;
    bool several = false;
    for (int i = 0; i < n_records; i++) {
        const fv_config *config = records[i]->config;
        if (!claim_selects(plan, config)) continue;
        cell *c = &cells[(*n)++];
        c->seed = config->train.seed;
        fv_status status = place_run(experiment, plan, config, &c->along, error);
        if (status != FV_OK) return status;
        several |= c->along != cells[0].along;
        double value;
        status = measure_run(experiment, plan, records[i], &value, error);
        if (status != FV_OK) return status;
        c->value = claim_range_of(plan, value, records[i]);
        c->diverged_at = isnan(value) ? fv_record_diverged_at(records[i]) : -1;
        fv_divergence_add(diverged, records[i]);
    }
    if (*n == 0) return fail_empty(experiment, plan, error);
    if (plan->across != NULL && !several) return fail_alone(experiment, plan, error);
    claim_cells_sort(cells, *n);
    return FV_OK;
}

// The runs that are left out, or come with a later round, may be those that a claim speaks of.
static bool knows_all_runs(const fv_experiment *experiment) {
    return experiment->n_left_out == 0 && experiment->adaptive == NULL;
}

static fv_status rehearse(const claim_plan *plan, rehearsal *stage, fv_error *error) {
    const fv_experiment *experiment = stage->experiment;
    fv_config config, first;
    int n_selected = 0;
    bool several = false; // values of `across`
    double along, first_along = 0;
    for (int i = 0; i < fv_experiment_n_runs(experiment); i++) {
        fv_experiment_config(experiment, i, &config);
        if (!claim_selects(plan, &config)) continue;
        fv_status status = place_run(experiment, plan, &config, &along, error);
        if (status != FV_OK) return status;
        if (n_selected++ == 0) first = config, first_along = along;
        several |= along != first_along;
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
        claim_plan plan;
        status = claim_read(experiment, i, &plan, error);
        if (status == FV_OK) status = rehearse(&plan, &stage, error);
    }
    rehearsal_free(&stage);
    return status;
}

// The fields of the judgement that are text. Takes over what `measured` and `note` hold.
static fv_status set_texts(const fv_experiment *experiment, const claim_plan *plan,
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
        return fail_memory(experiment, error);
    return FV_OK;
}

// "not comparable: train.steps was changed; ", where the runs are not those of the file.
static fv_status note_changes(const fv_experiment *experiment, const claim_plan *plan,
                              text_buffer *note, fv_error *error) {
    text_buffer why = {0};
    fv_status status = comparable_find(experiment, plan, &why, error);
    if (status == FV_OK && why.n > 0) text_add(note, "not comparable: %s; ", why.data);
    note->failed |= why.failed;
    text_free(&why);
    return status;
}

// Overrides may leave a claim without its runs, or without what it measures of them: it is listed
// all the same. Where no override is to blame the `cause` is a mistake of the file.
static fv_status set_apart(const fv_experiment *experiment, const claim_plan *plan, int n_selected,
                           const fv_error *cause, fv_judgement *j, fv_error *error) {
    text_buffer why = {0}, measured = {0}, note = {0};
    fv_status status = FV_OK;
    if (n_selected > 0) status = comparable_find(experiment, plan, &why, error);
    if (status == FV_OK && why.n == 0) status = comparable_blame(experiment, &why, error);
    bool changed = why.n > 0;
    if (status == FV_OK && changed) {
        j->verdict = FV_NOT_COMPARABLE;
        j->median = j->lowest = j->highest = NAN;
        j->diverged = (fv_divergence){0};
        text_add(&measured, "none");
        text_add(&note, "not comparable: %s%s%s", why.data, *plan->note != '\0' ? ". " : "",
                 plan->note);
        note.failed |= why.failed;
        status = set_texts(experiment, plan, &measured, &note, j, error);
    }
    text_free(&why);
    return status == FV_OK && !changed ? fv_fail(error, cause->status, "%s", cause->text) : status;
}

static fv_status judge(const fv_experiment *experiment, int i, const fv_record *const *records,
                       int n_records, cell *cells, double *room, fv_judgement *j, fv_error *error) {
    claim_plan plan;
    int n;
    fv_status status = claim_read(experiment, i, &plan, error);
    if (status != FV_OK) return status;
    fv_error cause;
    status = measure_cells(experiment, &plan, records, n_records, cells, &n, &j->diverged, &cause);
    if (status == FV_USAGE) return set_apart(experiment, &plan, n, &cause, j, error);
    if (status != FV_OK) return fv_fail(error, status, "%s", cause.text);
    j->undecided = calloc((size_t)n, sizeof *j->undecided);
    if (j->undecided == NULL) return fail_memory(experiment, error);
    text_buffer measured = {0}, note = {0};
    status = note_changes(experiment, &plan, &note, error);
    if (status != FV_OK) return status;
    bool comparable = note.n == 0;
    n = claim_cells_reduce(plan.reduce, cells, n);
    if (plan.fit == FV_FIT_POWER) describe_power(cells, n, j, &measured);
    n = claim_cells_fit(plan.fit, cells, n);
    judge_seeds(&plan, cells, n, j, &note);
    if (!comparable) j->verdict = FV_NOT_COMPARABLE;
    claim_note_diverged(&j->diverged, &note);
    claim_note_left_out(experiment, &plan, &note);
    if (*plan.note != '\0') text_add(&note, ". %s", plan.note);
    if (plan.kind == FV_CLAIM_TREND)
        describe_trend(plan.across_field, cells, n, room, j, &measured);
    else if (plan.fit != FV_FIT_POWER)
        describe_values(cells, n, room, j, &measured);
    return set_texts(experiment, &plan, &measured, &note, j, error);
}

fv_status fv_claims_judge(const fv_experiment *experiment, const fv_record *const *records,
                          int n_records, fv_judgement **judgements, fv_error *error) {
    *judgements = NULL;
    if (record_check_configs(records, n_records, error) != FV_OK) return FV_USAGE;
    cell *cells = calloc((size_t)n_records + 1, sizeof *cells);
    double *room = calloc((size_t)n_records + 1, sizeof *room);
    fv_judgement *all = calloc((size_t)experiment->n_claims + 1, sizeof *all);
    fv_status status = FV_OK;
    if (!cells || !room || !all) status = fail_memory(experiment, error);
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
        free(judgements[i].undecided);
    }
    free(judgements);
}
