#include "cost/formula.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

fv_cost_number formula_add(fv_cost_number a, fv_cost_number b) {
    fv_cost_number sum;
    return __builtin_add_overflow(a, b, &sum) ? FORMULA_TOO_LARGE : sum;
}

fv_cost_number formula_multiply(fv_cost_number a, fv_cost_number b) {
    fv_cost_number product;
    return __builtin_mul_overflow(a, b, &product) ? FORMULA_TOO_LARGE : product;
}

// --- broken numbers ----------------------------------------------------------------------------

formula_value formula_whole(fv_cost_number n) {
    return (formula_value){n, 0};
}

formula_value formula_broken(double value) {
    double scaled = fmax(1, round(value * (1 << FORMULA_BITS)));
    formula_value broken = {(fv_cost_number)scaled, 1};
    if (broken.n % (1 << FORMULA_BITS) == 0) return formula_whole(broken.n >> FORMULA_BITS);
    return broken;
}

static formula_value raise_power(formula_value value, unsigned power) {
    for (; value.power < power; value.power++)
        value.n = formula_multiply(value.n, 1 << FORMULA_BITS);
    return value;
}

static formula_value add(formula_value a, formula_value b) {
    a = raise_power(a, b.power);
    b = raise_power(b, a.power);
    return (formula_value){formula_add(a.n, b.n), a.power};
}

static formula_value multiply(formula_value a, formula_value b) {
    return (formula_value){formula_multiply(a.n, b.n), a.power + b.power};
}

static fv_cost_number round_up(formula_value value) {
    if (value.n == FORMULA_TOO_LARGE) return value.n;
    for (; value.power > 0; value.power--)
        value.n = (value.n >> FORMULA_BITS) + (value.n % (1 << FORMULA_BITS) != 0);
    return value.n;
}

fv_cost_number formula_scale(fv_cost_number n, formula_value value) {
    return round_up(multiply(formula_whole(n), value));
}

// --- reading -----------------------------------------------------------------------------------

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

static formula_value number(reader *r) {
    formula_value value = formula_whole(0);
    const char *start = r->at;
    for (; isdigit((unsigned char)*r->at); r->at++)
        value.n = formula_add(formula_multiply(value.n, 10), (unsigned)(*r->at - '0'));
    if (*r->at != '.') return value;
    char *end;
    value = formula_broken(strtod(start, &end));
    r->at = end;
    return value;
}

static formula_value sum(reader *r);

static formula_value factor(reader *r) {
    if (take(r, '(')) {
        formula_value inner = sum(r);
        bool closed = take(r, ')');
        assert(closed);
        (void)closed;
        return inner;
    }
    if (isdigit((unsigned char)*r->at)) return number(r);
    const char *word = r->at;
    size_t n = name_length(word);
    assert(n > 0);
    r->at += n;
    return r->lookup(r->scope, word, n);
}

static formula_value product(reader *r) {
    formula_value value = factor(r);
    while (take(r, '*')) value = multiply(value, factor(r));
    return value;
}

static formula_value sum(reader *r) {
    formula_value value = product(r);
    while (take(r, '+')) value = add(value, product(r));
    return value;
}

fv_cost_number formula_evaluate(const char *formula, formula_lookup lookup, const void *scope) {
    reader r = {formula, lookup, scope};
    formula_value value = sum(&r);
    assert(*r.at == '\0');
    return round_up(value);
}

static void add_value(text_buffer *out, formula_value value) {
    if (value.power == 0) {
        char text[FV_COST_DIGITS];
        text_add(out, "%s", fv_cost_number_text(value.n, text));
    } else {
        text_add(out, "%.10g", ldexp((double)value.n, -FORMULA_BITS * (int)value.power));
    }
}

void formula_substitute(text_buffer *out, const char *formula, formula_lookup lookup,
                        const void *scope) {
    while (*formula != '\0') {
        size_t n = isalpha((unsigned char)*formula) ? name_length(formula) : 0;
        if (n == 0) {
            text_add_char(out, *formula++);
            continue;
        }
        add_value(out, lookup(scope, formula, n));
        formula += n;
    }
}
