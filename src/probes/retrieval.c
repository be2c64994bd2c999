#include "probes/retrieval.h"

#include "config/config_check.h"
#include "model/positions.h"
#include "model/rotary.h"
#include "tasks/task_type.h"

#include <fovea/decode.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Lengths are counted in steps from the shortest: the last one may stop short of length_max.
int training_longest(const fv_task_config *task) {
    int longest = task->length_max > 0 ? task->length_max : task->context_length;
    return task->length_min > 0 ? longest - (longest - task->length_min) % task->length_step
                                : longest;
}

int training_shortest(const fv_task_config *task) {
    return task->length_min > 0 ? task->length_min : training_longest(task);
}

// --- which cells there can be -------------------------------------------------------------------

fv_config config_of_length(const fv_config *config, int length) {
    fv_config of = *config;
    rotary_keep_original(config, &of);
    of.task.context_length = length;
    of.task.length_min = of.task.length_max = 0;
    of.task.length_step = 1;
    return of;
}

static fv_config config_of_cell(const fv_config *config, int length, double depth) {
    fv_config cell = config_of_length(config, length);
    cell.task.depth = depth;
    return cell;
}

static fv_status refuse(fv_error *error, const char *task) {
    char others[256];
    tasks_that_hide(others, sizeof others);
    return fv_fail(error, FV_USAGE,
                   "task.name %s hides nothing at a depth; models of %s can be asked", task,
                   others);
}

static fv_status refuse_beyond(fv_error *error, const fv_config *config, int length) {
    char others[256];
    positions_without_table(others, sizeof others);
    return fv_fail(
        error, FV_USAGE,
        "length %d goes beyond the %d positions that the model has learned an embedding for "
        "(its task.context_length); models with model.positions %s can be asked",
        length, config->task.context_length, others);
}

// The lab keeps the weights of all pairs of positions for these, and is refused beyond what a training may
// have; long questions are read by a decoder, which keeps those of a few queries. In short ones there may be
// fewer keys than queries are to keep: they keep all, as in the short sequences of a training.
static void leave_out_kept(fv_model_config *model) {
    model->normaliser = FV_NORMALISER_SOFTMAX;
    model->selector = FV_SELECTOR_NONE;
    for (int i = 0; i < model->layers.n; i++) {
        fv_layers *layers = &model->layers;
        layers->selector[i].given = layers->normaliser[i].given = false;
        layers->selector_k[i].given = layers->selector_block[i].given = false;
    }
}

// Nor need there be whole blocks, or as many as are to be kept.
static void cut_blocks(fv_model_config *model, int length) {
    if (model->compress_block > length) model->compress_block = length;
    const int n_blocks = length / model->compress_block;
    if (model->compress_k > n_blocks) model->compress_k = n_blocks;
}

fv_status retrieval_check(const fv_config *config, int length, double depth, fv_error *error) {
    if (!task_hides(&config->task))
        return refuse(error, fv_field_find("task.name")->choices[config->task.name]);
    if (!(depth >= 0 && depth <= 100))
        return fv_fail(error, FV_USAGE,
                       "depth %g is no percentage of the context; it takes 0 to 100", depth);
    if (length < 1 || length > FV_RETRIEVAL_LONGEST)
        return fv_fail(error, FV_USAGE, "length %d is out of range; it takes 1 to %d tokens",
                       length, FV_RETRIEVAL_LONGEST);
    if (positions_type_of(config->model.positions)->plan && length > config->task.context_length)
        return refuse_beyond(error, config, length);
    fv_config cell = config_of_cell(config, length, depth);
    if (length != config->task.context_length) leave_out_kept(&cell.model);
    if (length < config->task.context_length) cut_blocks(&cell.model, length);
    const fv_field *culprit;
    return config_check(&cell, &culprit, error);
}

// --- asking -------------------------------------------------------------------------------------

