// Asking. One thread builds prompts, sends them, reads replies and stores them:
//
//   cursor ──> slot: prompt, request ──> in flight ──> reply ──> verdict ──> eval.db
//              ^                                                    │
//              └────────────── the slot is free after the commit <──┘
//
// A slot is used again only after its answer is committed, so that whatever kills the process, no
// more requests are repeated than there are slots.
#include "base/clock.h"
#include "served/served.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_REPLY = 1 << 20, // bytes: no answer of some hundred tokens is longer
    MOST_TOKEN = 64,      // bytes: and no further token, however it is escaped
    ROUND = 8,            // further samples of a cell whose interval is too wide
    ENOUGH_TOO_LONG = 3   // refusals after which a length is given up
};

static const char TRUNCATED_KIND[] = "prompt truncated";

typedef struct slot {
    http_call call;
    prompt prompt;
    served_cell *cell;
    int sample;
    wire_reply reply;
} slot;

typedef struct asker {
    fv_served *s;
    http *http;
    slot *slots;
    slot **idle;
    int n_idle, n_all, n_done, n_failed;
    int group, sample, cell; // the cursor: where to look for the next missing sample
    int in_a_row;            // failures without an answer between them
    const char *stop_kind;   // NULL, or why there is no sense in going on
    double started, shown;
} asker;

// --- what to ask next --------------------------------------------------------------------------

static bool given_up(const served_group *g) {
    return g->n_too_long >= ENOUGH_TOO_LONG && g->n_answered == 0;
}

// By task and length, sample for sample, each from the deepest needle to the shallowest.
static served_cell *next_missing(asker *a, int *sample) {
    fv_served *s = a->s;
    for (; a->group < s->n_groups; a->group++, a->sample = 0) {
        served_group *g = &s->groups[a->group];
        for (; a->sample < g->samples && !given_up(g); a->sample++, a->cell = 0)
            while (a->cell < g->n_cells) {
                served_cell *c = &s->cells[g->first_cell + a->cell++];
                if (a->sample >= c->target || c->state[a->sample] != SAMPLE_MISSING) continue;
                *sample = a->sample;
                return c;
            }
        a->cell = 0;
    }
    return NULL;
}

// Another round for cells whose interval is too wide; false where there are none.
static bool widen(asker *a) {
    fv_served *s = a->s;
    bool any = false;
    for (int i = 0; i < s->n_cells && a->stop_kind == NULL; i++) {
        served_cell *c = &s->cells[i];
        if (!served_wants_more(s, c) || given_up(c->group)) continue;
        int target = c->target + ROUND;
        c->target = target < c->group->samples ? target : c->group->samples;
        any = true;
    }
    a->group = a->sample = a->cell = 0;
    a->n_all = a->n_done + served_count_missing(s);
    return any;
}

// --- one request -------------------------------------------------------------------------------

// Where nothing was found: the address may be another than was thought.
static void name_address(http_call *call) {
    char said[sizeof call->note];
    const char *rest = strchr(call->note, ':');
    snprintf(said, sizeof said, "%s", rest != NULL ? rest : "");
    snprintf(call->note, sizeof call->note, "HTTP 404 at %.150s%.90s", call->url, said);
}

static http_fault judge(http_call *call) {
    slot *at = call->context;
    free(at->reply.text);
    http_fault fault =
        wire_read(call->reply.data, call->reply.n, call->status, &at->reply, call->note);
    if (call->status == 404) name_address(call);
    return fault;
}

static fv_status send(asker *a, slot *at, fv_error *error) {
    const served_group *g = at->cell->group;
    const served_sample_place place = served_place(a->s, at->cell, at->sample);
    prompt_clear(&at->prompt);
    fv_status status = g->task->build(g->task, &a->s->source, &place, &at->prompt, error);
    if (status != FV_OK) return status;
    http_call *call = &at->call;
    call->url = a->s->at.url;
    call->head = at->prompt.system != NULL ? g->frame.head_system : g->frame.head;
    call->n_head = strlen(call->head);
    call->tail = g->frame.tail;
    call->n_tail = strlen(call->tail);
    call->prompt = &at->prompt;
    call->judge = judge;
    call->context = at;
    at->cell->state[at->sample] = SAMPLE_FAILED; // unless it turns out otherwise
    http_start(a->http, call);
    return FV_OK;
}

// What a reply may have: --max-tokens allows longer ones.
static size_t most_reply(const fv_served *s) {
    int most_tokens = 0;
    for (int i = 0; i < s->n_groups; i++)
        if (s->groups[i].max_tokens > most_tokens) most_tokens = s->groups[i].max_tokens;
    return MOST_REPLY + (size_t)MOST_TOKEN * (size_t)most_tokens;
}

