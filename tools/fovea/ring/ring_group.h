// The processes of a ring, started together by mpirun.
#ifndef FOVEA_TOOL_RING_GROUP_H
#define FOVEA_TOOL_RING_GROUP_H

#include <fovea/ring.h>

typedef struct ring_group ring_group;

// Joins the other processes; without an mpirun this is a group of one. Returns an exit code, after
// a message where it is not EXIT_DONE.
// With `threads` any one thread at a time may speak to the others.
int ring_group_join(bool threads, ring_group **out);
fv_ring_transport ring_group_transport(ring_group *g);

// Returns when every process is here. Processes that wait leave their core to those that work.
void ring_group_meet(ring_group *g);

// The largest of all processes' numbers, to all.
double ring_group_largest(ring_group *g, double number);

// Sends `size` bytes to rank 0, which takes them with receive, rank after rank.
void ring_group_give(ring_group *g, const void *data, size_t size);
void ring_group_take(ring_group *g, int rank, void *data, size_t size);

void ring_group_leave(ring_group *g);

// Ends all processes; does not return where MPI does as it should.
void ring_group_abort(ring_group *g, int exit_code);

#endif