typedef struct questions {
    int n, n_tokens, n_answers, n_vocab;
    const int *places; // [n_answers], positions of the logits
    int32_t *tokens;   // [n][n_tokens]
    int32_t *targets;  // [n][n_answers]
    float *logits;     // [n][n_answers][n_vocab]
    int32_t *said;     // [n_answers], of one question
    double *logprobs;  // [n_answers], of its right tokens
} questions;

static void questions_free(questions *q) {
    free(q->tokens);
    free(q->targets);
    free(q->logits);
    free(q->said);
    free(q->logprobs);
}

static bool questions_room(questions *q) {
    size_t n = (size_t)q->n_answers;
    q->said = malloc(n * sizeof *q->said);
    q->logprobs = malloc(n * sizeof *q->logprobs);
    return q->said != NULL && q->logprobs != NULL;
}

static fv_status check_answers(const retrieval_source *from, int n_answers, fv_error *error) {
    if (from->tokens == NULL || from->n_answers == n_answers) return FV_OK;
    return fv_fail(error, FV_FORMAT, "a question has %d answers, and its task asks for %d",
                   from->n_answers, n_answers);
}

// Questions i and on of the source, as far as q has room.
static fv_status questions_fill(const fv_model *model, const retrieval_source *from, uint64_t i,
                                questions *q, fv_error *error) {
    size_t n_tokens = (size_t)q->n_tokens, n_answers = (size_t)q->n_answers, n = (size_t)q->n;
    if (from->tokens == NULL)
        return fv_model_test_sequences(model, from->seed, from->first + i, q->n, q->tokens,
                                       q->targets, error);
    memcpy(q->tokens, from->tokens + i * n_tokens, n * n_tokens * sizeof *q->tokens);
    memcpy(q->targets, from->targets + i * n_answers, n * n_answers * sizeof *q->targets);
    return FV_OK;
}

static fv_status questions_make(const fv_model *model, const retrieval_source *from, uint64_t i,
                                int n, questions *q, fv_error *error) {
    *q = (questions){.n = n,
                     .n_tokens = model->config.task.context_length,
                     .n_vocab = model->config.task.vocab_size};
    q->places = fv_model_loss_positions(model, &q->n_answers);
    size_t answers = (size_t)n * (size_t)q->n_answers;
    q->tokens = calloc((size_t)n, (size_t)q->n_tokens * sizeof *q->tokens);
    q->targets = calloc(answers, sizeof *q->targets);
    q->logits = calloc(answers, (size_t)q->n_vocab * sizeof *q->logits);
    if (!questions_room(q) || !q->tokens || !q->targets || !q->logits)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for %d questions of %d tokens", n,
                       q->n_tokens);
    fv_status status = check_answers(from, q->n_answers, error);
    return status == FV_OK ? questions_fill(model, from, i, q, error) : status;
}

static int best_token(const float *logits, int n) {
    int best = 0;
    for (int v = 1; v < n; v++)
        if (logits[v] > logits[best]) best = v;
    return best;
}

// Whether the answer stands somewhere in front of the question, as a value that it is not: a token
// of the half of the vocabulary that holds the right one.
static bool is_distractor(const questions *q, const int32_t *tokens, int32_t answer,
                          int32_t right) {
    int half = q->n_vocab / 2;
    if ((answer >= half) != (right >= half)) return false;
    for (int t = 0; t < q->places[0]; t++)
        if (tokens[t] == answer) return true;
    return false;
}

static double logprob_of(const float *logits, int n, int32_t token) {
    double most = logits[best_token(logits, n)], sum = 0;
    for (int v = 0; v < n; v++) sum += exp(logits[v] - most);
    return logits[token] - most - log(sum);
}

static retrieval_class class_of(const questions *q, const retrieval_answer *a, int n_right) {
    if (n_right == a->n) return RETRIEVAL_FOUND;
    if (n_right > 0) return RETRIEVAL_PART;
    return is_distractor(q, a->tokens, a->said[0], a->expected[0]) ? RETRIEVAL_DISTRACTOR
                                                                   : RETRIEVAL_WRONG;
}

