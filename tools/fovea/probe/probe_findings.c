#include "probe/probe_findings.h"

#include "target.h"

#include <fovea/checkpoint.h>
#include <fovea/config.h>
#include <fovea/probe.h>
#include <fovea/task.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- the model ---------------------------------------------------------------------------------

static bool is_checkpoint(const char *operand) {
    const char *dot = strrchr(operand, '.');
    return dot != NULL && strcmp(dot, ".safetensors") == 0;
}

static fv_status take_snapshot(const fv_record *record, int step, probe_subject *s,
                               fv_error *error) {
    const fv_snapshot *snapshot;
    fv_status status = target_snapshot(record, step, &snapshot, error);
    if (status != FV_OK) return status;
    snprintf(s->name, sizeof s->name, "%s", record->id);
    s->step = snapshot->step;
    s->config = record->config;
    status = fv_model_create(s->config, &s->model, error);
    if (status != FV_OK) return status;
    size_t bytes = record->n_params * sizeof *s->params;
    s->params = malloc(bytes > 0 ? bytes : 1);
    if (s->params == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for the parameters");
    memcpy(s->params, snapshot->params, bytes);
    return FV_OK;
}

static fv_status load_run(const char *operand, int step, probe_subject *s, fv_error *error) {
    run_target target;
    fv_store *store;
    fv_status status = target_open(operand, FV_STORE_READ, &target, &store, error);
    if (status != FV_OK) return status;
    if (target.id[0] == '\0')
        status =
            fv_fail(error, FV_USAGE,
                    "%s is a whole store; name one run in it, as in out/3fa29c41 ('fovea runs' "
                    "lists them)",
                    operand);
    else
        status = fv_store_get(store, target.id, &s->record, error);
    if (status == FV_OK) status = take_snapshot(&s->record, step, s, error);
    fv_store_close(store);
    return status;
}

static fv_status load_checkpoint(const char *operand, int step, int length, probe_subject *s,
                                 fv_error *error) {
    if (step >= 0)
        return fv_fail(error, FV_USAGE, "--step chooses among a run's snapshots; %s is one",
                       operand);
    snprintf(s->name, sizeof s->name, "%s", operand);
    fv_status status = fv_record_set_config(&s->record, NULL, error);
    s->config = s->record.config;
    if (status != FV_OK) return status;
    if (!is_checkpoint(operand))
        return fv_checkpoint_read_hf(operand, length, s->record.config, &s->model, &s->params,
                                     error);
    return fv_checkpoint_read(operand, s->record.config, &s->model, &s->params, error);
}

// Attention, ranks and predictions of NaN look like numbers and mean nothing.
static fv_status check_finite(const probe_subject *s, fv_error *error) {
    size_t n = fv_model_n_params(s->model);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(s->params[i]))
            return fv_fail(error, FV_USAGE,
                           "%s has parameters that are not finite, as those of a diverged run; "
                           "measure a snapshot from before with --step",
                           s->name);
    return FV_OK;
}

fv_status probe_subject_load(const char *operand, int step, int length, probe_subject *s,
                             fv_error *error) {
    *s = (probe_subject){.step = -1};
    fv_record_init(&s->record);
    fv_status status = is_checkpoint(operand) || fv_checkpoint_is_hf(operand)
                           ? load_checkpoint(operand, step, length, s, error)
                           : load_run(operand, step, s, error);
    return status == FV_OK ? check_finite(s, error) : status;
}

void probe_subject_free(probe_subject *s) {
    fv_model_free(s->model);
    free(s->params);
    fv_record_free(&s->record);
    *s = (probe_subject){0};
}

// --- what it does ------------------------------------------------------------------------------

// Those of all probes that take the model; the others are named on stderr, but for those that only runs
// measure, at their end.
static int choose_probes(const fv_model *model, const fv_probe *const *all, int n,
                         const fv_probe **chosen) {
    int n_chosen = 0;
    for (int i = 0; i < n; i++) {
        fv_error why;
        if (all[i]->at_end) continue;
        if (fv_probe_check(all[i], model, &why) == FV_OK)
            chosen[n_chosen++] = all[i];
        else
            fprintf(stderr, "left out: %s\n", why.text);
    }
    return n_chosen;
}

static fv_status run_probes(probe_findings *f, fv_error *error) {
    int n;
    const fv_probe *const *all = fv_probes(&n);
    const probe_subject *s = f->subject;
    const fv_probe **probes = calloc((size_t)n, sizeof *probes);
    if (probes == NULL) return fv_fail(error, FV_NO_MEMORY, "no memory for %d probes", n);
    n = choose_probes(s->model, all, n, probes);
    fv_probing *probing = NULL;
    fv_status status = fv_probing_create(s->model, probes, n, &probing, error);
    if (status == FV_OK)
        status =
            fv_probing_measure(probing, s->params, s->step < 0 ? 0 : s->step, &f->measured, error);
    fv_probing_free(probing);
    free(probes);
    return status;
}

static fv_status check_tokens(const fv_task_config *task, const int32_t *tokens, int n,
                              fv_error *error) {
    if (n != task->context_length)
        return fv_fail(error, FV_USAGE, "--tokens gives %d; the model reads %d at a time", n,
                       task->context_length);
    for (int i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= task->vocab_size)
            return fv_fail(error, FV_USAGE, "--tokens has %d; the model knows 0 to %d", tokens[i],
                           task->vocab_size - 1);
    return FV_OK;
}

