// One gnuplot at work: started in a process group of its own, so that Ctrl-C reaches Fovea alone,
// watched while it draws, and ended by Fovea when it is interrupted or takes for ever.
#ifndef FOVEA_FIGURES_GNUPLOT_PROCESS_H
#define FOVEA_FIGURES_GNUPLOT_PROCESS_H

#include <fovea/status.h>

// Runs gnuplot with the files of these descriptors as its input and output. Fails with
// FV_MISSING_PROGRAM where there is none, FV_INTERRUPTED when the flag of fv_drawing_interrupt is
// set, and FV_IO, with gnuplot's own words, where it does not end well. `path` is what is drawn,
// for messages.
fv_status gnuplot_run(int in, int out, const char *path, fv_error *error);

#endif
