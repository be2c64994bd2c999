#include "ring/ring_group.h"

#include "tool.h"

#include <stddef.h>

int ring_group_join(ring_group **out) {
    *out = NULL;
    return tool_usage_error("ring: this fovea was built without MPI, which connects the ranks; "
                            "install libopenmpi-dev and build it again (`fovea bench ring` runs "
                            "ranks as threads without it)");
}

// There is never a group, so that nothing below is called.

fv_ring_transport ring_group_transport(ring_group *g) {
    (void)g;
    return (fv_ring_transport){.n_ranks = 1};
}

void ring_group_meet(ring_group *g) {
    (void)g;
}

double ring_group_largest(ring_group *g, double number) {
    (void)g;
    return number;
}

void ring_group_give(ring_group *g, const void *data, size_t size) {
    (void)g, (void)data, (void)size;
}

void ring_group_take(ring_group *g, int rank, void *data, size_t size) {
    (void)g, (void)rank, (void)data, (void)size;
}

void ring_group_leave(ring_group *g) {
    (void)g;
}
