#include "served/told_needles.h"

#include "base/json_lines.h"

#include <stdlib.h>
#include <string.h>

static bool is_text(const json_t *object, const char *key) {
    return json_string_length(json_object_get(object, key)) > 0;
}

static bool are_texts(const json_t *list) {
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        if (json_string_length(item) == 0) return false;
    }
    return true;
}

typedef struct reader {
    json_t *needles;
    uint64_t digest;
} reader;

static fv_status take_needle(void *context, const json_line *line, fv_error *error) {
    reader *r = context;
    const json_t *answers = json_object_get(line->object, "answers");
    const json_t *distractors = json_object_get(line->object, "distractors");
    const char *what = NULL;
    if (!is_text(line->object, "needle")) what = "has no `needle`";
    if (what == NULL && !is_text(line->object, "question")) what = "has no `question`";
    if (what == NULL && (json_array_size(answers) == 0 || !are_texts(answers)))
        what = "has no texts in `answers`";
    if (what == NULL &&
        (!are_texts(distractors) || json_array_size(distractors) > TOLD_MOST_DISTRACTORS))
        what = "has `distractors` that are not up to 15 texts";
    if (what != NULL)
        return fv_fail(error, FV_FORMAT,
                       "%s: %s; a line is {\"needle\": text, \"question\": text, \"answers\": "
                       "[text, ...], \"distractors\": [text, ...]}",
                       line->where, what);
    r->digest = text_hash(r->digest, line->text);
    if (json_array_append(r->needles, line->object) == 0) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "%s: out of memory", line->where);
}

fv_status told_needles_read(const char *path, json_t **needles, uint64_t *digest, fv_error *error) {
    reader r = {json_array(), TEXT_HASH_START};
    *needles = NULL;
    fv_status status = json_lines_each(path, 0, take_needle, &r, error);
    if (status == FV_OK && json_array_size(r.needles) == 0)
        status = fv_fail(error, FV_FORMAT, "%s has no needles", path);
    if (status != FV_OK) {
        json_decref(r.needles);
        return status;
    }
    *needles = r.needles;
    *digest = r.digest;
    return FV_OK;
}

// "a|b" as a list.
static json_t *split(const char *answer) {
    json_t *list = json_array();
    for (size_t n; *answer != '\0'; answer += n + (answer[n] == '|')) {
        n = strcspn(answer, "|");
        if (n > 0) json_array_append_new(list, json_stringn(answer, n));
    }
    return list;
}

fv_status told_needles_make(const char *needle, const char *question, const char *answer,
                            json_t **out, fv_error *error) {
    *out = NULL;
    if (needle == NULL || *needle == '\0' || question == NULL || *question == '\0')
        return fv_fail(error, FV_USAGE,
                       "a needle of your own needs --needle TEXT, the sentence to hide, and "
                       "--question TEXT about it");
    if (answer == NULL && strstr(needle, "{value}") == NULL)
        return fv_fail(
            error, FV_USAGE,
            "--answer TEXT says what must stand in a reply; or have {value} in --needle, "
            "a number that is drawn for each sample");
    json_t *answers = split(answer != NULL ? answer : "{value}");
    if (json_array_size(answers) == 0) {
        json_decref(answers);
        return fv_fail(error, FV_USAGE, "--answer has no text");
    }
    *out = json_pack("{s:s, s:s, s:o}", "needle", needle, "question", question, "answers", answers);
    return *out != NULL
               ? FV_OK
               : fv_fail(error, FV_USAGE, "--needle, --question and --answer must be UTF-8 text");
}

char *told_needles_fill(const char *text, const char *key, const char *value) {
    static const char KEY[] = "{key}", VALUE[] = "{value}";
    text_buffer out = {0};
    text_add_n(&out, "", 0);
    while (*text != '\0') {
        bool is_key = strncmp(text, KEY, sizeof KEY - 1) == 0;
        bool is_value = strncmp(text, VALUE, sizeof VALUE - 1) == 0;
        if (is_key || is_value) {
            text_add(&out, "%s", is_key ? key : value);
            text += is_key ? sizeof KEY - 1 : sizeof VALUE - 1;
        } else {
            size_t n = 1 + strcspn(text + 1, "{");
            text_add_n(&out, text, n);
            text += n;
        }
    }
    if (out.failed) text_free(&out);
    return out.data;
}
