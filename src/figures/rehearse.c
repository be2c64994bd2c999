#include "figures/rehearse.h"

#include "figures/slots.h"
#include "lab/rehearsal.h"

#include <string.h>

// Any of the runs may have the series; seeds change nothing about it.
static fv_status rehearse_series(const figure_view *view, rehearsal *stage, const char *key,
                                 const char *series, fv_error *error) {
    const figure_runs *runs = &view->runs;
    for (int i = 0; i < runs->n; i++) {
        const fv_record *record;
        if (!fv_config_same(runs->configs[i], runs->configs[0], fv_field_find("train.seed")))
            continue;
        fv_status status = rehearsal_run(stage, runs->configs[i], &record, error);
        if (status != FV_OK) return status;
        if (record == NULL || slots_match(record, series)) return FV_OK;
    }
    return figure_fail(view, key, error,
                       "`%s` draws \"%s\", which no run has with this task and this model", key,
                       series);
}

static fv_status rehearse_measure(const figure_view *view, rehearsal *stage, const char *key,
                                  const char *measure, fv_error *error) {
    const fv_record *record;
    double value;
    fv_error cause;
    fv_status status = rehearsal_run(stage, view->runs.configs[0], &record, error);
    if (status != FV_OK || record == NULL) return status;
    if (fv_measure(measure, record, &value, &cause) == FV_OK) return FV_OK;
    return figure_fail(view, key, error, "`%s`: %s", key, cause.text);
}

static fv_status rehearse_option(const figure_view *view, rehearsal *stage, const fv_option *option,
                                 bool is_measure, fv_error *error) {
    fv_status status = FV_OK;
    for (int v = 0; v < option->n_values && status == FV_OK; v++) {
        const char *value = option->values[v];
        if (is_measure)
            status = rehearse_measure(view, stage, option->key, value, error);
        else if (strcmp(value, "step") != 0 && strcmp(value, "flops") != 0)
            status = rehearse_series(view, stage, option->key, value, error);
    }
    return status;
}

fv_status figure_rehearse_options(const figure_view *view, const figure_kind *kind,
                                  fv_error *error) {
    rehearsal stage;
    rehearsal_init(&stage, view->experiment);
    fv_status status = FV_OK;
    for (int i = 0; i < kind->n_options && status == FV_OK; i++) {
        option_type type = kind->options[i].type;
        bool is_series = type == FV_OPTION_SERIES || type == FV_OPTION_ONE_SERIES;
        bool is_measure = type == FV_OPTION_MEASURE || type == FV_OPTION_MEASURES;
        const fv_option *option = fv_options_find(view->options, kind->options[i].key);
        if (option != NULL && (is_series || is_measure))
            status = rehearse_option(view, &stage, option, is_measure, error);
    }
    rehearsal_free(&stage);
    return status;
}
