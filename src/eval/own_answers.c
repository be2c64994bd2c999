#include "eval/own_answers.h"

#include "eval/own_questions.h"
#include "eval/own_set.h"

#include <fovea/config.h>
#include <fovea/machine.h>
#include <fovea/model.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

uint64_t own_cell_seed(uint64_t seed, int length, double depth) {
    const double place[2] = {length, depth};
    return XXH3_64bits_withSeed(place, sizeof place, seed);
}

uint64_t own_tokens_hash(const int32_t *tokens, int n) {
    return XXH3_64bits(tokens, (size_t)n * sizeof *tokens);
}

// --- answers of a cell -------------------------------------------------------------------------

static void add_numbers(text_buffer *text, const int32_t *tokens, int n, const char *open,
                        const char *between, const char *close) {
    text_add(text, "%s", open);
    for (int i = 0; i < n; i++) text_add(text, "%s%d", i > 0 ? between : "", (int)tokens[i]);
    text_add(text, "%s", close);
    text_add_char(text, '\0');
}

static double add_logprobs(text_buffer *text, const double *logprobs, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        text_add(text, "%s%.7g", i > 0 ? "," : "[", logprobs[i]);
        sum += logprobs[i];
    }
    text_add(text, "]");
    return sum;
}

static bool grow(own_answers *a) {
    if (a->n < a->capacity) return true;
    int capacity = a->capacity > 0 ? 2 * a->capacity : 256;
    own_answer *grown = realloc(a->items, (size_t)capacity * sizeof *grown);
    if (grown == NULL) return false;
    a->items = grown;
    a->capacity = capacity;
    return true;
}

static fv_answer answer_of(retrieval_class class) {
    static const fv_answer ANSWERS[] = {[RETRIEVAL_FOUND] = FV_ANSWER_FOUND,
                                        [RETRIEVAL_PART] = FV_ANSWER_PART,
                                        [RETRIEVAL_DISTRACTOR] = FV_ANSWER_DISTRACTOR,
                                        [RETRIEVAL_WRONG] = FV_ANSWER_WRONG};
    return ANSWERS[class];
}

void own_answers_add(own_answers *a, const retrieval_answer *answer) {
    text_buffer texts = {0};
    own_answer made = {
        .sample = (int)answer->index, .answer = answer_of(answer->class), .score = answer->score};
    made.hash = own_tokens_hash(answer->tokens, answer->n_tokens);
    add_numbers(&texts, answer->expected, answer->n, "[\"", "\",\"", "\"]");
    made.said = texts.n;
    add_numbers(&texts, answer->said, answer->n, "", " ", "");
    made.logprobs = texts.n;
    made.logprob = add_logprobs(&texts, answer->logprobs, answer->n);
    made.texts = texts.data;
    a->n_tokens = answer->n;
    if (texts.failed || !grow(a)) {
        a->failed = true;
        text_free(&texts);
        return;
    }
    a->items[a->n++] = made;
}

void own_answers_free(own_answers *a) {
    for (int i = 0; i < a->n; i++) free(a->items[i].texts);
    free(a->items);
    *a = (own_answers){0};
}

// --- the file ----------------------------------------------------------------------------------

struct own_store {
    asks *asks;
    own_questions questions;
    const fv_own_plan *plan;
    char endpoint[48], model[96];
};

// What a model makes of its parameters may be asked otherwise: how rotary positions are stretched.
static uint64_t hash_of_positions(const fv_config *config, uint64_t hash) {
    static const char ROPE[] = "model.rope_";
    fv_config usual;
    int n;
    const fv_field *fields = fv_fields(&n);
    fv_config_init(&usual);
    for (int i = 0; i < n; i++) {
        char value[64], other[64];
        if (strncmp(fields[i].key, ROPE, strlen(ROPE)) != 0) continue;
        fv_config_get(config, &fields[i], value, sizeof value);
        fv_config_get(&usual, &fields[i], other, sizeof other);
        if (strcmp(value, other) == 0) continue;
        hash = XXH3_64bits_withSeed(fields[i].key, strlen(fields[i].key), hash);
        hash = XXH3_64bits_withSeed(value, strlen(value), hash);
    }
    return hash;
}

