// Whose answers a call's are: the label they are kept under, the address and the server, and what
// of the request shapes them.
#include "served/served.h"

#include <fovea/machine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LABEL = 95 };                 // bytes
static const double longest_question = 5; // seconds, about a server's name

// --- the label -----------------------------------------------------------------------------------

static bool is_text(const char *text) {
    return haystack_not_text(text, strlen(text)) == strlen(text);
}

// "llama by llama-server" of a command that starts the server.
static char *command_label(const char *command, const char *model) {
    int n = (int)strcspn(command, " \t");
    while (n > 0 && memchr(command, '/', (size_t)n) != NULL) command++, n--;
    text_buffer label = {0};
    text_add(&label, "%s by %.*s", model, n, command);
    if (label.failed) text_free(&label);
    return label.data;
}

// Whatever order the endpoints are given in, their answers are kept under one label.
static const address *first_address(const endpoints *e) {
    const address *first = &e->items[0].at;
    for (int i = 1; i < e->n; i++)
        if (strcmp(e->items[i].at.identity, first->identity) < 0) first = &e->items[i].at;
    return first;
}

fv_status served_name(fv_served *s, fv_error *error) {
    const fv_served_options *o = &s->options;
    const char *model = o->model != NULL ? o->model : "";
    s->label = o->label != NULL     ? text_copy(o->label)
               : o->command != NULL ? command_label(o->command, model)
                                    : address_label(first_address(&s->ends), model);
    if (s->label == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (*model == '\0' || *s->label == '\0' || strlen(s->label) > MOST_LABEL)
        return fv_fail(error, FV_USAGE,
                       "the model needs a name of 1 to %d bytes; --label gives it a shorter one",
                       MOST_LABEL);
    if (!is_text(s->label) || !is_text(model))
        return fv_fail(error, FV_USAGE,
                       "the name of the model must be UTF-8 text without control characters");
    s->key = (asks_key){s->label, o->api, o->seed};
    return FV_OK;
}

// --- the settings --------------------------------------------------------------------------------

static void add_setting(fv_cell *cell, const char *name, const char *value) {
    size_t used = strlen(cell->settings), size = sizeof cell->settings;
    snprintf(cell->settings + used, size - used, "%s%s%s%s", used > 0 ? ", " : "", name,
             *value != '\0' ? " " : "", value);
}

// What is too long for a name ends in a fingerprint of the whole.
static void add_extra(fv_cell *cell, const char *extra) {
    enum { WHOLE = 48, MOST = 36 };
    char text[64];
    if (strlen(extra) <= WHOLE) {
        add_setting(cell, "extra", extra);
        return;
    }
    size_t n = MOST;
    while (n > 0 && (extra[n] & 0xc0) == 0x80) n--; // no half characters
    uint64_t hash = text_hash(TEXT_HASH_START, extra);
    snprintf(text, sizeof text, "%.*s... %08x", (int)n, extra, (unsigned)(hash ^ hash >> 32));
    add_setting(cell, "extra", text);
}

void served_name_settings(const fv_served *s, const served_group *g, fv_cell *cell) {
    const fv_served_options *o = &s->options;
    char number[16];
    snprintf(number, sizeof number, "%d", g->max_tokens);
    if (strcmp(o->api, "chat") != 0) add_setting(cell, o->api, "");
    if (g->max_tokens != g->task->max_tokens) add_setting(cell, "max_tokens", number);
    snprintf(number, sizeof number, "%d", g->load);
    if (g->load > 0) add_setting(cell, "concurrency", number);
    if (strcmp(g->settings.extra, "{}") != 0) add_extra(cell, g->settings.extra);
}

void served_name_reused(fv_cell *cell) {
    add_setting(cell, "unknown reused", "");
}

asks_group served_asks_group(const fv_served *s, const served_group *g, asks_whose whose) {
    return (asks_group){.task = g->task->name,
                        .haystack = g->haystack,
                        .length = g->length,
                        .sampling = g->settings.sampling,
                        .extra = g->settings.extra,
                        .max_tokens = g->settings.max_tokens,
                        .same_prompts = !served_task_fits(g->task),
                        .whose = whose,
                        .load = g->load,
                        .known_as = s->options.label != NULL ? s->label : s->options.model};
}

asks_origin served_origin(const fv_served *s, const served_group *g, const endpoint *end) {
    return (asks_origin){.endpoint = end->at.identity,
                         .server = *end->server.name != '\0' ? end->server.name : NULL,
                         .model = s->options.model,
                         .sampling = g->settings.sampling,
                         .extra = g->settings.extra,
                         .max_tokens = g->settings.max_tokens,
                         .fovea = fv_version()};
}

// --- the server ----------------------------------------------------------------------------------

static fv_status ask_server(fv_served *s, endpoint *end, fv_error *error) {
    fv_served_options once = s->options;
    server_told *told = &end->server;
    http *connection;
    once.retries = 0;
    if (once.timeout > longest_question) once.timeout = longest_question;
    fv_status status = served_connect(&once, 1, 16 << 20, &connection, error);
    if (status != FV_OK) return status;
    status =
        server_ask(connection, &end->at, s->options.model, s->options.interrupted, told, error);
    http_hide_key(connection, told->name, strlen(told->name));
    http_hide_key(connection, told->model, strlen(told->model));
    http_free(connection);
    return status;
}

static const char *only_model(const endpoint *end) {
    return *end->server.model != '\0' ? end->server.model : NULL;
}

// Endpoints that share one model's work list one model, as far as they tell.
static fv_status check_ends(const fv_served *s, fv_error *error) {
    const endpoint *first = NULL;
    for (int i = 0; i < s->ends.n; i++) {
        const endpoint *end = &s->ends.items[i];
        if (end->out || only_model(end) == NULL) continue;
        if (first == NULL) first = end;
        if (strcmp(only_model(first), only_model(end)) != 0 && !s->options.same_model)
            return fv_fail(error, FV_USAGE,
                           "%s serves %s and %s serves %s; ask two models by two --model, or say "
                           "--same-model if they are the same",
                           first->given, only_model(first), end->given, only_model(end));
    }
    return FV_OK;
}

// Whether the label's answers are of one of the endpoints; *other says of what they are if not.
static fv_status is_of_ends(const fv_served *s, bool *same, char *other, fv_error *error) {
    fv_status status = FV_OK;
    *same = false;
    for (int i = 0; i < s->ends.n && status == FV_OK && !*same; i++) {
        const endpoint *end = &s->ends.items[i];
        const asks_origin origin = {
            .endpoint = end->at.identity, .model = s->options.model, .returned = only_model(end)};
        status = asks_same_model(s->asks, s->label, &origin, same, other, error);
    }
    return status;
}

// Answers of two models under one label would be a table about neither. Whoever says that they are
// one model must have a server there: a dead one has not answered what is stored.
fv_status served_check_label(fv_served *s, fv_error *error) {
    const fv_served_options *o = &s->options;
    char other[512];
    bool same;
    fv_status status = FV_OK;
    for (int i = 0; i < s->ends.n && status == FV_OK && !o->stored_only; i++)
        status = ask_server(s, &s->ends.items[i], error);
    if (status != FV_OK) return status;
    endpoints_drop_dead(&s->ends, o);
    status = check_ends(s, error);
    if (status == FV_OK) status = is_of_ends(s, &same, other, error);
    if (status != FV_OK || same) return status;
    const endpoint *end = endpoints_first(&s->ends);
    const char *only = only_model(end);
    if (!o->same_model)
        return fv_fail(
            error, FV_USAGE,
            "the answers labelled '%s' in %s are of %s, not of %s%s%s%s at %s; give a new "
            "--label, or say --same-model if it is the same",
            s->label, o->folder, other, o->model, only ? " (" : "", only ? only : "",
            only ? ")" : "", s->ends.names);
    if (end->server.answers) return FV_OK;
    return fv_fail(error, FV_IO, "no server answers at %s", s->ends.names);
}
