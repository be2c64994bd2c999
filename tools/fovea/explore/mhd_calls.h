// The functions of libmicrohttpd, loaded when `fovea explore` is asked for: it brings a TLS library with it,
// and starting with that takes longer than most commands of Fovea do.
#ifndef FOVEA_TOOL_MHD_CALLS_H
#define FOVEA_TOOL_MHD_CALLS_H

#include <microhttpd.h>

// X(name): MHD_name
#define MHD_CALL_LIST(X)                                                                           \
    X(start_daemon)                                                                                \
    X(stop_daemon)                                                                                 \
    X(get_daemon_info)                                                                             \
    X(lookup_connection_value)                                                                     \
    X(create_response_from_buffer)                                                                 \
    X(create_response_from_fd)                                                                     \
    X(add_response_header)                                                                         \
    X(queue_response)                                                                              \
    X(destroy_response)

typedef struct mhd_calls {
#define MHD_CALL(name) __typeof__(MHD_##name) *name;
    MHD_CALL_LIST(MHD_CALL)
#undef MHD_CALL
} mhd_calls;

// NULL, and why in a sentence, where the machine has none.
const mhd_calls *mhd_load(const char **why);

#endif
