// Checking a figure's options against its kind's table, before anything is trained.
#include "lab/sweep.h"
#include "lab/yaml_options.h"

#include "base/text.h"
#include "config/synonym_lookup.h"
#include "figures/kind.h"
#include "lab/where.h"
#include "measures/measure.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const figure_option common[] = {
    {"kind", FV_OPTION_TEXT, true, NULL, "how the runs are drawn: one of the kinds of this page"},
    {"name", FV_OPTION_FILE, false, NULL,
     "file name of the pictures, without extension; the experiment's name if not given"},
    {"title", FV_OPTION_TEXT, false, NULL, "headline above the panels"},
    {"where", FV_OPTION_WHERE, false, NULL,
     "which runs are drawn: {task.vocab_size: 100, train.seed: 0..4, model.n_embd: [2, 10]}; all "
     "if not given"},
    {"seed", FV_OPTION_NUMBER, false, NULL, "draws the runs of this seed only"},
};

const figure_option *figure_common_options(int *n) {
    *n = sizeof common / sizeof *common;
    return common;
}

const char *option_type_text(option_type type) {
    switch (type) {
    case FV_OPTION_TEXT:
        return "text";
    case FV_OPTION_TEXTS:
        return "text or list";
    case FV_OPTION_FILE:
        return "name";
    case FV_OPTION_NUMBER:
        return "number";
    case FV_OPTION_BOOL:
        return "true or false";
    case FV_OPTION_CHOICE:
        return "choice";
    case FV_OPTION_FIELD:
        return "field";
    case FV_OPTION_FIELDS:
        return "field or list";
    case FV_OPTION_ONE_SERIES:
        return "series";
    case FV_OPTION_SERIES:
        return "series or list";
    case FV_OPTION_MEASURE:
        return "measure";
    case FV_OPTION_MEASURES:
        return "measure or list";
    case FV_OPTION_WHERE:
        return "mapping";
    }
    return "";
}

fv_status figure_fail(const figure_view *view, const char *key, fv_error *error, const char *format,
                      ...) {
    char message[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const fv_option *option = key ? fv_options_find(view->options, key) : NULL;
    return fv_fail(error, FV_USAGE, "%s:%d: figure %s: %s", view->experiment->path,
                   option ? option->line : view->options->line,
                   fv_options_text(view->options, "kind", "?"), message);
}

bool figure_flag(const fv_options *options, const char *key, bool otherwise) {
    const char *text = fv_options_text(options, key, NULL);
    return text == NULL ? otherwise : strcmp(text, "true") == 0;
}

double figure_number(const fv_options *options, const char *key) {
    return fv_options_number(options, key, NAN);
}

// --- types -------------------------------------------------------------------------------------

static bool is_file_name(const char *text) {
    if (*text == '\0' || *text == '.' || *text == '-' || strlen(text) > 100) return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && strchr("-_.", *c) == NULL) return false;
    return true;
}

static bool is_choice(const char *text, const char *choices) {
    size_t n = strlen(text);
    for (const char *c = choices; c != NULL; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strcspn(c, "|") == n && strncmp(c, text, n) == 0) return true;
    return false;
}

static bool is_metric(const char *name) {
    for (const char *const *logged = measure_logged(); *logged != NULL; logged++)
        if (strcmp(*logged, name) == 0) return true;
    return false;
}

// A series is a metric of training, or comes from a probe that the experiment measures: then its
// name starts with the probe's. A pattern that starts with '*' may match either.
static fv_status check_series(const figure_view *view, const fv_option *option, const char *value,
                              fv_error *error) {
    char root[64];
    size_t n = strcspn(value, ".[");
    if (n >= sizeof root)
        return figure_fail(view, option->key, error, "\"%s\" is no name of a series", value);
    memcpy(root, value, n);
    root[n] = '\0';
    if (is_metric(root) && !sweep_trains(view->experiment))
        return figure_fail(view, option->key, error,
                           "`%s` draws \"%s\", which training logs, and train.steps 0 logs "
                           "nothing; train 1 step or more",
                           option->key, value);
    if (strpbrk(root, "*?") != NULL || is_metric(root) || strcmp(root, "step") == 0) return FV_OK;
    if (strcmp(option->key, "x") == 0 && strcmp(value, "flops") == 0) return FV_OK;
    for (int i = 0; i < view->experiment->n_probes; i++)
        if (strcmp(view->experiment->probes[i]->name, root) == 0) return FV_OK;
    if (fv_probe_find(root) != NULL)
        return figure_fail(view, option->key, error,
                           "`%s` draws \"%s\", which the experiment does not measure; add %s to "
                           "its probes",
                           option->key, value, root);
    char hint[MEASURE_HINT];
    measure_hint_series(root, hint);
    return figure_fail(view, option->key, error,
                       "`%s` draws \"%s\", which is neither a metric (loss, perplexity, "
                       "accuracy, test_loss, ...) nor a probe%s",
                       option->key, value, hint);
}

static fv_status check_field(const figure_view *view, const fv_option *option, const char *key,
                             fv_error *error) {
    if (fv_field_find(key) != NULL) return FV_OK;
    return figure_fail(view, option->key, error,
                       "`%s` names the field \"%s\", which does not exist; the nearest is %s",
                       option->key, key, fv_field_nearest(key));
}

