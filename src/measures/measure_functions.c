// The functions of measures. A new one is its body here and one line in the list.
#include "measures/measure.h"

#include "measures/plateau.h"
#include "model/layers.h"
#include "probes/angular.h"
#include "probes/linalg.h"

#include <fovea/task.h>
#include <fovea/train.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number_or(const measure_call *call, int i, double otherwise) {
    return i < call->n_numbers ? call->numbers[i] : otherwise;
}

// The points of a series between the numbers i and i + 1 of the call, inclusive; all by default.
typedef struct span {
    int first, end; // [first, end)
} span;

static span span_of(const measure_call *call, const fv_series *series, int i) {
    double from = number_or(call, i, -INFINITY), to = number_or(call, i + 1, INFINITY);
    span s = {0, series->n};
    while (s.first < s.end && series->steps[s.first] < from) s.first++;
    while (s.end > s.first && series->steps[s.end - 1] > to) s.end--;
    return s;
}

static double evaluate_initial(measure_call *call) {
    return call->series[0]->n > 0 ? call->series[0]->values[0] : NAN;
}

static double evaluate_final(measure_call *call) {
    const fv_series *s = call->series[0];
    return s->n > 0 ? s->values[s->n - 1] : NAN;
}

// Linear between the two points around `step`.
static double value_at(const fv_series *s, double step) {
    if (s->n == 0 || step < s->steps[0] || step > s->steps[s->n - 1]) return NAN;
    int i = 0;
    while (s->steps[i] < step) i++;
    if (s->steps[i] == step) return s->values[i];
    double share = (step - s->steps[i - 1]) / (s->steps[i] - s->steps[i - 1]);
    return s->values[i - 1] + share * ((double)s->values[i] - s->values[i - 1]);
}

static double evaluate_at(measure_call *call) {
    return value_at(call->series[0], call->numbers[0]);
}

static double evaluate_change(measure_call *call) {
    return value_at(call->series[0], call->numbers[1]) -
           value_at(call->series[0], call->numbers[0]);
}

// The index of the extreme point in the call's span; sign +1 for the highest. -1: no point.
static int extreme(const measure_call *call, double sign) {
    const fv_series *s = call->series[0];
    span range = span_of(call, s, 0);
    int best = -1;
    for (int i = range.first; i < range.end; i++)
        if (best < 0 || sign * s->values[i] > sign * s->values[best]) best = i;
    return best;
}

static double evaluate_lowest(measure_call *call) {
    int i = extreme(call, -1);
    return i < 0 ? NAN : call->series[0]->values[i];
}

static double evaluate_highest(measure_call *call) {
    int i = extreme(call, 1);
    return i < 0 ? NAN : call->series[0]->values[i];
}

static double evaluate_lowest_step(measure_call *call) {
    int i = extreme(call, -1);
    return i < 0 ? NAN : call->series[0]->steps[i];
}

static double evaluate_highest_step(measure_call *call) {
    int i = extreme(call, 1);
    return i < 0 ? NAN : call->series[0]->steps[i];
}

static double evaluate_mean(measure_call *call) {
    const fv_series *s = call->series[0];
    span range = span_of(call, s, 0);
    double sum = 0;
    for (int i = range.first; i < range.end; i++) sum += s->values[i];
    return range.end > range.first ? sum / (range.end - range.first) : NAN;
}

static double first_where(const measure_call *call, double sign) {
    const fv_series *s = call->series[0];
    for (int i = 0; i < s->n; i++)
        if (sign * (s->values[i] - call->numbers[0]) > 0) return s->steps[i];
    return NAN;
}

static double evaluate_first_below(measure_call *call) {
    return first_where(call, -1);
}

static double evaluate_first_above(measure_call *call) {
    return first_where(call, 1);
}

// The first point of those that lie on one side of a number until the series ends. A NaN lies on no
// side.
static double stays_where(const measure_call *call, double sign) {
    const fv_series *s = call->series[0];
    int first = s->n;
    while (first > 0 && sign * (s->values[first - 1] - call->numbers[0]) > 0) first--;
    return first < s->n ? s->steps[first] : NAN;
}

