#include "fleet/fleet.h"

#include "tool.h"

#include <stdlib.h>

static bool is_many(const char *name) {
    const char *size = getenv(name);
    return size != NULL && atoi(size) > 1;
}

int fleet_join(fleet **out, bool *served) {
    *out = NULL;
    *served = false;
    if (!is_many("OMPI_COMM_WORLD_SIZE") && !is_many("PMI_SIZE")) return EXIT_DONE;
    return tool_usage_error("this fovea was built without MPI and runs as one process; install "
                            "libopenmpi-dev and build it again, or use --share");
}

int fleet_size(const fleet *f) {
    (void)f;
    return 1;
}

fv_status fleet_train(void *context, int worker, const fv_config *config,
                      const fv_probe *const *probes, int n_probes, const volatile int *interrupted,
                      fv_record *record, fv_error *error) {
    (void)context, (void)worker, (void)config, (void)probes, (void)n_probes;
    (void)interrupted, (void)record;
    return fv_fail(error, FV_USAGE, "there is no fleet to train on");
}

void fleet_leave(fleet *f, int exit_code) {
    (void)f;
    (void)exit_code;
}
