// What a configuration of task file needs to know of its file.
#ifndef TASKS_FILE_H
#define TASKS_FILE_H

#include "tasks/sequence_file.h"

#include <fovea/fields.h>

// Of a configuration whose task is file, or markov with a matrix in a file (markov_settle): puts the digest and the sizes of what lies at task.path into
// it, which then is one of a fixed training set. Of others nothing. Fails as sequence_file_get does.
fv_status file_settle(fv_config *whole, fv_error *error);

// The sequences of a settled configuration. FV_USAGE where they are not those any more, or do not fit
// its other fields.
fv_status file_get(const fv_task_config *config, const sequence_file **file, fv_error *error);

// Its test sequences first ... first + n - 1 as rows, from the start again behind the last; training's
// where there are no test sequences.
fv_status file_test_rows(const fv_task_config *config, uint64_t first, int n, int32_t *rows,
                         fv_error *error);

#endif
