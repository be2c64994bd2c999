#define _GNU_SOURCE // pipe2
#include "served/server_guard.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { LOOK_MILLISECONDS = 50 };
static const int shared_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ};

static void set_signals(void (*handler)(int)) {
    sigset_t none;
    for (size_t i = 0; i < sizeof shared_signals / sizeof *shared_signals; i++)
        signal(shared_signals[i], handler);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// --- the server ----------------------------------------------------------------------------------

static void take_place(int from, int to) {
    if (from == to)
        fcntl(from, F_SETFD, 0);
    else
        dup2(from, to);
}

// In the new process: becomes the server, or writes errno.
static void become_server(char *const *words, pid_t guard, int nothing, int out, int failed) {
    setpgid(0, 0);
    set_signals(SIG_DFL);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL); // should somebody kill the guard
    if (getppid() != guard) _exit(127);
#else
    (void)guard;
#endif
    take_place(nothing, STDIN_FILENO);
    take_place(out, STDOUT_FILENO);
    take_place(out, STDERR_FILENO);
    execvp(words[0], words);
    int number = errno;
    ssize_t written = write(failed, &number, sizeof number);
    _exit(written > 0 ? 127 : 126);
}

// Returns its process, or 0 with end->start_error. *said is where its words come from.
static pid_t start_server(char *const *words, int *said, server_end *end) {
    int out[2], failed[2], nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t guard = getpid(), id = -1;
    bool piped = nothing >= 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(failed, O_CLOEXEC) == 0;
    if (piped) id = fork();
    if (id == 0) become_server(words, guard, nothing, out[1], failed[1]);
    end->start_error = id < 0 ? errno : 0;
    if (id < 0) return 0;
    setpgid(id, id); // whoever comes first
    close(out[1]);
    close(failed[1]);
    if (read(failed[0], &end->start_error, sizeof end->start_error) > 0) {
        while (waitpid(id, NULL, 0) < 0 && errno == EINTR) continue;
        return 0;
    }
    // Whoever reads what Fovea prints is not kept waiting by the guard.
    for (int i = 0; i <= STDERR_FILENO; i++) dup2(nothing, i);
    *said = out[0];
    return id;
}

// --- the guard -----------------------------------------------------------------------------------

// Keeps the last of what can be read without waiting; false at its end.
static bool listen_to(int said, server_end *end) {
    char bytes[4096];
    struct pollfd words = {.fd = said, .events = POLLIN};
    while (poll(&words, 1, 0) > 0) {
        ssize_t n = read(said, bytes, sizeof bytes);
        if (n <= 0) return n < 0 && errno == EINTR;
        size_t kept = (size_t)n < SERVER_WORDS ? (size_t)n : SERVER_WORDS;
        size_t old = SERVER_WORDS - kept < end->n_said ? SERVER_WORDS - kept : end->n_said;
        memmove(end->said, end->said + end->n_said - old, old);
        memcpy(end->said + old, bytes + n - kept, kept);
        end->n_said = old + kept;
    }
    return true;
}

// Waits for a word or for the end of Fovea, which is true.
static bool wait_for_either(int hold, int said) {
    struct pollfd both[] = {{.fd = hold, .events = POLLIN}, {.fd = said, .events = POLLIN}};
    return poll(both, 2, LOOK_MILLISECONDS) > 0 && both[0].revents != 0;
}

// Buries what has died; whether the server has.
static bool reap(pid_t server, server_end *end) {
    int status;
    bool ended = false;
    for (pid_t id; (id = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (id != server) continue; // its children come to the guard when it is gone
        end->wait_status = status;
        ended = true;
    }
    return ended;
}

static void listen_on(int *said, server_end *end) {
    if (*said < 0 || listen_to(*said, end)) return;
    close(*said);
    *said = -1; // which poll passes over
}

static void guard_server(pid_t server, int hold, int *said, server_end *end) {
    for (bool ended = false; !ended && !end->asked;) {
        end->asked = wait_for_either(hold, *said);
        listen_on(said, end);
        ended = reap(server, end);
    }
}

// Its group by SIGTERM, and what is left by SIGKILL.
static void end_group(pid_t server, int *said, server_end *end) {
    static const int SIGNALS[] = {SIGTERM, SIGKILL};
    static const double PATIENCE[] = {5, 1}; // seconds
    for (int i = 0; i < 2; i++) {
        double last = clock_now() + PATIENCE[i];
        kill(-server, SIGNALS[i]);
        while (clock_now() < last) {
            listen_on(said, end);
            reap(server, end);
            if (kill(-server, 0) != 0) return;
            poll(NULL, 0, LOOK_MILLISECONDS / 5);
        }
    }
}

static void guard(char *const *words, int hold, int report) {
    static server_end end;
    int said = -1;
    setpgid(0, 0); // the terminal's Ctrl-C is for Fovea
    set_signals(SIG_IGN);
#ifdef __linux__
    prctl(PR_SET_CHILD_SUBREAPER, 1);
#endif
    pid_t server = start_server(words, &said, &end);
    if (server > 0) guard_server(server, hold, &said, &end);
    if (end.asked) end_group(server, &said, &end);
    ssize_t written = write(report, &end, sizeof end);
    close(report);
    if (server > 0 && !end.asked) end_group(server, &said, &end); // what it has left running
    _exit(written == sizeof end ? 0 : 1);
}

// --- Fovea's side --------------------------------------------------------------------------------

fv_status server_guard_start(server_guard *g, char *const *words, fv_error *error) {
    int hold[2], report[2];
    *g = (server_guard){.hold = -1, .report = -1};
    if (pipe2(hold, O_CLOEXEC) != 0)
        return fv_fail(error, FV_IO, "cannot make a pipe for the server: %s", strerror(errno));
    if (pipe2(report, O_CLOEXEC) != 0) {
        fv_status status =
            fv_fail(error, FV_IO, "cannot make a pipe for the server: %s", strerror(errno));
        close(hold[0]);
        close(hold[1]);
        return status;
    }
    g->id = fork();
    if (g->id == 0) {
        close(hold[1]);
        close(report[0]);
        guard(words, hold[0], report[1]);
    }
    int number = errno;
    close(hold[0]);
    close(report[1]);
    g->hold = hold[1];
    g->report = report[0];
    if (g->id > 0) return FV_OK;
    close(g->hold);
    close(g->report);
    g->id = 0;
    return fv_fail(error, FV_IO, "cannot start a process for the server: %s", strerror(number));
}

static void read_end(const server_guard *g, server_end *end) {
    ssize_t n;
    while ((n = read(g->report, end, sizeof *end)) < 0 && errno == EINTR) continue;
    if (n != (ssize_t)sizeof *end) *end = (server_end){.wait_status = SIGKILL}; // with its guard
}

bool server_guard_ended(const server_guard *g, server_end *end) {
    struct pollfd report = {.fd = g->report, .events = POLLIN};
    if (g->id == 0 || poll(&report, 1, 0) <= 0) return false;
    read_end(g, end);
    return true;
}

void server_guard_stop(server_guard *g, server_end *end) {
    if (g->id == 0) return;
    close(g->hold);
    read_end(g, end);
    close(g->report);
    while (waitpid(g->id, NULL, 0) < 0 && errno == EINTR) continue;
    *g = (server_guard){.hold = -1, .report = -1};
}
