// The legend of a sheet: samples with names, in as many rows as they need, up to a few. What does
// not fit is counted by a last entry: "and 187 more values of lr".
#ifndef FOVEA_FIGURES_LEGEND_H
#define FOVEA_FIGURES_LEGEND_H

#include "figures/sheet.h"

// The width of the widest entry, which needs room even in a row of its own: gnuplot leaves out what
// begins outside.
double legend_widest(const figure_sheet *sheet);

// Chooses the entries that are shown on a sheet of sheet->width; the height of all rows.
double legend_plan(figure_sheet *sheet);

void legend_draw(const figure_sheet *sheet);

#endif