static double evaluate_emergence(measure_call *call) {
    return stays_where(call, 1);
}

static double evaluate_emergence_below(measure_call *call) {
    return stays_where(call, -1);
}

static double evaluate_last_above(measure_call *call) {
    const fv_series *s = call->series[0];
    for (int i = s->n - 1; i >= 0; i--)
        if (s->values[i] > call->numbers[0]) return s->steps[i];
    return NAN;
}

static double evaluate_count_above(measure_call *call) {
    const fv_series *s = call->series[0];
    span range = span_of(call, s, 1);
    int n = 0;
    for (int i = range.first; i < range.end; i++) n += s->values[i] > call->numbers[0];
    return n;
}

// Sums of squares and products about the means of x and y over the points of a series' span.
typedef struct moments {
    int n;
    double xx, xy, yy;
} moments;

static moments moments_of(const measure_call *call, bool against_step) {
    const fv_series *y = call->series[0], *other = call->series[1];
    span range = span_of(call, y, 0);
    moments m = {0};
    double mean_x = 0, mean_y = 0;
    for (int i = range.first; i < range.end; i++) { // Welford's update: one pass, no cancellation
        double x = against_step ? y->steps[i] : value_at(other, y->steps[i]);
        if (isnan(x)) continue;
        double dx = x - mean_x, dy = y->values[i] - mean_y;
        m.n++;
        mean_x += dx / m.n;
        mean_y += dy / m.n;
        m.xx += dx * (x - mean_x);
        m.xy += dx * (y->values[i] - mean_y);
        m.yy += dy * (y->values[i] - mean_y);
    }
    return m;
}

static double evaluate_slope(measure_call *call) {
    moments m = moments_of(call, true);
    return m.xx > 0 ? m.xy / m.xx : NAN;
}

static double evaluate_correlation(measure_call *call) {
    moments m = moments_of(call, false);
    return m.xx > 0 && m.yy > 0 ? m.xy / sqrt(m.xx * m.yy) : NAN;
}

static measure_plateau plateau_of(measure_call *call) {
    measure_plateau plateau = {0};
    double floor = number_or(call, 0, 1);
    if (!(floor > 0))
        call->problem = "the floor of a plateau must be above 0";
    else if (plateau_find(call->series[0], floor, &plateau) != FV_OK)
        call->problem = "out of memory";
    return plateau;
}

static double evaluate_plateau(measure_call *call) {
    measure_plateau plateau = plateau_of(call);
    return plateau.found ? plateau.height : NAN;
}

static double evaluate_plateau_length(measure_call *call) {
    measure_plateau plateau = plateau_of(call);
    return plateau.end - plateau.start;
}

static double evaluate_plateau_start(measure_call *call) {
    measure_plateau plateau = plateau_of(call);
    return plateau.found ? plateau.start : NAN;
}

static double evaluate_plateau_end(measure_call *call) {
    measure_plateau plateau = plateau_of(call);
    return plateau.found ? plateau.end : NAN;
}

static double evaluate_plateau_left(measure_call *call) {
    measure_plateau plateau = plateau_of(call);
    return plateau.found ? plateau.left : NAN;
}

// The parameters of a run from the step on at which it diverged are no numbers.
static const fv_snapshot *nearest_snapshot(const fv_record *record, double step) {
    const fv_snapshot *nearest = NULL;
    int diverged_at = fv_record_diverged_at(record);
    for (int i = 0; i < record->n_snapshots; i++) {
        const fv_snapshot *s = &record->snapshots[i];
        if (diverged_at >= 0 && s->step >= diverged_at) break;
        if (nearest == NULL || fabs(s->step - step) < fabs(nearest->step - step)) nearest = s;
    }
    return nearest;
}

