#include "cost/formula.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

uint64_t formula_add(uint64_t a, uint64_t b) {
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? FORMULA_TOO_LARGE : sum;
}

uint64_t formula_multiply(uint64_t a, uint64_t b) {
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? FORMULA_TOO_LARGE : product;
}

// A recursive descent, one function a level of precedence.
typedef struct reader {
    const char *at;
    formula_lookup lookup;
    const void *scope;
} reader;

static size_t name_length(const char *at) {
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_') n++;
    return n;
}

static bool take(reader *r, char wanted) {
    while (*r->at == ' ') r->at++;
    if (*r->at != wanted) return false;
    r->at++;
    return true;
}

static uint64_t sum(reader *r);

static uint64_t factor(reader *r) {
    if (take(r, '(')) {
        uint64_t inner = sum(r);
        bool closed = take(r, ')');
        assert(closed);
        (void)closed;
        return inner;
    }
    const char *word = r->at;
    size_t n = name_length(word);
    assert(n > 0);
    r->at += n;
    if (isdigit((unsigned char)*word)) return strtoull(word, NULL, 10);
    return r->lookup(r->scope, word, n);
}

static uint64_t product(reader *r) {
    uint64_t value = factor(r);
    while (take(r, '*')) value = formula_multiply(value, factor(r));
    return value;
}

static uint64_t sum(reader *r) {
    uint64_t value = product(r);
    while (take(r, '+')) value = formula_add(value, product(r));
    return value;
}

uint64_t formula_evaluate(const char *formula, formula_lookup lookup, const void *scope) {
    reader r = {formula, lookup, scope};
    uint64_t value = sum(&r);
    assert(*r.at == '\0');
    return value;
}

void formula_substitute(text_buffer *out, const char *formula, formula_lookup lookup,
                        const void *scope) {
    while (*formula != '\0') {
        size_t n = isalpha((unsigned char)*formula) ? name_length(formula) : 0;
        if (n == 0) {
            text_add_char(out, *formula++);
            continue;
        }
        text_add(out, "%" PRIu64, lookup(scope, formula, n));
        formula += n;
    }
}
