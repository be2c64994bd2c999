// Keys that queries of a trained model do without, of no choice that it was trained with
// (fv_decoder_keep): the smallest set with a share of the mass, and caches from which keys are evicted.
//
// A head that evicts has a list of the keys that are left, ascending, and their scores. A query's keys are those
// of the list and its own; their rows are copied together, so that a query costs as many keys as are kept. Every
// query of every layer is computed, also those that no logit is asked of: what they weigh decides who goes.
#include "config/layer_list.h"
#include "decode/decoder_weigh.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { L = FV_LANES };

// --- what is asked for ---------------------------------------------------------------------------

static const char *const NAMES[] = {
#define ROW(NAME, name, number, help) name,
    FV_KEEP_LIST(ROW)
#undef ROW
};

static int recent_of(const fv_decoder_keep *keep) {
    int half = (int)keep->number / 2;
    if (keep->recent > 0) return keep->recent;
    return keep->kind == FV_KEEP_SNAPKV && half > 16 ? 16 : half;
}

static fv_status check_numbers(const fv_decoder_keep *keep, fv_error *error) {
    const char *name = NAMES[keep->kind];
    if (keep->kind == FV_KEEP_TOP_P && !(keep->number > 0 && keep->number <= 1))
        return fv_fail(error, FV_USAGE,
                       "%s=%g is no share of the mass; it takes more than 0, and 1 at most", name,
                       keep->number);
    if (keep->kind == FV_KEEP_TOP_P && keep->recent != 0)
        return fv_fail(error, FV_USAGE, "%s keeps no recent keys for themselves, and %d are given",
                       name, keep->recent);
    if (keep->kind == FV_KEEP_TOP_P) return FV_OK;
    if (!(keep->number >= 2 && keep->number <= 1 << 20) || keep->number != floor(keep->number))
        return fv_fail(error, FV_USAGE, "%s=%g is no number of keys; it takes 2 to %d", name,
                       keep->number, 1 << 20);
    if (keep->recent < 0 || keep->recent >= keep->number)
        return fv_fail(error, FV_USAGE,
                       "%s=%g leaves room for 1 to %g recent keys beside the others, not %d", name,
                       keep->number, keep->number - 1, keep->recent);
    return FV_OK;
}

fv_status fv_decoder_keep_read(const char *text, fv_decoder_keep *keep, fv_error *error) {
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    *keep = (fv_decoder_keep){0};
    for (int k = FV_KEEP_TOP_P; k < FV_KEEP_COUNT; k++)
        if (strlen(NAMES[k]) == length && strncmp(text, NAMES[k], length) == 0) keep->kind = k;
    char *end = NULL;
    if (equals) keep->number = strtod(equals + 1, &end);
    if (keep->kind == FV_KEEP_ALL || equals == NULL || end == equals + 1 || *end != '\0')
        return fv_fail(error, FV_USAGE,
                       "keys are kept as in top_p=0.9, h2o=64 or snapkv=64, not '%s'", text);
    return check_numbers(keep, error);
}

fv_status decoder_keep_check(const fv_decoder *d, fv_error *error) {
    const fv_model_config *m = &d->config.model;
    const fv_decoder_keep *keep = &d->keep;
    bool attends = false;
    if (keep->kind == FV_KEEP_ALL) return FV_OK;
    if (keep->kind < 0 || keep->kind >= FV_KEEP_COUNT)
        return fv_fail(error, FV_USAGE, "decoder: keep.kind is %d; it must be one of fv_keep_kind",
                       keep->kind);
    fv_status status = check_numbers(keep, error);
    if (status != FV_OK) return status;
    const char *name = NAMES[keep->kind];
    for (int i = 0; i < m->layers.n; i++) {
        if (m->layers.kind[i] != FV_LAYER_ATTENTION) continue;
        attends = true;
        if (!selector_type_of((int)layer_selector(m, i))->absent)
            return fv_fail(
                error, FV_USAGE,
                "%s would choose among the keys that model.selector %s has chosen; it is "
                "for models without a selector",
                name, fv_field_find("model.selector")->choices[layer_selector(m, i)]);
        if (decoder_evicts(d) && layer_window(m, i) > 0)
            return fv_fail(
                error, FV_USAGE,
                "%s evicts keys, and a window of %d has evicted all but these; it is for "
                "layers without a window",
                name, layer_window(m, i));
    }
    if (!attends)
        return fv_fail(error, FV_USAGE, "%s chooses keys, and the model has no attention", name);
    if (decoder_evicts(d) && m->exclude_self)
        return fv_fail(error, FV_USAGE,
                       "%s keeps a query's own key, which model.exclude_self takes out", name);
    return FV_OK;
}

// --- a share of the mass -------------------------------------------------------------------------

