// Probes of one model, measured together: what their readings want to see of the same sequences is
// kept by one forward pass, once for all of them.
#include "base/random.h"
#include "model/layers.h"
#include "probes/probe_reading.h"
#include "probes/probes.h"

#include <fovea/config.h>
#include <fovea/task.h>
#include <limits.h>
#include <stdlib.h>

// A reading at work.
typedef struct reader {
    const fv_reading *reading;
    probe_reads reads;
    void *state;
} reader;

// Sequences that one pass goes over, a piece at a time.
typedef struct sequence_set {
    probe_sequences sequences;
    fv_rows_kept rows;
    int n, piece;
    bool drawn; // the tokens are those of the only piece
    int32_t *tokens, *targets;
    fv_activations *activations;
} sequence_set;

struct fv_probing {
    const fv_model *model;
    int n, n_readers, n_sets;
    const fv_probe **probes; // [n]
    reader *readers;         // [n_readers], each reading once
    sequence_set *sets;      // [n_sets]
    bool alone;              // one probe, once: also one that runs measure at their end alone
};

// --- sequences ---------------------------------------------------------------------------------

// Random numbers of a step that no run reaches: the stream of test data counts samples alone.
static const uint32_t repeated_step = UINT32_MAX;

static void draw_repeated(const fv_config *config, int first, int n, int32_t *tokens) {
    int T = config->task.context_length, period = T > 1 ? T / 2 : 1;
    uint32_t V = (uint32_t)config->task.vocab_size;
    for (int s = 0; s < n; s++, tokens += T) {
        random_source random;
        random_init(&random, fv_task_seed(config), FV_STREAM_TEST, repeated_step,
                    (uint32_t)(first + s));
        for (int t = 0; t < T; t++)
            tokens[t] = t < period ? (int32_t)random_below(&random, V) : tokens[t - period];
    }
}

static fv_status draw(const fv_model *model, sequence_set *set, int first, int n, fv_error *error) {
    const fv_config *config = fv_model_config_of(model);
    if (set->drawn) return FV_OK;
    set->drawn = set->piece >= set->n;
    if (set->sequences == FV_SEQUENCES_REPEATED) {
        draw_repeated(config, first, n, set->tokens);
        return FV_OK;
    }
    uint64_t seed = fv_task_seed(config);
    return fv_model_test_sequences(model, seed, (uint64_t)first, n, set->tokens, set->targets,
                                   error);
}

// --- what is read together ---------------------------------------------------------------------

static sequence_set *set_of(fv_probing *p, const probe_reads *reads) {
    for (int i = 0; i < p->n_sets; i++)
        if (p->sets[i].sequences == reads->sequences && p->sets[i].rows == reads->rows)
            return &p->sets[i];
    return NULL;
}

// Makes room for a reading among its sequences. Where one of them needs all at once they come at
// once, else in the smallest pieces that one asks for.
static void join_set(fv_probing *p, const probe_reads *reads) {
    sequence_set *set = set_of(p, reads);
    if (set == NULL) {
        set = &p->sets[p->n_sets++];
        *set = (sequence_set){.sequences = reads->sequences, .rows = reads->rows, .piece = INT_MAX};
    }
    if (reads->n > set->n) set->n = reads->n;
    if (reads->most_at_once > 0 && reads->most_at_once < set->piece)
        set->piece = reads->most_at_once;
}

static void fit_pieces(fv_probing *p) {
    for (int i = 0; i < p->n_readers; i++) {
        const probe_reads *reads = &p->readers[i].reads;
        sequence_set *set = set_of(p, reads);
        if (set != NULL && reads->most_at_once == 0 && reads->n > set->piece) set->piece = reads->n;
    }
    for (int i = 0; i < p->n_sets; i++)
        if (p->sets[i].piece > p->sets[i].n) p->sets[i].piece = p->sets[i].n;
}

static fv_status add_reader(fv_probing *p, const fv_reading *reading, fv_error *error) {
    for (int i = 0; i < p->n_readers; i++)
        if (p->readers[i].reading == reading) return FV_OK;
    reader *r = &p->readers[p->n_readers++];
    *r = (reader){.reading = reading};
    fv_status status = reading->plan(p->model, &r->reads, error);
    if (status != FV_OK || r->reads.sequences == FV_SEQUENCES_NONE) return status;
    join_set(p, &r->reads);
    return reading->create(p->model, &r->reads, &r->state, error);
}

