#include "served/http.h"
#include "base/clock.h"
#include "served/curl_calls.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

enum { SMALL_BODY = 16 << 10 };
static const double longest_wait = 60, longest_retry_after = 300;

static const curl_calls *curl; // loaded with the first http

struct http {
    http_options options;
    CURLM *multi;
    struct curl_slist *headers;
    http_call *waiting; // to be started at `due`
    http_call *done;    // to be handed back
    int n_running, n_waiting;
    double gate;          // of calls without one of their own
    random_source random; // of the pauses
};

const char *http_fault_text(http_fault fault) {
    static const char *const TEXTS[] = {
#define TEXT(name, text, again) text,
        HTTP_FAULT_LIST(TEXT)
#undef TEXT
    };
    return TEXTS[fault];
}

static bool worth_another_try(http_fault fault) {
    static const bool AGAIN[] = {
#define AGAIN_ROW(name, text, again) again,
        HTTP_FAULT_LIST(AGAIN_ROW)
#undef AGAIN_ROW
    };
    return AGAIN[fault];
}

bool http_fault_is_servers(http_fault fault) {
    return worth_another_try(fault) || fault == HTTP_MODEL || fault == HTTP_KEY;
}

// --- the body ----------------------------------------------------------------------------------

// The body as parts: the head, every piece of the prompt, the tail.
static size_t n_parts(const http_call *call) {
    return 2 + (call->prompt != NULL ? (size_t)call->prompt->n_pieces : 0);
}

static const char *part(const http_call *call, size_t i, size_t *n) {
    if (i == 0) {
        *n = call->n_head;
        return call->head;
    }
    if (i == n_parts(call) - 1) {
        *n = call->n_tail;
        return call->tail;
    }
    const prompt_piece *piece = &call->prompt->pieces[i - 1];
    *n = call->bare && piece->between ? 0 : piece->n_escaped;
    return prompt_piece_escaped(call->prompt, (int)i - 1);
}

static size_t body_size(const http_call *call) {
    const prompt *p = call->prompt;
    size_t n = p != NULL ? p->n_escaped - (call->bare ? p->n_between : 0) : 0;
    return call->n_head + call->n_tail + n;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *context) {
    http_call *call = context;
    size_t room = size * count, written = 0, n;
    while (room > written && call->part < n_parts(call)) {
        const char *from = part(call, call->part, &n);
        size_t take = n - call->sent < room - written ? n - call->sent : room - written;
        memcpy(buffer + written, from + call->sent, take);
        written += take;
        call->sent += take;
        if (call->sent < n) break;
        call->part++;
        call->sent = 0;
    }
    return written;
}

// libcurl starts again where a kept connection turns out to be closed.
static int on_seek(void *context, curl_off_t offset, int origin) {
    http_call *call = context;
    if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    call->part = call->sent = 0;
    return CURL_SEEKFUNC_OK;
}

// --- one try -----------------------------------------------------------------------------------

static size_t on_write(char *bytes, size_t size, size_t count, void *context) {
    http_call *call = context;
    size_t n = size * count, most = call->owner->options.most_read;
    if (call->reply.n > most || n > most - call->reply.n) return 0;
    text_add_n(&call->reply, bytes, n);
    if (call->arrive != NULL && call->arrive(call) > most) return 0;
    return call->reply.failed ? 0 : n;
}

// A short body goes out together with its headers.
static void set_body(http_call *call) {
    CURL *easy = call->easy;
    size_t size = body_size(call), n;
    if (size == 0) {
        curl->easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl->easy_setopt(easy, CURLOPT_POST, 1L);
    curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    call->small.n = 0;
    for (size_t i = 0; size <= SMALL_BODY && i < n_parts(call); i++) {
        const char *from = part(call, i, &n);
        text_add_n(&call->small, from, n);
    }
    bool whole = size <= SMALL_BODY && !call->small.failed;
    curl->easy_setopt(easy, CURLOPT_POSTFIELDS, whole ? call->small.data : NULL);
    call->part = call->sent = 0;
}

static bool make_easy(http *h, http_call *call) {
    CURL *easy = curl->easy_init();
    if (easy == NULL) return false;
    call->easy = easy;
    call->owner = h;
    curl->easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, h->headers);
    curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl->easy_setopt(easy, CURLOPT_READDATA, call);
    curl->easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl->easy_setopt(easy, CURLOPT_SEEKDATA, call);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 20000L);
    curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(1000 * h->options.timeout));
    curl->easy_setopt(easy, CURLOPT_USERAGENT, "fovea");
    if (h->options.cacert != NULL) curl->easy_setopt(easy, CURLOPT_CAINFO, h->options.cacert);
    return true;
}

