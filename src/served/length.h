// Prompts of a length. How many units of haystack fill it is found once for a task at a length, from
// its sample 0; prompts of other samples and depths, whose words cost more or less, start from
// there, and each is counted and shortened until it fits, as RULER does.
//
//   tokens │            ┌── length - max_tokens
//          │  ··········│·········· budget
//          │        ▁▃▅▇│
//          │    ▁▃▅▇    │   a secant between counts: prompts grow nearly in proportion to units
//          └────────────┴─ units
#ifndef FOVEA_SERVED_LENGTH_H
#define FOVEA_SERVED_LENGTH_H

#include "served/served_task.h"
#include "served/tokens.h"

// Of one task at one length. Starts as {0}.
typedef struct length_rule {
    token_rule count;
    bool fits;   // lengths are tokens: prompts are shortened; else they are as long as they are
    int budget;  // tokens that a prompt may have; of estimates with 5 % to spare
    int least;   // units of the shortest prompt
    int n_units; // where searches start
    int tokens;  // of a prompt of n_units
    double per_unit;
} length_rule;

// Finds the rule. `place` says seed, length and haystack. FV_USAGE where the shortest prompt and
// `max_tokens` of answer do not fit into the length, or the task has no prompt of it.
fv_status length_rule_make(token_counter *counter, const served_task *task,
                           const served_source *source, int max_tokens,
                           const served_sample_place *place, length_rule *rule, fv_error *error);

// Whether its lengths are counts and no estimates.
bool length_rule_is_sure(const length_rule *rule);
void length_rule_free(length_rule *rule);

// The search for the units of one prompt.
typedef struct length_search {
    int budget, least;
    int n_units, tokens;   // the most units that are known to fit; n_units 0: none yet
    int over, tokens_over; // the fewest that do not; over 0: none yet
    double per_unit;       // tokens of one more unit
    double near;           // the share of the budget within which a prompt fills it
    int n_counts, most_counts;
} length_search;

// The units to count first.
int length_search_start(length_search *search, const length_rule *rule);

// A prompt of `units` has `tokens`: the units to count next, or 0 at the end, where n_units has the
// outcome: 0 where not even the shortest prompt fits.
int length_search_next(length_search *search, int units, int tokens);

// Builds the prompt of `place` with as many units as fit, which are set in it, and counts its
// tokens. 0 units: not even the shortest prompt fits.
fv_status length_build(token_counter *counter, const length_rule *rule, const served_task *task,
                       const served_source *source, served_sample_place *place, prompt *p,
                       int *tokens, fv_error *error);

#endif
