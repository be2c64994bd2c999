#include "served/work.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROUND = 8,          // further samples of a cell whose interval is too wide
    ENOUGH_TOO_LONG = 3 // refusals after which a length is given up
};

fv_status work_open(work *w, fv_served *s, fv_error *error) {
    *w = (work){.s = s, .cursors = calloc((size_t)s->ends.n + 1, sizeof *w->cursors)};
    return w->cursors != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory");
}

void work_close(work *w) {
    free(w->cursors);
    *w = (work){0};
}

void work_start(work *w, int load) {
    w->load = load;
    memset(w->cursors, 0, ((size_t)w->s->ends.n + 1) * sizeof *w->cursors);
}

bool work_given_up(const served_group *g) {
    if (*g->left_out != '\0') return true;
    return g->n_too_long >= ENOUGH_TOO_LONG && g->n_answered == 0;
}

// By task and length, sample for sample, each from the deepest needle to the shallowest. Of n > 0
// endpoints only the samples of number `own`.
static served_cell *next_from(const work *w, work_cursor *c, int own, int n, int *sample) {
    fv_served *s = w->s;
    for (; c->group < s->n_groups; c->group++, c->sample = 0) {
        served_group *g = &s->groups[c->group];
        if (g->load != w->load) continue;
        for (; c->sample < g->samples && !work_given_up(g); c->sample++, c->cell = 0)
            while (c->cell < g->n_cells && (n == 0 || c->sample % n == own)) {
                served_cell *cell = &s->cells[g->first_cell + c->cell++];
                if (c->sample >= cell->target || cell->state[c->sample] != SAMPLE_MISSING) continue;
                *sample = c->sample;
                return cell;
            }
        c->cell = 0;
    }
    return NULL;
}

served_cell *work_next(work *w, const endpoint *end, int *sample) {
    int n = w->s->ends.n, own = (int)(end - w->s->ends.items);
    served_cell *cell = n > 1 ? next_from(w, &w->cursors[own], own, n, sample) : NULL;
    return cell != NULL ? cell : next_from(w, &w->cursors[n], 0, 0, sample);
}

bool work_widen(work *w) {
    fv_served *s = w->s;
    bool any = false;
    for (int i = 0; i < s->n_cells; i++) {
        served_cell *c = &s->cells[i];
        if (c->group->load != w->load || !served_wants_more(s, c) || work_given_up(c->group))
            continue;
        int target = c->target + ROUND;
        c->target = target < c->group->samples ? target : c->group->samples;
        any = true;
    }
    work_start(w, w->load);
    return any;
}
