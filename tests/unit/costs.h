// Models for the tests of the cost model: published ones, small ones, and what they cost.
#ifndef TESTS_COSTS_H
#define TESTS_COSTS_H

#include <fovea/cost.h>
#include <glob.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static inline fv_cost_model *load(const char *name) {
    char path[512];
    fv_error error = {0};
    fv_cost_model *model;
    snprintf(path, sizeof path, "%s/examples/configs/%s.json", FOVEA_SOURCE_DIR, name);
    if (fv_cost_model_read(path, &model, &error) != FV_OK) fail_msg("%s", error.text);
    return model;
}

static inline fv_cost total_of(const fv_cost_model *model, const fv_cost_setting *setting) {
    fv_error error = {0};
    fv_cost total;
    if (fv_cost_total(model, setting, &total, &error) != FV_OK) fail_msg("%s", error.text);
    return total;
}

static inline fv_cost_setting at(uint64_t tokens, uint64_t batch) {
    fv_cost_setting setting;
    fv_cost_setting_init(&setting);
    setting.tokens = tokens;
    setting.batch = batch;
    return setting;
}

// A model of one layer of attention with n_head heads of d / n_head, nothing shared or windowed.
static inline fv_cost_model *one_layer(uint64_t d, uint64_t n_head) {
    char json[512];
    fv_error error = {0};
    fv_cost_model *model;
    snprintf(json, sizeof json,
             "{\"model_type\": \"llama\", \"hidden_size\": %d, \"num_hidden_layers\": 1, "
             "\"num_attention_heads\": %d, \"intermediate_size\": 1, \"vocab_size\": 1}",
             (int)d, (int)n_head);
    if (fv_cost_model_parse("one", json, strlen(json), &model, &error) != FV_OK)
        fail_msg("%s", error.text);
    return model;
}

// Frees the text.
static inline fv_cost_model *parse(char *json) {
    fv_error error = {0};
    fv_cost_model *model;
    if (fv_cost_model_parse("x.json", json, strlen(json), &model, &error) != FV_OK)
        fail_msg("%s: %s", json, error.text);
    free(json);
    return model;
}

static inline int find_part(const fv_cost_model *model, const char *name) {
    for (int p = 0; p < fv_cost_n_parts(model); p++) {
        fv_cost_part part;
        fv_cost_part_get(model, p, &part);
        if (strcmp(part.name, name) == 0) return p;
    }
    fail_msg("there is no part %s", name);
    return -1;
}

static inline fv_cost part_of(const fv_cost_model *model, const char *name,
                              const fv_cost_setting *setting) {
    fv_cost cost;
    fv_error error = {0};
    if (fv_cost_part_cost(model, find_part(model, name), setting, &cost, &error) != FV_OK)
        fail_msg("%s", error.text);
    return cost;
}

// The published config with the changes, whose quotes are single ones, without fields that are
// 'gone'; free.
static inline char *changed(const char *name, const char *changes) {
    char path[512], text[512];
    snprintf(path, sizeof path, "%s/examples/configs/%s.json", FOVEA_SOURCE_DIR, name);
    snprintf(text, sizeof text, "%s", changes);
    for (char *c = text; *c != 0; c++)
        if (*c == '\'') *c = '"';
    json_t *config = json_load_file(path, 0, NULL), *change = json_loads(text, 0, NULL);
    if (config == NULL || change == NULL) fail_msg("%s with %s is no JSON", name, text);
    json_object_update(config, change);
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(config, next, key, value) {
        bool gone = json_is_string(value) && strcmp(json_string_value(value), "gone") == 0;
        if (gone) json_object_del(config, key);
    }
    char *json = json_dumps(config, 0);
    json_decref(config);
    json_decref(change);
    return json;
}

// Every configuration of a file in tests/cost.
static inline void for_each_config(const char *name, void check(fv_cost_model *, json_t *)) {
    char path[512];
    snprintf(path, sizeof path, "%s/tests/cost/%s", FOVEA_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[16384];
    int n = 0;
    for (; fgets(line, sizeof line, file) != NULL; n++) {
        json_t *entry = json_loads(line, 0, NULL);
        assert_non_null(entry);
        fv_cost_model *model = parse(json_dumps(json_object_get(entry, "config"), 0));
        check(model, entry);
        fv_cost_model_free(model);
        json_decref(entry);
    }
    fclose(file);
    assert_true(n > 70);
}

// Every published model.
static inline void for_each_example(void check(const char *, fv_cost_model *)) {
    glob_t found;
    assert_int_equal(glob(FOVEA_SOURCE_DIR "/examples/configs/*.json", 0, NULL, &found), 0);
    assert_true(found.gl_pathc > 40);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        fv_error error = {0};
        fv_cost_model *model;
        if (fv_cost_model_read(found.gl_pathv[i], &model, &error) != FV_OK)
            fail_msg("%s", error.text);
        check(found.gl_pathv[i], model);
        fv_cost_model_free(model);
    }
    globfree(&found);
}

#endif
