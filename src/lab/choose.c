#include "lab/choose.h"

#include "base/text.h"
#include "config/record_config.h"
#include "lab/grid.h"
#include "lab/sweep.h"
#include "measures/measure.h"

#include <fovea/config.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct arm {
    uint64_t hash;
    int value; // number of the chosen one
    int place; // of its first run in the sweep
} arm;

struct fv_choose {
    const fv_field *field;
    fv_axis values, seeds;
    char *measure;
    bool highest;
    const fv_field **others; // [n_others]: what tells arms apart
    int n_others;
    arm *arms; // [n_arms], sorted by hash
    int n_arms;
    fv_grid *own; // [n_own] of the experiment, while its grids try the values; else NULL
    int n_own;
};

// One run of a value that is tried.
typedef struct trial {
    uint64_t arm;
    int value, place;
    double measure; // lower is better; INFINITY for no value
} trial;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

// --- reading -----------------------------------------------------------------------------------

static fv_status refuse(fv_error *error) {
    return fv_fail(error, FV_USAGE,
                   "choose must be like {train.learning_rate: [1e-3, 3e-3], seeds: 100..102, "
                   "measure: final(loss), best: lowest}");
}

static fv_status read_values(fv_choose *c, const yaml_value *value, fv_error *error) {
    bool is_axis;
    c->field = fv_field_find(value->key);
    if (c->field == NULL)
        return fv_fail(error, FV_USAGE, "choose: there is no field '%.100s'; the nearest is '%s'",
                       value->key, fv_field_nearest(value->key));
    if (strcmp(c->field->key, "train.seed") == 0)
        return fv_fail(error, FV_USAGE, "choose: a seed is no setting to be chosen");
    fv_status status = axis_read(c->field, value, &c->values, &is_axis, error);
    if (status == FV_OK && c->values.n < 2)
        status = fv_fail(error, FV_USAGE, "choose: %s has one value; give several to choose from",
                         c->field->key);
    return status;
}

static fv_status read_member(fv_choose *c, const yaml_value *value, fv_error *error) {
    bool is_scalar = value->kind == YAML_SCALAR, is_axis;
    if (strcmp(value->key, "seeds") == 0)
        return axis_read(fv_field_find("train.seed"), value, &c->seeds, &is_axis, error);
    if (strcmp(value->key, "measure") == 0 && is_scalar && *value->scalar != '\0') {
        c->measure = text_copy(value->scalar);
        return c->measure != NULL ? FV_OK : no_memory(error);
    }
    if (strcmp(value->key, "best") == 0 && is_scalar &&
        (strcmp(value->scalar, "lowest") == 0 || strcmp(value->scalar, "highest") == 0)) {
        c->highest = strcmp(value->scalar, "highest") == 0;
        return FV_OK;
    }
    if (strchr(value->key, '.') == NULL) return refuse(error);
    if (c->field != NULL)
        return fv_fail(error, FV_USAGE, "choose: %s is a second field; one is chosen", value->key);
    return read_values(c, value, error);
}

fv_status choose_read(const yaml_value *value, fv_choose **choose, fv_error *error) {
    int n;
    const fv_field *fields = fv_fields(&n);
    fv_choose *c = *choose = calloc(1, sizeof *c);
    if (c == NULL || (c->others = calloc((size_t)n, sizeof *c->others)) == NULL)
        return no_memory(error);
    if (value->kind != YAML_MAPPING) return refuse(error);
    fv_status status = FV_OK;
    for (int i = 0; i < value->n && status == FV_OK; i++)
        status = read_member(c, &value->items[i], error);
    if (status != FV_OK) return status;
    if (c->field == NULL || c->seeds.n == 0 || c->measure == NULL) return refuse(error);
    for (int i = 0; i < n; i++)
        if (&fields[i] != c->field && strcmp(fields[i].key, "train.seed") != 0)
            c->others[c->n_others++] = &fields[i];
    return FV_OK;
}

bool choose_has(const fv_choose *c, const fv_field *field) {
    return c != NULL && c->field == field;
}