fv_status probe_input(const probe_subject *s, const int32_t *given, int n_given, int32_t *tokens,
                      int32_t *targets, fv_error *error) {
    if (given == NULL) {
        uint64_t seed = fv_task_seed(s->config);
        fv_error reason = {0};
        fv_status drawn = fv_model_test_sequences(s->model, seed, 0, 1, tokens, targets, &reason);
        if (drawn == FV_OK) return FV_OK;
        return fv_fail(error, drawn, "%s%s", reason.text,
                       drawn == FV_NO_MEMORY ? "" : "; --tokens gives a sequence");
    }
    fv_status status = check_tokens(&s->config->task, given, n_given, error);
    if (status != FV_OK) return status;
    memcpy(tokens, given, (size_t)n_given * sizeof *tokens);
    int n_loss;
    fv_model_loss_positions(s->model, &n_loss);
    for (int i = 0; i < n_loss; i++) targets[i] = -1;
    return FV_OK;
}

static fv_status allocate(probe_findings *f, fv_error *error) {
    size_t map = (size_t)f->T * (size_t)f->T;
    f->tokens = calloc((size_t)f->T, sizeof *f->tokens);
    f->targets = calloc((size_t)f->n_loss + 1, sizeof *f->targets);
    f->logits = calloc((size_t)f->n_loss + 1, (size_t)f->V * sizeof *f->logits);
    f->patterns = calloc((size_t)f->n_attention * (size_t)f->H + 1, map * sizeof *f->patterns);
    if (f->tokens && f->targets && f->logits && f->patterns) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no memory for the attention patterns of %d tokens", f->T);
}

fv_status probe_findings_make(const probe_subject *subject, const int32_t *tokens, int n_tokens,
                              probe_findings *f, fv_error *error) {
    const fv_model *model = subject->model;
    *f = (probe_findings){.subject = subject,
                          .T = subject->config->task.context_length,
                          .V = subject->config->task.vocab_size,
                          .H = subject->config->model.n_head,
                          .n_attention = fv_model_n_attention(model)};
    f->loss_positions = fv_model_loss_positions(model, &f->n_loss);
    fv_record_init(&f->measured);
    fv_status status = allocate(f, error);
    if (status == FV_OK)
        status = probe_input(subject, tokens, n_tokens, f->tokens, f->targets, error);
    if (status == FV_OK) status = run_probes(f, error);
    if (status == FV_OK)
        status = fv_model_logits(model, subject->params, f->tokens, 1, f->logits, error);
    if (status == FV_OK && f->n_attention > 0)
        status = fv_model_patterns(model, subject->params, f->tokens, 1, f->patterns, error);
    if (status != FV_OK) probe_findings_free(f);
    return status;
}

void probe_findings_free(probe_findings *f) {
    fv_record_free(&f->measured);
    free(f->tokens);
    free(f->targets);
    free(f->logits);
    free(f->patterns);
    *f = (probe_findings){0};
}

int probe_top(const probe_findings *f, int i, int k, int *tokens, double *probabilities) {
    const float *logits = f->logits + (size_t)i * (size_t)f->V;
    double largest = logits[0], total = 0;
    for (int v = 1; v < f->V; v++) largest = fmax(largest, logits[v]);
    for (int v = 0; v < f->V; v++) total += exp(logits[v] - largest);
    int n = 0;
    for (; n < k && n < f->V; n++) {
        int best = -1;
        for (int v = 0; v < f->V; v++) {
            bool taken = false;
            for (int j = 0; j < n; j++) taken |= tokens[j] == v;
            if (!taken && (best < 0 || logits[v] > logits[best])) best = v;
        }
        tokens[n] = best;
        probabilities[n] = exp(logits[best] - largest) / total;
    }
    return n;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

// The W_Q of the attention layer.
static const fv_tensor *query_tensor(const fv_model *model, int layer) {
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    for (int i = 0; i < n; i++)
        if (ends_with(tensors[i].name, ".attn.W_Q") && layer-- == 0) return &tensors[i];
    return NULL;
}

double *probe_qk_circuit(const probe_findings *f, int layer, int head, char *name) {
    const fv_tensor *q = query_tensor(f->subject->model, layer);
    if (q == NULL) return NULL;
    int prefix = (int)strlen(q->name) - 3; // less "W_Q"
    char k_name[sizeof q->name];
    snprintf(k_name, sizeof k_name, "%.*sW_K", prefix, q->name);
    const fv_tensor *k = fv_model_tensor(f->subject->model, k_name);
    if (f->H > 1)
        snprintf(name, 64, "%.*sQK.h%d", prefix, q->name, head);
    else
        snprintf(name, 64, "%.*sQK", prefix, q->name);
    int d = q->shape[0], width = q->shape[1], d_head = width / f->H;
    double *circuit = k != NULL ? calloc((size_t)d * (size_t)d + 1, sizeof *circuit) : NULL;
    if (circuit == NULL) return NULL;
    const float *wq = f->subject->params + q->offset, *wk = f->subject->params + k->offset;
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++)
            for (int c = head * d_head; c < (head + 1) * d_head; c++)
                circuit[(size_t)i * d + j] +=
                    (double)wq[(size_t)i * width + c] * wk[(size_t)j * width + c];
    return circuit;
}
