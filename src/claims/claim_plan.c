#include "claims/claim_plan.h"

#include "base/text.h"
#include "config/as_written.h"
#include "config/synonym_lookup.h"
#include "lab/sweep.h"
#include "lab/where.h"
#include "measures/measure.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// X(key, help, example), in the order of docs/claims.md; `where` is a mapping, whose members are
// options "where.<field>".
// clang-format off
#define KEY_LIST(X) \
    X(id, "its name in claims.json; made from the statement if not given", "claims: [{statement: It learns., id: learns, measure: final(loss), below: 6}]") \
    X(statement, "what is claimed, one sentence", "claims: [{statement: It learns., measure: final(loss), below: 6}]") \
    X(where, "which runs: fields and the values they must have, each one, a list or a range", "claims: [{statement: It learns., measure: final(loss), below: 6, where: {train.seed: 0..9}}]") \
    X(measure, "what is measured of a run: an expression of series, fields and functions", "claims: [{statement: It learns., measure: final(perplexity) / task.vocab_size, below: 2}]") \
    X(published, "the published value; with tolerance, what the measure must come close to", "claims: [{statement: It learns., measure: final(loss), published: 4.6, tolerance: 0.5}]") \
    X(tolerance, "how far from `published` a seed may be and still agree", "claims: [{statement: It learns., measure: final(loss), published: 4.6, tolerance: 0.5}]") \
    X(above, "what the measure must be above", "claims: [{statement: It learns., measure: final(accuracy), above: 0.9}]") \
    X(below, "what the measure must be below", "claims: [{statement: It learns., measure: final(loss), below: 0.1}]") \
    X(across, "the field, or measure of a configuration, along which the measure is compared, for every seed", "sweep: {task.vocab_size: [4, 10]}\nclaims: [{statement: It learns., measure: final(loss), across: task.vocab_size, trend: increasing}]") \
    X(trend, "increasing or decreasing along the field of `across`", "sweep: {task.vocab_size: [4, 10]}\nclaims: [{statement: It learns., measure: final(loss), across: task.vocab_size, trend: increasing}]") \
    X(fit, "power, the exponent of a power law along `across`, or ratio, of its ends", "sweep: {task.vocab_size: [4, 10]}\nclaims: [{statement: It learns., measure: final(loss), across: task.vocab_size, fit: ratio, above: 1}]") \
    X(reduce, "lowest, highest, mean or sum of several runs of a seed at the same place of `across`", "sweep: {task.vocab_size: [4, 10], model.n_embd: [2, 4]}\nclaims: [{statement: It learns., measure: final(loss), reduce: lowest, across: task.vocab_size, trend: increasing}]") \
    X(note, "a remark that is appended to the note of the verdict", "claims: [{statement: It learns., measure: final(loss), below: 6, note: Read off the figure.}]")
// clang-format on

const claim_key *claim_keys(int *n) {
    static const claim_key keys[] = {
#define ROW(key, help, example) {#key, help, example},
        KEY_LIST(ROW)
#undef ROW
    };
    *n = sizeof keys / sizeof *keys;
    return keys;
}

static const char where_prefix[] = "where.";

// The claim being read, for messages.
typedef struct reader {
    const fv_experiment *experiment;
    const fv_options *options;
    fv_error *error;
} reader;

static FV_PRINTF(3, 4) fv_status
    fail(const reader *r, const fv_option *at, const char *format, ...) {
    char message[800];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fv_fail(r->error, FV_USAGE, "%s:%d: claim: %s", r->experiment->path,
                   at ? at->line : r->options->line, message);
}

// Every value of a `where` must be one that its field can take.
static fv_status check_where(const reader *r, const fv_option *option, const char *key) {
    fv_error cause;
    fv_status status = where_check(option, key, &cause);
    return status == FV_OK ? FV_OK : fail(r, option, "'where': %s", cause.text);
}

static fv_status check_keys(const reader *r) {
#define NAME(key, help, example) #key,
    static const char *const keys[] = {KEY_LIST(NAME) NULL};
#undef NAME
    for (int i = 0; i < r->options->n; i++) {
        const fv_option *option = &r->options->items[i];
        const char *where = where_key(option, where_prefix);
        if (where != NULL) {
            fv_status status = check_where(r, option, where);
            if (status != FV_OK) return status;
            continue;
        }
        int k = 0;
        while (keys[k] != NULL && strcmp(keys[k], option->key) != 0) k++;
        if (keys[k] == NULL)
            return fail(r, option, "there is no key '%s'; the nearest is '%s'", option->key,
                        synonym_nearest("test", option->key, keys));
        if (strcmp(option->key, "where") == 0)
            return fail(r, option,
                        "'where' is a mapping of fields to values, like "
                        "{task.vocab_size: 100}");
        if (option->n_values != 1) return fail(r, option, "'%s' takes one value", option->key);
    }
    return FV_OK;
}

static fv_status read_number(const reader *r, const char *key, double *value) {
    const fv_option *option = fv_options_find(r->options, key);
    if (option == NULL) return FV_OK;
    if (text_to_real(option->values[0], value)) return FV_OK;
    return fail(r, option, "'%s' is '%s'; it must be a number", key, option->values[0]);
}

