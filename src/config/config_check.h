// The check of a whole configuration that also says which field to look at.
#ifndef CONFIG_CONFIG_CHECK_H
#define CONFIG_CONFIG_CHECK_H

#include <fovea/fields.h>

// What fv_config_check checks but for fields that are not read, which a sweep may have for its
// other runs (config/config_readers.h). *culprit receives the field that the message asks to
// change, NULL where none is wrong; readers of files turn it into a line.
fv_status config_check(const fv_config *config, const fv_field **culprit, fv_error *error);

// Replaces task.context_length 0 by the length of the task's sequences, where other fields leave
// only one. Other tasks keep the 0, which config_check refuses, as it refuses all that are not
// settled.
void config_settle_length(fv_task_config *task);

// Whether training measures a held-out set: where it can differ from what training draws, because
// that is a fixed set or repeats what held-out data does not.
bool config_has_test(const fv_task_config *task);

#endif
