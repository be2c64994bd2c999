// Needles in a haystack, for the tasks that hide one or several.
#ifndef TASKS_NEEDLES_H
#define TASKS_NEEDLES_H

#include "tasks/task_type.h"

typedef struct task_needles {
    int n_keys;    // different keys
    int n_values;  // needles of each key, each with a value of its own
    int n_queries; // keys that are asked for, each once
} task_needles;

// Positions that the questions and the answers in front of the last one take.
static inline int haystack_tail(task_needles needles) {
    return needles.n_queries * needles.n_values;
}

// The scored positions: the whole tail.
int haystack_positions(const fv_task_config *config, task_needles needles, int *positions);

// Fills one sequence. The first key that is asked for has a needle at task.depth.
void haystack_fill(const task_fill *fill, task_needles needles);

#endif
