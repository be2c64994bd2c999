#include "eval/comparer.h"
#include "served/served.h"

#include <stdlib.h>

// A group's questions, of the label and of the fv_served.
static comparer_group group_of(const fv_served *s, const served_group *g, const char *label) {
    const asks_group ours = served_asks_group(s, g, served_counted(s));
    comparer_group made = {.keys = {s->key, s->key},
                           .groups = {ours, ours},
                           .first_cell = g->first_cell,
                           .n_cells = g->n_cells,
                           .samples = g->samples};
    made.keys[0].model = made.groups[0].known_as = label;
    return made;
}

fv_status fv_served_compare(fv_served *s, const char *label, fv_comparison *out, fv_error *error) {
    comparer c;
    fv_status status = comparer_begin(&c, s->n_cells, out, error);
    for (int i = 0; i < s->n_cells && status == FV_OK; i++) {
        out->cells[i].place = s->cells[i].cell;
        out->n_asked += s->cells[i].target;
    }
    for (int i = 0; i < s->n_groups && status == FV_OK; i++) {
        const comparer_group group = group_of(s, &s->groups[i], label);
        status = comparer_join(&c, s->asks, &group, error);
    }
    if (status == FV_OK) status = comparer_end(&c, s->options.seed, error);
    comparer_free(&c);
    return status;
}

fv_status fv_flip_prompt(const fv_served *s, const fv_flip *flip, char **text, fv_error *error) {
    const served_cell *cell = &s->cells[flip->cell];
    const served_sample_place place = served_place(s, cell, flip->sample, flip->n_units);
    prompt p = {0};
    prompt_clear(&p);
    *text = NULL;
    fv_status status = cell->group->task->build(cell->group->task, &s->source, &place, &p, error);
    if (status == FV_OK && p.hash != flip->prompt_hash)
        status = fv_fail(error, FV_USAGE,
                         "the prompt of row %lld is not what was asked: what it is made of has "
                         "changed since",
                         (long long)flip->row[1]);
    if (status == FV_OK) *text = prompt_text(&p, false);
    if (status == FV_OK && *text == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    prompt_free(&p);
    return status;
}
