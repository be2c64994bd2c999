#include "served/thoughts.h"

#include <string.h>
#include <strings.h>

// The marks: opening, closing
#define MARK_LIST(X)                                                                               \
    X("<think>", "</think>") /* DeepSeek, Qwen, GLM, MiniMax and most others */                    \
    X("<thinking>", "</thinking>")                                                                 \
    X("<thought>", "</thought>") /* Gemini */                                                      \
    X("<reasoning>", "</reasoning>")                                                               \
    X("<seed:think>", "</seed:think>")                                                             \
    X("[THINK]", "[/THINK]")                       /* Magistral */                                 \
    X("\u25c1think\u25b7", "\u25c1/think\u25b7")   /* Kimi */                                      \
    X("<|channel|>analysis<|message|>", "<|end|>") /* gpt-oss */

static const struct {
    const char *open, *close;
} MARKS[] = {
#define MARK_ROW(open, close) {open, close},
    MARK_LIST(MARK_ROW)
#undef MARK_ROW
};
enum { N_MARKS = sizeof MARKS / sizeof *MARKS };

// The first place of a mark in `text`, capitals or not, or NULL.
static char *find(char *text, const char *mark) {
    size_t n = strlen(mark);
    for (; *text != '\0'; text++)
        if (strncasecmp(text, mark, n) == 0) return text;
    return NULL;
}

// Takes out [from, to) of a text that ends at `end`.
static char *cut(char *from, char *to, char *end) {
    memmove(from, to, (size_t)(end - to) + 1);
    return end - (to - from);
}

// *closed: some thought ends.
static char *remove_kind(char *text, char *end, const char *open, const char *close,
                         thoughts_found *found, bool *closed) {
    char *from = find(text, open), *to = find(text, close);
    // gpt-oss ends every message with the same mark.
    bool own_end = strcmp(close, "<|end|>") != 0;
    *closed |= to != NULL && (own_end || from != NULL);
    if (own_end && to != NULL && (from == NULL || to < from)) {
        found->begun = true;
        end = cut(text, to + strlen(close), end);
    }
    while ((from = find(text, open)) != NULL) {
        to = find(from, close);
        found->open |= to == NULL;
        end = cut(from, to != NULL ? to + strlen(close) : end, end);
    }
    return end;
}

size_t thoughts_remove(char *text, size_t n, const thoughts_known *known, bool cut_off,
                       thoughts_found *found) {
    char *end = text + n;
    bool closed = false;
    *found = (thoughts_found){0};
    if (known->open != NULL)
        end = remove_kind(text, end, known->open, known->close, found, &closed);
    for (int i = 0; i < N_MARKS; i++)
        end = remove_kind(text, end, MARKS[i].open, MARKS[i].close, found, &closed);
    if (known->begun && cut_off && !closed) {
        found->open = true;
        end = cut(text, end, end);
    }
    return (size_t)(end - text);
}

static bool ends_in(const char *text, size_t n, const char *mark) {
    size_t length = strlen(mark);
    return n >= length && strncasecmp(text + n - length, mark, length) == 0;
}

bool thoughts_begin(const char *prompt, size_t n, const thoughts_known *known) {
    while (n > 0 && strchr(" \t\r\n", prompt[n - 1]) != NULL) n--;
    bool found = known->open != NULL && ends_in(prompt, n, known->open);
    for (int i = 0; i < N_MARKS && !found; i++) found = ends_in(prompt, n, MARKS[i].open);
    return found;
}
