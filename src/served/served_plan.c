// What a call will ask, and what that costs.
#include "served/served.h"

#include <string.h>

// The tokens of missing samples, and those of them that stood at the beginning of the prompt asked
// before: the deepest needle of a haystack comes first, and the others repeat it up to their own.
static void plan_group(const fv_served *s, const served_group *g, fv_served_plan *plan) {
    int n_before = plan->n_requests;
    for (int k = 0; k < g->samples; k++) {
        bool first = true;
        for (int i = 0; i < g->n_cells; i++) {
            const served_cell *c = &s->cells[g->first_cell + i];
            int most = s->options.interval > 0 ? g->samples : c->target;
            if (k >= most || c->state[k] != SAMPLE_MISSING) continue;
            plan->n_requests++;
            bool counted = strcmp(g->task->unit, "tokens") == 0;
            plan->n_beyond += s->context > 0 && counted && g->length > s->context;
            plan->prompt_tokens += g->rule.tokens;
            plan->answer_tokens += g->max_tokens;
            if (!first) plan->shared_tokens += g->rule.tokens * c->cell.depth / 100;
            first = false;
        }
    }
    int in_flight = g->load > 0 ? g->load * s->ends.n : s->options.in_flight;
    plan->seconds += (plan->n_requests - n_before) * s->mean_seconds / in_flight;
}

// A load that has fewer requests than itself is never reached.
static int idle_load(const fv_served *s) {
    int idle = 0;
    for (int l = 0; l < s->options.n_loads; l++) {
        int load = s->options.loads[l], n = 0;
        for (int i = 0; i < s->n_groups; i++) {
            fv_served_plan of_group = {0};
            if (s->groups[i].load == load && *s->groups[i].left_out == '\0')
                plan_group(s, &s->groups[i], &of_group);
            n += of_group.n_requests;
        }
        if (n > 0 && n < load * s->ends.n && load > idle) idle = load;
    }
    return idle;
}

void fv_served_plan_make(const fv_served *s, fv_served_plan *plan) {
    *plan = (fv_served_plan){.n_cells = s->n_cells,
                             .n_stored = s->n_stored,
                             .n_unknown = s->n_unknown,
                             .context = s->context,
                             .in_flight = s->options.in_flight,
                             .idle_load = idle_load(s),
                             .counted = s->counted,
                             .estimated = s->estimated};
    for (int i = 0; i < s->n_groups; i++)
        if (*s->groups[i].left_out == '\0') plan_group(s, &s->groups[i], plan);
    if (s->mean_seconds == 0) plan->seconds = -1;
}
