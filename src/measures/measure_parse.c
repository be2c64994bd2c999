#include "measures/measure.h"

#include "base/text.h"
#include "config/synonym_lookup.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 16 };

// An open parenthesis: of a call, or (function NULL) just of grouping.
typedef struct open_call {
    const measure_function *function;
    int n_arguments;
} open_call;

typedef struct parser {
    const char *expression, *at;
    measure_text *text;
    size_t n_sql;
    int depth;
    open_call open[MAX_DEPTH];
    fv_error *error;
} parser;

static fv_status complain(parser *p, const char *what, const char *word, size_t length,
                          const char *hint) {
    return fv_fail(p->error, FV_USAGE, "measure '%s': %s '%.*s'%s%s", p->expression, what,
                   (int)length, word, *hint ? "; " : "", hint);
}

// A token of one character becomes at most four ("?16 ", "1.0 "), so that sql cannot overflow.
static void emit(parser *p, const char *source, size_t n) {
    memcpy(p->text->sql + p->n_sql, source, n);
    p->n_sql += n;
    p->text->sql[p->n_sql] = '\0';
}

static const char *skip_spaces(const char *at) {
    while (isspace((unsigned char)*at)) at++;
    return at;
}

static bool is_name_char(char c) {
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_.[]", c) != NULL);
}

static bool is_keyword(const char *word, size_t length) {
    static const char *const keywords[] = {"and",     "or",   "not",  "is",   "null",
                                           "case",    "when", "then", "else", "end",
                                           "between", "in",   "true", "false"};
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (strlen(keywords[i]) != length) continue;
        size_t k = 0;
        while (k < length && tolower((unsigned char)word[k]) == keywords[i][k]) k++;
        if (k == length) return true;
    }
    return false;
}

// What the argument being read must be: 's', 't', 'l' or 'n'; '\0' where there are too many, 'n' outside
// of calls.
static char wanted(const parser *p) {
    if (p->depth == 0 || p->open[p->depth - 1].function == NULL) return 'n';
    const char *types = p->open[p->depth - 1].function->arguments;
    int i = p->open[p->depth - 1].n_arguments - 1;
    for (; *types != '\0'; types++) {
        if (*types == '|') continue;
        if (i-- == 0) return *types;
    }
    return '\0';
}

// Whether the name ending at `end` is an argument all by itself.
static bool stands_alone(const parser *p, const char *start, const char *end) {
    const char *before = start;
    while (before > p->expression && isspace((unsigned char)before[-1])) before--;
    const char *after = skip_spaces(end);
    return before > p->expression && strchr("(,", before[-1]) != NULL &&
           strchr("),", *after) != NULL; // or the end, where a parenthesis is missing
}

static fv_status add_parameter(parser *p, const char *name, size_t length, const fv_field *field,
                               const measure_quantity *quantity) {
    measure_text *t = p->text;
    int i = 0;
    while (i < t->n_names &&
           !(strlen(t->names[i].text) == length && strncmp(t->names[i].text, name, length) == 0))
        i++;
    if (i == t->n_names) {
        if (i == FV_MEASURE_MAX_NAMES || length >= sizeof t->names[0].text)
            return complain(p, "too many or too long names at", name, length, "");
        snprintf(t->names[i].text, sizeof t->names[i].text, "%.*s", (int)length, name);
        t->names[i].field = field;
        t->names[i].quantity = quantity;
        t->n_names++;
    }
    char parameter[8];
    emit(p, parameter, (size_t)snprintf(parameter, sizeof parameter, "?%d", i + 1));
    return FV_OK;
}

// The quantity that a word is near, or NULL.
static const char *quantity_meant(const char *word) {
    const char *names[16] = {NULL};
    int n;
    const measure_quantity *quantities = measure_quantities(&n);
    for (int i = 0; i < n && i < 15; i++) names[i] = quantities[i].name;
    const char *near = synonym_nearest("measure", word, names),
               *meant = synonym_of("measure", word);
    if (meant != NULL && strcmp(meant, near) == 0) return near;
    return text_distance(word, near) <= (int)strlen(word) / 3 ? near : NULL;
}

// The field that is meant: by its key misspelt, its name without the section, or another library's
// name for it. NULL where the word may be a series.
static const char *field_meant(const char *word) {
    const char *near = fv_field_nearest(word), *name = strchr(near, '.') + 1;
    bool key = strncmp(word, "task.", 5) == 0 || strncmp(word, "model.", 6) == 0 ||
               strncmp(word, "train.", 6) == 0;
    bool bare = strchr(word, '.') == NULL;
    bool meant = bare && (strcmp(name, word) == 0 || synonym_of("field", word) != NULL);
    return key || meant ? near : NULL;
}

