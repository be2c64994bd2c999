// What a figure asks of its runs, tried on one step of them before the whole sweep is trained.
#ifndef FOVEA_FIGURES_REHEARSE_H
#define FOVEA_FIGURES_REHEARSE_H

#include "figures/kind.h"

// Checks the series and measures of checked options against the selected runs, whose configurations
// view->runs holds. Fails with FV_USAGE and the option's place, or as the run itself would.
fv_status figure_rehearse_options(const figure_view *view, const figure_kind *kind,
                                  fv_error *error);

#endif
