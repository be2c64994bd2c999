#include "served/length.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double spare = 1.05;     // of estimated lengths
static const double headroom = 0.995; // of counted ones, for the samples that cost more
enum { PROBE_BYTES = 6000 };          // of the longer prompt that tells the slope of an estimate

// --- one search --------------------------------------------------------------------------------

int length_search_start(length_search *s, const length_rule *rule) {
    *s = (length_search){.budget = rule->budget,
                         .least = rule->least,
                         .per_unit = rule->per_unit,
                         .near = 0.02,
                         .most_counts = 8};
    return rule->n_units;
}

static bool is_done(const length_search *s) {
    int left = s->budget - s->tokens;
    if (s->n_units == 0) return s->over > 0 && s->over <= s->least;
    return left < s->per_unit || left <= s->near * s->budget || s->over == s->n_units + 1 ||
           s->n_counts >= s->most_counts;
}

// Between two counts along their line; beyond one of them by what a unit costs.
static int next_units(const length_search *s) {
    if (s->n_units > 0 && s->over > 0) {
        double rise = fmax(1, s->tokens_over - s->tokens);
        double step = (double)(s->budget - s->tokens) * (s->over - s->n_units) / rise;
        int next = s->n_units + (int)fmax(1, fmin(step, 1e8));
        return next < s->over ? next : s->over - 1;
    }
    if (s->n_units > 0)
        return s->n_units + (int)fmax(1, fmin((s->budget - s->tokens) / s->per_unit, 1e8));
    if (s->n_counts >= s->most_counts) return s->least;
    double step = ceil((s->tokens_over - s->budget) / s->per_unit);
    int next = s->over - (int)fmax(1, fmin(step, 1e8));
    return next > s->least ? next : s->least;
}

int length_search_next(length_search *s, int units, int tokens) {
    bool fits = tokens <= s->budget;
    int from = fits ? s->n_units : s->over, from_tokens = fits ? s->tokens : s->tokens_over;
    s->n_counts++;
    // What a prompt must have may fill these units, too: then they cost nothing more.
    if (from > 0 && units != from)
        s->per_unit = tokens != from_tokens
                          ? fmax(0.01, (double)(tokens - from_tokens) / (units - from))
                          : s->per_unit / 16;
    if (fits) {
        s->n_units = units;
        s->tokens = tokens;
    } else {
        s->over = units;
        s->tokens_over = tokens;
    }
    return is_done(s) ? 0 : next_units(s);
}

// --- the rule of a task ------------------------------------------------------------------------

typedef struct fitter {
    token_counter *counter;
    const served_task *task;
    const served_source *source;
    served_sample_place place;
    prompt prompt;
    length_rule *rule;
} fitter;

static fv_status build(fitter *f, int n_units, prompt *p, fv_error *error) {
    f->place.n_units = n_units;
    prompt_clear(p);
    return f->task->build(f->task, f->source, &f->place, p, error);
}

// A prompt that is long enough to tell what a byte costs, and no longer than fits for certain.
static fv_status build_longer(fitter *f, size_t n_least, prompt *longer, fv_error *error) {
    enum { FEW = 8 };
    int least = f->task->least_units;
    fv_status status = build(f, least + FEW, longer, error);
    if (status != FV_OK) return status;
    double per_unit = fmax(1, ((double)longer->n_raw - (double)n_least) / FEW);
    double bytes = fmin(PROBE_BYTES, f->place.length);
    return build(f, least + (int)fmax(FEW, bytes / per_unit), longer, error);
}

static fv_status make_counting(fitter *f, fv_error *error) {
    prompt longer = {0};
    bool line = f->rule->fits && f->counter->http != NULL && !tokens_way_counts(f->counter->way);
    fv_status status = build(f, f->rule->least, &f->prompt, error);
    if (status == FV_OK && line) status = build_longer(f, f->prompt.n_raw, &longer, error);
    if (status == FV_OK)
        status =
            tokens_rule_make(f->counter, &f->prompt, line ? &longer : NULL, &f->rule->count, error);
    prompt_free(&longer);
    if (status == FV_OK)
        status = tokens_count(f->counter, &f->rule->count, &f->prompt, &f->rule->tokens, error);
    return status;
}

