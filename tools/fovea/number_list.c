#include "number_list.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Both ends are taken; `dots` is where ".." stands.
static int read_range(const char *text, const char *dots, double *values, int most) {
    char *end, rest;
    int n = 11;
    double low = strtod(text, &end); // may take the first dot for a decimal point
    if (end == text || (end != dots && end != dots + 1)) return -1;
    double high = strtod(dots + 2, &end);
    if (end == dots + 2 || !isfinite(low) || !isfinite(high)) return -1;
    bool counted = *end == ':';
    if (counted && (sscanf(end, ":%d%c", &n, &rest) != 1 || n < 2)) return -1;
    if (n > most || (!counted && *end != '\0')) return -1;
    for (int i = 0; i < n; i++) values[i] = low + (high - low) * i / (n - 1);
    return n;
}

int number_list(const char *text, double *values, int most) {
    const char *dots = strstr(text, "..");
    if (dots != NULL) return read_range(text, dots, values, most);
    for (int n = 0; n < most;) {
        char *end;
        values[n] = strtod(text, &end);
        if (end == text || !isfinite(values[n])) return -1;
        n++;
        if (*end == '\0') return n;
        if (*end != ',') return -1;
        text = end + 1;
    }
    return -1;
}

int number_list_whole(const char *text, int low, int high, int *values, int most) {
    double *read = calloc((size_t)most, sizeof *read);
    int n = read != NULL ? number_list(text, read, most) : -1;
    for (int i = 0; i < n; i++) {
        bool whole = read[i] == floor(read[i]) && read[i] >= low && read[i] <= high;
        if (!whole) n = -1;
        if (whole) values[i] = (int)read[i];
    }
    free(read);
    return n;
}
