#include "cost/packing.h"

#include "cost/formula.h"

enum { WORD_BITS = 32, WORD_BYTES = 4, FLOAT_BYTES = 4, BYTE_BITS = 8 };

static fv_cost_number in_parts(fv_cost_number n, fv_cost_number part) {
    return n / part + (n % part != 0);
}

// `rows` rows of n numbers of `bits`, each row in whole words.
static fv_cost_number in_words(fv_cost_number rows, fv_cost_number n, uint64_t bits) {
    fv_cost_number words = in_parts(formula_multiply(n, bits), WORD_BITS);
    return formula_multiply(rows, formula_multiply(words, WORD_BYTES));
}

static fv_cost_number in_bytes(fv_cost_number n, uint64_t bits) {
    return in_parts(formula_multiply(n, bits), BYTE_BITS);
}

static fv_cost_number count_groups(fv_cost_number n, uint64_t group) {
    return group > 0 ? in_parts(n, group) : n > 0;
}

static fv_cost_number count_scales(const cost_packing *p, fv_cost_number in, fv_cost_number out) {
    if (p->group_flat > 0) return in_parts(formula_multiply(in, out), p->group_flat);
    return formula_multiply(count_groups(in, p->group_in), count_groups(out, p->group_out));
}

fv_cost_number cost_packing_bytes(const cost_packing *p, fv_cost_number in, fv_cost_number out) {
    if (in == 0 || out == 0) return 0;
    fv_cost_number scales = count_scales(p, in, out);
    fv_cost_number bytes = p->words_in    ? in_words(out, in, p->bits)
                           : p->words_out ? in_words(in, out, p->bits)
                                          : in_bytes(formula_multiply(in, out), p->bits);
    bytes = formula_add(bytes, in_bytes(scales, p->scale_bits));
    if (p->zero_bits > 0)
        bytes = formula_add(bytes, in_words(count_groups(in, p->group_in),
                                            count_groups(out, p->group_out), p->zero_bits));
    if (p->scale_group > 0)
        bytes = formula_add(bytes, formula_multiply(in_parts(scales, p->scale_group), FLOAT_BYTES));
    bytes = formula_add(bytes, formula_multiply(in, p->input_bytes));
    return formula_add(bytes, p->matrix_bytes);
}
