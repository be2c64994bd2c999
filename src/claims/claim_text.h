// How the numbers of a verdict are written.
#ifndef FOVEA_CLAIMS_CLAIM_TEXT_H
#define FOVEA_CLAIMS_CLAIM_TEXT_H

#include "base/text.h"
#include "claims/claim_cells.h"

// Significant digits where nothing needs more; from 1000 on at least all before the point.
enum { CLAIM_TEXT_DIGITS = 4 };

// So many values are listed one by one; of more only the first few, and a summary of all.
enum { CLAIM_TEXT_MOST = 16, CLAIM_TEXT_FEW = 4 };

// `digits`, or as many more, up to 7, as tell two numbers that are compared apart.
int claim_text_digits(int digits, const claim_range *a, const claim_range *b);

// "0.71", "more than 250", "less than 0.37"; "unknown" where nothing bounds it, "none" where there
// is none.
void claim_text_range(text_buffer *out, const claim_range *v, int digits);

// What a seed measured: "0.71", or all of its runs: "310, 280, 900", or, where they are many, "310,
// 280, 900, 640 and 236 more: minimum 120, median 400, maximum 910".
void claim_text_values(text_buffer *out, const claim_cell *cells, int n);

// A field's value as it is written in an experiment: a choice or truth value by its word.
void claim_text_place(text_buffer *out, const fv_field *field, double along);

#endif