static bool is_logged(const char *word) {
    const char *const *logged = measure_logged();
    while (*logged != NULL && strcmp(*logged, word) != 0) logged++;
    return *logged != NULL;
}

// What would be right in place of a name that is no field and stands where no series can.
static void hint_name(const char *word, char hint[256]) {
    const measure_function *function = measure_function_find(word, strlen(word));
    const char *quantity = is_logged(word) ? NULL : quantity_meant(word);
    const char *field = is_logged(word) ? NULL : field_meant(word);
    if (function != NULL)
        snprintf(hint, 256, "it is a function, as in %s", function->example);
    else if (quantity != NULL)
        snprintf(hint, 256, "the nearest is %s", quantity);
    else if (field != NULL)
        snprintf(hint, 256, "the nearest field is %s", field);
    else
        snprintf(hint, 256, "a series stands in a function: final(%s), at(%s, step), plateau(%s)",
                 word, word, word);
}

// The name may stand in quotes; start and end are then theirs.
static fv_status read_series(parser *p, const char *name, size_t length, const char *start,
                             const char *end) {
    if (wanted(p) == 's' && stands_alone(p, start, end))
        return add_parameter(p, name, length, NULL, NULL);
    char hint[256], word[64];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    hint_name(word, hint);
    return complain(p, "no field is called", name, length, hint);
}

static fv_status open_function(parser *p, const char *name, size_t length) {
    const measure_function *function = measure_function_find(name, length);
    if (function != NULL) {
        if (p->depth == MAX_DEPTH) return complain(p, "too deep at", name, length, "");
        if (name == skip_spaces(p->expression)) p->text->whole = function;
        p->open[p->depth++] = (open_call){function, 1};
        emit(p, name, length);
        emit(p, "(", 1);
        p->at = skip_spaces(name + length) + 1;
        return FV_OK;
    }
    const char *names[64] = {NULL};
    int n;
    const measure_function *functions = measure_functions(&n);
    for (int i = 0; i < n && i < 63; i++) names[i] = functions[i].name;
    char word[64], hint[96];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    if (measure_quantity_find(word) != NULL)
        return complain(p, "no function is called", name, length, "it stands without parentheses");
    snprintf(hint, sizeof hint, "the nearest is %s", synonym_nearest("measure", word, names));
    return complain(p, "no function is called", name, length, hint);
}

static fv_status read_name(parser *p) {
    const char *name = p->at;
    while (is_name_char(*p->at)) p->at++;
    size_t length = (size_t)(p->at - name);
    if (is_keyword(name, length)) {
        emit(p, name, length);
        return FV_OK;
    }
    if (*skip_spaces(p->at) == '(') return open_function(p, name, length);
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    const fv_field *field = length < sizeof word ? fv_field_find(word) : NULL;
    const measure_quantity *quantity = length < sizeof word ? measure_quantity_find(word) : NULL;
    if (field == NULL && quantity == NULL) return read_series(p, name, length, name, p->at);
    if (wanted(p) != 'n')
        return complain(p, "a series or text is wanted instead of", name, length, "");
    return add_parameter(p, name, length, field, quantity);
}

// Whole numbers become REAL, so that a division is never one of integers.
static void read_number(parser *p) {
    const char *start = p->at;
    bool whole = true;
    while (isdigit((unsigned char)*p->at)) p->at++;
    if (*p->at == '.') {
        whole = false;
        p->at++;
        while (isdigit((unsigned char)*p->at)) p->at++;
    }
    const char *exponent = p->at;
    if (*exponent == 'e' || *exponent == 'E') {
        exponent++;
        if (*exponent == '+' || *exponent == '-') exponent++;
        if (isdigit((unsigned char)*exponent)) {
            whole = false;
            p->at = exponent;
            while (isdigit((unsigned char)*p->at)) p->at++;
        }
    }
    emit(p, start, (size_t)(p->at - start));
    if (whole) emit(p, ".0", 2);
}

// 'text', or "series".
static fv_status read_quoted(parser *p) {
    const char *start = p->at, quote = *start;
    const char *end = strchr(start + 1, quote);
    if (end == NULL) return complain(p, "unfinished text", start, strlen(start), "");
    p->at = end + 1;
    if (quote == '"') return read_series(p, start + 1, (size_t)(end - start - 1), start, p->at);
    emit(p, start, (size_t)(p->at - start));
    return FV_OK;
}

