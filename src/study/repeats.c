// Every run of a sweep is written in one way: fields that nobody reads have their default, and of
// two ways to say the same the simpler one is kept. Runs that are then equal train the same model.
#include "study/warnings.h"

#include "config/part.h"
#include "lab/grid.h"
#include "lab/sweep.h"

#include <stdlib.h>
#include <string.h>

// --- two ways to say the same --------------------------------------------------------------------

static int longest_length(const fv_task_config *task) {
    return task->length_max > 0 ? task->length_max : task->context_length;
}

static void settle_length_min(fv_config *c) {
    if (c->task.length_min == longest_length(&c->task)) c->task.length_min = 0;
}

static void settle_length_max(fv_config *c) {
    if (c->task.length_max == c->task.context_length) c->task.length_max = 0;
}

static void settle_seed(fv_config *c) {
    if (c->task.seed == c->train.seed) c->task.seed = -1;
}

static void settle_embedding(fv_config *c) {
    bool quiet = c->model.embedding_noise == 0;
    if (c->model.embedding == FV_EMBEDDING_NOISY && quiet)
        c->model.embedding = FV_EMBEDDING_LEARNED;
}

// How a run is watched. log_every also says when stop_metric is looked at.
static void settle_watching(fv_config *c) {
    fv_config usual;
    fv_config_init(&usual);
    if (c->train.stop_metric == FV_METRIC_NONE) c->train.log_every = usual.train.log_every;
    c->train.probe_every = usual.train.probe_every;
    c->train.snapshot_every = usual.train.snapshot_every;
    c->train.snapshots = usual.train.snapshots;
}

// X(function, field, why its values come to the same), those behind others that build on them.
#define SETTLING_LIST(X)                                                                           \
    X(length_max, "task.length_max", "0 is the length of the context")                             \
    X(length_min, "task.length_min", "sequences then have one length only")                        \
    X(seed, "task.seed", "-1 is train.seed")                                                       \
    X(embedding, "model.embedding", "noise of 0 is none")                                          \
    X(watching, "train.log_every", "it only says how a run is watched")                            \
    X(watching, "train.probe_every", "it only says how a run is watched")                          \
    X(watching, "train.snapshot_every", "it only says how a run is watched")                       \
    X(watching, "train.snapshots", "they only say how a run is watched")

static const config_settling COMMON[] = {
#define ROW(function, key, why) {key, settle_##function, why, NULL},
    SETTLING_LIST(ROW)
#undef ROW
};
enum { N_COMMON = sizeof COMMON / sizeof *COMMON };

// The i-th of all, those of the parts behind; NULL behind the last.
static const config_settling *settling(int i) {
    return i < N_COMMON ? &COMMON[i] : parts_settling(i - N_COMMON);
}

// --- the runs ------------------------------------------------------------------------------------

typedef struct swept {
    int n;
    const fv_field *fields[128];
} swept;

static void find_swept(const fv_experiment *experiment, swept *s) {
    int n;
    const fv_field *fields = fv_fields(&n);
    s->n = 0;
    for (int i = 0; i < n && s->n < 128; i++)
        for (int g = 0; g < experiment->n_grids; g++)
            if (grid_axis(&experiment->grids[g], &fields[i]) != NULL) {
                s->fields[s->n++] = &fields[i];
                break;
            }
}

static void drop_unread(const swept *s, fv_config *config) {
    for (int i = 0; i < s->n; i++)
        if (!config_reads(config, s->fields[i]))
            fv_config_set(config, s->fields[i]->key, s->fields[i]->default_text, NULL);
}

// The simpler of two ways may not read what the other does.
static void simplify(const swept *s, fv_config *config) {
    drop_unread(s, config);
    const config_settling *way;
    for (int i = 0; (way = settling(i)) != NULL; i++) way->settle(config);
    drop_unread(s, config);
}

typedef struct run {
    uint64_t hash;
    int i;
} run;

static uint64_t hash_swept(const swept *s, const fv_config *config) {
    uint64_t hash = sweep_hash(TEXT_HASH_START, config, s->fields, s->n);
    const config_settling *way;
    for (int i = 0; (way = settling(i)) != NULL; i++) {
        const fv_field *into = way->into != NULL ? fv_field_find(way->into) : NULL;
        if (into != NULL) hash = sweep_hash(hash, config, &into, 1);
    }
    return hash;
}

static int by_hash(const void *a, const void *b) {
    const run *p = a, *q = b;
    if (p->hash != q->hash) return p->hash < q->hash ? -1 : 1;
    return p->i - q->i;
}

// --- what is said --------------------------------------------------------------------------------

// Why the value that `config` gives a field makes no difference: "model.score_beta 2 is not read by
// model.score dot, only by euclidean". False where it is read.
static bool explain_unread(const fv_config *config, const fv_field *field, fv_error *why) {
    fv_config rest = *config;
    const fv_field *culprit = NULL;
    while (config_check_readers(&rest, &culprit, why) != FV_OK) {
        if (culprit == field) return true;
        fv_config_set(&rest, culprit->key, culprit->default_text, NULL);
    }
    return false;
}

static const char *explain_settling(const fv_field *field) {
    const config_settling *way;
    for (int i = 0; (way = settling(i)) != NULL; i++)
        if (strcmp(way->key, field->key) == 0) return way->why;
    return "";
}

static void describe(const swept *s, const fv_config *a, const fv_config *b, text_buffer *text) {
    for (int i = 0; i < s->n; i++) {
        char one[512], other[512];
        fv_error why;
        fv_config_get(a, s->fields[i], one, sizeof one);
        fv_config_get(b, s->fields[i], other, sizeof other);
        if (strcmp(one, other) == 0) continue;
        text_add(text, ": %s %s and %s come to the same, as ", s->fields[i]->key, one, other);
        if (explain_unread(b, s->fields[i], &why) || explain_unread(a, s->fields[i], &why))
            text_add(text, "%s", why.text);
        else
            text_add(text, "%s", explain_settling(s->fields[i]));
        return;
    }
}

fv_status repeats_find(const fv_experiment *experiment, text_buffer *text, fv_error *error) {
    swept s;
    find_swept(experiment, &s);
    int n = s.n > 0 ? warnings_n_runs(experiment) : 0, n_repeats = 0;
    run *runs = calloc((size_t)n + 1, sizeof *runs), first[2] = {{0, 0}, {0, 0}};
    if (runs == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) {
        fv_config config;
        fv_experiment_config(experiment, i, &config);
        simplify(&s, &config);
        runs[i] = (run){hash_swept(&s, &config), i};
    }
    qsort(runs, (size_t)n, sizeof *runs, by_hash);
    for (int i = 1; i < n; i++) {
        if (runs[i].hash != runs[i - 1].hash) continue;
        bool earlier = n_repeats++ == 0 || runs[i].i < first[1].i;
        if (earlier) first[0] = runs[i - 1], first[1] = runs[i];
    }
    free(runs);
    if (n_repeats == 0) return FV_OK;
    fv_config a, b;
    fv_experiment_config(experiment, first[0].i, &a);
    fv_experiment_config(experiment, first[1].i, &b);
    text_add(text, "%d of %s%d runs train%s a model that another run trains too", n_repeats,
             n < experiment->n_runs ? "the first " : "", n, n_repeats == 1 ? "s" : "");
    describe(&s, &a, &b, text);
    return FV_OK;
}
