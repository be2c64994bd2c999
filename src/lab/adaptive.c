#include "lab/adaptive.h"

#include "config/record_config.h"
#include "lab/choose.h"
#include "lab/grid.h"
#include "lab/spread.h"
#include "lab/sweep.h"
#include "measures/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 8, MAX_POINTS = 1000000 };

struct fv_adaptive {
    char *measure;
    double threshold;
    int rounds, round;
    int n_axes;
    fv_axis axes[2]; // every value of the lattice, equal whole numbers more than once
    bool *chosen;    // [axes[0].n][axes[1].n]
};

// How many runs of a point there are that did not diverge, and how many of them reach the
// threshold.
typedef struct votes {
    int n, above;
} votes;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for an adaptive sweep");
}

// --- reading -----------------------------------------------------------------------------------

static const char *text_of(const yaml_value *mapping, const char *key) {
    const yaml_value *value = yaml_value_member(mapping, key);
    return value != NULL && value->kind == YAML_SCALAR ? value->scalar : "";
}

fv_status adaptive_read(const yaml_value *value, fv_adaptive **adaptive, fv_error *error) {
    static const char *const KEYS[] = {"measure", "threshold", "rounds", NULL};
    long long rounds;
    double threshold;
    fv_status status = FV_OK;
    if (value->kind == YAML_MAPPING) status = yaml_check_keys(value, KEYS, "adaptive", error);
    if (status != FV_OK) return status;
    if (value->kind != YAML_MAPPING || *text_of(value, "measure") == '\0' ||
        !text_to_real(text_of(value, "threshold"), &threshold) ||
        !text_to_int(text_of(value, "rounds"), &rounds) || rounds < 1 || rounds > MAX_ROUNDS)
        return fv_fail(error, FV_USAGE,
                       "adaptive must be like {measure: final(accuracy), threshold: 0.5, rounds: "
                       "3}, with 1 to %d rounds",
                       MAX_ROUNDS);
    fv_adaptive *a = *adaptive = calloc(1, sizeof *a);
    if (a == NULL || (a->measure = text_copy(text_of(value, "measure"))) == NULL)
        return no_memory(error);
    a->threshold = threshold;
    a->rounds = (int)rounds;
    return FV_OK;
}

void adaptive_free(fv_adaptive *a) {
    if (a == NULL) return;
    for (int i = 0; i < a->n_axes; i++) axis_free(&a->axes[i]);
    free(a->measure);
    free(a->chosen);
    free(a);
}

bool adaptive_has(const fv_adaptive *a, const fv_field *field) {
    for (int i = 0; a != NULL && i < a->n_axes; i++)
        if (a->axes[i].field == field) return true;
    return false;
}

fv_status adaptive_add_axis(fv_adaptive *a, const fv_field *field, const yaml_value *spaced,
                            fv_error *error) {
    if (a->n_axes == 2)
        return fv_fail(error, FV_USAGE,
                       "%s is a third field with evenly spaced values; an adaptive sweep refines "
                       "two, list the values of the others",
                       field->key);
    fv_axis *axis = &a->axes[a->n_axes++];
    *axis = (fv_axis){.field = field, .joint = true};
    return spread_lattice(axis, spaced, a->rounds, error);
}

fv_status adaptive_check_measure(const fv_adaptive *a, const fv_probe *const *probes, int n_probes,
                                 fv_error *error) {
    return fv_measure_check(a->measure, probes, n_probes, error);
}

// --- the lattice -------------------------------------------------------------------------------

static size_t at(const fv_adaptive *a, int i, int j) {
    return (size_t)i * (size_t)a->axes[1].n + (size_t)j;
}

static fv_status put_axis(const fv_adaptive *a, int which, const bool *chosen, fv_grid *grid,
                          fv_error *error) {
    const fv_axis *lattice = &a->axes[which];
    fv_axis axis = {.field = lattice->field, .joint = true};
    fv_status status = FV_OK;
    for (int i = 0; i < a->axes[0].n && status == FV_OK; i++)
        for (int j = 0; j < a->axes[1].n && status == FV_OK; j++)
            if (chosen == NULL || chosen[at(a, i, j)])
                status = axis_push(&axis, lattice->values[which ? j : i], error);
    if (status == FV_OK) status = grid_put(grid, &axis, error);
    axis_free(&axis);
    return status;
}

static fv_status put(const fv_adaptive *a, const bool *chosen, fv_grid *grid, fv_error *error) {
    fv_status status = put_axis(a, 0, chosen, grid, error);
    return status == FV_OK ? put_axis(a, 1, chosen, grid, error) : status;
}

fv_status adaptive_put_all(const fv_adaptive *a, fv_grid *grid, fv_error *error) {
    if (a->n_axes != 2)
        return fv_fail(error, FV_USAGE,
                       "adaptive: a sweep refines two fields with evenly spaced values, as in "
                       "model.n_embd: {from: 2, to: 64, steps: 5, scale: log}");
    if ((long long)a->axes[0].n * a->axes[1].n > MAX_POINTS)
        return fv_fail(error, FV_USAGE,
                       "adaptive: %d rounds can choose among more than %d points; take fewer "
                       "rounds or steps",
                       a->rounds, MAX_POINTS);
    return put(a, NULL, grid, error);
}

