// Which series a figure of curves draws: the options `y` and `y2`, their patterns replaced by the
// series that the runs have, and their names for the legend.
#ifndef FOVEA_FIGURES_SLOTS_H
#define FOVEA_FIGURES_SLOTS_H

#include "figures/kind.h"

typedef struct figure_slot {
    const char *series, *label;
    bool second; // against the right axis
} figure_slot;

typedef struct figure_slots {
    figure_slot *items;
    int n;
    bool any_second;
} figure_slots;

// Whether a run has a series that `pattern` names: a whole name, a pattern, or a short name as
// measures have them ("effective_rank.W_Q").
bool slots_match(const fv_record *record, const char *pattern);

// In the order of the options and, within a pattern, of the runs. Fails with FV_USAGE for a name
// that no run has.
fv_status slots_read(const figure_view *view, figure_slots *slots, fv_error *error);

#endif
