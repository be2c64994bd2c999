// What there is to choose from: fields, probes, and what an experiment says.
#include "web.h"

#include "config/record_config.h"

#include <fovea/claim.h>
#include <fovea/config.h>
#include <fovea/machine.h>
#include <fovea/probe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fv_experiment *experiment;
static char *value; // [FV_VALUE_SIZE], for the value of a field

fv_experiment *web_experiment(void) {
    return experiment;
}

static const char *const TYPES[] = {
    [FV_TYPE_INT] = "int",       [FV_TYPE_REAL] = "real",   [FV_TYPE_BOOL] = "bool",
    [FV_TYPE_CHOICE] = "choice", [FV_TYPE_INTS] = "ints",   [FV_TYPE_LAYERS] = "layers",
    [FV_TYPE_TEXT] = "text",     [FV_TYPE_NAMES] = "names", [FV_TYPE_FACTORS] = "factors",
    [FV_TYPE_STAGES] = "stages"};

static void describe_field(const fv_field *field, text_buffer *out) {
    put_item(out);
    text_add(out, "{");
    put_key(out, "key");
    put_string(out, field->key);
    put_key(out, "type");
    put_string(out, TYPES[field->type]);
    put_key(out, "default");
    put_string(out, field->default_text);
    put_key(out, "lowest");
    put_number(out, field->lowest);
    put_key(out, "highest");
    put_number(out, field->highest);
    put_key(out, "help");
    put_string(out, field->help);
    put_key(out, "choices");
    text_add(out, "[");
    for (int i = 0; field->choices && field->choices[i]; i++) {
        put_item(out);
        put_string(out, field->choices[i]);
    }
    text_add(out, "]}");
}

int web_describe(void) {
    text_buffer *out = web_begin_text();
    int n;
    text_add(out, "{");
    put_key(out, "version");
    put_string(out, fv_version());
    put_key(out, "kernels");
    put_string(out, fv_kernels_name());
    put_key(out, "fields");
    text_add(out, "[");
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) describe_field(&fields[i], out);
    text_add(out, "]");
    put_key(out, "probes");
    text_add(out, "[");
    const fv_probe *const *probes = fv_probes(&n);
    for (int i = 0; i < n; i++) {
        put_item(out);
        put_string(out, probes[i]->name);
    }
    text_add(out, "]}");
    return web_end_text();
}

// The fields that are no defaults.
static int write_config(const fv_config *config, text_buffer *out) {
    int n;
    const fv_field *fields = fv_fields(&n);
    if (value == NULL) value = malloc(FV_VALUE_SIZE);
    fv_config *defaults = malloc(sizeof *defaults);
    char *other = malloc(FV_VALUE_SIZE);
    if (value == NULL || defaults == NULL || other == NULL) {
        free(defaults);
        free(other);
        return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory");
    }
    fv_config_init(defaults);
    text_add(out, "{");
    for (int i = 0; i < n; i++) {
        fv_config_get(config, &fields[i], value, FV_VALUE_SIZE);
        fv_config_get(defaults, &fields[i], other, FV_VALUE_SIZE);
        if (strcmp(value, other) == 0) continue;
        put_key(out, fields[i].key);
        put_string(out, value);
    }
    text_add(out, "}");
    free(defaults);
    free(other);
    return FV_OK;
}

static void write_axes(text_buffer *out) {
    text_add(out, "[");
    for (int g = 0; g < experiment->n_grids; g++)
        for (int a = 0; a < experiment->grids[g].n_axes; a++) {
            const fv_axis *axis = &experiment->grids[g].axes[a];
            put_item(out);
            text_add(out, "{\"grid\":%d", g);
            put_key(out, "key");
            put_string(out, axis->field->key);
            put_key(out, "values");
            text_add(out, "[");
            for (int i = 0; i < axis->n; i++) {
                put_item(out);
                put_string(out, axis->values[i]);
            }
            text_add(out, "]}");
        }
    text_add(out, "]");
}

static void write_options(const fv_options *options, text_buffer *out) {
    put_item(out);
    text_add(out, "{");
    for (int i = 0; i < options->n; i++) {
        const fv_option *option = &options->items[i];
        put_key(out, option->key);
        if (option->is_list) text_add(out, "[");
        for (int k = 0; k < option->n_values; k++) {
            put_item(out);
            put_string(out, option->values[k]);
        }
        if (option->is_list) text_add(out, "]");
        if (!option->is_list && option->n_values == 0) put_string(out, "");
    }
    text_add(out, "}");
}

static void write_all_options(const char *key, const fv_options *all, int n, text_buffer *out) {
    put_key(out, key);
    text_add(out, "[");
    for (int i = 0; i < n; i++) write_options(&all[i], out);
    text_add(out, "]");
}

static void add_warning(void *context, const char *sentence) {
    text_buffer *out = context;
    put_item(out);
    put_string(out, sentence);
}

static int describe_experiment(void) {
    text_buffer *out = web_begin_text();
    fv_config *first = malloc(sizeof *first);
    if (first == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory");
    fv_experiment_config(experiment, 0, first);
    text_add(out, "{\"n_runs\":%d", fv_experiment_n_runs(experiment));
    put_key(out, "name");
    put_string(out, experiment->name);
    put_key(out, "source");
    put_string(out, experiment->source);
    put_key(out, "adaptive");
    text_add(out, experiment->adaptive ? "true" : "false");
    put_key(out, "fields");
    int status = write_config(first, out);
    free(first);
    put_key(out, "axes");
    write_axes(out);
    put_key(out, "probes");
    text_add(out, "[");
    for (int i = 0; i < experiment->n_probes; i++) add_warning(out, experiment->probes[i]->name);
    text_add(out, "]");
    write_all_options("figures", experiment->figures, experiment->n_figures, out);
    write_all_options("claims", experiment->claims, experiment->n_claims, out);
    text_add(out, "}");
    return status == FV_OK ? web_end_text() : status;
}

fv_status web_read(const char *yaml, fv_experiment **read) {
    return fv_experiment_parse("experiment", yaml, strlen(yaml), read, web_failure());
}

int web_open(const char *name, const char *yaml) {
    fv_experiment *read;
    fv_status status = fv_experiment_parse(name, yaml, strlen(yaml), &read, web_failure());
    if (status != FV_OK) return status;
    web_close_records();
    fv_experiment_free(experiment);
    experiment = read;
    return describe_experiment();
}

int web_configuration(int i) {
    if (experiment == NULL || i < 0 || i >= fv_experiment_n_runs(experiment))
        return fv_fail(web_failure(), FV_USAGE, "no experiment with a run %d is open", i);
    fv_config *config = malloc(sizeof *config);
    if (config == NULL) return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory");
    fv_experiment_config(experiment, i, config);
    int status = write_config(config, web_begin_text());
    free(config);
    return status == FV_OK ? web_end_text() : status;
}

int web_check_measure(const char *measure) {
    return fv_measure_check(measure, experiment ? experiment->probes : NULL,
                            experiment ? experiment->n_probes : 0, web_failure());
}
