// Which series a figure of curves draws: the options `y` and `y2`, their patterns replaced by the
// series that the runs have, and their names for the legend.
#ifndef FOVEA_FIGURES_SLOTS_H
#define FOVEA_FIGURES_SLOTS_H

#include "figures/kind.h"

typedef struct fv_slot {
    const char *series, *label;
    bool second; // against the right axis
} fv_slot;

typedef struct fv_slots {
    fv_slot *items;
    int n;
    bool any_second;
} fv_slots;

// Whether a run has a series that `pattern` names: a whole name, a pattern, or a short name as
// measures have them ("effective_rank.W_Q").
bool fv_slots_match(const fv_record *record, const char *pattern);

// In the order of the options and, within a pattern, of the runs. Fails with FV_USAGE for a name
// that no run has.
fv_status fv_slots_read(const fv_figure_view *view, fv_slots *slots, fv_error *error);

#endif
