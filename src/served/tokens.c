#include "served/tokens.h"
#include "base/clock.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CHAT_TOKENS = 24,       // of a template that nothing is known about
    MOST_TEMPLATE = 1 << 16 // tokens: more than that is no template
};

static const char *const TEXTS[] = {
#define TEXT(name, text) text,
    TOKENS_WAY_LIST(TEXT)
#undef TEXT
};

const char *tokens_way_text(tokens_way way) {
    return TEXTS[way];
}

bool tokens_way_counts(tokens_way way) {
    return way < TOKENS_USAGE;
}

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

// --- asking the server -------------------------------------------------------------------------

// Any reply will do; the caller looks at the status.
static http_fault judge(http_call *call) {
    if (call->status == 429 || call->status >= 500)
        return wire_fault(call->reply.data, call->reply.n, call->status, call->note);
    return HTTP_NONE;
}

// Asks and parses; *reply is NULL for anything but a JSON reply with status 200.
static fv_status ask(token_counter *c, const char *url, const char *head, const prompt *p,
                     const char *tail, json_t **reply, fv_error *error) {
    c->call.url = url;
    c->call.head = head;
    c->call.n_head = strlen(head);
    c->call.prompt = p;
    c->call.tail = tail;
    c->call.n_tail = strlen(tail);
    c->call.judge = judge;
    *reply = NULL;
    fv_status status = http_fetch(c->http, &c->call, c->interrupted, error);
    if (status != FV_OK) return status;
    if (c->call.fault == HTTP_CONNECT)
        return fv_fail(error, FV_IO, "no server answers at %s: %s", c->at.root, c->call.note);
    if (c->call.fault == HTTP_NONE && c->call.status == 200)
        *reply = json_read(c->call.reply.data, c->call.reply.n, 0, NULL);
    return FV_OK;
}

static char *join(const char *root, const char *path, const char *query) {
    text_buffer url = {0};
    text_add(&url, "%s%s%s", root, path, query);
    if (url.failed) text_free(&url);
    return url.data;
}

// `{"model":"NAME",` and the rest, the name escaped.
static char *named_head(const token_counter *c, const char *rest) {
    text_buffer head = {0};
    text_add(&head, "{\"model\":\"");
    haystack_escape(&head, c->model, strlen(c->model));
    text_add(&head, "\",%s", rest);
    if (head.failed) text_free(&head);
    return head.data;
}

static fv_status ask_path(token_counter *c, const char *path, const char *rest, json_t **reply,
                          fv_error *error) {
    char *url = join(c->at.root, path, ""), *head = *rest ? named_head(c, rest) : text_copy("");
    fv_status status =
        url != NULL && head != NULL ? ask(c, url, head, NULL, "", reply, error) : no_memory(error);
    free(url);
    free(head);
    return status;
}

static int count_of(const json_t *reply) {
    const json_t *count = json_object_get(reply, "count");
    if (json_is_integer(count)) return (int)json_integer_value(count);
    const json_t *tokens = json_object_get(reply, "tokens");
    return json_is_array(tokens) ? (int)json_array_size(tokens) : -1;
}

// --- finding out how -----------------------------------------------------------------------------

// The server's context, from /props (llama.cpp) or the list of models (vLLM, llama.cpp).
static fv_status find_context(token_counter *c, fv_error *error) {
    const char *const places[][3] = {{c->at.root, "/props", ""},
                                     {c->at.base, "/models", c->at.query}};
    for (int i = 0; i < 2 && c->context <= 0; i++) {
        json_t *reply = NULL;
        char *url = join(places[i][0], places[i][1], places[i][2]);
        if (url == NULL) return no_memory(error);
        fv_status status = ask(c, url, "", NULL, "", &reply, error);
        free(url);
        if (status != FV_OK) return status;
        const json_t *settings = json_object_get(reply, "default_generation_settings");
        const json_t *model = json_array_get(json_object_get(reply, "data"), 0);
        const json_t *found = json_object_get(settings, "n_ctx");
        if (found == NULL) found = json_object_get(model, "max_model_len");
        c->context = (int)json_integer_value(found);
        json_decref(reply);
    }
    return FV_OK;
}

// The last answer says that the server, or what stands before it, cannot answer yet.
static bool not_ready(const token_counter *c) {
    int status = c->call.status;
    return status == 429 || (status >= 502 && status <= 504);
}

// Asks at a path of the server's own, and again for as long as the server is not ready. One that
// says of itself that it is has no such path.
static fv_status ask_ready(token_counter *c, const char *path, const char *rest, json_t **reply,
                           fv_error *error) {
    const struct timespec pause = {.tv_nsec = 100000000};
    double start = clock_now();
    for (bool said = false;; said = true) {
        char why[sizeof c->call.note], text[sizeof why + 64];
        fv_status status = ask_path(c, path, rest, reply, error);
        if (status != FV_OK || *reply != NULL || !not_ready(c)) return status;
        json_t *health;
        memcpy(why, c->call.note, sizeof why);
        status = ask_path(c, "/health", "", &health, error);
        json_decref(health);
        if (status != FV_OK || c->call.status == 200) return status;
        if (clock_now() - start > c->patience)
            return fv_fail(error, FV_IO, "the server at %s is not ready after %.3g s: %s",
                           c->at.root, c->patience, why);
        snprintf(text, sizeof text, "waiting for the server: %s", why);
        if (c->say != NULL && !said) c->say(c->context_of_say, text);
        nanosleep(&pause, NULL);
    }
}

