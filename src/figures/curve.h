// One curve on its way from a run's series to paper: read, summarised over seeds, thinned.
#ifndef FOVEA_FIGURES_CURVE_H
#define FOVEA_FIGURES_CURVE_H

#include "figures/scratch.h"

#include <fovea/record.h>
#include <stdbool.h>

typedef struct fv_curve {
    int n;
    double *x, *y;
    double *low, *high; // of the values that a median stands for; NULL for a single run's curve
    bool diverged;      // of a run that diverged: it ends before its time
} fv_curve;

// The series `y` against the series `x` (NULL: against the step) of one run, at the steps that both
// have; y becomes (y - minus) / over. A run without the series gives n = 0.
fv_status fv_curve_read(fv_scratch *scratch, const fv_record *record, const char *x, const char *y,
                        double minus, double over, fv_curve *curve, fv_error *error);

// The median of `curves` at every x that more than half of them have, with the lowest and highest
// value there. Curves are ordered by x; values that are not finite do not count.
fv_status fv_curve_median(fv_scratch *scratch, const fv_curve *curves, int n, fv_curve *median,
                          fv_error *error);

// A copy that shares nothing with its original.
fv_status fv_curve_copy(fv_scratch *scratch, const fv_curve *curve, fv_curve *copy,
                        fv_error *error);

// The curve that lies in the middle of the others: the one whose mean distance to the others, at
// the x that they share, is smallest. A pointwise median blurs what happens at another time in
// every run (of plateaus that end at different steps it shows none); this is a run as it was. A run
// that diverged stands for the others only where all of them did.
int fv_curve_typical(const fv_curve *curves, int n);

// Leaves about `most` points, in place, without losing a spike: of each interval of x the lowest
// and the highest point stay.
void fv_curve_thin(fv_curve *curve, int most);

#endif
