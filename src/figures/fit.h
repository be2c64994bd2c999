// Texts in the room that they have: how wide they are, and how they break into lines. Widths are
// those of DejaVu Sans, which gnuplot draws where nothing else is asked for and which is as wide as
// any font that viewers of an SVG take in its place.
#ifndef FOVEA_FIGURES_FIT_H
#define FOVEA_FIGURES_FIT_H

#include "figures/scratch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The character at *text, which moves on to the next; 0xfffd for a byte that is no UTF-8. 0 at the
// end, where *text stays.
uint32_t next_character(const char **text);

// The width of a character as a share of the letters' size; 0 for one that joins what is before it.
double character_width(uint32_t character);

// The width of `text` in pixels.
double text_width(const char *text, double size);

enum { FV_MOST_LINES = 12 };

typedef struct figure_fitted {
    double size, width; // of the letters; of the widest line
    int n;
    struct {
        const char *start; // in the text that was fitted
        size_t n;          // bytes
    } lines[FV_MOST_LINES];
    bool cut; // the last line ends in "…"
} figure_fitted;

// Breaks the text into lines of at most `width` pixels: one line at `size`, else at a smaller size
// down to `least`, else at that size up to `most` lines. What still has no room is cut.
figure_fitted text_fit(const char *text, double size, double least, double width, int most);

// Line k as a text of its own, or NULL without memory.
char *fitted_line(figure_scratch *scratch, const figure_fitted *fitted, int k);

// The height that the lines take.
double fitted_height(const figure_fitted *fitted);

// The text cut to `width` pixels, or itself where it fits; NULL without memory.
const char *text_cut(figure_scratch *scratch, const char *text, double size, double width);

#endif
