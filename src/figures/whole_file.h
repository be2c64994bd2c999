// Files that appear whole or not at all: written under a temporary name in the same folder, and
// renamed when they are complete.
#ifndef FOVEA_FIGURES_WHOLE_FILE_H
#define FOVEA_FIGURES_WHOLE_FILE_H

#include <fovea/status.h>
#include <stdio.h>

typedef struct fv_whole_file {
    const char *path;
    char *temporary;
    FILE *stream; // write here
} fv_whole_file;

// `path` must outlive the file.
fv_status fv_whole_file_open(fv_whole_file *file, const char *path, fv_error *error);

// With `good` puts the file in place; fails with FV_IO where anything could not be written. Without
// it, or after a failure, nothing is left.
fv_status fv_whole_file_close(fv_whole_file *file, int good, fv_error *error);

#endif
