#include "ring/ring_view.h"

#include "quantity.h"
#include "table.h"
#include "tool.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const TENSOR_NAMES[RING_TENSORS] = {"q", "k", "v", "d_o", "o", "dq", "dk", "dv"};

// --- the model of this run -----------------------------------------------------------------------

fv_ring_machine ring_machine(const ring_request *request, const ring_outcome *outcome) {
    double compute = 0, bytes = 0;
    int n = outcome->n_ranks;
    for (int r = 0; r < n; r++) {
        const ring_member *m = &outcome->members[r];
        compute += m->forward.compute_seconds + m->backward.compute_seconds;
        bytes += (double)m->plan.forward_bytes / n;
    }
    // Backward counts as two and a half forwards, as in the model.
    double factor = request->config.gradients ? 3.5 : 1;
    fv_ring_machine machine = {.flops = factor * ring_flops(request, outcome, false) / compute,
                               .latency = outcome->message_latency,
                               .bytes_per_second = INFINITY,
                               .hides = n > 1 && ring_hidden_share(outcome) > 0.5};
    double moving = outcome->transfer_seconds - 2 * (n - 1) * machine.latency;
    if (bytes > 0 && moving > 0) machine.bytes_per_second = bytes / moving;
    return machine;
}

fv_status ring_forecast(const ring_request *request, const ring_outcome *outcome,
                        fv_ring_forecast *forecast, fv_error *error) {
    fv_ring_machine machine = ring_machine(request, outcome);
    return fv_ring_predict(&request->config, outcome->n_ranks, &machine, forecast, error);
}

// --- text ----------------------------------------------------------------------------------------

static double bytes_sent(const ring_member *m) {
    return (double)m->forward.bytes_sent + (double)m->backward.bytes_sent;
}

static double bytes_planned(const ring_request *request, const ring_member *m) {
    return (double)m->plan.forward_bytes +
           (request->config.gradients ? (double)m->plan.backward_bytes : 0);
}

static bool print_members(const ring_request *request, const ring_outcome *o) {
    static const char *const HEADERS[] = {"rank",      "rows",   "blocks",  "tiles",
                                          "compute s", "wait s", "sent MB", "formula MB",
                                          "memory MB", NULL};
    table t;
    table_init(&t, 9);
    table_add_texts(&t, HEADERS);
    for (int r = 0; r < o->n_ranks; r++) {
        const ring_member *m = &o->members[r];
        table_add(&t, "%d", r);
        table_add(&t, "%" PRId64, m->rows);
        table_add(&t, "%d", m->plan.n_steps);
        table_add(&t, "%" PRId64, m->forward.work.tiles + m->backward.work.tiles);
        table_add(&t, "%.4f", m->forward.compute_seconds + m->backward.compute_seconds);
        table_add(&t, "%.4f", m->forward.wait_seconds + m->backward.wait_seconds);
        table_add(&t, "%.3f", 1e-6 * bytes_sent(m));
        table_add(&t, "%.3f", 1e-6 * bytes_planned(request, m));
        table_add(&t, "%.1f", 1e-6 * m->memory);
    }
    bool done = table_print(&t, stdout);
    table_free(&t);
    return done;
}

static void print_times(const ring_request *request, const ring_outcome *o,
                        const fv_ring_forecast *forecast) {
    const char *what = request->config.gradients ? "forward and backward" : "forward";
    printf("%s: %.4f s", what, o->seconds);
    if (o->single_seconds > 0 && o->n_ranks > 1)
        printf("; one process %.4f s, so that %d ranks reach %.1f %% of %d times its speed",
               o->single_seconds, o->n_ranks, 100 * o->single_seconds / o->n_ranks / o->seconds,
               o->n_ranks);
    printf("\n");
    if (o->n_ranks > 1)
        printf("messages of a forward pass alone: %.4f s, of which %.0f %% passed while ranks "
               "computed\n",
               o->transfer_seconds, 100 * ring_hidden_share(o));
    printf("model from tile speed, latency and bandwidth: %.4f s (%+.1f %%)\n", forecast->seconds,
           100 * (forecast->seconds / o->seconds - 1));
    if (!request->check) return;
    printf("largest differences from one process, of the largest number:");
    for (int t = RING_O; t < RING_TENSORS; t++)
        if (request->config.gradients || t == RING_O)
            printf(" %s %.1e", TENSOR_NAMES[t], o->errors[t]);
    printf("\n");
}

