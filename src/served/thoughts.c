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

static char *remove_kind(char *text, char *end, const char *open, const char *close, bool *left) {
    char *from = find(text, open), *to = find(text, close);
    bool opened_before = to != NULL && (from == NULL || to < from);
    // gpt-oss ends every message with the same mark.
    if (opened_before && *close == '<' && close[1] == '/') end = cut(text, to + strlen(close), end);
    while ((from = find(text, open)) != NULL) {
        to = find(from, close);
        *left |= to == NULL;
        end = cut(from, to != NULL ? to + strlen(close) : end, end);
    }
    return end;
}

size_t thoughts_remove(char *text, size_t n, bool *open) {
    char *end = text + n;
    *open = false;
    for (int i = 0; i < N_MARKS; i++)
        end = remove_kind(text, end, MARKS[i].open, MARKS[i].close, open);
    return (size_t)(end - text);
}