// What is no field is a measure, which has a value before anything trains: state_bytes, but not a
// series.
static fv_status check_across(const reader *r, const fv_option *across) {
    const char *text = across->values[0];
    fv_error cause;
    bool is_name = strpbrk(text, "( +-*/<>='") == NULL;
    if (is_name && measure_quantity_find(text) == NULL)
        return fail(r, across, "'across' names '%s', which is no field; the nearest is %s", text,
                    fv_field_nearest(text));
    fv_status status = fv_measure_check(text, NULL, 0, &cause);
    if (status == FV_NO_MEMORY) return fv_fail(r->error, status, "%s", cause.text);
    if (status != FV_OK) return fail(r, across, "'across': %s", cause.text);
    if (measure_reads_logged(text))
        return fail(r, across,
                    "'across' is '%s', of what training logs; it must follow from a run's fields",
                    text);
    return FV_OK;
}

static fv_status read_across(const reader *r, const fv_option *across, const fv_option *trend,
                             const fv_option *fit, claim_plan *plan) {
    if (across == NULL || (trend == NULL) == (fit == NULL))
        return fail(r,
                    across  ? across
                    : trend ? trend
                            : fit,
                    "'across' (a field, or a measure of it) and either 'trend' (increasing or "
                    "decreasing) or 'fit' "
                    "(power or ratio) stand together");
    plan->across = across->values[0];
    plan->across_field = fv_field_find(plan->across);
    if (plan->across_field == NULL) return check_across(r, across);
    fv_type type = plan->across_field->type;
    bool written = field_is_written(plan->across_field);
    if (written || type == FV_TYPE_INTS || type == FV_TYPE_LAYERS || type == FV_TYPE_TEXT)
        return fail(r, across,
                    "'across' names %s, which has no order; choose a number, or a measure such as "
                    "%s",
                    plan->across,
                    type == FV_TYPE_LAYERS ? "layer_share('attention')"
                    : written              ? "train.freeze = '[W_Q]'"
                                           : "state_bytes");
    return FV_OK;
}

static fv_status read_trend(const reader *r, const fv_option *trend, claim_plan *plan) {
    plan->kind = FV_CLAIM_TREND;
    if (strcmp(trend->values[0], "increasing") == 0)
        plan->sign = 1;
    else if (strcmp(trend->values[0], "decreasing") == 0)
        plan->sign = -1;
    else
        return fail(r, trend, "'trend' is '%s'; it must be increasing or decreasing",
                    trend->values[0]);
    return FV_OK;
}

// The place of an option's word in a list that ends with NULL, counted from 1; 0 where the option
// is not given.
static fv_status read_word(const reader *r, const char *key, const char *const *words, int *place) {
    const fv_option *option = fv_options_find(r->options, key);
    *place = 0;
    if (option == NULL) return FV_OK;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], option->values[0]) == 0) *place = i + 1;
    if (*place > 0) return FV_OK;
    return fail(r, option, "'%s' is '%s', which it cannot be; the nearest is '%s'", key,
                option->values[0], text_nearest(option->values[0], words));
}

static fv_status read_summaries(const reader *r, claim_plan *plan) {
#define WORD(name, text) text,
    static const char *const reduces[] = {FV_REDUCE_LIST(WORD) NULL};
    static const char *const fits[] = {FV_FIT_LIST(WORD) NULL};
#undef WORD
    int reduce, fit;
    fv_status status = read_word(r, "reduce", reduces, &reduce);
    if (status == FV_OK) status = read_word(r, "fit", fits, &fit);
    if (status != FV_OK) return status;
    plan->reduce = (claim_reduce)reduce;
    plan->fit = (claim_fit)fit;
    // A ratio has one value at each end.
    if (plan->fit == FV_FIT_RATIO && plan->reduce == FV_REDUCE_NONE) plan->reduce = FV_REDUCE_MEAN;
    return FV_OK;
}

static fv_status read_bounds(const reader *r, const fv_option *above, claim_plan *plan) {
    plan->kind = FV_CLAIM_BOUND;
    fv_status status = read_number(r, "above", &plan->above);
    if (status == FV_OK) status = read_number(r, "below", &plan->below);
    if (status == FV_OK && !(plan->above < plan->below))
        return fail(r, above, "'above' must be smaller than 'below'");
    return status;
}