// Question i of q is the index-th of its stream.
static void judge(const questions *q, int i, uint64_t index, const retrieval_listener *listener,
                  probe_retrieval *result) {
    const int32_t *targets = q->targets + (size_t)i * (size_t)q->n_answers;
    const float *logits = q->logits + (size_t)i * (size_t)q->n_answers * (size_t)q->n_vocab;
    bool heard = listener != NULL && listener->take != NULL;
    retrieval_answer answer = {.index = index,
                               .n_tokens = q->n_tokens,
                               .n = q->n_answers,
                               .tokens = q->tokens + (size_t)i * (size_t)q->n_tokens,
                               .expected = targets,
                               .said = q->said,
                               .logprobs = q->logprobs};
    int n_right = 0;
    for (int a = 0; a < q->n_answers; a++, logits += q->n_vocab) {
        q->said[a] = best_token(logits, q->n_vocab);
        n_right += q->said[a] == targets[a];
        if (heard) q->logprobs[a] = logprob_of(logits, q->n_vocab, targets[a]);
    }
    answer.score = (double)n_right / q->n_answers;
    answer.class = class_of(q, &answer, n_right);
    result->n++;
    result->score += (answer.score - result->score) / result->n;
    result->found += answer.class == RETRIEVAL_FOUND;
    result->part += answer.class == RETRIEVAL_PART;
    result->distractor += answer.class == RETRIEVAL_DISTRACTOR;
    result->wrong += answer.class == RETRIEVAL_WRONG;
    if (heard) listener->take(listener->context, &answer);
}

// At most this many questions at a time, so that long contexts and wide vocabularies fit.
enum { AT_ONCE = 256 };

// n questions from number `first` of the source on.
static fv_status ask(const fv_model *model, const float *params, const retrieval_source *from,
                     uint64_t first, int n, const retrieval_listener *listener,
                     probe_retrieval *result, fv_error *error) {
    questions q;
    fv_status status = questions_make(model, from, first, n, &q, error);
    if (status == FV_OK) status = fv_model_logits(model, params, q.tokens, n, q.logits, error);
    for (int i = 0; i < n && status == FV_OK; i++)
        judge(&q, i, from->first + first + (uint64_t)i, listener, result);
    questions_free(&q);
    return status;
}

fv_status retrieval_ask(const fv_config *config, const float *params, int length, double depth,
                        const retrieval_source *from, int n, const retrieval_listener *listener,
                        probe_retrieval *result, fv_error *error) {
    *result = (probe_retrieval){0};
    fv_config cell = config_of_cell(config, length, depth);
    int whole = config->task.context_length;
    fv_model *model;
    fv_status status = retrieval_check(config, length, depth, error);
    if (status == FV_OK)
        status = model_plan_part(&cell, length > whole ? length : whole, NULL, AT_ONCE / FV_LANES,
                                 &model, error);
    if (status != FV_OK) return status;
    for (int asked = 0; asked < n && status == FV_OK; asked += AT_ONCE) {
        int some = n - asked < AT_ONCE ? n - asked : AT_ONCE;
        status = ask(model, params, from, (uint64_t)asked, some, listener, result, error);
    }
    fv_model_free(model);
    return status;
}

// --- long questions ------------------------------------------------------------------------------

// Sixteen sequences are drawn together; one of them is read at a time.
typedef struct reading {
    task_data data;
    fv_decoder *decoder;
    questions q;     // one
    int32_t *lanes;  // [n_tokens][16], then [n_answers][16]
    int64_t *places; // [n_answers]
    int64_t group;   // in `lanes`; -1
    const retrieval_listener *listener;
} reading;

static void reading_end(reading *r) {
    questions_free(&r->q);
    fv_decoder_free(r->decoder);
    data_free(&r->data);
    free(r->lanes);
    free(r->places);
}

