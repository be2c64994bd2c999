// Runs that diverged: their losses became NaN or infinite, and what they left is no result. Figures
// mark them with a cross, name it in the key, and count them below.
#ifndef FOVEA_FIGURES_DIVERGED_H
#define FOVEA_FIGURES_DIVERGED_H

#include "figures/kind.h"
#include "figures/sheet.h"

// Whether run `run` of the figure diverged.
bool run_diverged(const figure_view *view, int run);

// How many of the figure's runs did.
int runs_diverged(const figure_view *view);

// The key's entry for the cross.
legend_entry diverged_entry(void);

// `note` (NULL for none) followed by "3 of 12 runs diverged, at steps 4 to 20"; `note` itself where
// none did, and without memory.
const char *diverged_note(const figure_view *view, const char *note);

#endif
