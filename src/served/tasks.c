#include "served/served_task.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    const eval_task *task;
} TASKS[] = {
#define ROW(name) {#name, &eval_task_##name},
    EVAL_TASK_LIST(ROW)
#undef ROW
};
enum { N_TASKS = sizeof TASKS / sizeof *TASKS };

const eval_task *eval_task_at(int i) {
    return i < N_TASKS ? TASKS[i].task : NULL;
}

const char *eval_task_name(int i) {
    return i < N_TASKS ? TASKS[i].name : NULL;
}

const eval_task *eval_task_find(const char *name) {
    for (int i = 0; i < N_TASKS; i++)
        if (strcmp(TASKS[i].name, name) == 0) return TASKS[i].task;
    return NULL;
}

static const char *lacks(const eval_task *task) {
    if (task->name == NULL || eval_task_find(task->name) != task) return "name";
    if (task->help == NULL) return "help";
    if (task->build == NULL) return "build";
    if (task->hay == 0) return "hay";
    if (task->unit == NULL) return "unit";
    if (task->least_units < 1) return "least_units";
    return task->max_tokens < 1 ? "max_tokens" : NULL;
}

fv_status eval_task_check(const char *name, fv_error *error) {
    const eval_task *task = eval_task_find(name);
    const char *member = task != NULL ? lacks(task) : NULL;
    return member == NULL
               ? FV_OK
               : fv_fail(error, FV_USAGE, "the task %s is not whole: its descriptor has no .%s",
                         name, member);
}

bool eval_task_fits(const eval_task *task) {
    return !task->as_is && strcmp(task->unit, "tokens") == 0;
}

void eval_place_random(const eval_task *task, const eval_place *place, fv_random *random) {
    int64_t depth = isnan(place->depth) ? -1 : llround(1000 * place->depth);
    eval_random(random, place->seed, task->name, (int64_t)place->length << 20 | (depth & 0xfffff),
                place->sample);
}
