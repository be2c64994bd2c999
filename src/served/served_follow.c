// Asking what somebody else was asked, to the byte: the prompts of a stored label, whose lengths fit
// that model's tokens and not this one's.
#include "served/served.h"

#include <math.h>
#include <stdlib.h>

typedef struct follower {
    fv_served *s;
    const served_group *group;
    int n; // prompts
} follower;

static void keep_prompt(void *context, const asks_row *row) {
    follower *f = context;
    if (row->sample >= f->group->samples || !fv_answer_counts(row->answer)) return;
    for (int i = 0; i < f->group->n_cells; i++) {
        served_cell *c = &f->s->cells[f->group->first_cell + i];
        if (isnan(row->depth) ? !isnan(c->cell.depth) : row->depth != c->cell.depth) continue;
        c->led[row->sample] = (led_prompt){true, row->n_units, row->prompt_hash};
        c->state[row->sample] = SAMPLE_MISSING;
        f->n++;
    }
}

// What has no prompt is not asked.
static fv_status make_room(fv_served *s, fv_error *error) {
    for (int i = 0; i < s->n_cells; i++) {
        served_cell *c = &s->cells[i];
        c->led = calloc((size_t)c->group->samples + 1, sizeof *c->led);
        if (c->led == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
        for (int k = 0; k < c->group->samples; k++) c->state[k] = SAMPLE_FAILED;
    }
    return FV_OK;
}

fv_status served_follow(fv_served *s, fv_error *error) {
    const char *leader = s->options.prompts_of;
    follower f = {.s = s};
    fv_status status = make_room(s, error);
    asks_key key = s->key;
    key.model = leader;
    for (int i = 0; i < s->n_groups && status == FV_OK; i++) {
        f.group = &s->groups[i];
        asks_group group = served_asks_group(s, f.group, served_counted(s));
        group.known_as = leader;
        status = asks_each(s->asks, &key, &group, keep_prompt, &f, error);
    }
    if (status != FV_OK || f.n > 0) return status;
    return fv_fail(error, FV_USAGE,
                   "%s has no answers of '%s' to these questions: they must be of the same task, "
                   "haystack, length, depths, seed, --api, --extra and --max-tokens",
                   s->options.folder, leader);
}

bool served_follows(const served_cell *c, const asks_row *row) {
    return c->led == NULL || row->sample >= c->group->samples || !c->led[row->sample].there ||
           c->led[row->sample].hash == row->prompt_hash;
}

fv_status served_check_prompts(const fv_served *s, fv_error *error) {
    if (s->n_other_prompts == 0) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "'%s' answered %d of these questions with other prompts than '%s', as its own "
                   "tokens fit them; give it a new label, and it is asked the same ones",
                   s->label, s->n_other_prompts, s->options.prompts_of);
}