fv_status adaptive_begin(fv_adaptive *a, fv_grid *grid, fv_error *error) {
    int spacing = 1 << a->rounds;
    a->chosen = calloc((size_t)a->axes[0].n * (size_t)a->axes[1].n, sizeof *a->chosen);
    if (a->chosen == NULL) return no_memory(error);
    for (int i = 0; i < a->axes[0].n; i += spacing)
        for (int j = 0; j < a->axes[1].n; j += spacing) a->chosen[at(a, i, j)] = true;
    return put(a, a->chosen, grid, error);
}

// --- a round -----------------------------------------------------------------------------------

// The first place on the lattice of the run's value.
static int place_of(const fv_axis *axis, const fv_config *config) {
    char value[64];
    fv_config_get(config, axis->field, value, sizeof value);
    int i = 0;
    while (i < axis->n - 1 && strcmp(axis->values[i], value) != 0) i++;
    return i;
}

static fv_status count_votes(const fv_adaptive *a, const fv_record *const *records, int n,
                             votes *all, fv_error *error) {
    for (int r = 0; r < n; r++) {
        double value;
        fv_status status = fv_measure(a->measure, records[r], &value, error);
        if (status != FV_OK) return status;
        if (isnan(value) && records[r]->outcome == FV_OUTCOME_DIVERGED) continue;
        votes *v = &all[at(a, place_of(&a->axes[0], records[r]->config),
                           place_of(&a->axes[1], records[r]->config))];
        v->n++;
        v->above += isnan(value) || value >= a->threshold; // never is later than any step
    }
    return FV_OK;
}

// Points with the same rounded value share the runs of the first of them.
static int first_equal(const fv_axis *axis, int i) {
    while (i > 0 && strcmp(axis->values[i - 1], axis->values[i]) == 0) i--;
    return i;
}

static const votes *votes_of(const fv_adaptive *a, const votes *all, int i, int j) {
    return &all[at(a, first_equal(&a->axes[0], i), first_equal(&a->axes[1], j))];
}

// Whether the cell from (i, j) on has been run at all its corners and they disagree. A corner whose
// runs all diverged lies on neither side.
static bool is_split(const fv_adaptive *a, const votes *all, int i, int j, int spacing) {
    int n_above = 0, n_below = 0;
    for (int corner = 0; corner < 4; corner++) {
        int x = i + (corner & 1) * spacing, y = j + (corner >> 1) * spacing;
        if (!a->chosen[at(a, x, y)]) return false;
        const votes *v = votes_of(a, all, x, y);
        if (v->n > 0 && 2 * v->above >= v->n)
            n_above++;
        else if (v->n > 0)
            n_below++;
    }
    return n_above > 0 && n_below > 0;
}

// The nine points of a cell that is split; true where any is new.
static bool choose(const fv_adaptive *a, bool *chosen, int i, int j, int spacing) {
    bool grew = false;
    for (int x = i; x <= i + spacing; x += spacing / 2)
        for (int y = j; y <= j + spacing; y += spacing / 2) {
            grew |= !chosen[at(a, x, y)];
            chosen[at(a, x, y)] = true;
        }
    return grew;
}

static bool split_cells(fv_adaptive *a, const votes *all, bool *next) {
    int spacing = 1 << (a->rounds - a->round);
    bool grew = false;
    for (int i = 0; i + spacing < a->axes[0].n; i += spacing)
        for (int j = 0; j + spacing < a->axes[1].n; j += spacing)
            if (is_split(a, all, i, j, spacing)) grew |= choose(a, next, i, j, spacing);
    return grew;
}

fv_status fv_experiment_refine(fv_experiment *experiment, const fv_record *const *records,
                               bool *grew, fv_error *error) {
    fv_adaptive *a = experiment->adaptive;
    *grew = false;
    if (experiment->choose != NULL) return choose_best(experiment, records, grew, error);
    if (a == NULL || a->round == a->rounds) return FV_OK;
    if (record_check_configs(records, experiment->n_runs, error) != FV_OK) return FV_USAGE;
    size_t n_points = (size_t)a->axes[0].n * (size_t)a->axes[1].n;
    votes *all = calloc(n_points, sizeof *all);
    bool *next = malloc(n_points * sizeof *next);
    if (all == NULL || next == NULL) {
        free(all);
        free(next);
        return no_memory(error);
    }
    fv_status status = count_votes(a, records, experiment->n_runs, all, error);
    if (status == FV_OK) {
        memcpy(next, a->chosen, n_points * sizeof *next);
        *grew = split_cells(a, all, next);
        memcpy(a->chosen, next, n_points * sizeof *next);
        a->round++;
    }
    free(all);
    free(next);
    if (status != FV_OK || !*grew) return status;
    status = put(a, a->chosen, &experiment->grids[0], error);
    const fv_field *culprit;
    return status == FV_OK ? sweep_plan(experiment, &culprit, error) : status;
}
