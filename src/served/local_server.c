#include <fovea/local_server.h>

#include "base/clock.h"
#include "served/http.h"
#include "served/server_guard.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

static const char PORT[] = "{port}";
static const double one_look = 5;    // seconds that the server may take to say how it is
static const double soon_enough = 1; // seconds after which it is told what is waited for

struct fv_local_server {
    fv_local_server_options options;
    server_guard guard;
    server_end end;
    bool ended;
    char *program;
    char endpoint[64];
};

// --- the command ---------------------------------------------------------------------------------

// A port that nobody listens at; 0 where there is none.
static int free_port(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int port = 0, s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0) return 0;
    if (bind(s, (struct sockaddr *)&at, size) == 0 &&
        getsockname(s, (struct sockaddr *)&at, &size) == 0)
        port = ntohs(at.sin_port);
    close(s);
    return port;
}

static char *put_port(const char *command, int port) {
    text_buffer text = {0};
    for (const char *at; (at = strstr(command, PORT)) != NULL; command = at + strlen(PORT))
        text_add(&text, "%.*s%d", (int)(at - command), command, port);
    text_add(&text, "%s", command);
    if (text.failed) text_free(&text);
    return text.data;
}

static const char *why_not_split(int code) {
    switch (code) {
    case WRDE_BADCHAR:
        return "it has one of | & ; < > ( ) { } outside quotes, which are a shell's; put them in "
               "quotes, or the whole into a script";
    case WRDE_BADVAL:
        return "it names a variable that the environment does not have";
    case WRDE_CMDSUB:
        return "it has a command within a command, which is a shell's; write what that gives";
    case WRDE_SYNTAX:
        return "a quote or brace in it does not close";
    default:
        return "out of memory";
    }
}

static fv_status split(const char *command, int port, wordexp_t *words, fv_error *error) {
    char *text = put_port(command, port);
    if (text == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    int code = wordexp(text, words, WRDE_NOCMD | WRDE_UNDEF);
    free(text);
    if (code == WRDE_NOSPACE) wordfree(words);
    if (code != 0)
        return fv_fail(error, FV_USAGE, "the command '%s' cannot be split into words: %s", command,
                       why_not_split(code));
    if (words->we_wordc > 0) return FV_OK;
    wordfree(words);
    return fv_fail(error, FV_USAGE, "the command that starts the server is empty");
}

// --- how it is -----------------------------------------------------------------------------------

// The last lines of what it said, one behind the other.
static void write_last_words(const fv_local_server *s, char *text, size_t size) {
    const server_end *end = &s->end;
    size_t n = 0, from = end->n_said > size - 1 ? end->n_said - (size - 1) : 0;
    for (size_t i = from; i < end->n_said; i++) {
        char c = end->said[i] == '\n' || end->said[i] == '\0' ? '|' : end->said[i];
        if (c != '|' || (n > 0 && text[n - 1] != '|')) text[n++] = c;
    }
    while (n > 0 && strchr("| \r", text[n - 1]) != NULL) n--;
    text[n] = '\0';
    http_hide(s->options.key, text, n);
}

static fv_status tell_end(const fv_local_server *s, const char *what, fv_error *error) {
    char said[512];
    write_last_words(s, said, sizeof said);
    return fv_fail(error, FV_IO, "the server %s %s%s%s", s->program, what,
                   *said != '\0' ? "; it said last: " : " and said nothing", said);
}

fv_status fv_local_server_check(fv_local_server *s, fv_error *error) {
    char what[64];
    if (!s->ended) s->ended = server_guard_ended(&s->guard, &s->end);
    if (!s->ended) return FV_OK;
    if (s->end.start_error != 0)
        return fv_fail(error, FV_MISSING_PROGRAM, "the server %s cannot be started: %s", s->program,
                       strerror(s->end.start_error));
    int status = s->end.wait_status;
    if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "was ended by signal %d", WTERMSIG(status));
    else
        snprintf(what, sizeof what, "ended with exit code %d", WEXITSTATUS(status));
    return tell_end(s, what, error);
}

