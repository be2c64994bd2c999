// A folder of a test's own, and the path of the one file that belongs in it.
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[40], path[96];

// A setup of cmocka's; 0 on success.
static inline int folder_make(const char *file) {
    strcpy(folder, "/tmp/fovea-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return 0;
}

// Fails where anything but the file was left behind: WAL files, locks, temporary files.
static inline int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

#endif
