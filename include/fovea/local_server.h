// A server of models that lives as long as somebody asks it: started by a command, waited for, and
// ended with all that it has started.
#ifndef FOVEA_LOCAL_SERVER_H
#define FOVEA_LOCAL_SERVER_H

#include <fovea/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_local_server fv_local_server;

typedef struct fv_local_server_options {
    const char *command; // "llama-server -m x.gguf --port {port}"
    const char *key;     // for its list of models; NULL for none
    double timeout;      // seconds until it must be ready
    const volatile int *interrupted;
    void (*on_note)(void *context, const char *text); // what is waited for; may be NULL
    void *context;
} fv_local_server_options;

// Puts a free port of this machine in the place of {port}, splits the command by a shell's rules
// (quotes, ~, $NAME, *) without a shell, starts it as a process group of its own and waits until its
// /health, or where it has none its /v1/models, answers 200. A process beside it ends it when this
// one ends, by SIGKILL too. FV_USAGE for a command that cannot be split or has no {port}, FV_IO with
// its last words for a server that ends or is not ready in time, FV_INTERRUPTED.
FV_API fv_status fv_local_server_start(const fv_local_server_options *options,
                                       fv_local_server **server, fv_error *error);

// "http://127.0.0.1:PORT"; lives as long as the server.
FV_API const char *fv_local_server_endpoint(const fv_local_server *server);

// FV_IO, with its last words, where it has ended by itself.
FV_API fv_status fv_local_server_check(fv_local_server *server, fv_error *error);

// Ends it: SIGTERM to its group, five seconds later SIGKILL. NULL is allowed.
FV_API void fv_local_server_stop(fv_local_server *server);

#ifdef __cplusplus
}
#endif
#endif