// Whatever comes is looked at by the caller, and nothing is tried again.
static http_fault judge(http_call *call) {
    (void)call;
    return HTTP_NONE;
}

static fv_status get(const fv_local_server *s, http *h, const char *path, int *status,
                     fv_error *error) {
    char url[128];
    http_call call = {.url = url, .head = "", .tail = "", .judge = judge};
    snprintf(url, sizeof url, "%s%s", s->endpoint, path);
    fv_status outcome = http_fetch(h, &call, s->options.interrupted, error);
    *status = call.status;
    http_call_free(&call);
    return outcome;
}

// A server without /health may list its models; one that has it may list them while it loads.
static fv_status look(const fv_local_server *s, http *h, bool *ready, fv_error *error) {
    int code;
    fv_status status = get(s, h, "/health", &code, error);
    if (status == FV_OK && code >= 400 && code < 500)
        status = get(s, h, "/v1/models", &code, error);
    *ready = code == 200;
    return status;
}

static fv_status too_late(fv_local_server *s, fv_error *error) {
    char what[96];
    server_guard_stop(&s->guard, &s->end);
    snprintf(what, sizeof what, "was not ready in %.3g s (--timeout)", s->options.timeout);
    return tell_end(s, what, error);
}

static fv_status wait_ready(fv_local_server *s, fv_error *error) {
    const fv_local_server_options *o = &s->options;
    const http_options options = {
        .in_flight = 1, .timeout = one_look, .wait = 1, .key = o->key, .most_read = 16 << 20};
    double started = clock_now();
    bool ready = false, told = false;
    http *h;
    fv_status status = http_create(&options, &h, error);
    if (status != FV_OK) return status;
    for (int pause = 20; status == FV_OK; pause = pause < 250 ? 2 * pause : 500) {
        status = look(s, h, &ready, error);
        if (status == FV_OK) status = fv_local_server_check(s, error);
        if (status != FV_OK || ready) break;
        double seconds = clock_now() - started;
        if (seconds > o->timeout) status = too_late(s, error);
        if (seconds > soon_enough && !told && o->on_note != NULL)
            o->on_note(o->context, "the server that was started is waited for");
        told |= seconds > soon_enough;
        poll(NULL, 0, pause); // a signal ends it
    }
    http_free(h);
    return status;
}

// --- the interface -------------------------------------------------------------------------------

static fv_status start(fv_local_server *s, fv_error *error) {
    wordexp_t words = {0};
    int port = free_port();
    if (strstr(s->options.command, PORT) == NULL)
        return fv_fail(error, FV_USAGE,
                       "the command '%s' has no {port}, where the server is told its port, as in "
                       "'llama-server -m x.gguf --port {port}'",
                       s->options.command);
    if (port == 0) return fv_fail(error, FV_IO, "this machine has no free port for the server");
    snprintf(s->endpoint, sizeof s->endpoint, "http://127.0.0.1:%d", port);
    fv_status status = split(s->options.command, port, &words, error);
    if (status != FV_OK) return status;
    s->program = text_copy(words.we_wordv[0]);
    status = s->program != NULL ? server_guard_start(&s->guard, words.we_wordv, error)
                                : fv_fail(error, FV_NO_MEMORY, "out of memory");
    wordfree(&words);
    return status == FV_OK ? wait_ready(s, error) : status;
}

fv_status fv_local_server_start(const fv_local_server_options *options, fv_local_server **out,
                                fv_error *error) {
    fv_local_server *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    s->options = *options;
    fv_status status = start(s, error);
    if (status == FV_OK)
        *out = s;
    else
        fv_local_server_stop(s);
    return status;
}

const char *fv_local_server_endpoint(const fv_local_server *s) {
    return s->endpoint;
}

void fv_local_server_stop(fv_local_server *s) {
    server_end end;
    if (s == NULL) return;
    server_guard_stop(&s->guard, &end);
    free(s->program);
    free(s);
}
