#include "served/reading.h"

#include "base/json.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// A file being read: its documents as they stand in it, and sorted without repetitions.
typedef struct loader {
    reading *r;
    const char *path;
    json_t *root;
    char **found, **sorted;
    int n_found, n_sorted, capacity;
} loader;

static fv_status no_memory(const loader *l, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory while reading %s", l->path);
}

// Room for one more in a growing array of `size` bytes an item; NULL without memory.
static void *grow(void *items, int n, int *capacity, size_t size) {
    if (n < *capacity) return items;
    if (*capacity > INT_MAX / 2) return NULL;
    int wanted = *capacity > 0 ? 2 * *capacity : 256;
    void *grown = realloc(items, (size_t)wanted * size);
    if (grown != NULL) *capacity = wanted;
    return grown;
}

// --- documents ---------------------------------------------------------------------------------

// Takes over `text`.
static bool add_found(loader *l, char *text) {
    char **grown = text != NULL ? grow(l->found, l->n_found, &l->capacity, sizeof *l->found) : NULL;
    if (grown == NULL) {
        free(text);
        return false;
    }
    l->found = grown;
    l->found[l->n_found++] = text;
    return true;
}

static int by_bytes(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

// The number of what was found k-th.
static int number_of(const loader *l, int k) {
    char **at = bsearch(&l->found[k], l->sorted, (size_t)l->n_sorted, sizeof *l->sorted, by_bytes);
    return (int)(at - l->sorted);
}

static fv_status sort(loader *l, fv_error *error) {
    l->sorted = malloc(((size_t)l->n_found + 1) * sizeof *l->sorted);
    if (l->sorted == NULL) return no_memory(l, error);
    if (l->n_found > 0) memcpy(l->sorted, l->found, (size_t)l->n_found * sizeof *l->sorted);
    qsort(l->sorted, (size_t)l->n_found, sizeof *l->sorted, by_bytes);
    for (int i = 0; i < l->n_found; i++)
        if (i == 0 || strcmp(l->sorted[i], l->sorted[l->n_sorted - 1]) != 0)
            l->sorted[l->n_sorted++] = l->sorted[i];
    return haystack_take(&l->r->documents, l->sorted, l->n_sorted, "\n\n", error);
}

// --- questions ---------------------------------------------------------------------------------

static bool add_number(reading *r, int number) {
    int *grown = grow(r->numbers, r->n_numbers, &r->number_capacity, sizeof *r->numbers);
    if (grown == NULL) return false;
    r->numbers = grown;
    r->numbers[r->n_numbers++] = number;
    return true;
}

static bool add_question(reading *r, reading_question question) {
    reading_question *grown =
        grow(r->questions, r->n_questions, &r->question_capacity, sizeof *r->questions);
    if (grown == NULL) return false;
    r->questions = grown;
    json_incref(question.query);
    json_incref(question.answers);
    r->questions[r->n_questions++] = question;
    return true;
}

const char *reading_answer(const reading_question *question, size_t n) {
    if (json_is_string(question->answers))
        return n == 0 ? json_string_value(question->answers) : NULL;
    return json_string_value(json_object_get(json_array_get(question->answers, n), "text"));
}

static bool is_asked(const reading_question *question) {
    return json_is_string(question->query) && reading_answer(question, 0) != NULL;
}

// --- SQuAD: {data: [{paragraphs: [{context, qas: [{question, answers: [{text}]}]}]}]} -----------

static fv_status find_squad(loader *l, fv_error *error) {
    size_t a, p;
    json_t *article, *paragraph;
    json_array_foreach(json_object_get(l->root, "data"), a, article) {
        json_array_foreach(json_object_get(article, "paragraphs"), p, paragraph) {
            const char *context = json_string_value(json_object_get(paragraph, "context"));
            if (!add_found(l, text_copy(context != NULL ? context : "")))
                return no_memory(l, error);
        }
    }
    return FV_OK;
}

// `article` are the numbers of an article's paragraphs; the p-th of them is asked about.
static bool ask_squad(loader *l, const json_t *paragraph, int article, int n_article, int p) {
    size_t q;
    json_t *asked;
    reading_question question = {
        .own = article + p, .n_own = 1, .more = article, .n_more = n_article};
    json_array_foreach(json_object_get(paragraph, "qas"), q, asked) {
        question.query = json_object_get(asked, "question");
        question.answers = json_object_get(asked, "answers");
        bool impossible = json_is_true(json_object_get(asked, "is_impossible"));
        if (!impossible && is_asked(&question) && !add_question(l->r, question)) return false;
    }
    return true;
}

static fv_status take_squad(loader *l, fv_error *error) {
    size_t a, p;
    json_t *article, *paragraph;
    int k = 0;
    json_array_foreach(json_object_get(l->root, "data"), a, article) {
        const json_t *paragraphs = json_object_get(article, "paragraphs");
        int n = (int)json_array_size(paragraphs), first = l->r->n_numbers;
        for (int i = 0; i < n; i++)
            if (!add_number(l->r, number_of(l, k++))) return no_memory(l, error);
        json_array_foreach(paragraphs, p, paragraph) {
            if (!ask_squad(l, paragraph, first, n, (int)p)) return no_memory(l, error);
        }
    }
    return FV_OK;
}

// --- HotpotQA: [{question, answer, context: [[title, [sentence, ...]], ...]}] --------------------

static char *join_document(const json_t *document) {
    text_buffer text = {0};
    size_t s;
    json_t *sentence;
    const char *title = json_string_value(json_array_get(document, 0));
    text_add(&text, "%s\n", title != NULL ? title : "");
    json_array_foreach(json_array_get(document, 1), s, sentence) {
        if (json_is_string(sentence))
            text_add_n(&text, json_string_value(sentence), json_string_length(sentence));
    }
    if (text.failed) text_free(&text);
    return text.data;
}

static fv_status find_hotpotqa(loader *l, fv_error *error) {
    size_t q, d;
    json_t *asked, *document;
    json_array_foreach(l->root, q, asked) {
        json_array_foreach(json_object_get(asked, "context"), d, document) {
            if (!add_found(l, join_document(document))) return no_memory(l, error);
        }
    }
    return FV_OK;
}

static fv_status take_hotpotqa(loader *l, fv_error *error) {
    size_t q;
    json_t *asked;
    int k = 0;
    json_array_foreach(l->root, q, asked) {
        int n = (int)json_array_size(json_object_get(asked, "context"));
        const reading_question question = {.query = json_object_get(asked, "question"),
                                           .answers = json_object_get(asked, "answer"),
                                           .own = l->r->n_numbers,
                                           .n_own = n};
        for (int i = 0; i < n; i++)
            if (!add_number(l->r, number_of(l, k++))) return no_memory(l, error);
        if (n > 0 && is_asked(&question) && !add_question(l->r, question))
            return no_memory(l, error);
    }
    return FV_OK;
}

// --- files -------------------------------------------------------------------------------------

static const struct {
    const char *file, *what;
    fv_status (*find)(loader *l, fv_error *error); // all documents, in the file's order
    fv_status (*take)(loader *l, fv_error *error); // all questions
} FORMATS[READING_N_FORMATS] = {
    [READING_SQUAD] = {"squad.json",
                       "SQuAD 2.0, {\"data\": [{\"paragraphs\": [{\"context\", \"qas\"}]}]}",
                       find_squad, take_squad},
    [READING_HOTPOTQA] = {"hotpotqa.json",
                          "HotpotQA, [{\"question\", \"answer\", \"context\": [[title, "
                          "[sentence]]]}]",
                          find_hotpotqa, take_hotpotqa}};

static fv_status load(loader *l, reading_format format, fv_error *error) {
    json_error_t why;
    FILE *file = fopen(l->path, "rb");
    if (file == NULL)
        return fv_fail(error, errno == ENOENT || errno == ENOTDIR ? FV_NOT_FOUND : FV_IO,
                       "%s cannot be read: %s", l->path, strerror(errno));
    l->root = json_read_file(file, 0, &why);
    bool broken = ferror(file) != 0;
    fclose(file);
    if (broken) return fv_fail(error, FV_IO, "%s cannot be read", l->path);
    if (l->root == NULL)
        return fv_fail(error, FV_FORMAT, "%s:%d: is no JSON: %s", l->path, why.line, why.text);
    fv_status status = FORMATS[format].find(l, error);
    if (status == FV_OK) status = sort(l, error);
    if (status == FV_OK) status = FORMATS[format].take(l, error);
    if (status == FV_OK && l->r->n_questions == 0)
        status = fv_fail(error, FV_FORMAT, "%s has no questions with answers; it must be %s",
                         l->path, FORMATS[format].what);
    return status;
}

fv_status reading_open(const char *path, reading_format format, reading **out, char **file,
                       fv_error *error) {
    struct stat kind;
    text_buffer whole = {0};
    bool folder = stat(path, &kind) == 0 && S_ISDIR(kind.st_mode);
    text_add(&whole, "%s%s%s", path, folder ? "/" : "", folder ? FORMATS[format].file : "");
    loader l = {.r = calloc(1, sizeof *l.r), .path = whole.data};
    fv_status status = l.r == NULL || whole.failed ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                                                   : load(&l, format, error);
    for (int i = 0; i < l.n_found; i++) free(l.found[i]);
    free(l.found);
    free(l.sorted);
    json_decref(l.root); // questions keep what they need of it
    *out = status == FV_OK ? l.r : NULL;
    *file = status == FV_OK ? whole.data : NULL;
    if (status != FV_OK) {
        reading_free(l.r);
        text_free(&whole);
    }
    return status;
}

void reading_free(reading *r) {
    if (r == NULL) return;
    for (int i = 0; i < r->n_questions; i++) {
        json_decref(r->questions[i].query);
        json_decref(r->questions[i].answers);
    }
    haystack_free(&r->documents);
    free(r->questions);
    free(r->numbers);
    free(r);
}
