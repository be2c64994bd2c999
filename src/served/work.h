// Which question is asked next, and where: haystack after haystack, each from its deepest needle on.
#ifndef FOVEA_SERVED_WORK_H
#define FOVEA_SERVED_WORK_H

#include "served/served.h"

typedef struct work_cursor {
    int group, sample, cell;
} work_cursor;

typedef struct work {
    fv_served *s;
    int load;             // only groups of this load are asked
    work_cursor *cursors; // where to look, of each endpoint, and behind them of all
} work;

fv_status work_open(work *w, fv_served *s, fv_error *error);
void work_close(work *w);

// Looks at everything of a load from the beginning again.
void work_start(work *w, int load);

// The next missing sample for an endpoint; NULL where there is none. Samples of one haystack go to
// one endpoint, whose cache has their beginning. Whoever has done its own takes what is left of the
// others'.
served_cell *work_next(work *w, const endpoint *end, int *sample);

// Another round for cells of the load whose interval is too wide; false where there are none.
bool work_widen(work *w);

// Whether nothing more is asked of a length: it cannot be, or its prompts are not read whole.
bool work_given_up(const served_group *g);

#endif
