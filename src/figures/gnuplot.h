// gnuplot as a subprocess: a script goes in on its stdin, a picture comes out on its stdout, into
// memory. No shell and no file name is involved, so nothing that an experiment file says can be run
// or overwritten, and no full disk can cut the picture unseen.
#ifndef FOVEA_FIGURES_GNUPLOT_H
#define FOVEA_FIGURES_GNUPLOT_H

#include "figures/gnuplot_process.h"

#include <fovea/status.h>
#include <stddef.h>
#include <stdio.h>

// name, what gnuplot's `set terminal` gets: width and height in pixels are appended
#define FV_PICTURE_LIST(X)                                                                         \
    X(SVG, "svg dynamic noenhanced background '#ffffff' font 'sans-serif,12'", 1)                  \
    X(PNG,                                                                                         \
      "pngcairo noenhanced background '#ffffff' font 'Sans,12' fontscale 1.5 linewidth 2 "         \
      "pointscale 2.6 dashlength 1.6",                                                             \
      2)                                                                                           \
    X(GIF, "gif animate delay 8 loop 0 optimize noenhanced background '#ffffff' font 'Sans,11'", 1)

typedef enum figure_picture {
#define FV_PICTURE_ENUM(name, terminal, scale) FV_PICTURE_##name,
    FV_PICTURE_LIST(FV_PICTURE_ENUM)
#undef FV_PICTURE_ENUM
} figure_picture;

// Writes `text` as a gnuplot string literal that stands for these characters; single quotes become
// apostrophes, control characters spaces, and what is no character U+FFFD.
void gnuplot_string(FILE *script, const char *text);

// The same of the n bytes of `text`, followed by `end`.
void gnuplot_text(FILE *script, const char *text, size_t n, const char *end);

// A picture that is being drawn; zeroed before.
typedef struct gnuplot_drawing {
    FILE *in, *out;
    figure_picture picture;
    const char *path; // the caller's
    gnuplot_process process;
} gnuplot_drawing;

// Lets gnuplot begin to run the script, which draws on a canvas of width x height units. Fails with
// FV_MISSING_PROGRAM where there is no gnuplot.
fv_status gnuplot_begin(gnuplot_drawing *drawing, const char *script, size_t length,
                        figure_picture picture, int width, int height, const char *path,
                        fv_error *error);

// Waits for the picture and puts it at its path: whole, or not at all. Fails with gnuplot's own
// words where it refuses the script.
fv_status gnuplot_finish(gnuplot_drawing *drawing, fv_error *error);

// Both, one after the other.
fv_status gnuplot_draw(const char *script, size_t length, figure_picture picture, int width,
                       int height, const char *path, fv_error *error);

// Gives up what has begun and is not finished; for others nothing.
void gnuplot_drop(gnuplot_drawing *drawing);

#endif
