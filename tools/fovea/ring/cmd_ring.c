// `fovea ring`: attention over a sequence that lies on many processes, checked against one.
#include "options.h"
#include "quantity.h"
#include "ring/ring_view.h"
#include "tool.h"
#include "verbs.h"

#include <fovea/whole_file.h>
#include <inttypes.h>
#include <string.h>

typedef struct ring_options {
    const char *n, *layout, *mask, *timeline, *forecast, *forecast_n;
    int heads, kv_heads, d_head, window, sinks, threads, repeats;
    double latency, bandwidth;
    bool backward, no_check, json;
} ring_options;

static bool read_positions(const char *text, int64_t *n) {
    uint64_t value;
    if (!quantity_read(text, false, &value) || value < 1 || value > INT64_MAX / 4) return false;
    *n = (int64_t)value;
    return true;
}

// Before minutes of work: a picture that is asked for has a name that can be drawn.
static bool is_picture(const char *path) {
    const char *ending = path != NULL ? strrchr(path, '.') : ".svg";
    return ending != NULL && (strcmp(ending, ".svg") == 0 || strcmp(ending, ".png") == 0);
}

// Fills the request; a mistake is a message in `error`, which only one rank prints.
static fv_status read_request(const ring_options *o, ring_request *r, int64_t *forecast_n,
                              fv_error *error) {
    fv_attention_config *a = &r->config.attention;
    fv_attention_config_init(a);
    if (!read_positions(o->n, &a->n_key))
        return fv_fail(error, FV_USAGE,
                       "ring: --n must be a number of positions as in 65536, 64k (64,000) or 64Ki "
                       "(65,536), not '%s'",
                       o->n);
    if (!read_positions(o->forecast_n, forecast_n) || *forecast_n < RING_FORECAST_RANKS)
        return fv_fail(error, FV_USAGE,
                       "ring: --forecast-n must be a number of positions, at least one for each of "
                       "%d ranks, not '%s'",
                       RING_FORECAST_RANKS, o->forecast_n);
    if (!is_picture(o->timeline) || !is_picture(o->forecast))
        return fv_fail(error, FV_USAGE, "ring: the picture %s must be called NAME.svg or NAME.png",
                       is_picture(o->timeline) ? o->forecast : o->timeline);
    if (!fv_ring_layout_find(o->layout, &r->config.layout))
        return fv_fail(error, FV_USAGE,
                       "ring: there is no layout '%s'; there are contiguous, striped and zigzag",
                       o->layout);
    if (strcmp(o->mask, "causal") != 0 && strcmp(o->mask, "full") != 0)
        return fv_fail(error, FV_USAGE, "ring: --mask must be causal or full, not '%s'", o->mask);
    if (o->latency > 0 && o->bandwidth <= 0)
        return fv_fail(error, FV_USAGE,
                       "ring: --link-us %g is of a network whose speed --link-gbps must say",
                       o->latency);
    a->n_query = a->n_key;
    a->n_head = o->heads;
    a->n_kv_head = o->kv_heads ? o->kv_heads : o->heads;
    a->d_head = o->d_head;
    a->n_threads = o->threads;
    a->mask.causal = strcmp(o->mask, "causal") == 0;
    a->mask.window = o->window;
    a->mask.sinks = o->sinks;
    r->config.gradients = o->backward;
    r->repeats = o->repeats;
    r->check = !o->no_check;
    r->latency = 1e-6 * o->latency;
    r->link_bandwidth = 1e9 * o->bandwidth;
    return FV_OK;
}

static fv_status show(const ring_options *o, const ring_request *request,
                      const ring_outcome *outcome, int64_t forecast_n, int *exit_code,
                      fv_error *error) {
    fv_status status;
    if (o->json) {
        json_t *object;
        status = ring_json(request, outcome, &object, error);
        if (status == FV_OK) *exit_code = tool_print_json(object);
    } else {
        status = ring_print(request, outcome, error);
    }
    if (status == FV_OK && o->timeline != NULL)
        status = ring_draw_timeline(request, outcome, o->timeline, error);
    if (status == FV_OK && o->forecast != NULL)
        status = ring_draw_scaling(request, outcome, forecast_n, o->forecast, error);
    return status;
}

static bool is_wrong(const ring_outcome *outcome) {
    for (int t = RING_O; t < RING_TENSORS; t++)
        if (!(outcome->errors[t] <= 1e-5)) return true;
    return false;
}

