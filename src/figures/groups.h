// The values that the option `color` tells apart: their colours, and where a reader finds them. A
// few stand in the legend; of a number that has many values, a colour bar shows them in their
// order.
#ifndef FOVEA_FIGURES_GROUPS_H
#define FOVEA_FIGURES_GROUPS_H

#include "figures/runs.h"
#include "figures/sheet.h"

typedef struct figure_groups {
    const figure_view *view;
    const figure_partition *of;
    int *rank; // [of->n]: in increasing order of a number, else in order of appearance
    bool numeric;
    bool bar; // instead of legend entries
} figure_groups;

fv_status groups_init(const figure_view *view, const figure_partition *of, figure_groups *groups,
                      fv_error *error);

unsigned groups_colour(const figure_groups *groups, int group);

// The group of rank k.
int groups_ranked(const figure_groups *groups, int k);

// What a line that counts groups without room calls them: "values of lr".
const char *groups_noun(const figure_groups *groups);

// Makes room on the sheet for the colour bar, if there is one, and draws it beside a panel that is
// the last of its row.
void groups_plan_bar(const figure_groups *groups, figure_sheet *sheet);
void groups_draw_bar(const figure_groups *groups, figure_panel *panel, int i);

#endif
