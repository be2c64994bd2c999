#include "study/warnings.h"

#include "config/as_written.h"
#include "lab/grid.h"

#include <string.h>

int warnings_n_runs(const fv_experiment *experiment) {
    int n = experiment->n_runs;
    return n < WARNINGS_MAX_RUNS ? n : WARNINGS_MAX_RUNS;
}

static bool is_list(const fv_field *field) {
    return field_is_list(field);
}

// The i-th value of the axis that an earlier one is too; NULL where there is none.
static const char *repeated_value(const fv_axis *axis) {
    for (int i = 1; i < axis->n; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(axis->values[i], axis->values[k]) == 0) return axis->values[i];
    return NULL;
}

static int n_distinct(const fv_axis *axis) {
    int n = 0;
    for (int i = 0; i < axis->n; i++) {
        int k = 0;
        while (k < i && strcmp(axis->values[i], axis->values[k]) != 0) k++;
        n += k == i;
    }
    return n;
}

// Drawn and refined values may well come twice.
static void find_repeated_value(const fv_axis *axis, text_buffer *text) {
    enum { MOST = 1000 }; // as many are no slip of the pen
    const char *value = axis->joint || axis->n > MOST ? NULL : repeated_value(axis);
    if (value == NULL) return;
    text_add(text, "%s has %s more than once; a value counts once, so that %d of %d remain",
             axis->field->key, value, n_distinct(axis), axis->n);
}

// Evenly spaced whole numbers are rounded.
static void find_merged_steps(const fv_axis *axis, text_buffer *text) {
    if (is_list(axis->field) || axis->n_items <= axis->n) return;
    text_add(text, "%s has %d evenly spaced values, which are %d whole numbers", axis->field->key,
             axis->n_items, axis->n);
}

// The one value that the field has in the whole sweep; NULL where it has others too.
static const char *only_value(const fv_experiment *experiment, const fv_field *field) {
    const char *value = NULL;
    for (int g = 0; g < experiment->n_grids; g++) {
        const fv_axis *axis = grid_axis(&experiment->grids[g], field);
        if (axis == NULL || axis->n != 1) return NULL;
        if (value != NULL && strcmp(value, axis->values[0]) != 0) return NULL;
        value = axis->values[0];
    }
    return value;
}

// [attention, attention*2] under `sweep` is one list of layers, though whoever wrote it there may
// have meant two.
static void find_flat_list(const fv_experiment *experiment, const fv_axis *axis,
                           text_buffer *text) {
    if (!is_list(axis->field) || axis->n_items < 2) return;
    const char *value = only_value(experiment, axis->field);
    if (value == NULL) return;
    const char *example = axis->field->type == FV_TYPE_LAYERS  ? "attention"
                          : axis->field->type == FV_TYPE_NAMES ? "W_Q"
                                                               : "10, 20";
    if (axis->field->type == FV_TYPE_STAGES) example = "{at: 100, train.batch_size: 64}";
    text_add(text,
             "%s has one value in the whole sweep, the list %s; several lists are written as a "
             "list of lists, as in [[%s], ...]",
             axis->field->key, value, example);
}

static const fv_axis *first_axis(const fv_experiment *experiment, const fv_field *field) {
    const fv_axis *axis = NULL;
    for (int g = 0; g < experiment->n_grids && axis == NULL; g++)
        axis = grid_axis(&experiment->grids[g], field);
    return axis;
}

typedef struct speaker {
    const fv_experiment *experiment;
    fv_say say;
    void *context;
} speaker;

// Says what is in the text, with the file before it, and empties it.
static fv_status speak(const speaker *s, text_buffer *text, int line, fv_error *error) {
    text_buffer whole = {0};
    if (line > 0)
        text_add(&whole, "%s:%d: %s", s->experiment->path, line, text->n > 0 ? text->data : "");
    else
        text_add(&whole, "%s: %s", s->experiment->path, text->n > 0 ? text->data : "");
    bool failed = whole.failed || text->failed;
    if (!failed && text->n > 0) s->say(s->context, whole.data);
    text_free(&whole);
    text_free(text);
    return failed ? fv_fail(error, FV_NO_MEMORY, "out of memory") : FV_OK;
}

static fv_status warn_of_axes(const speaker *s, fv_error *error) {
    int n;
    const fv_field *fields = fv_fields(&n);
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        const fv_axis *axis = first_axis(s->experiment, &fields[i]);
        text_buffer text = {0};
        if (axis != NULL) find_repeated_value(axis, &text);
        if (axis != NULL && text.n == 0) find_merged_steps(axis, &text);
        if (axis != NULL && text.n == 0) find_flat_list(s->experiment, axis, &text);
        status = speak(s, &text, 0, error);
    }
    return status;
}

fv_status fv_experiment_warn(const fv_experiment *experiment, fv_say say, void *context,
                             fv_error *error) {
    const speaker s = {experiment, say, context};
    text_buffer text = {0};
    fv_status status = warn_of_axes(&s, error);
    if (status == FV_OK) status = repeats_find(experiment, &text, error);
    if (status == FV_OK) status = speak(&s, &text, 0, error);
    for (int i = 0; i < n_unlearnable && status == FV_OK; i++) {
        unlearnable_find(experiment, i, &text);
        status = speak(&s, &text, 0, error);
    }
    for (int i = 0; i < experiment->n_claims && status == FV_OK; i++) {
        status = samples_of_claim(experiment, i, &text, error);
        if (status == FV_OK) status = speak(&s, &text, experiment->claims[i].line, error);
    }
    for (int i = 0; i < experiment->n_figures && status == FV_OK; i++) {
        status = samples_of_figure(experiment, i, &text, error);
        if (status == FV_OK) status = speak(&s, &text, experiment->figures[i].line, error);
    }
    text_free(&text);
    return status;
}
