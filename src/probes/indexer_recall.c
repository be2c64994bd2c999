// What a selection of keys leaves out, judged by the dense attention that the same queries and keys would
// have: the share of its weight that lies on the keys which were kept, and of as many largest keys of it that
// are among them. A query counts where it leaves a key out. For any layer of attention, a dense one too: the
// share of its weight that no choice of 1, 2, 4, ... keys could hold.
#include "model/attention_ways.h"
#include "probes/head_scores.h"
#include "probes/probes.h"
#include "probes/tensors.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_SEQUENCES = 128,
    MAX_FLOATS = 1 << 20, // of patterns that are kept; long contexts get fewer sequences
    MOST_KEPT = 64,       // the largest number of keys with a series of its own
    N_NUMBERS = 7,        // 1, 2, ... 64
};

// Of one head, sums over queries that left a key out; and over all that see more than 2^i keys.
typedef struct sums {
    double mass, keys, n;
    double beyond[N_NUMBERS], n_beyond[N_NUMBERS];
} sums;

typedef struct recall {
    int context, n_head, n_layers;
    const model_layer **layers; // [n_layers] of attention
    sums *of;                   // [n_layers][n_head]
    float *sorted;              // [context]
} recall;

static fv_status plan(const fv_model *model, probe_reads *reads, fv_error *error) {
    (void)error;
    size_t context = (size_t)model->config.task.context_length;
    size_t floats =
        3 * (size_t)(model->n_attention * model->config.model.n_head) * context * context;
    size_t affordable = MAX_FLOATS / (floats + 1);
    *reads = (probe_reads){.rows = FV_KEEP_ALL_POSITIONS, .names = "blocks.*.attn.hook_[ps]*"};
    reads->n = affordable < 1 ? 1 : affordable > MAX_SEQUENCES ? MAX_SEQUENCES : (int)affordable;
    reads->sequences = model->n_attention > 0 ? FV_SEQUENCES_TEST : FV_SEQUENCES_NONE;
    return FV_OK;
}

static void free_recall(void *state) {
    recall *r = state;
    free(r->layers);
    free(r->of);
    free(r->sorted);
    free(r);
}

