#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Makes room for `more` characters and the terminator.
static bool text_reserve(text_buffer *b, size_t more) {
    if (b->failed) return false;
    if (more < b->capacity - b->n) return true;
    size_t capacity = b->capacity < 64 ? 64 : b->capacity;
    while (capacity - b->n <= more && capacity <= SIZE_MAX / 2) capacity *= 2;
    char *data = capacity - b->n > more ? realloc(b->data, capacity) : NULL;
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void text_add(text_buffer *b, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && text_reserve(b, (size_t)length)) {
        vsnprintf(b->data + b->n, (size_t)length + 1, format, again);
        b->n += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void text_add_char(text_buffer *b, char c) {
    if (!text_reserve(b, 1)) return;
    b->data[b->n++] = c;
    b->data[b->n] = '\0';
}

void text_add_n(text_buffer *b, const char *source, size_t n) {
    if (!text_reserve(b, n)) return;
    memcpy(b->data + b->n, source, n);
    b->n += n;
    b->data[b->n] = '\0';
}

void text_free(text_buffer *b) {
    free(b->data);
    *b = (text_buffer){0};
}

char *text_copy(const char *source) {
    return text_copy_n(source, strlen(source));
}

char *text_copy_n(const char *source, size_t n) {
    char *copy = malloc(n + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, source, n);
    copy[n] = '\0';
    return copy;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

void text_plain(const char *word, char *plain, size_t size) {
    size_t n = 0;
    for (; word[n] != '\0' && n + 1 < size; n++)
        plain[n] = word[n] == '-' || word[n] == ' ' ? '_' : (char)tolower((unsigned char)word[n]);
    plain[n] = '\0';
}

int text_distance(const char *a, const char *b) {
    enum { LONGEST = 63 };
    int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    int rows[3][LONGEST + 1]; // of the table's rows i - 2, i - 1 and i
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int *spare = before;
        before = above, above = row, row = spare;
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int substitution = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(substitution, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[m];
}

const char *text_nearest(const char *word, const char *const *choices) {
    const char *nearest = NULL;
    char plain[64];
    int lowest = 0;
    text_plain(word, plain, sizeof plain);
    word = plain;
    for (int i = 0; choices[i] != NULL; i++) {
        int distance = text_distance(word, choices[i]);
        if (nearest == NULL || distance < lowest) nearest = choices[i], lowest = distance;
    }
    return nearest;
}

// "1e4", "2.5e+3". Beyond 2^53 a double does not hold every whole number.
static bool power_of_ten(const char *source, long long *value) {
    const char *exponent = strpbrk(source, "eE");
    double real;
    if (exponent == NULL || exponent[1] == '-' || !text_to_real(source, &real)) return false;
    if (real != floor(real) || fabs(real) > 9007199254740992.0) return false;
    *value = (long long)real;
    return true;
}

bool text_to_int(const char *source, long long *value) {
    const char *digits = source + (*source == '-' || *source == '+');
    if (!isdigit((unsigned char)*digits)) return false;
    char *end;
    errno = 0;
    *value = strtoll(source, &end, 10);
    return errno == 0 && (*end == '\0' || power_of_ten(source, value));
}

bool text_to_real(const char *source, double *value) {
    // strtod also reads hexadecimal, "inf" and "nan"; none of them is made of these characters.
    if (*source == '\0' || source[strspn(source, "0123456789+-.eE")] != '\0') return false;
    char *end;
    *value = strtod(source, &end);
    return end != source && *end == '\0' && isfinite(*value);
}

size_t text_character(const char *text, size_t n) {
    const unsigned char *byte = (const unsigned char *)text;
    unsigned char c = byte[0];
    if (n == 0 || c < 0x80) return n > 0;
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || length > n) return 0;
    for (size_t i = 1; i < length; i++)
        if ((byte[i] & 0xc0) != 0x80) return 0;
    bool overlong = (c == 0xe0 && byte[1] < 0xa0) || (c == 0xf0 && byte[1] < 0x90);
    bool surrogate = c == 0xed && byte[1] >= 0xa0, beyond = c == 0xf4 && byte[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

size_t text_mark(const char *text, size_t n) {
    return n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

// By the mark in front, or without one by the zeros that latin letters have beside them.
const char *text_wide(const char *text, size_t n) {
    if (n < 4 && (n < 2 || n % 2 != 0)) return NULL;
    bool marked = memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0;
    bool widest =
        n >= 4 && (memcmp(text, "\xff\xfe\0\0", 4) == 0 || memcmp(text, "\0\0\xfe\xff", 4) == 0);
    if (widest) return "UTF-32";
    bool little = text[0] != '\0' && text[1] == '\0', big = text[0] == '\0' && text[1] != '\0';
    if (n >= 4) little = little && text[3] == '\0', big = big && text[2] == '\0';
    return marked || little || big ? "UTF-16" : NULL;
}

// The two sides of the dots of a range; the left one is copied to `left` [size].
static const char *split_range(const char *source, char *left, size_t size) {
    const char *dots = strstr(source, "..");
    if (dots == NULL || (size_t)(dots - source) >= size) return NULL;
    memcpy(left, source, (size_t)(dots - source));
    left[dots - source] = '\0';
    return dots + 2;
}

bool text_to_range(const char *source, long long *first, long long *last) {
    char left[32];
    const char *right = split_range(source, left, sizeof left);
    return right != NULL && text_to_int(left, first) && text_to_int(right, last);
}

bool text_to_reals(const char *source, double *first, double *last) {
    char left[32];
    const char *right = split_range(source, left, sizeof left);
    return right != NULL && text_to_real(left, first) && text_to_real(right, last);
}

int text_from_real(double value, char *out, size_t size) {
    char digits[32];
    int precision = 0;
    do snprintf(digits, sizeof digits, "%.*g", ++precision, value);
    while (precision < 17 && strtod(digits, NULL) != value);
    // "%g" writes 3000 with one digit as 3e+03; enough digits for the whole part write it out.
    if (fabs(value) >= 1 && fabs(value) < 1e15) {
        int whole = snprintf(NULL, 0, "%.0f", trunc(fabs(value)));
        snprintf(digits, sizeof digits, "%.*g", precision > whole ? precision : whole, value);
    }
    return snprintf(out, size, "%s", digits);
}

uint64_t text_hash(uint64_t hash, const char *source) {
    for (; *source != '\0'; source++) hash = (hash ^ (unsigned char)*source) * 0x100000001b3u;
    return hash;
}