static fv_status reading_allocate(reading *r, const fv_task_config *task, fv_error *error) {
    size_t n_tokens = (size_t)task->context_length, n_answers = (size_t)r->data.n_loss;
    r->q = (questions){.n = 1,
                       .n_tokens = task->context_length,
                       .n_answers = r->data.n_loss,
                       .n_vocab = task->vocab_size,
                       .places = r->data.loss_positions,
                       .tokens = malloc(n_tokens * sizeof(int32_t)),
                       .targets = malloc(n_answers * sizeof(int32_t)),
                       .logits = malloc(n_answers * (size_t)task->vocab_size * sizeof(float))};
    r->lanes = aligned_alloc(FV_ALIGNMENT, (n_tokens + n_answers) * FV_LANES * sizeof *r->lanes);
    r->places = malloc(n_answers * sizeof *r->places);
    if (!questions_room(&r->q) || !r->q.tokens || !r->q.targets || !r->q.logits || !r->lanes ||
        !r->places)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for questions of %d tokens",
                       task->context_length);
    for (size_t i = 0; i < n_answers; i++) r->places[i] = r->q.places[i];
    return FV_OK;
}

// Sequence `index` of the test stream as the question.
static void reading_take(reading *r, uint64_t index) {
    const questions *q = &r->q;
    int64_t group = (int64_t)(index / FV_LANES);
    size_t lane = index % FV_LANES, n_tokens = (size_t)q->n_tokens;
    if (group != r->group)
        data_batch(&r->data, FV_STREAM_TEST, 0, (int)group, 1, INT32_MAX, r->lanes,
                   r->lanes + n_tokens * FV_LANES);
    r->group = group;
    for (size_t t = 0; t < n_tokens; t++) q->tokens[t] = r->lanes[t * FV_LANES + lane];
    for (size_t i = 0; i < (size_t)q->n_answers; i++)
        q->targets[i] = r->lanes[(n_tokens + i) * FV_LANES + lane];
}

static void reading_copy(reading *r, const retrieval_source *from, size_t i) {
    size_t n_tokens = (size_t)r->q.n_tokens, n_answers = (size_t)r->q.n_answers;
    memcpy(r->q.tokens, from->tokens + i * n_tokens, n_tokens * sizeof *r->q.tokens);
    memcpy(r->q.targets, from->targets + i * n_answers, n_answers * sizeof *r->q.targets);
}

// Reads the question in steps, so that somebody can watch.
static fv_status reading_answer(reading *r, fv_error *error) {
    enum { STEP = 512 };
    const questions *q = &r->q;
    fv_status status = fv_decoder_rewind(r->decoder, 0, error);
    int answered = 0;
    double before = 0, operations;
    for (int at = 0, n; at < q->n_tokens && status == FV_OK; at += n) {
        n = q->n_tokens - at < STEP ? q->n_tokens - at : STEP;
        int asked = 0;
        while (answered + asked < q->n_answers && q->places[answered + asked] < at + n) asked++;
        status = fv_decoder_read(r->decoder, n, q->tokens + at, asked, r->places + answered,
                                 q->logits + (size_t)answered * (size_t)q->n_vocab, error);
        answered += asked;
        operations = fv_decoder_operations(r->decoder, at + n);
        const retrieval_listener *l = r->listener;
        bool watched = l != NULL && l->watch != NULL;
        if (status == FV_OK && watched && !l->watch(l->context, operations - before))
            status = fv_fail(error, FV_INTERRUPTED, "interrupted after %d of %d tokens", at + n,
                             q->n_tokens);
        before = operations;
    }
    return status;
}

static fv_status reading_begin(reading *r, const fv_config *config, const float *params,
                               const fv_config *cell, uint64_t seed, const fv_decoder_options *how,
                               fv_error *error) {
    fv_model *model;
    fv_decoder_options options;
    fv_decoder_options_init(&options);
    if (how != NULL) options = *how;
    options.n = cell->task.context_length;
    r->group = -1;
    fv_status status = data_create(&cell->task, seed, false, &r->data, error);
    if (status == FV_OK) status = reading_allocate(r, &cell->task, error);
    if (status == FV_OK) status = fv_model_create(config, &model, error);
    if (status != FV_OK) return status;
    status = fv_decoder_create(model, params, &options, &r->decoder, error);
    fv_model_free(model);
    return status;
}

