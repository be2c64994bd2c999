#include "served/source.h"

#include "served/told_needles.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct generated {
    haystack_kind kind;
    served_kind key, value;
    int units_per_100; // tokens (or pairs), at most
    int units;         // beside these
} generated;

// How much of a haystack is enough: noise goes round; a needle among needles has 12 tokens or more,
// one of uuids 40, and samples begin up to 1,024 units later.
static const generated GENERATED[EVAL_N_HAYSTACKS] = {
    [EVAL_HAY_NOISE] = {HAYSTACK_NOISE, EVAL_WORDS, EVAL_WORDS, 0, 4096},
    [EVAL_HAY_NEEDLES] = {HAYSTACK_NEEDLES, EVAL_WORDS, EVAL_NUMBERS, 12, 1056},
    [EVAL_HAY_UUID_NEEDLES] = {HAYSTACK_NEEDLES, EVAL_UUIDS, EVAL_UUIDS, 5, 1056},
    [EVAL_HAY_PAIRS] = {HAYSTACK_PAIRS, EVAL_UUIDS, EVAL_UUIDS, 100, 1056},
};
static const char *const NAMES[EVAL_N_HAYSTACKS] = {
    [EVAL_HAY_NOISE] = "noise",     [EVAL_HAY_TEXT] = "texts",
    [EVAL_HAY_NEEDLES] = "needles", [EVAL_HAY_UUID_NEEDLES] = "uuid needles",
    [EVAL_HAY_PAIRS] = "pairs",
};

bool source_takes_haystack(const served_task *task) {
    return task->any_hay && task->hay != EVAL_HAY_NEEDLES && task->hay != EVAL_HAY_UUID_NEEDLES;
}

static fv_status choose(const served_task *task, const char *wanted, served_hay *hay,
                        fv_error *error) {
    *hay = task->hay;
    if (!source_takes_haystack(task)) return FV_OK;
    if (wanted == NULL && task->hay == EVAL_HAY_TEXT)
        return fv_fail(error, FV_USAGE,
                       "%s hides its needle in texts: give a folder of text files with --haystack "
                       "DIR, or --haystack noise, or --haystack needle",
                       task->name);
    if (wanted == NULL) return FV_OK;
    if (strcmp(wanted, "noise") == 0)
        *hay = EVAL_HAY_NOISE;
    else if (strcmp(wanted, "needle") == 0)
        *hay = task->value == EVAL_UUIDS ? EVAL_HAY_UUID_NEEDLES : EVAL_HAY_NEEDLES;
    else
        *hay = EVAL_HAY_TEXT;
    return FV_OK;
}

// "texts:/home/me/essays#0123456789abcdef"
static char *name_with_path(const char *kind, const char *path, uint64_t digest) {
    char *whole = realpath(path, NULL);
    text_buffer name = {0};
    text_add(&name, "%s:%s#%016llx", kind, whole ? whole : path, (unsigned long long)digest);
    free(whole);
    if (name.failed) text_free(&name);
    return name.data;
}

fv_status source_data_name(const data_file *data, char **name, fv_error *error) {
    *name = name_with_path("data", data->path, data->digest);
    return *name != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory");
}

// Behind the haystack's name stand the user's needles: ", needles:PATH#digest" or, as they were told,
// ", needle:{...}".
static const char FROM_FILE[] = ", needles:", AS_TOLD[] = ", needle:{";

static const char *last_of(const char *text, const char *part) {
    const char *found = NULL;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) found = at;
    return found;
}

// Takes the needles off the end of a name.
static void cut_needles(char *name, const char *whole, source_origin *origin) {
    char *told = strstr(name, AS_TOLD), *file = (char *)last_of(name, FROM_FILE);
    if (told != NULL) {
        origin->told = whole + (told - name) + sizeof AS_TOLD - 2;
        *told = '\0';
    } else if (file != NULL) {
        const char *path = file + sizeof FROM_FILE - 1, *end = strrchr(path, '#');
        if (end != NULL)
            snprintf(origin->needles, sizeof origin->needles, "%.*s", (int)(end - path), path);
        *file = '\0';
    }
}

static void read_base(const char *name, source_origin *origin) {
    const char *path = strchr(name, ':'), *end = strrchr(name, '#');
    if (path == NULL || end == NULL || end < path) {
        bool needles = strstr(name, "needles") != NULL;
        snprintf(origin->haystack, sizeof origin->haystack, "%s", needles ? "needle" : "noise");
        return;
    }
    size_t n = (size_t)(path - name);
    char *to = strncmp(name, "texts", n) == 0  ? origin->haystack
               : strncmp(name, "data", n) == 0 ? origin->questions
                                               : origin->documents;
    snprintf(to, sizeof origin->haystack, "%.*s", (int)(end - path - 1), path + 1);
}

void source_from_name(const char *name, source_origin *origin) {
    char *base = text_copy(name);
    *origin = (source_origin){.told = NULL};
    if (base != NULL) cut_needles(base, name, origin);
    read_base(base != NULL ? base : name, origin);
    free(base);
}

static fv_status build(served_source *source, served_hay hay, const source_options *options,
                       fv_error *error) {
    if (source->hay[hay].n_units > 0) return FV_OK;
    if (hay == EVAL_HAY_TEXT) return haystack_read(&source->hay[hay], options->haystack, error);
    const generated *g = &GENERATED[hay];
    long long n = g->units + (long long)options->longest * g->units_per_100 / 100;
    if (n > INT_MAX / 4)
        return fv_fail(error, FV_USAGE, "length %d is longer than any haystack", options->longest);
    return haystack_generate(&source->hay[hay], g->kind, g->key, g->value, options->seed, (int)n,
                             error);
}

