// What a claim has measured: a cell for each selected run, and what its `reduce` and `fit` make of
// them. A measure without a value ("never") is later than everything; where it is the step of an
// event, that step is known to lie beyond the run's end. Such bounds are carried along as ranges,
// so that a ratio is bounded from below where its numerator never came, from above where its
// denominator did not, and open where neither came.
#ifndef FOVEA_CLAIMS_CLAIM_CELLS_H
#define FOVEA_CLAIMS_CLAIM_CELLS_H

#include "claims/claim_plan.h"

// What is known of a number: all where both ends are equal, else that it lies strictly between
// them. NAN, both: there is none.
typedef struct claim_range {
    double low, high;
} claim_range;

typedef struct claim_cell {
    int seed;
    int diverged_at; // the step at which a run diverged that left it without a value; else -1
    double along;    // value of the field `across`, or 0
    claim_range value;
} claim_cell;

// The measure of a run; NAN is an event after its end where the claim censors, unless the run
// diverged: then it never comes.
claim_range claim_range_of(const claim_plan *plan, double measure, const fv_record *record);

// Orders by seed, then along the field.
void claim_cells_sort(claim_cell *cells, int n);

// One cell for all of a seed's that lie at the same place along the field. "Never" is the highest
// of several and not the lowest; means and sums with it are never. Returns how many cells remain;
// they must be sorted.
int claim_cells_reduce(claim_reduce how, claim_cell *cells, int n);

// One cell a seed: its exponent or its ratio; no exponent where one of its runs diverged. Returns
// how many cells remain; they must be sorted and, for a ratio, reduced.
int claim_cells_fit(claim_fit how, claim_cell *cells, int n);

// The power law through all cells together that did not diverge. False where there is none.
struct power_fit;
bool claim_cells_power(const claim_cell *cells, int n, struct power_fit *fit);

typedef struct claim_summary {
    int n; // cells with a value
    claim_range median, lowest, highest;
} claim_summary;

// Of the cells that have a value and whose `along` is given (all with NAN). The median of ranges
// lies between the medians of their ends. `room` [n].
claim_summary claim_cells_summarise(const claim_cell *cells, int n, double along, double *room);

#endif
