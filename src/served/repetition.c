// The text read backwards begins with its repetition. Its Z function (D. Gusfield, Algorithms on
// Strings, Trees and Sequences, 1997) says in linear time how far it agrees with itself shifted by
// each possible length of the piece.
#include "served/repetition.h"

#include <stdlib.h>

enum {
    MOST_BYTES = 1 << 16,
    LEAST_BYTES = 64, // a ruled line is no loop
    LEAST_TIMES = 4
};

// z[i]: how many bytes from i on, backwards from the end, are those from the end on.
static void agreement(const char *last, size_t n, unsigned *z) {
    size_t left = 0, right = 0;
    z[0] = (unsigned)n;
    for (size_t i = 1; i < n; i++) {
        size_t k = 0;
        if (i < right) k = z[i - left] < right - i ? z[i - left] : right - i;
        while (i + k < n && *(last - k) == *(last - i - k)) k++;
        z[i] = (unsigned)k;
        if (i + k > right) {
            left = i;
            right = i + k;
        }
    }
}

bool ends_in_repetition(const char *text, size_t n) {
    if (n < LEAST_BYTES) return false;
    size_t m = n < MOST_BYTES ? n : MOST_BYTES;
    unsigned *z = malloc(m * sizeof *z);
    if (z == NULL) return false;
    agreement(text + n - 1, m, z);
    bool repeats = false;
    for (size_t piece = 1; LEAST_TIMES * piece <= m && !repeats; piece++) {
        size_t whole = z[piece] + piece;
        repeats = whole >= LEAST_TIMES * piece && whole >= LEAST_BYTES;
    }
    free(z);
    return repeats;
}
