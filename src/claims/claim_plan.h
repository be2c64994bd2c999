// A claim of an experiment file, read and checked: what to measure on which runs, and when a seed
// agrees.
#ifndef FOVEA_CLAIMS_CLAIM_PLAN_H
#define FOVEA_CLAIMS_CLAIM_PLAN_H

#include <fovea/claim.h>

// X(NAME, text): how several runs of a seed at the same place along `across` become one number, and
// how a seed's runs along it do: the exponent of the power law through them, or the value at the
// field's largest value over that at its smallest.
#define FV_REDUCE_LIST(X)                                                                          \
    X(LOWEST, "lowest")                                                                            \
    X(HIGHEST, "highest")                                                                          \
    X(MEAN, "mean")                                                                                \
    X(SUM, "sum")
#define FV_FIT_LIST(X) X(POWER, "power") X(RATIO, "ratio")

typedef enum claim_reduce {
    FV_REDUCE_NONE,
#define FV_REDUCE_ENUM(name, text) FV_REDUCE_##name,
    FV_REDUCE_LIST(FV_REDUCE_ENUM)
#undef FV_REDUCE_ENUM
} claim_reduce;

typedef enum claim_fit {
    FV_FIT_NONE,
#define FV_FIT_ENUM(name, text) FV_FIT_##name,
    FV_FIT_LIST(FV_FIT_ENUM)
#undef FV_FIT_ENUM
} claim_fit;

typedef enum claim_kind {
    FV_CLAIM_NEAR,  // |measure - published| <= tolerance
    FV_CLAIM_BOUND, // above < measure < below
    FV_CLAIM_TREND, // the measure rises or falls along a field
} claim_kind;

// A key of a claim: its name, one line of help, and lines of an experiment file that use it.
typedef struct claim_key {
    const char *name, *help, *example;
} claim_key;

const claim_key *claim_keys(int *n);

typedef struct claim_plan {
    const fv_options *options;
    const char *statement, *measure, *published, *note; // in the experiment
    char id[64];
    claim_kind kind;
    double target, tolerance;
    double above, below;          // -INFINITY and INFINITY where not given
    const char *across;           // a field, or a measure of a run's configuration; NULL: none
    const fv_field *across_field; // NULL where it is a measure
    double sign;                  // +1 increasing, -1 decreasing
    claim_reduce reduce;
    claim_fit fit; // what NEAR and BOUND judge is then a seed's fit
    bool censors;  // a run without a value is one that ended before its event
} claim_plan;

// Reads claim i. Fails with FV_USAGE and "file:line: ...".
fv_status claim_read(const fv_experiment *experiment, int i, claim_plan *plan, fv_error *error);

// Where along `across` a run of that configuration stands; 0 without `across`, NAN where its measure
// has no value there.
fv_status claim_along(const claim_plan *plan, const fv_config *config, double *along,
                      fv_error *error);

// Whether the claim's `where` picks runs of this configuration.
bool claim_selects(const claim_plan *plan, const fv_config *config);

#endif
