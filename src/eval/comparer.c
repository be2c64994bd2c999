#include "eval/comparer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// The first model's answer to a question.
typedef struct first_answer {
    int64_t row; // 0: none that counts
    uint64_t hash;
    fv_answer answer;
    char *reply;
    double seconds;
    int prompt_tokens, completion_tokens;
    double logprob; // NAN where not told
} first_answer;

typedef struct joiner {
    const comparer_group *group;
    first_answer *first; // [cells of the group][samples]
    fv_comparison *out;
    comparer *c;
    bool failed; // out of memory
} joiner;

// The place of a row in `first`, or NULL where it is of no cell; *cell is its cell.
static first_answer *place_of(const joiner *j, const asks_row *row, int *cell) {
    const comparer_group *g = j->group;
    for (int i = 0; i < g->n_cells && row->sample < g->samples; i++) {
        double depth = j->out->cells[g->first_cell + i].place.depth;
        if (isnan(row->depth) ? !isnan(depth) : row->depth != depth) continue;
        *cell = g->first_cell + i;
        return &j->first[(size_t)i * (size_t)g->samples + (size_t)row->sample];
    }
    return NULL;
}

static char *copy(joiner *j, const char *text) {
    char *made = text != NULL ? text_copy(text) : NULL;
    j->failed |= text != NULL && made == NULL;
    return made;
}

static void keep_first(void *context, const asks_row *row) {
    joiner *j = context;
    int cell;
    first_answer *at = place_of(j, row, &cell);
    if (at == NULL || !fv_answer_counts(row->answer)) return;
    *at = (first_answer){.row = row->id,
                         .hash = row->prompt_hash,
                         .answer = row->answer,
                         .reply = copy(j, row->reply),
                         .seconds = row->seconds,
                         .prompt_tokens = row->prompt_tokens,
                         .completion_tokens = row->completion_tokens,
                         .logprob = row->logprob};
}

static void add(comparer_sum *s, double value) {
    if (!(value >= 0)) return;
    s->total += value;
    s->n++;
}

static void add_flip(joiner *j, int cell, const first_answer *first, const asks_row *row) {
    fv_comparison *out = j->out;
    fv_flip *grown = realloc(out->flips, ((size_t)out->n_flips + 1) * sizeof *grown);
    j->failed |= grown == NULL;
    if (grown == NULL) return;
    out->flips = grown;
    grown[out->n_flips++] = (fv_flip){.cell = cell,
                                      .sample = row->sample,
                                      .n_units = row->n_units,
                                      .row = {first->row, row->id},
                                      .answer = {first->answer, row->answer},
                                      .reply = {copy(j, first->reply), copy(j, row->reply)},
                                      .prompt_hash = row->prompt_hash};
}

// `mean` sums up while rows are joined.
static void add_logprobs(joiner *j, double first, double second) {
    fv_compared_logprobs *out = &j->out->logprobs;
    out->n_one += isnan(first) != isnan(second);
    if (isnan(first) || isnan(second)) return;
    if (out->n == j->c->capacity) {
        int capacity = j->c->capacity > 0 ? 2 * j->c->capacity : 256;
        double *grown = realloc(j->c->differences, (size_t)capacity * sizeof *grown);
        j->failed |= grown == NULL;
        if (grown == NULL) return;
        j->c->differences = grown;
        j->c->capacity = capacity;
    }
    j->c->differences[out->n++] = second - first;
    out->mean[0] += first;
    out->mean[1] += second;
}

static void count(fv_compared_cell *c, bool first, bool second) {
    c->counts.n++;
    c->counts.lost += first && !second;
    c->counts.won += second && !first;
    c->found[0] += first;
    c->found[1] += second;
}

