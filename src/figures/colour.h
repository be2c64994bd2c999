// Colours as 0xRRGGBB. Two palettes, both readable with every kind of colour blindness and in grey:
// a few distinct ones for names (Okabe and Ito, 2008) and a scale for quantities (viridis, after
// van der Walt and Smith, 2015).
#ifndef FOVEA_FIGURES_COLOUR_H
#define FOVEA_FIGURES_COLOUR_H

enum {
    FV_INK = 0x1f2933,       // text and the first curve
    FV_TICS = 0x3e4c59,      // numbers along axes
    FV_QUIET = 0x7b8794,     // axes, notes
    FV_GRID = 0xe4e7eb,      // grid lines
    FV_REFERENCE = 0x9aa5b1, // reference lines
    FV_MISSING = 0xe4e7eb,   // cells without a value
    FV_UNSHOWN = 0x9aa5b1,   // cells with a value that the scale cannot show
    FV_DISTINCT = 7          // colours before colour_name repeats
};

// The i-th distinct colour.
unsigned colour_name(int i);

// share 0 (dark violet) to 1 (yellow). colour_line stops before the yellow, which is too pale
// for lines and points on white.
unsigned colour_scale(double share);
unsigned colour_line(double share);

// The colour mixed with white: weight 1 leaves it, 0 gives white.
unsigned colour_pale(unsigned colour, double weight);

#endif
