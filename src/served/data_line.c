#include "served/data_line.h"

#include "base/json.h"
#include "base/text.h"
#include "served/score.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const METRICS[] = {[EVAL_MATCH_ALL] = "all",
                                      [EVAL_MATCH_PART] = "any",
                                      [EVAL_SUBSPAN] = "subspan",
                                      [EVAL_MRCR] = "mrcr"};
enum { N_METRICS = sizeof METRICS / sizeof *METRICS };

const char *data_metric_text(served_metric metric) {
    return METRICS[metric];
}

bool data_metric_of(const char *text, served_metric *metric) {
    for (int i = 0; i < N_METRICS && text != NULL; i++) {
        if (strcmp(text, METRICS[i]) != 0) continue;
        *metric = (served_metric)i;
        return true;
    }
    return false;
}

static const char *text_of(const json_t *line, const char *key) {
    return json_string_value(json_object_get(line, key));
}

data_form data_form_of(const json_t *line) {
    if (json_object_get(line, "fovea_set") != NULL) return DATA_FROZEN;
    if (json_object_get(line, "random_string_to_prepend") != NULL) return DATA_MRCR;
    return json_object_get(line, "messages") != NULL ? DATA_CHAT : DATA_RULER;
}

// --- what a line says ---------------------------------------------------------------------------

// The messages of a chat, as a list or as the JSON text of one. The caller frees it; NULL for
// anything else.
static json_t *messages_of(const json_t *line) {
    json_t *given = json_object_get(line, "messages");
    if (given == NULL) given = json_object_get(line, "prompt");
    json_t *list = json_is_string(given)
                       ? json_read(json_string_value(given), json_string_length(given), 0, NULL)
                       : json_incref(given);
    bool good = json_array_size(list) > 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *message = json_array_get(list, i);
        good &= text_of(message, "role") != NULL && text_of(message, "content") != NULL;
    }
    if (good) return list;
    json_decref(list);
    return NULL;
}

static size_t bytes_of(const json_t *messages) {
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(messages); i++)
        n += json_string_length(json_object_get(json_array_get(messages, i), "content"));
    return n;
}

// What length a question of no given one is asked as: the next of 512 tokens and its doublings.
static int doubling(int tokens) {
    int length = 512;
    while (length < tokens && length < INT_MAX / 2) length *= 2;
    return length;
}

static int tokens_of(const json_t *line, size_t n_bytes) {
    json_int_t told = json_integer_value(json_object_get(line, "length"));
    if (told > 0 && told < INT_MAX / 2) return (int)told;
    return n_bytes / 4 < INT_MAX / 2 ? (int)(n_bytes / 4) : INT_MAX / 2;
}

static fv_status read_ruler(const json_line *line, data_question *q, fv_error *error) {
    if (text_of(line->object, "input") == NULL ||
        json_array_size(json_object_get(line->object, "outputs")) == 0)
        return fv_fail(error, FV_FORMAT,
                       "%s: has no `input` and `outputs`; a line of RULER's data is {\"index\": "
                       "..., \"input\": ..., \"outputs\": [...], \"length\": ...}, one of a chat "
                       "{\"messages\": [...], \"answers\": [...]}",
                       line->where);
    q->tokens = tokens_of(line->object, 0);
    return FV_OK;
}

static fv_status read_mrcr(const json_line *line, data_question *q, fv_error *error) {
    json_t *messages = messages_of(line->object);
    const json_t *answer = json_object_get(line->object, "answer");
    if (messages == NULL || text_of(line->object, "random_string_to_prepend") == NULL ||
        !json_is_string(answer)) {
        json_decref(messages);
        return fv_fail(error, FV_FORMAT,
                       "%s: is no row of MRCR: {\"prompt\": JSON text of messages, \"answer\": "
                       "text, \"random_string_to_prepend\": text, ...}",
                       line->where);
    }
    size_t n_answer = json_string_length(answer);
    json_int_t n_needles = json_integer_value(json_object_get(line->object, "n_needles"));
    if (n_needles > 0)
        snprintf(q->task, sizeof q->task, "mrcr_%lld", (long long)n_needles);
    else
        snprintf(q->task, sizeof q->task, "mrcr");
    q->tokens = tokens_of(line->object, bytes_of(messages) + n_answer);
    q->length = doubling(q->tokens);
    q->max_tokens = 64 + (int)(n_answer < 1 << 20 ? n_answer / 2 : 1 << 19);
    q->metric = EVAL_MRCR;
    json_decref(messages);
    return FV_OK;
}