fv_status tokens_open(token_counter *c, fv_error *error) {
    c->way = TOKENS_ESTIMATE;
    if (c->http == NULL) return FV_OK;
    json_t *reply = NULL;
    fv_status status =
        ask_ready(c, "/tokenize", "\"content\":\"a b\",\"prompt\":\"a b\"}", &reply, error);
    if (status != FV_OK) return status;
    c->way = json_object_get(reply, "count") != NULL ? TOKENS_VLLM
             : count_of(reply) > 0                   ? TOKENS_LLAMA
                                                     : TOKENS_USAGE;
    c->context = (int)json_integer_value(json_object_get(reply, "max_model_len"));
    json_decref(reply);
    if (c->way == TOKENS_USAGE) {
        status = ask_path(c, "/extras/tokenize/count", "\"input\":\"a b\"}", &reply, error);
        if (status != FV_OK) return status;
        if (count_of(reply) > 0) c->way = TOKENS_LLAMA_PYTHON;
        json_decref(reply);
    }
    return find_context(c, error);
}

void tokens_close(token_counter *c) {
    http_call_free(&c->call);
    address_free(&c->at);
    *c = (token_counter){0};
}

// --- rules -------------------------------------------------------------------------------------

// What the usage of a completion of one token says of the prompt; -1 where it says nothing.
static fv_status ask_usage(token_counter *c, const prompt *p, int *tokens, fv_error *error) {
    wire_frame frame;
    json_t *reply = NULL;
    fv_status status = wire_frame_make(&frame, c->api, c->model, p->system, 1, c->extra, error);
    if (status != FV_OK) return status;
    status = ask(c, c->at.url, wire_head(&frame, p), p, frame.tails[0], &reply, error);
    wire_frame_free(&frame);
    const json_t *read = json_object_get(json_object_get(reply, "usage"), "prompt_tokens");
    *tokens =
        json_is_integer(read) && json_integer_value(read) > 0 ? (int)json_integer_value(read) : -1;
    json_decref(reply);
    return status;
}

// llama.cpp shows what its template makes of a chat; its tokens, or -1.
static fv_status ask_template(token_counter *c, token_rule *rule, const prompt *p, int *tokens,
                              fv_error *error) {
    wire_frame frame;
    json_t *reply = NULL;
    *tokens = -1;
    fv_status status = wire_frame_bare(&frame, c->api, c->model, p->system, c->extra, error);
    if (status != FV_OK) return status;
    char *url = join(c->at.root, "/apply-template", "");
    status = url != NULL ? ask(c, url, wire_head(&frame, p), p, frame.tails[0], &reply, error)
                         : no_memory(error);
    const json_t *text = json_object_get(reply, "prompt");
    if (status == FV_OK && json_is_string(text)) {
        prompt whole = {0};
        prompt_clear(&whole);
        rule->begins_thought =
            thoughts_begin(json_string_value(text), json_string_length(text), &c->thoughts);
        prompt_add_n(&whole, json_string_value(text), json_string_length(text));
        status = whole.failed ? no_memory(error) : tokens_count(c, rule, &whole, tokens, error);
        prompt_free(&whole);
    }
    free(url);
    wire_frame_free(&frame);
    json_decref(reply);
    return status;
}

// What a template adds to the text that is counted: shown by the server, else said by the usage of
// a short completion.
static fv_status measure_template(token_counter *c, const prompt *p, token_rule *rule,
                                  fv_error *error) {
    int bare, whole = -1;
    fv_status status = tokens_count(c, rule, p, &bare, error);
    if (status == FV_OK && c->way == TOKENS_LLAMA) status = ask_template(c, rule, p, &whole, error);
    if (status == FV_OK && whole < 0) status = ask_usage(c, p, &whole, error);
    if (status != FV_OK) return status;
    rule->added_known = whole >= bare && whole - bare < MOST_TEMPLATE;
    rule->added = rule->added_known ? whole - bare : CHAT_TOKENS;
    rule->n_messages = p->n_messages;
    return FV_OK;
}

