// gnuplot handles SIGINT itself, by giving up its script and asking for the next command, and can
// wait for ever in that handler. It is therefore kept away from the terminal's signals and killed:
// it has nothing to save, since what it draws goes to memory.
#include "figures/gnuplot_process.h"

#include "base/clock.h"
#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <fovea/figure.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    POLL_MILLISECONDS = 20, // between two looks at the flag
    LONGEST_SECONDS = 600   // of one picture, unless FOVEA_GNUPLOT_SECONDS says otherwise
};

static const volatile int *interrupt_flag;
static volatile sig_atomic_t running[GNUPLOT_MOST]; // processes; 0: free

void fv_drawing_interrupt(const volatile int *flag) {
    interrupt_flag = flag;
}

void fv_drawing_abandon(void) {
    for (int i = 0; i < GNUPLOT_MOST; i++)
        if (running[i] > 0) kill(-(pid_t)running[i], SIGKILL);
}

// Puts `to` in the place of the first `from`.
static void note_running(pid_t from, pid_t to) {
    int i = 0;
    while (i < GNUPLOT_MOST && running[i] != (sig_atomic_t)from) i++;
    if (i < GNUPLOT_MOST) running[i] = (sig_atomic_t)to;
}

// --- starting ----------------------------------------------------------------------------------

// Signals that Fovea ignores or blocks are gnuplot's to die of.
static int set_signals(posix_spawnattr_t *attributes) {
    sigset_t usual, none;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGXFSZ);
    sigaddset(&usual, SIGHUP);
    int failed = posix_spawnattr_setsigdefault(attributes, &usual);
    if (!failed) failed = posix_spawnattr_setsigmask(attributes, &none);
    if (!failed) failed = posix_spawnattr_setpgroup(attributes, 0);
    if (!failed)
        failed = posix_spawnattr_setflags(
            attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return failed;
}

// Starts it without its start-up files; returns 0 or an error number.
static int spawn(gnuplot_process *p, int in, int out, int messages) {
    char *arguments[] = {"gnuplot", "--default-settings", "-", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed) return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    failed = set_signals(&attributes);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
    if (!failed)
        failed = posix_spawnp(&p->id, arguments[0], &actions, &attributes, arguments,
                              system_environment());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

fv_status gnuplot_start(gnuplot_process *p, int in, int out, fv_error *error) {
    *p = (gnuplot_process){.messages = -1};
    int ends[2];
    if (system_pipe(ends) != 0)
        return fv_fail(error, FV_IO, "cannot make a pipe for gnuplot: %s", strerror(errno));
    int failed = spawn(p, in, out, ends[1]);
    close(ends[1]);
    p->messages = ends[0];
    if (!failed) note_running(0, p->id);
    if (!failed) return FV_OK;
    close(ends[0]);
    *p = (gnuplot_process){.messages = -1};
    if (failed == ENOENT)
        return fv_fail(error, FV_MISSING_PROGRAM,
                       "gnuplot is not installed, which draws the figures: install the package "
                       "gnuplot-nox (gnuplot on some systems) and run the command again");
    return fv_fail(error, FV_IO, "cannot start gnuplot: %s", strerror(failed));
}

// --- watching ----------------------------------------------------------------------------------

// Waits for a word of it, for its end, or for as long as lies between two looks at the flag. Its
// words are read to the last, so that it never waits for a reader.
static void listen_to(gnuplot_process *p) {
    struct pollfd words = {.fd = p->messages, .events = POLLIN};
    // After its last word its end is near.
    if (poll(&words, 1, p->messages < 0 ? 1 : POLL_MILLISECONDS) <= 0) return;
    char bytes[1024];
    ssize_t n = read(p->messages, bytes, sizeof bytes);
    if (n < 0) return;
    if (n == 0) {
        close(p->messages);
        p->messages = -1; // which poll passes over
        return;
    }
    size_t room = sizeof p->text - 1 - p->n, kept = (size_t)n < room ? (size_t)n : room;
    memcpy(p->text + p->n, bytes, kept);
    p->n += kept;
}

static bool has_ended(gnuplot_process *p) {
    pid_t id;
    while ((id = waitpid(p->id, &p->wait_status, WNOHANG)) < 0 && errno == EINTR) continue;
    return id != 0;
}

static double longest_seconds(void) {
    const char *text = getenv("FOVEA_GNUPLOT_SECONDS");
    double seconds = text != NULL ? strtod(text, NULL) : 0;
    return seconds > 0 ? seconds : LONGEST_SECONDS;
}

static void end(gnuplot_process *p) {
    kill(-p->id, SIGKILL);
    while (waitpid(p->id, &p->wait_status, 0) < 0 && errno == EINTR) continue;
}

static bool is_interrupted(void) {
    return interrupt_flag != NULL && *interrupt_flag;
}

static fv_status interrupted(const char *path, fv_error *error) {
    return fv_fail(error, FV_INTERRUPTED,
                   "interrupted while drawing %s; the same command draws it again", path);
}

static fv_status watch(gnuplot_process *p, const char *path, fv_error *error) {
    double longest = longest_seconds(), latest = clock_now() + longest;
    while (!has_ended(p)) {
        if (is_interrupted()) {
            end(p);
            return interrupted(path, error);
        }
        if (clock_now() > latest) {
            end(p);
            return fv_fail(error, FV_IO,
                           "%s: gnuplot did not end within %g s and was stopped; "
                           "FOVEA_GNUPLOT_SECONDS gives it longer",
                           path, longest);
        }
        listen_to(p);
    }
    return FV_OK;
}

// --- what it says ------------------------------------------------------------------------------

// Its first words, on one line.
static void flatten(gnuplot_process *p) {
    char *at = p->text;
    for (size_t i = 0; i < p->n; i++) {
        bool blank = p->text[i] == '\0' || strchr(" \t\r\n", p->text[i]) != NULL;
        if (!blank) *at++ = p->text[i];
        if (blank && at > p->text && at[-1] != ' ') *at++ = ' ';
    }
    while (at > p->text && at[-1] == ' ') at--;
    *at = '\0';
}

static fv_status complain(gnuplot_process *p, const char *path, fv_error *error) {
    flatten(p);
    if (WIFSIGNALED(p->wait_status) && WTERMSIG(p->wait_status) == SIGXFSZ)
        return fv_fail(error, FV_IO, "%s: gnuplot met the limit on the size of files (ulimit -f)",
                       path);
    if (WIFSIGNALED(p->wait_status))
        return fv_fail(error, FV_IO, "%s: gnuplot was ended by signal %d", path,
                       WTERMSIG(p->wait_status));
    return fv_fail(error, FV_IO, "%s: gnuplot refused to draw: %s", path,
                   *p->text ? p->text : "it gave no reason");
}

// Its number may be another process's from now on.
static void forget(gnuplot_process *p) {
    note_running(p->id, 0);
    if (p->messages >= 0) close(p->messages);
    p->messages = -1;
    p->id = 0;
}

fv_status gnuplot_await(gnuplot_process *p, const char *path, fv_error *error) {
    fv_status status = watch(p, path, error);
    for (int i = 0; p->messages >= 0 && i < 8; i++) listen_to(p); // its last words
    forget(p);
    if (status != FV_OK || p->wait_status == 0) return status;
    return is_interrupted() ? interrupted(path, error) : complain(p, path, error);
}

void gnuplot_kill(gnuplot_process *p) {
    if (p->id <= 0) return;
    end(p);
    forget(p);
}