static fv_status create(const fv_model *model, const probe_reads *reads, void **state,
                        fv_error *error) {
    (void)reads;
    recall *r = calloc(1, sizeof *r);
    if (r == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for attention patterns");
    *state = r;
    r->context = model->config.task.context_length;
    r->n_head = model->config.model.n_head;
    r->layers = calloc((size_t)model->n_attention, sizeof *r->layers);
    r->of = calloc((size_t)model->n_attention * (size_t)r->n_head, sizeof *r->of);
    r->sorted = calloc((size_t)r->context, sizeof *r->sorted);
    if (!r->layers || !r->of || !r->sorted)
        return fv_fail(error, FV_NO_MEMORY, "no memory for attention patterns");
    for (int i = 0; i < model->n_layers; i++)
        if (model->layers[i].type == &layer_attention) r->layers[r->n_layers++] = &model->layers[i];
    return FV_OK;
}

static void begin(void *state) {
    recall *r = state;
    memset(r->of, 0, (size_t)(r->n_layers * r->n_head) * sizeof *r->of);
}

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

// Weight beyond the 2^i largest keys; `sorted` has the weights of n keys, total above 0.
static void add_beyond(sums *to, const float *sorted, int n, double total) {
    double within = 0;
    for (int i = 0, k = 0; i < N_NUMBERS; i++) {
        for (; k < 1 << i && k < n; k++) within += (double)sorted[k];
        if (n <= 1 << i) return;
        to->beyond[i] += 1 - within / total;
        to->n_beyond[i]++;
    }
}

// One query: dense weights of the n keys up to it, of which its layer hides some, and which it kept (NULL: it
// was not asked to).
static void add_query(recall *r, sums *to, const float *dense, const float *kept, int n,
                      int n_hidden) {
    double total = 0, mass = 0;
    int n_kept = 0, n_seen = 0, n_top = 0;
    for (int j = 0; j < n; j++) {
        total += (double)dense[j];
        n_seen += dense[j] > 0;
        r->sorted[j] = dense[j];
    }
    if (total <= 0) return;
    qsort(r->sorted, (size_t)n, sizeof *r->sorted, descending);
    add_beyond(to, r->sorted, n, total);
    if (kept == NULL) return;
    for (int j = 0; j < n; j++) n_kept += kept[j] > 0;
    if (n_kept >= n - n_hidden || n_kept == 0) return;
    int n_wanted = n_kept < n_seen ? n_kept : n_seen;
    float last = r->sorted[n_wanted - 1];
    for (int j = 0; j < n; j++) {
        mass += kept[j] > 0 ? (double)dense[j] : 0;
        n_top += kept[j] > 0 && dense[j] >= last && dense[j] > 0;
    }
    to->mass += mass / total;
    to->keys += n_top < n_wanted ? (double)n_top / n_wanted : 1; // equal keys are as good
    to->n++;
}

// [sequence][head][query][key] of a layer, by the end of its name; NULL where there is none.
static const float *find(const probe_piece *piece, int layer, const char *name) {
    for (int i = 0; i < fv_activations_n(piece->activations); i++) {
        const char *is = fv_activations_kept(piece->activations, i)->name;
        if (!probe_ends_with(is, name)) continue;
        if (layer-- == 0) return fv_activations_at(piece->activations, i);
    }
    return NULL;
}

// Keys between the sinks and the window of the query at t.
static int hidden_of(const model_layer *layer, int t) {
    const attention_sight *sight = &model_attention_of(layer)->sight;
    int64_t first = sight_first(sight, t);
    return (int)(sight->sinks < first ? first - sight->sinks : 0);
}

static void take_layer(recall *r, const probe_piece *piece, int a, const float *dense,
                       const float *kept) {
    const model_positions *out = &r->layers[a]->out;
    size_t T = (size_t)r->context;
    for (int s = 0; s < piece->n; s++)
        for (int h = 0; h < r->n_head; h++)
            for (int i = 0; i < out->n; i++) {
                size_t row = ((size_t)(s * r->n_head + h) * T + (size_t)out->at[i]) * T;
                add_query(r, &r->of[a * r->n_head + h], dense + row,
                          kept != NULL ? kept + row : NULL, out->at[i] + 1,
                          hidden_of(r->layers[a], out->at[i]));
            }
}

static void take(void *state, const probe_piece *piece) {
    recall *r = state;
    for (int a = 0, selecting = 0; a < r->n_layers; a++) {
        const float *dense = find(piece, a, ".attn.hook_pattern"), *kept = NULL;
        if (selector_present(r->layers[a])) {
            dense = find(piece, selecting, ".attn.hook_select_dense");
            kept = find(piece, selecting++, ".attn.hook_select_kept");
        }
        take_layer(r, piece, a, dense, kept);
    }
}

static const fv_reading reading = {plan, create, free_recall, begin, take};

// --- what is said of it --------------------------------------------------------------------------

static fv_status put(const sums *s, const char *at, int step, fv_record *record, fv_error *error) {
    fv_status status = FV_OK;
    char name[64];
    if (s->n > 0) {
        status = probe_add(record, "indexer_recall", at, step, s->mass / s->n, error);
        snprintf(name, sizeof name, "outside.%s", at);
        if (status == FV_OK)
            status = probe_add(record, "indexer_recall", name, step, 1 - s->mass / s->n, error);
        snprintf(name, sizeof name, "keys.%s", at);
        if (status == FV_OK)
            status = probe_add(record, "indexer_recall", name, step, s->keys / s->n, error);
    }
    for (int i = 0; i < N_NUMBERS && status == FV_OK; i++) {
        if (s->n_beyond[i] == 0) continue;
        snprintf(name, sizeof name, "beyond.%s[%d]", at, 1 << i);
        status =
            probe_add(record, "indexer_recall", name, step, s->beyond[i] / s->n_beyond[i], error);
    }
    return status;
}

static void add_sums(sums *to, const sums *from) {
    to->mass += from->mass;
    to->keys += from->keys;
    to->n += from->n;
    for (int i = 0; i < N_NUMBERS; i++) {
        to->beyond[i] += from->beyond[i];
        to->n_beyond[i] += from->n_beyond[i];
    }
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const recall *r = view->read;
    fv_status status = FV_OK;
    for (int a = 0; r != NULL && a < r->n_layers && status == FV_OK; a++) {
        sums all = {0};
        char at[32];
        for (int h = 0; h < r->n_head; h++) add_sums(&all, &r->of[a * r->n_head + h]);
        head_name(at, sizeof at, 1, a, 0);
        status = put(&all, at, view->step, record, error);
        for (int h = 0; r->n_head > 1 && h < r->n_head && status == FV_OK; h++) {
            head_name(at, sizeof at, r->n_head, a, h);
            status = put(&r->of[a * r->n_head + h], at, view->step, record, error);
        }
    }
    return status;
}

const fv_probe probe_indexer_recall = {
    .name = "indexer_recall",
    .help = "share of dense attention's weight, and of its largest keys, that a selection of keys "
            "kept, or that a number of keys could hold",
    .reads = &reading,
    .measure = measure,
};
