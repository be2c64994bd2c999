// Whole runs from one store into another: how the shares of a sweep that machines trained on their
// own become one store. A run's id names its result, so that runs of one id must agree bit for bit.
// If they do not, one of the machines computes wrongly or a file is damaged, and neither result may
// win quietly. Where different probes measured them, the curves of both go into one run.
#include "probes/probes.h"
#include "store/store_db.h"

#include <string.h>

typedef struct merge {
    fv_store *into, *from;
    fv_merged *merged;
    fv_error *error;
} merge;

// The probe that measured a series: its name up to '.' or '['; "" where none did.
static const char *measured_by(const char *series) {
    int n;
    const fv_probe *const *probes = fv_probes(&n);
    size_t length = strcspn(series, ".[");
    for (int i = 0; i < n; i++)
        if (strlen(probes[i]->name) == length && strncmp(series, probes[i]->name, length) == 0)
            return probes[i]->name;
    return "";
}

// Whether all series of `a` that `b` should have are in it, and the same. Those of probes that did
// not measure `b` need not be.
static bool same_series(const fv_record *a, const fv_record *b) {
    for (int i = 0; i < a->n_series; i++) {
        const fv_series *s = &a->series[i], *t = fv_record_find(b, s->name);
        const char *probe = measured_by(s->name);
        size_t n = (size_t)s->n;
        bool measured = *probe == '\0' || b->numerics == 0 || probes_listed(b->probes, probe);
        if (t == NULL && !measured) continue;
        if (t == NULL || t->n != s->n) return false;
        if (memcmp(s->steps, t->steps, n * sizeof *s->steps) != 0) return false;
        if (memcmp(s->values, t->values, n * sizeof *s->values) != 0) return false;
    }
    return true;
}

static bool same_snapshots(const fv_record *a, const fv_record *b) {
    if (a->n_snapshots != b->n_snapshots) return false;
    if (a->n_snapshots > 0 && a->n_params != b->n_params) return false;
    for (int i = 0; i < a->n_snapshots; i++) {
        const fv_snapshot *s = &a->snapshots[i], *t = &b->snapshots[i];
        if (s->step != t->step) return false;
        if (memcmp(s->params, t->params, a->n_params * sizeof *s->params) != 0) return false;
    }
    return true;
}

// What the two results differ in, or NULL.
static const char *difference(const fv_record *a, const fv_record *b) {
    if (a->outcome != b->outcome || a->steps != b->steps) return "outcomes";
    if (!same_series(a, b) || !same_series(b, a)) return "curves";
    return same_snapshots(a, b) ? NULL : "snapshots";
}

// Adds to `mine` what probes measured of `theirs` alone; false without memory.
static bool add_series(fv_record *mine, const fv_record *theirs) {
    for (int i = 0; i < theirs->n_series; i++) {
        const fv_series *s = &theirs->series[i];
        if (fv_record_find(mine, s->name) != NULL) continue;
        for (int k = 0; k < s->n; k++)
            if (fv_record_add(mine, s->name, s->steps[k], s->values[k]) != FV_OK) return false;
    }
    probes_unite(mine->probes, theirs->probes);
    return true;
}

// Two results that agree become one with what was measured of either.
static fv_status unite(const merge *m, fv_record *mine, const fv_record *theirs,
                       const char *experiment) {
    char all[FV_PROBES_SIZE];
    memcpy(all, mine->probes, sizeof all);
    probes_unite(all, theirs->probes);
    if (strcmp(all, mine->probes) == 0) {
        m->merged->same++;
        return FV_OK;
    }
    if (!add_series(mine, theirs))
        return fv_fail(m->error, FV_NO_MEMORY, "out of memory for run %s", mine->id);
    m->merged->united++;
    return fv_store_put(m->into, experiment, mine, m->error);
}

static fv_status compare(const merge *m, const fv_record *record, const char *experiment) {
    fv_record other;
    fv_status status = fv_store_get(m->into, record->id, &other, m->error);
    if (status != FV_OK) return status;
    const char *what = difference(record, &other);
    if (what == NULL) status = unite(m, &other, record, experiment);
    fv_record_free(&other);
    if (what != NULL)
        return fv_fail(m->error, FV_STORE,
                       "run %s is in %s and in %s with different %s; delete the wrong one with "
                       "'fovea runs DIR delete %s', or train it again to see which that is",
                       record->id, m->into->path, m->from->path, what, record->id);
    return status;
}

static fv_status take(void *context, const fv_record *brief, const char *experiment,
                      const fv_final *final, int n_final) {
    (void) final;
    (void)n_final;
    const merge *m = context;
    fv_record record;
    fv_status status = fv_store_get(m->from, brief->id, &record, m->error);
    if (status != FV_OK) return status;
    if (fv_store_has(m->into, record.id)) {
        status = compare(m, &record, experiment);
    } else {
        status = fv_store_put(m->into, experiment, &record, m->error);
        m->merged->added += status == FV_OK;
    }
    fv_record_free(&record);
    return status;
}

fv_status fv_store_merge(fv_store *into, fv_store *from, fv_merged *merged, fv_error *error) {
    fv_error own = {0};
    merge m = {into, from, merged, error != NULL ? error : &own};
    fv_status status = store_check_frame(into, m.error);
    if (status != FV_OK) return status;
    return fv_store_each(from, take, &m, m.error);
}
