#include "needle/asked_models.h"

#include "tool.h"

#include <string.h>

// Whether one endpoint belongs to each model.
static bool one_each(const asked_models *m) {
    return m->n > 1 && m->endpoints->n > 1;
}

static const char *label_of(const asked_models *m, int i) {
    return m->labels->n > 0 ? m->labels->items[i] : NULL;
}

// Two models under one label would be a table about neither.
static int check_different(const served_request *r, const asked_models *m) {
    for (int i = 0; i < m->n; i++)
        for (int k = 0; k < i; k++) {
            const char *label = label_of(m, i);
            if (label != NULL && strcmp(label, label_of(m, k)) == 0)
                return tool_usage_error("%s: --label %s is given to two models; give each its own",
                                        r->verb, label);
            if (label == NULL && !one_each(m) &&
                strcmp(m->names->items[i], m->names->items[k]) == 0)
                return tool_usage_error("%s: --model %s is given twice; leave out one of them",
                                        r->verb, m->names->items[i]);
        }
    return EXIT_DONE;
}

int asked_models_read(const served_request *r, asked_models *out) {
    asked_models m = {.n = r->models.n,
                      .names = &r->models,
                      .labels = &r->labels,
                      .endpoints = &r->endpoints,
                      .command = r->serve};
    int n_places = m.endpoints->n + (m.command != NULL);
    *out = m;
    if (n_places == 0 && m.n == 0) return served_refuse_nobody(r->verb);
    if (n_places == 0 || m.n == 0)
        return tool_usage_error(
            "%s: give the server with --endpoint URL and its model with --model "
            "NAME",
            r->verb);
    if (m.command != NULL && m.endpoints->n > 0)
        return tool_usage_error(
            "%s: --serve starts a server, --endpoint says where one runs; leave one of them out",
            r->verb);
    if (one_each(&m) && m.n != m.endpoints->n)
        return tool_usage_error(
            "%s: %d models and %d endpoints: give one --endpoint for all models, or one for each, "
            "or one model for all",
            r->verb, m.n, m.endpoints->n);
    if (m.labels->n > 0 && m.labels->n != m.n)
        return tool_usage_error("%s: %d models and %d labels: give one --label for each model",
                                r->verb, m.n, m.labels->n);
    if (m.n > 1 && r->predictions != NULL)
        return tool_usage_error(
            "%s: --predictions takes the answers of one model; give one --model", r->verb);
    if (m.n > 1 && (r->against != NULL || r->junit != NULL))
        return tool_usage_error("%s: --%s is about one model; give one --model", r->verb,
                                r->against != NULL ? "against" : "junit");
    return check_different(r, &m);
}

// Whether nothing is left to ask any of the models.
static bool are_stored(asked_models *m, const fv_served_options *o) {
    bool all = true;
    m->stored = true;
    for (int i = 0; i < m->n && all; i++) {
        fv_served_options one = *o;
        fv_error ignored; // is told when the model is asked
        asked_models_choose(m, i, &one);
        if (fv_served_stored(&one, &all, &ignored) != FV_OK) all = false;
    }
    return m->stored = all;
}

fv_status asked_models_start(asked_models *m, const fv_served_options *o, bool again,
                             fv_error *error) {
    if (m->command == NULL || (!again && are_stored(m, o))) return FV_OK;
    const fv_local_server_options options = {.command = m->command,
                                             .key = o->key,
                                             .timeout = o->timeout,
                                             .interrupted = o->interrupted,
                                             .on_note = o->on_note,
                                             .context = o->context};
    return fv_local_server_start(&options, &m->server, error);
}

fv_status asked_models_check(const asked_models *m, fv_error *error) {
    return m->server != NULL ? fv_local_server_check(m->server, error) : FV_OK;
}

void asked_models_stop(asked_models *m) {
    fv_local_server_stop(m->server);
    m->server = NULL;
}

void asked_models_choose(const asked_models *m, int i, fv_served_options *o) {
    bool shared = m->n == 1 && m->endpoints->n > 1;
    o->model = m->names->items[i];
    o->label = label_of(m, i);
    o->command = m->command;
    o->stored_only = m->stored;
    o->endpoint = m->stored           ? "http://localhost" // where nobody is asked
                  : m->server != NULL ? fv_local_server_endpoint(m->server)
                                      : m->endpoints->items[one_each(m) ? i : 0];
    o->more_endpoints = shared ? m->endpoints->items + 1 : NULL;
    o->n_more_endpoints = shared ? m->endpoints->n - 1 : 0;
}
