// `fovea cost --compare`: any number of models, a row each, sorted by what is asked.
#ifndef FOVEA_TOOL_COST_RANK_H
#define FOVEA_TOOL_COST_RANK_H

#include "cost/cost_view.h"

// X(NAME, name, other, unit, most_first, title). `other` is a second name for --sort; the largest
// comes first where that is best, otherwise the smallest.
#define COST_COLUMN_LIST(X)                                                                        \
    X(PARAMETERS, parameters, "params", "", false, "parameters")                                   \
    X(ACTIVE, active, "active_parameters", "", false, "active")                                    \
    X(WEIGHTS, weights, "weight_bytes", "B", false, "weights")                                     \
    X(CACHE, cache, "kv", "B", false, "cache")                                                     \
    X(STATE, state, "state_bytes", "B", false, "state")                                            \
    X(MEMORY, memory, "total", "B", false, "all")                                                  \
    X(PREFILL, prefill, "prefill_flops", "FLOP", false, "prefill")                                 \
    X(DECODE, decode, "flops", "FLOP", false, "next token")                                        \
    X(CONTEXT, largest_context, "longest", "", true, "largest context")                            \
    X(SEQUENCES, sequences, "fit", "", true, "sequences")                                          \
    X(FIRST_TOKEN, first_token, "ttft", "s", false, "first token >=")                              \
    X(SPEED, tokens_a_second, "tokens/s", "", true, "tokens/s <=")                                 \
    X(MONEY, money, "price", "", false, "money a million >=")

typedef enum cost_column {
#define COST_COLUMN(NAME, name, other, unit, most_first, title) COST_COLUMN_##NAME,
    COST_COLUMN_LIST(COST_COLUMN)
#undef COST_COLUMN
        COST_COLUMNS
} cost_column;

// By either name; false where there is none, or where the request does not say what it needs:
// --memory, --flops with --bandwidth, --price.
bool cost_find_column(const char *name, const cost_request *request, cost_column *column);

// The names that --sort takes, a comma between them. `text` holds 256 characters or more.
const char *cost_column_names(char *text);

// Prints the models as a table, or as JSON Lines, and draws compare.svg and compare.png into
// `folder`, which it makes, where that is not NULL. A model that the devices cannot divide has a
// row without numbers, and the reason is said. *exit_code is that of what could not be written.
fv_status cost_rank(const cost_subject *subjects, int n, const cost_request *request,
                    cost_column sort, const char *folder, bool json, int *exit_code,
                    fv_error *error);

#endif
