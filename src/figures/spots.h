// What a picture cannot say, such as the interval and the classes of a cell, lies over an SVG file
// as invisible boxes with tool tips: every viewer of the file shows them, and so does a report.
#ifndef FOVEA_FIGURES_SPOTS_H
#define FOVEA_FIGURES_SPOTS_H

#include "figures/sheet.h"

#include <fovea/status.h>

// A box with a tool tip, in pixels of the sheet.
typedef struct hot_spot {
    figure_box box;
    const char *text;
} hot_spot;

typedef struct hot_spots {
    hot_spot *items;
    int n, capacity;
} hot_spots;

// What they begin with in the file.
#define FV_SPOTS_START "<g class=\"spots\">"

// Puts the boxes over everything that the SVG file at `path` shows.
fv_status spots_write(const char *path, const hot_spots *spots, fv_error *error);

#endif
