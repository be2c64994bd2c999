// The functions of libcurl, loaded when the first server is asked: curl brings thirty libraries with
// it, and starting with them takes longer than most commands of Fovea do.
#ifndef FOVEA_SERVED_CURL_CALLS_H
#define FOVEA_SERVED_CURL_CALLS_H

#include <curl/curl.h>
#include <fovea/status.h>

// X(name): curl_name
#define CURL_CALL_LIST(X)                                                                          \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_header)                                                                                 \
    X(easy_cleanup)                                                                                \
    X(easy_strerror)                                                                               \
    X(multi_init)                                                                                  \
    X(multi_setopt)                                                                                \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_info_read)                                                                             \
    X(multi_strerror)                                                                              \
    X(multi_cleanup)                                                                               \
    X(slist_append)                                                                                \
    X(slist_free_all)

typedef struct curl_calls {
#define CURL_CALL(name) __typeof__(curl_##name) *name;
    CURL_CALL_LIST(CURL_CALL)
#undef CURL_CALL
} curl_calls;

// Loads and initialises libcurl, once. FV_MISSING_PROGRAM, with the package to install, where the
// machine has none. From any thread.
fv_status curl_load(const curl_calls **calls, fv_error *error);

#endif
