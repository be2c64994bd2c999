// A figure of curves on its way: the plan of the whole, and the lines of the panel that is drawn.
#ifndef FOVEA_FIGURES_CURVES_H
#define FOVEA_FIGURES_CURVES_H

#include "figures/crosses.h"
#include "figures/curve.h"
#include "figures/empty.h"
#include "figures/groups.h"
#include "figures/kind.h"
#include "figures/runs.h"
#include "figures/sheet.h"
#include "figures/slots.h"

// One line of a panel: a series of all runs of one colour.
typedef struct fv_curve_line {
    int slot, group;
    fv_curve *runs;
    int n_runs;
    fv_curve strong; // what stands for several runs
    bool second;     // against the right axis
    unsigned colour;
    fv_mark mark;
} fv_curve_line;

typedef struct fv_curve_lines {
    fv_curve_line *items;
    int n;
} fv_curve_lines;

// What there is of a line: finite points, and such that the axes hold.
typedef struct fv_curve_found {
    bool finite, inside;
} fv_curve_found;

typedef struct fv_curves {
    fv_figure_view *view;
    fv_partition panels, colours;
    fv_groups groups; // of `colours`
    fv_slots slots;
    const char *x; // NULL for the step
    const char *xlabel, *ylabel, *y2label;
    fv_sheet sheet;
    fv_obstacles obstacles;
    fv_empty empty;
    fv_curve_lines *all;  // [panels]
    fv_curve_line *lines; // of the current panel
    int n_lines;
    fv_curve_found *found; // [slots][colours] in any panel
    fv_cross *crosses;     // [slots][runs] room for those of a panel
    bool *listed;          // [reference lines] whether the legend names it; NULL for none
} fv_curves;

// How series s of group c of the option `color` is drawn.
unsigned fv_curves_colour(const fv_curves *p, int s, int c);
fv_mark fv_curves_dash(const fv_curves *p, int s, int c);

// Whether the option `center` asks for the most typical run instead of the median.
bool fv_curves_typical(const fv_curves *p);

// Makes the lines of panel i the current ones.
fv_status fv_curves_read(fv_curves *p, int i, fv_error *error);

// Sets the panel's scales to hold its lines and the reference lines.
fv_status fv_curves_set_scales(const fv_curves *p, int i, fv_panel *panel, fv_error *error);

// Draws the lines; curves of runs that diverged end in a cross.
void fv_curves_draw(fv_curves *p, fv_panel *panel);

// Marks where the lines run among the obstacles.
void fv_curves_keep_clear(fv_curves *p, const fv_panel *panel);

// Notes in `found` which lines have points between the ends of the panel's axes.
void fv_curves_find_inside(fv_curves *p, const fv_panel *panel);

// Whether what series s (-1: any) and group c (-1: any) have is outside the axes of every panel.
bool fv_curves_outside(const fv_curves *p, int s, int c);

// Why the panel shows no point, or NULL where it shows one.
const char *fv_curves_reason(const fv_curves *p, const fv_panel *panel);

// The reference lines of panel i, and after all else is drawn the names that stand beside them.
int fv_curves_n_references(const fv_curves *p);
fv_status fv_curves_draw_references(const fv_curves *p, int i, fv_panel *panel, fv_error *error);
fv_status fv_curves_name_references(fv_curves *p, int i, fv_panel *panel, fv_error *error);

// Finds the names that have no room beside their lines on panels of the planned size, and how many
// they are: these stand in the legend, which fv_curves_list_references adds to.
fv_status fv_curves_choose_names(fv_curves *p, int *n_listed, fv_error *error);
fv_status fv_curves_list_references(const fv_curves *p, fv_legend_entry *legend, int *n,
                                    fv_error *error);

#endif
