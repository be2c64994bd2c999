// What a comparison says: by cell and over all, by class of answer, which questions flipped.
#include "needle/against.h"
#include "table.h"
#include "tool.h"

#include <fovea/whole_file.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_FLIPS = 10 };

static double difference(const fv_compared_cell *c) {
    return c->counts.n > 0 ? 100.0 * (c->counts.won - c->counts.lost) / c->counts.n : NAN;
}

static void add_counts(table *t, const fv_compared_cell *c) {
    table_add(t, "%d of %d", c->found[0], c->counts.n);
    table_add(t, "%d of %d", c->found[1], c->counts.n);
    table_add(t, "%d", c->counts.lost);
    table_add(t, "%d", c->counts.won);
    table_add(t, "%+.1f %%", difference(c));
    table_add(t, "%+.1f to %+.1f %%", 100 * c->low, 100 * c->high);
    table_add(t, "%.3g", c->p);
}

static void add_place(table *t, const fv_cell *place) {
    const char *settings = place->settings;
    table_add(t, "%s%s%s", place->task, *settings != '\0' ? ", " : "", settings);
    table_add(t, "%d %s", place->length, place->unit);
    if (isnan(place->depth))
        table_add(t, "%s", "");
    else
        table_add(t, "%g %%", place->depth);
}

static bool same_context(const fv_compared_cell *a, const fv_compared_cell *b) {
    return strcmp(a->place.task, b->place.task) == 0 && a->place.length == b->place.length &&
           strcmp(a->place.settings, b->place.settings) == 0;
}

// The map, as the context reads: cells come from deep to shallow.
static void print_cells(FILE *out, const fv_comparison *c) {
    static const char *const HEADERS[] = {"task", "length",     "depth", "first", "second", "lost",
                                          "won",  "difference", "95 %",  "p",     "Holm",   NULL};
    table t;
    table_init(&t, 11);
    table_add_texts(&t, HEADERS);
    for (int i = 0, end; i < c->n_cells; i = end) {
        for (end = i + 1; end < c->n_cells && same_context(&c->cells[i], &c->cells[end]);) end++;
        for (int k = end - 1; k >= i; k--) {
            if (c->cells[k].counts.n == 0) continue;
            add_place(&t, &c->cells[k].place);
            add_counts(&t, &c->cells[k]);
            table_add(&t, "%.3g", c->cells[k].holm);
        }
    }
    for (int k = 0; k < 3; k++) table_add(&t, "%s", k == 0 ? "all" : "");
    add_counts(&t, &c->all);
    table_add(&t, "%s", "");
    table_print(&t, out);
    table_free(&t);
}

// How often what the first answered in one way the second answered in another, and the reverse.
static void print_classes(FILE *out, const fv_comparison *c) {
    static const char *const HEADERS[] = {"from", "to", "questions", "the reverse", NULL};
    table t;
    int n = 0;
    table_init(&t, 4);
    table_add_texts(&t, HEADERS);
    for (int a = 0; a < FV_N_ANSWERS; a++)
        for (int b = a + 1; b < FV_N_ANSWERS; b++) {
            if (c->classes[a][b] + c->classes[b][a] == 0) continue;
            table_add(&t, "%s", fv_answer_text((fv_answer)a));
            table_add(&t, "%s", fv_answer_text((fv_answer)b));
            table_add(&t, "%d", c->classes[a][b]);
            table_add(&t, "%d", c->classes[b][a]);
            n++;
        }
    fputs("\n", out);
    if (n > 0)
        table_print(&t, out);
    else
        fputs("every answer is of the same class\n", out);
    table_free(&t);
}

static void print_costs(FILE *out, const char *const label[2], const fv_comparison *c) {
    static const char *const HEADERS[] = {"mean of a question", "prompt tokens", "answer tokens",
                                          "seconds", NULL};
    table t;
    table_init(&t, 4);
    table_add_texts(&t, HEADERS);
    for (int k = 0; k < 2; k++) {
        table_add(&t, "%s", label[k]);
        table_add_number(&t, c->cost[k].prompt_tokens);
        table_add_number(&t, c->cost[k].answer_tokens);
        table_add_number(&t, c->cost[k].seconds);
    }
    fputs("\n", out);
    table_print(&t, out);
    table_free(&t);
}

