// The progress of an experiment as a person sees it: on a terminal one bar and a small live curve
// of the perplexity, redrawn in place; elsewhere a plain line every few seconds.
#ifndef FOVEA_TOOLS_PROGRESS_H
#define FOVEA_TOOLS_PROGRESS_H

#include <fovea/lab.h>
#include <stdio.h>

typedef struct progress progress;

// Shows progress on `stream` (stderr, so that stdout stays free for results). With `quiet` nothing
// is ever printed. Returns NULL without memory, which every function below takes and ignores.
progress *progress_create(FILE *stream, bool quiet);

// What is counted, in the plural: "runs" if never called.
void progress_set_unit(progress *p, const char *unit);

// Redraws. Cheap to call often: it draws at most some times a second.
void progress_update(progress *p, const fv_lab_progress *report);

// Removes the live picture, so that the caller can print a line; the next update draws it again.
void progress_clear(progress *p);

// Ends the display: leaves one summary line ("sticky-plateau: 15 runs in 2.1 s, 3 cached") and a
// visible cursor. The next progress_update starts a new display, for the next experiment.
void progress_finish(progress *p);
void progress_free(progress *p);

#endif
