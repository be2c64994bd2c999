#include "ring_view.h"

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

// All spans of an activity, as bars: two rows a rank, below each other.
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

static void fill(const ring_outcome *o, bars *all) {
    for (int r = 0; r < o->n_ranks; r++)
        for (int i = 0; i < o->members[r].n_spans; i++) {
            const fv_ring_span *span = &o->members[r].spans[i];
            bars *b = &all[span->activity];
            b->from[b->n] = 1e3 * span->from;
            b->to[b->n] = 1e3 * span->to;
            b->row[b->n++] = 2 * r + (span->activity == FV_RING_TRAVELS);
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
    snprintf(note, sizeof note,
             "%.0f %% of the time of a forward pass's messages passed while ranks computed%s",
             100 * ring_hidden_share(o),
             request->link_bandwidth > 0 ? ""
                                         : "; MPI over shared memory copies a message when it is "
                                           "waited for");
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
    if (done) fill(o, all);
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

enum { FIRST_RANKS = 8, LAST_RANKS = 1024, N_SIZES = 8, N_LINES = FV_RING_LAYOUT_COUNT + 1 };

typedef struct scaling {
    double ranks[N_SIZES];
    double seconds[2][N_LINES][N_SIZES]; // [messages as here, hidden][layout, then ideal]
} scaling;

static fv_status predict_all(const ring_request *request, const ring_outcome *o, int64_t n,
                             scaling *s, fv_error *error) {
    fv_status status = FV_OK;
    fv_ring_config config = request->config;
    config.attention.n_query = config.attention.n_key = n;
    config.attention.n_threads = 1;
    for (int hidden = 0; hidden < 2; hidden++)
        for (int l = 0; l < FV_RING_LAYOUT_COUNT; l++)
            for (int i = 0, ranks = FIRST_RANKS; ranks <= LAST_RANKS; i++, ranks *= 2) {
                fv_ring_forecast f;
                fv_ring_machine machine = ring_machine(request, o);
                if (hidden) machine.hides = true;
                config.layout = (fv_ring_layout)l;
                status = fv_ring_predict(&config, ranks, &machine, &f, error);
                if (status != FV_OK) return status;
                s->ranks[i] = ranks;
                s->seconds[hidden][l][i] = f.seconds;
                s->seconds[hidden][FV_RING_LAYOUT_COUNT][i] = f.ideal_seconds;
            }
    return status;
}

static fv_status draw_scaling(const ring_request *request, const ring_outcome *o, int64_t n,
                              const scaling *s, const char *path, fv_error *error) {
    char title[160], note[240];
    fv_chart_line lines[2][N_LINES];
    fv_chart_panel panels[2];
    fv_ring_machine machine = ring_machine(request, o);
    for (int p = 0; p < 2; p++) {
        for (int l = 0; l < N_LINES; l++) {
            bool ideal = l == FV_RING_LAYOUT_COUNT;
            lines[p][l] = (fv_chart_line){.label = ideal ? "work shared evenly, no messages"
                                                         : fv_ring_layout_name((fv_ring_layout)l),
                                          .style = ideal ? FV_CHART_DASHED : FV_CHART_POINTS,
                                          .n = N_SIZES,
                                          .x = s->ranks,
                                          .y = s->seconds[p][l]};
        }
        panels[p] = (fv_chart_panel){.title = p ? "messages travel while ranks compute"
                                                : "messages as measured here",
                                     .xlabel = "ranks",
                                     .ylabel = p ? NULL : "seconds",
                                     .xlog = true,
                                     .ylog = true,
                                     .lines = lines[p],
                                     .n_lines = N_LINES};
    }
    snprintf(title, sizeof title, "A model of the ring: %" PRId64 " positions%s", n,
             request->config.gradients ? ", forward and backward" : ", forward");
    snprintf(note, sizeof note,
             "%" PRId64 " heads of %" PRId64 ", from %.0f GFLOP/s a rank, %.2g s a message, "
             "%.2g GB/s",
             request->config.attention.n_head, request->config.attention.d_head,
             machine.flops / 1e9, machine.latency, machine.bytes_per_second / 1e9);
    const fv_chart chart = {
        .title = title, .note = note, .panels = panels, .n_panels = 2, .panel_width = 340};
    return fv_chart_draw_file(&chart, path, error);
}

fv_status ring_draw_scaling(const ring_request *request, const ring_outcome *o, int64_t n,
                            const char *path, fv_error *error) {
    scaling s = {.ranks = {0}};
    if (n < LAST_RANKS)
        return fv_fail(error, FV_USAGE,
                       "ring: a forecast for %d ranks needs at least as many positions, not "
                       "%" PRId64,
                       LAST_RANKS, n);
    fv_status status = predict_all(request, o, n, &s, error);
    return status == FV_OK ? draw_scaling(request, o, n, &s, path, error) : status;
}