static void print_flips(FILE *out, const fv_comparison *c) {
    for (int i = 0; i < c->n_flips && i < SHOWN_FLIPS; i++) {
        const fv_flip *f = &c->flips[i];
        const fv_cell *place = &c->cells[f->cell].place;
        fprintf(out, "%s%s, %d %s", i == 0 ? "\n" : "", place->task, place->length, place->unit);
        if (!isnan(place->depth)) fprintf(out, ", %g %%", place->depth);
        fprintf(out, ", sample %d: %s, then %s (rows %lld and %lld)\n", f->sample,
                fv_answer_text(f->answer[0]), fv_answer_text(f->answer[1]), (long long)f->row[0],
                (long long)f->row[1]);
    }
    if (c->n_flips > SHOWN_FLIPS) fprintf(out, "and %d more\n", c->n_flips - SHOWN_FLIPS);
}

// Beside McNemar's test: what found and missed cannot tell where both find everything.
static void print_logprobs(FILE *out, const fv_comparison *c) {
    const fv_compared_logprobs *l = &c->logprobs;
    const fv_permutation *test = &l->of_both;
    if (l->n == 0 && l->n_one == 0) return;
    fprintf(out, "log-probability of the expected answer: told by both of %d of %d pairs", l->n,
            c->all.counts.n);
    if (l->n_one > 0) fprintf(out, ", by one of %d", l->n_one);
    fputc('\n', out);
    if (l->n == 0) return;
    fprintf(out,
            "means %.4g (first) and %.4g (second); paired permutation test, null 'as probably the "
            "other way round': difference %+.3g, p = %.3g by ",
            l->mean[0], l->mean[1], test->mean, test->p);
    fprintf(out, test->exact ? "all %lld permutations\n" : "%lld drawn permutations\n",
            test->n_permutations);
}

static void print_noise(FILE *out, const char *label, const against_noise *noise) {
    double low, high;
    if (noise->n == 0) return;
    fv_wilson(noise->n_flips, noise->n, FV_Z95, &low, &high);
    fprintf(out,
            "noise: asked twice, %s found once and missed once %d of %d (%.1f %%, 95 %%: %.1f to "
            "%.1f %%), and changed its class at %d\n",
            label, noise->n_flips, noise->n, 100.0 * noise->n_flips / noise->n, 100 * low,
            100 * high, noise->n_changed);
}

void against_print(FILE *out, const char *const label[2], const fv_comparison *c,
                   const against_noise *noise) {
    fprintf(out, "\n%s (second) against %s (first), of %d prompts that are the same to the byte\n",
            label[1], label[0], c->all.counts.n);
    print_cells(out, c);
    fprintf(out, "McNemar's exact test, null 'both find equally often': p = %.3g over all\n",
            c->all.p);
    print_logprobs(out, c);
    print_noise(out, label[1], noise);
    if (c->n_asked > c->all.counts.n)
        fprintf(out,
                "%d of %d questions are not compared: %d have no answer of both, %d of other "
                "prompts\n",
                c->n_asked - c->all.counts.n, c->n_asked,
                c->n_asked - c->all.counts.n - c->n_others, c->n_others);
    print_classes(out, c);
    print_costs(out, label, c);
    print_flips(out, c);
}

void against_summary(const char *const label[2], const fv_comparison *c, char *text, size_t size) {
    const fv_compared_cell *all = &c->all;
    snprintf(text, size,
             "%.120s against %.120s: %d and %d of %d found, %+.1f %% (95 %%: %+.1f to %+.1f %%), p "
             "= %.3g",
             label[1], label[0], all->found[1], all->found[0], all->counts.n, difference(all),
             100 * all->low, 100 * all->high, all->p);
}

// --- for machines --------------------------------------------------------------------------------

static json_t *cell_json(const fv_compared_cell *c) {
    return json_pack("{s:i, s:[i,i], s:i, s:i, s:f, s:f, s:f, s:f}", "n", c->counts.n, "found",
                     c->found[0], c->found[1], "lost", c->counts.lost, "won", c->counts.won, "low",
                     c->low, "high", c->high, "p", c->p, "holm", c->holm);
}

