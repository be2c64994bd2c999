// A page has no files: task file, whose sequences lie in one, and what begins with a checkpoint say so.
#include "lab/origin.h"
#include "tasks/sequence_file.h"
#include "train/rates.h"
#include "train/start.h"

#include <fovea/config.h>

fv_status sequence_file_get(const char *path, const sequence_file **file, fv_error *error) {
    *file = NULL;
    return fv_fail(
        error, FV_NOT_FOUND,
        "task.path %.200s: a page reads no files of sequences; train this experiment with "
        "the fovea command",
        path);
}

fv_status origin_settle(fv_config *config, fv_error *error) {
    if (config->train.from.value[0] == '\0') return FV_OK;
    return fv_fail(error, FV_NOT_FOUND,
                   "train.from %.200s: a page reads no checkpoints; train this experiment with the "
                   "fovea command",
                   config->train.from.value);
}

fv_status origin_check(const fv_config *config, const fv_field **culprit, fv_error *error) {
    return rates_check(config, NULL, culprit, error);
}

fv_status start_fill(const fv_config *config, const fv_model *model, float *params,
                     fv_error *error) {
    (void)model, (void)params;
    return fv_fail(error, FV_NOT_FOUND, "train.from %.200s: a page reads no checkpoints",
                   config->train.from.value);
}
