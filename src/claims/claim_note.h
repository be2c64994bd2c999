// The note of a verdict: how many seeds agree, which do not and what they measured, and what else
// is to be known of their runs. Its length has a bound, however many runs there are.
#ifndef FOVEA_LAB_CLAIM_NOTE_H
#define FOVEA_LAB_CLAIM_NOTE_H

#include "base/text.h"
#include "claims/claim_cells.h"

// Seeds that do not agree for one reason, and what they measured.
typedef struct claim_dissent {
    int n;
    text_buffer seeds, values;
} claim_dissent;

// The seeds for which there is no value, that contradict, and that are undecided.
typedef struct claim_dissents {
    claim_dissent without, against, open;
} claim_dissents;

// Counts a seed, whose cells are given.
void claim_note_dissent(claim_dissent *d, const claim_cell *cells, int n);

// "4 of 5 seeds (rate at least 0.38)": the lower end of the 95 % Wilson interval of the share of all
// seeds that agree.
void claim_note_rate(int n_agree, int n_seeds, text_buffer *note);

// " within 0.1": what a seed must measure to agree.
void claim_note_criterion(const claim_plan *plan, text_buffer *note);

// "; no value for seed 2; seed 3 did not (0.71)". Frees what the dissents hold.
void claim_note_dissents(claim_dissents *d, const fv_judgement *j, text_buffer *note);

// "; without 3 optional runs (task.n_pairs 32)", where the claim speaks of them.
void claim_note_left_out(const fv_experiment *experiment, const claim_plan *plan,
                         text_buffer *note);

// "; 2 of 12 runs diverged, at steps 120 to 910", whether or not they left a value.
void claim_note_diverged(const fv_divergence *diverged, text_buffer *note);

#endif