static json_t *logprobs_json(const fv_compared_logprobs *l) {
    const fv_permutation *test = &l->of_both;
    return json_pack("{s:i, s:i, s:[o,o], s:o, s:f, s:I, s:b}", "pairs", l->n, "told_by_one",
                     l->n_one, "mean", tool_number_json(l->mean[0]), tool_number_json(l->mean[1]),
                     "difference", tool_number_json(test->mean), "p", test->p, "permutations",
                     (json_int_t)test->n_permutations, "exact", test->exact);
}

static void set_place(json_t *object, const fv_cell *place) {
    json_object_set_new(object, "task", json_string(place->task));
    json_object_set_new(object, "unit", json_string(place->unit));
    json_object_set_new(object, "length", json_integer(place->length));
    json_object_set_new(object, "depth", tool_number_json(place->depth));
    json_object_set_new(object, "settings", json_string(place->settings));
}

json_t *against_json(const char *const label[2], const fv_comparison *c,
                     const against_noise *noise) {
    json_t *cells = json_array(), *classes = json_array();
    for (int i = 0; i < c->n_cells; i++) {
        json_t *cell = cell_json(&c->cells[i]);
        set_place(cell, &c->cells[i].place);
        json_array_append_new(cells, cell);
    }
    for (int a = 0; a < FV_N_ANSWERS; a++)
        for (int b = 0; b < FV_N_ANSWERS; b++)
            if (c->classes[a][b] > 0)
                json_array_append_new(classes,
                                      json_pack("[s, s, i]", fv_answer_text((fv_answer)a),
                                                fv_answer_text((fv_answer)b), c->classes[a][b]));
    json_t *object = json_pack("{s:[s,s], s:o, s:o, s:o, s:i, s:i}", "compared", label[0], label[1],
                               "all", cell_json(&c->all), "cells", cells, "classes", classes,
                               "asked", c->n_asked, "other_prompts", c->n_others);
    if (object != NULL) json_object_set_new(object, "logprobs", logprobs_json(&c->logprobs));
    if (object != NULL && noise->n > 0)
        json_object_set_new(object, "noise",
                            json_pack("{s:i, s:i, s:i}", "n", noise->n, "flips", noise->n_flips,
                                      "changed", noise->n_changed));
    return object;
}

static json_t *flip_json(const char *const label[2], const fv_comparison *c, const fv_flip *f,
                         const char *prompt) {
    json_t *object =
        json_pack("{s:i, s:[s,s], s:[I,I], s:[s,s], s:[s?,s?], s:s}", "sample", f->sample, "models",
                  label[0], label[1], "rows", (json_int_t)f->row[0], (json_int_t)f->row[1],
                  "answers", fv_answer_text(f->answer[0]), fv_answer_text(f->answer[1]), "replies",
                  f->reply[0], f->reply[1], "prompt", prompt);
    if (object != NULL) set_place(object, &c->cells[f->cell].place);
    return object;
}

fv_status against_write_flips(const char *folder, const against_sides *sides, fv_error *error) {
    const fv_comparison *c = sides->comparison;
    char path[4096];
    fv_whole_file file;
    snprintf(path, sizeof path, "%s/flips.jsonl", folder);
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status != FV_OK) return status;
    for (int i = 0; i < c->n_flips && status == FV_OK; i++) {
        char *prompt;
        status = sides->prompt(sides->context, &c->flips[i], &prompt, error);
        if (status != FV_OK) break;
        json_t *object = flip_json(sides->label, c, &c->flips[i], prompt);
        if (object == NULL || json_dumpf(object, file.stream, JSON_COMPACT) != 0)
            status = fv_fail(error, FV_IO, "%s cannot be written", path);
        fputc('\n', file.stream);
        json_decref(object);
        free(prompt);
    }
    fv_error why;
    fv_status closed = fv_whole_file_close(&file, status == FV_OK, status == FV_OK ? error : &why);
    return status == FV_OK ? closed : status;
}