static void join(void *context, const asks_row *row) {
    joiner *j = context;
    int cell;
    const first_answer *first = place_of(j, row, &cell);
    if (first == NULL || !fv_answer_counts(row->answer)) return;
    j->c->n_second++;
    if (first->row == 0) return;
    if (first->hash != row->prompt_hash) {
        j->out->n_others++;
        return;
    }
    bool was = first->answer == FV_ANSWER_FOUND, is = row->answer == FV_ANSWER_FOUND;
    count(&j->out->cells[cell], was, is);
    count(&j->out->all, was, is);
    j->out->classes[first->answer][row->answer]++;
    add(&j->c->prompt_tokens[0], first->prompt_tokens);
    add(&j->c->prompt_tokens[1], row->prompt_tokens);
    add(&j->c->answer_tokens[0], first->completion_tokens);
    add(&j->c->answer_tokens[1], row->completion_tokens);
    add(&j->c->seconds[0], first->seconds);
    add(&j->c->seconds[1], row->seconds);
    add_logprobs(j, first->logprob, row->logprob);
    if (was != is) add_flip(j, cell, first, row);
}

fv_status comparer_join(comparer *c, asks *a, const comparer_group *g, fv_error *error) {
    joiner j = {.c = c, .out = c->out, .group = g};
    size_t n = (size_t)g->n_cells * (size_t)g->samples;
    j.first = calloc(n > 0 ? n : 1, sizeof *j.first);
    if (j.first == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = asks_each(a, &g->keys[0], &g->groups[0], keep_first, &j, error);
    if (status == FV_OK) status = asks_each(a, &g->keys[1], &g->groups[1], join, &j, error);
    for (size_t i = 0; i < n; i++) free(j.first[i].reply);
    free(j.first);
    if (status == FV_OK && j.failed) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    return status;
}

static double mean(comparer_sum s) {
    return s.n > 0 ? s.total / s.n : NAN;
}

static void judge(fv_compared_cell *c) {
    c->p = c->holm = fv_mcnemar(c->counts);
    fv_paired_interval(c->counts, FV_Z95, &c->low, &c->high);
}

// Tests of every cell that has an answer; the others take no part in the correction.
static fv_status judge_all(fv_comparison *out, fv_error *error) {
    double *p = malloc(((size_t)out->n_cells + 1) * sizeof *p);
    int n = 0;
    if (p == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    judge(&out->all);
    for (int i = 0; i < out->n_cells; i++) {
        judge(&out->cells[i]);
        if (out->cells[i].counts.n > 0) p[n++] = out->cells[i].p;
    }
    fv_status status = fv_holm(p, n, p, error);
    n = 0;
    for (int i = 0; i < out->n_cells && status == FV_OK; i++)
        if (out->cells[i].counts.n > 0) out->cells[i].holm = p[n++];
    free(p);
    return status;
}

fv_status comparer_begin(comparer *c, int n_cells, fv_comparison *out, fv_error *error) {
    *c = (comparer){.out = out};
    *out = (fv_comparison){.n_cells = n_cells};
    out->cells = calloc((size_t)n_cells + 1, sizeof *out->cells);
    return out->cells != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory");
}

fv_status comparer_end(comparer *c, uint64_t seed, fv_error *error) {
    fv_comparison *out = c->out;
    fv_paired_permutation(c->differences, out->logprobs.n, seed, &out->logprobs.of_both);
    for (int k = 0; k < 2; k++) {
        out->logprobs.mean[k] /= out->logprobs.n; // NAN of none
        out->cost[k] = (fv_compared_cost){mean(c->prompt_tokens[k]), mean(c->answer_tokens[k]),
                                          mean(c->seconds[k])};
    }
    return judge_all(out, error);
}

void comparer_free(comparer *c) {
    free(c->differences);
    *c = (comparer){0};
}

void fv_comparison_free(fv_comparison *c) {
    for (int i = 0; i < c->n_flips; i++) {
        free(c->flips[i].reply[0]);
        free(c->flips[i].reply[1]);
    }
    free(c->flips);
    free(c->cells);
    *c = (fv_comparison){0};
}