static int falling(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

void decoder_keep_mass(fv_decoder *d, const weighing *w, const float *scores, float *weights) {
    float *sorted = decoder_working(d, d->at.weigh.means);
    weigh_keys(w, w->n_keys, FV_NORMALISE_SOFTMAX, scores, w->kept, NULL, true, weights);
    for (int l = 0; l < L; l++) {
        double all = 0, sum = 0;
        int n = 0, above = 0;
        for (int j = 0; j < w->n_keys; j++) all += (double)(sorted[j] = weights[j * L + l]);
        qsort(sorted, (size_t)w->n_keys, sizeof *sorted, falling);
        while (n < w->n_keys && (n == 0 || sum < d->keep.number * all)) sum += (double)sorted[n++];
        const float last = sorted[n - 1];
        while (sorted[above] > last) above++;
        int equal = n - above; // of those that are as large as the last
        for (int j = 0; j < w->n_keys; j++) {
            float weight = weights[j * L + l];
            bool seen = w->kept[j] >> l & 1;
            bool keeps = seen && (weight > last || (weight == last && equal-- > 0));
            if (!keeps) w->kept[j] &= (uint16_t) ~(1u << l);
        }
    }
}

// --- keys that go ----------------------------------------------------------------------------------

// Of one head, in `kept`.
typedef struct evict_head {
    int32_t *n;    // keys that are left
    int32_t *rows; // [budget + 1] of the cache, ascending
    float *scores; // [budget + 1]
    float *given;  // snapkv: [recent][budget + 1], weights of the last queries, the newest first
} evict_head;

static size_t budget_of(const fv_decoder *d, const decoder_attention *a) {
    size_t budget = (size_t)d->keep.number, capacity = (size_t)a->capacity;
    return budget < capacity ? budget : capacity;
}

static size_t votes_of(const fv_decoder *d) {
    return d->keep.kind == FV_KEEP_SNAPKV ? (size_t)recent_of(&d->keep) : 0;
}

// Numbers of a head.
static size_t head_numbers(const fv_decoder *d, const decoder_attention *a) {
    return FV_LANES + (2 + votes_of(d)) * (budget_of(d, a) + 1);
}

static evict_head evict_head_of(const fv_decoder *d, const decoder_attention *a, int h) {
    size_t most = budget_of(d, a) + 1;
    float *at = decoder_kept(d, a->at_evict) + (size_t)h * head_numbers(d, a);
    evict_head e = {.n = (int32_t *)(void *)at, .rows = (int32_t *)(void *)(at + FV_LANES)};
    e.scores = at + FV_LANES + most;
    e.given = e.scores + most;
    return e;
}

void decoder_evict_reserve(fv_decoder *d, decoder_layer *layer) {
    decoder_attention *a = &layer->attention;
    a->evicts = true;
    a->at_evict =
        arena_reserve(&d->kept, (size_t)d->sizes.n_head * head_numbers(d, a), sizeof(float));
}

void decoder_evict_forget(const fv_decoder *d, decoder_layer *layer) {
    for (int h = 0; h < d->sizes.n_head; h++) *evict_head_of(d, &layer->attention, h).n = 0;
}

void decoder_evict_list(fv_decoder *d, decoder_layer *layer, weighing *w, const float **k,
                        const float **v) {
    const decoder_attention *a = &layer->attention;
    const size_t d_head = (size_t)w->d_head, most = budget_of(d, a) + 1;
    evict_head e = evict_head_of(d, a, w->head.index);
    float *keys = decoder_working(d, d->at.weigh.means);
    float *values = decoder_working(d, d->at.weigh.values);
    int n = (*e.n)++;
    e.rows[n] = (int32_t)w->row;
    e.scores[n] = 0;
    for (size_t t = 0; t < votes_of(d); t++) e.given[t * most + (size_t)n] = 0;
    w->n_keys = *e.n;
    w->n_sinks = 0;
    w->from = 0;
    for (int j = 0; j < w->n_keys; j++) {
        size_t row = (size_t)e.rows[j];
        w->rows[j] = e.rows[j];
        w->kept[j] = UINT16_MAX;
        memcpy(keys + (size_t)j * d_head, *k + row * d_head, d_head * sizeof *keys);
        memcpy(values + (size_t)j * d_head, *v + row * d_head, d_head * sizeof *values);
    }
    *k = keys;
    *v = values;
}

// The newest weights come in front of those of earlier queries, of which only `votes` count.
static void vote(const weighing *w, const evict_head *e, size_t votes, size_t most,
                 const float *weights) {
    memmove(e->given + most, e->given, (votes - 1) * most * sizeof *e->given);
    for (int j = 0; j < w->n_keys; j++) e->given[j] = weights[j * L];
    for (int j = 0; j < w->n_keys; j++) {
        double sum = 0;
        for (size_t t = 0; t < votes; t++) sum += (double)e->given[t * most + (size_t)j];
        e->scores[j] = (float)sum;
    }
}

static void remove_key(const evict_head *e, size_t votes, size_t most, int gone) {
    size_t behind = (size_t)(*e->n - gone - 1);
    memmove(e->rows + gone, e->rows + gone + 1, behind * sizeof *e->rows);
    memmove(e->scores + gone, e->scores + gone + 1, behind * sizeof *e->scores);
    for (size_t t = 0; t < votes; t++) {
        float *given = e->given + t * most + gone;
        memmove(given, given + 1, behind * sizeof *given);
    }
    --*e->n;
}

void decoder_evict_one(fv_decoder *d, decoder_layer *layer, const weighing *w,
                       const float *weights) {
    const decoder_attention *a = &layer->attention;
    const size_t most = budget_of(d, a) + 1, votes = votes_of(d);
    evict_head e = evict_head_of(d, a, w->head.index);
    if (votes > 0)
        vote(w, &e, votes, most, weights);
    else
        for (int j = 0; j < w->n_keys; j++) e.scores[j] += weights[j * L];
    if (*e.n <= (int)d->keep.number) return;
    int gone = 0, old = 0;
    while (old < *e.n && e.rows[old] <= w->row - recent_of(&d->keep)) old++;
    for (int j = 1; j < old; j++)
        if (e.scores[j] < e.scores[gone]) gone = j;
    remove_key(&e, votes, most, gone);
}
