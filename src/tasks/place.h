// Where a task hides what it asks for: task.depth of the way through the places there are, 0 the
// first and 100 the last, or any of them alike where no depth is set. Training hides things
// anywhere; a grid of depths and lengths is measured with the depth set.
#ifndef TASKS_PLACE_H
#define TASKS_PLACE_H

#include "tasks/task_type.h"

#include <math.h>

// One of n_places places. The same numbers are drawn with a depth as without.
static inline int fill_place(const task_fill *fill, int n_places) {
    int anywhere = (int)random_below(fill->random, (uint32_t)n_places);
    double depth = fill->config->depth;
    return depth < 0 ? anywhere : (int)lround(depth / 100 * (n_places - 1));
}

// A token of the upper half of the vocabulary.
static inline int32_t fill_upper(const task_fill *fill) {
    int half = fill->config->vocab_size / 2;
    return half + (int32_t)random_below(fill->random, (uint32_t)(fill->config->vocab_size - half));
}

// Loss at the last position alone.
static inline int task_last_position(const fv_task_config *config, int *positions) {
    positions[0] = config->context_length - 1;
    return 1;
}

#endif
