#include "lab/where.h"

#include "base/text.h"
#include "base/yaml.h"
#include "config/as_written.h"
#include "config/config_refuse.h"
#include "lab/grid.h"

#include <fovea/config.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The values that an option gives for a field: each of its items, or the whole list as one value of
// a field that is itself a list (model.layers: [attention, mlp]) and is given no list of lists
// ([[attention, mlp], [attention]]). Calls `visit` until it returns true.
typedef bool (*value_visit)(void *context, const fv_field *field, const char *value);

static bool any_value(const fv_option *option, const fv_field *field, value_visit visit,
                      void *context) {
    bool lists = option->n_values > 0 && option->values[0][0] == '[';
    if (!(field_is_list(field) && option->is_list && !lists)) {
        for (int i = 0; i < option->n_values; i++)
            if (visit(context, field, option->values[i])) return true;
        return false;
    }
    text_buffer list = {0};
    text_add(&list, "[");
    for (int i = 0; i < option->n_values; i++)
        text_add(&list, "%s%s", i > 0 ? ", " : "", option->values[i]);
    text_add(&list, "]");
    bool found = !list.failed && visit(context, field, list.data);
    text_free(&list);
    return found;
}

static bool is_range(const fv_field *field, const char *value, long long *first, long long *last) {
    return field->type == FV_TYPE_INT && text_to_range(value, first, last);
}

static bool is_refused(void *context, const fv_field *field, const char *value) {
    fv_config config;
    long long first, last;
    double low, high;
    if (is_range(field, value, &first, &last))
        return range_check(field, value, first, last, context) != FV_OK;
    if (field->type == FV_TYPE_REAL && text_to_reals(value, &low, &high))
        return fv_fail(context, FV_USAGE,
                       "%s: '%.60s' is no list of values: write those that are meant, as in [%.6g, "
                       "%.6g]",
                       field->key, value, low, high) != FV_OK;
    fv_config_init(&config);
    return fv_config_set(&config, field->key, value, context) != FV_OK;
}

// Values are compared as the field reads them: 1e-3 is 0.001.
static bool equals(void *context, const fv_field *field, const char *value) {
    const fv_config *config = context;
    fv_config other = *config;
    long long first, last;
    if (is_range(field, value, &first, &last)) {
        double number = fv_config_number(config, field);
        return number >= first && number <= last;
    }
    char of_run[FV_VALUE_SIZE], of_claim[FV_VALUE_SIZE];
    if (fv_config_set(&other, field->key, value, NULL) != FV_OK) return false;
    fv_config_get(config, field, of_run, sizeof of_run);
    fv_config_get(&other, field, of_claim, sizeof of_claim);
    return strcmp(of_run, of_claim) == 0;
}

const char *where_key(const fv_option *option, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(option->key, prefix, n) == 0 ? option->key + n : NULL;
}

fv_status where_check(const fv_option *option, const char *key, fv_error *error) {
    const fv_field *field = fv_field_find(key);
    if (field == NULL)
        return fv_fail(error, FV_USAGE, "'%.100s' is no field; the nearest is %s", key,
                       fv_field_nearest(key));
    return any_value(option, field, is_refused, error) ? FV_USAGE : FV_OK;
}

bool where_matches(const fv_option *option, const char *key, const fv_config *config) {
    return any_value(option, fv_field_find(key), equals, (void *)(uintptr_t)config);
}

bool where_selects(const fv_options *options, const char *prefix, const fv_config *config) {
    for (int i = 0; i < options->n; i++) {
        const char *key = where_key(&options->items[i], prefix);
        if (key != NULL && !where_matches(&options->items[i], key, config)) return false;
    }
    return true;
}

// "4,10", "0..9", "[attention, mlp]": what an override has behind its sign. The option points into
// *list, which the caller frees, and at `values`.
static fv_status read_texts(const char *key, const char *text, yaml_value **list, char ***values,
                            fv_option *option, fv_error *error) {
    text_buffer yaml = {0};
    text_add(&yaml, "[%s\n]", text);
    *list = NULL;
    *values = NULL;
    if (yaml.failed) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = yaml_value_read(yaml.data, yaml.n, NULL, list, error);
    text_free(&yaml);
    const yaml_value *value = *list;
    if (status == FV_OK && value->n == 1) value = &value->items[0];
    bool is_list = status == FV_OK && value->kind == YAML_LIST;
    int n = is_list ? value->n : 1;
    if (status == FV_OK && (value->kind == YAML_MAPPING || n == 0)) status = FV_FORMAT;
    for (int i = 0; is_list && i < n; i++)
        if (value->items[i].kind != YAML_SCALAR) status = FV_FORMAT;
    if (status == FV_FORMAT)
        return fv_fail(error, FV_USAGE, "%s: '%.100s' is no value, list or range", key, text);
    if (status == FV_OK && (*values = calloc((size_t)n, sizeof **values)) == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    for (int i = 0; status == FV_OK && i < n; i++)
        (*values)[i] = is_list ? value->items[i].scalar : value->scalar;
    *option = (fv_option){
        .key = (char *)(uintptr_t)key, .n_values = n, .values = *values, .is_list = is_list};
    return status;
}

fv_status fv_where_check(const char *key, const char *text, fv_error *error) {
    yaml_value *list;
    char **values;
    fv_option option;
    if (fv_field_find(key) == NULL) return refuse_field(key, error);
    fv_status status = read_texts(key, text, &list, &values, &option, error);
    if (status == FV_OK) status = where_check(&option, key, error);
    free(values);
    yaml_value_free(list);
    return status;
}

bool fv_where_matches(const char *key, const char *text, const fv_config *config) {
    yaml_value *list;
    char **values;
    fv_option option;
    if (fv_field_find(key) == NULL) return false;
    bool found = read_texts(key, text, &list, &values, &option, NULL) == FV_OK &&
                 where_matches(&option, key, config);
    free(values);
    yaml_value_free(list);
    return found;
}
