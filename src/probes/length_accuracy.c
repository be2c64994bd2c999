// Accuracy by length: how many of the task's answers are right in held-out sequences that are longer
// than those of training, by multiples of the longest training length (task.test_ratios).
//
//   length_accuracy[8]       sequences of eight times the longest training length
//
// Any task whose sequences come in any length can be asked; where it takes odd lengths alone, one token
// less. Up to 64 times the training length every answer counts, beyond that the last one alone. From
// 4096 tokens on the decoder reads the sequences, where it knows the model. As many are asked as make
// 2^18 tokens, 4 at least and 256 at most. Such sequences take long: a run measures them at its last
// step alone, and one of each length where that is its first (as when only names are wanted).
#include "config/config_check.h"
#include "model/layers.h"
#include "model/positions.h"
#include "model/rotary.h"
#include "probes/probes.h"
#include "probes/retrieval.h"

#include <fovea/decode.h>
#include <fovea/task.h>
#include <stdio.h>
#include <stdlib.h>

enum { L = FV_LANES, DECODED = 4096, ALL_ANSWERS = 64, TOKENS = 1 << 18 };
static const int USUAL[] = {1, 2, 4, 8};

// What is asked at one length.
typedef struct asking {
    fv_config config; // of sequences of this length
    const fv_config *trained;
    const float *params;
    task_data data;
    int n_samples;
    int first_answer; // that counts
    long asked, right;
    int32_t *tokens, *targets; // [T][16], [n_loss][16]
} asking;

// Whether a decoder knows the model.
static bool is_decoded(const fv_config *config) {
    fv_model *model = NULL;
    fv_decoder *decoder = NULL;
    fv_decoder_options options;
    fv_decoder_options_init(&options);
    options.n = config->task.context_length;
    float *params = NULL;
    if (fv_model_create(config, &model, NULL) == FV_OK)
        params = calloc(fv_model_n_params(model), sizeof *params);
    bool known =
        params != NULL && fv_decoder_create(model, params, &options, &decoder, NULL) == FV_OK;
    fv_decoder_free(decoder);
    fv_model_free(model);
    free(params);
    return known;
}

// Some models keep the weights of all pairs of positions in training, for which a length is too much; a
// decoder does not, and so the task alone has to allow it.
static fv_status check_length(const fv_config *config, int length, fv_error *error) {
    const fv_field *culprit;
    fv_config at = config_of_length(config, length), plain;
    fv_status status = config_check(&at, &culprit, error);
    if (status == FV_OK || length < DECODED) return status;
    fv_config_init(&plain);
    plain.task = at.task;
    fv_error ignored;
    return config_check(&plain, &culprit, &ignored) == FV_OK && is_decoded(config) ? FV_OK : status;
}

static int ratio_of(const fv_task_config *task, int i, int *n) {
    *n = task->test_ratios.n > 0 ? task->test_ratios.n : (int)(sizeof USUAL / sizeof *USUAL);
    return task->test_ratios.n > 0 ? task->test_ratios.value[i] : USUAL[i];
}

// The length of a ratio; FV_USAGE where neither it nor one token less is a length of the task.
static fv_status length_of(const fv_config *config, int ratio, int *length, fv_error *error) {
    int64_t whole = (int64_t)ratio * training_longest(&config->task);
    if (whole > FV_RETRIEVAL_LONGEST)
        return fv_fail(error, FV_USAGE,
                       "length_accuracy: task.test_ratios %d asks for %lld tokens; it takes %d or "
                       "fewer",
                       ratio, (long long)whole, FV_RETRIEVAL_LONGEST);
    bool table = positions_type_of(config->model.positions)->plan != NULL;
    if (table && whole > config->task.context_length) {
        char others[256];
        positions_without_table(others, sizeof others);
        return fv_fail(error, FV_USAGE,
                       "length_accuracy: task.test_ratios %d asks for %d tokens, and the model has "
                       "learned an embedding for %d; a larger task.context_length, or "
                       "model.positions %s",
                       ratio, (int)whole, config->task.context_length, others);
    }
    fv_error cause, ignored;
    *length = (int)whole;
    if (check_length(config, *length, &cause) == FV_OK) return FV_OK;
    if (--*length > 0 && check_length(config, *length, &ignored) == FV_OK) return FV_OK;
    return fv_fail(error, FV_USAGE, "length_accuracy: %d times the training length: %.900s", ratio,
                   cause.text);
}

