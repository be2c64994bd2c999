#include "figures/obstacles.h"

#include <math.h>
#include <string.h>

bool obstacles_init(figure_obstacles *obstacles, figure_scratch *scratch, double width,
                    double height) {
    *obstacles = (figure_obstacles){.width = (int)ceil(width), .height = (int)ceil(height)};
    size_t n = (size_t)obstacles->width * (size_t)obstacles->height;
    obstacles->taken = scratch_get(scratch, n, 1);
    return obstacles->taken != NULL;
}

void obstacles_clear(figure_obstacles *obstacles) {
    memset(obstacles->taken, 0, (size_t)obstacles->width * (size_t)obstacles->height);
}

typedef struct pixels {
    int left, top, right, bottom; // the last two exclusive
} pixels;

static int within(double at, int length) {
    return (int)fmin(fmax(at, 0), length);
}

static pixels inside(const figure_obstacles *obstacles, figure_box box) {
    return (pixels){
        within(floor(box.left), obstacles->width), within(floor(box.top), obstacles->height),
        within(ceil(box.right), obstacles->width), within(ceil(box.bottom), obstacles->height)};
}

void obstacles_add(figure_obstacles *obstacles, figure_box box) {
    pixels p = inside(obstacles, box);
    for (int y = p.top; y < p.bottom && p.right > p.left; y++)
        memset(obstacles->taken + (size_t)y * (size_t)obstacles->width + p.left, 1,
               (size_t)(p.right - p.left));
}

// Cuts the segment from (*a0, *b0) to (*a1, *b1) to the part with a in [0, length]; false where
// there is none. The ends become exact: a share of the length would not be, of a segment from afar.
static bool cut(double *a0, double *b0, double *a1, double *b1, double length) {
    if (fmax(*a0, *a1) < 0 || fmin(*a0, *a1) > length) return false;
    double slope = *a1 != *a0 ? (*b1 - *b0) / (*a1 - *a0) : 0;
    double from = fmin(fmax(*a0, 0), length), to = fmin(fmax(*a1, 0), length);
    double at_from = from == *a0 ? *b0 : *b0 + slope * (from - *a0);
    *b1 = to == *a1 ? *b1 : *b0 + slope * (to - *a0);
    *b0 = at_from;
    *a0 = from;
    *a1 = to;
    return true;
}

// A slanted line is a string of small boxes: its own bounding box would claim far more.
void obstacles_add_segment(figure_obstacles *obstacles, double x0, double y0, double x1,
                           double y1) {
    if (!isfinite(x0) || !isfinite(y0) || !isfinite(x1) || !isfinite(y1)) return;
    if (!cut(&x0, &y0, &x1, &y1, obstacles->width) || !cut(&y0, &x0, &y1, &x1, obstacles->height))
        return;
    int n = 1 + (int)(hypot(x1 - x0, y1 - y0) / 2);
    for (int i = 0; i <= n; i++) {
        double x = x0 + (x1 - x0) * i / n, y = y0 + (y1 - y0) * i / n;
        obstacles_add(obstacles, (figure_box){x - 1.5, y - 1.5, x + 1.5, y + 1.5});
    }
}

int obstacles_hits(const figure_obstacles *obstacles, figure_box box) {
    pixels p = inside(obstacles, box);
    int hits = 0;
    for (int y = p.top; y < p.bottom; y++)
        for (int x = p.left; x < p.right; x++)
            hits += obstacles->taken[(size_t)y * (size_t)obstacles->width + (size_t)x];
    return hits;
}
