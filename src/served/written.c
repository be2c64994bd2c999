#include "served/written.h"

#include "served/served.h"

#include <math.h>
#include <stdlib.h>

int written_max_tokens(const written *w, const served_task *task) {
    return w->options->max_tokens > 0 ? w->options->max_tokens : task->max_tokens;
}

static fv_status open_counter(written *w, wire_api api, fv_error *error) {
    const fv_served_options *o = w->options;
    w->counter = (token_counter){.model = o->model ? o->model : "",
                                 .api = api,
                                 .extra = o->extra,
                                 .patience = o->timeout,
                                 .interrupted = o->interrupted,
                                 .say = o->on_note,
                                 .context_of_say = o->context};
    fv_status status = FV_OK;
    if (o->endpoint != NULL) {
        status = address_read(o->endpoint, api == WIRE_CHAT, &w->counter.at, error);
        if (status == FV_OK) status = served_connect(o, 1, 256 << 20, &w->counter.http, error);
    }
    return status == FV_OK ? tokens_open(&w->counter, error) : status;
}

// What the prompts of a part are made of, and how much of it fills the length.
static fv_status prepare_part(written *w, written_part *part, int length, fv_error *error) {
    const fv_served_options *o = w->options;
    const source_options from = served_source_options(o);
    char *name = NULL;
    part->place = (served_sample_place){.seed = o->seed, .length = length, .depth = NAN};
    fv_status status =
        source_prepare(&w->source, part->task, &from, &part->place.hay, &name, error);
    free(name);
    if (status != FV_OK) return status;
    return length_rule_make(&w->counter, part->task, &w->source, written_max_tokens(w, part->task),
                            &part->place, &part->rule, error);
}

static fv_status prepare_task(written *w, const char *name, fv_error *error) {
    const fv_served_options *o = w->options;
    fv_status status = served_task_check(name, error);
    for (int l = 0; l < o->n_lengths && status == FV_OK; l++) {
        written_part *part = &w->parts[w->n_parts];
        part->task = served_task_find(name);
        status = prepare_part(w, part, o->lengths[l], error);
        bool too_short = status == FV_USAGE && part->rule.tokens > part->rule.budget;
        if (status == FV_OK)
            w->n_parts++;
        else
            length_rule_free(&part->rule);
        if (!too_short) continue;
        if (w->left_out.status == FV_OK) w->left_out = *error;
        status = FV_OK;
    }
    return status;
}

fv_status written_prepare(written *w, const fv_served_options *o, wire_api api, fv_error *error) {
    size_t n = (size_t)o->n_tasks * (size_t)o->n_lengths;
    *w = (written){.options = o, .left_out = {.status = FV_OK}};
    w->parts = calloc(n > 0 ? n : 1, sizeof *w->parts);
    fv_status status = w->parts != NULL ? open_counter(w, api, error)
                                        : fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK) status = served_check_sources(o, error);
    for (int t = 0; t < o->n_tasks && status == FV_OK; t++)
        status = prepare_task(w, o->tasks[t], error);
    if (status != FV_OK || w->n_parts > 0) return status;
    *error = w->left_out;
    return w->left_out.status;
}

void written_free(written *w) {
    for (int i = 0; i < w->n_parts; i++) length_rule_free(&w->parts[i].rule);
    free(w->parts);
    http *connection = w->counter.http;
    tokens_close(&w->counter);
    http_free(connection);
    source_free(&w->source);
    prompt_free(&w->prompt);
    *w = (written){0};
}

fv_status written_build(written *w, const written_part *part, served_sample_place *place,
                        int *tokens, fv_error *error) {
    return length_build(&w->counter, &part->rule, part->task, &w->source, place, &w->prompt, tokens,
                        error);
}

fv_status written_left_out(const written *w, fv_error *error) {
    if (w->left_out.status == FV_OK) return FV_OK;
    return fv_fail(error, w->left_out.status, "%s; all others are written", w->left_out.text);
}
