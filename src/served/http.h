// Many requests in flight over one thread (libcurl's multi interface), each tried again a bounded
// number of times with growing pauses. Bodies are sent piece by piece from where they lie.
#ifndef FOVEA_SERVED_HTTP_H
#define FOVEA_SERVED_HTTP_H

#include "served/prompt.h"

// What can go wrong with a request: name, text, whether it is worth another try
#define HTTP_FAULT_LIST(X)                                                                         \
    X(NONE, "none", 0)                                                                             \
    X(CONNECT, "no connection", 1)                                                                 \
    X(RESET, "connection lost", 1)                                                                 \
    X(TIMEOUT, "no reply in time", 1)                                                              \
    X(BUSY, "too many requests (429)", 1)                                                          \
    X(SERVER, "server error (5xx)", 1)                                                             \
    X(MALFORMED, "malformed reply", 1)                                                             \
    X(LARGE, "reply too large", 0)                                                                 \
    X(CONTEXT, "longer than the server's context", 0)                                              \
    X(MODEL, "no such model or address (404)", 0)                                                  \
    X(KEY, "key refused (401, 403)", 0)                                                            \
    X(REFUSED, "request refused", 0)

typedef enum http_fault {
#define HTTP_FAULT_ENUM(name, text, again) HTTP_##name,
    HTTP_FAULT_LIST(HTTP_FAULT_ENUM)
#undef HTTP_FAULT_ENUM
} http_fault;

const char *http_fault_text(http_fault fault);

// Whether it is the server's and not the request's: another server might answer.
bool http_fault_is_servers(http_fault fault);

typedef struct http http;
typedef struct http_call http_call;

typedef struct http_options {
    int in_flight;              // requests at once
    int retries;                // tries after the first
    double timeout;             // seconds that one try may take
    double wait;                // seconds before the second try; doubled with every further one
    const char *const *headers; // more lines "NAME: VALUE"
    int n_headers;
    const char *const *secrets; // texts of them that are hidden like the key
    int n_secrets;
    const char *cacert; // a file of certificates in place of the machine's, or NULL
    const char *key;    // for "Authorization: Bearer", or NULL
    size_t most_read;   // bytes of a reply; longer ones are HTTP_LARGE
    void (*say)(void *context,
                const char *text); // of a pause that the server asks for; may be NULL
    void *context;
} http_options;

// One request. The caller fills the first part; head, prompt (escaped) and tail make the body, none
// of them a GET. The buffers of a call are kept from request to request: start with {0}.
struct http_call {
    const char *url;
    const char *head, *tail;
    size_t n_head, n_tail;
    const prompt *prompt; // or NULL
    bool bare;            // without what stands between its messages
    double *gate; // of its server: no call starts before, for it asked for a pause; NULL: shared
    // Looks at status and reply of a finished try and says what they are; may write `note`.
    http_fault (*judge)(http_call *call);
    // Called when more of the reply has come, or NULL. It may take bytes out of `reply`, and says
    // how many it keeps of those it took: with them, too, a reply may have options.most_read.
    size_t (*arrive)(http_call *call);
    void *context;

    // The outcome.
    http_fault fault;
    int status;        // HTTP's, 0 without reply
    text_buffer reply; // zero-terminated
    double started;    // of the last try, by clock_now
    double seconds;    // that it took
    int attempts;
    char note[256];  // what the server or the network said
    char server[64]; // what the reply's header Server says, printable; "" for nothing

    // The engine's own.
    http *owner;
    void *easy;
    text_buffer small; // short bodies, whole
    size_t part, sent; // parts of the body, and bytes of the current one, that have been sent
    double due;
    struct http_call *next;
};

// How many of `wanted` requests can be in flight at once: of the descriptors that this process may
// have open it raises the limit as far as it may, and says what that is enough for, 1 at least.
int http_most_in_flight(int wanted);

fv_status http_create(const http_options *options, http **out, fv_error *error);
void http_free(http *h); // forgets what is in flight

// Starts a call. It must stay where it is until http_wait hands it back.
void http_start(http *h, http_call *call);

// A finished call, or NULL after `milliseconds` without one, or where none is in flight.
http_call *http_wait(http *h, int milliseconds);

// Puts asterisks over the key and other secrets: servers like to quote a wrong one, and nothing of
// it may be stored or printed. Replies and notes have none already; what is decoded from a reply
// may. A key of less than 8 bytes can stand anywhere by chance: it is one where it is a whole word,
// of what is decoded.
void http_hide_key(const http *h, char *text, size_t n_text);
void http_hide(const char *key, char *text, size_t n_text); // NULL: no key

// Gives back what a call keeps.
void http_call_free(http_call *call);

// Starts one call and waits for its end, or until *interrupted (may be NULL) is set:
// FV_INTERRUPTED.
fv_status http_fetch(http *h, http_call *call, const volatile int *interrupted, fv_error *error);

#endif