const fv_field *choose_field(const fv_choose *c) {
    return c != NULL ? c->field : NULL;
}

// --- arms --------------------------------------------------------------------------------------

static uint64_t arm_of(const fv_choose *c, const fv_config *config) {
    return sweep_hash(TEXT_HASH_START, config, c->others, c->n_others);
}

static int by_hash(const void *a, const void *b) {
    const arm *p = a, *q = b;
    return (p->hash > q->hash) - (p->hash < q->hash);
}

void choose_settle(const fv_choose *c, fv_config *config) {
    if (c == NULL || c->own != NULL) return;
    int value = 0;
    if (c->n_arms > 0) {
        const arm key = {.hash = arm_of(c, config)};
        const arm *found = bsearch(&key, c->arms, (size_t)c->n_arms, sizeof key, by_hash);
        if (found != NULL) value = found->value;
    }
    fv_config_set(config, c->field->key, c->values.values[value], NULL);
}

// --- the runs that try the values --------------------------------------------------------------

static void free_grids(fv_grid *grids, int n) {
    for (int g = 0; grids != NULL && g < n; g++) grid_free(&grids[g]);
    free(grids);
}

void choose_free(fv_choose *c) {
    if (c == NULL) return;
    free_grids(c->own, c->n_own);
    axis_free(&c->values);
    axis_free(&c->seeds);
    free(c->measure);
    free(c->others);
    free(c->arms);
    free(c);
}

static fv_status put_copy(const fv_axis *axis, fv_grid *grid, fv_error *error) {
    fv_axis copy;
    fv_status status = axis_copy(axis, &copy, error);
    if (status == FV_OK) status = grid_put(grid, &copy, error);
    axis_free(&copy);
    return status;
}

static fv_status try_values(const fv_choose *c, const fv_grid *own, fv_grid *grid,
                            fv_error *error) {
    fv_status status = FV_OK;
    for (int a = 0; a < own->n_axes && status == FV_OK; a++)
        if (own->axes[a].field != c->seeds.field || !own->axes[a].joint)
            status = put_copy(&own->axes[a], grid, error);
    if (status == FV_OK) status = put_copy(&c->values, grid, error);
    if (status == FV_OK) status = put_copy(&c->seeds, grid, error);
    return status;
}

static fv_status restore(fv_experiment *experiment, fv_error *error) {
    const fv_field *culprit;
    fv_choose *c = experiment->choose;
    free_grids(experiment->grids, experiment->n_grids);
    experiment->grids = c->own;
    c->own = NULL;
    return sweep_plan(experiment, &culprit, error);
}

fv_status fv_experiment_try(fv_experiment *experiment, fv_error *error) {
    const fv_field *culprit;
    fv_choose *c = experiment->choose;
    if (c == NULL || c->own != NULL || c->n_arms > 0) return FV_OK;
    fv_grid *grids = calloc((size_t)experiment->n_grids, sizeof *grids);
    if (grids == NULL) return no_memory(error);
    fv_status status = FV_OK;
    for (int g = 0; g < experiment->n_grids && status == FV_OK; g++)
        status = try_values(c, &experiment->grids[g], &grids[g], error);
    if (status != FV_OK) {
        free_grids(grids, experiment->n_grids);
        return status;
    }
    c->own = experiment->grids;
    c->n_own = experiment->n_grids;
    experiment->grids = grids;
    return sweep_plan(experiment, &culprit, error);
}

static fv_status check_seeds(const fv_experiment *experiment, fv_error *error) {
    const fv_choose *c = experiment->choose;
    for (int i = 0; i < experiment->n_runs; i++) {
        fv_config config;
        char seed[32];
        fv_experiment_config(experiment, i, &config);
        fv_config_get(&config, c->seeds.field, seed, sizeof seed);
        for (int s = 0; s < c->seeds.n; s++)
            if (strcmp(c->seeds.values[s], seed) == 0)
                return fv_fail(error, FV_USAGE,
                               "choose: seed %s is judged too; choose on seeds that the sweep does "
                               "not have, as in seeds: 100..102",
                               seed);
    }
    return FV_OK;
}

