#include "figures/numbers.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "1.5e+06" to "1.5e6", "2e-05" to "2e-5".
static void shorten_exponent(char *text) {
    char *e = strchr(text, 'e');
    if (e == NULL) return;
    snprintf(e + 1, FV_NUMBER_TEXT - (size_t)(e + 1 - text), "%d", atoi(e + 1));
}

static void write_magnitude(double magnitude, int digits, char *text, size_t size) {
    bool whole = magnitude < 1e6 && magnitude == floor(magnitude);
    snprintf(text, size, "%.*g", whole && digits < 6 ? 6 : digits, magnitude);
    shorten_exponent(text);
}

void number_text(double value, int digits, char text[FV_NUMBER_TEXT]) {
    char magnitude[FV_NUMBER_TEXT] = "";
    write_magnitude(fabs(value), digits, magnitude, sizeof magnitude - 4);
    snprintf(text, FV_NUMBER_TEXT, "%s%s", value < 0 ? "−" : "", magnitude);
}

void number_in_units(double value, int exponent, int digits, char text[FV_NUMBER_TEXT]) {
    char factor[FV_NUMBER_TEXT];
    number_text(value / pow(10, exponent), digits, factor);
    if (exponent == 0 || value == 0 || strchr(factor, 'e') != NULL)
        number_text(value, digits, text);
    else
        snprintf(text, FV_NUMBER_TEXT, "%.*se%d", FV_NUMBER_TEXT - 8, factor, exponent);
}

void power_text(int exponent, char text[FV_NUMBER_TEXT]) {
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char number[16];
    snprintf(number, sizeof number, "%d", exponent);
    strcpy(text, "10");
    for (const char *c = number; *c; c++) strcat(text, *c == '-' ? "⁻" : digits[*c - '0']);
}
