// Where two measured curves cross.
#ifndef FOVEA_TOOL_CROSSING_H
#define FOVEA_TOOL_CROSSING_H

// Where a falls below b, or rises above it: curves over the same increasing x [n], all positive,
// taken as straight lines between their points on logarithmic axes. Writes up to `most` places to
// `at`, ascending, and returns how many there are. Curves that are equal do not cross.
int crossings(int n, const double *x, const double *a, const double *b, int most, double *at);

#endif
