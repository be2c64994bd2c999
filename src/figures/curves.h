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
typedef struct curve_line {
    int slot, group;
    figure_curve *runs;
    int n_runs;
    figure_curve strong; // what stands for several runs
    bool second;         // against the right axis
    unsigned colour;
    figure_mark mark;
} curve_line;

typedef struct curve_lines {
    curve_line *items;
    int n;
} curve_lines;

// What there is of a line: finite points, and such that the axes hold.
typedef struct curve_found {
    bool finite, inside;
} curve_found;

typedef struct curve_set {
    figure_view *view;
    figure_partition panels, colours;
    figure_groups groups; // of `colours`
    figure_slots slots;
    const char *x; // NULL for the step
    bool in_flops; // steps are counted in operations of training
    const char *xlabel, *ylabel, *y2label;
    figure_sheet sheet;
    figure_obstacles obstacles;
    figure_empty empty;
    curve_lines *all;  // [panels]
    curve_line *lines; // of the current panel
    int n_lines;
    curve_found *found;    // [slots][colours] in any panel
    figure_cross *crosses; // [slots][runs] room for those of a panel
    bool *listed;          // [reference lines] whether the legend names it; NULL for none
} curve_set;

// How series s of group c of the option `color` is drawn.
unsigned curves_colour(const curve_set *p, int s, int c);
figure_mark curves_dash(const curve_set *p, int s, int c);

// Whether the option `center` asks for the most typical run instead of the median.
bool curves_typical(const curve_set *p);

// Makes the lines of panel i the current ones.
fv_status curves_read(curve_set *p, int i, fv_error *error);

// Sets the panel's scales to hold its lines and the reference lines.
fv_status curves_set_scales(const curve_set *p, int i, figure_panel *panel, fv_error *error);

// The most runs of one line that are drawn themselves, faintly; of more than these a sample is.
int curves_most_faint(const curve_set *p);

// Draws the lines; curves of runs that diverged end in a cross.
void curves_draw(curve_set *p, figure_panel *panel);

// Marks where the lines run among the obstacles.
void curves_keep_clear(curve_set *p, const figure_panel *panel);

// Notes in `found` which lines have points between the ends of the panel's axes.
void curves_find_inside(curve_set *p, const figure_panel *panel);

// Whether what series s (-1: any) and group c (-1: any) have is outside the axes of every panel.
bool curves_outside(const curve_set *p, int s, int c);

// Why the panel shows no point, or NULL where it shows one.
const char *curves_reason(const curve_set *p, const figure_panel *panel);

// The reference lines of panel i, and after all else is drawn the names that stand beside them.
int curves_n_references(const curve_set *p);
fv_status curves_draw_references(const curve_set *p, int i, figure_panel *panel, fv_error *error);
fv_status curves_name_references(curve_set *p, int i, figure_panel *panel, fv_error *error);

// Finds the names that have no room beside their lines on panels of the planned size, and how many
// they are: these stand in the legend, which curves_list_references adds to.
fv_status curves_choose_names(curve_set *p, int *n_listed, fv_error *error);
fv_status curves_list_references(const curve_set *p, legend_entry *legend, int *n, fv_error *error);

#endif
