// Bodies of requests, and what of them shapes an answer.
#include "served/wire.h"

#include <string.h>

// The caller's members, {} for none.
static fv_status read_extra(const char *extra, json_t **more, fv_error *error) {
    json_error_t why;
    *more = extra != NULL ? json_loads(extra, 0, &why) : json_object();
    if (json_is_object(*more)) return FV_OK;
    fv_status status =
        fv_fail(error, FV_USAGE, "--extra must be a JSON object, such as '{\"top_k\": 1}': %s",
                *more == NULL ? why.text : "it is something else");
    json_decref(*more);
    *more = NULL;
    return status;
}

// Asks for the log-probabilities of the answer's tokens and of the likeliest others.
static void ask_logprobs(json_t *members, wire_api api) {
    enum { OTHERS = 5 }; // as many as every server of OpenAI's API allows
    if (api == WIRE_COMPLETIONS) {
        json_object_set_new(members, "logprobs", json_integer(OTHERS));
        return;
    }
    json_object_set_new(members, "logprobs", json_true());
    json_object_set_new(members, "top_logprobs", json_integer(OTHERS));
}

// How an answer is asked for beside what is asked.
typedef struct manner {
    wire_api api;
    bool stream, logprobs;
} manner;

// All members but model and prompt.
static json_t *make_members(int max_tokens, json_t *more, manner how) {
    json_t *members = json_pack("{s:i, s:f, s:b}", "max_tokens", max_tokens, "temperature", 0.0,
                                "stream", how.stream);
    if (how.stream)
        json_object_set_new(members, "stream_options", json_pack("{s:b}", "include_usage", 1));
    if (how.logprobs) ask_logprobs(members, how.api);
    const char *key;
    json_t *value;
    if (json_object_get(more, "max_completion_tokens") != NULL)
        json_object_del(members, "max_tokens");
    json_object_foreach(more, key, value) {
        if (json_is_null(value))
            json_object_del(members, key);
        else
            json_object_set(members, key, value);
    }
    return members;
}

// The members behind the prompt: `,"max_tokens":128,"temperature":0.0}`. NULL where `more` decides
// what the manner adds.
static char *make_tail(int max_tokens, json_t *more, manner how) {
    bool chosen = (how.stream && json_object_get(more, "stream") != NULL) ||
                  (how.logprobs && json_object_get(more, "logprobs") != NULL);
    if (chosen) return NULL;
    json_t *members = make_members(max_tokens, more, how);
    char *text = json_dumps(members, JSON_COMPACT);
    text_buffer tail = {0};
    text_add(&tail, "%s", how.api == WIRE_CHAT ? "\"}]" : "\"");
    if (text != NULL && text[1] != '}') text_add(&tail, ",");
    if (text != NULL) text_add(&tail, "%s", text + 1);
    if (text == NULL || tail.failed) text_free(&tail);
    free(text);
    json_decref(members);
    return tail.data;
}

// Members of OpenAI's, vLLM's, llama.cpp's and SGLang's requests that say how tokens are drawn.
static const char *const SAMPLING[] = {"temperature",
                                       "seed",
                                       "top_p",
                                       "top_k",
                                       "min_p",
                                       "typical_p",
                                       "top_n_sigma",
                                       "n",
                                       "best_of",
                                       "use_beam_search",
                                       "length_penalty",
                                       "presence_penalty",
                                       "frequency_penalty",
                                       "repetition_penalty",
                                       "repeat_penalty",
                                       "repeat_last_n",
                                       "mirostat",
                                       "mirostat_tau",
                                       "mirostat_eta",
                                       "logit_bias",
                                       "samplers",
                                       "min_tokens"};

fv_status wire_settings_make(wire_settings *settings, int max_tokens, const char *extra,
                             fv_error *error) {
    const size_t canonical = JSON_COMPACT | JSON_SORT_KEYS;
    json_t *more, *sampling = json_object();
    *settings = (wire_settings){0};
    fv_status status = read_extra(extra, &more, error);
    json_t *members = status == FV_OK ? make_members(max_tokens, more, (manner){0}) : NULL;
    for (size_t i = 0; i < sizeof SAMPLING / sizeof *SAMPLING; i++) {
        json_t *value = json_object_get(members, SAMPLING[i]);
        if (value != NULL) json_object_set(sampling, SAMPLING[i], value);
    }
    const json_t *limit = json_object_get(members, "max_completion_tokens");
    if (limit == NULL) limit = json_object_get(members, "max_tokens");
    settings->max_tokens = (int)json_integer_value(limit);
    settings->sampling = json_dumps(sampling, canonical);
    settings->extra = more != NULL ? json_dumps(more, canonical) : NULL;
    if (status == FV_OK && (settings->sampling == NULL || settings->extra == NULL))
        status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    json_decref(more);
    json_decref(members);
    json_decref(sampling);
    if (status != FV_OK) wire_settings_free(settings);
    return status;
}

