// Two orders of the same documents, question by question.
#include "served/served.h"

#include <fovea/orders.h>
#include <stdlib.h>
#include <string.h>

enum { NO_ANSWER, MISSED, FOUND };

typedef struct reader {
    char *outcomes; // [samples]
    int n;
} reader;

static void take(void *context, const asks_row *row) {
    reader *r = context;
    if (row->sample < r->n && fv_answer_counts(row->answer))
        r->outcomes[row->sample] = row->answer == FV_ANSWER_FOUND ? FOUND : MISSED;
}

// What came of each question of the group; the caller frees it.
static fv_status read_group(fv_served *s, const served_group *g, char **outcomes, fv_error *error) {
    reader r = {calloc((size_t)g->samples + 1, 1), g->samples};
    *outcomes = r.outcomes;
    if (r.outcomes == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    const asks_group theirs = served_asks_group(s, g, served_counted(s));
    return asks_each(s->asks, &s->key, &theirs, take, &r, error);
}

static void compare(const char *first, const char *second, int n, fv_order_pair *pair) {
    for (int i = 0; i < n; i++) {
        if (first[i] == NO_ANSWER || second[i] == NO_ANSWER) continue;
        pair->counts.n++;
        pair->counts.lost += first[i] == FOUND && second[i] == MISSED;
        pair->counts.won += first[i] == MISSED && second[i] == FOUND;
    }
    pair->p = pair->holm = fv_mcnemar(pair->counts);
    fv_paired_interval(pair->counts, FV_Z95, &pair->low, &pair->high);
}

static fv_status add_pair(fv_served *s, const served_group *first, const served_group *second,
                          fv_order_pair *pair, fv_error *error) {
    char *outcomes[2] = {NULL, NULL};
    int n = first->samples < second->samples ? first->samples : second->samples;
    *pair = (fv_order_pair){
        .first = first->task->order, .second = second->task->order, .length = first->length};
    fv_status status = read_group(s, first, &outcomes[0], error);
    if (status == FV_OK) status = read_group(s, second, &outcomes[1], error);
    if (status == FV_OK) compare(outcomes[0], outcomes[1], n, pair);
    free(outcomes[0]);
    free(outcomes[1]);
    return status;
}

static bool are_orders(const served_group *a, const served_group *b) {
    return a->task->order != NULL && b->task->order != NULL && a->task != b->task &&
           a->length == b->length && strcmp(a->haystack, b->haystack) == 0;
}

static fv_status correct(fv_order_pair *pairs, int n, fv_error *error) {
    double *p = malloc(((size_t)n + 1) * sizeof *p);
    if (p == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; i < n; i++) p[i] = pairs[i].p;
    fv_status status = fv_holm(p, n, p, error);
    for (int i = 0; i < n && status == FV_OK; i++) pairs[i].holm = p[i];
    free(p);
    return status;
}

fv_status fv_served_orders(fv_served *s, fv_order_pair **out, int *n, fv_error *error) {
    size_t most = (size_t)s->n_groups * (size_t)s->n_groups / 2 + 1;
    fv_order_pair *pairs = calloc(most, sizeof *pairs);
    *out = NULL;
    *n = 0;
    if (pairs == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = FV_OK;
    for (int i = 0; i < s->n_groups; i++)
        for (int k = i + 1; k < s->n_groups && status == FV_OK; k++)
            if (are_orders(&s->groups[i], &s->groups[k]))
                status = add_pair(s, &s->groups[k], &s->groups[i], &pairs[(*n)++], error);
    if (status == FV_OK) status = correct(pairs, *n, error);
    if (status == FV_OK)
        *out = pairs;
    else
        free(pairs);
    return status;
}
