#include "claims/claim_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIGITS = 7, MAX_NUMBER = 320 };

static void write_number(double value, int digits, char text[MAX_NUMBER]) {
    if (fabs(value) < pow(10, digits - 1))
        snprintf(text, MAX_NUMBER, "%.*g", digits, value);
    else
        snprintf(text, MAX_NUMBER, "%.0f", value);
}

// The fewest digits with which two different numbers are not printed alike.
static int digits_between(double a, double b) {
    char texts[2][MAX_NUMBER];
    for (int digits = CLAIM_TEXT_DIGITS; digits < MAX_DIGITS; digits++) {
        write_number(a, digits, texts[0]);
        write_number(b, digits, texts[1]);
        if (a == b || strcmp(texts[0], texts[1]) != 0) return digits;
    }
    return MAX_DIGITS;
}

int claim_text_digits(int digits, const claim_range *a, const claim_range *b) {
    if (isnan(a->high) || isnan(b->high)) return digits;
    int low = digits_between(a->low, b->low), high = digits_between(a->high, b->high);
    int apart = low > high ? low : high;
    return apart > digits ? apart : digits;
}

void claim_text_range(text_buffer *out, const claim_range *v, int digits) {
    char low[MAX_NUMBER], high[MAX_NUMBER];
    write_number(v->low, digits, low);
    write_number(v->high, digits, high);
    if (isnan(v->high))
        text_add(out, "none");
    else if (v->low == v->high)
        text_add(out, "%s", low);
    else if (isinf(v->high))
        text_add(out, v->low > 0 ? "more than %s" : "unknown", low);
    else if (v->low > 0)
        text_add(out, "between %s and %s", low, high);
    else
        text_add(out, "less than %s", high);
}

static void add_cell(text_buffer *out, const claim_cell *cell, int digits) {
    if (cell->diverged_at >= 0)
        text_add(out, "diverged at %d", cell->diverged_at);
    else
        claim_text_range(out, &cell->value, digits);
}

// " and 236 more: minimum 0.01, median 0.5, maximum 0.9, 3 of 240 none", of all cells together.
static void add_rest(text_buffer *out, const claim_cell *cells, int n, int n_listed, int digits) {
    double *room = calloc((size_t)n, sizeof *room);
    out->failed |= room == NULL;
    if (room == NULL) return;
    claim_summary s = claim_cells_summarise(cells, n, NAN, room);
    free(room);
    text_add(out, " and %d more: ", n - n_listed);
    if (s.n == 0) {
        text_add(out, "none");
        return;
    }
    text_add(out, "minimum ");
    claim_text_range(out, &s.lowest, digits);
    text_add(out, ", median ");
    claim_text_range(out, &s.median, digits);
    text_add(out, ", maximum ");
    claim_text_range(out, &s.highest, digits);
    if (s.n < n) text_add(out, ", none in %d of %d", n - s.n, n);
}

void claim_text_values(text_buffer *out, const claim_cell *cells, int n) {
    int digits = CLAIM_TEXT_DIGITS, n_listed = n > CLAIM_TEXT_MOST ? CLAIM_TEXT_FEW : n;
    for (int i = 1; i < n_listed; i++)
        digits = claim_text_digits(digits, &cells[i - 1].value, &cells[i].value);
    for (int i = 0; i < n_listed; i++) {
        if (i > 0) text_add(out, ", ");
        add_cell(out, &cells[i], digits);
    }
    if (n_listed < n) add_rest(out, cells, n, n_listed, digits);
}

void claim_text_place(text_buffer *out, const fv_field *field, double along) {
    if (field != NULL && field->type == FV_TYPE_CHOICE)
        text_add(out, "%s", field->choices[(int)along]);
    else if (field != NULL && field->type == FV_TYPE_BOOL)
        text_add(out, along != 0 ? "true" : "false");
    else
        text_add(out, "%.6g", along);
}
