// The values that the option `color` tells apart: their colours, and where a reader finds them. A
// few stand in the legend; of a number that has many values, a colour bar shows them in their
// order.
#ifndef FOVEA_FIGURES_GROUPS_H
#define FOVEA_FIGURES_GROUPS_H

#include "figures/runs.h"
#include "figures/sheet.h"

typedef struct fv_groups {
    const fv_figure_view *view;
    const fv_partition *of;
    int *rank; // [of->n]: in increasing order of a number, else in order of appearance
    bool numeric;
    bool bar; // instead of legend entries
} fv_groups;

fv_status fv_groups_init(const fv_figure_view *view, const fv_partition *of, fv_groups *groups,
                         fv_error *error);

unsigned fv_groups_colour(const fv_groups *groups, int group);

// The group of rank k.
int fv_groups_ranked(const fv_groups *groups, int k);

// What a line that counts groups without room calls them: "values of lr".
const char *fv_groups_noun(const fv_groups *groups);

// Makes room on the sheet for the colour bar, if there is one, and draws it beside a panel that is
// the last of its row.
void fv_groups_plan_bar(const fv_groups *groups, fv_sheet *sheet);
void fv_groups_draw_bar(const fv_groups *groups, fv_panel *panel, int i);

#endif