// The tensor that the call names: where it lies in a snapshot, and its shape.
static bool find_tensor(measure_call *call, size_t *offset, int *rows, int *cols) {
    fv_model *model = NULL;
    const fv_config *config = call->record->config;
    if (config == NULL || fv_model_create(config, &model, NULL) != FV_OK) {
        call->problem = "the run's model cannot be made";
        return false;
    }
    const fv_tensor *tensor = fv_model_tensor(model, call->text);
    bool fits = tensor != NULL && tensor->offset + tensor->size <= call->record->n_params;
    if (fits) {
        *offset = tensor->offset;
        *rows = tensor->n_dims > 1 ? tensor->shape[0] : 1;
        *cols = tensor->shape[tensor->n_dims - 1];
    } else {
        call->problem = "the model has no such tensor; embed.W_E is one";
    }
    fv_model_free(model);
    return fits;
}

// Of rows i and j of the call's tensor, or of what they have moved by since `from` if that is
// given.
static double cosine_of_rows(measure_call *call, const fv_snapshot *from, const fv_snapshot *to) {
    size_t offset;
    int rows, cols;
    if (to == NULL || !find_tensor(call, &offset, &rows, &cols)) return NAN;
    double i = call->numbers[0], j = call->numbers[1];
    if (!(i >= 0 && j >= 0 && i < rows && j < rows)) {
        call->problem = "the rows of a cosine must lie inside the tensor";
        return NAN;
    }
    size_t at_a = offset + (size_t)i * cols, at_b = offset + (size_t)j * cols;
    double ab = 0, aa = 0, bb = 0;
    for (int c = 0; c < cols; c++) {
        double a = to->params[at_a + c], b = to->params[at_b + c];
        if (from != NULL) a -= from->params[at_a + c], b -= from->params[at_b + c];
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : NAN;
}

static double evaluate_cosine(measure_call *call) {
    return cosine_of_rows(call, NULL, nearest_snapshot(call->record, call->numbers[2]));
}

static double evaluate_motion_cosine(measure_call *call) {
    const fv_snapshot *from = nearest_snapshot(call->record, call->numbers[2]);
    const fv_snapshot *to = nearest_snapshot(call->record, call->numbers[3]);
    return from != to ? cosine_of_rows(call, from, to) : NAN;
}

static double rank_of_difference(const float *from, const float *to, int rows, int cols) {
    size_t n = (size_t)rows * cols;
    float *moved = malloc(n * sizeof *moved);
    if (moved == NULL) return -1;
    for (size_t i = 0; i < n; i++) moved[i] = to[i] - from[i];
    double rank = NAN;
    fv_status status = linalg_effective_rank(probe_matrix_of(moved, rows, cols), &rank, NULL);
    free(moved);
    return status == FV_OK ? rank : -1;
}

static double evaluate_motion_rank(measure_call *call) {
    size_t offset;
    int rows, cols;
    const fv_snapshot *from = nearest_snapshot(call->record, call->numbers[0]);
    const fv_snapshot *to = nearest_snapshot(call->record, call->numbers[1]);
    if (from == to || !find_tensor(call, &offset, &rows, &cols)) return NAN;
    double rank = rank_of_difference(from->params + offset, to->params + offset, rows, cols);
    if (rank < 0) call->problem = "out of memory";
    return rank;
}

// How unlike a circle the rows are: the standard deviation of their distances from their mean, over
// the mean distance.
static double evaluate_roundness(measure_call *call) {
    size_t offset;
    int rows, cols;
    const fv_snapshot *at = nearest_snapshot(call->record, call->numbers[0]);
    if (at == NULL || !find_tensor(call, &offset, &rows, &cols)) return NAN;
    const float *x = at->params + offset;
    double sum = 0, squares = 0;
    double *mean = calloc((size_t)cols, sizeof *mean);
    if (mean == NULL) {
        call->problem = "out of memory";
        return NAN;
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) mean[c] += x[(size_t)r * cols + c] / (double)rows;
    for (int r = 0; r < rows; r++) {
        double square = 0;
        for (int c = 0; c < cols; c++) {
            double away = x[(size_t)r * cols + c] - mean[c];
            square += away * away;
        }
        sum += sqrt(square);
        squares += square;
    }
    free(mean);
    double distance = sum / rows;
    return sum > 0 ? sqrt(fmax(0, squares / rows - distance * distance)) / distance : NAN;
}

static double evaluate_reordered(measure_call *call) {
    size_t offset;
    int rows, cols, changed = 0;
    const fv_snapshot *from = nearest_snapshot(call->record, call->numbers[0]);
    const fv_snapshot *to = nearest_snapshot(call->record, call->numbers[1]);
    if (from == to || !find_tensor(call, &offset, &rows, &cols)) return NAN;
    if (cols != 2) {
        call->problem = "only tensors of width 2 lie around a circle";
        return NAN;
    }
    int *before = malloc((size_t)rows * sizeof *before);
    int *after = malloc((size_t)rows * sizeof *after);
    if (before != NULL && after != NULL && angular_order(from->params + offset, rows, before) &&
        angular_order(to->params + offset, rows, after))
        for (int r = 0; r < rows; r++) changed += before[r] != after[r];
    else
        call->problem = "out of memory";
    free(before);
    free(after);
    return (double)changed / rows;
}

// Bytes that layer i of the list hands on from token to token.
static double state_of(const fv_config *config, int i) {
    const layer_type *type = layer_type_of(config->model.layers.kind[i]);
    return type->state ? type->state(config, i) * sizeof(float) : 0;
}

static double evaluate_layer_state_bytes(measure_call *call) {
    const fv_config *config = call->record->config;
    double i = call->numbers[0];
    if (i >= 0 && i < config->model.layers.n && i == floor(i)) return state_of(config, (int)i);
    call->problem = "layers are counted from 0 in model.layers, and the run has no such one";
    return NAN;
}

// The number of layers of the kind that the call names, and the sum of their places in the list.
static double count_kind(measure_call *call, double *places) {
    const fv_model_config *model = &call->record->config->model;
    const char *const *names = fv_field_find("model.layers")->choices;
    int kind = 0, n = 0;
    while (names[kind] != NULL && strcmp(names[kind], call->text) != 0) kind++;
    if (names[kind] == NULL) call->problem = "there is no such layer; 'attention' is one";
    *places = 0;
    for (int i = 0; i < model->layers.n; i++) {
        if (model->layers.kind[i] != kind) continue;
        *places += i;
        n++;
    }
    return n;
}

static double evaluate_layer_share(measure_call *call) {
    double places;
    return count_kind(call, &places) / call->record->config->model.layers.n;
}

static double evaluate_layer_place(measure_call *call) {
    double places, n = count_kind(call, &places);
    return n > 0 ? places / n : NAN;
}

static double evaluate_ln(measure_call *call) {
    return call->numbers[0] > 0 ? log(call->numbers[0]) : NAN;
}

static double evaluate_exp(measure_call *call) {
    return exp(call->numbers[0]);
}

static double evaluate_sqrt(measure_call *call) {
    return sqrt(call->numbers[0]);
}

static double evaluate_pow(measure_call *call) {
    return pow(call->numbers[0], call->numbers[1]);
}

// X(name, reach, arguments, help, example), in the order of docs/claims.md.
#define FUNCTION_LIST(X)                                                                           \
    X(initial, FOUND, "s", "first value", "initial(loss)")                                         \
    X(final, END, "s", "last value", "final(loss)")                                                \
    X(at, STEPS_0, "sn", "value at a step, linear between points", "at(loss, 100)")                \
    X(change, STEPS_0, "snn", "value at the second step less value at the first",                  \
      "change(loss, 100, 200)")                                                                    \
    X(lowest, STEPS_0, "s|nn", "smallest value, between two steps", "lowest(loss)")                \
    X(highest, STEPS_0, "s|nn", "largest value, between two steps", "highest(accuracy, 100, 200)") \
    X(lowest_step, STEPS_0, "s|nn", "step of the smallest value", "lowest_step(loss)")             \
    X(highest_step, STEPS_0, "s|nn", "step of the largest value", "highest_step(accuracy)")        \
    X(mean, STEPS_0, "s|nn", "mean of the points between two steps", "mean(accuracy, 100, 200)")   \
    X(slope, STEPS_0, "s|nn", "slope per step of the least-squares line through the points",       \
      "slope(loss, 0, 100)")                                                                       \
    X(correlation, STEPS_0, "ss|nn", "Pearson correlation of two series",                          \
      "correlation(loss, accuracy)")                                                               \
    X(first_below, FOUND, "sn", "first step whose value is below a number",                        \
      "first_below(perplexity, 50)")                                                               \
    X(first_above, FOUND, "sn", "first step whose value is above a number",                        \
      "first_above(accuracy, 0.5)")                                                                \
    X(last_above, END, "sn", "last step whose value is above a number", "last_above(loss, 1)")     \
    X(count_above, STEPS_1, "sn|nn", "number of points above a number, between two steps",         \
      "count_above(loss, 1)")                                                                      \
    X(emergence, END, "sn", "first step from which the series stays above a number",               \
      "emergence(accuracy, 0.5)")                                                                  \
    X(emergence_below, END, "sn", "first step from which it stays below a number",                 \
      "emergence_below(loss, 1)")                                                                  \
    X(plateau, END, "s|n", "height of the plateau", "plateau(perplexity) / task.vocab_size")       \
    X(plateau_length, END, "s|n", "its length in steps, 0 without plateau",                        \
      "plateau_length(perplexity)")                                                                \
    X(plateau_start, END, "s|n", "its first step", "plateau_start(perplexity)")                    \
    X(plateau_end, END, "s|n", "its last step", "plateau_end(perplexity)")                         \
    X(plateau_left, END, "s|n",                                                                    \
      "1 where the curve falls on after it, 0 where it is stuck to the end",                       \
      "plateau_left(perplexity)")                                                                  \
    X(cosine, STEPS_2, "tnnn", "cosine of two rows of a tensor in the snapshot nearest to a step", \
      "cosine('embed.W_E', 0, 1, 100)")                                                            \
    X(motion_cosine, STEPS_2, "tnnnn",                                                             \
      "cosine of what two rows of a tensor moved by between two snapshots",                        \
      "motion_cosine('embed.W_E', 0, 1, 0, 100)")                                                  \
    X(motion_rank, STEPS_0, "tnn", "effective rank of a tensor's change between two snapshots",    \
      "motion_rank('embed.W_E', 0, 100)")                                                          \
    X(roundness, STEPS_0, "tn",                                                                    \
      "spread of a tensor's rows' distances from their mean: 0 on a circle",                       \
      "roundness('embed.W_E', 100)")                                                               \
    X(reordered, STEPS_0, "tnn",                                                                   \
      "share of rows of width 2 with another neighbour around the circle",                         \
      "reordered('embed.W_E', 0, 100)")                                                            \
    X(layer_state_bytes, NONE, "n", "state_bytes of one layer of model.layers, counted from 0",    \
      "layer_state_bytes(0)")                                                                      \
    X(layer_share, NONE, "l", "share of a kind in model.layers", "layer_share('attention')")       \
    X(layer_place, NONE, "l", "mean place of a kind in model.layers, counted from 0",              \
      "layer_place('attention')")                                                                  \
    X(ln, NONE, "n", "natural logarithm", "ln(task.vocab_size) - final(loss)")                     \
    X(exp, NONE, "n", "exponential", "exp(final(loss))")                                           \
    X(sqrt, NONE, "n", "square root", "sqrt(model.n_embd)")                                        \
    X(pow, NONE, "nn", "power", "pow(final(loss), 2)")

static const measure_function functions[] = {
#define ROW(name, reach, arguments, help, example)                                                 \
    {#name, FV_REACH_##reach, arguments, evaluate_##name, help, example},
    FUNCTION_LIST(ROW)
#undef ROW
        {"abs", FV_REACH_NONE, "n", NULL, "absolute value", "abs(final(loss) - initial(loss))"},
    {"round", FV_REACH_NONE, "n|n", NULL, "rounded to some digits", "round(final(loss), 2)"},
    {"min", FV_REACH_NONE, "nn|nnnnnn", NULL, "smallest of several numbers",
     "min(final(loss), initial(loss))"},
    {"max", FV_REACH_NONE, "nn|nnnnnn", NULL, "largest of several numbers",
     "max(final(loss), initial(loss))"},
    {"coalesce", FV_REACH_NONE, "nn|nnnnnn", NULL, "the first that is not NULL",
     "coalesce(emergence(accuracy, 0.5), 1e9)"},
    {"iif", FV_REACH_NONE, "nnn", NULL, "second where the first holds, else third",
     "iif(final(loss) < 1, 1, 0)"},
    {"nullif", FV_REACH_NONE, "nn", NULL, "NULL where both are equal, else the first",
     "nullif(plateau_length(perplexity), 0)"},
};

const measure_function *measure_functions(int *n) {
    *n = sizeof functions / sizeof functions[0];
    return functions;
}

const measure_function *measure_function_find(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strlen(functions[i].name) == length && strncmp(functions[i].name, name, length) == 0)
            return &functions[i];
    return NULL;
}

static double bayes_loss(const fv_record *record) {
    return fv_task_bayes_loss(&record->config->task);
}

static double bayes_perplexity(const fv_record *record) {
    return exp(fv_task_bayes_loss(&record->config->task));
}

static double blind_loss(const fv_record *record) {
    return fv_task_blind_loss(&record->config->task);
}

static double blind_perplexity(const fv_record *record) {
    return exp(fv_task_blind_loss(&record->config->task));
}

static double state_bytes(const fv_record *record) {
    double bytes = 0;
    for (int i = 0; i < record->config->model.layers.n; i++) bytes += state_of(record->config, i);
    return bytes;
}

double measure_flops_per_step(const fv_record *record) {
    fv_step_cost cost;
    double tokens;
    if (record->config == NULL) return NAN;
    return fv_step_cost_of(record->config, &cost, &tokens, NULL) == FV_OK ? cost.flops : NAN;
}

static double flops(const fv_record *record) {
    return measure_flops_per_step(record) * record->steps;
}

static double flops_per_token(const fv_record *record) {
    fv_step_cost cost;
    double tokens;
    fv_status status = fv_step_cost_of(record->config, &cost, &tokens, NULL);
    return status == FV_OK ? cost.flops / tokens : NAN;
}

static double diverged(const fv_record *record) {
    return record->outcome == FV_OUTCOME_DIVERGED;
}

static double diverged_at(const fv_record *record) {
    int step = fv_record_diverged_at(record);
    return step >= 0 ? step : NAN;
}

static const measure_quantity quantities[] = {
    {"bayes_loss", false, bayes_loss, "loss of the best of all predictors"},
    {"bayes_perplexity", false, bayes_perplexity, "its perplexity"},
    {"blind_loss", false, blind_loss,
     "loss of the best predictor that sees which tokens there are but not where"},
    {"blind_perplexity", false, blind_perplexity, "its perplexity"},
    {"state_bytes", false, state_bytes,
     "bytes that the layers hand on from token to token once the context is full"},
    {"flops", false, flops,
     "operations of training to its last step, forward and backward, as a textbook computes what "
     "the "
     "loss reads; a multiply-add is two"},
    {"flops_per_step", false, measure_flops_per_step, "those of a step"},
    {"flops_per_token", false, flops_per_token, "those of a step for each token that it reads"},
    {"diverged", false, diverged, "1 where the run diverged, else 0"},
    {"diverged_at", true, diverged_at, "the step at which it did"},
};
enum { N_QUANTITIES = sizeof quantities / sizeof *quantities };

const measure_quantity *measure_quantities(int *n) {
    *n = N_QUANTITIES;
    return quantities;
}

const measure_quantity *measure_quantity_find(const char *name) {
    for (int i = 0; i < N_QUANTITIES; i++)
        if (strcmp(quantities[i].name, name) == 0) return &quantities[i];
    return NULL;
}
