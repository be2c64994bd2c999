#include "served/served_task.h"

#include "base/text.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    const served_task *task;
} TASKS[] = {
#define ROW(name) {#name, &served_task_##name},
    SERVED_TASK_LIST(ROW)
#undef ROW
};
enum { N_TASKS = sizeof TASKS / sizeof *TASKS };

const served_task *served_task_at(int i) {
    return i < N_TASKS ? TASKS[i].task : NULL;
}

const char *served_task_name(int i) {
    return i < N_TASKS ? TASKS[i].name : NULL;
}

const served_task *served_task_find(const char *name) {
    for (int i = 0; i < N_TASKS; i++)
        if (strcmp(TASKS[i].name, name) == 0) return TASKS[i].task;
    return NULL;
}

static const char *lacks(const served_task *task) {
    if (task->name == NULL || served_task_find(task->name) != task) return "name";
    if (task->help == NULL) return "help";
    if (task->build == NULL) return "build";
    if (task->hay == 0) return "hay";
    if (task->unit == NULL) return "unit";
    if (task->least_units < 1) return "least_units";
    return task->max_tokens < 1 ? "max_tokens" : NULL;
}

fv_status served_task_check(const char *name, fv_error *error) {
    static const char *const NAMES[] = {
#define NAME(name) #name,
        SERVED_TASK_LIST(NAME) NULL
#undef NAME
    };
    const served_task *task = served_task_find(name);
    if (task == NULL)
        return fv_fail(error, FV_USAGE, "there is no task '%s'; the nearest is '%s'", name,
                       text_nearest(name, NAMES));
    const char *member = lacks(task);
    return member == NULL
               ? FV_OK
               : fv_fail(error, FV_USAGE, "the task %s is not whole: its descriptor has no .%s",
                         name, member);
}

bool served_task_fits(const served_task *task) {
    return !task->as_is && strcmp(task->unit, "tokens") == 0;
}

void served_draw_depths(random_source *random, int n, double *depths) {
    int order[SERVED_MOST_DRAWN];
    for (int i = 0; i < SERVED_MOST_DRAWN; i++) order[i] = i;
    for (int i = 0; i < n; i++) {
        int j = i + (int)random_below(random, (uint32_t)(SERVED_MOST_DRAWN - i));
        int swap = order[i];
        order[i] = order[j];
        order[j] = swap;
        depths[i] = round(100.0 * order[i] / (SERVED_MOST_DRAWN - 1));
    }
}

void served_place_random(const served_task *task, const served_sample_place *place,
                         random_source *random) {
    int64_t depth = isnan(place->depth) ? -1 : llround(1000 * place->depth);
    served_random(random, place->seed, task->name, (int64_t)place->length << 20 | (depth & 0xfffff),
                  place->sample);
}
