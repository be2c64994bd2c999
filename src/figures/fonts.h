// Which characters this machine can draw. A PNG holds glyphs, and where no font has one the
// renderer draws its own sign for that, which gnuplot scales beyond recognition: black strokes over
// the whole picture. A GIF is drawn from one single font, the one that has most of its characters.
// What cannot be drawn is replaced there, and said; an SVG holds characters and leaves the glyphs
// to its viewer.
//
// fontconfig is asked, by its programs: gnuplot's own text renderer needs them installed.
#ifndef FOVEA_FIGURES_FONTS_H
#define FOVEA_FIGURES_FONTS_H

#include "figures/gnuplot.h"
#include "figures/scratch.h"

typedef struct figure_drawable {
    const char *script;
    size_t length;
    const char *remark; // which characters were replaced; NULL for none
} figure_drawable;

// The script with nothing but characters that `picture` can show; the script itself where that is
// so, or where fontconfig cannot be asked.
fv_status fonts_drawable(figure_scratch *scratch, figure_picture picture, const char *script,
                         size_t length, figure_drawable *drawable, fv_error *error);

#endif