static void put_done(http *h, http_call *call) {
    call->next = h->done;
    h->done = call;
}

static void fail_at_once(http *h, http_call *call, const char *why) {
    call->fault = HTTP_CONNECT;
    snprintf(call->note, sizeof call->note, "%s", why);
    put_done(h, call);
}

static void start_try(http *h, http_call *call) {
    if (call->easy == NULL && !make_easy(h, call)) {
        fail_at_once(h, call, "out of memory");
        return;
    }
    call->reply.n = 0;
    text_add_n(&call->reply, "", 0);
    call->status = 0;
    call->note[0] = '\0';
    call->attempts++;
    call->started = clock_now();
    curl->easy_setopt(call->easy, CURLOPT_URL, call->url);
    set_body(call);
    CURLMcode code = curl->multi_add_handle(h->multi, call->easy);
    if (code != CURLM_OK)
        fail_at_once(h, call, curl->multi_strerror(code));
    else
        h->n_running++;
}

static http_fault network_fault(CURLcode code) {
    switch (code) {
    case CURLE_OK:
        return HTTP_NONE;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    case CURLE_WRITE_ERROR:
        return HTTP_LARGE;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return HTTP_REFUSED;
    default:
        return HTTP_RESET;
    }
}

// --- tries in turn -----------------------------------------------------------------------------

static double *gate_of(http *h, const http_call *call) {
    return call->gate != NULL ? call->gate : &h->gate;
}

static void put_waiting(http *h, http_call *call, double due) {
    call->due = fmax(due, *gate_of(h, call));
    call->next = h->waiting;
    h->waiting = call;
    h->n_waiting++;
}

static void tell_pause(const http *h, double pause) {
    char text[96];
    snprintf(text, sizeof text, "the server asks for a pause of %.0f s (Retry-After)", pause);
    if (h->options.say != NULL) h->options.say(h->options.context, text);
}

// The pause before the next try: what the server asks for, else doubled from try to try and a
// quarter up or down, so that requests that failed together do not come again together.
static double pause_before(http *h, http_call *call) {
    curl_off_t asked = 0;
    curl->easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &asked);
    if (asked > 0) {
        double pause = fmin((double)asked, longest_retry_after), now = clock_now();
        double *gate = gate_of(h, call);
        bool first = *gate < now; // of requests that fail together
        *gate = fmax(*gate, now + pause);
        if (first) tell_pause(h, pause);
        return pause;
    }
    double pause = h->options.wait * pow(2, call->attempts - 1);
    return fmin(pause, longest_wait) * (0.75 + 0.5 * random_uniform(&h->random));
}

static bool is_short(const char *key) {
    enum { SHORT = 8 };
    return key != NULL && strlen(key) < SHORT;
}

