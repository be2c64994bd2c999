#include "figures/crosses.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { STEP = 10, RINGS = 4, MOST_CROSSES = 1000 }; // pixels between crosses; of those that move

static bool is_free(const figure_cross *crosses, int n, int line, double x, double y) {
    for (int k = 0; k < n; k++)
        if (crosses[k].line != line && fabs(crosses[k].at_x - x) < STEP - 1 &&
            fabs(crosses[k].at_y - y) < STEP - 1)
            return false;
    return true;
}

static bool is_inside(double x, double y, double width, double height) {
    return x >= 0 && x <= width && y >= 0 && y <= height;
}

// An earlier cross of the same line at the same place, or NULL.
static const figure_cross *twin_of(const figure_cross *crosses, int i) {
    for (int k = 0; k < i; k++)
        if (crosses[k].line == crosses[i].line && fabs(crosses[k].x - crosses[i].x) < 1 &&
            fabs(crosses[k].y - crosses[i].y) < 1)
            return &crosses[k];
    return NULL;
}

// The nearest free place in rings of a grid around the cross, sideways ones first.
static void place(figure_cross *crosses, int i, double width, double height) {
    figure_cross *cross = &crosses[i];
    for (int ring = 0; ring <= RINGS; ring++)
        for (int down = 0; down <= 2 * ring; down++) {
            int v = down % 2 ? (down + 1) / 2 : -down / 2; // 0, 1, -1, 2, -2 ...
            for (int u = ring; u >= -ring; u -= abs(v) == ring || ring == 0 ? 1 : 2 * ring) {
                double x = cross->x + STEP * u, y = cross->y + STEP * v;
                if (!is_inside(x, y, width, height) || !is_free(crosses, i, cross->line, x, y))
                    continue;
                cross->at_x = x;
                cross->at_y = y;
                return;
            }
        }
}

void crosses_spread(figure_cross *crosses, int n, double width, double height) {
    for (int i = 0; i < n; i++) {
        figure_cross *cross = &crosses[i];
        cross->at_x = cross->x;
        cross->at_y = cross->y;
        if (i >= MOST_CROSSES || !is_inside(cross->x, cross->y, width, height)) continue;
        const figure_cross *twin = twin_of(crosses, i);
        if (twin == NULL) {
            place(crosses, i, width, height);
            continue;
        }
        cross->at_x = twin->at_x;
        cross->at_y = twin->at_y;
    }
}