fv_status retrieval_read(const fv_config *config, const float *params, int length, double depth,
                         const retrieval_source *from, int n, const fv_decoder_options *how,
                         const retrieval_listener *listener, probe_retrieval *result,
                         fv_error *error) {
    *result = (probe_retrieval){0};
    reading r = {.listener = listener};
    fv_config cell = config_of_cell(config, length, depth);
    fv_status status = retrieval_check(config, length, depth, error);
    if (status != FV_OK) return status;
    status = reading_begin(&r, config, params, &cell, from->seed, how, error);
    if (status == FV_OK) status = check_answers(from, r.q.n_answers, error);
    for (int i = 0; i < n && status == FV_OK; i++) {
        if (from->tokens == NULL)
            reading_take(&r, from->first + (uint64_t)i);
        else
            reading_copy(&r, from, (size_t)i);
        status = reading_answer(&r, error);
        if (status == FV_OK) judge(&r.q, 0, from->first + (uint64_t)i, listener, result);
    }
    reading_end(&r);
    return status;
}

fv_status retrieval_draw(const fv_config *config, int length, double depth, uint64_t seed,
                         uint64_t first, int n, const retrieval_listener *listener,
                         fv_error *error) {
    reading r = {.group = -1};
    fv_config cell = config_of_cell(config, length, depth);
    fv_status status = retrieval_check(config, length, depth, error);
    if (status != FV_OK) return status;
    status = data_create(&cell.task, seed, false, &r.data, error);
    if (status == FV_OK) status = reading_allocate(&r, &cell.task, error);
    for (int i = 0; i < n && status == FV_OK; i++) {
        const retrieval_answer drawn = {.index = first + (uint64_t)i,
                                        .n_tokens = r.q.n_tokens,
                                        .n = r.q.n_answers,
                                        .tokens = r.q.tokens,
                                        .expected = r.q.targets};
        reading_take(&r, drawn.index);
        listener->take(listener->context, &drawn);
    }
    reading_end(&r);
    return status;
}

static void take_tokens(void *context, const retrieval_answer *drawn) {
    memcpy(context, drawn->tokens, (size_t)drawn->n_tokens * sizeof *drawn->tokens);
}

fv_status retrieval_prompt(const fv_config *config, int length, double depth, uint64_t seed,
                           uint64_t index, int32_t *tokens, fv_error *error) {
    const retrieval_listener copies = {.take = take_tokens, .context = tokens};
    return retrieval_draw(config, length, depth, seed, index, 1, &copies, error);
}

// --- the probe's grid ---------------------------------------------------------------------------

void grid_plan_make(const fv_task_config *task, grid_plan *plan) {
    enum { HALF = FV_GRID_LENGTHS / 2 };
    int shortest = training_shortest(task), longest = training_longest(task);
    *plan = (grid_plan){0};
    for (int k = 0; k < FV_GRID_DEPTHS; k++) plan->depths[k] = 100.0 * k / (FV_GRID_DEPTHS - 1);
    for (int k = 0; k < FV_GRID_LENGTHS; k++) {
        int within = (longest - shortest) * k / (HALF - 1) / task->length_step * task->length_step;
        int beyond = (task->context_length - longest) * (k - HALF + 1) / HALF;
        int length = k < HALF ? shortest + within : longest + beyond;
        if (plan->n_lengths > 0 && plan->lengths[plan->n_lengths - 1] >= length) continue;
        plan->lengths[plan->n_lengths++] = length;
        plan->n_trained += length <= longest;
    }
}

void grid_name(int length, double depth, char name[FV_GRID_NAME]) {
    snprintf(name, FV_GRID_NAME, "%d[%.0f]", length, depth);
}
