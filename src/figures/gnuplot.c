#include "figures/gnuplot.h"

#include "figures/fit.h"
#include "figures/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct picture_terminal {
    const char *options;
    int scale; // device pixels of a canvas unit
} picture_terminal;

static const picture_terminal terminals[] = {
#define TERMINAL(name, options, scale) {options, scale},
    FV_PICTURE_LIST(TERMINAL)
#undef TERMINAL
};

// Inside single quotes gnuplot expands nothing (no backquotes, no macros, no backslashes). A quote
// within could be written twice, but gnuplot misreads that at the start of a text and runs what
// follows: an apostrophe, which looks better anyway, takes its place.
//
// What XML forbids is kept out: gnuplot writes texts into an SVG as they are, but for & and <.
void fv_gnuplot_text(FILE *script, const char *text, size_t n, const char *end) {
    const char *stop = text + n, *at = text;
    fputc('\'', script);
    for (const char *start = at; at < stop; start = at) {
        uint32_t c = fv_next_character(&at);
        if (c == '\'')
            fputs("’", script);
        else if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
            fputc(' ', script);
        else if ((c & 0xfffe) == 0xfffe || c == 0xfffd)
            fputs("\xef\xbf\xbd", script);
        else if (c == '>' && start - text >= 2 && start[-1] == ']' && start[-2] == ']')
            fputs("\xe2\x80\x8b>", script); // a space of no width: "]]>" ends what it is not in
        else
            fwrite(start, 1, (size_t)(at - start), script);
    }
    fprintf(script, "%s'", end);
}

void fv_gnuplot_string(FILE *script, const char *text) {
    fv_gnuplot_text(script, text, strlen(text), "");
}

// Starts gnuplot without its start-up files and waits for its end.
static fv_status run(int in, int out, int messages, int *wait_status, fv_error *error) {
    char *arguments[] = {"gnuplot", "--default-settings", "-", NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return fv_fail(error, FV_NO_MEMORY, "no memory to start gnuplot");
    int failed = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
    pid_t child = -1;
    if (!failed) failed = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == ENOENT)
        return fv_fail(error, FV_MISSING_PROGRAM,
                       "gnuplot is not installed, which draws the figures: install the package "
                       "gnuplot-nox (gnuplot on some systems) and run the command again");
    if (failed) return fv_fail(error, FV_IO, "cannot start gnuplot: %s", strerror(failed));
    while (waitpid(child, wait_status, 0) < 0)
        if (errno != EINTR)
            return fv_fail(error, FV_IO, "cannot wait for gnuplot: %s", strerror(errno));
    return FV_OK;
}

// The first complaint of gnuplot, on one line.
static fv_status complain(FILE *messages, int wait_status, const char *path, fv_error *error) {
    char text[700], *at = text;
    rewind(messages);
    size_t n = fread(text, 1, sizeof text - 1, messages);
    for (size_t i = 0; i < n; i++) {
        bool blank = text[i] == '\0' || strchr(" \t\r\n", text[i]) != NULL;
        if (!blank) *at++ = text[i];
        if (blank && at > text && at[-1] != ' ') *at++ = ' ';
    }
    while (at > text && at[-1] == ' ') at--;
    *at = '\0';
    if (WIFSIGNALED(wait_status))
        return fv_fail(error, FV_IO, "%s: gnuplot was ended by signal %d", path,
                       WTERMSIG(wait_status));
    return fv_fail(error, FV_IO, "%s: gnuplot refused to draw: %s", path,
                   *text ? text : "it gave no reason");
}

// The script as a file that gnuplot can read as its stdin: a pipe could block both sides.
static FILE *write_script(const picture_terminal *terminal, int width, int height,
                          const char *script, size_t length) {
    FILE *in = tmpfile();
    if (in == NULL) return NULL;
    fcntl(fileno(in), F_SETFD, FD_CLOEXEC);
    fprintf(in, "set encoding utf8\nset terminal %s size %d,%d\n", terminal->options,
            terminal->scale * width, terminal->scale * height);
    fwrite(script, 1, length, in);
    if (fflush(in) == 0 && !ferror(in) && lseek(fileno(in), 0, SEEK_SET) == 0) return in;
    fclose(in);
    return NULL;
}

fv_status fv_gnuplot_draw(const char *script, size_t length, fv_picture picture, int width,
                          int height, const char *path, fv_error *error) {
    fv_whole_file out;
    fv_status status = fv_whole_file_open(&out, path, error);
    if (status != FV_OK) return status;
    FILE *in = write_script(&terminals[picture], width, height, script, length);
    FILE *messages = tmpfile();
    if (in != NULL && messages != NULL) {
        int wait_status = 0;
        struct stat written;
        fcntl(fileno(messages), F_SETFD, FD_CLOEXEC);
        status = run(fileno(in), fileno(out.stream), fileno(messages), &wait_status, error);
        if (status == FV_OK &&
            (wait_status != 0 || fstat(fileno(out.stream), &written) != 0 || written.st_size == 0))
            status = complain(messages, wait_status, path, error);
    } else {
        status =
            fv_fail(error, FV_IO, "cannot write a temporary file for gnuplot: %s", strerror(errno));
    }
    if (in != NULL) fclose(in);
    if (messages != NULL) fclose(messages);
    fv_status closed = fv_whole_file_close(&out, status == FV_OK, error);
    return status != FV_OK ? status : closed;
}