static fv_status check_measure(const figure_view *view, const char *key, const char *value,
                               fv_error *error) {
    fv_error cause;
    fv_status status =
        fv_measure_check(value, view->experiment->probes, view->experiment->n_probes, &cause);
    if (status == FV_OK) return FV_OK;
    if (options_is_cut(value))
        return figure_fail(view, key, error,
                           "`%s`: '%s' lacks a ')'; a measure with a comma needs quotes inside "
                           "[...] and {...}, e.g. \"emergence(accuracy, 0.5)\"",
                           key, value);
    return figure_fail(view, key, error, "`%s`: %s", key, cause.text);
}

static fv_status check_value(const figure_view *view, const fv_option *option,
                             const figure_option *row, const char *value, fv_error *error) {
    double number;
    switch (row->type) {
    case FV_OPTION_NUMBER:
        if (text_to_real(value, &number)) return FV_OK;
        return figure_fail(view, row->key, error, "`%s` is \"%s\" but must be a number", row->key,
                           value);
    case FV_OPTION_BOOL:
        if (is_choice(value, "true|false")) return FV_OK;
        return figure_fail(view, row->key, error, "`%s` is \"%s\" but must be true or false",
                           row->key, value);
    case FV_OPTION_CHOICE:
        if (is_choice(value, row->choices)) return FV_OK;
        return figure_fail(view, row->key, error, "`%s` is \"%s\" but must be one of %s", row->key,
                           value, row->choices);
    case FV_OPTION_FILE:
        if (is_file_name(value)) return FV_OK;
        return figure_fail(view, row->key, error,
                           "`%s` is \"%s\" but must be letters, digits, '-', '_' and '.'", row->key,
                           value);
    case FV_OPTION_FIELDS:
        if (strcmp(value, "none") == 0 && option->n_values == 1) return FV_OK;
        return check_field(view, option, value, error);
    case FV_OPTION_FIELD:
        return check_field(view, option, value, error);
    case FV_OPTION_ONE_SERIES:
    case FV_OPTION_SERIES:
        return check_series(view, option, value, error);
    case FV_OPTION_MEASURE:
    case FV_OPTION_MEASURES:
        return check_measure(view, row->key, value, error);
    case FV_OPTION_TEXT:
    case FV_OPTION_TEXTS:
    case FV_OPTION_WHERE:
        break;
    }
    return FV_OK;
}

static bool takes_list(option_type type) {
    return type == FV_OPTION_TEXTS || type == FV_OPTION_FIELDS || type == FV_OPTION_SERIES ||
           type == FV_OPTION_MEASURES || type == FV_OPTION_WHERE;
}

// --- the table ---------------------------------------------------------------------------------

// Row i of the common options followed by the kind's own, or NULL past the end.
static const figure_option *row_at(const figure_kind *kind, int i) {
    int n;
    const figure_option *rows = figure_common_options(&n);
    if (i < n) return &rows[i];
    return i - n < kind->n_options ? &kind->options[i - n] : NULL;
}

// The row of a key; "where.task.vocab_size" is an entry of the mapping `where`.
static const figure_option *find_row(const figure_kind *kind, const char *key) {
    const figure_option *row;
    for (int i = 0; (row = row_at(kind, i)) != NULL; i++) {
        size_t n = strlen(row->key);
        if (row->type == FV_OPTION_WHERE ? strncmp(key, row->key, n) == 0 && key[n] == '.'
                                         : strcmp(key, row->key) == 0)
            return row;
    }
    return NULL;
}

static fv_status fail_unknown(const figure_view *view, const figure_kind *kind, const char *key,
                              fv_error *error) {
    enum { MOST = 64 };
    const char *names[MOST + 1] = {NULL};
    for (int i = 0; i < MOST && row_at(kind, i) != NULL; i++) names[i] = row_at(kind, i)->key;
    return figure_fail(view, key, error, "there is no option \"%s\"; the nearest is `%s`", key,
                       synonym_nearest("option", key, names));
}

static fv_status check_option(const figure_view *view, const figure_kind *kind,
                              const fv_option *option, fv_error *error) {
    const figure_option *row = find_row(kind, option->key);
    if (row == NULL) return fail_unknown(view, kind, option->key, error);
    if (row->type == FV_OPTION_WHERE) {
        const char *field = option->key + strlen(row->key) + 1;
        fv_error cause;
        fv_status status = check_field(view, option, field, error);
        if (status != FV_OK) return status;
        if (where_check(option, field, &cause) != FV_OK)
            return figure_fail(view, option->key, error, "`%s`: %s", row->key, cause.text);
    }
    if (option->n_values == 0)
        return figure_fail(view, option->key, error, "`%s` has no value", option->key);
    if (option->n_values > 1 && !takes_list(row->type))
        return figure_fail(view, option->key, error, "`%s` takes one value, not a list",
                           option->key);
    for (int v = 0; v < option->n_values; v++) {
        fv_status status = check_value(view, option, row, option->values[v], error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

fv_status figure_check_options(const fv_experiment *experiment, const fv_options *options,
                               const figure_kind *kind, fv_error *error) {
    figure_view view = {.experiment = experiment, .options = options};
    for (int i = 0; i < options->n; i++) {
        fv_status status = check_option(&view, kind, &options->items[i], error);
        if (status != FV_OK) return status;
    }
    const figure_option *row;
    for (int i = 0; (row = row_at(kind, i)) != NULL; i++)
        if (row->required && fv_options_find(options, row->key) == NULL)
            return figure_fail(&view, NULL, error, "`%s` is missing: %s", row->key, row->help);
    return FV_OK;
}
