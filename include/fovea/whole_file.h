// Files of results appear whole or not at all: they are written under a temporary name in the same
// folder, brought to the disk, and renamed when they are complete.
#ifndef FOVEA_WHOLE_FILE_H
#define FOVEA_WHOLE_FILE_H

#include <fovea/status.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_whole_file {
    FILE *stream;    // write here
    char *path;      // the file's own name, behind symbolic links
    char *temporary; // NULL: `path` is no ordinary file (a pipe, /dev/null) and written directly
} fv_whole_file;

// Fails with FV_IO where the folder cannot be written or `path` names a folder.
FV_API fv_status fv_whole_file_open(fv_whole_file *file, const char *path, fv_error *error);

// With `good` puts the file in place; fails with FV_IO where anything could not be written. Without
// it, or after a failure, nothing is left. Thread-safe, as long as each thread has its own file.
FV_API fv_status fv_whole_file_close(fv_whole_file *file, int good, fv_error *error);

// Removes the temporary files that killed processes have left in the folder; those of a process
// that still lives stay.
FV_API void fv_folder_sweep(const char *folder);

// Whether fv_whole_file_open would succeed, for a caller with long work ahead. Sweeps the folder.
FV_API fv_status fv_whole_file_check(const char *path, fv_error *error);

// Makes a folder and those above it, sees that files can be made in it, and sweeps it. `database`
// is the name of the SQLite file that it is for, whose path must not be too long for SQLite, or
// NULL. Fails with FV_USAGE.
FV_API fv_status fv_folder_make(const char *folder, const char *database, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
