// The two tasks of "Lost in the Middle": a value of a JSON object, a question about one of many
// documents.
#include "served/lines.h"
#include "served/served_task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The place of the answer among n: the first at depth 0, the last at 100.
static int place_of(const served_task *task, const served_sample_place *place, int n) {
    random_source random;
    served_random(&random, place->seed, task->name, -1, place->sample);
    if (isnan(place->depth)) return (int)random_below(&random, (uint32_t)n);
    return (int)lround((n - 1) * place->depth / 100);
}

static fv_status build_kv(const served_task *task, const served_source *source,
                          const served_sample_place *place, prompt *p, fv_error *error) {
    const haystack *h = &source->hay[EVAL_HAY_PAIRS];
    char key[EVAL_VALUE_SIZE], value[EVAL_VALUE_SIZE], pair[2 * EVAL_VALUE_SIZE + 8];
    random_source random;
    served_place_random(task, place, &random);
    served_draw(&random, EVAL_UUIDS, key);
    served_draw(&random, EVAL_UUIDS, value);
    snprintf(pair, sizeof pair, "\"%s\": \"%s\"", key, value);
    prompt_add(p, "Extract the value corresponding to the specified key in the JSON object below."
                  "\n\n");
    if (strcmp(task->name, "kv_query_aware") == 0) prompt_add(p, "Key: \"%s\"\n\n", key);
    prompt_add(p, "JSON data:\n{");
    prompt_insert insert = {place_of(task, place, place->n_units), pair};
    prompt_add_context(p, h, haystack_offset(h, place->seed, place->sample), place->n_units - 1,
                       &insert, 1);
    prompt_add(p, "}\n\nKey: \"%s\"\n", key);
    prompt_end(p, "Corresponding value:");
    prompt_answer(p, value);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

// --- documents ---------------------------------------------------------------------------------

static bool is_gold(const json_t *context) {
    const json_t *gold = json_object_get(context, "isgold");
    if (gold == NULL) gold = json_object_get(context, "hasanswer");
    return json_is_true(gold);
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

typedef struct reader {
    json_t *questions;
    uint64_t digest;
} reader;

static fv_status take_question(void *context, const json_line *line, fv_error *error) {
    reader *r = context;
    const json_t *answers = json_object_get(line->object, "answers"),
                 *contexts = json_object_get(line->object, "ctxs");
    size_t n_gold = 0;
    const char *what = NULL;
    for (size_t i = 0; i < json_array_size(contexts); i++)
        n_gold += is_gold(json_array_get(contexts, i));
    if (*text_of(line->object, "question") == '\0') what = "has no `question`";
    if (what == NULL && json_array_size(answers) == 0) what = "has no `answers`";
    if (what == NULL && !json_is_string(json_array_get(answers, 0)))
        what = "has answers that are no texts";
    if (what == NULL && n_gold == 0) what = "has no document in `ctxs` with \"isgold\": true";
    if (what != NULL)
        return fv_fail(error, FV_FORMAT,
                       "%s: %s; a line is {\"question\": ..., \"answers\": [...], \"ctxs\": "
                       "[{\"title\", \"text\", \"isgold\"}]}",
                       line->where, what);
    r->digest = text_hash(r->digest, line->text);
    if (json_array_append(r->questions, line->object) == 0) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "%s: out of memory", line->where);
}

fv_status served_read_documents(const char *path, json_t **documents, uint64_t *digest,
                                fv_error *error) {
    reader r = {json_array(), TEXT_HASH_START};
    *documents = NULL;
    fv_status status = json_lines_each(path, 0, take_question, &r, error);
    if (status == FV_OK && json_array_size(r.questions) == 0)
        status = fv_fail(error, FV_FORMAT, "%s has no questions", path);
    if (status != FV_OK) {
        json_decref(r.questions);
        return status;
    }
    *documents = r.questions;
    *digest = r.digest;
    return FV_OK;
}

static void add_document(prompt *p, int number, const json_t *document) {
    prompt_add(p, "Document [%d](Title: ", number);
    const char *title = text_of(document, "title"), *text = text_of(document, "text");
    prompt_add_n(p, title, strlen(title));
    prompt_add(p, ") ");
    prompt_add_n(p, text, strlen(text));
    prompt_add(p, "\n");
}

static fv_status build_documents(const served_task *task, const served_source *source,
                                 const served_sample_place *place, prompt *p, fv_error *error) {
    size_t n_questions = json_array_size(source->documents);
    const json_t *line = json_array_get(source->documents, (size_t)place->sample % n_questions);
    const json_t *contexts = json_object_get(line, "ctxs"), *gold = NULL;
    size_t n = json_array_size(contexts), at = 0;
    for (size_t i = 0; i < n && gold == NULL; i++)
        if (is_gold(json_array_get(contexts, i))) gold = json_array_get(contexts, i);
    size_t n_others = 0;
    for (size_t i = 0; i < n; i++) n_others += !is_gold(json_array_get(contexts, i));
    if ((int)n_others < place->n_units - 1)
        return fv_fail(
            error, FV_USAGE,
            "qa: question %zu has %zu documents beside the one with the answer; sizes go "
            "up to %zu",
            (size_t)place->sample % n_questions + 1, n_others, n_others + 1);
    int gold_at = place_of(task, place, place->n_units);
    prompt_add(p, "Write a high-quality answer for the given question using only the provided "
                  "search results (some of which might be irrelevant).\n\n");
    for (int i = 0; i < place->n_units; i++) {
        const json_t *document = gold;
        while (i != gold_at && is_gold(json_array_get(contexts, at))) at++;
        if (i != gold_at) document = json_array_get(contexts, at++);
        add_document(p, i + 1, document);
    }
    prompt_add(p, "\nQuestion: ");
    prompt_add_n(p, text_of(line, "question"), strlen(text_of(line, "question")));
    prompt_end(p, "\nAnswer:");
    const json_t *answers = json_object_get(line, "answers");
    for (size_t i = 0; i < json_array_size(answers); i++) {
        const char *answer = json_string_value(json_array_get(answers, i));
        if (answer != NULL) prompt_answer(p, answer);
    }
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

// The two of "Lost in the Middle" (Liu et al., arXiv 2307.03172).
#define KV(title, about)                                                                           \
    const served_task served_task_##title = {.name = #title,                                       \
                                             .help = about,                                        \
                                             .build = build_kv,                                    \
                                             .hay = EVAL_HAY_PAIRS,                                \
                                             .key = EVAL_UUIDS,                                    \
                                             .value = EVAL_UUIDS,                                  \
                                             .has_depth = true,                                    \
                                             .max_tokens = 100,                                    \
                                             .unit = "pairs",                                      \
                                             .least_units = 2,                                     \
                                             .form = EVAL_FORM_VALUE,                              \
                                             .distracts = true};
// clang-format off
KV(kv, "the value of a key in a JSON object of uuids")
KV(kv_query_aware, "the same, the key named before the object too")
// clang-format on

const served_task served_task_qa = {
    .name = "qa",
    .help = "a question about one of the documents of --documents",
    .build = build_documents,
    .hay = EVAL_HAY_DOCUMENTS,
    .metric = EVAL_SUBSPAN,
    .has_depth = true,
    .max_tokens = 100,
    .unit = "documents",
    .least_units = 1,
    .spread = 0.4,
};
