// One curve on its way from a run's series to paper: read, summarised over seeds, thinned.
#ifndef FOVEA_FIGURES_CURVE_H
#define FOVEA_FIGURES_CURVE_H

#include "figures/scratch.h"

#include <fovea/record.h>
#include <stdbool.h>

typedef struct figure_curve {
    int n;
    double *x, *y;
    double *low, *high; // of the values that a median stands for; NULL for a single run's curve
    bool diverged;      // of a run that diverged: it ends before its time
} figure_curve;

// The series `y` against the series `x` (NULL: against the step) of one run, at the steps that both
// have; y becomes (y - minus) / over. A run without the series gives n = 0.
fv_status curve_read(figure_scratch *scratch, const fv_record *record, const char *x, const char *y,
                     double minus, double over, figure_curve *curve, fv_error *error);

// The median of `curves` at every x that more than half of them have, with the lowest and highest
// value there. Curves are ordered by x; values that are not finite do not count.
fv_status curve_median(figure_scratch *scratch, const figure_curve *curves, int n,
                       figure_curve *median, fv_error *error);

// A copy that shares nothing with its original.
fv_status curve_copy(figure_scratch *scratch, const figure_curve *curve, figure_curve *copy,
                     fv_error *error);

// The curve that lies in the middle of the others: the one whose mean distance to the others, at
// the x that they share, is smallest. A pointwise median blurs what happens at another time in
// every run (of plateaus that end at different steps it shows none); this is a run as it was. A run
// that diverged stands for the others only where all of them did. Of more than 1,000 curves so many
// are compared.
int curve_typical(const figure_curve *curves, int n);

// Leaves about `most` points, in place, without losing a spike: of each interval of x the lowest
// and the highest point stay.
void curve_thin(figure_curve *curve, int most);

#endif
