// A process that starts a server, stands between it and Fovea, and ends it when Fovea ends, however
// that comes about: it holds one end of a pipe whose other end only Fovea has.
//
//   fovea ──pipe──> guard ──fork──> server, leader of a process group of its own
#ifndef FOVEA_SERVED_SERVER_GUARD_H
#define FOVEA_SERVED_SERVER_GUARD_H

#include <fovea/status.h>
#include <stdbool.h>
#include <sys/types.h>

enum { SERVER_WORDS = 2048 }; // bytes of its last words

// How the server ended.
typedef struct server_end {
    int start_error; // errno of what could not be started, or 0
    int wait_status; // as waitpid has it
    bool asked;      // to end, by server_guard_stop
    size_t n_said;   // the last it wrote on stdout and stderr
    char said[SERVER_WORDS];
} server_end;

typedef struct server_guard {
    pid_t id; // 0: none
    int hold, report;
} server_guard;

// Starts the program words[0], found like a shell's, with standard input empty.
fv_status server_guard_start(server_guard *g, char *const *words, fv_error *error);

// Whether the server has ended by itself, or could not be started.
bool server_guard_ended(const server_guard *g, server_end *end);

// Ends the server's process group by SIGTERM, after five seconds by SIGKILL, and says how it ended.
void server_guard_stop(server_guard *g, server_end *end);

#endif
