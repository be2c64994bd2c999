// Asking. One thread builds prompts, sends them, reads replies and stores them:
//
//   cursor ──> slot: prompt ──> count ──> request ──> reply ──> verdict ──> eval.db
//              ^         ^── shorter ──┘                            │
//              └────────────── the slot is free after the commit <──┘
//
// Each prompt is counted by the server before it is asked, and shortened until it fits into its
// length. Where nobody counts, lengths are estimates: what the server refuses as too long is asked
// again a tenth shorter.
//
// A slot is used again only after its answer is committed, so that whatever kills the process, no
// more requests are repeated than there are slots.
#include "base/clock.h"
#include "served/asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_REPLY = 1 << 20,       // bytes: no answer of some hundred tokens is longer
    MOST_TOKEN = 64,            // bytes: and no further token, however it is escaped
    MOST_TOKEN_LOGPROBS = 2048, // the same with its log-probability and those of others
    MOST_SHORTER = 3            // times that an estimate is corrected
};

// Another round for cells whose interval is too wide; false where there are none.
static bool widen(asker *a) {
    bool any = a->stop_kind == NULL && work_widen(&a->work);
    a->n_all = a->n_done + served_count_missing(a->s);
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

// Takes in what has come of a stream.
static size_t arrive(http_call *call) {
    slot *at = call->context;
    if (at->attempt != call->attempts) reply_stream_free(&at->stream);
    at->attempt = call->attempts;
    if (!at->stream.begun && !event_stream_begins(call->reply.data, call->reply.n)) return 0;
    reply_stream_feed(&at->stream, call->reply.data, call->reply.n, clock_now() - call->started);
    call->reply.n = 0;
    text_add_n(&call->reply, "", 0);
    return reply_stream_size(&at->stream);
}

static http_fault read_stream(http_call *call, const thoughts_known *known) {
    slot *at = call->context;
    http_hide_key(call->owner, at->stream.error.data, at->stream.error.n);
    return reply_stream_read(&at->stream, call->status, known, &at->reply, call->note);
}

static http_fault judge(http_call *call) {
    slot *at = call->context;
    served_group *g = at->cell->group;
    wire_reply_free(&at->reply);
    bool streamed = at->stream.begun && at->attempt == call->attempts;
    http_fault fault = streamed ? read_stream(call, &g->thoughts)
                                : wire_read(call->reply.data, call->reply.n, call->status,
                                            &g->thoughts, &at->reply, call->note);
    g->thoughts.begun |= at->reply.begun;
    if (call->status == 404) name_address(call);
    return fault;
}

static http_fault judge_count(http_call *call) {
    slot *at = call->context;
    if (call->status != 200) {
        http_fault fault = wire_fault(call->reply.data, call->reply.n, call->status, call->note);
        if (call->status == 404) name_address(call);
        return fault;
    }
    at->tokens = tokens_rule_read(&at->cell->group->rule.count, &at->prompt, call->reply.data,
                                  call->reply.n);
    if (at->tokens >= 0) return HTTP_NONE;
    snprintf(call->note, sizeof call->note, "the reply has no count of tokens");
    return HTTP_MALFORMED;
}

static fv_status build(asker *a, slot *at, int n_units, fv_error *error) {
    const served_group *g = at->cell->group;
    const served_sample_place place = served_place(a->s, at->cell, at->sample, n_units);
    at->n_units = n_units;
    prompt_clear(&at->prompt);
    fv_status status = g->task->build(g->task, &a->s->source, &place, &at->prompt, error);
    const led_prompt *led = at->cell->led != NULL ? &at->cell->led[at->sample] : NULL;
    if (status != FV_OK || led == NULL || led->hash == at->prompt.hash) return status;
    return fv_fail(error, FV_USAGE,
                   "a prompt of %s is not what '%s' was asked: what it is made of has changed "
                   "since, or this version builds it otherwise; ask '%s' again under another label",
                   g->task->name, a->s->options.prompts_of, a->s->options.prompts_of);
}

static void start(asker *a, slot *at, const char *url, const char *head, const char *tail,
                  http_fault (*judges)(http_call *)) {
    http_call *call = &at->call;
    call->url = url;
    call->head = head;
    call->n_head = strlen(head);
    call->tail = tail;
    call->n_tail = strlen(tail);
    call->prompt = &at->prompt;
    call->judge = judges;
    call->arrive = judges == judge ? arrive : NULL;
    at->attempt = 0;
    reply_stream_free(&at->stream);
    call->context = at;
    call->gate = &at->end->gate;
    http_start(a->http, call);
}

static void send(asker *a, slot *at) {
    const served_group *g = at->cell->group;
    at->counting = at->call.bare = false;
    at->streams = !a->whole && wire_tail(&g->frame, true, false) != NULL;
    at->logprobs = a->asks_logprobs && !at->without && wire_tail(&g->frame, false, true) != NULL;
    at->in_flight = at->end->n_in_flight;
    const char *tail = wire_tail(&g->frame, at->streams, at->logprobs);
    start(a, at, at->end->at.url, wire_head(&g->frame, &at->prompt), tail, judge);
}

// The search has ended: the prompt that fits is asked, or none does.
static fv_status send_found(asker *a, slot *at, fv_error *error) {
    const length_rule *rule = &at->cell->group->rule;
    fv_status status = FV_OK;
    at->no_room = rule->fits && at->search.n_units == 0;
    if (at->no_room) return asker_store(a, at, error);
    if (rule->fits) at->tokens = at->search.tokens;
    if (rule->fits && at->search.n_units != at->n_units)
        status = build(a, at, at->search.n_units, error);
    if (status == FV_OK) send(a, at);
    return status;
}

// Each endpoint counts what it is asked.
static const char *count_url(slot *at) {
    const token_rule *count = &at->cell->group->rule.count;
    at->count_url.n = 0;
    text_add(&at->count_url, "%s%s", at->end->at.root, count->path);
    return at->count_url.failed ? count->url : at->count_url.data;
}

// Builds a prompt of so many units. What is counted is sent to be counted; estimates are made
// until one fits.
static fv_status prepare(asker *a, slot *at, int n_units, fv_error *error) {
    const length_rule *rule = &at->cell->group->rule;
    fv_status status = build(a, at, n_units, error);
    if (status == FV_OK && tokens_way_counts(rule->count.way)) {
        at->counting = true;
        at->call.bare = tokens_rule_bare(&rule->count);
        start(a, at, count_url(at), tokens_rule_head(&rule->count, &at->prompt),
              rule->count.frame.tails[0], judge_count);
        return FV_OK;
    }
    for (int next = n_units; next > 0 && status == FV_OK;) {
        at->tokens = tokens_rule_estimate(&rule->count, &at->prompt);
        next = rule->fits ? length_search_next(&at->search, next, at->tokens) : 0;
        if (next > 0) status = build(a, at, next, error);
    }
    return status == FV_OK ? send_found(a, at, error) : status;
}

static fv_status begin(asker *a, slot *at, fv_error *error) {
    int n_units = length_search_start(&at->search, &at->cell->group->rule);
    if (at->cell->led != NULL) n_units = at->cell->led[at->sample].n_units;
    at->n_shorter = at->n_moved = 0;
    at->tokens = -1;
    at->counting = at->no_room = at->without = false;
    at->cell->state[at->sample] = SAMPLE_FAILED; // unless it turns out otherwise
    return prepare(a, at, n_units, error);
}

// A prompt that was counted is asked, or counted again when it is shorter.
static fv_status take_count(asker *a, slot *at, fv_error *error) {
    bool fits = at->cell->group->rule.fits;
    int next = fits ? length_search_next(&at->search, at->n_units, at->tokens) : 0;
    return next > 0 ? prepare(a, at, next, error) : send_found(a, at, error);
}

// An estimate that the server refused as too long is made a tenth shorter.
static bool can_be_shorter(const slot *at) {
    const length_rule *rule = &at->cell->group->rule;
    return rule->fits && !tokens_way_counts(rule->count.way) && at->n_shorter < MOST_SHORTER &&
           at->n_units - (at->n_units + 9) / 10 >= rule->least;
}

static fv_status send_shorter(asker *a, slot *at, fv_error *error) {
    at->n_shorter++;
    fv_status status = build(a, at, at->n_units - (at->n_units + 9) / 10, error);
    at->tokens = tokens_rule_estimate(&at->cell->group->rule.count, &at->prompt);
    if (status == FV_OK) send(a, at);
    return status;
}

// Whether a request failed by its server's fault and another one may be asked in its place.
static bool moves(asker *a, slot *at) {
    fv_served *s = a->s;
    const http_call *call = &at->call;
    char why[sizeof call->note + 64];
    if (!http_fault_is_servers(call->fault)) return false;
    bool hopeless = call->fault == HTTP_MODEL || call->fault == HTTP_KEY;
    snprintf(why, sizeof why, "%s: %s", http_fault_text(call->fault), call->note);
    return endpoint_failed(&s->ends, at->end, hopeless, why, &s->options) &&
           ++at->n_moved < s->ends.n;
}

static fv_status ask_elsewhere(asker *a, slot *at, fv_error *error) {
    endpoint *before = at->end;
    endpoint_leave(before);
    at->end = endpoints_take(&a->s->ends, before);
    if (at->counting) return prepare(a, at, at->n_units, error);
    send(a, at);
    return FV_OK;
}

// What a reply may have: --max-tokens allows longer ones.
static size_t most_reply(const fv_served *s) {
    int most_tokens = 0;
    for (int i = 0; i < s->n_groups; i++)
        if (s->groups[i].max_tokens > most_tokens) most_tokens = s->groups[i].max_tokens;
    int most_token = s->options.logprobs ? MOST_TOKEN_LOGPROBS : MOST_TOKEN;
    return MOST_REPLY + (size_t)most_token * (size_t)most_tokens;
}

static fv_status fill_slots(asker *a, fv_error *error) {
    while (a->n_idle > 0 && a->stop_kind == NULL) {
        slot *at = a->idle[a->n_idle - 1];
        at->end = endpoints_take(&a->s->ends, NULL);
        at->cell = work_next(&a->work, at->end, &at->sample);
        if (at->cell == NULL) {
            endpoint_leave(at->end);
            return FV_OK;
        }
        a->n_idle--;
        fv_status status = begin(a, at, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

// --- the loop -------------------------------------------------------------------------------------

// A server that knows no streams is asked for the answer in one.
static bool refuses_stream(const slot *at) {
    http_fault fault = at->call.fault;
    bool refused = fault == HTTP_REFUSED || fault == HTTP_SERVER;
    return !at->counting && at->streams && refused && wire_refuses_stream(at->call.note);
}

static fv_status send_whole(asker *a, slot *at) {
    a->whole = true;
    send(a, at);
    return FV_OK;
}

// A server that does not tell log-probabilities, as it says or as it seems while it has not told any,
// is asked for the answer alone.
static bool refuses_logprobs(const asker *a, const slot *at) {
    http_fault fault = at->call.fault;
    bool refused = fault == HTTP_REFUSED || fault == HTTP_SERVER || fault == HTTP_MALFORMED;
    return !at->counting && at->logprobs && refused &&
           (!a->has_logprobs || wire_refuses_logprobs(at->call.note));
}

static fv_status send_without(asker *a, slot *at) {
    at->without = true;
    if (wire_refuses_logprobs(at->call.note)) a->asks_logprobs = false;
    send(a, at);
    return FV_OK;
}

// Goes on with what was counted, and stores all answers that have arrived in one transaction.
static fv_status take_arrived(asker *a, http_call *first, fv_error *error) {
    fv_status status = asks_begin(a->s->asks, error);
    for (http_call *call = first; call != NULL && status == FV_OK; call = http_wait(a->http, 0)) {
        slot *at = call->context;
        if (at->counting && call->fault == HTTP_NONE)
            status = take_count(a, at, error);
        else if (refuses_stream(at))
            status = send_whole(a, at);
        else if (refuses_logprobs(a, at))
            status = send_without(a, at);
        else if (moves(a, at))
            status = ask_elsewhere(a, at, error);
        else if (!at->counting && call->fault == HTTP_CONTEXT && can_be_shorter(at))
            status = send_shorter(a, at, error);
        else
            status = asker_store(a, at, error);
    }
    return status == FV_OK ? asks_commit(a->s->asks, error) : status;
}

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
        if (a->n_idle == a->n_slots && !widen(a)) return FV_OK;
        http_call *call = http_wait(a->http, 100);
        if (call != NULL) status = take_arrived(a, call, error);
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
        const char *left_out = c->group->left_out;
        const char *kind = *left_out                 ? SERVED_LENGTH_SHORT
                           : work_given_up(c->group) ? c->group->too_long_kind
                                                     : a->stop_kind;
        int n = 0;
        if (kind == NULL) continue;
        if (*left_out != '\0') served_count_fault(s, kind, left_out);
        for (int k = 0; k < c->target; k++) n += c->state[k] == SAMPLE_MISSING;
        for (int f = 0; f < s->n_faults; f++)
            if (strcmp(s->faults[f].kind, kind) == 0) s->faults[f].unasked += n;
    }
}

// One load after the other, each with as many slots as requests that are to be in flight.
static fv_status ask_under_loads(asker *a, fv_error *error) {
    const fv_served_options *o = &a->s->options;
    fv_status status = FV_OK;
    int n = o->n_loads > 0 ? o->n_loads : 1;
    for (int l = 0; l < n && status == FV_OK && a->stop_kind == NULL; l++) {
        int load = o->n_loads > 0 ? o->loads[l] : 0;
        a->n_slots = load > 0 ? load * a->s->ends.n : o->in_flight;
        a->n_idle = 0;
        work_start(&a->work, load);
        for (int i = a->n_slots; i > 0; i--) a->idle[a->n_idle++] = &a->slots[i - 1];
        status = ask_all(a, error);
    }
    return status;
}

fv_status fv_served_ask(fv_served *s, fv_error *error) {
    size_t n = (size_t)s->options.in_flight;
    asker a = {.s = s,
               .started = clock_now(),
               .n_all = served_count_missing(s),
               .asks_logprobs = s->options.logprobs};
    a.slots = calloc(n, sizeof *a.slots);
    a.idle = calloc(n, sizeof *a.idle);
    fv_status status =
        a.slots != NULL && a.idle != NULL
            ? served_connect(&s->options, s->options.in_flight, most_reply(s), &a.http, error)
            : fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK) status = work_open(&a.work, s, error);
    if (status == FV_OK) status = ask_under_loads(&a, error);
    if (status == FV_OK) show(&a, true);
    for (size_t i = 0; i < n && a.slots != NULL; i++) {
        http_call_free(&a.slots[i].call);
        prompt_free(&a.slots[i].prompt);
        reply_stream_free(&a.slots[i].stream);
        text_free(&a.slots[i].count_url);
        wire_reply_free(&a.slots[i].reply);
    }
    http_free(a.http);
    free(a.slots);
    free(a.idle);
    work_close(&a.work);
    if (status == FV_OK) status = served_load(s, error);
    if (status == FV_OK) count_unasked(&a);
    return status;
}
