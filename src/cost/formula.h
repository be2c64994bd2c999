// Formulas as texts: the line that a user reads is the line that is computed, so the two cannot
// drift apart. Names, whole numbers, '+', '*' and parentheses; everything is an unsigned 64-bit
// number, and what does not fit is found, never wrapped.
//
//   "2 * kv_heads * head_dim * cache_bytes * keys"
#ifndef COST_FORMULA_H
#define COST_FORMULA_H

#include "base/text.h"

#include <stdint.h>

// A value that does not fit into 64 bits; results that depend on it do not fit either.
#define FORMULA_TOO_LARGE UINT64_MAX

// The value of a name of `length` characters.
typedef uint64_t (*formula_lookup)(const void *scope, const char *name, size_t length);

// The value of a formula, which must be well-formed: formulas are written by us.
uint64_t formula_evaluate(const char *formula, formula_lookup lookup, const void *scope);

// Adds the formula with every name replaced by its value.
void formula_substitute(text_buffer *out, const char *formula, formula_lookup lookup,
                        const void *scope);

// Sum and product, FORMULA_TOO_LARGE where they do not fit or a factor did not.
uint64_t formula_add(uint64_t a, uint64_t b);
uint64_t formula_multiply(uint64_t a, uint64_t b);

#endif
