#include "served/tokens.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAT_TOKENS = 24 };

const char *tokens_way_text(tokens_way way) {
    static const char *const TEXTS[] = {
#define TEXT(name, text) text,
        TOKENS_WAY_LIST(TEXT)
#undef TEXT
    };
    return TEXTS[way];
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

static char *join(const char *root, const char *path) {
    text_buffer url = {0};
    text_add(&url, "%s%s", root, path);
    if (url.failed) text_free(&url);
    return url.data;
}

// `{"model":"NAME","content":"`, the name escaped.
static char *named_head(const token_counter *c, const char *rest) {
    text_buffer head = {0};
    text_add(&head, "{\"model\":\"");
    haystack_escape(&head, c->model, strlen(c->model));
    text_add(&head, "\",%s", rest);
    if (head.failed) text_free(&head);
    return head.data;
}

static fv_status ask_path(token_counter *c, const char *path, const char *rest, const prompt *p,
                          const char *tail, json_t **reply, fv_error *error) {
    char *url = join(c->at.root, path), *head = named_head(c, rest);
    fv_status status = url != NULL && head != NULL ? ask(c, url, head, p, tail, reply, error)
                                                   : fv_fail(error, FV_NO_MEMORY, "out of memory");
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

// The server's context, from /props (llama.cpp) or the list of models (vLLM, llama.cpp).
static fv_status find_context(token_counter *c, fv_error *error) {
    const char *const places[][2] = {{c->at.root, "/props"}, {c->at.base, "/models"}};
    for (int i = 0; i < 2 && c->context <= 0; i++) {
        json_t *reply = NULL;
        char *url = join(places[i][0], places[i][1]);
        if (url == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
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

fv_status tokens_open(token_counter *c, fv_error *error) {
    c->way = TOKENS_ESTIMATE;
    if (c->http == NULL) return FV_OK;
    json_t *reply = NULL;
    fv_status status = ask_path(c, "/tokenize", "\"content\":\"a b\",\"prompt\":\"a b\"}", NULL, "",
                                &reply, error);
    if (status != FV_OK) return status;
    c->way = json_object_get(reply, "count") != NULL ? TOKENS_VLLM
             : count_of(reply) > 0                   ? TOKENS_LLAMA
                                                     : TOKENS_USAGE;
    c->context = (int)json_integer_value(json_object_get(reply, "max_model_len"));
    json_decref(reply);
    if (c->way == TOKENS_USAGE) {
        status =
            ask_path(c, "/extras/tokenize/count", "\"input\":\"a b\"}", NULL, "", &reply, error);
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

// --- one prompt --------------------------------------------------------------------------------

static fv_status count_usage(token_counter *c, const prompt *p, int *tokens, fv_error *error) {
    wire_frame frame;
    json_t *reply = NULL;
    fv_status status = wire_frame_make(&frame, c->api, c->model, p->system, 1, c->extra, error);
    if (status != FV_OK) return status;
    const char *head = p->system != NULL ? frame.head_system : frame.head;
    status = ask(c, c->at.url, head, p, frame.tail, &reply, error);
    wire_frame_free(&frame);
    if (status != FV_OK) return status;
    const json_t *usage = json_object_get(reply, "usage");
    *tokens = (int)json_integer_value(json_object_get(usage, "prompt_tokens"));
    if (*tokens <= 0) c->way = TOKENS_ESTIMATE;
    json_decref(reply);
    return FV_OK;
}

static fv_status count(token_counter *c, const prompt *p, int *tokens, fv_error *error) {
    json_t *reply = NULL;
    fv_status status = FV_OK;
    bool chat = c->api == WIRE_CHAT;
    *tokens = -1;
    switch (c->way) {
    case TOKENS_VLLM:
        status =
            ask_path(c, "/tokenize",
                     chat ? "\"messages\":[{\"role\":\"user\",\"content\":\"" : "\"prompt\":\"", p,
                     chat ? "\"}]}" : "\"}", &reply, error);
        break;
    case TOKENS_LLAMA:
        status = ask_path(c, "/tokenize", "\"add_special\":true,\"content\":\"", p, "\"}", &reply,
                          error);
        break;
    case TOKENS_LLAMA_PYTHON:
        status = ask_path(c, "/extras/tokenize/count", "\"input\":\"", p, "\"}", &reply, error);
        break;
    case TOKENS_USAGE:
        status = count_usage(c, p, tokens, error);
        break;
    case TOKENS_ESTIMATE:
        break;
    }
    if (reply != NULL) *tokens = count_of(reply);
    bool counts = c->way < TOKENS_USAGE;
    if (status == FV_OK && counts && *tokens < 0)
        status = fv_fail(error, FV_IO, "the server does not count a prompt of %zu bytes: %s",
                         p->n_raw, *c->call.note ? c->call.note : "no count in its reply");
    json_decref(reply);
    if (status == FV_OK && c->way == TOKENS_ESTIMATE) *tokens = (int)(p->n_raw / 4);
    return status;
}

// --- lengths -----------------------------------------------------------------------------------

typedef struct fitter {
    token_counter *counter;
    const served_task *task;
    const served_source *source;
    served_sample_place place;
    prompt prompt;
} fitter;

static fv_status count_units(fitter *f, int n_units, int *tokens, fv_error *error) {
    enum { SEVERAL = 8 }; // prompts that differ: the longest of some
    int n = served_task_fits(f->task) && f->task->spread > 0 ? SEVERAL : 1, found;
    fv_status status = FV_OK;
    f->place.n_units = n_units;
    *tokens = -1;
    for (int i = 0; i < n && status == FV_OK; i++) {
        f->place.sample = i;
        prompt_clear(&f->prompt);
        status = f->task->build(f->task, f->source, &f->place, &f->prompt, error);
        if (status == FV_OK) status = count(f->counter, &f->prompt, &found, error);
        if (status == FV_OK && found > *tokens) *tokens = found;
    }
    return status;
}

// The largest number of units whose prompt has at most `budget` tokens. Tokens grow nearly in
// proportion to units: a secant from the least prompt finds it in a few counts.
static fv_status search(fitter *f, int least_tokens, int budget, int *n_units, int *tokens,
                        fv_error *error) {
    enum { MOST_COUNTS = 12 };
    int low = f->task->least_units, low_tokens = least_tokens, high = -1, high_tokens = 0;
    double per_unit = fmax(1, least_tokens / 8.0); // a guess that a second count corrects
    for (int i = 0; i < MOST_COUNTS && budget - low_tokens >= per_unit; i++) {
        double step = (budget - low_tokens) / per_unit;
        if (i == 0) step = fmin(step, 8); // a short prompt tells the slope
        if (high > 0)
            step = (double)(budget - low_tokens) * (high - low) / (high_tokens - low_tokens);
        int next = low + (int)fmax(1, fmin(step, 1e8)), found;
        if (high > 0 && next >= high) next = high - 1;
        if (next <= low) break;
        fv_status status = count_units(f, next, &found, error);
        if (status != FV_OK) return status;
        if (found > low_tokens) per_unit = (double)(found - low_tokens) / (next - low);
        if (found == low_tokens) per_unit /= 16; // what a prompt must have fills these units, too
        if (found > budget) {
            high = next;
            high_tokens = found;
        } else {
            low = next;
            low_tokens = found;
        }
        // Within half a percent of the length is as near as prompts of one length are to each
        // other.
        if (i > 2 && budget - low_tokens < 0.005 * budget) break;
    }
    *n_units = low;
    *tokens = low_tokens;
    return FV_OK;
}

// With `usage` every count is a completion: two short ones give a line.
static fv_status extrapolate(fitter *f, int least_tokens, int budget, int *n_units, int *tokens,
                             fv_error *error) {
    int further = f->task->least_units + 32, found;
    fv_status status = count_units(f, further, &found, error);
    if (status != FV_OK) return status;
    double per_unit = fmax(0.01, (found - least_tokens) / 32.0);
    int units = (int)fmin(floor((budget - least_tokens) / per_unit), 1e8);
    *n_units = f->task->least_units + units;
    *tokens = (int)(least_tokens + units * per_unit);
    return FV_OK;
}

// What a length leaves for the prompt. llama.cpp counts the text alone; the template of a chat adds
// some tokens to it.
static int prompt_budget(const token_counter *c, int length, int max_tokens) {
    bool bare = c->api == WIRE_CHAT && (c->way == TOKENS_LLAMA || c->way == TOKENS_LLAMA_PYTHON);
    return length - max_tokens - (bare ? CHAT_TOKENS : 0);
}

static fitter start_fit(token_counter *c, const served_task *task, const served_source *source,
                        const served_sample_place *place) {
    fitter f = {c, task, source, *place, {0}};
    f.place.depth = task->has_depth ? 50 : NAN;
    return f;
}

fv_status tokens_check(token_counter *c, const served_task *task, const served_source *source,
                       int max_tokens, const served_sample_place *place, int *n_units, int *tokens,
                       fv_error *error) {
    fitter f = start_fit(c, task, source, place);
    bool fits = served_task_fits(task);
    int budget = prompt_budget(c, place->length, max_tokens);
    *n_units = fits ? task->least_units : place->length;
    fv_status status = count_units(&f, *n_units, tokens, error);
    prompt_free(&f.prompt);
    if (status != FV_OK || !fits || *tokens <= budget) return status;
    return fv_fail(error, FV_USAGE,
                   "length %d is below what %s needs: %d tokens of prompt and %d of answer; "
                   "use %d or more",
                   place->length, task->name, *tokens, max_tokens,
                   *tokens + place->length - budget);
}

fv_status tokens_fit(token_counter *c, const served_task *task, const served_source *source,
                     int max_tokens, const served_sample_place *place, int *n_units, int *tokens,
                     fv_error *error) {
    if (!served_task_fits(task)) return FV_OK;
    fitter f = start_fit(c, task, source, place);
    int budget = prompt_budget(c, place->length, max_tokens), least = *tokens;
    fv_status status = c->way == TOKENS_USAGE
                           ? extrapolate(&f, least, budget, n_units, tokens, error)
                           : search(&f, least, budget, n_units, tokens, error);
    prompt_free(&f.prompt);
    return status;
}
