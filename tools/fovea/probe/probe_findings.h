// What `fovea probe` finds out about one model: a snapshot of a stored run, or a checkpoint.
#ifndef FOVEA_TOOL_PROBE_FINDINGS_H
#define FOVEA_TOOL_PROBE_FINDINGS_H

#include <fovea/model.h>
#include <fovea/record.h>
#include <jansson.h>
#include <stdio.h>

typedef struct probe_subject {
    char name[4096];   // the run's id or the checkpoint's path
    int step;          // of the snapshot; -1: a checkpoint
    fv_config *config; // the record's
    fv_model *model;
    float *params;
    fv_record record; // the whole run; of a checkpoint only the configuration
} probe_subject;

// Loads "out/3fa2", "model.safetensors" or a folder of transformers, whose model reads `length` tokens at a
// time, 0: as many as it was made for; `step` -1 is the result of a run. Fails with FV_USAGE
// for an operand that names a whole store and for parameters that are not finite, FV_NOT_FOUND for
// what is not there.
fv_status probe_subject_load(const char *operand, int step, int length, probe_subject *s,
                             fv_error *error);
void probe_subject_free(probe_subject *s);

// The sequence to run a model on: the tokens given [n_given], or with NULL the task's first test
// sequence. Fills tokens [T] and targets [loss positions], which are -1 where none is known. Fails
// with FV_USAGE for tokens that the model does not know, or that are not as many as its context.
fv_status probe_input(const probe_subject *subject, const int32_t *given, int n_given,
                      int32_t *tokens, int32_t *targets, fv_error *error);

typedef struct probe_findings {
    const probe_subject *subject;
    int T, V, H, n_attention, n_loss;
    const int *loss_positions; // [n_loss]
    fv_record measured;        // one point of every series of every probe
    int32_t *tokens;           // [T], the input
    int32_t *targets;          // [n_loss], -1: none or unknown
    float *logits;             // [n_loss][V]
    float *patterns;           // [n_attention][H][T][T]
} probe_findings;

// Runs every probe, and the model on `tokens` [n_tokens], or on the task's first test sequence with
// NULL. Probes that cannot take this model are named on stderr. Fails as probe_input does.
fv_status probe_findings_make(const probe_subject *subject, const int32_t *tokens, int n_tokens,
                              probe_findings *f, fv_error *error);
void probe_findings_free(probe_findings *f);

// The k most likely tokens at loss position i and their probabilities; returns how many (at most
// V).
int probe_top(const probe_findings *f, int i, int k, int *tokens, double *probabilities);

// W_Q^h (W_K^h)^T [d][d] of attention layer `layer`, d = n_embd, malloc; NULL without memory.
// `name` [64] receives "blocks.0.attn.QK", with the head where there are several.
double *probe_qk_circuit(const probe_findings *f, int layer, int head, char *name);

json_t *probe_findings_json(const probe_findings *f); // NULL without memory
int probe_findings_print(const probe_findings *f);    // an exit code

#endif