// That the figures can be written, before there is something to draw.
static fv_status check_files(const ring_options *o, fv_error *error) {
    fv_status status = o->timeline != NULL ? fv_whole_file_check(o->timeline, error) : FV_OK;
    if (status == FV_OK && o->forecast != NULL) status = fv_whole_file_check(o->forecast, error);
    return status;
}

static int run(const ring_options *o, ring_group *group) {
    ring_request request = {0};
    ring_outcome outcome = {0};
    fv_error error = {0};
    int64_t forecast_n = 0;
    int exit_code = EXIT_DONE;
    bool first = ring_group_transport(group).rank == 0;
    fv_status status = read_request(o, &request, &forecast_n, &error);
    // Of several ranks one may lack the folder, and they could not agree to end.
    if (status == FV_OK && ring_group_transport(group).n_ranks == 1)
        status = check_files(o, &error);
    if (status == FV_OK) status = ring_run(&request, group, &outcome, &error);
    if (status == FV_OK && first)
        status = show(o, &request, &outcome, forecast_n, &exit_code, &error);
    if (status == FV_OK && first && is_wrong(&outcome)) {
        status = fv_fail(&error, FV_INTERRUPTED,
                         "ring: the ranks' result differs from that of one process by more than "
                         "1e-5 of its largest number");
    }
    if (status != FV_OK) {
        // What is wrong is wrong on all ranks: one speaks.
        exit_code = first ? tool_fail(&error) : error.status == FV_USAGE ? EXIT_USAGE : EXIT_FAILED;
    }
    ring_outcome_free(&outcome);
    return exit_code;
}

int cmd_ring(int argc, char **argv) {
    ring_options o = {.n = "65536",
                      .layout = "zigzag",
                      .mask = "causal",
                      .forecast_n = "1Mi",
                      .heads = 1,
                      .d_head = 64,
                      .threads = 1,
                      .repeats = 3};
    const tool_option options[] = {
        OPTION_TEXT("n", &o.n, "N", "positions: 65536, 64k or 64Ki (65536)"),
        OPTION_INT("heads", &o.heads, "H", 1, 65536, "heads (1)"),
        OPTION_INT("kv-heads", &o.kv_heads, "K", 1, 65536, "heads of keys and values (as heads)"),
        OPTION_INT("d-head", &o.d_head, "D", 1, 1024, "width of a head (64)"),
        OPTION_TEXT("layout", &o.layout, "NAME", "contiguous, striped or zigzag (zigzag)"),
        OPTION_TEXT("mask", &o.mask, "causal|full", "which keys a query sees (causal)"),
        OPTION_INT("window", &o.window, "W", 0, 1e9, "and of those only the last W"),
        OPTION_INT("sinks", &o.sinks, "S", 0, 1e6, "and the first S"),
        OPTION_FLAG("backward", &o.backward, "gradients too"),
        OPTION_INT("threads", &o.threads, "T", 1, 1024, "of each rank (1)"),
        OPTION_INT("repeats", &o.repeats, "R", 1, 1000,
                   "timed passes, of which the best counts (3)"),
        OPTION_FLAG("no-check", &o.no_check,
                    "do not compare with one process, which needs the whole sequence at rank 0"),
        OPTION_REAL("link-gbps", &o.bandwidth, "X", 0, 1e6,
                    "emulate a network of X GB/s into each rank"),
        OPTION_REAL("link-us", &o.latency, "X", 0, 1e9, "and of X microseconds a message"),
        OPTION_TEXT("timeline", &o.timeline, "FILE.svg", "draw what each rank did when"),
        OPTION_TEXT("forecast", &o.forecast, "FILE.svg",
                    "draw the model's time for 8 to 1024 ranks"),
        OPTION_TEXT("forecast-n", &o.forecast_n, "N", "positions of the forecast (1Mi)"),
        OPTION_FLAG("json", &o.json, "one JSON object on stdout"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "ring [options], under mpirun",
        .about = "Ring attention: each process holds a share of queries, keys and values, and keys "
                 "and values travel from process to process. Prints times, bytes sent, memory and "
                 "work of each, and compares the result with that of one process.",
        .example = "mpirun -n 2 fovea ring --n 65536 --heads 2 --d-head 64 --backward\n"
                   "mpirun -n 8 --oversubscribe fovea ring --n 10001 --layout striped --json"};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    ring_group *group;
    exit_code = ring_group_join(false, &group);
    if (exit_code != EXIT_DONE) return exit_code;
    exit_code = run(&o, group);
    ring_group_leave(group);
    return exit_code;
}