static fv_status check(const fv_model *model, fv_error *error) {
    const fv_config *config = fv_model_config_of(model);
    int n, length;
    if (task_of(&config->task)->foreign)
        return fv_fail(error, FV_USAGE,
                       "length_accuracy: sequences of task.name %s have one length, "
                       "task.context_length; it asks tasks that the lab draws",
                       fv_field_find("task.name")->choices[config->task.name]);
    ratio_of(&config->task, 0, &n);
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++)
        status = length_of(config, ratio_of(&config->task, i, &n), &length, error);
    return status;
}

// --- one length ---------------------------------------------------------------------------------

static void judge(asking *a, int answer, int32_t target, const float *logits) {
    if (target < 0 || answer < a->first_answer) return;
    int best = 0;
    for (int v = 1; v < a->config.task.vocab_size; v++)
        if (logits[v] > logits[best]) best = v;
    a->asked++;
    a->right += best == target;
}

// The next sixteen sequences.
static void draw(asking *a, int group) {
    data_batch(&a->data, FV_STREAM_TEST, 0, group, 1, a->n_samples, a->tokens, a->targets);
}

// One sequence after the other through the decoder, which is asked for the answers that count.
static fv_status read_sequence(asking *a, fv_decoder *decoder, int lane, int32_t *tokens,
                               const int64_t *places, float *logits, fv_error *error) {
    int n = a->config.task.context_length, n_answers = a->data.n_loss - a->first_answer;
    for (int t = 0; t < n; t++) tokens[t] = a->tokens[(size_t)t * L + (size_t)lane];
    fv_status status = fv_decoder_rewind(decoder, 0, error);
    if (status == FV_OK)
        status =
            fv_decoder_read(decoder, n, tokens, n_answers, places + a->first_answer, logits, error);
    for (int i = 0; i < n_answers && status == FV_OK; i++)
        judge(a, a->first_answer + i, a->targets[(size_t)(a->first_answer + i) * L + (size_t)lane],
              logits + (size_t)i * (size_t)a->config.task.vocab_size);
    return status;
}

static fv_status no_memory(const asking *a, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for sequences of %d tokens",
                   a->config.task.context_length);
}

static fv_status read_all(asking *a, fv_decoder *decoder, fv_error *error) {
    size_t n = (size_t)a->config.task.context_length, n_loss = (size_t)a->data.n_loss;
    size_t n_answers = n_loss - (size_t)a->first_answer;
    int32_t *tokens = malloc(n * sizeof *tokens);
    int64_t *places = malloc((n_loss + 1) * sizeof *places);
    float *logits = malloc((n_answers + 1) * (size_t)a->config.task.vocab_size * sizeof *logits);
    fv_status status = tokens && places && logits ? FV_OK : no_memory(a, error);
    for (size_t i = 0; i < n_loss && status == FV_OK; i++) places[i] = a->data.loss_positions[i];
    for (int s = 0; s < a->n_samples && status == FV_OK; s++) {
        if (s % L == 0) draw(a, s / L);
        status = read_sequence(a, decoder, s % L, tokens, places, logits, error);
    }
    free(tokens);
    free(places);
    free(logits);
    return status;
}

