// Sequences that the calling program makes (custom_task.h): some at once, or of training ahead of it.
//
// One thread of the process calls the programs' functions, for all runs; it is there while anybody
// needs it. A feed has room for three pieces of training, each of many steps: while one is trained
// the next ones are made, checked and put into lanes, so that training only copies.
#ifndef TASKS_CUSTOM_H
#define TASKS_CUSTOM_H

#include "base/random.h"

#include <fovea/fields.h>

// FV_USAGE where the process does not know the task of the configuration.
fv_status custom_check_known(const fv_task_config *config, fv_error *error);

// Sequences first ... first + n - 1 of a stream: rows of tokens and targets, or the words of reals,
// side by side [n][n_in + n_out] (data.h).
fv_status custom_draw(const fv_task_config *config, uint64_t seed, random_stream stream, int n_loss,
                      uint64_t first, int n, int32_t *rows, fv_error *error);

typedef struct custom_feed custom_feed;
fv_status custom_feed_create(const fv_task_config *config, uint64_t seed, int n_loss,
                             int batch_size, int n_steps, custom_feed **out, fv_error *error);
void custom_feed_free(custom_feed *feed);

// Waits until the sequences of a step are there; steps must not go back.
fv_status custom_feed_take(custom_feed *feed, int step, fv_error *error);

// Groups of the step that was taken last: tokens [G][n_in][16], targets [G][n_out][16].
void custom_feed_copy(const custom_feed *feed, int first_group, int n_groups, int32_t *tokens,
                      int32_t *targets);

// Of the step that was taken last, all sequences together.
int custom_feed_targets(const custom_feed *feed);

#endif
