#include "config/config_refuse.h"

#include "base/text.h"
#include "config/synonym_lookup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HINT = 200 };

static bool is_one_of(const char *word, const char *const *words) {
    char plain[64];
    text_plain(word, plain, sizeof plain);
    for (; *words != NULL; words++)
        if (strcmp(plain, *words) == 0) return true;
    return false;
}

// YAML's and Python's words for nothing.
static bool is_nothing(const char *given) {
    static const char *const WORDS[] = {"", "none", "null", "~", "nil", "undefined", NULL};
    return is_one_of(given, WORDS);
}

// "1e-3..1e-1": how many values lie between?
static void hint_range(const char *given, char hint[HINT]) {
    double low = 1, high = 100;
    bool read = text_to_reals(given, &low, &high) && low < high;
    snprintf(hint, HINT,
             "; a range says how many values it has: {from: %.6g, to: %.6g, steps: 5, scale: %s}",
             read ? low : 1.0, read ? high : 100.0,
             !read || (low > 0 && high >= 10 * low) ? "log" : "linear");
}

// Whether every comma has three digits behind it.
static bool is_grouped(const char *given) {
    for (const char *c = strchr(given, ','); c != NULL; c = strchr(c + 1, ','))
        if (strspn(c + 1, "0123456789") != 3) return false;
    return true;
}

// "10000.0", "10_000", "10,000"
static void hint_number(const fv_field *field, const char *given, char hint[HINT]) {
    char digits[64];
    double number;
    size_t n = 0;
    if (!is_grouped(given)) return;
    for (; *given != '\0' && n + 1 < sizeof digits; given++)
        if (*given != '_' && *given != ',' && *given != '\'') digits[n++] = *given;
    digits[n] = '\0';
    bool whole = field->type == FV_TYPE_INT;
    if (!text_to_real(digits, &number) || number < field->lowest || number > field->highest ||
        (whole && number != floor(number)))
        return;
    text_from_real(number, digits, sizeof digits);
    snprintf(hint, HINT, "; write %s", digits);
}

static void hint_bool(const char *given, char hint[HINT]) {
    static const char *const YES[] = {"true", "yes", "on", "y", "t", "1", "enabled", NULL};
    static const char *const NO[] = {"false", "no", "off", "n", "f", "0", "disabled", NULL};
    bool yes = is_one_of(given, YES), no = is_nothing(given) || is_one_of(given, NO);
    if (yes || no) snprintf(hint, HINT, "; write %s", yes ? "true" : "false");
}

static void hint_choice(const fv_field *field, const char *given, char hint[HINT]) {
    const char *meant = synonym_nearest(field->key, given, field->choices);
    char plain[64];
    text_plain(given, plain, sizeof plain);
    size_t n = strlen(plain);
    bool known = synonym_of(field->key, given) != NULL || is_nothing(given);
    // A word that is far from all of them means none of them.
    if (known || text_distance(plain, meant) <= (n > 3 ? (int)n / 2 : 1))
        snprintf(hint, HINT, "; the nearest is '%s'", meant);
}

static bool has_choice(const fv_field *field, const char *name) {
    for (int i = 0; field->choices != NULL && field->choices[i] != NULL; i++)
        if (strcmp(field->choices[i], name) == 0) return true;
    return false;
}

static void hint_at(const fv_field *field, const char *given, bool quoted, char hint[HINT]) {
    bool number = field->type == FV_TYPE_INT || field->type == FV_TYPE_REAL;
    hint[0] = '\0';
    if (field->type == FV_TYPE_BOOL)
        hint_bool(given, hint);
    else if (is_nothing(given) && !has_choice(field, "none"))
        snprintf(hint, HINT, "; leave it out for its default, %s", field->default_text);
    else if (number && strstr(given, "..") != NULL)
        hint_range(given, hint);
    else if (number)
        hint_number(field, given, hint);
    else if (field->choices != NULL)
        hint_choice(field, given, hint);
    if (quoted && field->type != FV_TYPE_CHOICE && field->type != FV_TYPE_LAYERS)
        snprintf(hint, HINT, "; write it without quotes");
}

fv_status refuse_value(const fv_field *field, const char *what, const char *given, bool quoted,
                       fv_error *error) {
    char hint[HINT];
    hint_at(field, given, quoted, hint);
    return fv_fail(error, FV_USAGE, "%s must be %s, not '%.100s'%s", field->key, what, given, hint);
}

fv_status refuse_number(const fv_field *field, const char *kind, const char *given, bool quoted,
                        fv_error *error) {
    char what[96];
    snprintf(what, sizeof what, "%s from %.10g to %.10g", kind, field->lowest, field->highest);
    return refuse_value(field, what, given, quoted, error);
}

fv_status refuse_choice(const fv_field *field, const char *kind, const char *given,
                        fv_error *error) {
    char what[512];
    int n = snprintf(what, sizeof what, "%s", kind);
    for (int i = 0; field->choices[i] != NULL && n < (int)sizeof what; i++)
        n += snprintf(what + n, sizeof what - (size_t)n, "%s%s", i > 0 ? ", " : " ",
                      field->choices[i]);
    return refuse_value(field, what, given, false, error);
}

fv_status refuse_list(const fv_field *field, fv_error *error) {
    bool layers = field->type == FV_TYPE_LAYERS;
    const char *one = layers ? "[attention, mlp]" : "[100, 1000]";
    const char *other = layers ? "[attention*3]" : "[500]";
    return fv_fail(error, FV_USAGE,
                   "%s must be a list of single values, such as %s, or in a sweep a list of such "
                   "lists, each in brackets of its own, such as [%s, %s]",
                   field->key, one, one, other);
}

fv_status refuse_field(const char *key, fv_error *error) {
    const char *absent = synonym_absent(key);
    if (absent != NULL)
        return fv_fail(error, FV_USAGE, "there is no field '%.100s': %s", key, absent);
    return fv_fail(error, FV_USAGE, "there is no field '%.100s'; the nearest is '%s'", key,
                   fv_field_nearest(key));
}
