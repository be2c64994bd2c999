#include "eval/own_questions.h"

#include <fovea/config.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

// What a cell says itself.
static bool is_of_cell(const char *name) {
    static const char *const OF_CELL[] = {"name",       "context_length", "length_min",
                                          "length_max", "length_step",    "depth"};
    for (size_t i = 0; i < sizeof OF_CELL / sizeof *OF_CELL; i++)
        if (strcmp(OF_CELL[i], name) == 0) return true;
    return false;
}

static const char TASK[] = "task.", VOCABULARY[] = "task.vocab_size";

static bool shapes(const char *key) {
    return strncmp(key, TASK, strlen(TASK)) == 0 && !is_of_cell(key + strlen(TASK));
}

fv_status own_questions_fields(const fv_config *config, own_visit visit, void *context,
                               fv_error *error) {
    fv_config usual;
    int n;
    fv_status status = FV_OK;
    const fv_field *fields = fv_fields(&n);
    fv_config_init(&usual);
    for (int i = 0; i < n && status == FV_OK; i++) {
        char value[96], other[96];
        if (!shapes(fields[i].key)) continue;
        fv_config_get(config, &fields[i], value, sizeof value);
        fv_config_get(&usual, &fields[i], other, sizeof other);
        if (strcmp(fields[i].key, VOCABULARY) == 0 || strcmp(value, other) != 0)
            status = visit(context, fields[i].key, value, error);
    }
    return status;
}

int own_questions_vocabulary(const fv_config *config) {
    return config->task.vocab_size;
}

fv_status own_questions_reset(fv_config *config, fv_error *error) {
    fv_config usual;
    int n;
    fv_status status = FV_OK;
    const fv_field *fields = fv_fields(&n);
    fv_config_init(&usual);
    for (int i = 0; i < n && status == FV_OK; i++) {
        char value[96];
        if (!shapes(fields[i].key) || strcmp(fields[i].key, VOCABULARY) == 0) continue;
        fv_config_get(&usual, &fields[i], value, sizeof value);
        status = fv_config_set(config, fields[i].key, value, error);
    }
    return status;
}

static fv_status add_field(void *context, const char *key, const char *value, fv_error *error) {
    own_questions *q = context;
    size_t used = strlen(q->rest);
    used += (size_t)snprintf(q->rest + used, sizeof q->rest - used, "%s%s %s", used > 0 ? ", " : "",
                             key + strlen(TASK), value);
    if (used < sizeof q->rest) return FV_OK;
    return fv_fail(error, FV_USAGE, "the fields of task.name %s are too many to be stored",
                   q->task);
}

fv_status own_questions_of(const fv_config *config, const char *set, own_questions *q,
                           fv_error *error) {
    *q = (own_questions){.task = fv_field_find("task.name")->choices[config->task.name]};
    if (set != NULL) snprintf(q->rest, sizeof q->rest, "set %s", set);
    return own_questions_fields(config, add_field, q, error);
}

asks_group own_questions_group(const own_questions *q, int length) {
    return (asks_group){.task = q->task,
                        .haystack = q->rest,
                        .length = length,
                        .sampling = OWN_SAMPLING,
                        .extra = "{}",
                        .max_tokens = INT_MAX, // however many the task asks for
                        .same_prompts = true,
                        .whose = ASKS_KNOWN};
}