// Sixteen sequences side by side, by the model's own forward pass.
static fv_status forward_all(asking *a, fv_error *error) {
    size_t n = (size_t)a->config.task.context_length, n_loss = (size_t)a->data.n_loss;
    size_t V = (size_t)a->config.task.vocab_size;
    int whole = a->trained->task.context_length, length = a->config.task.context_length;
    fv_model *model;
    fv_status status =
        model_plan_part(&a->config, length > whole ? length : whole, NULL, 1, &model, error);
    if (status != FV_OK) return status;
    int32_t *tokens = malloc((n + 1) * L * sizeof *tokens);
    float *logits = malloc((n_loss + 1) * V * L * sizeof *logits);
    if (tokens == NULL || logits == NULL) status = no_memory(a, error);
    for (int first = 0; first < a->n_samples && status == FV_OK; first += L) {
        int some = a->n_samples - first < L ? a->n_samples - first : L;
        draw(a, first / L);
        for (size_t t = 0; t < n * (size_t)some; t++) tokens[t] = a->tokens[t % n * L + t / n];
        status = fv_model_logits(model, a->params, tokens, some, logits, error);
        for (size_t i = 0; i < n_loss * (size_t)some && status == FV_OK; i++)
            judge(a, (int)(i % n_loss), a->targets[i % n_loss * L + i / n_loss], logits + i * V);
    }
    free(tokens);
    free(logits);
    fv_model_free(model);
    return status;
}

// A decoder of the trained model for this length; *decoder is NULL where it does not know the model.
static fv_status open_decoder(const asking *a, fv_decoder **decoder, fv_error *error) {
    fv_model *model;
    fv_decoder_options options;
    fv_decoder_options_init(&options);
    options.n = a->config.task.context_length;
    *decoder = NULL;
    if (a->config.task.context_length < DECODED) return FV_OK;
    fv_status status = fv_model_create(a->trained, &model, error);
    if (status != FV_OK) return status;
    status = fv_decoder_create(model, a->params, &options, decoder, error);
    fv_model_free(model);
    return status == FV_USAGE ? FV_OK : status;
}

static int samples_of(const fv_config *config, int length) {
    enum { LEAST = 4, MOST = 256 };
    int n = TOKENS / length;
    return config->train.steps == 1 ? 1 : n < LEAST ? LEAST : n > MOST ? MOST : n;
}

static fv_status ask(asking *a, fv_error *error) {
    size_t n = (size_t)a->config.task.context_length, n_loss = (size_t)a->data.n_loss;
    a->tokens = aligned_alloc(FV_ALIGNMENT, n * L * sizeof *a->tokens);
    a->targets = aligned_alloc(FV_ALIGNMENT, n_loss * L * sizeof *a->targets);
    fv_decoder *decoder = NULL;
    fv_status status = a->tokens && a->targets ? FV_OK : no_memory(a, error);
    if (status == FV_OK) status = open_decoder(a, &decoder, error);
    if (status == FV_OK)
        status = decoder != NULL ? read_all(a, decoder, error) : forward_all(a, error);
    fv_decoder_free(decoder);
    free(a->tokens);
    free(a->targets);
    return status;
}

// *accuracy of the trained model at a ratio.
static fv_status measure_ratio(const fv_config *config, const float *params, int ratio,
                               double *accuracy, fv_error *error) {
    int length;
    fv_status status = length_of(config, ratio, &length, error);
    if (status != FV_OK) return status;
    asking a = {.config = config_of_length(config, length),
                .trained = config,
                .params = params,
                .n_samples = samples_of(config, length)};
    status = data_create(&a.config.task, fv_task_seed(config), false, &a.data, error);
    if (status != FV_OK) return status;
    if (ratio > ALL_ANSWERS) a.first_answer = a.data.n_loss - 1;
    status = ask(&a, error);
    data_free(&a.data);
    if (status == FV_OK) *accuracy = (double)a.right / (double)a.asked;
    return status;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const fv_config *config = fv_model_config_of(view->model);
    int n = 1;
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        char name[64];
        double accuracy = 0;
        int ratio = ratio_of(&config->task, i, &n);
        snprintf(name, sizeof name, "length_accuracy[%d]", ratio);
        status = measure_ratio(config, view->params, ratio, &accuracy, error);
        if (status == FV_OK && fv_record_add(record, name, view->step, (float)accuracy) != FV_OK)
            status = fv_fail(error, FV_NO_MEMORY, "no memory for the series '%s'", name);
    }
    return status;
}

const fv_probe probe_length_accuracy = {
    .name = "length_accuracy",
    .help = "accuracy in sequences longer than those of training, by task.test_ratios; at the last "
            "step alone",
    .at_end = true,
    .check = check,
    .measure = measure,
};