static fv_status read_chat(const json_line *line, data_question *q, fv_error *error) {
    json_t *messages = messages_of(line->object);
    const json_t *all = json_object_get(line->object, "outputs");
    const json_t *any = json_object_get(line->object, "answers");
    bool answered = json_array_size(all) > 0 || json_array_size(any) > 0;
    if (messages == NULL || !answered) {
        json_decref(messages);
        return fv_fail(error, FV_FORMAT,
                       "%s: is no chat: {\"messages\": [{\"role\": text, \"content\": text}, ...], "
                       "\"answers\": [text, ...]}, of which one must stand in the reply, or "
                       "\"outputs\", which all must",
                       line->where);
    }
    q->tokens = tokens_of(line->object, bytes_of(messages));
    q->length = doubling(q->tokens);
    q->metric = json_array_size(all) > 0 ? EVAL_MATCH_ALL : EVAL_MATCH_PART;
    json_decref(messages);
    return FV_OK;
}

static bool has_messages(const json_t *line) {
    json_t *messages = messages_of(line);
    json_decref(messages);
    return messages != NULL;
}

static fv_status read_frozen(const json_line *line, data_question *q, fv_error *error) {
    const json_t *o = line->object, *depth = json_object_get(o, "depth");
    const char *task = text_of(o, "task");
    snprintf(q->task, sizeof q->task, "%s", task != NULL ? task : "");
    q->tokens = (int)json_integer_value(json_object_get(o, "tokens"));
    q->length = (int)json_integer_value(json_object_get(o, "length"));
    q->sample = (int)json_integer_value(json_object_get(o, "sample"));
    q->max_tokens = (int)json_integer_value(json_object_get(o, "max_tokens"));
    q->depth = json_is_number(depth) ? json_number_value(depth) : NAN;
    if (*q->task != '\0' && q->length > 0 && q->sample >= 0 && q->max_tokens > 0 &&
        data_metric_of(text_of(o, "metric"), &q->metric) &&
        (text_of(o, "input") != NULL || has_messages(o)) &&
        json_is_array(json_object_get(o, "outputs")))
        return FV_OK;
    return fv_fail(error, FV_FORMAT, "%s: is no question of a frozen set", line->where);
}

fv_status data_line_read(data_form form, const json_line *line, data_question *q, fv_error *error) {
    *q = (data_question){.depth = NAN};
    switch (form) {
    case DATA_MRCR:
        return read_mrcr(line, q, error);
    case DATA_CHAT:
        return read_chat(line, q, error);
    case DATA_FROZEN:
        return read_frozen(line, q, error);
    default:
        return read_ruler(line, q, error);
    }
}

// --- its prompt ---------------------------------------------------------------------------------

static void add_text(prompt *p, const json_t *text) {
    prompt_add_n(p, json_string_value(text), json_string_length(text));
}

static void add_messages(prompt *p, const json_t *line) {
    json_t *messages = messages_of(line);
    p->failed |= messages == NULL;
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        prompt_message(p, text_of(message, "role"));
        add_text(p, json_object_get(message, "content"));
    }
    json_decref(messages);
}

static void add_input(prompt *p, const json_t *line) {
    const char *prefix = text_of(line, "answer_prefix");
    p->system = text_of(line, "system");
    add_text(p, json_object_get(line, "input"));
    prompt_end(p, prefix != NULL ? prefix : "");
}

static void add_answers(prompt *p, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *answer = json_value_text(json_array_get(list, i));
        p->failed |= answer == NULL;
        if (answer != NULL) prompt_answer(p, answer);
        free(answer);
    }
}

fv_status data_line_build(data_form form, const json_t *line, prompt *p, fv_error *error) {
    const json_t *outputs = json_object_get(line, "outputs");
    if (json_object_get(line, "input") == NULL || form == DATA_CHAT || form == DATA_MRCR)
        add_messages(p, line);
    else
        add_input(p, line);
    if (form == DATA_MRCR) {
        prompt_answer(p, text_of(line, "answer"));
        prompt_answer(p, text_of(line, "random_string_to_prepend"));
    } else {
        add_answers(p, json_array_size(outputs) > 0 ? outputs : json_object_get(line, "answers"));
    }
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}
