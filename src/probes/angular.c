#include "probes/angular.h"

#include <math.h>
#include <stdlib.h>

typedef struct bearing {
    double angle;
    int point;
} bearing;

// Points on one ray keep the order of their numbers, so that every order has one outcome.
static int compare(const void *a, const void *b) {
    const bearing *x = a, *y = b;
    if (x->angle != y->angle) return x->angle > y->angle ? 1 : -1;
    return (x->point > y->point) - (x->point < y->point);
}

bool angular_order(const float *points, int n, int *next) {
    bearing *all = malloc((size_t)n * sizeof *all);
    if (all == NULL) return false;
    double mean[2] = {0, 0};
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 2; c++) mean[c] += points[2 * i + c] / (double)n;
    for (int i = 0; i < n; i++)
        all[i] = (bearing){atan2(points[2 * i + 1] - mean[1], points[2 * i] - mean[0]), i};
    qsort(all, (size_t)n, sizeof *all, compare);
    for (int i = 0; i < n; i++) next[all[i].point] = all[(i + 1) % n].point;
    free(all);
    return true;
}
