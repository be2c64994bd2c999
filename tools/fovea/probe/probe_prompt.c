#include "probe/probe_prompt.h"

#include "table.h"
#include "tool.h"

#include <fovea/decode.h>
#include <math.h>
#include <stdlib.h>

enum { N_SHOWN = 8 }; // likeliest tokens in a table; JSON has all

// A token that was said, and how likely it was.
typedef struct said {
    int token;
    double probability;
} said;

typedef struct reading {
    const probe_subject *subject;
    fv_decoder *decoder;
    int n_vocab;
    float *logits;         // [V], of the next token
    double *probabilities; // [V], after the prompt
    int more, n_said;
    said *said; // [more]
} reading;

static fv_status check_prompt(const probe_subject *subject, const int32_t *prompt, int n,
                              fv_error *error) {
    int n_vocab = fv_model_sizes_of(subject->model).vocab_size;
    for (int i = 0; i < n; i++)
        if (prompt[i] >= n_vocab)
            return fv_fail(error, FV_USAGE, "--prompt has %d; the model knows 0 to %d", prompt[i],
                           n_vocab - 1);
    return FV_OK;
}

static fv_status reading_open(const probe_subject *subject, int n, int more, reading *r,
                              fv_error *error) {
    size_t n_vocab = (size_t)fv_model_sizes_of(subject->model).vocab_size;
    fv_decoder_options options = {.n = (int64_t)n + more, .n_threads = 0};
    *r = (reading){.subject = subject,
                   .n_vocab = (int)n_vocab,
                   .logits = calloc(n_vocab, sizeof *r->logits),
                   .probabilities = calloc(n_vocab, sizeof *r->probabilities),
                   .more = more,
                   .said = calloc((size_t)more + 1, sizeof *r->said)};
    if (!r->logits || !r->probabilities || !r->said)
        return fv_fail(error, FV_NO_MEMORY, "no memory for %d tokens", more);
    return fv_decoder_create(subject->model, subject->params, &options, &r->decoder, error);
}

static void reading_close(reading *r) {
    fv_decoder_free(r->decoder);
    free(r->logits);
    free(r->probabilities);
    free(r->said);
}

// Reads on in steps, so that an interrupt need not wait for the whole.
static fv_status read_on(reading *r, const int32_t *tokens, int n, fv_error *error) {
    enum { STEP = 512 };
    fv_status status = FV_OK;
    for (int at = 0, count; at < n && status == FV_OK; at += count) {
        count = n - at < STEP ? n - at : STEP;
        bool ends = at + count == n;
        int64_t last = fv_decoder_seen(r->decoder) + count - 1;
        status = fv_decoder_read(r->decoder, count, tokens + at, ends, &last, r->logits, error);
        if (status == FV_OK && tool_interrupted)
            status =
                fv_fail(error, FV_INTERRUPTED, "interrupted after %d of %d tokens", at + count, n);
    }
    return status;
}

// The likeliest token and its probability; all of them to `probabilities` unless NULL.
static said likeliest(const reading *r, double *probabilities) {
    int best = 0;
    double sum = 0;
    for (int v = 1; v < r->n_vocab; v++)
        if (r->logits[v] > r->logits[best]) best = v;
    for (int v = 0; v < r->n_vocab; v++) sum += exp((double)r->logits[v] - r->logits[best]);
    for (int v = 0; probabilities && v < r->n_vocab; v++)
        probabilities[v] = exp((double)r->logits[v] - r->logits[best]) / sum;
    return (said){best, 1 / sum};
}

static fv_status read_all(reading *r, const int32_t *prompt, int n, fv_error *error) {
    fv_status status = read_on(r, prompt, n, error);
    if (status != FV_OK) return status;
    said next = likeliest(r, r->probabilities);
    while (r->n_said < r->more && status == FV_OK) {
        int32_t token = next.token;
        r->said[r->n_said++] = next;
        if (r->n_said < r->more) status = read_on(r, &token, 1, error);
        next = likeliest(r, NULL);
    }
    return status;
}

// --- what is shown -----------------------------------------------------------------------------

static int print_json(const reading *r, int n) {
    json_t *probabilities = json_array(), *tokens = json_array(), *each = json_array();
    for (int v = 0; v < r->n_vocab; v++)
        json_array_append_new(probabilities, tool_number_json(r->probabilities[v]));
    for (int i = 0; i < r->n_said; i++) {
        json_array_append_new(tokens, json_integer(r->said[i].token));
        json_array_append_new(each, tool_number_json(r->said[i].probability));
    }
    return tool_print_json(json_pack("{s:s, s:i, s:o, s:o, s:o}", "model", r->subject->name,
                                     "prompt_length", n, "next", probabilities, "continuation",
                                     tokens, "continuation_probabilities", each));
}

// The likeliest tokens, one after the other: few are shown, so that looking for each will do.
static int print_next(const reading *r, int n) {
    table t;
    printf("after %d tokens, %d of %d next ones\n", n, r->n_vocab < N_SHOWN ? r->n_vocab : N_SHOWN,
           r->n_vocab);
    table_init(&t, 2);
    table_add(&t, "token");
    table_add(&t, "probability");
    double *left = r->probabilities;
    for (int i = 0; i < N_SHOWN && i < r->n_vocab; i++) {
        int best = 0;
        for (int v = 1; v < r->n_vocab; v++)
            if (left[v] > left[best]) best = v;
        table_add(&t, "%d", best);
        table_add(&t, "%.4f", left[best]);
        left[best] = -1;
    }
    return table_show(&t);
}

static void print_said(const reading *r) {
    if (r->n_said == 0) return;
    printf("goes on, the likeliest each time:");
    double log_probability = 0;
    for (int i = 0; i < r->n_said; i++) {
        printf(" %d", r->said[i].token);
        log_probability += log(r->said[i].probability);
    }
    printf("\nmean probability %.4f (geometric)\n", exp(log_probability / r->n_said));
}

int probe_prompt_tell(const probe_subject *subject, const int32_t *prompt, int n, int more,
                      bool json) {
    reading r = {0};
    fv_error error;
    tool_catch_interrupts();
    fv_status status = check_prompt(subject, prompt, n, &error);
    if (status == FV_OK) status = reading_open(subject, n, more, &r, &error);
    if (status == FV_OK) status = read_all(&r, prompt, n, &error);
    int exit_code = EXIT_DONE;
    if (status != FV_OK) {
        exit_code = tool_fail(&error);
    } else if (json) {
        exit_code = print_json(&r, n);
    } else {
        exit_code = print_next(&r, n);
        print_said(&r);
    }
    reading_close(&r);
    return exit_code;
}
