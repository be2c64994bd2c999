// The order of points around a circle.
#ifndef FOVEA_PROBES_ANGULAR_H
#define FOVEA_PROBES_ANGULAR_H

#include <stdbool.h>

// next[r]: the point that follows point r counter-clockwise around the mean of all, for points
// [n][2]. Returns false without memory.
bool angular_order(const float *points, int n, int *next);

#endif