// The same parameters in a run and in a checkpoint of it are the same model.
static fv_status name_model(own_store *s, const fv_config *config, const float *params,
                            fv_error *error) {
    fv_model *model;
    fv_status status = fv_model_create(config, &model, error);
    if (status != FV_OK) return status;
    uint64_t hash = XXH3_64bits(params, fv_model_n_params(model) * sizeof *params);
    fv_model_free(model);
    hash = hash_of_positions(config, hash);
    if (s->plan->keep.kind != FV_KEEP_ALL)
        hash = XXH3_64bits_withSeed(&s->plan->keep.number, sizeof s->plan->keep.number,
                                    hash ^ ((uint64_t)s->plan->keep.kind << 32) ^
                                        (uint64_t)s->plan->keep.recent);
    snprintf(s->endpoint, sizeof s->endpoint, "parameters %016llx", (unsigned long long)hash);
    fv_own_label(config, s->model);
    return FV_OK;
}

static asks_origin origin_of(const own_store *s, int max_tokens) {
    return (asks_origin){.endpoint = s->endpoint,
                         .model = s->model,
                         .sampling = OWN_SAMPLING,
                         .extra = "{}",
                         .max_tokens = max_tokens,
                         .fovea = fv_version()};
}

// Answers of two models under one label would be a table about neither.
static fv_status check_label(const own_store *s, const char *label, fv_error *error) {
    char other[512];
    bool same;
    const asks_origin origin = origin_of(s, 0);
    fv_status status = asks_same_model(s->asks, label, &origin, &same, other, error);
    if (status != FV_OK || same) return status;
    return fv_fail(error, FV_USAGE,
                   "the answers labelled '%s' in %s are of %s, not of %s at %s; give a new --label",
                   label, s->plan->folder, other, s->model, s->endpoint);
}

fv_status own_store_open(const fv_config *config, const float *params, const char *label,
                         const fv_own_plan *plan, own_store **out, fv_error *error) {
    own_store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    s->plan = plan;
    fv_status status = own_questions_of(config, own_set_hash(plan->set), &s->questions, error);
    if (status == FV_OK) status = name_model(s, config, params, error);
    if (status == FV_OK) status = asks_open(plan->folder, true, &s->asks, error);
    if (status == FV_OK) status = check_label(s, label, error);
    if (status == FV_OK)
        *out = s;
    else
        own_store_close(s);
    return status;
}

void own_store_close(own_store *s) {
    if (s == NULL) return;
    asks_close(s->asks);
    free(s);
}

fv_status own_store_begin(own_store *s, fv_error *error) {
    return asks_begin(s->asks, error);
}

fv_status own_store_commit(own_store *s, fv_error *error) {
    return asks_commit(s->asks, error);
}

fv_status own_store_put(own_store *s, const char *label, int length, double depth,
                        const own_answers *answers, fv_error *error) {
    asks_row row = {.model = label,
                    .api = OWN_API,
                    .task = s->questions.task,
                    .haystack = s->questions.rest,
                    .unit = "tokens",
                    .seed = s->plan->seed,
                    .length = length,
                    .n_units = length,
                    .depth = depth,
                    .attempts = 1,
                    .prompt_tokens = length,
                    .completion_tokens = answers->n_tokens,
                    .seconds = NAN,
                    .in_flight = -1,
                    .cached_tokens = -1,
                    .thought_tokens = -1,
                    .origin = origin_of(s, answers->n_tokens)};
    fv_status status =
        answers->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for the answers") : FV_OK;
    for (int i = 0; i < answers->n && status == FV_OK; i++) {
        const own_answer *a = &answers->items[i];
        row.prompt_hash = a->hash;
        row.sample = a->sample;
        row.answer = a->answer;
        row.score = a->score;
        row.logprob = a->logprob;
        row.expected = a->texts;
        row.reply = a->texts + a->said;
        row.logprobs = a->texts + a->logprobs;
        status = asks_put(s->asks, &row, error);
    }
    return status;
}
