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

// "1e-3..1e-1", "0.1..0.9:5": how many values lie between?
static void hint_range(const char *given, char hint[HINT]) {
    double low = 1, high = 100;
    char ends[64];
    int n_steps = 5;
    const char *steps = strchr(given, ':');
    snprintf(ends, sizeof ends, "%.*s", (int)strcspn(given, ":"), given);
    bool read = text_to_reals(ends, &low, &high) && low < high;
    if (read && steps != NULL && (sscanf(steps, ":%7d", &n_steps) != 1 || n_steps < 2)) n_steps = 5;
    snprintf(hint, HINT,
             "; a range says how many values it has: {from: %.6g, to: %.6g, steps: %d, scale: %s}",
             read ? low : 1.0, read ? high : 100.0, n_steps,
             !read || (low > 0 && high >= 10 * low) ? "log" : "linear");
}

// "0..9..3": no range, but meant as one.
static bool hint_dots(const char *given, char hint[HINT]) {
    if (strstr(given, "..") == NULL || strchr(given, ':') != NULL) return false;
    snprintf(hint, HINT,
             "; a range of whole numbers is written 0..9, both ends included, and what has another "
             "step is a list, as in [1, 4, 7]");
    return true;
}

// Whole numbers as other languages write several of them: "0...4", "0-4", "0:4", "range(5)", "..4",
// "1 2 3".
static bool hint_several(const char *given, char hint[HINT]) {
    int first = 0, last = 0, end = 0;
    if (sscanf(given, "%9d...%9d%n", &first, &last, &end) == 2 ||
        sscanf(given, "%9d .. %9d%n", &first, &last, &end) == 2 ||
        (first = 0, sscanf(given, "..%9d%n", &last, &end) == 1) ||
        sscanf(given, "%9d - %9d%n", &first, &last, &end) == 2 ||
        sscanf(given, "%9d :%9d%n", &first, &last, &end) == 2 ||
        sscanf(given, "%9d to %9d%n", &first, &last, &end) == 2) {
        if (given[end] != '\0' || first < 0 || last < first) return hint_dots(given, hint);
        snprintf(hint, HINT, "; a range is written %d..%d, both ends included", first, last);
        return true;
    }
    if (sscanf(given, "range(%9d)%n", &last, &end) == 1 && given[end] == '\0' && last > 0) {
        snprintf(hint, HINT, "; a range is written 0..%d, both ends included", last - 1);
        return true;
    }
    bool several = strchr(given, ' ') != NULL && given[strspn(given, "0123456789 ")] == '\0';
    if (several) snprintf(hint, HINT, "; a list has commas, as in [1, 2, 3]");
    return several;
}

// The number in ASCII, without what groups its digits: full-width digits and the minus sign of
// typesetters are what they look like. `plain` has room for the text.
static void plain_number(const char *given, char *plain) {
    const unsigned char *c = (const unsigned char *)given;
    while (*c != '\0') {
        if (c[0] == 0xef && c[1] == 0xbc && c[2] >= 0x90 && c[2] <= 0x99) {
            *plain++ = (char)('0' + c[2] - 0x90);
            c += 3;
        } else if (c[0] == 0xe2 && c[1] == 0x88 && c[2] == 0x92) {
            *plain++ = '-';
            c += 3;
        } else {
            if (strchr("_,'", *c) == NULL) *plain++ = (char)*c;
            c++;
        }
    }
    *plain = '\0';
}

// "10%", "10k", "3M": what stands behind the digits, as a factor; taken off.
static double take_unit(char *digits) {
    size_t n = strlen(digits);
    if (n < 2) return 1;
    static const struct {
        char unit;
        double factor;
    } UNITS[] = {{'%', 0.01}, {'k', 1e3}, {'K', 1e3}, {'M', 1e6}};
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (digits[n - 1] == UNITS[i].unit) {
            digits[n - 1] = '\0';
            return UNITS[i].factor;
        }
    return 1;
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
    if (!is_grouped(given) || strlen(given) >= sizeof digits) return;
    plain_number(given, digits);
    double factor = take_unit(digits);
    bool whole = field->type == FV_TYPE_INT;
    if (!text_to_real(digits, &number)) return;
    number *= factor;
    if (number < field->lowest || number > field->highest || (whole && number != floor(number)))
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
    const char *absent = known ? NULL : synonym_absent(given);
    if (absent != NULL) {
        snprintf(hint, HINT, "; there is no %.40s: %s", given, absent);
        return;
    }
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
    else if (field->type == FV_TYPE_INT && hint_several(given, hint))
        return;
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
    char one[64] = "[100, 1000]", other[64] = "[500]";
    if (layers) {
        snprintf(one, sizeof one, "[%s, %s]", field->choices[0], field->choices[1]);
        snprintf(other, sizeof other, "[%s*3]", field->choices[0]);
    }
    return fv_fail(error, FV_USAGE,
                   "%s must be a list of single values, such as %s, or in a sweep a list of such "
                   "lists, each in brackets of its own, such as [%s, %s]",
                   field->key, one, one, other);
}

fv_status refuse_field(const char *key, fv_error *error) {
    const char *absent = synonym_absent(key);
    if (absent != NULL)
        return fv_fail(error, FV_USAGE, "there is no field '%.100s': %s", key, absent);
    const char *name = strrchr(key, '.') != NULL ? strrchr(key, '.') + 1 : key;
    if (*name != '\0' && name[strspn(name, "0123456789")] == '\0')
        return fv_fail(error, FV_USAGE,
                       "there is no field '%.100s': a number has a point and no comma, as in 0.%s",
                       key, name);
    if (strstr(key, "\xc2\xa0") != NULL)
        return fv_fail(
            error, FV_USAGE,
            "there is no field '%.100s': it holds a blank that is none to YAML (U+00A0); "
            "type it anew",
            key);
    return fv_fail(error, FV_USAGE, "there is no field '%.100s'; the nearest is '%s'", key,
                   fv_field_nearest(key));
}
