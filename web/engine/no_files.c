// A page has no files: task file, whose sequences lie in one, says so.
#include "tasks/sequence_file.h"

fv_status sequence_file_get(const char *path, const sequence_file **file, fv_error *error) {
    *file = NULL;
    return fv_fail(
        error, FV_NOT_FOUND,
        "task.path %.200s: a page reads no files of sequences; train this experiment with "
        "the fovea command",
        path);
}