bool length_rule_is_sure(const length_rule *r) {
    return tokens_way_counts(r->count.way) && r->count.added_known;
}

static fv_status too_short(const fitter *f, int max_tokens, fv_error *error) {
    const length_rule *r = f->rule;
    int needed = length_rule_is_sure(r) ? r->tokens : (int)ceil(r->tokens * spare) + 1;
    return fv_fail(error, FV_USAGE,
                   "length %d is below what %s needs: %d tokens of prompt and %d of answer; use %d "
                   "or more",
                   f->place.length, f->task->name, r->tokens, max_tokens, needed + max_tokens);
}

// From the shortest prompt, whose tokens are known, by a few short ones to the budget.
static fv_status search(fitter *f, fv_error *error) {
    enum { FIRST = 8 };
    length_rule *r = f->rule;
    length_search s = {.budget = (int)(r->budget * headroom),
                       .least = r->least,
                       .n_units = r->least,
                       .tokens = r->tokens,
                       .per_unit = fmax(1, r->tokens / 8.0),
                       .near = 0.005,
                       .most_counts = 12};
    fv_status status = FV_OK;
    int next = is_done(&s) ? 0 : next_units(&s);
    if (next > r->least + FIRST) next = r->least + FIRST; // a short prompt tells the slope
    while (next > 0 && status == FV_OK) {
        int tokens;
        status = build(f, next, &f->prompt, error);
        if (status == FV_OK)
            status = tokens_count(f->counter, &r->count, &f->prompt, &tokens, error);
        if (status == FV_OK) next = length_search_next(&s, next, tokens);
    }
    r->per_unit = s.n_units > r->least
                      ? fmax(0.01, (double)(s.tokens - r->tokens) / (s.n_units - r->least))
                      : s.per_unit;
    r->n_units = s.n_units;
    r->tokens = s.tokens;
    return status;
}

fv_status length_rule_make(token_counter *counter, const served_task *task,
                           const served_source *source, int max_tokens,
                           const served_sample_place *place, length_rule *rule, fv_error *error) {
    fitter f = {counter, task, source, *place, {0}, rule};
    f.place.depth = task->has_depth ? 50 : NAN;
    f.place.sample = 0;
    *rule = (length_rule){.fits = served_task_fits(task), .per_unit = 1};
    rule->least = rule->n_units = rule->fits ? task->least_units : place->length;
    fv_status status = make_counting(&f, error);
    rule->budget = place->length - max_tokens;
    if (!length_rule_is_sure(rule)) rule->budget = (int)(rule->budget / spare);
    if (status == FV_OK && rule->fits && rule->tokens > rule->budget)
        status = too_short(&f, max_tokens, error);
    else if (status == FV_OK && rule->fits)
        status = search(&f, error);
    prompt_free(&f.prompt);
    return status;
}

void length_rule_free(length_rule *rule) {
    tokens_rule_free(&rule->count);
    *rule = (length_rule){0};
}

// --- one prompt --------------------------------------------------------------------------------

fv_status length_build(token_counter *counter, const length_rule *rule, const served_task *task,
                       const served_source *source, served_sample_place *place, prompt *p,
                       int *tokens, fv_error *error) {
    length_search s;
    int next = length_search_start(&s, rule);
    fv_status status = FV_OK;
    do {
        place->n_units = next;
        prompt_clear(p);
        status = task->build(task, source, place, p, error);
        if (status == FV_OK) status = tokens_count(counter, &rule->count, p, tokens, error);
        if (status == FV_OK) next = rule->fits ? length_search_next(&s, next, *tokens) : 0;
    } while (status == FV_OK && next > 0);
    if (status != FV_OK || !rule->fits) return status;
    if (s.n_units == 0) {
        place->n_units = 0;
        return FV_OK;
    }
    *tokens = s.tokens;
    if (place->n_units == s.n_units) return FV_OK;
    place->n_units = s.n_units;
    prompt_clear(p);
    return task->build(task, source, place, p, error);
}
