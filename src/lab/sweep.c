// Grids may overlap, and a list may name a value twice; a configuration that stands in a sweep
// twice is still one run. Optional runs that nobody asked for are left out. All points are walked
// once, to check each and to hash the fields that the sweep touches; equal hashes are one run. The
// walk sets one field per point, not all of them, so that ten million points take seconds.
#include "lab/sweep.h"

#include "config/config_check.h"
#include "config/config_readers.h"
#include "lab/choose.h"
#include "lab/grid.h"
#include "lab/origin.h"
#include "lab/where.h"
#include "tasks/file.h"

#include <stdlib.h>

typedef struct point {
    uint64_t hash;
    int place; // in the product of all grids
    bool left_out;
} point;

typedef struct walk {
    const fv_experiment *experiment;
    const fv_grid *grid;
    const fv_field **swept; // fields of any axis of any grid
    int n_swept;
    point *points; // [n]
    int n;
    const fv_field **culprit;
    fv_error *error;
} walk;

uint64_t sweep_hash(uint64_t hash, const fv_config *config, const fv_field *const *fields, int n) {
    for (int i = 0; i < n; i++) {
        char value[FV_VALUE_SIZE];
        fv_config_get(config, fields[i], value, sizeof value);
        hash = text_hash(text_hash(hash, value), "\n");
    }
    return hash;
}

static fv_status add_point(walk *w, const fv_config *config) {
    const fv_experiment *e = w->experiment;
    fv_config settled = *config; // the next point settles its own
    config_settle_length(&settled.task);
    fv_status status = file_settle(&settled, w->error);
    if (status != FV_OK) {
        *w->culprit = fv_field_find("task.path");
        return status;
    }
    status = origin_settle(&settled, w->error);
    if (status != FV_OK) {
        *w->culprit = fv_field_find("train.from");
        return status;
    }
    bool left_out = e->optional.n > 0 && !e->complete && where_selects(&e->optional, "", &settled);
    uint64_t hash = sweep_hash(TEXT_HASH_START, &settled, w->swept, w->n_swept);
    w->points[w->n] = (point){hash, w->n, left_out};
    w->n++;
    status = config_check(&settled, w->culprit, w->error);
    return status == FV_OK ? origin_check(&settled, w->culprit, w->error) : status;
}

// Visits every point of the axes from `axis` on; joint axes are set already.
static fv_status visit(walk *w, int axis, const fv_config *config) {
    if (axis == w->grid->n_axes) return add_point(w, config);
    const fv_axis *a = &w->grid->axes[axis];
    if (a->joint) return visit(w, axis + 1, config);
    fv_config here = *config;
    fv_status status = FV_OK;
    for (int i = 0; i < a->n && status == FV_OK; i++) {
        status = fv_config_set(&here, a->field->key, a->values[i], w->error);
        if (status == FV_OK) status = visit(w, axis + 1, &here);
    }
    return status;
}

static fv_status visit_grid(walk *w, const fv_config *base) {
    fv_status status = FV_OK;
    for (int i = 0; i < grid_joint_size(w->grid) && status == FV_OK; i++) {
        fv_config here = *base;
        for (int a = 0; a < w->grid->n_axes && status == FV_OK; a++) {
            const fv_axis *axis = &w->grid->axes[a];
            if (axis->joint)
                status = fv_config_set(&here, axis->field->key, axis->values[i], w->error);
        }
        if (status == FV_OK) status = visit(w, 0, &here);
    }
    return status;
}

bool sweep_has(const fv_experiment *experiment, const fv_field *field) {
    for (int g = 0; g < experiment->n_grids; g++)
        if (grid_axis(&experiment->grids[g], field) != NULL) return true;
    return false;
}

// The fields of all axes, each once; NULL without memory.
static const fv_field **find_swept(const fv_experiment *experiment, int *n_swept) {
    int n;
    const fv_field *fields = fv_fields(&n);
    const fv_field **swept = calloc((size_t)n, sizeof *swept);
    *n_swept = 0;
    for (int i = 0; swept != NULL && i < n; i++)
        if (sweep_has(experiment, &fields[i])) swept[(*n_swept)++] = &fields[i];
    return swept;
}

static int by_hash(const void *a, const void *b) {
    const point *p = a, *q = b;
    if (p->hash != q->hash) return p->hash < q->hash ? -1 : 1;
    return (p->place > q->place) - (p->place < q->place);
}

static int by_place(const void *a, const void *b) {
    const point *p = a, *q = b;
    return (p->place > q->place) - (p->place < q->place);
}

// Keeps the first of equal points, in their order; returns how many remain.
static int keep_distinct(point *points, int n) {
    qsort(points, (size_t)n, sizeof *points, by_hash);
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (i == 0 || points[i].hash != points[i - 1].hash) points[kept++] = points[i];
    qsort(points, (size_t)kept, sizeof *points, by_place);
    return kept;
}

// The places of the points that are left out, or of the others.
static int *list_places(const point *points, int n, bool left_out, int *n_places) {
    int *places = calloc(n > 0 ? (size_t)n : 1, sizeof *places);
    *n_places = 0;
    for (int i = 0; places != NULL && i < n; i++)
        if (points[i].left_out == left_out) places[(*n_places)++] = points[i].place;
    return places;
}

static fv_status count_distinct(fv_experiment *experiment, point *points, int n, fv_error *error) {
    free(experiment->order); // of an earlier round
    free(experiment->left_out);
    experiment->order = experiment->left_out = NULL;
    int distinct = keep_distinct(points, n);
    experiment->order = list_places(points, distinct, false, &experiment->n_runs);
    experiment->left_out = list_places(points, distinct, true, &experiment->n_left_out);
    if (experiment->order == NULL || experiment->left_out == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (experiment->n_runs == n) { // each run's place is its number
        free(experiment->order);
        experiment->order = NULL;
    }
    if (experiment->n_runs > 0 || n == 0) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "all %d runs of the sweep are optional; leave some that always run",
                   experiment->n_left_out);
}

