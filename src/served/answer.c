// What came of a question: its reply is judged and stored, and whether it pays to go on is watched.
#include "served/asker.h"
#include "served/reply_logprobs.h"
#include "served/score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TRUNCATED_KIND[] = "prompt truncated";

static char *expected_json(const prompt *p) {
    json_t *list = json_array();
    for (int i = 0; i < p->n_answers; i++) json_array_append_new(list, json_string(p->answers[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

// The log-probabilities of the expected answer, where the reply tells them; the caller frees the
// text.
static char *expected_logprobs(const slot *at, double *sum) {
    json_t *list =
        reply_logprobs_of(at->reply.logprobs, at->reply.text, at->cell->group->task->metric,
                          at->prompt.answers, at->prompt.n_answers, sum);
    char *text = list != NULL ? json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
    json_decref(list);
    return text;
}

// An answer that came without log-probabilities, where they had been refused before: the next is
// asked for without.
static void watch_logprobs(asker *a, const slot *at) {
    if (at->call.fault != HTTP_NONE || at->no_room) return;
    a->has_logprobs |= at->logprobs;
    if (at->without) a->asks_logprobs = false;
}

static void classify(asker *a, slot *at, asks_row *row, served_verdict *verdict, char *note) {
    served_group *g = at->cell->group;
    const http_call *call = &at->call;
    *verdict = (served_verdict){.answer = FV_ANSWER_ERROR};
    if (at->no_room) {
        snprintf(note, sizeof call->note, "its shortest prompt has %d tokens, and %d fit",
                 at->tokens, g->rule.budget);
        row->error_kind = SERVED_LENGTH_SHORT;
        row->error = note;
        row->http_status = row->attempts = 0;
        return;
    }
    if (call->fault != HTTP_NONE) {
        snprintf(note, sizeof call->note, "%s", call->note);
        row->error_kind = http_fault_text(call->fault);
        row->error = note;
        return;
    }
    http_hide_key(a->http, at->reply.text, strlen(at->reply.text));
    http_hide_key(a->http, at->reply.model, strlen(at->reply.model));
    const char *only = at->end->server.model; // says more than a reply that echoes the request
    row->origin.returned = *only != '\0' ? only : *at->reply.model != '\0' ? at->reply.model : NULL;
    row->reply = at->reply.text;
    row->finish = at->reply.finish;
    row->prompt_tokens = at->reply.prompt_tokens;
    row->completion_tokens = at->reply.completion_tokens;
    row->cached_tokens = at->reply.cached_tokens;
    row->thought_tokens = at->reply.thought_tokens;
    row->thought_estimated = at->reply.thought_estimated;
    row->speed = at->reply.speed;
    a->whole |= at->reply.streamed && at->reply.prompt_tokens < 0;
    tokens_rule_learn(&g->rule.count, &at->prompt, at->tokens, at->reply.prompt_tokens);
    if (tokens_rule_truncated(&g->rule.count, at->tokens, at->reply.prompt_tokens)) {
        verdict->answer = FV_ANSWER_TRUNCATED;
        snprintf(note, sizeof call->note, "the server read %d tokens of %s%d",
                 at->reply.prompt_tokens, tokens_way_counts(g->rule.count.way) ? "" : "about ",
                 at->tokens);
        row->error_kind = TRUNCATED_KIND;
        row->error = note;
        return;
    }
    served_judge(g->task, &at->prompt, at->reply.text, at->reply.cut, at->reply.loops, verdict);
}

// Whether further requests have a chance. A wrong model or key stays wrong; a server that has
// failed everything it was sent, each with all its retries, is down.
static void watch(asker *a, const slot *at, fv_answer answer) {
    served_group *g = at->cell->group;
    http_fault fault = at->call.fault;
    if (fv_answer_counts(answer)) {
        g->n_answered++;
        a->in_a_row = at->end->n_failed = 0;
        return;
    }
    a->n_failed++;
    if (at->no_room) return;
    bool too_long = fault == HTTP_CONTEXT || answer == FV_ANSWER_TRUNCATED;
    if (too_long) {
        g->n_too_long++;
        g->too_long_kind = fault == HTTP_CONTEXT ? http_fault_text(fault) : TRUNCATED_KIND;
    }
    if (!too_long && fault != HTTP_LARGE) a->in_a_row++;
    bool hopeless = (fault == HTTP_MODEL || fault == HTTP_KEY) && a->in_a_row == a->n_failed;
    if (!hopeless && a->in_a_row < 4 + 2 * a->n_slots) return;
    a->stop_kind = http_fault_text(fault);
}

fv_status asker_store(asker *a, slot *at, fv_error *error) {
    const served_group *g = at->cell->group;
    served_verdict verdict;
    char note[sizeof at->call.note];
    char *expected = expected_json(&at->prompt), *logprobs = NULL;
    asks_row row = {.model = a->s->key.model,
                    .api = a->s->key.api,
                    .task = g->task->name,
                    .haystack = g->haystack,
                    .unit = g->task->unit,
                    .seed = a->s->options.seed,
                    .prompt_hash = at->prompt.hash,
                    .length = g->length,
                    .sample = at->sample,
                    .n_units = at->n_units,
                    .depth = at->cell->cell.depth,
                    .expected = expected ? expected : "[]",
                    .http_status = at->call.status,
                    .attempts = at->call.attempts,
                    .prompt_tokens = -1,
                    .completion_tokens = -1,
                    .cached_tokens = -1,
                    .thought_tokens = -1,
                    .seconds = at->call.seconds,
                    .in_flight = at->no_room ? -1 : at->in_flight,
                    .load = g->load,
                    .origin = served_origin(a->s, g, at->end)};
    classify(a, at, &row, &verdict, note);
    row.answer = verdict.answer;
    row.score = verdict.score;
    row.distractor = verdict.distractor;
    row.distractor_depth = verdict.distractor_depth;
    if (fv_answer_counts(verdict.answer)) logprobs = expected_logprobs(at, &row.logprob);
    row.logprobs = logprobs;
    watch_logprobs(a, at);
    fv_status status = asks_put(a->s->asks, &row, error);
    free(expected);
    free(logprobs);
    if (fv_answer_counts(verdict.answer)) at->cell->state[at->sample] = SAMPLE_ANSWERED;
    fv_cell_count(&at->cell->cell, verdict.answer, verdict.score);
    watch(a, at, verdict.answer);
    a->n_done++;
    endpoint_leave(at->end);
    a->idle[a->n_idle++] = at;
    return status;
}