// A line through the tokens of two prompts; through one of them and nothing where the other's are
// not known.
static fv_status measure_line(token_counter *c, const prompt *least, const prompt *longer,
                              token_rule *rule, fv_error *error) {
    int few = -1, many = -1;
    fv_status status = c->http != NULL ? ask_usage(c, least, &few, error) : FV_OK;
    if (status == FV_OK && few > 0 && longer != NULL) status = ask_usage(c, longer, &many, error);
    if (status != FV_OK) return status;
    rule->way = few > 0 ? TOKENS_USAGE : TOKENS_ESTIMATE;
    rule->per_byte = few > 0 ? few / fmax(1, (double)least->n_raw) : 0.25;
    rule->fixed = few > 0 || c->api != WIRE_CHAT || c->http == NULL ? 0 : CHAT_TOKENS;
    if (many <= few || longer->n_raw <= least->n_raw) return FV_OK;
    rule->per_byte = (many - few) / (double)(longer->n_raw - least->n_raw);
    rule->fixed = few - rule->per_byte * (double)least->n_raw;
    return FV_OK;
}

fv_status tokens_rule_make(token_counter *c, const prompt *least, const prompt *longer,
                           token_rule *rule, fv_error *error) {
    *rule = (token_rule){.way = c->way, .added_known = true};
    if (!tokens_way_counts(c->way)) return measure_line(c, least, longer, rule, error);
    bool vllm = c->way == TOKENS_VLLM, chat = c->api == WIRE_CHAT;
    const char *rest = c->way == TOKENS_LLAMA
                           ? "\"add_special\":true,\"parse_special\":true,\"content\":\""
                           : "\"input\":\"";
    fv_status status = FV_OK;
    rule->path = c->way == TOKENS_LLAMA_PYTHON ? "/extras/tokenize/count" : "/tokenize";
    rule->url = join(c->at.root, rule->path, "");
    if (vllm)
        status = wire_frame_bare(&rule->frame, c->api, c->model, least->system, c->extra, error);
    else
        rule->frame = (wire_frame){.head = named_head(c, rest),
                                   .head_system = named_head(c, rest),
                                   .head_chat = named_head(c, rest),
                                   .tails = {text_copy("\"}")}};
    const wire_frame *f = &rule->frame;
    if (status == FV_OK &&
        (!rule->url || !f->head || !f->head_system || !f->head_chat || !f->tails[0]))
        status = no_memory(error);
    if (status == FV_OK && chat && !vllm) status = measure_template(c, least, rule, error);
    return status;
}

void tokens_rule_free(token_rule *rule) {
    wire_frame_free(&rule->frame);
    free(rule->url);
    *rule = (token_rule){0};
}

const char *tokens_rule_head(const token_rule *rule, const prompt *p) {
    return wire_head(&rule->frame, p);
}

bool tokens_rule_bare(const token_rule *rule) {
    return rule->way == TOKENS_LLAMA || rule->way == TOKENS_LLAMA_PYTHON;
}

// What the template adds to this prompt.
static int added_to(const token_rule *rule, const prompt *p) {
    if (rule->n_messages == 0 || p->n_messages == 0) return rule->added;
    return (rule->added * p->n_messages + rule->n_messages - 1) / rule->n_messages;
}

int tokens_rule_read(const token_rule *rule, const prompt *p, const char *body, size_t n) {
    json_t *reply = json_read(body, n, 0, NULL);
    int found = count_of(reply);
    json_decref(reply);
    return found < 0 ? -1 : found + added_to(rule, p);
}

int tokens_rule_estimate(const token_rule *rule, const prompt *p) {
    return (int)ceil(fmax(0, rule->fixed + rule->per_byte * (double)p->n_raw));
}

fv_status tokens_count(token_counter *c, const token_rule *rule, const prompt *p, int *tokens,
                       fv_error *error) {
    json_t *reply = NULL;
    if (!tokens_way_counts(rule->way)) {
        *tokens = tokens_rule_estimate(rule, p);
        return FV_OK;
    }
    c->call.bare = tokens_rule_bare(rule);
    fv_status status =
        ask(c, rule->url, tokens_rule_head(rule, p), p, rule->frame.tails[0], &reply, error);
    c->call.bare = false;
    if (status != FV_OK) return status;
    *tokens = count_of(reply) + added_to(rule, p);
    if (count_of(reply) < 0)
        status = fv_fail(error, FV_IO, "the server does not count a prompt of %zu bytes: %s",
                         p->n_raw, *c->call.note ? c->call.note : "no count in its reply");
    json_decref(reply);
    return status;
}

void tokens_rule_learn(token_rule *rule, const prompt *p, int counted, int read) {
    int more = read - counted;
    // A chat's share is that of the one which the rule was made of.
    if (more > 0 && rule->n_messages > 0 && p->n_messages > 0)
        more = (int)ceil((double)more * rule->n_messages / p->n_messages);
    if (tokens_way_counts(rule->way) && more > 0 && rule->added + more < MOST_TEMPLATE)
        rule->added += more;
}

bool tokens_rule_truncated(const token_rule *rule, int counted, int read) {
    if (read < 0 || rule->way == TOKENS_ESTIMATE) return false;
    // A line is right for prompts like those that it was drawn through.
    double slack = 16 + (tokens_way_counts(rule->way) ? 0.02 : 0.25) * counted;
    return read < counted - slack;
}
