#include "lab/spread.h"

#include "base/random.h"
#include "lab/grid.h"
#include "lab/sections.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Two ends and how to go from one to the other.
typedef struct interval {
    double low, high;
    bool logarithmic;
} interval;

static bool read_number(const yaml_value *value, double *number) {
    return value != NULL && value->kind == YAML_SCALAR && !value->quoted &&
           text_to_real(value->scalar, number);
}

static bool read_whole(const yaml_value *value, long long lowest, long long highest, int *whole) {
    long long number;
    if (value == NULL || value->kind != YAML_SCALAR || value->quoted ||
        !text_to_int(value->scalar, &number) || number < lowest || number > highest)
        return false;
    *whole = (int)number;
    return true;
}

fv_status draws_read(const yaml_value *value, draws *d, fv_error *error) {
    static const char *const KEYS[] = {"samples", "seed", NULL};
    *d = (draws){0};
    const yaml_value *samples = value, *seed = NULL;
    if (value->kind == YAML_MAPPING) {
        fv_status status = yaml_check_keys(value, KEYS, "random", error);
        if (status != FV_OK) return status;
        samples = yaml_value_member(value, "samples");
        seed = yaml_value_member(value, "seed");
    }
    if (!read_whole(samples, 1, GRID_MAX_RUNS, &d->n))
        return fv_fail(error, FV_USAGE,
                       "random must be a number of samples from 1 to %d, as in 'random: 200' or "
                       "'random: {samples: 200, seed: 1}'",
                       GRID_MAX_RUNS);
    if (seed != NULL && !read_whole(seed, 0, INT32_MAX, &d->seed))
        return fv_fail(error, FV_USAGE, "random: seed must be a whole number from 0 to %d",
                       INT32_MAX);
    return FV_OK;
}

// --- numbers -----------------------------------------------------------------------------------

// Both ends must be values of the field.
static fv_status check_interval(const fv_field *field, const interval *in, fv_error *error) {
    if (field->type != FV_TYPE_INT && field->type != FV_TYPE_REAL)
        return fv_fail(error, FV_USAGE, "%s is not a number; list its values", field->key);
    bool whole = field->type == FV_TYPE_INT;
    if (whole && (in->low != floor(in->low) || in->high != floor(in->high)))
        return fv_fail(error, FV_USAGE, "%s must be whole numbers; %.6g and %.6g are not both",
                       field->key, in->low, in->high);
    if (!(in->low >= field->lowest && in->high <= field->highest))
        return fv_fail(error, FV_USAGE, "%s must be from %.10g to %.10g, not %.6g to %.6g",
                       field->key, field->lowest, field->highest, in->low, in->high);
    if (!(in->low < in->high))
        return fv_fail(error, FV_USAGE, "%s: %.6g to %.6g is no range; the smaller end comes first",
                       field->key, in->low, in->high);
    if (in->logarithmic && !(in->low > 0))
        return fv_fail(error, FV_USAGE, "%s: a logarithmic range begins above 0, not at %.6g",
                       field->key, in->low);
    return FV_OK;
}

// From low (share 0) to high (share 1).
static double interpolate(const interval *in, double share) {
    if (share <= 0) return in->low;
    if (share >= 1) return in->high;
    if (!in->logarithmic) return in->low + share * (in->high - in->low);
    return exp(log(in->low) + share * (log(in->high) - log(in->low)));
}

static void write_number(const fv_field *field, const interval *in, double value, char text[32]) {
    snprintf(text, 32, field->type == FV_TYPE_INT ? "%.0f" : "%.6g", value);
    double rounded;
    if (!text_to_real(text, &rounded) || rounded < in->low || rounded > in->high)
        text_from_real(fmin(fmax(value, in->low), in->high), text, 32);
}

// --- evenly spaced -----------------------------------------------------------------------------

static fv_status read_steps(const fv_field *field, const yaml_value *mapping, interval *in,
                            int *steps, fv_error *error) {
    static const char *const KEYS[] = {"from", "to", "steps", "scale", NULL};
    fv_status status = yaml_check_keys(mapping, KEYS, field->key, error);
    if (status != FV_OK) return status;
    *in = (interval){0};
    if (!read_number(yaml_value_member(mapping, "from"), &in->low) ||
        !read_number(yaml_value_member(mapping, "to"), &in->high) ||
        !read_whole(yaml_value_member(mapping, "steps"), 2, GRID_MAX_RUNS, steps))
        return fv_fail(error, FV_USAGE,
                       "%s: spaced values are written like {from: 1, to: 100, steps: 3, scale: "
                       "log}, with 2 to %d steps",
                       field->key, GRID_MAX_RUNS);
    const yaml_value *scale = yaml_value_member(mapping, "scale");
    const char *word = scale == NULL ? "linear" : scale->kind == YAML_SCALAR ? scale->scalar : "";
    in->logarithmic = strcmp(word, "log") == 0;
    if (!in->logarithmic && strcmp(word, "linear") != 0)
        return fv_fail(error, FV_USAGE, "%s: scale must be linear or log, not '%.40s'", field->key,
                       word);
    return check_interval(field, in, error);
}

