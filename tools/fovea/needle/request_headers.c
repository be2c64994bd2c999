#include "needle/request_headers.h"

#include "tool.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_name(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

// Adds the variable that *at, behind its dollar, names and steps over its name. Its value is one of
// the secrets. False after a message.
static bool add_variable(const char *verb, const char **at, request_headers *h, FILE *line) {
    char name[128];
    bool braces = **at == '{';
    const char *from = *at + braces;
    size_t n = 0;
    while (is_name(from[n])) n++;
    if (n == 0 || n >= sizeof name || (braces && from[n] != '}')) {
        tool_usage_error(
            "%s: --header: after $ comes the name of a variable of the environment, as "
            "in 'api-key: $AZURE_API_KEY'",
            verb);
        return false;
    }
    memcpy(name, from, n);
    name[n] = '\0';
    const char *value = getenv(name);
    if (value == NULL || *value == '\0' || h->n_secrets == OPTION_MOST_TEXTS) {
        tool_usage_error("%s: --header: the environment has no variable %s", verb, name);
        return false;
    }
    *at = from + n + braces;
    fputs(value, line);
    h->secrets[h->n_secrets] = strdup(value);
    h->n_secrets += h->secrets[h->n_secrets] != NULL;
    return true;
}

static bool is_header(const char *text, size_t *name) {
    static const char MARKS[] = "!#$%&'*+-.^_`|~";
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr(MARKS, text[n]) != NULL))
        n++;
    *name = n;
    return n > 0 && text[n] == ':';
}

// Writes the value behind the colon, its variables replaced; false after a message.
static bool write_value(const char *verb, const char *at, request_headers *h, FILE *line) {
    for (at += strspn(at, " \t"); *at != '\0';) {
        if (*at != '$')
            fputc(*at++, line);
        else if (at++, !add_variable(verb, &at, h, line))
            return false;
    }
    return true;
}

static int read_one(const char *verb, const char *text, request_headers *h) {
    size_t name, size;
    char *whole = NULL;
    if (!is_header(text, &name))
        return tool_usage_error("%s: --header takes NAME: VALUE, as in 'api-key: $AZURE_API_KEY'",
                                verb);
    FILE *line = open_memstream(&whole, &size);
    if (line == NULL) return tool_usage_error("%s: --header: out of memory", verb);
    fprintf(line, "%.*s: ", (int)name, text);
    bool good = write_value(verb, text + name + 1, h, line);
    bool written = fclose(line) == 0 && whole != NULL;
    if (good && written && whole[strcspn(whole, "\r\n")] != '\0') {
        good = false;
        tool_usage_error("%s: --header %.*s: its value has a line break", verb, (int)name, text);
    } else if (good && !written) {
        good = false;
        tool_usage_error("%s: --header: out of memory", verb);
    }
    if (good)
        h->lines[h->n++] = whole;
    else
        free(whole);
    return good ? EXIT_DONE : EXIT_USAGE;
}

int request_headers_read(const char *verb, const option_texts *texts, request_headers *out) {
    int exit_code = EXIT_DONE;
    for (int i = 0; i < texts->n && exit_code == EXIT_DONE; i++)
        exit_code = read_one(verb, texts->items[i], out);
    return exit_code;
}

void request_headers_free(request_headers *h) {
    for (int i = 0; i < h->n; i++) free(h->lines[i]);
    for (int i = 0; i < h->n_secrets; i++) free(h->secrets[i]);
    *h = (request_headers){0};
}
