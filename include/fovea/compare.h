// Two served models, or two ways to serve one, that answered the same prompts: what each found, what
// changed, and whether that is more than chance (fovea/paired.h has the tests).
#ifndef FOVEA_COMPARE_H
#define FOVEA_COMPARE_H

#include <fovea/eval.h>
#include <fovea/paired.h>

#ifdef __cplusplus
extern "C" {
#endif

// In arrays of two, [0] is the model compared with (the label), [1] the model of the fv_served.

// A cell of both: `lost` was found by [0] alone, `won` by [1] alone.
typedef struct fv_compared_cell {
    fv_cell place; // its task, unit, length and depth
    fv_paired counts;
    int found[2];
    double low, high; // 95 % of the difference of shares, [1] less [0] (fv_paired_interval)
    double p;         // fv_mcnemar
    double holm;      // the same, corrected for the number of cells
} fv_compared_cell;

// A question that one of them found and the other missed.
typedef struct fv_flip {
    int cell, sample, n_units; // n_units: what its prompt is made of (eval.db's `units`)
    int64_t row[2];            // in the table asks of eval.db
    fv_answer answer[2];
    char *reply[2]; // NULL without one
    uint64_t prompt_hash;
} fv_flip;

// Means of the questions that both answered; NAN where a server does not say.
typedef struct fv_compared_cost {
    double prompt_tokens, answer_tokens, seconds;
} fv_compared_cost;

// Log-probabilities of the expected answers, of the questions of which both servers tell it.
typedef struct fv_compared_logprobs {
    int n;                  // of these questions
    int n_one;              // of which one server alone tells it
    double mean[2];         // of the sum over an answer's tokens; NAN without any
    fv_permutation of_both; // of the differences, [1] less [0]
} fv_compared_logprobs;

typedef struct fv_comparison {
    int n_cells;
    fv_compared_cell *cells;
    fv_compared_cell all;                    // `holm` is p, `place` empty
    int classes[FV_N_ANSWERS][FV_N_ANSWERS]; // questions by what [0] and what [1] answered
    fv_compared_cost cost[2];
    fv_compared_logprobs logprobs;
    int n_flips;
    fv_flip *flips;
    int n_asked;  // questions of the fv_served; all.counts.n have an answer of both that counts
    int n_others; // of the rest, those that both answered, but to different prompts
} fv_comparison;

// Compares the stored answers of the fv_served with those kept under `label` in the same folder:
// of the same question, --extra and --max-tokens, and with the same prompt, by its fingerprint.
// fv_comparison_free frees it, after failure too.
FV_API fv_status fv_served_compare(fv_served *served, const char *label, fv_comparison *comparison,
                                   fv_error *error);
FV_API void fv_comparison_free(fv_comparison *comparison);

// The prompt of a flip, built again. The caller frees it. FV_USAGE where what it is made of has
// changed since.
FV_API fv_status fv_flip_prompt(const fv_served *served, const fv_flip *flip, char **prompt,
                                fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
