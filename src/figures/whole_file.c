#include "figures/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Temporary files are made for their owner's eyes only; results get the mode of ordinary files.
static void make_ordinary(int descriptor) {
    mode_t mask = umask(0);
    umask(mask);
    fchmod(descriptor, 0666 & ~mask);
}

static fv_status fail(const char *path, fv_error *error) {
    return fv_fail(error, FV_IO, "%s: cannot be written: %s", path, strerror(errno));
}

fv_status fv_whole_file_open(fv_whole_file *file, const char *path, fv_error *error) {
    *file = (fv_whole_file){.path = path};
    size_t size = strlen(path) + sizeof ".XXXXXX";
    file->temporary = malloc(size);
    if (file->temporary == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory while writing %s", path);
    snprintf(file->temporary, size, "%s.XXXXXX", path);
    int descriptor = mkstemp(file->temporary);
    if (descriptor < 0) {
        fv_status status = fail(path, error);
        free(file->temporary);
        return status;
    }
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    make_ordinary(descriptor);
    file->stream = fdopen(descriptor, "w");
    if (file->stream != NULL) return FV_OK;
    fv_status status = fail(path, error);
    close(descriptor);
    unlink(file->temporary);
    free(file->temporary);
    return status;
}

fv_status fv_whole_file_close(fv_whole_file *file, int good, fv_error *error) {
    fv_status status = FV_OK;
    bool written = !ferror(file->stream);
    written &= fclose(file->stream) == 0;
    if (good) written = written && rename(file->temporary, file->path) == 0;
    if (good && !written) status = fail(file->path, error);
    if (!good || !written) unlink(file->temporary);
    free(file->temporary);
    return status;
}