fv_status choose_check(fv_experiment *experiment, fv_error *error) {
    const fv_choose *c = experiment->choose;
    for (int g = 0; g < experiment->n_grids; g++)
        if (grid_axis(&experiment->grids[g], c->field) != NULL)
            return fv_fail(error, FV_USAGE,
                           "choose: %s is swept, too; leave it to `choose` or to the sweep",
                           c->field->key);
    fv_status status =
        fv_measure_check(c->measure, experiment->probes, experiment->n_probes, error);
    if (status == FV_OK) status = check_seeds(experiment, error);
    if (status == FV_OK) status = fv_experiment_try(experiment, error);
    if (c->own == NULL) return status;
    fv_status restored = restore(experiment, status == FV_OK ? error : NULL);
    return status != FV_OK ? status : restored;
}

// --- the choice --------------------------------------------------------------------------------

static fv_status measure_trial(const fv_choose *c, const fv_record *record, double *value,
                               fv_error *error) {
    fv_status status = fv_measure(c->measure, record, value, error);
    bool unknown = isnan(*value) || record->outcome == FV_OUTCOME_DIVERGED;
    if (status == FV_OK) *value = unknown ? INFINITY : c->highest ? -*value : *value;
    return status;
}

static int by_arm(const void *a, const void *b) {
    const trial *p = a, *q = b;
    if (p->arm != q->arm) return p->arm < q->arm ? -1 : 1;
    if (p->value != q->value) return p->value - q->value;
    return (p->measure > q->measure) - (p->measure < q->measure);
}

static double median(const trial *trials, int n) {
    double a = trials[(n - 1) / 2].measure, b = trials[n / 2].measure;
    return a == b ? a : (a + b) / 2;
}

// Of an arm's trials, sorted by value.
static arm choose_value(const trial *trials, int n) {
    arm best = {trials[0].arm, trials[0].value, trials[0].place};
    double lowest = INFINITY;
    for (int i = 0, end; i < n; i = end) {
        for (end = i; end < n && trials[end].value == trials[i].value; end++)
            if (trials[end].place < best.place) best.place = trials[end].place;
        double here = median(trials + i, end - i);
        if (here >= lowest) continue;
        lowest = here;
        best.value = trials[i].value;
    }
    return best;
}

static int value_of(const fv_choose *c, const fv_config *config) {
    char value[FV_VALUE_SIZE];
    fv_config_get(config, c->field, value, sizeof value);
    int i = 0;
    while (i < c->values.n - 1 && strcmp(c->values.values[i], value) != 0) i++;
    return i;
}

static fv_status find_best(fv_experiment *experiment, const fv_record *const *records,
                           trial *trials, fv_error *error) {
    fv_choose *c = experiment->choose;
    int n = experiment->n_runs;
    for (int i = 0; i < n; i++) {
        const fv_config *config = records[i]->config;
        trials[i] = (trial){.arm = arm_of(c, config), .value = value_of(c, config), .place = i};
        fv_status status = measure_trial(c, records[i], &trials[i].measure, error);
        if (status != FV_OK) return status;
    }
    qsort(trials, (size_t)n, sizeof *trials, by_arm);
    c->arms = calloc((size_t)n + 1, sizeof *c->arms);
    if (c->arms == NULL) return no_memory(error);
    for (int i = 0, end; i < n; i = end) {
        for (end = i; end < n && trials[end].arm == trials[i].arm; end++) {
        }
        c->arms[c->n_arms++] = choose_value(trials + i, end - i);
    }
    return FV_OK;
}

fv_status choose_best(fv_experiment *experiment, const fv_record *const *records, bool *grew,
                      fv_error *error) {
    fv_choose *c = experiment->choose;
    *grew = false;
    if (c->own == NULL) return FV_OK;
    if (record_check_configs(records, experiment->n_runs, error) != FV_OK) return FV_USAGE;
    trial *trials = calloc((size_t)experiment->n_runs + 1, sizeof *trials);
    fv_status status =
        trials != NULL ? find_best(experiment, records, trials, error) : no_memory(error);
    free(trials);
    *grew = status == FV_OK;
    fv_status restored = restore(experiment, status == FV_OK ? error : NULL);
    return status != FV_OK ? status : restored;
}

