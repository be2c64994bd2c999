#include "base/clock.h"

#include <fovea/ring.h>

#include <math.h>
#include <stdlib.h>
#include <time.h>

struct fv_ring_link {
    fv_ring_transport under;
    double latency, bytes_per_second;
    double free_at;              // when the last message has come in
    double ready[FV_RING_SLOTS]; // when the slot's message has
};

static void sleep_until(double when) {
    double seconds = when - clock_now();
    if (!(seconds > 0)) return;
    struct timespec left = {(time_t)seconds, (long)(1e9 * fmod(seconds, 1))};
    while (nanosleep(&left, &left) != 0) {
    }
}

fv_status fv_ring_link_create(const fv_ring_transport *transport, double latency,
                              double bytes_per_second, fv_ring_link **out, fv_error *error) {
    *out = NULL;
    if (!(latency >= 0) || !(bytes_per_second > 0))
        return fv_fail(error, FV_USAGE,
                       "ring: a link needs a latency of 0 s or more and a bandwidth above 0, not "
                       "%g s and %g bytes a second",
                       latency, bytes_per_second);
    fv_ring_link *link = calloc(1, sizeof *link);
    if (link == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a link");
    link->under = *transport;
    link->latency = latency;
    link->bytes_per_second = bytes_per_second;
    *out = link;
    return FV_OK;
}

void fv_ring_link_free(fv_ring_link *link) {
    free(link);
}

static fv_status link_send(void *context, int slot, int to, const void *data, size_t size,
                           fv_error *error) {
    fv_ring_link *link = context;
    return link->under.send(link->under.context, slot, to, data, size, error);
}

static fv_status link_receive(void *context, int slot, int from, void *data, size_t size,
                              fv_error *error) {
    fv_ring_link *link = context;
    link->free_at = fmax(link->free_at, clock_now()) + (double)size / link->bytes_per_second;
    link->ready[slot] = link->free_at + link->latency;
    return link->under.receive(link->under.context, slot, from, data, size, error);
}

static fv_status link_wait_send(void *context, int slot, fv_error *error) {
    fv_ring_link *link = context;
    return link->under.wait_send(link->under.context, slot, error);
}

static fv_status link_wait_receive(void *context, int slot, fv_error *error) {
    fv_ring_link *link = context;
    fv_status status = link->under.wait_receive(link->under.context, slot, error);
    if (status == FV_OK) sleep_until(link->ready[slot]);
    link->ready[slot] = 0;
    return status;
}

fv_ring_transport fv_ring_link_transport(fv_ring_link *link) {
    return (fv_ring_transport){.context = link,
                               .rank = link->under.rank,
                               .n_ranks = link->under.n_ranks,
                               .send = link_send,
                               .receive = link_receive,
                               .wait_send = link_wait_send,
                               .wait_receive = link_wait_receive};
}