static int total_size(const fv_experiment *experiment) {
    long long total = 0;
    for (int g = 0; g < experiment->n_grids && total <= GRID_MAX_RUNS; g++)
        total += grid_size(&experiment->grids[g]);
    return total <= GRID_MAX_RUNS ? (int)total : GRID_MAX_RUNS + 1;
}

fv_status sweep_plan(fv_experiment *experiment, const fv_field **culprit, fv_error *error) {
    *culprit = NULL;
    int n = total_size(experiment);
    if (n > GRID_MAX_RUNS)
        return fv_fail(error, FV_USAGE, "the sweep has more than %d runs; make its axes shorter",
                       GRID_MAX_RUNS);
    walk w = {.experiment = experiment, .culprit = culprit, .error = error};
    w.points = calloc(n > 0 ? (size_t)n : 1, sizeof *w.points);
    w.swept = find_swept(experiment, &w.n_swept);
    fv_status status = FV_OK;
    if (w.points == NULL || w.swept == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int g = 0; g < experiment->n_grids && status == FV_OK; g++) {
        w.grid = &experiment->grids[g];
        status = visit_grid(&w, experiment->base);
    }
    if (status == FV_OK) status = count_distinct(experiment, w.points, n, error);
    free(w.points);
    free(w.swept);
    return status;
}

// --- fields that no run reads -------------------------------------------------------------------

typedef bool (*config_test)(const void *what, const fv_config *config);

// Whether a run has a value of the field that passes the test; *found is the first, the base
// configuration but for that field. Every value of an axis is in some run, so that no product of
// axes need be walked.
static bool any_value(const fv_experiment *experiment, const fv_field *field, config_test passes,
                      const void *what, fv_config *found) {
    for (int g = 0; g < experiment->n_grids; g++) {
        const fv_axis *axis = grid_axis(&experiment->grids[g], field);
        for (int i = 0; i < (axis != NULL ? axis->n : 1); i++) {
            *found = *experiment->base;
            if (axis != NULL) fv_config_set(found, field->key, axis->values[i], NULL);
            if (passes(what, found)) return true;
        }
    }
    return false;
}

static bool sets(const void *field, const fv_config *config) {
    return !config_is_default(config, field);
}

static bool chooses(const void *choices, const fv_config *config) {
    return config_chooses(choices, config);
}

static bool is_any(const void *nothing, const fv_config *config) {
    (void)nothing, (void)config;
    return true;
}

static bool is_read(const fv_experiment *experiment, const config_reader *reader) {
    fv_config choosing;
    for (const config_choices *choices = reader->any; choices->key != NULL; choices++)
        if (any_value(experiment, fv_field_find(choices->key), chooses, choices, &choosing))
            return true;
    return false;
}

fv_status sweep_check_readers(const fv_experiment *experiment, const fv_field **culprit,
                              fv_error *error) {
    int n;
    const config_reader *readers = config_readers(&n);
    *culprit = NULL;
    for (int i = 0; i < n; i++) {
        fv_config setting, choosing;
        const fv_field *field = fv_field_find(readers[i].key);
        if (!any_value(experiment, field, sets, field, &setting)) continue;
        if (is_read(experiment, &readers[i])) continue;
        *culprit = field;
        any_value(experiment, fv_field_find(readers[i].any->key), is_any, NULL, &choosing);
        return config_refuse_unread(&readers[i], &setting, &choosing, error);
    }
    return FV_OK;
}

int fv_experiment_n_runs(const fv_experiment *experiment) {
    return experiment->n_runs;
}

// `place` counts through the grids one after the other.
static void config_at(const fv_experiment *experiment, int place, fv_config *config) {
    const fv_grid *grid = experiment->grids;
    for (; place >= grid_size(grid); grid++) place -= grid_size(grid);
    *config = *experiment->base;
    grid_set(grid, place, config);
    config_settle_length(&config->task);
    file_settle(config, NULL); // succeeded when the sweep was planned; else training refuses
    origin_settle(config, NULL);
    choose_settle(experiment->choose, config);
}

void fv_experiment_config(const fv_experiment *experiment, int i, fv_config *config) {
    config_at(experiment, experiment->order != NULL ? experiment->order[i] : i, config);
}

void sweep_left_out(const fv_experiment *experiment, int i, fv_config *config) {
    config_at(experiment, experiment->left_out[i], config);
}

fv_status fv_experiment_complete(fv_experiment *experiment, fv_error *error) {
    const fv_field *culprit;
    if (experiment->complete || experiment->optional.n == 0) return FV_OK;
    experiment->complete = true;
    return sweep_plan(experiment, &culprit, error);
}

bool sweep_trains(const fv_experiment *experiment) {
    int n = fv_experiment_n_runs(experiment);
    for (int i = 0; i < n; i++) {
        fv_config config;
        fv_experiment_config(experiment, i, &config);
        if (config.train.steps > 0) return true;
    }
    return n == 0 || experiment->n_left_out > 0;
}

bool sweep_varies(const fv_experiment *experiment, const fv_field *field) {
    int n = fv_experiment_n_runs(experiment);
    fv_config first, other;
    if (n > 0) fv_experiment_config(experiment, 0, &first);
    for (int i = 1; i < n; i++) {
        fv_experiment_config(experiment, i, &other);
        if (!fv_config_same(&first, &other, field)) return true;
    }
    return n == 0;
}