static fv_status close_parenthesis(parser *p) {
    if (p->depth == 0) return complain(p, "nothing is open at", p->at, strlen(p->at), "");
    const open_call *call = &p->open[--p->depth];
    if (p->depth == 0 && *skip_spaces(p->at + 1) != '\0') p->text->whole = NULL;
    if (call->function == NULL) return FV_OK;
    size_t most = strlen(call->function->arguments), least = most;
    const char *optional = strchr(call->function->arguments, '|');
    if (optional != NULL) {
        least = (size_t)(optional - call->function->arguments);
        most--;
    }
    const char *before = p->at - 1;
    while (isspace((unsigned char)*before)) before--;
    size_t n = *before == '(' ? 0 : (size_t)call->n_arguments;
    if (n >= least && n <= most) return FV_OK;
    char hint[96];
    if (least == most)
        snprintf(hint, sizeof hint, "it takes %zu", least);
    else
        snprintf(hint, sizeof hint, "it takes %zu to %zu", least, most);
    return complain(p, "wrong number of arguments to", call->function->name,
                    strlen(call->function->name), hint);
}

// "<=": its two characters stay together.
static bool is_pair(const char *at) {
    static const char *const PAIRS[] = {"<=", ">=", "<>", "==", "!=", "||", NULL};
    for (int i = 0; PAIRS[i] != NULL; i++)
        if (strncmp(at, PAIRS[i], 2) == 0) return true;
    return false;
}

// Operators of other languages.
static fv_status refuse_foreign(parser *p) {
    static const char *const FOREIGN[][2] = {
        {"&&", "write and"}, {"**", "write pow(x, y)"}, {"^", "write pow(x, y)"}};
    for (size_t i = 0; i < sizeof FOREIGN / sizeof *FOREIGN; i++)
        if (strncmp(p->at, FOREIGN[i][0], strlen(FOREIGN[i][0])) == 0)
            return complain(p, "cannot read", p->at, strlen(p->at), FOREIGN[i][1]);
    return FV_OK;
}

static fv_status read_operator(parser *p) {
    char c = *p->at;
    fv_status status = refuse_foreign(p);
    if (status != FV_OK) return status;
    if (strchr("+-*/%(),<>=!|", c) == NULL || strncmp(p->at, "--", 2) == 0 ||
        strncmp(p->at, "/*", 2) == 0)
        return complain(
            p, "cannot read", p->at, strlen(p->at),
            "a measure is made of numbers, fields, functions of series, + - * / ( ), comparisons, "
            "and, or, not");
    if (c == '(') {
        if (p->depth == MAX_DEPTH) return complain(p, "too deep at", p->at, strlen(p->at), "");
        p->open[p->depth++] = (open_call){NULL, 0};
    } else if (c == ')') {
        status = close_parenthesis(p);
        if (status != FV_OK) return status;
    } else if (c == ',' && p->depth > 0) {
        p->open[p->depth - 1].n_arguments++;
    }
    size_t n = is_pair(p->at) ? 2 : 1;
    emit(p, p->at, n);
    p->at += n;
    return FV_OK;
}

fv_status measure_parse(const char *expression, measure_text *parsed, fv_error *error) {
    *parsed = (measure_text){0};
    if (strlen(expression) > FV_MEASURE_MAX_TEXT)
        return fv_fail(error, FV_USAGE, "a measure of %zu characters; at most %d are read",
                       strlen(expression), FV_MEASURE_MAX_TEXT);
    parser p = {.expression = expression, .at = expression, .text = parsed, .error = error};
    emit(&p, "SELECT (", 8);
    while (*(p.at = skip_spaces(p.at)) != '\0') {
        char c = *p.at;
        fv_status status = FV_OK;
        if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)p.at[1])))
            read_number(&p);
        else if (isalpha((unsigned char)c) || c == '_')
            status = read_name(&p);
        else if (c == '\'' || c == '"')
            status = read_quoted(&p);
        else
            status = read_operator(&p);
        if (status != FV_OK) return status;
        emit(&p, " ", 1);
    }
    if (p.depth > 0)
        return fv_fail(error, FV_USAGE, "measure '%s': a parenthesis is not closed", expression);
    emit(&p, ")", 1);
    return FV_OK;
}
