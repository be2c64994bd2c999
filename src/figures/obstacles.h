// What labels must not cover: a map of a panel's pixels, those taken by data and by labels that are
// placed already. Its size bounds the work whatever is drawn: a list of boxes would be searched
// once for every label, and forget what it has no room for.
#ifndef FOVEA_FIGURES_OBSTACLES_H
#define FOVEA_FIGURES_OBSTACLES_H

#include "figures/scratch.h"

#include <stdbool.h>

// In pixels from the panel's top left.
typedef struct figure_box {
    double left, top, right, bottom;
} figure_box;

typedef struct figure_obstacles {
    int width, height;
    unsigned char *taken; // [height][width]
} figure_obstacles;

// An empty map; false without memory.
bool obstacles_init(figure_obstacles *obstacles, figure_scratch *scratch, double width,
                    double height);
void obstacles_clear(figure_obstacles *obstacles);

// What lies outside the panel is in nobody's way.
void obstacles_add(figure_obstacles *obstacles, figure_box box);
void obstacles_add_segment(figure_obstacles *obstacles, double x0, double y0, double x1, double y1);

// How many pixels of the box are taken.
int obstacles_hits(const figure_obstacles *obstacles, figure_box box);

#endif
