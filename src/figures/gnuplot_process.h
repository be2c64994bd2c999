// A gnuplot at work: started in a process group of its own, so that Ctrl-C reaches Fovea alone,
// watched while it draws, and ended by Fovea when it is interrupted or takes for ever.
#ifndef FOVEA_FIGURES_GNUPLOT_PROCESS_H
#define FOVEA_FIGURES_GNUPLOT_PROCESS_H

#include <fovea/status.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct gnuplot_process {
    pid_t id;       // 0: none is at work
    int messages;   // the reading end of its stderr, -1 once it is closed
    char text[700]; // how that begins
    size_t n;
    int wait_status;
} gnuplot_process;

// How many may be at work at once.
enum { GNUPLOT_MOST = 4 };

// Starts gnuplot with the files of these descriptors as its input and output. FV_MISSING_PROGRAM
// where there is none.
fv_status gnuplot_start(gnuplot_process *p, int in, int out, fv_error *error);

// Waits for its end. Fails with FV_INTERRUPTED when the flag of fv_drawing_interrupt is set, and
// FV_IO, with gnuplot's own words, where it does not end well. `path` is what is drawn, for
// messages.
fv_status gnuplot_await(gnuplot_process *p, const char *path, fv_error *error);

// Ends one that is still at work.
void gnuplot_kill(gnuplot_process *p);

#endif