static fv_status no_documents(const served_task *task, const char *what, fv_error *error) {
    return fv_fail(error, FV_USAGE, "%s asks about your documents: give %s", task->name, what);
}

static fv_status prepare_documents(served_source *source, const served_task *task, const char *path,
                                   char **name, fv_error *error) {
    fv_status status = FV_OK;
    if (path == NULL)
        return no_documents(task, "a JSON Lines file of questions with --documents FILE", error);
    if (source->documents == NULL)
        status = served_read_documents(path, &source->documents, &source->documents_digest, error);
    if (status == FV_OK) *name = name_with_path("documents", path, source->documents_digest);
    return status;
}

static fv_status prepare_reading(served_source *source, const served_task *task, const char *path,
                                 char **name, fv_error *error) {
    reading **r = &source->readings[task->reading];
    char **file = &source->reading_files[task->reading];
    fv_status status = FV_OK;
    if (path == NULL)
        return no_documents(task,
                            "SQuAD's (qa_1) or HotpotQA's (qa_2) JSON file with --documents FILE, "
                            "or a folder of squad.json and hotpotqa.json",
                            error);
    if (*r == NULL) status = reading_open(path, task->reading, r, file, error);
    if (status == FV_OK) *name = name_with_path("documents", *file, (*r)->documents.digest);
    return status;
}

static fv_status prepare_haystack(served_source *source, const source_options *options,
                                  served_hay hay, char **name, fv_error *error) {
    bool words = hay == EVAL_HAY_NONE;
    fv_status status = words ? FV_OK : build(source, hay, options, error);
    if (status != FV_OK) return status;
    *name = hay == EVAL_HAY_TEXT
                ? name_with_path("texts", options->haystack, source->hay[hay].digest)
                : text_copy(words ? "words" : NAMES[hay]);
    return FV_OK;
}

static fv_status prepare_file(served_source *source, const served_task *task, const char *path,
                              text_buffer *name, fv_error *error) {
    fv_status status = FV_OK;
    if (path == NULL)
        return fv_fail(error, FV_USAGE,
                       "%s hides needles of yours: give a JSON Lines file of {\"needle\", "
                       "\"question\", \"answers\"} with --needles FILE",
                       task->name);
    if (source->needles == NULL)
        status = told_needles_read(path, &source->needles, &source->needles_digest, error);
    char *file = name_with_path("needles", path, source->needles_digest);
    text_add(name, ", %s", file != NULL ? file : "");
    name->failed |= file == NULL;
    free(file);
    return status;
}

static fv_status prepare_told(served_source *source, const source_options *o, text_buffer *name,
                              fv_error *error) {
    bool told = o->told != NULL || o->needle != NULL || o->question != NULL || o->answer != NULL;
    fv_status status = FV_OK;
    if (source->needle == NULL && o->told != NULL)
        source->needle = json_loads(o->told, 0, NULL);
    else if (source->needle == NULL)
        status =
            told_needles_make(told ? o->needle
                                   : "The best thing to do in San Francisco is eat a "
                                     "sandwich and sit in Dolores Park on a sunny day.",
                              told ? o->question : "What is the best thing to do in San Francisco?",
                              told ? o->answer : "sandwich|Dolores Park", &source->needle, error);
    if (status != FV_OK || !told) return status;
    char *text = json_dumps(source->needle, JSON_COMPACT);
    text_add(name, ", needle:%s", text != NULL ? text : "");
    name->failed |= text == NULL;
    free(text);
    return FV_OK;
}

// The user's needles, and what the name says of them.
static fv_status prepare_needles(served_source *source, const served_task *task,
                                 const source_options *options, char **name, fv_error *error) {
    text_buffer whole = {0};
    fv_status status = FV_OK;
    if (task->needles == EVAL_NEEDLES_OWN || *name == NULL) return FV_OK;
    text_add(&whole, "%s", *name);
    if (task->needles == EVAL_NEEDLES_FILE)
        status = prepare_file(source, task, options->needles, &whole, error);
    else
        status = prepare_told(source, options, &whole, error);
    free(*name);
    *name = whole.failed ? NULL : whole.data;
    if (whole.failed) text_free(&whole);
    return status;
}

fv_status source_prepare(served_source *source, const served_task *task,
                         const source_options *options, served_hay *hay, char **name,
                         fv_error *error) {
    *name = NULL;
    fv_status status = choose(task, options->haystack, hay, error);
    if (status != FV_OK) return status;
    if (task->hay == EVAL_HAY_DOCUMENTS)
        status = prepare_documents(source, task, options->documents, name, error);
    else if (task->hay == EVAL_HAY_READING)
        status = prepare_reading(source, task, options->documents, name, error);
    else
        status = prepare_haystack(source, options, *hay, name, error);
    if (status == FV_OK) status = prepare_needles(source, task, options, name, error);
    if (status == FV_OK && *name == NULL) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    return status;
}

void source_free(served_source *source) {
    for (int i = 0; i < EVAL_N_HAYSTACKS; i++) haystack_free(&source->hay[i]);
    for (int i = 0; i < READING_N_FORMATS; i++) {
        reading_free(source->readings[i]);
        free(source->reading_files[i]);
    }
    json_decref(source->documents);
    json_decref(source->needles);
    json_decref(source->needle);
    *source = (served_source){0};
}
