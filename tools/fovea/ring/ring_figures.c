#include "ring/ring_view.h"

#include <fovea/chart.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// --- the timeline --------------------------------------------------------------------------------

enum { N_ACTIVITIES = 3 };

static const char *const ACTIVITIES[N_ACTIVITIES] = {
    [FV_RING_COMPUTES] = "computes",
    [FV_RING_WAITS] = "waits for messages",
    [FV_RING_TRAVELS] = "keys and values on their way",
};

// The spans of one activity, as bars: two rows a rank, below each other.
typedef struct bars {
    double *from, *to;
    int *row;
    int n;
} bars;

static bool allocate_bars(bars *b, size_t n) {
    *b = (bars){calloc(n, sizeof *b->from), calloc(n, sizeof *b->to), calloc(n, sizeof *b->row), 0};
    return b->from != NULL && b->to != NULL && b->row != NULL;
}

static void free_bars(bars *b) {
    free(b->from);
    free(b->to);
    free(b->row);
}

static void fill(const ring_outcome *o, fv_ring_activity activity, bars *b) {
    for (int r = 0; r < o->n_ranks; r++)
        for (int i = 0; i < o->members[r].n_spans; i++) {
            const fv_ring_span *span = &o->members[r].spans[i];
            if (span->activity != activity) continue;
            b->from[b->n] = 1e3 * span->from;
            b->to[b->n] = 1e3 * span->to;
            b->row[b->n++] = 2 * r + (activity == FV_RING_TRAVELS);
        }
}

static fv_status draw_bars(const ring_request *request, const ring_outcome *o, const bars *all,
                           const char *const *rows, const char *path, fv_error *error) {
    char title[160], note[200];
    fv_chart_bars series[N_ACTIVITIES];
    const fv_attention_config *a = &request->config.attention;
    for (int i = 0; i < N_ACTIVITIES; i++)
        series[i] = (fv_chart_bars){ACTIVITIES[i], all[i].n, all[i].from, all[i].to, all[i].row};
    snprintf(title, sizeof title, "%s ring, %" PRId64 " positions, %d ranks%s",
             fv_ring_layout_name(request->config.layout), a->n_key, o->n_ranks,
             request->config.gradients ? ", forward and backward" : "");
    char network[100] = "MPI over shared memory copies a message when it is waited for";
    if (request->link_bandwidth > 0)
        snprintf(network, sizeof network, "an emulated network of %g GB/s and %g µs a message",
                 request->link_bandwidth / 1e9, request->latency * 1e6);
    snprintf(note, sizeof note,
             "%.0f %% of the time of a forward pass's messages passed while ranks computed; %s",
             100 * ring_hidden_share(o), network);
    const fv_chart_panel panel = {.xlabel = "milliseconds",
                                  .bars = series,
                                  .n_bars = N_ACTIVITIES,
                                  .rows = rows,
                                  .n_rows = 2 * o->n_ranks};
    const fv_chart chart = {.title = title,
                            .note = o->n_ranks > 1 ? note : NULL,
                            .panels = &panel,
                            .n_panels = 1,
                            .panel_width = 620,
                            .panel_height = 40 + 34.0 * o->n_ranks};
    return fv_chart_draw_file(&chart, path, error);
}

fv_status ring_draw_timeline(const ring_request *request, const ring_outcome *o, const char *path,
                             fv_error *error) {
    bars all[N_ACTIVITIES] = {{0}};
    size_t most = (size_t)o->n_ranks * RING_MAX_SPANS;
    const char **rows = calloc(2 * (size_t)o->n_ranks, sizeof *rows);
    char(*names)[24] = calloc((size_t)o->n_ranks, sizeof *names);
    bool done = rows != NULL && names != NULL;
    for (int i = 0; i < N_ACTIVITIES; i++) done = allocate_bars(&all[i], most) && done;
    for (int r = 0; done && r < o->n_ranks; r++) {
        snprintf(names[r], sizeof names[r], "rank %d", r);
        rows[2 * r] = names[r];
        rows[2 * r + 1] = "";
    }
    fv_status status = FV_OK;
    for (int i = 0; done && i < N_ACTIVITIES; i++) fill(o, (fv_ring_activity)i, &all[i]);
    if (done)
        status = draw_bars(request, o, all, rows, path, error);
    else
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for a timeline");
    for (int i = 0; i < N_ACTIVITIES; i++) free_bars(&all[i]);
    free(rows);
    free(names);
    return status;
}

// --- more ranks ----------------------------------------------------------------------------------

enum { FIRST_RANKS = 8, N_SIZES = 8 };

// The networks that the model is asked about, one panel each behind the panel of seconds.
enum { AS_HERE, ETHERNET, HIDDEN, N_NETWORKS };
static const char *const NETWORKS[N_NETWORKS] = {
    [AS_HERE] = "messages as measured here",
    [ETHERNET] = "10 Gbit/s, 20 µs, nothing hidden",
    [HIDDEN] = "10 Gbit/s, 20 µs, hidden",
};

