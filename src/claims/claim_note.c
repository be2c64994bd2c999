#include "claims/claim_note.h"

#include "claims/claim_text.h"
#include "lab/sweep.h"

#include <fovea/config.h>
#include <fovea/eval.h>
#include <math.h>

enum { MAX_LISTED = 8 }; // seeds, and values of a field, that are named

void claim_note_criterion(const claim_plan *plan, text_buffer *note) {
    if (plan->kind == FV_CLAIM_NEAR)
        text_add(note, " within %.3g", plan->tolerance);
    else if (plan->kind == FV_CLAIM_TREND)
        text_add(note, " %s with %s", plan->sign > 0 ? "increasing" : "decreasing", plan->across);
    else if (isinf(plan->below))
        text_add(note, " above %.3g", plan->above);
    else if (isinf(plan->above))
        text_add(note, " below %.3g", plan->below);
    else
        text_add(note, " between %.3g and %.3g", plan->above, plan->below);
}

void claim_note_rate(int n_agree, int n_seeds, text_buffer *note) {
    double low, high;
    fv_wilson(n_agree, n_seeds, FV_Z95, &low, &high);
    text_add(note, "%d of %d seeds", n_agree, n_seeds);
    if (n_agree > 0) text_add(note, " (rate at least %.2f)", low);
}

void claim_note_dissent(claim_dissent *d, const claim_cell *cells, int n) {
    d->n++;
    if (d->n == MAX_LISTED + 1) text_add(&d->seeds, ", ...");
    if (d->n > MAX_LISTED) return;
    text_add(&d->seeds, "%s%d", d->n > 1 ? ", " : "", cells->seed);
    if (d->n > 1) text_add(&d->values, "; ");
    claim_text_values(&d->values, cells, n);
}

static const char *text_of(const text_buffer *text) {
    return text->data != NULL ? text->data : "";
}

void claim_note_dissents(claim_dissents *d, const fv_judgement *j, text_buffer *note) {
    claim_dissent *all[] = {&d->without, &d->against, &d->open};
    const char *s[3];
    for (int i = 0; i < 3; i++) s[i] = all[i]->n > 1 ? "s" : "";
    if (d->without.n > 0)
        text_add(note, "; no value for seed%s %s", s[0], text_of(&d->without.seeds));
    if (d->against.n > 0)
        text_add(note, "; seed%s %s did not (%s)", s[1], text_of(&d->against.seeds),
                 text_of(&d->against.values));
    if (d->open.n > 0)
        text_add(note, "; seed%s %s undecided: %s runs end too early (%s)", s[2],
                 text_of(&d->open.seeds), d->open.n > 1 ? "their" : "its",
                 text_of(&d->open.values));
    if (j->n_undecided > 0 && j->n_agree + j->n_undecided == j->n_seeds &&
        j->verdict != FV_REPRODUCED)
        text_add(note, "; longer runs would decide");
    for (int i = 0; i < 3; i++) {
        note->failed |= all[i]->seeds.failed || all[i]->values.failed;
        text_free(&all[i]->seeds);
        text_free(&all[i]->values);
    }
}

void claim_note_left_out(const fv_experiment *experiment, const claim_plan *plan,
                         text_buffer *note) {
    int n = 0;
    for (int i = 0; i < experiment->n_left_out; i++) {
        fv_config config;
        sweep_left_out(experiment, i, &config);
        n += claim_selects(plan, &config);
    }
    if (n == 0) return;
    text_add(note, "; without %d optional run%s (", n, n > 1 ? "s" : "");
    for (int i = 0; i < experiment->optional.n; i++) {
        const fv_option *option = &experiment->optional.items[i];
        text_add(note, "%s%s", i > 0 ? ", " : "", option->key);
        for (int v = 0; v < option->n_values && v < MAX_LISTED; v++)
            text_add(note, " %s", option->values[v]);
        if (option->n_values > MAX_LISTED)
            text_add(note, " and %d more", option->n_values - MAX_LISTED);
    }
    text_add_char(note, ')');
}

void claim_note_diverged(const fv_divergence *diverged, text_buffer *note) {
    char text[128];
    if (fv_divergence_text(diverged, text, sizeof text) > 0) text_add(note, "; %s", text);
}
