#include "lab/claim_text.h"

#include <math.h>
#include <stdio.h>
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

int claim_text_digits(int digits, const fv_claim_range *a, const fv_claim_range *b) {
    if (isnan(a->high) || isnan(b->high)) return digits;
    int low = digits_between(a->low, b->low), high = digits_between(a->high, b->high);
    int apart = low > high ? low : high;
    return apart > digits ? apart : digits;
}

void claim_text_range(text_buffer *out, const fv_claim_range *v, int digits) {
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

void claim_text_values(text_buffer *out, const fv_claim_cell *cells, int n) {
    int digits = CLAIM_TEXT_DIGITS;
    for (int i = 1; i < n; i++)
        digits = claim_text_digits(digits, &cells[i - 1].value, &cells[i].value);
    for (int i = 0; i < n; i++) {
        if (i > 0) text_add(out, ", ");
        if (cells[i].diverged_at >= 0)
            text_add(out, "diverged at %d", cells[i].diverged_at);
        else
            claim_text_range(out, &cells[i].value, digits);
    }
}

void claim_text_place(text_buffer *out, const fv_field *field, double along) {
    if (field->type == FV_TYPE_CHOICE)
        text_add(out, "%s", field->choices[(int)along]);
    else if (field->type == FV_TYPE_BOOL)
        text_add(out, along != 0 ? "true" : "false");
    else
        text_add(out, "%.6g", along);
}
