// What tasks of real numbers share: reals travel where tokens do, as the bits of float32 in an int32_t.
// A target that is not there is -1, whose bits are no number.
#ifndef TASKS_REALS_H
#define TASKS_REALS_H

#include "tasks/task_type.h"

#include <string.h>

static inline int32_t real_word(float value) {
    int32_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

// Reals of a position and of a target where a task gives none of its own: task.inputs and task.outputs,
// of which 0 means FV_FEW_REALS.
enum { FV_FEW_REALS = 8 };
int reals_in(const fv_task_config *config);
int reals_out(const fv_task_config *config);

// Standard normal numbers [rows][columns], each divided by sqrt(rows), from task.rule_seed and a stream of
// this number.
void reals_draw_map(const fv_task_config *config, uint32_t number, int rows, int columns,
                    double *w);

// Targets of the last position alone, task.noise added to each: outputs [m] of fill's sequence.
void reals_put_targets(const task_fill *fill, const double *outputs);

// The squared error of whoever knows everything but the noise.
double reals_noise_loss(const fv_task_config *config);

// 0 is FV_FEW_REALS.
void reals_settle(fv_config *config);

#endif
