// Whole runs from one store into another: how the shares of a sweep that machines trained on their
// own become one store. A run's id names its result, so that runs of one id must agree bit for bit.
// If they do not, one of the machines computes wrongly or a file is damaged, and neither result may
// win quietly.
#include "lab/store_db.h"

#include <string.h>

typedef struct merge {
    fv_store *into, *from;
    fv_merged *merged;
    fv_error *error;
} merge;

static bool same_series(const fv_record *a, const fv_record *b) {
    if (a->n_series != b->n_series) return false;
    for (int i = 0; i < a->n_series; i++) {
        const fv_series *s = &a->series[i], *t = fv_record_find(b, s->name);
        size_t n = (size_t)s->n;
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
    if (!same_series(a, b)) return "curves";
    return same_snapshots(a, b) ? NULL : "snapshots";
}

static fv_status compare(const merge *m, const fv_record *record) {
    fv_record other;
    fv_status status = fv_store_get(m->into, record->id, &other, m->error);
    if (status != FV_OK) return status;
    const char *what = difference(record, &other);
    fv_record_free(&other);
    if (what != NULL)
        return fv_fail(m->error, FV_STORE,
                       "run %s is in %s and in %s with different %s; delete the wrong one with "
                       "'fovea runs DIR delete %s', or train it again to see which that is",
                       record->id, m->into->path, m->from->path, what, record->id);
    m->merged->same++;
    return FV_OK;
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
        status = compare(m, &record);
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
    return fv_store_each(from, take, &m, m.error);
}
