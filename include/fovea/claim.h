// Claims: a measure over runs, what was published, a tolerance stated beforehand, and a verdict.
//
//   claims:
//     - id: plateau-at-half                     # optional; made from the statement otherwise
//       statement: "Perplexity stalls at half the vocabulary size."
//       where: {task.vocab_size: 100}           # which runs (a list of values matches any)
//       measure: plateau(perplexity) / task.vocab_size
//       published: 0.5
//       tolerance: 0.1                          # a seed agrees when |measure - published| <= this
//     - statement: "The plateau grows longer with V."
//       measure: plateau_length(perplexity)
//       across: task.vocab_size                 # per seed, the measure along this field
//       trend: increasing                       # or decreasing
//     - statement: "Emergence takes Npairs^2.25 steps."
//       measure: emergence(accuracy, 0.5)
//       across: task.n_pairs
//       fit: power                              # or ratio; judged by tolerance, above or below
//       reduce: lowest                          # of several runs of a seed at the same place
//       published: 2.25
//       tolerance: 0.5
//     - statement: "With d = 10 there is no plateau."
//       where: {model.n_embd: 10, task.context_length: 4}
//       measure: plateau_length(perplexity)
//       below: 100                              # or above: X; both may stand together
//       published: none
//
// A measure is an SQL expression over one run: fields by their dotted keys, series by their names,
// and the functions of docs/claims.md (plateau, plateau_length, final, at, lowest, highest, mean,
// first_below, first_above, ...). Agreement is counted per seed: "reproduced" from 4/5 of the
// seeds, "partly" from 2/5, else "not reproduced"; where overrides have changed more of the runs
// that a claim selects than their seeds and how they are watched, it is "not comparable". A seed
// whose runs ended too early to tell is undecided and counts as not agreeing. A run that diverged
// has no value of what is said of its end or of its whole course.
#ifndef FOVEA_CLAIM_H
#define FOVEA_CLAIM_H

#include <fovea/experiment.h>
#include <fovea/record.h>

#ifdef __cplusplus
extern "C" {
#endif

// X(NAME, text). The last is of runs that are not those of the file: overrides have changed them.
#define FV_VERDICT_LIST(X)                                                                         \
    X(REPRODUCED, "reproduced")                                                                    \
    X(PARTLY, "partly")                                                                            \
    X(NOT_REPRODUCED, "not reproduced")                                                            \
    X(NOT_COMPARABLE, "not comparable")

typedef enum fv_verdict {
#define FV_VERDICT_ENUM(name, text) FV_##name,
    FV_VERDICT_LIST(FV_VERDICT_ENUM)
#undef FV_VERDICT_ENUM
        FV_VERDICT_COUNT
} fv_verdict;

typedef struct fv_judgement {
    char *id;        // "sticky-plateau/plateau-at-half"
    char *source;    // of the experiment
    char *statement; // of the claim
    char *published; // as text: "0.5", or "none"
    char *measured;  // as text: "median 0.51 (0.50 to 0.53)"
    fv_verdict verdict;
    char *note; // "5 of 5 seeds within 0.1"; which seeds did not, and the file's own note; before
                // it, where that is so, "not comparable: train.steps was changed"
    int n_seeds, n_agree;
    int n_undecided, *undecided; // seeds whose runs ended too early to tell; they do not agree
    double median, lowest, highest;
    fv_divergence diverged; // of the runs that the claim selects
} fv_judgement;

FV_API const char *fv_verdict_text(fv_verdict verdict);

// Judges every claim of the experiment on the records of its runs. *judgements is an array of
// n_claims, freed with fv_judgements_free. Fails with FV_USAGE (file:line) for a measure that is no
// expression, names an unknown series, or selects no run.
FV_API fv_status fv_claims_judge(const fv_experiment *experiment, const fv_record *const *records,
                                 int n_records, fv_judgement **judgements, fv_error *error);
FV_API void fv_judgements_free(fv_judgement *judgements, int n);

// Checks the claims' options (unknown keys, missing ones) without any run.
FV_API fv_status fv_claims_check(const fv_experiment *experiment, fv_error *error);

// Checks what only runs can tell, on one step of the first run that each claim selects: that it
// selects one, that the field of `across` has several values, that the measure's series exist.
// Fails with FV_USAGE (file:line), or as a probe does that cannot measure that run.
FV_API fv_status fv_claims_rehearse(const fv_experiment *experiment, fv_error *error);

// Evaluates one measure on one run: NAN where the measure is SQL NULL ("never").
FV_API fv_status fv_measure(const char *expression, const fv_record *record, double *value,
                            fv_error *error);

// Whether a measure can be written like this: parses and prepares it, and checks its series against
// those that training always logs and the given probes'. No run is needed.
FV_API fv_status fv_measure_check(const char *expression, const fv_probe *const *probes,
                                  int n_probes, fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
