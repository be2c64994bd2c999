#include "served/reply_logprobs.h"

#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- what is told ------------------------------------------------------------------------------

static bool has_tokens(const json_t *logprobs) {
    return json_array_size(json_object_get(logprobs, "content")) > 0 ||
           json_array_size(json_object_get(logprobs, "tokens")) > 0;
}

void reply_logprobs_take(const json_t *root, const json_t *choice, json_t **told) {
    json_t *logprobs = json_object_get(choice, "logprobs");
    json_t *older = json_object_get(root, "completion_probabilities"); // llama.cpp's
    bool tells = has_tokens(logprobs) || json_array_size(older) > 0;
    if (tells && *told == NULL) *told = json_array();
    if (!tells || *told == NULL) return;
    if (has_tokens(logprobs))
        json_array_append(*told, logprobs);
    else
        json_array_append_new(*told, json_pack("{s:O}", "content", older));
}

// A token of the reply: bytes [begin, begin + n) of its text.
typedef struct token {
    size_t begin, n;
    double logprob;       // NAN where not told
    const json_t *others; // that might have stood in its place: a list, or an object
} token;

typedef struct tokens {
    text_buffer text;
    token *items;
    int n, capacity;
    size_t from, to; // of the text: the answer
} tokens;

// What servers say of a token that they do not know is no number, or -9999.
static double number_of(const json_t *value) {
    double logprob = json_is_number(value) ? json_number_value(value) : NAN;
    return logprob > -9000 && logprob <= 0.001 ? fmin(logprob, 0) : NAN;
}

// The bytes of {"token", "bytes"}: half a character is whole only there.
static void add_text(const json_t *told, text_buffer *text) {
    const json_t *bytes = json_object_get(told, "bytes"), *byte;
    const json_t *name = json_object_get(told, "token");
    size_t i;
    if (json_array_size(bytes) == 0) {
        if (json_is_string(name))
            text_add_n(text, json_string_value(name), json_string_length(name));
        return;
    }
    json_array_foreach(bytes, i, byte) text_add_char(text, (char)json_integer_value(byte));
}

static void begin_token(tokens *t) {
    if (t->n == t->capacity) {
        int capacity = t->capacity > 0 ? 2 * t->capacity : 64;
        token *grown = realloc(t->items, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            t->text.failed = true;
            return;
        }
        t->items = grown;
        t->capacity = capacity;
    }
    t->items[t->n++] = (token){.begin = t->text.n, .logprob = NAN};
}

static void end_token(tokens *t, const json_t *logprob, const json_t *others) {
    if (t->text.failed) return;
    token *last = &t->items[t->n - 1];
    last->n = t->text.n - last->begin;
    last->logprob = number_of(logprob);
    last->others = others;
}

static void read_told(const json_t *told, tokens *t) {
    const json_t *part, *one;
    size_t p, i;
    json_array_foreach(told, p, part) {
        json_array_foreach(json_object_get(part, "content"), i, one) {
            begin_token(t);
            add_text(one, &t->text);
            end_token(t, json_object_get(one, "logprob"), json_object_get(one, "top_logprobs"));
        }
        json_array_foreach(json_object_get(part, "tokens"), i, one) {
            begin_token(t);
            if (json_is_string(one))
                text_add_n(&t->text, json_string_value(one), json_string_length(one));
            end_token(t, json_array_get(json_object_get(part, "token_logprobs"), i),
                      json_array_get(json_object_get(part, "top_logprobs"), i));
        }
    }
}

// --- the expected answer -----------------------------------------------------------------------

static bool same_bytes(const char *a, const char *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i])) return false;
    return true;
}

// The last place of `part` in the text, or SIZE_MAX.
static size_t last_place(const text_buffer *text, const char *part) {
    size_t n = strlen(part);
    for (size_t at = text->n >= n ? text->n - n + 1 : 0; at-- > 0;)
        if (memcmp(text->data + at, part, n) == 0) return at;
    return SIZE_MAX;
}

// What is thought before the answer is no part of it.
static void find_reply(tokens *t, const char *reply) {
    t->from = 0;
    t->to = t->text.n;
    size_t blank = strspn(reply, " \t\r\n");
    size_t at = reply[blank] != '\0' ? last_place(&t->text, reply + blank) : SIZE_MAX;
    if (at == SIZE_MAX) return;
    t->from = at;
    t->to = at + strlen(reply + blank);
}

// Where the value stands in the answer, or SIZE_MAX.
static size_t place_of(const tokens *t, const char *value, size_t n) {
    for (size_t at = t->from; n > 0 && at + n <= t->to; at++)
        if (same_bytes(t->text.data + at, value, n)) return at;
    return SIZE_MAX;
}