// A claim says in exactly one way when a seed agrees.
static fv_status read_kind(const reader *r, claim_plan *plan) {
    const fv_option *tolerance = fv_options_find(r->options, "tolerance");
    const fv_option *above = fv_options_find(r->options, "above");
    const fv_option *below = fv_options_find(r->options, "below");
    const fv_option *across = fv_options_find(r->options, "across");
    const fv_option *trend = fv_options_find(r->options, "trend");
    const fv_option *fit = fv_options_find(r->options, "fit");
    bool bounded = above != NULL || below != NULL;
    bool trends = trend != NULL || (across != NULL && fit == NULL);
    if ((tolerance != NULL) + bounded + trends != 1)
        return fail(r, NULL,
                    "needs exactly one of 'published' with 'tolerance', 'above' or 'below', and "
                    "'across' with 'trend'");
    fv_status status = read_summaries(r, plan);
    if (status == FV_OK && (across != NULL || trend != NULL || fit != NULL))
        status = read_across(r, across, trend, fit, plan);
    if (status != FV_OK) return status;
    if (trend != NULL) return read_trend(r, trend, plan);
    if (bounded) return read_bounds(r, above, plan);
    plan->kind = FV_CLAIM_NEAR;
    if (fv_options_find(r->options, "published") == NULL)
        return fail(r, tolerance, "'tolerance' needs 'published', a number");
    status = read_number(r, "published", &plan->target);
    if (status == FV_OK) status = read_number(r, "tolerance", &plan->tolerance);
    if (status == FV_OK && !(plan->tolerance >= 0))
        return fail(r, tolerance, "'tolerance' must not be negative");
    return status;
}

// "Perplexity stalls at V/2." -> "perplexity-stalls-at-v-2"
static void make_id(const char *source, char *id, size_t size) {
    size_t n = 0;
    for (; *source != '\0' && n + 1 < size; source++) {
        if (isalnum((unsigned char)*source))
            id[n++] = (char)tolower((unsigned char)*source);
        else if (n > 0 && id[n - 1] != '-')
            id[n++] = '-';
    }
    while (n > 0 && id[n - 1] == '-') n--;
    id[n] = '\0';
}

static fv_status read_texts(const reader *r, claim_plan *plan) {
    plan->statement = fv_options_text(r->options, "statement", NULL);
    plan->measure = fv_options_text(r->options, "measure", NULL);
    plan->published = fv_options_text(r->options, "published", "");
    plan->note = fv_options_text(r->options, "note", "");
    if (plan->statement == NULL) return fail(r, NULL, "'statement' is missing: what is claimed");
    if (plan->measure == NULL)
        return fail(r, NULL,
                    "'measure' is missing: an expression over one run, like "
                    "final(perplexity)");
    make_id(fv_options_text(r->options, "id", plan->statement), plan->id, sizeof plan->id);
    if (plan->id[0] == '\0') return fail(r, NULL, "'id' needs a letter or digit");
    fv_error cause;
    fv_status status =
        fv_measure_check(plan->measure, r->experiment->probes, r->experiment->n_probes, &cause);
    if (status == FV_NO_MEMORY) return fv_fail(r->error, status, "%s", cause.text);
    const fv_option *measure = fv_options_find(r->options, "measure");
    if (status != FV_OK) return fail(r, measure, "%s", cause.text);
    if (measure_reads_logged(plan->measure) && !sweep_trains(r->experiment))
        return fail(r, measure,
                    "measure '%s' is of what training logs, and train.steps 0 logs nothing; train "
                    "1 step or more",
                    plan->measure);
    return FV_OK;
}

fv_status claim_read(const fv_experiment *experiment, int i, claim_plan *plan, fv_error *error) {
    reader r = {experiment, &experiment->claims[i], error};
    *plan = (claim_plan){.options = r.options, .above = -INFINITY, .below = INFINITY};
    fv_status status = check_keys(&r);
    if (status == FV_OK) status = read_texts(&r, plan);
    if (status == FV_OK) status = read_kind(&r, plan);
    // A single run is judged by the value that it has; docs/claims.md asks for steps in a power
    // law.
    if (status == FV_OK)
        plan->censors =
            plan->fit == FV_FIT_POWER || (plan->across != NULL && measure_is_step(plan->measure));
    return status;
}

fv_status fv_claims_check(const fv_experiment *experiment, fv_error *error) {
    for (int i = 0; i < experiment->n_claims; i++) {
        claim_plan plan, earlier;
        fv_status status = claim_read(experiment, i, &plan, error);
        if (status != FV_OK) return status;
        for (int k = 0; k < i; k++) {
            status = claim_read(experiment, k, &earlier, error);
            if (status != FV_OK) return status;
            if (strcmp(earlier.id, plan.id) == 0)
                return fv_fail(error, FV_USAGE,
                               "%s:%d: claim: the claim of line %d has the id '%s' too; give one "
                               "of them another 'id'",
                               experiment->path, plan.options->line, earlier.options->line,
                               plan.id);
        }
    }
    return FV_OK;
}

fv_status claim_along(const claim_plan *plan, const fv_config *config, double *along,
                      fv_error *error) {
    *along = 0;
    if (plan->across == NULL) return FV_OK;
    if (plan->across_field != NULL) {
        *along = fv_config_number(config, plan->across_field);
        return FV_OK;
    }
    fv_record record;
    fv_record_init(&record);
    record.config = (fv_config *)(uintptr_t)config; // is only read
    fv_error cause;
    fv_status status = fv_measure(plan->across, &record, along, &cause);
    record.config = NULL;
    fv_record_free(&record);
    if (status == FV_OK) return FV_OK;
    return fv_fail(error, status, "'across': %s", cause.text);
}

bool claim_selects(const claim_plan *plan, const fv_config *config) {
    return where_selects(plan->options, where_prefix, config);
}