fv_status ring_print(const ring_request *request, const ring_outcome *o, fv_error *error) {
    const fv_attention_config *a = &request->config.attention;
    fv_ring_forecast forecast;
    fv_status status = ring_forecast(request, o, &forecast, error);
    if (status != FV_OK) return status;
    printf("%" PRId64 " positions, %" PRId64 " head%s of %" PRId64 ", %s, on %d rank%s, %s\n\n",
           a->n_key, a->n_head, a->n_head == 1 ? "" : "s", a->d_head,
           a->mask.causal ? "causal" : "full", o->n_ranks, o->n_ranks == 1 ? "" : "s",
           fv_ring_layout_name(request->config.layout));
    if (!print_members(request, o))
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a table");
    printf("\n");
    print_times(request, o, &forecast);
    return FV_OK;
}

// --- JSON ----------------------------------------------------------------------------------------

static json_t *member_json(const ring_request *request, const ring_member *m, int rank) {
    return json_pack("{s:i, s:I, s:i, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:o}", "rank",
                     rank, "rows", (json_int_t)m->rows, "blocks", m->plan.n_steps, "pairs",
                     (json_int_t)m->forward.work.pairs, "tiles", (json_int_t)m->forward.work.tiles,
                     "tiles_backward", (json_int_t)m->backward.work.tiles, "bytes_sent",
                     (json_int_t)bytes_sent(m), "bytes_formula",
                     (json_int_t)bytes_planned(request, m), "seconds",
                     m->forward.seconds + m->backward.seconds, "compute_seconds",
                     m->forward.compute_seconds + m->backward.compute_seconds, "wait_seconds",
                     m->forward.wait_seconds + m->backward.wait_seconds, "buffer_bytes",
                     (json_int_t)m->plan.memory_bytes, "peak_bytes", tool_number_json(m->memory));
}

static json_t *errors_json(const ring_request *request, const ring_outcome *o) {
    if (!request->check) return json_null();
    json_t *errors = json_object();
    for (int t = RING_O; t < RING_TENSORS; t++)
        if (request->config.gradients || t == RING_O)
            json_object_set_new(errors, TENSOR_NAMES[t], tool_number_json(o->errors[t]));
    return errors;
}

fv_status ring_json(const ring_request *request, const ring_outcome *o, json_t **out,
                    fv_error *error) {
    const fv_attention_config *a = &request->config.attention;
    fv_ring_forecast forecast;
    *out = NULL;
    fv_status status = ring_forecast(request, o, &forecast, error);
    if (status != FV_OK) return status;
    fv_ring_machine machine = ring_machine(request, o);
    json_t *ranks = json_array();
    for (int r = 0; r < o->n_ranks; r++)
        json_array_append_new(ranks, member_json(request, &o->members[r], r));
    bool checked = request->check;
    *out = json_pack(
        "{s:I, s:I, s:I, s:s, s:s, s:I, s:b, s:i, s:f, s:f, s:o, s:o, s:f, s:o, s:f, s:f, s:f, "
        "s:o, s:o, s:o}",
        "n", (json_int_t)a->n_key, "heads", (json_int_t)a->n_head, "d_head", (json_int_t)a->d_head,
        "layout", fv_ring_layout_name(request->config.layout), "mask",
        a->mask.causal ? "causal" : "full", "window", (json_int_t)a->mask.window, "backward",
        request->config.gradients, "n_ranks", o->n_ranks, "seconds", o->seconds, "forward_seconds",
        o->forward_seconds, "single_seconds", checked ? json_real(o->single_seconds) : json_null(),
        "efficiency",
        checked ? json_real(o->single_seconds / o->n_ranks / o->seconds) : json_null(),
        "transfer_seconds", o->transfer_seconds, "hidden_share",
        o->n_ranks > 1 ? json_real(ring_hidden_share(o)) : json_null(), "forecast_seconds",
        forecast.seconds, "tile_flops", machine.flops, "latency_seconds", machine.latency,
        "bytes_per_second", tool_number_json(machine.bytes_per_second), "errors",
        errors_json(request, o), "ranks", ranks);
    return FV_OK;
}
