#include "ranks/context_ranks.h"

#include "fleet/parcel.h"
#include "tool.h"

#include <fovea/config.h>
#include <fovea/study.h>
#include <fovea/train.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT = 0 };

// --- what is asked for ---------------------------------------------------------------------------

static int most_of(const fv_experiment *e) {
    int most = 1;
    for (int i = 0; i < e->n_runs; i++) {
        fv_config config;
        fv_experiment_config(e, i, &config);
        if (config.train.context_ranks > most) most = config.train.context_ranks;
    }
    return most;
}

int context_ranks_asked(int argc, char **argv) {
    const char **overrides = calloc((size_t)argc + 1, sizeof *overrides);
    int n = 0, most = 1;
    if (overrides == NULL) return 1;
    for (int i = 1; i < argc; i++)
        if (argv[i][0] != '-' && strchr(argv[i], '=') != NULL) overrides[n++] = argv[i];
    for (int i = 1; i < argc && most == 1; i++) {
        fv_study *s = NULL;
        fv_error ignored;
        if (argv[i][0] == '-' || strchr(argv[i], '=') != NULL) continue;
        if (fv_study_read(argv[i], overrides, n, true, &s, &ignored) == FV_OK)
            most = most_of(s->experiment);
        fv_study_free(s);
    }
    free(overrides);
    return most;
}

// --- messages ------------------------------------------------------------------------------------

// MPI ends the group where a message cannot be sent.
static void send_to(const fv_ring_transport *t, int rank, const void *data, size_t size) {
    t->send(t->context, SLOT, rank, data, size, NULL);
    t->wait_send(t->context, SLOT, NULL);
}

static void take_from(const fv_ring_transport *t, int rank, void *data, size_t size) {
    t->receive(t->context, SLOT, rank, data, size, NULL);
    t->wait_receive(t->context, SLOT, NULL);
}

// To all others; nothing sends them home.
static void tell_all(const fv_ring_transport *t, const char *order) {
    uint64_t size = order != NULL ? strlen(order) + 1 : 0;
    for (int rank = 1; rank < t->n_ranks; rank++) {
        send_to(t, rank, &size, sizeof size);
        if (size > 0) send_to(t, rank, order, size);
    }
}

// --- runs ----------------------------------------------------------------------------------------

// One that is alone in failing cannot tell the others: the group ends.
static void end_if_alone(ring_group *g, fv_status status, const fv_error *error) {
    if (status == FV_OK || status == FV_USAGE || status == FV_INTERRUPTED) return;
    int code = tool_fail(error);
    ring_group_abort(g, code);
}

fv_status context_ranks_train(void *context, int worker, const fv_config *config,
                              const fv_probe *const *probes, int n_probes,
                              const volatile int *interrupted, fv_record *record, fv_error *error) {
    (void)worker;
    context_ranks *r = context;
    fv_ring_transport t = ring_group_transport(r->group);
    fv_ranks_report report = {0};
    char *order = parcel_order(config, NULL, 0);
    if (order == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for an order");
    tell_all(&t, order);
    free(order);
    const fv_run_options options = {.n_threads = 1,
                                    .probes = probes,
                                    .n_probes = n_probes,
                                    .interrupted = interrupted,
                                    .ranks = &t,
                                    .ranks_report = &report};
    fv_status status = fv_run(config, &options, record, error);
    end_if_alone(r->group, status, error);
    double waited = ring_group_largest(r->group, report.wait_seconds);
    double bytes = ring_group_largest(r->group, (double)report.bytes_sent);
    if (status != FV_OK) return status;
    r->steps += record->steps;
    r->seconds += 1e-6 * record->us_per_step * record->steps;
    r->waited += waited;
    r->bytes += bytes;
    return FV_OK;
}

static void obey(ring_group *g, const fv_ring_transport *t, char *order) {
    fv_config config;
    fv_record record;
    fv_error error = {0};
    fv_ranks_report report = {0};
    int n_probes;
    fv_record_init(&record);
    fv_status status = parcel_read_order(order, &config, NULL, &n_probes, &error);
    if (status != FV_OK) { // it computes otherwise than rank 0
        ring_group_abort(g, tool_fail(&error));
        return;
    }
    const fv_run_options options = {
        .n_threads = 1, .interrupted = &tool_interrupted, .ranks = t, .ranks_report = &report};
    status = fv_run(&config, &options, &record, &error);
    end_if_alone(g, status, &error);
    ring_group_largest(g, report.wait_seconds);
    ring_group_largest(g, (double)report.bytes_sent);
    fv_record_free(&record);
}

int context_ranks_serve(ring_group *g) {
    fv_ring_transport t = ring_group_transport(g);
    tool_catch_interrupts();
    for (;;) {
        uint64_t size = 0;
        take_from(&t, 0, &size, sizeof size);
        if (size == 0) return EXIT_DONE;
        char *order = malloc(size);
        if (order == NULL) {
            ring_group_abort(g, tool_no_memory());
            return EXIT_FAILED;
        }
        take_from(&t, 0, order, size);
        obey(g, &t, order);
        free(order);
    }
}

void context_ranks_end(context_ranks *r, bool quiet) {
    fv_ring_transport t = ring_group_transport(r->group);
    tell_all(&t, NULL);
    if (quiet || r->steps == 0) return;
    tool_note(
        "fovea: sequences on %d ranks: %.1f us a step, of which the ranks waited for each other "
        "%.1f us at most; a rank sent %.0f bytes a step at most",
        t.n_ranks, 1e6 * r->seconds / r->steps, 1e6 * r->waited / r->steps, r->bytes / r->steps);
}
