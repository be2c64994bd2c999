// What a model looks like at a step: its embeddings in the plane, what it attends to, how its heads weigh
// directions, how many dimensions its matrices use.
#include "live.h"
#include "web.h"

#include "probes/linalg.h"

#include <fovea/config.h>
#include <fovea/probe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(void) {
    return fv_fail(web_failure(), FV_NO_MEMORY, "out of memory for a view of the model");
}

static void write_rows(const double *values, int rows, int columns, text_buffer *out) {
    text_add(out, "[");
    for (int r = 0; r < rows; r++) {
        put_item(out);
        text_add(out, "[");
        for (int c = 0; c < columns; c++) {
            put_item(out);
            put_number(out, values[r * columns + c]);
        }
        text_add(out, "]");
    }
    text_add(out, "]");
}

// The rows of a tensor in the plane: as they are up to width 2, else along the first two principal
// components; `shares` of the variance that the two have.
static int write_plane(const char *key, const char *name, text_buffer *out) {
    const fv_model *model = fv_trainer_model(live_trainer());
    const fv_tensor *tensor = fv_model_tensor(model, name);
    if (tensor == NULL) return FV_OK;
    int rows = tensor->shape[0], columns = tensor->n_dims > 1 ? tensor->shape[1] : 1;
    const float *data = fv_trainer_params(live_trainer()) + tensor->offset;
    double *plane = calloc((size_t)rows * 2, sizeof *plane), shares[2] = {1, 0};
    if (plane == NULL) return no_memory();
    if (columns <= 2) {
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) plane[2 * r + c] = data[r * columns + c];
    } else {
        probe_pca pca;
        probe_matrix points = probe_matrix_of(data, rows, columns);
        fv_status status = pca_fit(points, &pca, web_failure());
        if (status != FV_OK) {
            free(plane);
            return status;
        }
        pca_project(&pca, points, 2, plane);
        for (int k = 0; k < 2; k++) shares[k] = k < pca.n ? pca.explained[k] : 0;
        pca_free(&pca);
    }
    put_key(out, key);
    text_add(out, "{\"width\":%d,\"shares\":[%.4g,%.4g],\"points\":", columns, shares[0],
             shares[1]);
    write_rows(plane, rows, 2, out);
    text_add(out, "}");
    free(plane);
    return FV_OK;
}

// W_Q W_K^T of every head of an attention layer, [d][d]: how directions of a query weigh those of a key.
static void write_layer_qk(const float *q, const float *k, int d, int head, int d_head, int width,
                           text_buffer *out) {
    put_item(out);
    text_add(out, "[");
    for (int i = 0; i < d; i++) {
        put_item(out);
        text_add(out, "[");
        for (int j = 0; j < d; j++) {
            double sum = 0;
            for (int c = 0; c < d_head; c++)
                sum += (double)q[i * width + head * d_head + c] *
                       (double)k[j * width + head * d_head + c];
            put_item(out);
            put_number(out, sum);
        }
        text_add(out, "]");
    }
    text_add(out, "]");
}

enum { WIDEST_QK = 16, LONGEST_PATTERN = 64 };

static void write_qk(text_buffer *out) {
    const fv_model *model = fv_trainer_model(live_trainer());
    const float *params = fv_trainer_params(live_trainer());
    fv_model_sizes sizes = fv_model_sizes_of(model);
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    put_key(out, "qk");
    text_add(out, "[");
    for (int i = 0; i < n && sizes.n_embd <= WIDEST_QK; i++) {
        if (strstr(tensors[i].name, "attn.W_Q") == NULL) continue;
        char name[sizeof tensors[i].name];
        snprintf(name, sizeof name, "%s", tensors[i].name);
        memcpy(strstr(name, "W_Q"), "W_K", 3);
        const fv_tensor *k = fv_model_tensor(model, name);
        if (k == NULL || k->size != tensors[i].size || tensors[i].shape[0] != sizes.n_embd)
            continue;
        int width = tensors[i].shape[1], d_head = width / sizes.n_head;
        put_item(out);
        text_add(out, "[");
        for (int h = 0; h < sizes.n_head; h++)
            write_layer_qk(params + tensors[i].offset, params + k->offset, sizes.n_embd, h, d_head,
                           width, out);
        text_add(out, "]");
    }
    text_add(out, "]");
}

static void write_tokens(const int32_t *tokens, int n, text_buffer *out) {
    text_add(out, "{\"tokens\":[");
    for (int i = 0; i < n; i++) text_add(out, "%s%d", i ? "," : "", (int)tokens[i]);
    text_add(out, "],\"layers\":[");
}

