// Two models of the lab that were asked the same questions.
#include "eval/comparer.h"
#include "eval/own_answers.h"
#include "eval/own_questions.h"
#include "eval/own_set.h"

#include <stdio.h>
#include <stdlib.h>

// A label's last answers say with which seed it was asked.
fv_status fv_own_seed(const char *folder, const char *label, uint64_t *seed, fv_error *error) {
    asks *a;
    bool found = false;
    fv_status status = asks_open(folder, false, &a, error);
    if (status == FV_OK) status = asks_last_seed(a, label, OWN_API, &found, seed, error);
    asks_close(a);
    if (status != FV_OK || found) return status;
    return fv_fail(error, FV_NOT_FOUND,
                   "%s has no answers of a model of the lab under the label '%s'; 'fovea needle "
                   "RUN --label %s --out %s' asks it",
                   folder, label, label, folder);
}

static comparer_group group_of(const own_questions *q, const fv_own_plan *plan, int l,
                               const char *const labels[2]) {
    const asks_group group = own_questions_group(q, plan->lengths[l]);
    comparer_group made = {.groups = {group, group},
                           .first_cell = l * plan->n_depths,
                           .n_cells = plan->n_depths,
                           .samples = plan->n_samples};
    if (plan->width > 0) made.samples += plan->most_samples;
    for (int k = 0; k < 2; k++) made.keys[k] = (asks_key){labels[k], OWN_API, plan->seed};
    return made;
}

fv_status fv_own_compare(const fv_config *config, const fv_own_plan *plan, const char *label,
                         const char *first, fv_comparison *out, fv_error *error) {
    const char *const labels[2] = {first, label};
    own_questions q;
    comparer c;
    asks *a = NULL;
    fv_status status = comparer_begin(&c, plan->n_lengths * plan->n_depths, out, error);
    if (status == FV_OK) status = own_questions_of(config, own_set_hash(plan->set), &q, error);
    if (status == FV_OK) status = asks_open(plan->folder, false, &a, error);
    for (int i = 0; i < out->n_cells && status == FV_OK; i++) {
        fv_cell *place = &out->cells[i].place;
        place->length = plan->lengths[i / plan->n_depths];
        place->depth = plan->depths[plan->n_depths - 1 - i % plan->n_depths]; // as served ones
        snprintf(place->task, sizeof place->task, "%s", q.task);
        snprintf(place->unit, sizeof place->unit, "tokens");
    }
    for (int l = 0; l < plan->n_lengths && status == FV_OK; l++) {
        const comparer_group group = group_of(&q, plan, l, labels);
        status = comparer_join(&c, a, &group, error);
    }
    out->n_asked = c.n_second;
    if (status == FV_OK) status = comparer_end(&c, plan->seed, error);
    comparer_free(&c);
    asks_close(a);
    if (status == FV_OK && plan->set != NULL && out->all.counts.n == 0 && out->n_others == 0)
        return fv_fail(error, FV_NOT_FOUND,
                       "%s has no answers of '%s' to the questions of this set; 'fovea needle RUN "
                       "--data SET --label %s --out %s' asks them",
                       plan->folder, first, first, plan->folder);
    return status;
}

fv_status fv_own_flip_prompt(const fv_config *config, const fv_own_plan *plan,
                             const fv_comparison *comparison, const fv_flip *flip, char **prompt,
                             fv_error *error) {
    const fv_cell *place = &comparison->cells[flip->cell].place;
    text_buffer text = {0};
    int32_t *tokens = malloc((size_t)place->length * sizeof *tokens);
    *prompt = NULL;
    if (tokens == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status =
        plan->set != NULL
            ? own_set_prompt(plan->set, place->length, place->depth, flip->sample, tokens, error)
            : retrieval_prompt(config, place->length, place->depth,
                               own_cell_seed(plan->seed, place->length, place->depth),
                               (uint64_t)flip->sample, tokens, error);
    if (status == FV_OK && own_tokens_hash(tokens, place->length) != flip->prompt_hash)
        status = fv_fail(error, FV_USAGE,
                         "the sequence of row %lld is not what was asked: this version draws it "
                         "otherwise",
                         (long long)flip->row[1]);
    for (int i = 0; i < place->length && status == FV_OK; i++)
        text_add(&text, "%s%d", i > 0 ? " " : "", (int)tokens[i]);
    free(tokens);
    if (status == FV_OK && text.failed) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK)
        *prompt = text.data;
    else
        text_free(&text);
    return status;
}