// The log-probabilities of one value: those of tokens [first, first + n), and then of `other`.
typedef struct found {
    int first, n;
    double other, sum; // other: NAN for none
} found;

static bool find_said(const tokens *t, const char *value, found *out) {
    size_t n = strlen(value), at = place_of(t, value, n);
    if (at == SIZE_MAX) return false;
    *out = (found){.first = -1, .other = NAN};
    for (int i = 0; i < t->n; i++) {
        const token *one = &t->items[i];
        if (one->n == 0 || one->begin + one->n <= at || one->begin >= at + n) continue;
        if (out->first < 0) out->first = i;
        out->n = i - out->first + 1;
        out->sum += one->logprob;
    }
    return out->n > 0 && !isnan(out->sum);
}

static const char *skip_blanks(const char *text) {
    return text + strspn(text, " \t\r\n");
}

// The log-probability of a token that is named beside one of the reply and begins with `value`.
static double other_logprob(const json_t *others, const char *value, bool first) {
    const json_t *one;
    const char *name;
    json_t *logprob;
    size_t i, n = strlen(value);
    double most = NAN;
    json_array_foreach(others, i, one) {
        text_buffer text = {0};
        add_text(one, &text);
        const char *at = text.data != NULL ? text.data : "";
        if (first) at = skip_blanks(at);
        if (strlen(at) >= n && same_bytes(at, value, n))
            most = fmax(most, number_of(json_object_get(one, "logprob")));
        text_free(&text);
    }
    if (!json_is_object(others)) return most;
    json_object_foreach((json_t *)others, name, logprob) {
        const char *at = first ? skip_blanks(name) : name;
        if (strlen(at) >= n && same_bytes(at, value, n)) most = fmax(most, number_of(logprob));
    }
    return most;
}

// The value begun at token i as the reply has it, up to a token in whose place another one would
// have ended it.
static void walk_from(const tokens *t, int i, const char *value, found *best) {
    double sum = 0;
    for (int k = i; k < t->n && !isnan(sum); k++) {
        const token *one = &t->items[k];
        const char *said = t->text.data + one->begin;
        size_t n = one->n, rest = strlen(value);
        double other = other_logprob(one->others, value, k == i);
        if (sum + other > best->sum) *best = (found){i, k - i, other, sum + other};
        for (; k == i && n > 0 && isspace((unsigned char)*said); n--) said++;
        if (n == 0 || n >= rest || !same_bytes(said, value, n)) return;
        value += n;
        sum += one->logprob;
    }
}

static bool find_unsaid(const tokens *t, const char *value, found *out) {
    *out = (found){.sum = -INFINITY};
    for (int i = 0; i < t->n && *value != '\0'; i++)
        if (t->items[i].begin >= t->from && t->items[i].begin < t->to) walk_from(t, i, value, out);
    return out->sum > -INFINITY;
}

static bool add_found(const tokens *t, const found *f, json_t *list) {
    bool added = true;
    for (int i = 0; i < f->n; i++)
        added &= json_array_append_new(list, json_real(t->items[f->first + i].logprob)) == 0;
    if (!isnan(f->other)) added &= json_array_append_new(list, json_real(f->other)) == 0;
    return added;
}

// Of several answers any of which will do, the one that is said, or else the likeliest.
static bool find_any(const tokens *t, char *const *answers, int n, found *best) {
    found one;
    *best = (found){.sum = -INFINITY};
    for (int i = 0; i < n; i++)
        if (*answers[i] != '\0' && find_said(t, answers[i], best)) return true;
    *best = (found){.sum = -INFINITY};
    for (int i = 0; i < n; i++)
        if (find_unsaid(t, answers[i], &one) && one.sum > best->sum) *best = one;
    return best->sum > -INFINITY;
}

json_t *reply_logprobs_of(const json_t *told, const char *reply, served_metric metric,
                          char *const *answers, int n_answers, double *sum) {
    bool any = metric == EVAL_MATCH_PART || metric == EVAL_SUBSPAN;
    int n = any || metric == EVAL_MRCR ? 1 : n_answers; // MRCR's second is how the first begins
    tokens t = {0};
    json_t *list = told != NULL && n_answers > 0 ? json_array() : NULL;
    *sum = 0;
    read_told(told, &t);
    bool whole = list != NULL && !t.text.failed && t.n > 0 && t.text.data != NULL;
    if (whole) find_reply(&t, reply);
    for (int i = 0; i < n && whole; i++) {
        found f = {0};
        whole = any ? find_any(&t, answers, n_answers, &f)
                    : find_said(&t, answers[i], &f) || find_unsaid(&t, answers[i], &f);
        whole = whole && add_found(&t, &f, list);
        *sum += f.sum;
    }
    text_free(&t.text);
    free(t.items);
    if (whole) return list;
    json_decref(list);
    return NULL;
}
