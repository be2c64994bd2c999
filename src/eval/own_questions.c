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

fv_status own_questions_of(const fv_config *config, own_questions *q, fv_error *error) {
    static const char TASK[] = "task.";
    fv_config usual;
    int n;
    size_t used = 0;
    const fv_field *fields = fv_fields(&n);
    fv_config_init(&usual);
    *q = (own_questions){.task = fv_field_find("task.name")->choices[config->task.name]};
    for (int i = 0; i < n; i++) {
        const char *name = fields[i].key + strlen(TASK);
        char value[96], other[96];
        if (strncmp(fields[i].key, TASK, strlen(TASK)) != 0 || is_of_cell(name)) continue;
        fv_config_get(config, &fields[i], value, sizeof value);
        fv_config_get(&usual, &fields[i], other, sizeof other);
        if (strcmp(name, "vocab_size") != 0 && strcmp(value, other) == 0) continue;
        used += (size_t)snprintf(q->rest + used, sizeof q->rest - used, "%s%s %s",
                                 used > 0 ? ", " : "", name, value);
        if (used >= sizeof q->rest)
            return fv_fail(error, FV_USAGE, "the fields of task.name %s are too many to be stored",
                           q->task);
    }
    return FV_OK;
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