void wire_settings_free(wire_settings *settings) {
    free(settings->sampling);
    free(settings->extra);
    *settings = (wire_settings){0};
}

// `chat`: the prompt goes on with the role of its first message.
static char *make_head(wire_api api, const char *model, const char *system, bool chat) {
    text_buffer head = {0};
    text_add(&head, "{\"model\":\"");
    haystack_escape(&head, model, strlen(model));
    if (api == WIRE_COMPLETIONS) {
        text_add(&head, "\",\"prompt\":\"");
    } else {
        text_add(&head, "\",\"messages\":[");
        if (system != NULL) {
            text_add(&head, "{\"role\":\"system\",\"content\":\"");
            haystack_escape(&head, system, strlen(system));
            text_add(&head, "\"},");
        }
        text_add(&head, chat ? "{\"role\":\"" : "{\"role\":\"user\",\"content\":\"");
    }
    if (head.failed) text_free(&head);
    return head.data;
}

// The three heads, around a tail that is there already; false without memory.
static bool make_heads(wire_frame *frame, wire_api api, const char *model, const char *system) {
    frame->head = make_head(api, model, NULL, false);
    frame->head_system = make_head(api, model, system, false);
    frame->head_chat = make_head(api, model, NULL, true);
    return frame->head != NULL && frame->head_system != NULL && frame->head_chat != NULL;
}

const char *wire_head(const wire_frame *frame, const prompt *p) {
    if (p->n_messages > 0) return frame->head_chat;
    return p->system != NULL ? frame->head_system : frame->head;
}

fv_status wire_frame_make(wire_frame *frame, wire_api api, const char *model, const char *system,
                          int max_tokens, const char *extra, fv_error *error) {
    json_t *more;
    *frame = (wire_frame){0};
    fv_status status = read_extra(extra, &more, error);
    if (status != FV_OK) return status;
    for (int i = 0; i < WIRE_N_TAILS; i++) {
        const manner how = {api, (i & WIRE_STREAMED) != 0, (i & WIRE_WITH_LOGPROBS) != 0};
        frame->tails[i] = make_tail(max_tokens, more, how);
    }
    json_decref(more);
    if (make_heads(frame, api, model, system) && frame->tails[0] != NULL) return FV_OK;
    wire_frame_free(frame);
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

const char *wire_tail(const wire_frame *frame, bool streamed, bool logprobs) {
    int i = (streamed ? WIRE_STREAMED : 0) | (logprobs ? WIRE_WITH_LOGPROBS : 0);
    return frame->tails[i];
}

// Of all further members only what the template is given.
fv_status wire_frame_bare(wire_frame *frame, wire_api api, const char *model, const char *system,
                          const char *extra, fv_error *error) {
    json_t *more = extra != NULL ? json_loads(extra, 0, NULL) : NULL;
    const json_t *given = json_object_get(more, "chat_template_kwargs");
    char *text = json_is_object(given) ? json_dumps(given, JSON_COMPACT) : NULL;
    text_buffer tail = {0};
    text_add(&tail, "%s", api == WIRE_CHAT ? "\"}]" : "\"");
    if (text != NULL) text_add(&tail, ",\"chat_template_kwargs\":%s", text);
    text_add(&tail, "}");
    *frame = (wire_frame){.tails = {tail.data}};
    free(text);
    json_decref(more);
    if (make_heads(frame, api, model, system) && !tail.failed) return FV_OK;
    wire_frame_free(frame);
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

void wire_frame_free(wire_frame *frame) {
    free(frame->head);
    free(frame->head_system);
    free(frame->head_chat);
    for (int i = 0; i < WIRE_N_TAILS; i++) free(frame->tails[i]);
    *frame = (wire_frame){0};
}
