// Times of layers are near power laws of the sequence's length, so
// that straight lines on logarithmic axes go through them best.
#include "bench/crossing.h"

#include <math.h>

int crossings(int n, const double *x, const double *a, const double *b, int most, double *at) {
    int n_found = 0, last = -1; // the last point at which the curves differ
    double above = 0;           // log(a / b) there
    for (int i = 0; i < n; i++) {
        double now = log(a[i] / b[i]);
        if (now == 0 || !isfinite(now)) continue;
        if (last >= 0 && (now > 0) != (above > 0)) {
            double share = above / (above - now);
            if (n_found < most) at[n_found] = x[last] * pow(x[i] / x[last], share);
            n_found++;
        }
        above = now;
        last = i;
    }
    return n_found;
}