static bool in_word(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

void http_hide(const char *key, char *text, size_t n_text) {
    size_t n = key != NULL ? strlen(key) : 0;
    if (n == 0) return;
    for (size_t i = 0; i + n <= n_text; i++) {
        if (text[i] != *key || memcmp(text + i, key, n) != 0) continue;
        bool inside = (i > 0 && in_word(text[i - 1])) || (i + n < n_text && in_word(text[i + n]));
        if (!inside || !is_short(key)) memset(text + i, '*', n);
    }
}

// The key, or one of the other secrets; NULL behind the last.
static const char *secret(const http *h, int i) {
    if (i == 0) return h->options.key != NULL ? h->options.key : "";
    return i <= h->options.n_secrets ? h->options.secrets[i - 1] : NULL;
}

void http_hide_key(const http *h, char *text, size_t n_text) {
    for (int i = 0; secret(h, i) != NULL; i++) http_hide(secret(h, i), text, n_text);
}

// In a text that is still JSON, where a short one could be anything.
static void hide_long_ones(const http *h, char *text, size_t n_text) {
    for (int i = 0; secret(h, i) != NULL; i++)
        if (!is_short(secret(h, i))) http_hide(secret(h, i), text, n_text);
}

static void note_network_fault(http_call *call, CURLcode code) {
    if (call->fault == HTTP_LARGE)
        snprintf(call->note, sizeof call->note, "a reply of more than %zu bytes, which is not read",
                 call->owner->options.most_read);
    else
        snprintf(call->note, sizeof call->note, "%s%s", curl->easy_strerror(code),
                 code == CURLE_PEER_FAILED_VERIFICATION
                     ? "; --cacert FILE names the authorities to check it by"
                     : "");
}

static void take_server(http *h, http_call *call) {
    struct curl_header *header;
    size_t n = 0;
    if (curl->easy_header(call->easy, "Server", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        for (const char *c = header->value; *c != '\0' && n + 1 < sizeof call->server; c++)
            call->server[n++] = *c >= ' ' && *c <= '~' ? *c : '?';
    call->server[n] = '\0';
    http_hide_key(h, call->server, n);
}

static void finish_try(http *h, http_call *call, CURLcode code) {
    long status = 0;
    curl->easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl->easy_getinfo(call->easy, CURLINFO_TOTAL_TIME, &call->seconds);
    call->status = (int)status;
    call->fault = network_fault(code);
    take_server(h, call);
    // Before a note cuts it short, and again where JSON had escaped it.
    hide_long_ones(h, call->reply.data, call->reply.n);
    if (call->fault != HTTP_NONE)
        note_network_fault(call, code);
    else
        call->fault = call->judge(call);
    http_hide_key(h, call->note, strlen(call->note));
    // Before the handle is used again the pause is read from it.
    double pause = worth_another_try(call->fault) ? pause_before(h, call) : 0;
    curl->multi_remove_handle(h->multi, call->easy);
    h->n_running--;
    if (worth_another_try(call->fault) && call->attempts <= h->options.retries)
        put_waiting(h, call, clock_now() + pause);
    else
        put_done(h, call);
}

// Starts what is due; returns the milliseconds until more is, at most `most`.
static int start_due(http *h, int most) {
    double time = clock_now(), soonest = INFINITY;
    for (http_call **at = &h->waiting; *at != NULL;) {
        http_call *call = *at;
        if (call->due > time) {
            soonest = fmin(soonest, call->due);
            at = &call->next;
            continue;
        }
        *at = call->next;
        h->n_waiting--;
        start_try(h, call);
    }
    double left = 1000 * (soonest - time) + 1;
    return left < most ? (int)left : most;
}

static http_call *take_done(http *h) {
    http_call *call = h->done;
    if (call != NULL) h->done = call->next;
    return call;
}

static void collect(http *h) {
    int running, left;
    curl->multi_perform(h->multi, &running);
    for (CURLMsg *message; (message = curl->multi_info_read(h->multi, &left)) != NULL;) {
        http_call *call;
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish_try(h, call, code);
    }
}

// --- the interface -----------------------------------------------------------------------------

void http_start(http *h, http_call *call) {
    call->attempts = 0;
    call->fault = HTTP_NONE;
    double gate = *gate_of(h, call);
    if (gate > clock_now())
        put_waiting(h, call, gate);
    else
        start_try(h, call);
}

http_call *http_wait(http *h, int milliseconds) {
    http_call *call = take_done(h);
    if (call != NULL) return call;
    if (h->n_running + h->n_waiting == 0) return NULL;
    collect(h);
    if (h->done == NULL) {
        curl->multi_poll(h->multi, NULL, 0, start_due(h, milliseconds), NULL);
        collect(h);
        start_due(h, 0);
    }
    return take_done(h);
}

fv_status http_fetch(http *h, http_call *call, const volatile int *interrupted, fv_error *error) {
    http_start(h, call);
    while (http_wait(h, 100) != call)
        if (interrupted != NULL && *interrupted)
            return fv_fail(error, FV_INTERRUPTED, "interrupted");
    return FV_OK;
}

// A line break would begin another header.
static fv_status check_key(const char *key, fv_error *error) {
    for (const char *c = key; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return fv_fail(error, FV_USAGE,
                           "the key of the server has a line break or another control character at "
                           "byte %d; set FOVEA_API_KEY without it",
                           (int)(c - key) + 1);
    return FV_OK;
}

static bool has_header(const http_options *o, const char *name) {
    size_t n = strlen(name);
    for (int i = 0; i < o->n_headers; i++)
        if (strncasecmp(o->headers[i], name, n) == 0 && o->headers[i][n] == ':') return true;
    return false;
}

// curl tells of a file that it cannot read with the first request alone, and not which one it is.
static fv_status check_certificates(const char *path, fv_error *error) {
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    if (path != NULL && file == NULL)
        return fv_fail(error, errno == ENOENT ? FV_NOT_FOUND : FV_IO,
                       "%s, the certificates that servers are checked by, cannot be read: %s", path,
                       strerror(errno));
    if (file != NULL) fclose(file);
    return FV_OK;
}

// A connection takes one descriptor, two while its host is looked up or two addresses are tried.
int http_most_in_flight(int wanted) {
    enum { EACH = 2, SPARE = 16 };
    struct rlimit limit;
    int n_open = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
    rlim_t needed = (rlim_t)EACH * (rlim_t)wanted + SPARE;
    for (int i = 0; i < 256; i++) n_open += fcntl(i, F_GETFD) != -1;
    needed += (rlim_t)n_open;
    if (limit.rlim_cur < needed && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed) return wanted;
    int most = ((int)limit.rlim_cur - SPARE - n_open) / EACH;
    return most > 1 ? most : 1;
}

fv_status http_create(const http_options *options, http **out, fv_error *error) {
    *out = NULL;
    fv_status status = check_key(options->key, error);
    if (status == FV_OK) status = check_certificates(options->cacert, error);
    if (status == FV_OK) status = curl_load(&curl, error);
    if (status != FV_OK) return status;
    http *h = calloc(1, sizeof *h);
    bool good = h != NULL;
    if (good) {
        h->options = *options;
        h->multi = curl->multi_init();
        h->headers = curl->slist_append(NULL, "Content-Type: application/json");
        struct curl_slist *more = curl->slist_append(h->headers, "Expect:");
        good = h->multi != NULL && h->headers != NULL && more != NULL;
        random_init(&h->random, (uint64_t)(1e6 * clock_now()), FV_STREAM_TEST, 0, 0);
    }
    if (good && options->key != NULL && !has_header(options, "Authorization")) {
        text_buffer line = {0};
        text_add(&line, "Authorization: Bearer %s", options->key);
        good = !line.failed && curl->slist_append(h->headers, line.data) != NULL;
        text_free(&line);
    }
    for (int i = 0; i < options->n_headers && good; i++)
        good = curl->slist_append(h->headers, options->headers[i]) != NULL;
    if (!good) {
        http_free(h);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for requests");
    }
    curl->multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)options->in_flight);
    *out = h;
    return FV_OK;
}

void http_free(http *h) {
    if (h == NULL) return;
    if (h->multi != NULL) curl->multi_cleanup(h->multi);
    curl->slist_free_all(h->headers);
    free(h);
}

void http_call_free(http_call *call) {
    if (call->easy != NULL) {
        // A call that is still in flight leaves its multi handle here.
        if (call->owner != NULL) curl->multi_remove_handle(call->owner->multi, call->easy);
        curl->easy_cleanup(call->easy);
    }
    text_free(&call->reply);
    text_free(&call->small);
    *call = (http_call){0};
}