static fv_status push_steps(fv_axis *axis, const interval *in, int steps, bool distinct,
                            fv_error *error) {
    char text[32], last[32] = "";
    fv_status status = FV_OK;
    for (int i = 0; i < steps && status == FV_OK; i++) {
        write_number(axis->field, in, interpolate(in, (double)i / (steps - 1)), text);
        if (!distinct || strcmp(text, last) != 0) status = axis_push(axis, text, error);
        memcpy(last, text, sizeof last);
    }
    return status;
}

fv_status spread_steps(fv_axis *axis, const yaml_value *mapping, fv_error *error) {
    interval in;
    int steps;
    fv_status status = read_steps(axis->field, mapping, &in, &steps, error);
    if (status != FV_OK) return status;
    axis->n_items = steps;
    return push_steps(axis, &in, steps, true, error);
}

fv_status spread_lattice(fv_axis *axis, const yaml_value *mapping, int halvings, fv_error *error) {
    interval in;
    int steps;
    fv_status status = read_steps(axis->field, mapping, &in, &steps, error);
    if (status != FV_OK) return status;
    long long n = ((long long)steps - 1) * (1LL << halvings) + 1;
    if (n > GRID_MAX_RUNS)
        return fv_fail(error, FV_USAGE, "%s: %d steps halved %d times are more than %d values",
                       axis->field->key, steps, halvings, GRID_MAX_RUNS);
    return push_steps(axis, &in, (int)n, false, error);
}

// --- drawn -------------------------------------------------------------------------------------

static double draw_uniform(const fv_field *field, const draws *d, int i) {
    random_source random;
    uint32_t stream = (uint32_t)text_hash(TEXT_HASH_START, field->key);
    random_init(&random, (uint64_t)d->seed, FV_STREAM_SWEEP, stream, (uint32_t)i);
    return random_uniform(&random);
}

// A whole number has the weight of the interval from itself to the next, so that both ends of a
// uniform range are as likely as all between them.
static double draw_number(const fv_field *field, const interval *in, double u) {
    if (field->type != FV_TYPE_INT) return interpolate(in, u);
    const interval wide = {in->low, in->high + 1, in->logarithmic};
    return fmin(floor(interpolate(&wide, u)), in->high);
}

static fv_status draw_interval(fv_axis *axis, const yaml_value *ends, bool logarithmic,
                               const draws *d, fv_error *error) {
    const fv_field *field = axis->field;
    interval in = {.logarithmic = logarithmic};
    if (ends->kind != YAML_LIST || ends->n != 2 || !read_number(&ends->items[0], &in.low) ||
        !read_number(&ends->items[1], &in.high))
        return fv_fail(error, FV_USAGE, "%s: %s takes two numbers, as in {%s: [1, 100]}",
                       field->key, ends->key, ends->key);
    fv_status status = check_interval(field, &in, error);
    for (int i = 0; i < d->n && status == FV_OK; i++) {
        char text[32];
        write_number(field, &in, draw_number(field, &in, draw_uniform(field, d, i)), text);
        status = axis_push(axis, text, error);
    }
    return status;
}

static fv_status draw_choice(fv_axis *axis, const yaml_value *list, const draws *d,
                             fv_error *error) {
    fv_axis choices;
    bool several;
    fv_status status = axis_read(axis->field, list, &choices, &several, error);
    if (status == FV_OK && !several)
        status = fv_fail(error, FV_USAGE, "%s: choice takes a list of values", axis->field->key);
    for (int i = 0; i < d->n && status == FV_OK; i++) {
        int pick = (int)(draw_uniform(axis->field, d, i) * choices.n);
        status = axis_push(axis, choices.values[pick], error);
    }
    axis_free(&choices);
    return status;
}

static bool has_member(const yaml_value *value, const char *const *keys) {
    bool found = false;
    for (; value->kind == YAML_MAPPING && *keys != NULL; keys++)
        found |= yaml_value_member(value, *keys) != NULL;
    return found;
}

bool spread_is_spaced(const yaml_value *value) {
    static const char *const KEYS[] = {"from", "to", "steps", NULL};
    return has_member(value, KEYS);
}

bool spread_is_distribution(const yaml_value *value) {
    static const char *const KEYS[] = {
#define KEY(key, help, example) #key,
        DISTRIBUTION_LIST(KEY)
#undef KEY
            NULL};
    return has_member(value, KEYS);
}

fv_status spread_draw(fv_axis *axis, const yaml_value *distribution, const draws *d,
                      fv_error *error) {
    if (distribution->n != 1)
        return fv_fail(error, FV_USAGE,
                       "%s: a distribution is a single range, log_range or choice, as in {range: "
                       "[2, 64]}",
                       axis->field->key);
    const yaml_value *of = &distribution->items[0];
    if (strcmp(of->key, "choice") == 0) return draw_choice(axis, of, d, error);
    return draw_interval(axis, of, strcmp(of->key, "log_range") == 0, d, error);
}