static fv_ring_machine machine_of(const ring_request *request, const ring_outcome *o, int network) {
    fv_ring_machine machine = ring_machine(request, o);
    if (network == AS_HERE) return machine;
    machine.latency = 20e-6;
    machine.bytes_per_second = 1.1e9;
    machine.hides = network == HIDDEN;
    return machine;
}

typedef struct scaling {
    double ranks[N_SIZES];
    double seconds[FV_RING_LAYOUT_COUNT][N_SIZES]; // as here
    double ideal[N_SIZES];
    double share[N_NETWORKS][FV_RING_LAYOUT_COUNT][N_SIZES]; // ideal of seconds, per cent
} scaling;

static fv_status predict_all(const ring_request *request, const ring_outcome *o, int64_t n,
                             scaling *s, fv_error *error) {
    fv_ring_config config = request->config;
    config.attention.n_query = config.attention.n_key = n;
    config.attention.n_threads = 1;
    for (int network = 0; network < N_NETWORKS; network++)
        for (int l = 0; l < FV_RING_LAYOUT_COUNT; l++)
            for (int i = 0, ranks = FIRST_RANKS; ranks <= RING_FORECAST_RANKS; i++, ranks *= 2) {
                fv_ring_forecast f;
                fv_ring_machine machine = machine_of(request, o, network);
                config.layout = (fv_ring_layout)l;
                fv_status status = fv_ring_predict(&config, ranks, &machine, &f, error);
                if (status != FV_OK) return status;
                if (network == AS_HERE) s->seconds[l][i] = f.seconds;
                s->ranks[i] = ranks;
                s->ideal[i] = f.ideal_seconds;
                s->share[network][l][i] = 100 * f.ideal_seconds / f.seconds;
            }
    return FV_OK;
}

static fv_chart_line layout_line(const scaling *s, int layout, const double *y) {
    return (fv_chart_line){.label = fv_ring_layout_name((fv_ring_layout)layout),
                           .style = FV_CHART_POINTS,
                           .n = N_SIZES,
                           .x = s->ranks,
                           .y = y};
}

static fv_status draw_scaling(const ring_request *request, const ring_outcome *o, int64_t n,
                              const scaling *s, const char *path, fv_error *error) {
    char title[160], note[240];
    fv_chart_line seconds[FV_RING_LAYOUT_COUNT + 1], shares[N_NETWORKS][FV_RING_LAYOUT_COUNT];
    fv_chart_panel panels[1 + N_NETWORKS];
    fv_ring_machine machine = ring_machine(request, o);
    for (int l = 0; l < FV_RING_LAYOUT_COUNT; l++) seconds[l] = layout_line(s, l, s->seconds[l]);
    seconds[FV_RING_LAYOUT_COUNT] = (fv_chart_line){"work shared evenly, no messages",
                                                    FV_CHART_DASHED, N_SIZES, s->ranks, s->ideal};
    panels[0] = (fv_chart_panel){.title = NETWORKS[AS_HERE],
                                 .xlabel = "ranks",
                                 .ylabel = "seconds",
                                 .xlog = true,
                                 .ylog = true,
                                 .lines = seconds,
                                 .n_lines = FV_RING_LAYOUT_COUNT + 1};
    for (int k = 0; k < N_NETWORKS; k++) {
        for (int l = 0; l < FV_RING_LAYOUT_COUNT; l++)
            shares[k][l] = layout_line(s, l, s->share[k][l]);
        panels[1 + k] = (fv_chart_panel){.title = NETWORKS[k],
                                         .xlabel = "ranks",
                                         .ylabel = "% of the ideal speed",
                                         .xlog = true,
                                         .from_zero = true,
                                         .lines = shares[k],
                                         .n_lines = FV_RING_LAYOUT_COUNT};
    }
    snprintf(title, sizeof title, "A model of the ring: %" PRId64 " positions%s", n,
             request->config.gradients ? ", forward and backward" : ", forward");
    snprintf(note, sizeof note,
             "%" PRId64 " head%s of %" PRId64 "; measured here: %.0f GFLOP/s a rank, %.2g µs a "
             "message, %.2g GB/s",
             request->config.attention.n_head, request->config.attention.n_head == 1 ? "" : "s",
             request->config.attention.d_head, machine.flops / 1e9, 1e6 * machine.latency,
             machine.bytes_per_second / 1e9);
    const fv_chart chart = {
        .title = title, .note = note, .panels = panels, .n_panels = 1 + N_NETWORKS};
    return fv_chart_draw_file(&chart, path, error);
}

fv_status ring_draw_scaling(const ring_request *request, const ring_outcome *o, int64_t n,
                            const char *path, fv_error *error) {
    scaling s = {.ranks = {0}};
    fv_status status = predict_all(request, o, n, &s, error);
    return status == FV_OK ? draw_scaling(request, o, n, &s, path, error) : status;
}
