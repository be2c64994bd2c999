// A claim puts runs together: all runs of a seed must agree, and `reduce` takes a mean of several;
// a heat map takes the mean over seeds. Such numbers can be compared between seeds and places only
// where they combine the same runs.
#include "study/warnings.h"

#include "claims/claim_plan.h"
#include "lab/grid.h"
#include "lab/sweep.h"
#include "lab/where.h"

#include <fovea/config.h>
#include <stdlib.h>
#include <string.h>

// The runs that a claim or figure selects, and the fields in which they may differ.
typedef struct selection {
    const fv_experiment *experiment;
    int n, *runs; // numbers in the sweep
    int n_swept;
    const fv_field **swept;
} selection;

// Runs fall into groups, and into members of a group by the value of one more field.
typedef struct sample {
    uint64_t group, member;
    int run; // number in the sweep
} sample;

// Two groups, each named by a run of it, and how many members they have.
typedef struct contrast {
    bool found, varies; // the members are not the same; a group has several
    int run[2], n[2];
} contrast;

static int compare(const void *a, const void *b) {
    const sample *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    if (x->member != y->member) return x->member < y->member ? -1 : 1;
    return x->run - y->run;
}

// Compares every group's members, from items that are sorted, with those of the first group.
static contrast compare_groups(const sample *items, int n) {
    contrast c = {0};
    uint64_t first_set = 0;
    for (int i = 0, end; i < n; i = end) {
        uint64_t set = 0;
        int n_members = 0;
        for (end = i; end < n && items[end].group == items[i].group; end++) {
            if (end > i && items[end].member == items[end - 1].member) continue;
            set += items[end].member;
            n_members++;
        }
        c.varies |= n_members > 1;
        if (i == 0) {
            first_set = set;
            c.run[0] = items[i].run;
            c.n[0] = n_members;
        } else if (set != first_set && !c.found) {
            c.found = true;
            c.run[1] = items[i].run;
            c.n[1] = n_members;
        }
    }
    return c;
}

// Groups by the `n` fields of `group`.
static fv_status contrast_groups(const selection *s, const fv_field *const *group, int n,
                                 const fv_field *member, contrast *c, fv_error *error) {
    sample *items = calloc((size_t)s->n + 1, sizeof *items);
    if (items == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < s->n; i++) {
        fv_config config;
        fv_experiment_config(s->experiment, s->runs[i], &config);
        items[i] =
            (sample){TEXT_HASH_START, sweep_hash(TEXT_HASH_START, &config, &member, 1), s->runs[i]};
        items[i].group = sweep_hash(items[i].group, &config, group, n);
    }
    qsort(items, (size_t)s->n, sizeof *items, compare);
    *c = compare_groups(items, s->n);
    free(items);
    return FV_OK;
}

// "20 where task.context_length is 4, 10 where it is 100": by the first of the fields in which the
// two differ.
static void add_contrast(const selection *s, const contrast *c, const fv_field *const *fields,
                         int n, text_buffer *text) {
    fv_config configs[2];
    for (int i = 0; i < 2; i++) fv_experiment_config(s->experiment, c->run[i], &configs[i]);
    for (int f = 0; f < n; f++) {
        char values[2][512];
        for (int i = 0; i < 2; i++)
            fv_config_get(&configs[i], fields[f], values[i], sizeof values[i]);
        if (strcmp(values[0], values[1]) == 0) continue;
        text_add(text, "%d where %s is %s, %d%s where it is %s", c->n[0], fields[f]->key, values[0],
                 c->n[1], c->n[0] == c->n[1] ? " others" : "", values[1]);
        return;
    }
}