static fv_status create_set(const fv_probing *p, sequence_set *set, fv_error *error) {
    const char **names = calloc((size_t)p->n_readers, sizeof *names);
    if (names == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for probes");
    int n_names = 0, n_loss;
    for (int i = 0; i < p->n_readers; i++) {
        const probe_reads *reads = &p->readers[i].reads;
        if (reads->sequences == set->sequences && reads->rows == set->rows)
            names[n_names++] = reads->names;
    }
    fv_model_loss_positions(p->model, &n_loss);
    size_t n = (size_t)set->piece, T = (size_t)fv_model_config_of(p->model)->task.context_length;
    set->tokens = calloc(n, T * sizeof *set->tokens);
    set->targets = calloc(n, (size_t)n_loss * sizeof *set->targets);
    fv_status status = FV_OK;
    if (set->tokens == NULL || set->targets == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", set->piece);
    else
        status = fv_activations_create(p->model, names, n_names, set->rows, set->piece,
                                       &set->activations, error);
    free(names);
    return status;
}

// --- the whole ---------------------------------------------------------------------------------

static fv_status plan(fv_probing *p, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < p->n && status == FV_OK; i++)
        status = fv_probe_check(p->probes[i], p->model, error);
    for (int i = 0; i < p->n && status == FV_OK; i++)
        if (p->probes[i]->reads != NULL) status = add_reader(p, p->probes[i]->reads, error);
    if (status == FV_OK) fit_pieces(p);
    for (int i = 0; i < p->n_sets && status == FV_OK; i++)
        status = create_set(p, &p->sets[i], error);
    return status;
}

fv_status fv_probe_check(const fv_probe *probe, const fv_model *model, fv_error *error) {
    return probe->check != NULL ? probe->check(model, error) : FV_OK;
}

fv_status fv_probing_create(const fv_model *model, const fv_probe *const *probes, int n,
                            fv_probing **out, fv_error *error) {
    fv_probing *p = calloc(1, sizeof *p);
    if (p == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for probes");
    if (n > 0 && (model->data.n_inputs > 0 || model->data.n_outputs > 0)) {
        free(p);
        return fv_fail(error, FV_USAGE,
                       "probe %s: probes ask about tokens, and task.name %s has reals; leave "
                       "`probes` out",
                       probes[0]->name,
                       fv_field_find("task.name")->choices[model->config.task.name]);
    }
    p->model = model;
    p->n = n;
    p->probes = calloc((size_t)n + 1, sizeof *p->probes);
    p->readers = calloc((size_t)n + 1, sizeof *p->readers);
    p->sets = calloc((size_t)n + 1, sizeof *p->sets);
    fv_status status = FV_OK;
    if (p->probes == NULL || p->readers == NULL || p->sets == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "no memory for probes");
    for (int i = 0; i < n && status == FV_OK; i++) p->probes[i] = probes[i];
    if (status == FV_OK) status = plan(p, error);
    if (status != FV_OK) {
        fv_probing_free(p);
        return status;
    }
    *out = p;
    return FV_OK;
}

void fv_probing_free(fv_probing *p) {
    if (p == NULL) return;
    for (int i = 0; i < p->n_readers; i++)
        if (p->readers[i].state != NULL) p->readers[i].reading->free(p->readers[i].state);
    for (int i = 0; i < p->n_sets; i++) {
        free(p->sets[i].tokens);
        free(p->sets[i].targets);
        fv_activations_free(p->sets[i].activations);
    }
    free(p->probes);
    free(p->readers);
    free(p->sets);
    free(p);
}

// One pass over a set; every reading takes its share of each piece.
static fv_status read_set(fv_probing *p, sequence_set *set, const float *params, fv_error *error) {
    for (int first = 0; first < set->n; first += set->piece) {
        int n = set->n - first < set->piece ? set->n - first : set->piece;
        fv_status status = draw(p->model, set, first, n, error);
        if (status != FV_OK) return status;
        fv_activations_fill(set->activations, params, set->tokens, n);
        for (int i = 0; i < p->n_readers; i++) {
            reader *r = &p->readers[i];
            if (set_of(p, &r->reads) != set || r->reads.n <= first) continue;
            int left = r->reads.n - first;
            probe_piece piece = {.activations = set->activations,
                                 .n = left < n ? left : n,
                                 .tokens = set->tokens,
                                 .targets = set->targets,
                                 .sequences = set->sequences};
            r->reading->take(r->state, &piece);
        }
    }
    return FV_OK;
}

static const void *what_is_read(const fv_probing *p, const fv_reading *reading) {
    for (int i = 0; i < p->n_readers; i++)
        if (p->readers[i].reading == reading) return p->readers[i].state;
    return NULL;
}

fv_status fv_probing_measure(fv_probing *p, const float *params, int step, fv_record *record,
                             fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < p->n_readers; i++)
        if (p->readers[i].state != NULL && p->readers[i].reading->begin != NULL)
            p->readers[i].reading->begin(p->readers[i].state);
    for (int i = 0; i < p->n_sets && status == FV_OK; i++)
        status = read_set(p, &p->sets[i], params, error);
    for (int i = 0; i < p->n && status == FV_OK; i++) {
        const fv_probe *probe = p->probes[i];
        fv_probe_view view = {.model = p->model,
                              .params = params,
                              .step = step,
                              .read = what_is_read(p, probe->reads)};
        if (probe->at_end && !p->alone && step < fv_model_config_of(p->model)->train.steps)
            continue;
        if (probe->reads != NULL && view.read == NULL) continue; // of this model there is nothing
        status = probe->measure(&view, record, error);
    }
    return status;
}

fv_status fv_probe_measure(const fv_probe *probe, const fv_model *model, const float *params,
                           int step, fv_record *record, fv_error *error) {
    fv_probing *p;
    fv_status status = fv_probing_create(model, &probe, 1, &p, error);
    if (status != FV_OK) return status;
    p->alone = true;
    status = fv_probing_measure(p, params, step, record, error);
    fv_probing_free(p);
    return status;
}
