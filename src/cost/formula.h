// Formulas as texts: the line that a user reads is the line that is computed, so the two cannot
// drift apart. Names, numbers, '+', '*' and parentheses; everything is unsigned and exact, and what
// does not fit into 128 bits is found, never wrapped.
//
//   "2 * kv_heads * head_dim * cache_bytes * keys"
//
// Only the bytes of a number can be broken (1.0625 for 8-bit blocks with their scales); values are
// therefore counts of binary fractions, and a result is rounded up to a whole number.
#ifndef COST_FORMULA_H
#define COST_FORMULA_H

#include "base/text.h"

#include <fovea/cost.h>
#include <stdint.h>

// A value that does not fit; results that depend on it do not fit either.
#define FORMULA_TOO_LARGE FV_COST_TOO_LARGE

// n / 2^FORMULA_BITS^power.
typedef struct formula_value {
    fv_cost_number n;
    unsigned power;
} formula_value;
enum { FORMULA_BITS = 16 };

formula_value formula_whole(fv_cost_number n);

// To the nearest fraction, at least the smallest one; for numbers of a few bytes.
formula_value formula_broken(double value);

// The value of a name of `length` characters.
typedef formula_value (*formula_lookup)(const void *scope, const char *name, size_t length);

// The value of a formula, which must be well-formed: formulas are written by us.
fv_cost_number formula_evaluate(const char *formula, formula_lookup lookup, const void *scope);

// Adds the formula with every name replaced by its value.
void formula_substitute(text_buffer *out, const char *formula, formula_lookup lookup,
                        const void *scope);

// n times a broken number, rounded up.
fv_cost_number formula_scale(fv_cost_number n, formula_value value);

// Sum and product, FORMULA_TOO_LARGE where they do not fit or a factor did not.
fv_cost_number formula_add(fv_cost_number a, fv_cost_number b);
fv_cost_number formula_multiply(fv_cost_number a, fv_cost_number b);

#endif
