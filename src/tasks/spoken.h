// Tasks that speak a whole sequence: a body of n tokens, a delimiter, and behind it the answer, one
// token at a time, each given the right ones before it.
//
//   b1 b2 ... bn | a1 a2 ... a(n-1)       targets: a1 at the delimiter, a2 at a1, ..., an at a(n-1)
//
// T = 2 n tokens. The delimiter is token V - 1, the body uniform over the others. Every answer is
// scored, teacher-forced: what a model that speaks freely gets right is at most as much.
#ifndef TASKS_SPOKEN_H
#define TASKS_SPOKEN_H

#include "tasks/task_type.h"

int spoken_positions(const fv_task_config *config, int *positions);

// Draws the body, and the answer once `arrange` has put it in place of the body: answer [n],
// `stride` apart.
void spoken_fill(const task_fill *fill, void (*arrange)(int n, int32_t *answer, int stride));

// `name` stands in the messages.
fv_status spoken_check(const config_checking *c, const char *name);

#endif
