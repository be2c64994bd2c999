#include "served/server_name.h"
#include "base/json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct asking_server {
    http *http;
    http_call call;
    const volatile int *interrupted;
    bool answers;
} asking_server;

// Whatever comes is looked at by the caller, and nothing is tried again.
static http_fault judge(http_call *call) {
    (void)call;
    return HTTP_NONE;
}

// *reply is NULL for anything but JSON with status 200.
static fv_status get(asking_server *a, const char *root, const char *path, const char *query,
                     json_t **reply, fv_error *error) {
    text_buffer url = {0};
    *reply = NULL;
    text_add(&url, "%s%s%s", root, path, query);
    if (url.failed) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    a->call.url = url.data;
    a->call.head = a->call.tail = "";
    a->call.judge = judge;
    fv_status status = http_fetch(a->http, &a->call, a->interrupted, error);
    a->answers |= status == FV_OK && a->call.status > 0;
    if (status == FV_OK && a->call.fault == HTTP_NONE && a->call.status == 200)
        *reply = json_read(a->call.reply.data, a->call.reply.n, 0, NULL);
    text_free(&url);
    return status;
}

// Servers that put their own name where the list says whose a model is.
static const char *owner(const json_t *models) {
    static const char *const SERVERS[][2] = {
        {"vllm", "vllm"}, {"sglang", "sglang"}, {"llamacpp", "llama.cpp"}};
    const json_t *first = json_array_get(json_object_get(models, "data"), 0);
    const char *text = json_string_value(json_object_get(first, "owned_by"));
    for (size_t i = 0; i < sizeof SERVERS / sizeof *SERVERS && text != NULL; i++)
        if (strcmp(text, SERVERS[i][0]) == 0) return SERVERS[i][1];
    return NULL;
}

static void take(char *text, size_t size, const char *from) {
    snprintf(text, size, "%s", from != NULL ? from : "");
    for (char *c = text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~') *c = '?';
}

static void take_only_model(const json_t *models, const char *asked, server_told *told) {
    const json_t *list = json_object_get(models, "data");
    const char *id = json_string_value(json_object_get(json_array_get(list, 0), "id"));
    if (json_array_size(list) == 1 && id != NULL && strcmp(id, asked) != 0)
        take(told->model, sizeof told->model, id);
}

// vLLM lists it with a model, llama.cpp has it among its properties.
static void take_context(const json_t *models, const json_t *props, server_told *told) {
    const json_t *model = json_array_get(json_object_get(models, "data"), 0);
    const json_t *usual = json_object_get(props, "default_generation_settings");
    const json_t *found = json_object_get(usual, "n_ctx");
    if (found == NULL) found = json_object_get(model, "max_model_len");
    json_int_t context = json_integer_value(found);
    if (context > 0 && context < INT_MAX) told->context = (int)context;
}

static fv_status ask(asking_server *a, const address *at, const char *model, char program[64],
                     char version[64], server_told *told, fv_error *error) {
    json_t *reply;
    fv_status status = get(a, at->base, "/models", at->query, &reply, error);
    if (status != FV_OK || !a->answers) return status;
    told->ready = a->call.status > 0 && a->call.status < 500;
    take(program, 64, owner(reply));
    take_only_model(reply, model, told);
    take_context(reply, NULL, told);
    json_decref(reply);
    status = get(a, at->root, "/props", "", &reply, error);
    const char *build = json_string_value(json_object_get(reply, "build_info"));
    take(version, 64, build);
    take_context(NULL, reply, told);
    if (build != NULL) take(program, 64, "llama.cpp");
    json_decref(reply);
    if (status != FV_OK || *version != '\0') return status;
    status = get(a, at->root, "/version", "", &reply, error);
    take(version, 64, json_string_value(json_object_get(reply, "version")));
    json_decref(reply);
    return status;
}

fv_status server_ask(http *h, const address *at, const char *model, const volatile int *interrupted,
                     server_told *told, fv_error *error) {
    asking_server a = {.http = h, .interrupted = interrupted};
    char program[64] = "", version[64] = "";
    *told = (server_told){0};
    fv_status status = ask(&a, at, model, program, version, told, error);
    const char *header = a.call.server;
    bool alone = *program == '\0' || strcmp(program, header) == 0 || *header == '\0';
    const char *first = *program != '\0' ? program : header;
    snprintf(told->name, sizeof told->name, "%s%s%.40s%s%.40s%s", first,
             *first && *version ? " " : "", version, alone ? "" : " (", alone ? "" : header,
             alone ? "" : ")");
    told->answers = a.answers;
    http_call_free(&a.call);
    return status;
}
