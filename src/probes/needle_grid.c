// The needle's grid: accuracy by length and depth, for models of tasks that hide something at a
// depth (needle, needle_multi, kv_retrieval, position), on 128 held-out sequences a cell.
//
//   needle_grid.32[50]            sequences of 32 tokens, the answer half way: all targets right
//   needle_grid.within            mean over the cells of training lengths
//   needle_grid.within_lowest     the lowest of them
//   needle_grid.beyond            mean over the cells of longer lengths
//   needle_grid.start, .middle, .end
//                                 mean over depths 0 and 10, 40 to 60, 90 and 100 at the longest
//                                 training length
//
// Lengths are four from the shortest to the longest of training and four from there to
// context_length, those that are the same left out. Other tasks have no such series.
#include "probes/probes.h"
#include "probes/retrieval.h"
#include "probes/tensors.h"

#include <fovea/config.h>
#include <fovea/task.h>

typedef struct grid {
    grid_plan plan;
    double accuracy[FV_GRID_LENGTHS][FV_GRID_DEPTHS];
} grid;

static fv_status measure_cells(const fv_config *config, const float *params, grid *g,
                               fv_error *error) {
    fv_status status = FV_OK;
    retrieval_source from = {.seed = fv_task_seed(config)};
    for (int l = 0; l < g->plan.n_lengths; l++)
        for (int d = 0; d < FV_GRID_DEPTHS && status == FV_OK; d++) {
            probe_retrieval result = {0};
            status = retrieval_ask(config, params, g->plan.lengths[l], g->plan.depths[d], &from,
                                   FV_GRID_SAMPLES, NULL, &result, error);
            from.first += FV_GRID_SAMPLES;
            g->accuracy[l][d] = (double)result.found / FV_GRID_SAMPLES;
        }
    return status;
}

// The mean over lengths [from, to) and depths [low, high]; `lowest` may be NULL.
static double mean(const grid *g, int from, int to, double low, double high, double *lowest) {
    double sum = 0, least = 1;
    int n = 0;
    for (int l = from; l < to; l++)
        for (int d = 0; d < FV_GRID_DEPTHS; d++) {
            if (g->plan.depths[d] < low || g->plan.depths[d] > high) continue;
            sum += g->accuracy[l][d];
            if (g->accuracy[l][d] < least) least = g->accuracy[l][d];
            n++;
        }
    if (lowest) *lowest = least;
    return sum / n;
}

static fv_status add_cells(const grid *g, int step, fv_record *record, fv_error *error) {
    fv_status status = FV_OK;
    for (int l = 0; l < g->plan.n_lengths; l++)
        for (int d = 0; d < FV_GRID_DEPTHS && status == FV_OK; d++) {
            char name[FV_GRID_NAME];
            grid_name(g->plan.lengths[l], g->plan.depths[d], name);
            status = probe_add(record, "needle_grid", name, step, g->accuracy[l][d], error);
        }
    return status;
}

static fv_status add_summary(const grid *g, int step, fv_record *record, fv_error *error) {
    int n = g->plan.n_lengths, trained = g->plan.n_trained;
    double lowest, within = mean(g, 0, trained, 0, 100, &lowest);
    const struct {
        const char *name;
        double value;
    } found[] = {{"within", within},
                 {"within_lowest", lowest},
                 {"start", mean(g, trained - 1, trained, 0, 10, NULL)},
                 {"middle", mean(g, trained - 1, trained, 40, 60, NULL)},
                 {"end", mean(g, trained - 1, trained, 90, 100, NULL)}};
    fv_status status = FV_OK;
    for (size_t i = 0; i < sizeof found / sizeof *found && status == FV_OK; i++)
        status = probe_add(record, "needle_grid", found[i].name, step, found[i].value, error);
    if (n > trained && status == FV_OK)
        status = probe_add(record, "needle_grid", "beyond", step, mean(g, trained, n, 0, 100, NULL),
                           error);
    return status;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const fv_model *model = view->model;
    const float *params = view->params;
    int step = view->step;
    const fv_config *config = fv_model_config_of(model);
    grid g;
    grid_plan_make(&config->task, &g.plan);
    if (retrieval_check(config, g.plan.lengths[0], 0, error) != FV_OK) return FV_OK;
    fv_status status = measure_cells(config, params, &g, error);
    if (status == FV_OK) status = add_cells(&g, step, record, error);
    return status == FV_OK ? add_summary(&g, step, record, error) : status;
}

const fv_probe probe_needle_grid = {
    .name = "needle_grid",
    .help = "accuracy by length and depth of what the task hides, within the training lengths and "
            "beyond",
    .needs = "task: {name: needle, vocab_size: 32, context_length: 32}",
    .measure = measure,
};
