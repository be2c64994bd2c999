// What labels must not cover: a map of a panel's pixels, those taken by data and by labels that are
// placed already. Its size bounds the work whatever is drawn: a list of boxes would be searched
// once for every label, and forget what it has no room for.
#ifndef FOVEA_FIGURES_OBSTACLES_H
#define FOVEA_FIGURES_OBSTACLES_H

#include "figures/scratch.h"

#include <stdbool.h>

// In pixels from the panel's top left.
typedef struct fv_box {
    double left, top, right, bottom;
} fv_box;

typedef struct fv_obstacles {
    int width, height;
    unsigned char *taken; // [height][width]
} fv_obstacles;

// An empty map; false without memory.
bool fv_obstacles_init(fv_obstacles *obstacles, fv_scratch *scratch, double width, double height);
void fv_obstacles_clear(fv_obstacles *obstacles);

// What lies outside the panel is in nobody's way.
void fv_obstacles_add(fv_obstacles *obstacles, fv_box box);
void fv_obstacles_add_segment(fv_obstacles *obstacles, double x0, double y0, double x1, double y1);

// How many pixels of the box are taken.
int fv_obstacles_hits(const fv_obstacles *obstacles, fv_box box);

#endif
