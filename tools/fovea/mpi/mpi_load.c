// The module lies beside the program in a build folder, and among the libraries where the program is
// installed, as seen from the program: an installed tree may be moved.
#include "mpi/mpi_calls.h"

#include <dlfcn.h>
#include <fovea/machine.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODULE "fovea-mpi.so"

static const char *const PLACES[] = {"", FOVEA_MODULE_DIR};
static char reason[PATH_MAX + 256];

// The module's path in one of its places; false where no file is there.
static bool find_module(char path[PATH_MAX]) {
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        int n = snprintf(path, PATH_MAX, "%s/%s%s", program, PLACES[i], MODULE);
        if (n < PATH_MAX && access(path, R_OK) == 0) return true;
    }
    return false;
}

// An MPI opens parts of its own that look for the names of its libraries: they are made global.
static const mpi_calls *open_module(const char *path) {
    void *module = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    const mpi_calls *calls = module != NULL ? dlsym(module, MPI_CALLS_SYMBOL) : NULL;
    if (calls == NULL) {
        snprintf(
            reason, sizeof reason,
            "MPI cannot be loaded (%.300s); install the MPI that %.300s was built with, such as "
            "the package openmpi-bin",
            dlerror(), path);
        return NULL;
    }
    if (strcmp(calls->version, fv_version()) == 0) return calls;
    snprintf(reason, sizeof reason,
             "%.300s is of Fovea %.20s, and this is %s; install them together", path,
             calls->version, fv_version());
    return NULL;
}

const mpi_calls *mpi_load(const char **why) {
    static const mpi_calls *calls;
    char path[PATH_MAX];
    *why = reason;
    if (calls == NULL && find_module(path)) {
        calls = open_module(path);
    } else if (calls == NULL) {
        snprintf(reason, sizeof reason,
                 "this fovea was built without MPI; install libopenmpi-dev and build it again");
    }
    return calls;
}
