// Whether a picture is there to its end. gnuplot looks at few of its writes, and ends well after
// those that failed.
#ifndef FOVEA_FIGURES_PICTURE_H
#define FOVEA_FIGURES_PICTURE_H

#include "figures/gnuplot.h"

#include <stdbool.h>

// Follows the parts of the format (chunks of PNG, blocks of GIF) to the one that ends it, which
// must be the last; an SVG ends with its closing tag. What is inside the parts is not looked at.
bool picture_is_whole(figure_picture picture, const char *bytes, size_t n);

#endif
