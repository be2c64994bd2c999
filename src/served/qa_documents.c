#include "served/qa_documents.h"

#include "base/json_lines.h"

#include <string.h>

// --- the file ------------------------------------------------------------------------------------

bool qa_is_gold(const json_t *context) {
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
        n_gold += qa_is_gold(json_array_get(contexts, i));
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

// --- a prompt ------------------------------------------------------------------------------------

const json_t *qa_line(const served_source *source, int sample) {
    size_t n = json_array_size(source->documents);
    return json_array_get(source->documents, (size_t)sample % n);
}

fv_status qa_check_size(const json_t *line, int n, fv_error *error) {
    const json_t *contexts = json_object_get(line, "ctxs");
    size_t n_others = 0;
    for (size_t i = 0; i < json_array_size(contexts); i++)
        n_others += !qa_is_gold(json_array_get(contexts, i));
    if ((int)n_others >= n - 1) return FV_OK;
    return fv_fail(
        error, FV_USAGE,
        "the question '%.80s' has %zu documents beside the one with the answer; sizes go "
        "up to %zu",
        text_of(line, "question"), n_others, n_others + 1);
}

static void add_document(prompt *p, int number, const json_t *document) {
    prompt_add(p, "Document [%d](Title: ", number);
    const char *title = text_of(document, "title"), *text = text_of(document, "text");
    prompt_add_n(p, title, strlen(title));
    prompt_add(p, ") ");
    prompt_add_n(p, text, strlen(text));
    prompt_add(p, "\n");
}

fv_status qa_add_prompt(prompt *p, const json_t *line, const json_t *const *documents, int n,
                        fv_error *error) {
    prompt_add(p, "Write a high-quality answer for the given question using only the provided "
                  "search results (some of which might be irrelevant).\n\n");
    for (int i = 0; i < n; i++) add_document(p, i + 1, documents[i]);
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
