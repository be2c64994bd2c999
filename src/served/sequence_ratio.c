#include "served/sequence_ratio.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { AUTOJUNK = 200 }; // characters of b from which frequent ones start no block

// Where a character of b stands, in order.
typedef struct place {
    unsigned character;
    int at;
} place;

// a[a_low, a_high) against b[b_low, b_high).
typedef struct span {
    int a_low, a_high, b_low, b_high;
} span;

typedef struct matcher {
    unsigned *a, *b; // [n_a], [n_b]
    int n_a, n_b;
    place *places;    // [n_b], by character
    int *first, *end; // [n_a], of the places of a's characters
    int *lengths[2];  // [n_b + 1]: of the common text that ends before j in b, for two rows of a
    span *spans;      // still to be looked at
    int n_spans, capacity;
} matcher;

// The characters of a text; a byte that is no UTF-8 is one of its own, above all others.
static int decode(const char *text, unsigned **characters) {
    enum { ABOVE = 0x110000 };
    size_t left = strlen(text);
    int n = 0;
    unsigned *out = *characters = malloc((left + 1) * sizeof *out);
    while (out != NULL && left > 0) {
        const unsigned char *byte = (const unsigned char *)text;
        size_t size = text_character(text, left);
        unsigned value = size <= 1 ? byte[0] : byte[0] & (0xffu >> (size + 1));
        for (size_t i = 1; i < size; i++) value = value << 6 | (byte[i] & 0x3f);
        if (size == 0) value = ABOVE + byte[0];
        out[n++] = value;
        text += size > 0 ? size : 1;
        left -= size > 0 ? size : 1;
    }
    return n;
}

static int by_character(const void *left, const void *right) {
    const place *x = left, *y = right;
    if (x->character != y->character) return x->character < y->character ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

// The first place of a character or beyond, at `from` in b or behind.
static int lower_bound(const matcher *m, unsigned character, int from) {
    int low = 0, high = m->n_b;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const place *p = &m->places[middle];
        bool below = p->character != character ? p->character < character : p->at < from;
        if (below)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void index_places(matcher *m) {
    for (int j = 0; j < m->n_b; j++) m->places[j] = (place){m->b[j], j};
    qsort(m->places, (size_t)m->n_b, sizeof *m->places, by_character);
    int most = m->n_b >= AUTOJUNK ? m->n_b / 100 + 1 : m->n_b;
    for (int i = 0; i < m->n_a; i++) {
        m->first[i] = lower_bound(m, m->a[i], 0);
        m->end[i] = lower_bound(m, m->a[i], m->n_b);
        if (m->end[i] - m->first[i] > most) m->end[i] = m->first[i];
    }
}

// Forgets the lengths that row i of a left.
static void clear_row(matcher *m, const span *s, int i) {
    if (i < s->a_low || i >= s->a_high) return;
    int *row = m->lengths[i & 1];
    for (int k = m->first[i]; k < m->end[i]; k++) row[m->places[k].at + 1] = 0;
}

// The longest common text that ends anywhere in the span: its length, and *i and *j where it starts.
// Of several the first in a, then in b.
static int longest(matcher *m, const span *s, int *start_a, int *start_b) {
    int best = 0;
    *start_a = s->a_low;
    *start_b = s->b_low;
    for (int i = s->a_low; i < s->a_high; i++) {
        clear_row(m, s, i - 2);
        int *row = m->lengths[i & 1];
        const int *before = m->lengths[(i & 1) ^ 1];
        for (int k = m->first[i]; k < m->end[i]; k++) {
            int j = m->places[k].at;
            if (j < s->b_low) continue;
            if (j >= s->b_high) break;
            int length = row[j + 1] = before[j] + 1;
            if (length <= best) continue;
            best = length;
            *start_a = i - length + 1;
            *start_b = j - length + 1;
        }
    }
    clear_row(m, s, s->a_high - 1);
    clear_row(m, s, s->a_high - 2);
    return best;
}

static int longest_block(matcher *m, const span *s, int *start_a, int *start_b) {
    int n = longest(m, s, start_a, start_b);
    for (; *start_a > s->a_low && *start_b > s->b_low && m->a[*start_a - 1] == m->b[*start_b - 1];
         n++) {
        --*start_a;
        --*start_b;
    }
    while (*start_a + n < s->a_high && *start_b + n < s->b_high &&
           m->a[*start_a + n] == m->b[*start_b + n])
        n++;
    return n;
}

static bool push(matcher *m, span s) {
    if (s.a_low >= s.a_high || s.b_low >= s.b_high) return true;
    if (m->n_spans == m->capacity) {
        int capacity = m->capacity > 0 ? 2 * m->capacity : 64;
        span *grown = realloc(m->spans, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return false;
        m->spans = grown;
        m->capacity = capacity;
    }
    m->spans[m->n_spans++] = s;
    return true;
}

// How many characters match; -1 without memory.
static long count_matches(matcher *m) {
    long matches = 0;
    bool good = push(m, (span){0, m->n_a, 0, m->n_b});
    while (good && m->n_spans > 0) {
        span s = m->spans[--m->n_spans];
        int i, j, n = longest_block(m, &s, &i, &j);
        if (n == 0) continue;
        matches += n;
        good = push(m, (span){s.a_low, i, s.b_low, j}) &&
               push(m, (span){i + n, s.a_high, j + n, s.b_high});
    }
    return good ? matches : -1;
}

double sequence_ratio(const char *a, const char *b) {
    matcher m = {0};
    m.n_a = decode(a, &m.a);
    m.n_b = decode(b, &m.b);
    size_t n_a = (size_t)m.n_a + 1, n_b = (size_t)m.n_b + 1;
    m.places = malloc(n_b * sizeof *m.places);
    m.first = malloc(n_a * sizeof *m.first);
    m.end = malloc(n_a * sizeof *m.end);
    for (int i = 0; i < 2; i++) m.lengths[i] = calloc(n_b + 1, sizeof *m.lengths[i]);
    long matches = -1;
    if (m.a && m.b && m.places && m.first && m.end && m.lengths[0] && m.lengths[1]) {
        index_places(&m);
        matches = count_matches(&m);
    }
    int length = m.n_a + m.n_b;
    free(m.a);
    free(m.b);
    free(m.places);
    free(m.first);
    free(m.end);
    free(m.lengths[0]);
    free(m.lengths[1]);
    free(m.spans);
    if (matches < 0) return -1;
    return length > 0 ? 2.0 * (double)matches / length : 1;
}
