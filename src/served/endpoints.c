#include "served/endpoints.h"

#include "base/text.h"
#include "served/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENOUGH_FAILED = 3 }; // in a row, each with all its tries

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

// A server that this command has started is the same one whatever its port is.
static fv_status name_by_command(endpoint *end, const fv_served_options *o, fv_error *error) {
    char *name = text_copy(o->command);
    if (name == NULL) return no_memory(error);
    http_hide(o->key, name, strlen(name));
    free(end->at.identity);
    end->at.identity = name;
    return FV_OK;
}

static fv_status read_one(const fv_served_options *o, const char *given, endpoints *e,
                          fv_error *error) {
    endpoint *end = &e->items[e->n];
    end->given = given;
    fv_status status = address_read(given, strcmp(o->api, "chat") == 0, &end->at, error);
    if (status != FV_OK) return status;
    e->n++;
    for (int i = 0; i < e->n - 1; i++)
        if (strcmp(e->items[i].at.identity, end->at.identity) == 0)
            return fv_fail(error, FV_USAGE, "the endpoint %s is given twice; leave out one of them",
                           given);
    return o->command != NULL ? name_by_command(end, o, error) : FV_OK;
}

fv_status endpoints_read(const fv_served_options *o, endpoints *e, fv_error *error) {
    text_buffer names = {0};
    *e = (endpoints){.items = calloc((size_t)o->n_more_endpoints + 1, sizeof *e->items)};
    if (e->items == NULL) return no_memory(error);
    fv_status status = read_one(o, o->endpoint, e, error);
    for (int i = 0; i < o->n_more_endpoints && status == FV_OK; i++)
        status = read_one(o, o->more_endpoints[i], e, error);
    for (int i = 0; i < e->n && status == FV_OK; i++)
        text_add(&names, "%s%s", i > 0 ? ", " : "", e->items[i].at.identity);
    e->names = names.data;
    return status == FV_OK && names.failed ? no_memory(error) : status;
}

void endpoints_free(endpoints *e) {
    for (int i = 0; i < e->n; i++) address_free(&e->items[i].at);
    free(e->items);
    free(e->names);
    *e = (endpoints){0};
}

static void leave_out(endpoint *end, const char *why, const fv_served_options *o) {
    char text[512];
    end->out = true;
    snprintf(text, sizeof text, "%.200s is left out: %.200s; the other endpoints do its work",
             end->given, why);
    if (o->on_note != NULL) o->on_note(o->context, text);
}

void endpoints_drop_dead(endpoints *e, const fv_served_options *o) {
    bool any = false;
    for (int i = 0; i < e->n; i++) any |= e->items[i].server.answers;
    for (int i = 0; i < e->n && any; i++)
        if (!e->items[i].server.answers && !e->items[i].out)
            leave_out(&e->items[i], "it does not answer", o);
}

endpoint *endpoints_first(const endpoints *e) {
    endpoint *first = NULL;
    for (int i = 0; i < e->n; i++)
        if (!e->items[i].out &&
            (first == NULL || (!first->server.ready && e->items[i].server.ready)))
            first = &e->items[i];
    return first;
}

endpoint *endpoints_take(endpoints *e, const endpoint *but) {
    endpoint *idlest = NULL;
    for (int i = 0; i < e->n; i++) {
        endpoint *end = &e->items[i];
        if (end->out || end == but) continue;
        if (idlest == NULL || end->n_in_flight < idlest->n_in_flight) idlest = end;
    }
    if (idlest == NULL) idlest = endpoints_first(e);
    idlest->n_in_flight++;
    return idlest;
}

void endpoint_leave(endpoint *end) {
    end->n_in_flight--;
}

bool endpoint_failed(endpoints *e, endpoint *end, bool hopeless, const char *why,
                     const fv_served_options *o) {
    bool others = false;
    for (int i = 0; i < e->n; i++) others |= &e->items[i] != end && !e->items[i].out;
    end->n_failed++;
    if (others && !end->out && (hopeless || end->n_failed >= ENOUGH_FAILED)) leave_out(end, why, o);
    return others;
}
