#include "lab/stored_runs.h"

#include "store/store_walk.h"

#include <fovea/config.h>
#include <fovea/machine.h>
#include <stdlib.h>
#include <string.h>

// Asking for a run takes as long as passing over so many.
enum { PASSED_OVER = 8 };

// Which run of the sweep has an id: ids by their own low bits, the next free place where two meet.
typedef struct id_table {
    uint64_t *ids; // [n]
    int n;
    int *places; // [mask + 1]: run + 1; 0: free
    uint64_t mask;
} id_table;

typedef struct stored {
    id_table table;
    stored_take take;
    void *context;
    int found; // the run that was last wanted
} stored;

static uint64_t id_number(const char *id) {
    return strtoull(id, NULL, 16);
}

static int *place_of(const id_table *x, uint64_t id) {
    uint64_t at = id & x->mask;
    while (x->places[at] != 0 && x->ids[x->places[at] - 1] != id) at = (at + 1) & x->mask;
    return &x->places[at];
}

static bool make_table(id_table *x, const fv_experiment *experiment, const bool *wanted) {
    *x = (id_table){.n = experiment->n_runs};
    for (x->mask = 15; x->mask < 2 * (uint64_t)x->n; x->mask = 2 * x->mask + 1) continue;
    x->ids = malloc((size_t)x->n * sizeof *x->ids);
    x->places = calloc((size_t)x->mask + 1, sizeof *x->places);
    if (x->ids == NULL || x->places == NULL) return false;
    for (int i = 0; i < x->n; i++) {
        fv_config config;
        char id[17];
        if (!wanted[i]) continue;
        fv_experiment_config(experiment, i, &config);
        fv_config_id(&config, fv_kernels_arithmetic(), id);
        x->ids[i] = id_number(id);
        int *place = place_of(x, x->ids[i]);
        if (*place == 0) *place = i + 1;
    }
    return true;
}

static bool wants(void *context, const char *id) {
    stored *s = context;
    if (strlen(id) != 16) return false;
    s->found = *place_of(&s->table, id_number(id)) - 1;
    return s->found >= 0;
}

// A configuration that is not the one of its id belongs to a damaged run.
static fv_status take(void *context, fv_record *record) {
    const stored *s = context;
    char id[17];
    fv_config_id(record->config, fv_kernels_arithmetic(), id);
    if (strcmp(id, record->id) == 0) return s->take(s->context, s->found, record);
    fv_record_free(record);
    return FV_OK;
}

fv_status stored_each(const fv_experiment *experiment, fv_store *store, const bool *wanted,
                      bool brief, stored_take taker, void *context, fv_error *error) {
    store_total total = {0};
    fv_status status =
        store->schema == STORE_SCHEMA ? store_get_total(store, &total, error) : FV_OK;
    if (status != FV_OK || total.n_runs == 0) return status;
    if (total.n_runs / PASSED_OVER > experiment->n_runs) return FV_OK;
    stored s = {.take = taker, .context = context};
    const store_walker walker = {wants, take, &s, brief};
    if (make_table(&s.table, experiment, wanted))
        status = store_walk(store, &walker, error);
    else
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for %d runs", experiment->n_runs);
    free(s.table.ids);
    free(s.table.places);
    return status;
}