static fv_status fill_slots(asker *a, fv_error *error) {
    while (a->n_idle > 0 && a->stop_kind == NULL) {
        slot *at = a->idle[a->n_idle - 1];
        at->cell = next_missing(a, &at->sample);
        if (at->cell == NULL) return FV_OK;
        a->n_idle--;
        fv_status status = send(a, at, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

// --- what came of it ---------------------------------------------------------------------------

// Whether the server read clearly less than it was sent. Prompts of one length differ by some
// tokens: by few where their haystacks are alike, by more where they are different texts.
static bool is_truncated(const served_group *g, int prompt_tokens) {
    if (prompt_tokens < 0 || strcmp(g->counted, tokens_way_text(TOKENS_ESTIMATE)) == 0)
        return false;
    bool alike = g->hay != EVAL_HAY_TEXT && g->task->spread == 0;
    bool exact = strcmp(g->counted, tokens_way_text(TOKENS_USAGE)) != 0;
    double slack = 16 + ((alike && exact ? 0.02 : 0.1) + g->task->spread) * g->tokens;
    return prompt_tokens < g->tokens - slack;
}

static char *expected_json(const prompt *p) {
    json_t *list = json_array();
    for (int i = 0; i < p->n_answers; i++) json_array_append_new(list, json_string(p->answers[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

static void classify(asker *a, slot *at, asks_row *row, served_verdict *verdict, char *note) {
    const served_group *g = at->cell->group;
    const http_call *call = &at->call;
    *verdict = (served_verdict){.answer = FV_ANSWER_ERROR};
    if (call->fault != HTTP_NONE) {
        snprintf(note, sizeof call->note, "%s", call->note);
        row->error_kind = http_fault_text(call->fault);
        row->error = note;
        return;
    }
    http_hide_key(a->http, at->reply.text, strlen(at->reply.text));
    http_hide_key(a->http, at->reply.model, strlen(at->reply.model));
    row->origin.returned = *at->reply.model != '\0' ? at->reply.model : NULL;
    row->reply = at->reply.text;
    row->finish = at->reply.finish;
    row->prompt_tokens = at->reply.prompt_tokens;
    row->completion_tokens = at->reply.completion_tokens;
    if (is_truncated(g, at->reply.prompt_tokens)) {
        verdict->answer = FV_ANSWER_TRUNCATED;
        snprintf(note, sizeof call->note, "the server read %d tokens of about %d",
                 at->reply.prompt_tokens, g->tokens);
        row->error_kind = TRUNCATED_KIND;
        row->error = note;
        return;
    }
    served_judge(g->task, &at->prompt, at->reply.text, at->reply.cut, verdict);
}

// Whether further requests have a chance. A wrong model or key stays wrong; a server that has
// failed everything it was sent, each with all its retries, is down.
static void watch(asker *a, const slot *at, fv_answer answer) {
    served_group *g = at->cell->group;
    http_fault fault = at->call.fault;
    if (fv_answer_counts(answer)) {
        g->n_answered++;
        a->in_a_row = 0;
        return;
    }
    a->n_failed++;
    bool too_long = fault == HTTP_CONTEXT || answer == FV_ANSWER_TRUNCATED;
    if (too_long) {
        g->n_too_long++;
        g->too_long_kind = fault == HTTP_CONTEXT ? http_fault_text(fault) : TRUNCATED_KIND;
    }
    if (!too_long && fault != HTTP_LARGE) a->in_a_row++;
    bool hopeless = (fault == HTTP_MODEL || fault == HTTP_KEY) && a->in_a_row == a->n_failed;
    if (!hopeless && a->in_a_row < 4 + 2 * a->s->options.in_flight) return;
    a->stop_kind = http_fault_text(fault);
}

static fv_status store(asker *a, slot *at, fv_error *error) {
    const served_group *g = at->cell->group;
    served_verdict verdict;
    char note[sizeof at->call.note];
    char *expected = expected_json(&at->prompt);
    asks_row row = {.model = a->s->key.model,
                    .api = a->s->key.api,
                    .task = g->task->name,
                    .haystack = g->haystack,
                    .unit = g->task->unit,
                    .seed = a->s->options.seed,
                    .prompt_hash = at->prompt.hash,
                    .length = g->length,
                    .sample = at->sample,
                    .n_units = g->n_units,
                    .depth = at->cell->cell.depth,
                    .expected = expected ? expected : "[]",
                    .http_status = at->call.status,
                    .attempts = at->call.attempts,
                    .prompt_tokens = -1,
                    .completion_tokens = -1,
                    .seconds = at->call.seconds,
                    .origin = served_origin(a->s, g)};
    classify(a, at, &row, &verdict, note);
    row.answer = verdict.answer;
    row.score = verdict.score;
    row.distractor = verdict.distractor;
    row.distractor_depth = verdict.distractor_depth;
    fv_status status = asks_put(a->s->asks, &row, error);
    free(expected);
    if (fv_answer_counts(verdict.answer)) at->cell->state[at->sample] = SAMPLE_ANSWERED;
    fv_cell_count(&at->cell->cell, verdict.answer, verdict.score);
    watch(a, at, verdict.answer);
    a->n_done++;
    a->idle[a->n_idle++] = at;
    return status;
}

// Stores everything that has arrived, in one transaction.
static fv_status store_arrived(asker *a, http_call *first, fv_error *error) {
    fv_status status = asks_begin(a->s->asks, error);
    for (http_call *call = first; call != NULL && status == FV_OK; call = http_wait(a->http, 0))
        status = store(a, call->context, error);
    return status == FV_OK ? asks_commit(a->s->asks, error) : status;
}

// --- the loop ----------------------------------------------------------------------------------

static void show(asker *a, bool now_or_never) {
    const fv_served_options *o = &a->s->options;
    double time = clock_now();
    if (o->on_progress == NULL || (!now_or_never && time - a->shown < 0.1)) return;
    a->shown = time;
    double seconds = time - a->started;
    double left = a->n_done > 0 ? seconds * (a->n_all - a->n_done) / a->n_done : -1;
    o->on_progress(o->context, a->n_done, a->n_failed, a->n_all, seconds, left);
}

static fv_status ask_all(asker *a, fv_error *error) {
    const volatile int *interrupted = a->s->options.interrupted;
    for (;;) {
        if (interrupted != NULL && *interrupted)
            return fv_fail(error, FV_INTERRUPTED, "interrupted");
        fv_status status = fill_slots(a, error);
        if (status != FV_OK) return status;
        if (a->n_idle == a->s->options.in_flight && !widen(a)) return FV_OK;
        http_call *call = http_wait(a->http, 100);
        if (call != NULL) status = store_arrived(a, call, error);
        if (status != FV_OK) return status;
        show(a, false);
    }
}

// What was left out, beside what it failed of.
static void count_unasked(asker *a) {
    fv_served *s = a->s;
    for (int i = 0; i < s->n_faults; i++) s->faults[i].unasked = 0;
    for (int i = 0; i < s->n_cells; i++) {
        const served_cell *c = &s->cells[i];
        const char *kind = given_up(c->group) ? c->group->too_long_kind : a->stop_kind;
        int n = 0;
        if (kind == NULL) continue;
        for (int k = 0; k < c->target; k++) n += c->state[k] == SAMPLE_MISSING;
        for (int f = 0; f < s->n_faults; f++)
            if (strcmp(s->faults[f].kind, kind) == 0) s->faults[f].unasked += n;
    }
}

fv_status fv_served_ask(fv_served *s, fv_error *error) {
    size_t n = (size_t)s->options.in_flight;
    asker a = {.s = s, .started = clock_now(), .n_all = served_count_missing(s)};
    a.slots = calloc(n, sizeof *a.slots);
    a.idle = calloc(n, sizeof *a.idle);
    fv_status status =
        a.slots != NULL && a.idle != NULL
            ? served_connect(&s->options, s->options.in_flight, most_reply(s), &a.http, error)
            : fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n && status == FV_OK; i++) a.idle[a.n_idle++] = &a.slots[n - 1 - i];
    if (status == FV_OK && a.n_all == 0) widen(&a);
    bool answers; // where none does, the questions say so
    if (status == FV_OK && a.n_all > 0 && *s->server == '\0')
        status = served_ask_server(s, &answers, error);
    if (status == FV_OK) status = ask_all(&a, error);
    if (status == FV_OK) show(&a, true);
    for (size_t i = 0; i < n && a.slots != NULL; i++) {
        http_call_free(&a.slots[i].call);
        prompt_free(&a.slots[i].prompt);
        free(a.slots[i].reply.text);
    }
    http_free(a.http);
    free(a.slots);
    free(a.idle);
    if (status == FV_OK) status = served_load(s, error);
    if (status == FV_OK) count_unasked(&a);
    return status;
}