// patterns [layers][H][T][T] of one sequence.
static void write_patterns(const float *patterns, int layers, int heads, int length,
                           text_buffer *out) {
    for (int m = 0; m < layers; m++) {
        text_add(out, "%s[", m ? "," : "");
        for (int h = 0; h < heads; h++) {
            text_add(out, "%s[", h ? "," : "");
            for (int q = 0; q < length; q++) {
                text_add(out, "%s[", q ? "," : "");
                for (int k = 0; k < length; k++, patterns++) {
                    if (k) text_add_char(out, ',');
                    put_number(out, (double)*patterns);
                }
                text_add(out, "]");
            }
            text_add(out, "]");
        }
        text_add(out, "]");
    }
    text_add(out, "]}");
}

// The tokens of a sequence that somebody wrote, "1 4 2 2", into the first row; fewer or none leave the rest
// as the task has drawn it.
static int read_sequence(const char *text, fv_model_sizes sizes, int32_t *tokens) {
    for (int i = 0; i < sizes.context_length; i++) {
        char *end;
        long token = strtol(text, &end, 10);
        if (end == text) break;
        if (token < 0 || token >= sizes.vocab_size)
            return fv_fail(web_failure(), FV_USAGE,
                           "token %ld is none of the vocabulary, which has 0 to %d", token,
                           sizes.vocab_size - 1);
        tokens[i] = (int32_t)token;
        text = end + strspn(end, " ,");
    }
    return FV_OK;
}

static int write_attention(int n, const char *sequence, text_buffer *out) {
    const fv_model *model = fv_trainer_model(live_trainer());
    fv_model_sizes sizes = fv_model_sizes_of(model);
    int length = sizes.context_length, layers = fv_model_n_attention(model), n_loss;
    fv_model_loss_positions(model, &n_loss);
    if (layers == 0 || length > LONGEST_PATTERN || n < 1) return FV_OK;
    size_t one = (size_t)layers * (size_t)sizes.n_head * (size_t)length * (size_t)length;
    int32_t *tokens = calloc((size_t)n * (size_t)length, sizeof *tokens);
    int32_t *targets = calloc((size_t)n * (size_t)n_loss, sizeof *targets);
    float *patterns = calloc((size_t)n * one, sizeof *patterns);
    int status = tokens && targets && patterns ? FV_OK : no_memory();
    const float *params = fv_trainer_params(live_trainer());
    if (status == FV_OK)
        status = fv_model_test_sequences(model, 0, 0, n, tokens, targets, web_failure());
    if (status == FV_OK) status = read_sequence(sequence, sizes, tokens);
    if (status == FV_OK)
        status = fv_model_patterns(model, params, tokens, n, patterns, web_failure());
    if (status == FV_OK) {
        put_key(out, "attention");
        text_add(out, "[");
        for (int i = 0; i < n; i++) {
            put_item(out);
            write_tokens(tokens + i * length, length, out);
            write_patterns(patterns + (size_t)i * one, layers, sizes.n_head, length, out);
        }
        text_add(out, "]");
    }
    free(tokens);
    free(targets);
    free(patterns);
    return status;
}

// The probe's own numbers; a model that it does not take has none.
static int write_ranks(text_buffer *out) {
    const fv_model *model = fv_trainer_model(live_trainer());
    const fv_probe *probe = fv_probe_find("effective_rank");
    fv_record record;
    fv_record_init(&record);
    put_key(out, "ranks");
    text_add(out, "[");
    if (probe != NULL && fv_probe_check(probe, model, NULL) == FV_OK &&
        fv_probe_measure(probe, model, fv_trainer_params(live_trainer()), 0, &record,
                         web_failure()) == FV_OK)
        for (int i = 0; i < record.n_series; i++) {
            put_item(out);
            text_add(out, "[");
            put_string(out, record.series[i].name + strlen("effective_rank."));
            text_add(out, ",");
            put_number(out, (double)record.series[i].values[0]);
            text_add(out, "]");
        }
    text_add(out, "]");
    fv_record_free(&record);
    return FV_OK;
}

int web_view(int sequences, const char *sequence) {
    if (live_trainer() == NULL) return fv_fail(web_failure(), FV_USAGE, "no run has begun");
    text_buffer *out = web_begin_text();
    text_add(out, "{\"step\":%d", fv_trainer_steps_done(live_trainer()));
    int status = write_plane("embeddings", "embed.W_E", out);
    if (status == FV_OK) status = write_plane("positions", "pos_embed.W_pos", out);
    if (status == FV_OK) status = write_attention(sequences, sequence, out);
    if (status == FV_OK) write_qk(out);
    if (status == FV_OK) status = write_ranks(out);
    text_add(out, "}");
    return status == FV_OK ? web_end_text() : status;
}
