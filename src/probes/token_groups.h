// The counting behind the probe token_groups, on any confusion matrix.
#ifndef FOVEA_PROBES_TOKEN_GROUPS_H
#define FOVEA_PROBES_TOKEN_GROUPS_H

#include <fovea/status.h>

// The effective number of groups of tokens in confusion [V][V] (row: the truth, column: summed
// predicted probabilities). Tokens whose row is empty are left out; 0 where all rows are.
fv_status token_grouping(const double *confusion, int V, double *groups, fv_error *error);

#endif
