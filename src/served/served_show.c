// A stored question, its prompt built again from nothing but its row.
#include "served/served.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_origin(text_buffer *text, const asks_origin *o) {
    if (o->endpoint == NULL) {
        text_add(text, "of an unknown server: stored before that was noted\n");
        return;
    }
    text_add(text, "asked %s at %s", o->model ? o->model : "", o->endpoint);
    if (o->server != NULL) text_add(text, ", %s", o->server);
    if (o->returned != NULL) text_add(text, ", which calls it %s", o->returned);
    text_add(text, "\nsampling %s, extra %s, max_tokens %d, Fovea %s\n",
             o->sampling ? o->sampling : "", o->extra ? o->extra : "", o->max_tokens,
             o->fovea ? o->fovea : "");
}

// On one line: what a model writes steers no terminal.
static void add_reply(text_buffer *text, const char *reply) {
    enum { LONGEST_ESCAPE = 6 };
    if (reply == NULL) return;
    size_t size = LONGEST_ESCAPE * strlen(reply) + 1;
    char *shown = malloc(size);
    if (shown != NULL) {
        snprintf(shown, size, "%s", reply);
        fv_printable(shown, size);
    }
    text->failed |= shown == NULL;
    text_add(text, "reply: %s\n", shown != NULL ? shown : "");
    free(shown);
}

static void add_speed(text_buffer *text, const asks_row *row) {
    const asks_speed *speed = &row->speed;
    if (speed->first_token > 0) text_add(text, "first token after %.3g s", speed->first_token);
    if (speed->prefill > 0) text_add(text, ", prefill %.4g", speed->prefill);
    if (speed->decode > 0) text_add(text, ", decode %.4g", speed->decode);
    if (speed->by != ASKS_TIMED_BY_NOBODY)
        text_add(text, " tokens a second (%s)", asks_timed_text(speed->by));
    if (row->cached_tokens > 0) text_add(text, ", %d tokens were cached", row->cached_tokens);
    if (speed->first_token > 0) text_add_char(text, '\n');
    if (row->thought_tokens >= 0)
        text_add(text, "%d of %d tokens are thought%s\n", row->thought_tokens,
                 row->completion_tokens, row->thought_estimated ? " (estimated)" : "");
}

static char *summarise(const asks_row *row) {
    text_buffer text = {0};
    text_add(&text, "row %lld: %s, %s, %s\n", (long long)row->id, row->model, row->api, row->task);
    text_add(&text, "length %d %s, ", row->length, row->unit);
    if (!isnan(row->depth)) text_add(&text, "depth %g %%, ", row->depth);
    text_add(&text, "sample %d, seed %llu, in %s (%d units)\n", row->sample,
             (unsigned long long)row->seed, row->haystack, row->n_units);
    add_origin(&text, &row->origin);
    text_add(&text, "expected %s\n", row->expected);
    text_add(&text, "%s", fv_answer_text(row->answer));
    if (row->distractor != NULL)
        text_add(&text, " %s, which stands at %.1f %%", row->distractor, row->distractor_depth);
    if (row->error != NULL) text_add(&text, ", %s: %s", row->error_kind, row->error);
    if (row->prompt_tokens >= 0) text_add(&text, ", %d prompt tokens", row->prompt_tokens);
    text_add(&text, ", %d attempt%s, %.3g s", row->attempts, row->attempts == 1 ? "" : "s",
             row->seconds);
    if (row->in_flight >= 0) text_add(&text, ", %d in flight", row->in_flight);
    if (row->load > 0) text_add(&text, " of %d wanted", row->load);
    text_add_char(&text, '\n');
    add_speed(&text, row);
    add_reply(&text, row->reply);
    if (text.failed) text_free(&text);
    return text.data;
}

// The prompt of a row, from a task and what it is made of.
static fv_status show(const asks_row *row, const served_task *task, const served_source *source,
                      served_hay hay, fv_shown *shown, fv_error *error) {
    const served_sample_place place = {.seed = row->seed,
                                       .sample = row->sample,
                                       .length = row->length,
                                       .n_units = row->n_units,
                                       .depth = row->depth,
                                       .hay = hay};
    prompt p = {0};
    prompt_clear(&p);
    fv_status status = task->build(task, source, &place, &p, error);
    if (status == FV_OK) {
        shown->prompt = p.n_messages > 0 ? prompt_chat(&p) : prompt_text(&p, false);
        shown->system = p.system != NULL ? text_copy(p.system) : NULL;
        shown->same = p.hash == row->prompt_hash;
        if (shown->prompt == NULL || (p.system != NULL && shown->system == NULL))
            status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    prompt_free(&p);
    return status;
}

static fv_status show_question(const asks_row *row, const char *path, fv_shown *shown,
                               fv_error *error) {
    data_file **files;
    int n;
    const served_source nothing = {0};
    fv_status status = data_files_open(path, &files, &n, NULL, error);
    int of = 0; // the part that the row is of
    for (int i = 0; i < n && status == FV_OK; i++)
        if (strcmp(files[i]->name, row->task) == 0 && files[i]->length == row->length) of = i;
    if (status == FV_OK)
        status = show(row, &files[of]->task, &nothing, EVAL_HAY_NOISE, shown, error);
    data_files_close(files, n);
    return status;
}

static fv_status rebuild(const asks_row *row, fv_shown *shown, fv_error *error) {
    source_origin origin;
    source_from_name(row->haystack, &origin);
    if (*origin.questions) return show_question(row, origin.questions, shown, error);
    const served_task *task = served_task_find(row->task);
    if (task == NULL)
        return fv_fail(error, FV_FORMAT, "row %lld asks for '%s', a task that this version lacks",
                       (long long)row->id, row->task);
    const source_options from = {.haystack = *origin.haystack ? origin.haystack : NULL,
                                 .documents = *origin.documents ? origin.documents : NULL,
                                 .needles = *origin.needles ? origin.needles : NULL,
                                 .told = origin.told,
                                 .seed = row->seed,
                                 .longest = row->length};
    served_source source = {0};
    served_hay hay;
    char *name = NULL;
    fv_status status = source_prepare(&source, task, &from, &hay, &name, error);
    if (status == FV_OK) status = show(row, task, &source, hay, shown, error);
    source_free(&source);
    free(name);
    return status;
}

fv_status fv_served_show(const char *folder, int64_t id, fv_shown *shown, fv_error *error) {
    asks *a;
    asks_row row;
    *shown = (fv_shown){0};
    fv_status status = asks_open(folder, false, &a, error);
    if (status != FV_OK) return status;
    status = asks_get(a, id, &row, error);
    if (status == FV_OK) {
        shown->summary = summarise(&row);
        status = shown->summary != NULL ? rebuild(&row, shown, error)
                                        : fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    asks_close(a);
    if (status != FV_OK) fv_shown_free(shown);
    return status;
}

void fv_shown_free(fv_shown *shown) {
    free(shown->prompt);
    free(shown->system);
    free(shown->summary);
    *shown = (fv_shown){0};
}
