#include "figures/gnuplot.h"

#include "base/system.h"
#include "figures/fit.h"
#include "figures/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <fovea/whole_file.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
void gnuplot_text(FILE *script, const char *text, size_t n, const char *end) {
    const char *stop = text + n, *at = text;
    fputc('\'', script);
    for (const char *start = at; at < stop; start = at) {
        uint32_t c = next_character(&at);
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

void gnuplot_string(FILE *script, const char *text) {
    gnuplot_text(script, text, strlen(text), "");
}

// The script as a file that gnuplot can read as its stdin: a pipe could block both sides.
static bool write_script(FILE *in, const picture_terminal *terminal, int width, int height,
                         const char *script, size_t length) {
    fprintf(in, "set encoding utf8\nset terminal %s size %d,%d\n", terminal->options,
            terminal->scale * width, terminal->scale * height);
    fwrite(script, 1, length, in);
    return fflush(in) == 0 && !ferror(in) && lseek(fileno(in), 0, SEEK_SET) == 0;
}

// Puts the picture in place, if it is one.
static fv_status keep(FILE *from, figure_picture picture, const char *path, fv_error *error) {
    struct stat drawn;
    if (fstat(fileno(from), &drawn) != 0)
        return fv_fail(error, FV_IO, "%s cannot be written: %s", path, strerror(errno));
    size_t size = (size_t)drawn.st_size;
    char *bytes = malloc(size + 1);
    if (bytes == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory while writing %s", path);
    fv_whole_file file;
    fv_status status = FV_OK;
    rewind(from);
    if (fread(bytes, 1, size, from) != size || !picture_is_whole(picture, bytes, size))
        status = fv_fail(error, FV_IO, "%s is cut short; is the disk full?", path);
    if (status == FV_OK) status = fv_whole_file_open(&file, path, error);
    if (status == FV_OK) {
        fwrite(bytes, 1, size, file.stream);
        status = fv_whole_file_close(&file, 1, error);
    }
    free(bytes);
    return status;
}

fv_status gnuplot_begin(gnuplot_drawing *d, const char *script, size_t length,
                        figure_picture picture, int width, int height, const char *path,
                        fv_error *error) {
    *d = (gnuplot_drawing){
        system_unnamed_file(), system_unnamed_file(), picture, path, {.messages = -1}};
    fv_status status = FV_OK;
    if (d->in == NULL || d->out == NULL ||
        !write_script(d->in, &terminals[picture], width, height, script, length))
        status =
            fv_fail(error, FV_IO, "cannot write a temporary file for gnuplot: %s", strerror(errno));
    if (status == FV_OK) status = gnuplot_start(&d->process, fileno(d->in), fileno(d->out), error);
    if (status != FV_OK) gnuplot_drop(d);
    return status;
}

fv_status gnuplot_finish(gnuplot_drawing *d, fv_error *error) {
    fv_status status = gnuplot_await(&d->process, d->path, error);
    if (status == FV_OK) status = keep(d->out, d->picture, d->path, error);
    gnuplot_drop(d);
    return status;
}

void gnuplot_drop(gnuplot_drawing *d) {
    gnuplot_kill(&d->process);
    if (d->in != NULL) fclose(d->in);
    if (d->out != NULL) fclose(d->out);
    *d = (gnuplot_drawing){.in = NULL};
}

fv_status gnuplot_draw(const char *script, size_t length, figure_picture picture, int width,
                       int height, const char *path, fv_error *error) {
    gnuplot_drawing drawing;
    fv_status status = gnuplot_begin(&drawing, script, length, picture, width, height, path, error);
    return status == FV_OK ? gnuplot_finish(&drawing, error) : status;
}
