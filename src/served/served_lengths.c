// How long the prompts of a call are: what fills each length, by the server's own count.
#include "served/served.h"

#include <stdio.h>
#include <string.h>

static bool wants_answers(const fv_served *s, const served_group *g) {
    for (int i = 0; i < g->n_cells; i++) {
        const served_cell *c = &s->cells[g->first_cell + i];
        if (served_wants_more(s, c)) return true;
        for (int k = 0; k < c->target; k++)
            if (c->state[k] == SAMPLE_MISSING) return true;
    }
    return false;
}

// A length at which a task has no prompt is left out, and the others are asked.
static fv_status measure_group(fv_served *s, served_group *g, token_counter *counter,
                               fv_error *error) {
    const served_sample_place place = {
        .seed = s->options.seed, .length = g->length, .hay = g->hay, .depth = 50};
    fv_error why;
    fv_status status =
        length_rule_make(counter, g->task, &s->source, g->max_tokens, &place, &g->rule, &why);
    if (status == FV_USAGE) {
        snprintf(g->left_out, sizeof g->left_out, "%s", why.text);
        return FV_OK;
    }
    if (status != FV_OK) {
        *error = why;
        return status;
    }
    g->thoughts.begun = g->rule.count.begins_thought;
    if (*s->counted == '\0')
        snprintf(s->counted, sizeof s->counted, "%s%s", tokens_way_text(g->rule.count.way),
                 g->rule.count.added_known ? "" : ", template estimated");
    s->estimated |= !length_rule_is_sure(&g->rule);
    if (s->options.prompts_of != NULL) g->rule.fits = false; // another's prompts are not shortened
    return FV_OK;
}

static fv_status open_counter(const fv_served *s, token_counter *counter, fv_error *error) {
    const fv_served_options *o = &s->options;
    *counter = (token_counter){.model = o->model,
                               .extra = o->extra,
                               .thoughts = s->groups[0].thoughts,
                               .api = strcmp(o->api, "chat") == 0 ? WIRE_CHAT : WIRE_COMPLETIONS,
                               .patience = o->timeout,
                               .interrupted = o->interrupted,
                               .say = o->on_note,
                               .context_of_say = o->context};
    const char *given = endpoints_first(&s->ends)->given;
    fv_status status = address_read(given, counter->api == WIRE_CHAT, &counter->at, error);
    if (status != FV_OK) return status;
    // Whoever starts a command waits for its first words: few tries.
    fv_served_options few = *o;
    if (few.retries > 2) few.retries = 2;
    status = served_connect(&few, 1, 256 << 20, &counter->http, error);
    return status == FV_OK ? tokens_open(counter, error) : status;
}

// What is answered needs no server. Nothing is written before there is something to ask.
fv_status served_measure_lengths(fv_served *s, fv_error *error) {
    token_counter counter = {0};
    int n_left_out = 0;
    bool open = false;
    fv_status status = FV_OK;
    for (int i = 0; i < s->n_groups && status == FV_OK; i++) {
        served_group *g = &s->groups[i];
        if (!wants_answers(s, g)) continue;
        if (!open) status = open_counter(s, &counter, error);
        open = true;
        if (status == FV_OK) status = measure_group(s, g, &counter, error);
        n_left_out += *g->left_out != '\0';
    }
    if (status == FV_OK && n_left_out > 0 && n_left_out == s->n_groups)
        status = fv_fail(error, FV_USAGE, "%s", s->groups[0].left_out);
    if (status == FV_OK && !s->options.dry) status = served_open_asks(s, true, error);
    if (counter.context > 0) s->context = counter.context;
    http *connection = counter.http;
    tokens_close(&counter);
    http_free(connection);
    return status;
}
