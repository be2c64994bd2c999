#include "cost/module_list.h"

#include "base/text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATTERN = 200, MAX_NAME = 128 };

// --- reading -----------------------------------------------------------------------------------

// Behind what wrappers put in front of a module's name.
static const char *without_wrappers(const char *text) {
    static const char *const WRAPPERS[] = {"model",       "language_model", "text_model",
                                           "transformer", "backbone",       "thinker"};
    for (size_t i = 0; i < sizeof WRAPPERS / sizeof WRAPPERS[0]; i++) {
        size_t n = strlen(WRAPPERS[i]);
        if (strncmp(text, WRAPPERS[i], n) != 0) continue;
        const char *rest = text + n + (text[n] == '\\');
        if (*rest == '.' && rest[1] != '*') return without_wrappers(rest + 1);
    }
    return text;
}

// A name, in which ".*" and "*" stand for any characters.
static void add_wildcards(text_buffer *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '\\') continue;
        if (*text == '.' && text[1] == '*') continue;
        text_add_char(out, *text);
    }
}

// Python's regular expressions as POSIX knows them; false for what it does not, and for what would
// let a file ask for unbounded work (counts and references back).
static bool add_regex(text_buffer *out, const char *text) {
    text_add(out, "^(");
    for (; *text != '\0'; text++) {
        if (*text == '{') return false;
        if (*text == '\\') {
            text++;
            if (*text == 'd')
                text_add(out, "[0-9]");
            else if (*text == 'w')
                text_add(out, "[A-Za-z0-9_]");
            else if (strchr(".-_/$^*+?()[]|", *text) != NULL && *text != '\0')
                text_add(out, "\\%c", *text);
            else
                return false;
        } else if (*text == '(' && text[1] == '?') {
            if (text[2] != ':') return false;
            text_add_char(out, '(');
            text += 2;
        } else {
            text_add_char(out, *text);
        }
    }
    text_add(out, ")");
    return true;
}

static regex_t *compile(const char *text) {
    text_buffer posix = {0};
    regex_t *regex = NULL;
    if (add_regex(&posix, text) && !posix.failed) regex = malloc(sizeof *regex);
    if (regex != NULL && regcomp(regex, posix.data, REG_EXTENDED | REG_NOSUB) != 0) {
        free(regex);
        regex = NULL;
    }
    text_free(&posix);
    return regex;
}

// False where the text is not understood.
static bool read_pattern(module_list *list, const char *text) {
    module_pattern pattern = {0};
    if (text == NULL || *text == '\0' || strlen(text) > MAX_PATTERN) return false;
    if (strncmp(text, "re:", 3) == 0) {
        pattern.regex = compile(without_wrappers(text + 3));
        if (pattern.regex == NULL) return false;
    } else {
        text_buffer name = {0};
        add_wildcards(&name, without_wrappers(text));
        list->failed = list->failed || name.failed || name.data == NULL;
        pattern.text = name.data;
    }
    list->patterns[list->n++] = pattern;
    return true;
}

module_list module_list_read(const json_t *texts) {
    module_list list = {0};
    size_t n = json_array_size(texts);
    list.patterns = calloc(n > 0 ? n : 1, sizeof *list.patterns);
    list.failed = list.patterns == NULL;
    for (size_t i = 0; i < n && !list.failed; i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (!read_pattern(&list, text) && list.unread == NULL)
            list.unread = text != NULL ? text : "an entry that is no text";
    }
    return list;
}

void module_list_free(module_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->patterns[i].text);
        if (list->patterns[i].regex != NULL) regfree(list->patterns[i].regex);
        free(list->patterns[i].regex);
    }
    free(list->patterns);
    *list = (module_list){0};
}

// --- asking ------------------------------------------------------------------------------------

// Whether the pattern is the name, or a part of it between two dots.
static bool is_inside(const char *pattern, const char *name) {
    for (const char *from = name; from != NULL; from = strchr(from, '.')) {
        from += *from == '.';
        char head[MAX_NAME];
        snprintf(head, sizeof head, "%s", from);
        for (char *end = head + strlen(head); end != NULL; end = strrchr(head, '.')) {
            *end = '\0';
            if (fnmatch(pattern, head, 0) == 0) return true;
        }
    }
    return false;
}

static bool has_name(const module_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++) {
        const module_pattern *p = &list->patterns[i];
        if (p->regex != NULL ? regexec(p->regex, name, 0, NULL, 0) == 0 : is_inside(p->text, name))
            return true;
    }
    return false;
}

bool module_list_has(const module_list *list, const char *names, int64_t layer) {
    while (list->n > 0 && *names != '\0') {
        char name[MAX_NAME];
        size_t n = strcspn(names, "|");
        if (layer >= 0)
            snprintf(name, sizeof name, "layers.%lld.%.*s", (long long)layer, (int)n, names);
        else
            snprintf(name, sizeof name, "%.*s", (int)n, names);
        if (has_name(list, name)) return true;
        names += n + (names[n] == '|');
    }
    return false;
}