// --- what was chosen ---------------------------------------------------------------------------

// Whether another arm has another value of the field.
static bool differs(const fv_experiment *experiment, const fv_field *field) {
    char first[FV_VALUE_SIZE] = "", value[FV_VALUE_SIZE];
    for (int i = 0; i < experiment->n_runs; i++) {
        fv_config config;
        fv_experiment_config(experiment, i, &config);
        fv_config_get(&config, field, i == 0 ? first : value, sizeof value);
        if (i > 0 && strcmp(first, value) != 0) return true;
    }
    return false;
}

static const char *end_of_values(const fv_choose *c, int value) {
    bool number = c->field->type == FV_TYPE_INT || c->field->type == FV_TYPE_REAL;
    return number && (value == 0 || value == c->values.n - 1) ? ", at the end of those tried" : "";
}

static void say_arm(const fv_choose *c, const fv_config *config, const fv_field *const *fields,
                    int n, text_buffer *text) {
    int value = value_of(c, config);
    text_add(text, "%s %s%s", c->field->key, c->values.values[value], end_of_values(c, value));
    for (int f = 0; f < n; f++) {
        char of[FV_VALUE_SIZE];
        fv_config_get(config, fields[f], of, sizeof of);
        text_add(text, "%s%s %s", f == 0 ? " where " : ", ", fields[f]->key, of);
    }
}

static fv_status say_arms(const fv_experiment *experiment, const fv_field **fields, int n_fields,
                          bool *told, fv_say say, void *context, fv_error *error) {
    const fv_choose *c = experiment->choose;
    for (int i = 0; i < experiment->n_runs; i++) {
        fv_config config;
        fv_experiment_config(experiment, i, &config);
        const arm key = {.hash = arm_of(c, &config)};
        const arm *found = bsearch(&key, c->arms, (size_t)c->n_arms, sizeof key, by_hash);
        if (found == NULL || told[found - c->arms]) continue;
        told[found - c->arms] = true;
        text_buffer text = {0};
        say_arm(c, &config, fields, n_fields, &text);
        if (!text.failed) say(context, text.data);
        bool failed = text.failed;
        text_free(&text);
        if (failed) return no_memory(error);
    }
    return FV_OK;
}

fv_status fv_experiment_choices(const fv_experiment *experiment, fv_say say, void *context,
                                fv_error *error) {
    const fv_choose *c = experiment->choose;
    if (c == NULL || c->n_arms == 0) return FV_OK;
    const fv_field **fields = calloc((size_t)c->n_others, sizeof *fields);
    bool *told = calloc((size_t)c->n_arms, sizeof *told);
    fv_status status = fields != NULL && told != NULL ? FV_OK : no_memory(error);
    int n = 0;
    for (int f = 0; f < c->n_others && status == FV_OK; f++)
        if (sweep_has(experiment, c->others[f]) && differs(experiment, c->others[f]))
            fields[n++] = c->others[f];
    if (status == FV_OK) status = say_arms(experiment, fields, n, told, say, context, error);
    free(fields);
    free(told);
    return status;
}

void fv_experiment_choice_rule(const fv_experiment *experiment, char *text, size_t size) {
    const fv_choose *c = experiment->choose;
    *text = '\0';
    if (c == NULL) return;
    size_t used = (size_t)snprintf(text, size, "%s of each arm: of", c->field->key);
    for (int i = 0; i < c->values.n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s %s", i > 0 ? "," : "",
                                 c->values.values[i]);
    if (used < size)
        used += (size_t)snprintf(text + used, size - used,
                                 " the one with the %s median of %s over seeds",
                                 c->highest ? "highest" : "lowest", c->measure);
    for (int i = 0; i < c->seeds.n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s %s", i > 0 ? "," : "",
                                 c->seeds.values[i]);
    if (used < size) snprintf(text + used, size - used, ", which are not judged");
}