// The seeds of every setting must be those of the others.
static fv_status find_seeds(const selection *s, const char *whose, const char *consequence,
                            text_buffer *text, fv_error *error) {
    const fv_field *seed = fv_field_find("train.seed");
    const fv_field **others = calloc((size_t)s->n_swept + 1, sizeof *others);
    if (others == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    int n = 0;
    for (int f = 0; f < s->n_swept; f++)
        if (s->swept[f] != seed) others[n++] = s->swept[f];
    contrast c;
    fv_status status = contrast_groups(s, others, n, seed, &c, error);
    if (status == FV_OK && c.found) {
        text_add(text, "%s: its runs have different seeds, ", whose);
        add_contrast(s, &c, others, n, text);
        text_add(text, "; %s", consequence);
    }
    free(others);
    return status;
}

// What `reduce` puts together at one place of one seed.
static fv_status find_reduced(const selection *s, const claim_plan *plan, text_buffer *text,
                              fv_error *error) {
#define WORD(name, text) text,
    static const char *const words[] = {"", FV_REDUCE_LIST(WORD)};
#undef WORD
    const fv_field *group[] = {plan->across_field, fv_field_find("train.seed")};
    if (plan->across_field == NULL) return FV_OK; // a measure puts together what its author chose
    fv_status status = FV_OK;
    for (int f = 0; f < s->n_swept && status == FV_OK && text->n == 0; f++) {
        contrast c;
        if (s->swept[f] == group[0] || s->swept[f] == group[1]) continue;
        status = contrast_groups(s, group, 2, s->swept[f], &c, error);
        if (status != FV_OK || !c.found || !c.varies) continue;
        text_add(text, "claim: 'reduce' takes the %s over different values of %s, ",
                 words[plan->reduce], s->swept[f]->key);
        add_contrast(s, &c, group, 2, text);
    }
    return status;
}

// Those that the options' `where` picks.
static fv_status select_runs(const fv_experiment *experiment, const fv_options *options,
                             selection *s, fv_error *error) {
    int n_fields, n = warnings_n_runs(experiment);
    const fv_field *fields = fv_fields(&n_fields);
    *s = (selection){.experiment = experiment};
    s->runs = calloc((size_t)n + 1, sizeof *s->runs);
    s->swept = calloc((size_t)n_fields, sizeof *s->swept);
    if (s->runs == NULL || s->swept == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) {
        fv_config config;
        fv_experiment_config(experiment, i, &config);
        if (where_selects(options, "where.", &config)) s->runs[s->n++] = i;
    }
    for (int f = 0; f < n_fields; f++) {
        bool swept = false;
        for (int g = 0; g < experiment->n_grids; g++)
            swept |= grid_axis(&experiment->grids[g], &fields[f]) != NULL;
        if (swept) s->swept[s->n_swept++] = &fields[f];
    }
    return FV_OK;
}

// What an adaptive sweep comes to run, and what lies beyond a part of the sweep, is not known.
static bool knows_runs(const fv_experiment *experiment) {
    return experiment->adaptive == NULL && experiment->n_runs <= WARNINGS_MAX_RUNS;
}

fv_status samples_of_claim(const fv_experiment *experiment, int i, text_buffer *text,
                           fv_error *error) {
    claim_plan plan;
    selection s;
    if (!knows_runs(experiment)) return FV_OK;
    fv_status status = claim_read(experiment, i, &plan, error);
    if (status != FV_OK) return status;
    status = select_runs(experiment, plan.options, &s, error);
    if (status == FV_OK)
        status = find_seeds(&s, "claim", "a seed is judged by the runs that it has", text, error);
    if (status == FV_OK && text->n == 0 && plan.reduce != FV_REDUCE_NONE)
        status = find_reduced(&s, &plan, text, error);
    free(s.runs);
    free(s.swept);
    return status;
}

fv_status samples_of_figure(const fv_experiment *experiment, int i, text_buffer *text,
                            fv_error *error) {
    const fv_options *figure = &experiment->figures[i];
    const char *reduce = fv_options_text(figure, "reduce", "median");
    selection s;
    if (!knows_runs(experiment) || strcmp(reduce, "median") == 0) return FV_OK;
    fv_status status = select_runs(experiment, figure, &s, error);
    if (status == FV_OK)
        status =
            find_seeds(&s, "figure", "its cells are over different numbers of runs", text, error);
    free(s.runs);
    free(s.swept);
    return status;
}
