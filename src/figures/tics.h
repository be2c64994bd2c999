// The tics of an axis or a colour bar: round numbers, as many as have room.
//
//   linear        0, 500, 1000       50k        0.5e12, 1e12: one power of ten for all
//   logarithmic   decades; their multiples by 2 and 5, then by 3 and 7, then all nine, until three
//                 numbers stand there; a range too narrow for that gets linear ones
#ifndef FOVEA_FIGURES_TICS_H
#define FOVEA_FIGURES_TICS_H

#include "figures/numbers.h"
#include "figures/scale.h"

enum { FV_MOST_TICS = 1000 };

typedef struct figure_tic {
    double value;
    int digits;                // that `value` needs
    char text[FV_NUMBER_TEXT]; // empty for a small tic without a number
} figure_tic;

typedef struct figure_tics {
    figure_tic items[FV_MOST_TICS];
    int n;
} figure_tics;

// The tics of a scale that is `length` pixels long; `across` where its numbers stand beside each
// other, not above.
void tics_find(const figure_scale *scale, double length, bool across, figure_tics *tics);

// The tics of a scale at n values of one's own, in increasing order: numbers as far as they have
// room, of which the first has. What the scale cannot show is left out. How many have a number.
int tics_at(const figure_scale *scale, double length, bool across, const double *values, int n,
            figure_tics *tics);

// The width of the widest number in pixels.
double tics_width(const figure_scale *scale, double length);

#endif
