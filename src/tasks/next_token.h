// Tasks that ask for the next token at every position: T tokens and the one behind them.
//
//   x1 x2 ... xT          targets: x2 x3 ... x(T+1)
//   B  x1 ... x(T-1)      targets: x1 x2 ... xT        with task.bos, where B is token V - 1
//
// With task.loss last the last target alone is scored.
#ifndef TASKS_NEXT_TOKEN_H
#define TASKS_NEXT_TOKEN_H

#include "tasks/task_type.h"

int next_token_positions(const fv_task_config *config, int *positions);

// How many tokens of a sequence are drawn, the last target among them: T + 1, or T with task.bos.
int next_token_drawn(const fv_task_config *config);

// Puts the i-th of them where it belongs, as token and as target; the first call also puts B.
void next_token_put(const task_fill *fill, int i, int32_t token);

// The mean over all scored positions of the least loss where so many tokens have been seen.
double next_token_loss(const fv_task_config *config,
                       double (*loss)(const fv_task_config *config, const void *context, int seen),
                       const void *context);

int next_token_distance(const fv_task_config *config);

#endif
