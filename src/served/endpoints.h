// The addresses at which one model is served, which share its work.
#ifndef FOVEA_SERVED_ENDPOINTS_H
#define FOVEA_SERVED_ENDPOINTS_H

#include "served/address.h"
#include "served/server_name.h"

#include <fovea/eval.h>

typedef struct endpoint {
    const char *given; // as the options have it
    address at;
    server_told server; // what it says of itself
    double gate;        // nothing starts there before: it asked for a pause
    int n_in_flight;
    int n_failed; // in a row
    bool out;     // nothing is asked there any more; never true of all
} endpoint;

typedef struct endpoints {
    endpoint *items;
    int n;
    char *names; // their identities, with commas
} endpoints;

// Reads the addresses of the options. FV_USAGE for one that is none, or given twice.
fv_status endpoints_read(const fv_served_options *o, endpoints *e, fv_error *error);
void endpoints_free(endpoints *e);

// Leaves out those that do not answer, where others do, and says so.
void endpoints_drop_dead(endpoints *e, const fv_served_options *o);

// The one that is asked first, about lengths too: ready if any is.
endpoint *endpoints_first(const endpoints *e);

// The one with the fewest requests in flight, not `but` if there is another. One more counts as in
// flight there until endpoint_leave.
endpoint *endpoints_take(endpoints *e, const endpoint *but);
void endpoint_leave(endpoint *end);

// Counts a request that failed by its server's fault, for good (`hopeless`) or perhaps not; whether
// others are left that may be asked in its place. One that fails again and again is left out.
bool endpoint_failed(endpoints *e, endpoint *end, bool hopeless, const char *why,
                     const fv_served_options *o);

#endif
