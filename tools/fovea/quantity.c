#include "quantity.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIXES[] = "kMGTPE", DIGITS[] = "0123456789";

// The factor of a unit at *at, which moves behind it: 1 where there is none.
static uint64_t read_unit(const char **at, bool bytes) {
    // A capital K alone is 1024 tokens, as vLLM reads it; of bytes people mean either.
    bool binary = (*at)[0] != '\0' && (*at)[1] == 'i', capital = (*at)[0] == 'K' && !bytes;
    char letter = (*at)[0] == 'K' && (binary || capital) ? 'k' : (*at)[0];
    const char *prefix = letter != '\0' ? strchr(PREFIXES, letter) : NULL;
    uint64_t factor = 1;
    if (prefix != NULL) {
        for (long i = 0; i <= prefix - PREFIXES; i++) factor *= binary || capital ? 1024 : 1000;
        *at += binary ? 2 : 1;
    }
    if (bytes && **at == 'B') ++*at;
    return factor;
}

// "1e5", "2.4e10": a power of ten in place of a unit, as long as nothing is left of a point.
static bool read_power(const char *text, uint64_t *value) {
    char *end;
    const char *exponent = strchr(text, 'e');
    if (exponent == NULL || text[strspn(text, "0123456789.e+")] != '\0') return false;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || number != floor(number) || number > 0x1p53) return false;
    *value = (uint64_t)number;
    return true;
}

// Copies the number without the underscores between its digits, as in 128_000.
static bool without_underscores(const char *text, char *out, size_t size) {
    size_t n = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (n + 1 == size) return false;
        bool between = c > text && strchr(DIGITS, c[-1]) != NULL && c[1] != '\0' &&
                       strchr(DIGITS, c[1]) != NULL;
        if (*c == '_' && !between) return false;
        if (*c != '_') out[n++] = *c;
    }
    out[n] = '\0';
    return true;
}

bool quantity_read(const char *source, bool bytes, uint64_t *value) {
    char text[64];
    if (!without_underscores(source, text, sizeof text)) return false;
    size_t n = strspn(text, DIGITS);
    const char *at = text + n;
    double fraction = 0;
    errno = 0;
    uint64_t whole = strtoull(text, NULL, 10);
    if (n == 0 || errno != 0) return false;
    if (read_power(text, value)) return true;
    if (*at == '.') {
        size_t digits = strspn(++at, DIGITS);
        for (size_t i = digits; i > 0; i--) fraction = (fraction + (at[i - 1] - '0')) / 10;
        at += digits;
    }
    uint64_t factor = read_unit(&at, bytes);
    double part = fraction * (double)factor;
    uint64_t rest = (uint64_t)llround(part);
    // Nobody counts parts of a token; of bytes and of billions the last digits may be rounded.
    if (!bytes && factor < 1000000000 && fabs(part - (double)rest) > 1e-6) return false;
    return *at == '\0' && !__builtin_mul_overflow(whole, factor, value) &&
           !__builtin_add_overflow(*value, rest, value);
}

const char *quantity_text(double value, const char *unit, char *text) {
    static const char *const NAMES[] = {"", "k", "M", "G", "T", "P", "E"};
    size_t i = 0;
    while (fabs(value) >= 999.95 && i + 1 < sizeof NAMES / sizeof NAMES[0]) {
        value /= 1000;
        i++;
    }
    const char *blank = *unit != '\0' || i > 0 ? " " : "";
    snprintf(text, 24, "%.4g%s%s%s", value, blank, NAMES[i], unit);
    return text;
}
