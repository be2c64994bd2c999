#include "lab/override.h"

#include "base/text.h"
#include "base/yaml.h"
#include "config/config_refuse.h"
#include "lab/adaptive.h"
#include "lab/choose.h"
#include "lab/grid.h"
#include "lab/sections.h"
#include "lab/sweep.h"

#include <stdio.h>
#include <string.h>

// Gives all grids the axis, or leaves the field to the base configuration.
static fv_status put_in_grids(fv_experiment *experiment, const fv_axis *axis, bool is_axis,
                              fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < experiment->n_grids && status == FV_OK; i++) {
        if (!is_axis) {
            grid_remove(&experiment->grids[i], axis->field);
            continue;
        }
        fv_axis copy;
        status = axis_copy(axis, &copy, error);
        if (status == FV_OK) status = grid_put(&experiment->grids[i], &copy, error);
        axis_free(&copy);
    }
    return status;
}

// Gives the field the values of `list`, whose single item is meant where there is only one.
static fv_status set(fv_experiment *experiment, const fv_field *field, const yaml_value *list,
                     fv_error *error) {
    const yaml_value *value = list->n == 1 ? &list->items[0] : list;
    fv_axis axis;
    bool is_axis;
    if (adaptive_has(experiment->adaptive, field))
        return fv_fail(error, FV_USAGE,
                       "%s is refined by the adaptive sweep of %s and cannot be replaced",
                       field->key, experiment->path);
    if (choose_has(experiment->choose, field))
        return fv_fail(error, FV_USAGE, "%s is chosen for each arm by %s and cannot be replaced",
                       field->key, experiment->path);
    if (fv_options_find(&experiment->optional, field->key) != NULL) experiment->complete = true;
    fv_status status = axis_read(field, value, &axis, &is_axis, error);
    if (status == FV_OK && !is_axis)
        status = fv_config_set(experiment->base, field->key, axis.values[0], error);
    // One list of layers, though commas make an axis elsewhere: fv_experiment_warn sees it there.
    is_axis |= field->type == FV_TYPE_LAYERS && value == list;
    if (status == FV_OK) status = put_in_grids(experiment, &axis, is_axis, error);
    axis_free(&axis);
    return status;
}

// Whether fields have names like key.name.
static bool holds_fields(const char *key) {
    int n;
    size_t length = strlen(key);
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++)
        if (strncmp(fields[i].key, key, length) == 0 && fields[i].key[length] == '.') return true;
    return false;
}

// Figures, claims and the like belong to the file: no near field is what was meant by their keys.
static fv_status refuse(const fv_experiment *experiment, const char *key, fv_error *error) {
    static const char *const SECTIONS[] = {
#define SECTION(key, read, help, example) #key,
        SECTION_LIST(SECTION)
#undef SECTION
    };
    size_t length = strcspn(key, ".");
    for (size_t i = 0; i < sizeof SECTIONS / sizeof *SECTIONS; i++)
        if (strlen(SECTIONS[i]) == length && strncmp(key, SECTIONS[i], length) == 0 &&
            !holds_fields(SECTIONS[i]))
            return fv_fail(error, FV_USAGE,
                           "'%s' cannot be overridden: the command line changes fields of task, "
                           "model and train; edit '%s' in %s",
                           key, SECTIONS[i], experiment->path);
    return refuse_field(key, error);
}

// What follows the sign is read as the items of a YAML list.
static fv_status read_list(const char *text, const fv_field *field, yaml_value **list,
                           fv_error *error) {
    text_buffer yaml = {0};
    text_add(&yaml, "[%s\n]", strchr(text, '=') + 1);
    if (yaml.failed) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = yaml_value_read(yaml.data, yaml.n, NULL, list, error);
    text_free(&yaml);
    if (status == FV_FORMAT)
        return fv_fail(error, FV_USAGE, "'%.100s' has no value that YAML can read", text);
    if (status == FV_OK && ((*list)->kind != YAML_LIST || (*list)->n == 0))
        status = fv_fail(error, FV_USAGE, "'%.100s' has no value; write %s=%s", text, field->key,
                         field->default_text);
    return status;
}

fv_status override_apply(fv_experiment *experiment, const char *text, const fv_field **field,
                         fv_error *error) {
    size_t length = strcspn(text, "=");
    if (text[length] == '\0' || length == 0)
        return fv_fail(error, FV_USAGE,
                       "'%.100s' is no override; write key=value, as in task.vocab_size=100", text);
    char key[128];
    snprintf(key, sizeof key, "%.*s", length < 100 ? (int)length : 100, text);
    *field = fv_field_find(key);
    if (*field == NULL) return refuse(experiment, key, error);
    yaml_value *list = NULL;
    fv_status status = read_list(text, *field, &list, error);
    if (status == FV_OK) status = set(experiment, *field, list, error);
    yaml_value_free(list);
    return status;
}
