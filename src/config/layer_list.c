#include "config/layer_list.h"

#include "base/text.h"
#include "config/synonym_lookup.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

// The options of every layer, and which layer takes each.
static const struct option {
    const char *name, *key; // of the field that holds where a layer says nothing
    int kind;
    size_t offset; // of its values in fv_layers
} OPTIONS[] = {
#define FV_LAYER_OPTION(name, LAYER)                                                               \
    {#name, "model." #name, FV_LAYER_##LAYER, offsetof(fv_layers, name)},
#include <fovea/fields.def>
};
enum { N_OPTIONS = sizeof OPTIONS / sizeof *OPTIONS };

static const fv_field *field_of(const struct option *option) {
    return fv_field_find(option->key);
}

static fv_layer_option *values_of(fv_layers *layers, const struct option *option) {
    return (fv_layer_option *)((char *)layers + option->offset);
}

static fv_layer_option value_in(const fv_layers *layers, const struct option *option, int i) {
    return ((const fv_layer_option *)((const char *)layers + option->offset))[i];
}

typedef struct reader {
    const fv_field *field;
    const char *item; // the whole text, for messages
    fv_error *error;
} reader;

static int find_kind(const fv_field *field, const char *name, size_t length) {
    for (int i = 0; field->choices[i] != NULL; i++)
        if (strlen(field->choices[i]) == length && memcmp(field->choices[i], name, length) == 0)
            return i;
    return -1;
}

static const char example[] = "attention(window=8 sinks=2)";

// What was meant: a number of layers, several of them in one word, or a name like the one in front
// of a repetition or options.
static void find_hint(const reader *r, char *hint, size_t size) {
    char name[64];
    const char *one = r->field->choices[0];
    long long count, last;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(r->item, "*("), r->item);
    if (text_to_int(r->item, &count))
        snprintf(hint, size, "; that many layers are %s*%lld", one, count);
    else if (text_to_range(r->item, &count, &last))
        snprintf(hint, size, "; stacks of %lld to %lld layers are [[%s*%lld], ..., [%s*%lld]]",
                 count, last, one, count, one, last);
    else if (strpbrk(r->item, ",+;/") != NULL)
        snprintf(hint, size, "; a list stands in brackets, as in [%s, %s]", one,
                 r->field->choices[1]);
    else if (find_kind(r->field, name, strlen(name)) < 0)
        snprintf(hint, size, "; the nearest is '%s'",
                 synonym_nearest(r->field->key, name, r->field->choices));
}

static fv_status refuse(const reader *r) {
    char names[256] = "", hint[160] = "";
    int n = 0;
    for (int i = 0; r->field->choices[i] != NULL && n < (int)sizeof names; i++)
        n += snprintf(names + n, sizeof names - (size_t)n, "%s%s", i > 0 ? ", " : "",
                      r->field->choices[i]);
    find_hint(r, hint, sizeof hint);
    return fv_fail(r->error, FV_USAGE, "%s must be a list (name*3 repeats) of %s, not '%.100s'%s",
                   r->field->key, names, r->item, hint);
}

static fv_status refuse_option(const reader *r, int kind, const char *name) {
    const char *names[N_OPTIONS + 1], *layer = r->field->choices[kind];
    int n = 0;
    for (int i = 0; i < N_OPTIONS; i++)
        if (OPTIONS[i].kind == kind) names[n++] = OPTIONS[i].name;
    names[n] = NULL;
    if (n == 0)
        return fv_fail(r->error, FV_USAGE, "%s: %s has no option '%.40s'; it has none",
                       r->field->key, layer, name);
    return fv_fail(r->error, FV_USAGE, "%s: %s has no option '%.40s'; the nearest is '%s'",
                   r->field->key, layer, name, text_nearest(name, names));
}

// The number that an option's field has for this text; false where it has none.
static bool number_of(const fv_field *field, const char *text, double *number) {
    long long whole;
    switch (field->type) {
    case FV_TYPE_INT:
        if (!text_to_int(text, &whole)) return false;
        *number = (double)whole;
        return *number >= field->lowest && *number <= field->highest;
    case FV_TYPE_REAL:
        if (!text_to_real(text, number)) return false;
        if (*number == 0) *number = 0; // -0 and 0 are one configuration
        return *number >= field->lowest && *number <= field->highest;
    case FV_TYPE_BOOL:
        *number = strcmp(text, "true") == 0;
        return *number != 0 || strcmp(text, "false") == 0;
    case FV_TYPE_CHOICE:
        whole = find_kind(field, text, strlen(text));
        *number = (double)whole;
        return whole >= 0;
    case FV_TYPE_INTS:
    case FV_TYPE_LAYERS:
    case FV_TYPE_TEXT:
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
        break;
    }
    return false;
}

// "a whole number from 0 to 65536", "one of none, head, feature".
static void write_wanted(const fv_field *field, char *text, size_t size) {
    const char *const *choices = field->choices;
    size_t n = 0;
    if (field->type == FV_TYPE_BOOL) {
        snprintf(text, size, "true or false");
    } else if (field->type != FV_TYPE_CHOICE) {
        snprintf(text, size, "a %snumber from %.10g to %.10g",
                 field->type == FV_TYPE_INT ? "whole " : "", field->lowest, field->highest);
    } else {
        for (int i = 0; choices[i] != NULL && n < size; i++)
            n += (size_t)snprintf(text + n, size - n, "%s%s", i > 0 ? ", " : "one of ", choices[i]);
    }
}

static fv_status refuse_value_of(const reader *r, int kind, const fv_field *field, const char *name,
                                 const char *value) {
    char wanted[256];
    write_wanted(field, wanted, sizeof wanted);
    bool choice = field->type == FV_TYPE_CHOICE;
    return fv_fail(
        r->error, FV_USAGE, "%s: the %s of %s must be %s, not '%.40s'%s%s%s", r->field->key, name,
        r->field->choices[kind], wanted, value, choice ? "; the nearest is '" : "",
        choice ? synonym_nearest(field->key, value, field->choices) : "", choice ? "'" : "");
}

// "window=8" into layer i.
static fv_status read_option(const reader *r, char *word, fv_layers *layers, int i) {
    char *value = strchr(word, '=');
    if (value == NULL)
        return fv_fail(r->error, FV_USAGE,
                       "%s: '%.40s' in '%.100s' is no option; options read as in %s", r->field->key,
                       word, r->item, example);
    *value++ = '\0';
    int kind = layers->kind[i];
    for (int k = 0; k < N_OPTIONS; k++) {
        const struct option *option = &OPTIONS[k];
        if (option->kind != kind || strcmp(option->name, word) != 0) continue;
        fv_layer_option *to = &values_of(layers, option)[i];
        if (to->given)
            return fv_fail(r->error, FV_USAGE, "%s: '%.100s' gives %s twice", r->field->key,
                           r->item, word);
        if (!number_of(field_of(option), value, &to->value))
            return refuse_value_of(r, kind, field_of(option), word, value);
        to->given = true;
        return FV_OK;
    }
    return refuse_option(r, kind, word);
}

// The options between the parentheses into layer i; *end is set behind the closing one.
static fv_status read_options(const reader *r, const char *open, fv_layers *layers, int i,
                              const char **end) {
    size_t length = strcspn(open + 1, ")");
    char words[FV_LAYER_SIZE];
    if (open[1 + length] != ')' || length >= sizeof words)
        return fv_fail(r->error, FV_USAGE,
                       "%s: '%.100s' does not close its options; they read as in %s", r->field->key,
                       r->item, example);
    memcpy(words, open + 1, length);
    words[length] = '\0';
    *end = open + length + 2;
    char *rest = NULL;
    fv_status status = FV_OK;
    for (char *word = strtok_r(words, " ", &rest); word && status == FV_OK;
         word = strtok_r(NULL, " ", &rest))
        status = read_option(r, word, layers, i);
    return status;
}

static void copy_layer(fv_layers *layers, int from, int to) {
    layers->kind[to] = layers->kind[from];
    for (int k = 0; k < N_OPTIONS; k++) {
        fv_layer_option *values = values_of(layers, &OPTIONS[k]);
        values[to] = values[from];
    }
}

fv_status layer_list_add(const fv_field *field, const char *item, fv_layers *layers,
                         fv_error *error) {
    const reader r = {field, item, error};
    size_t length = strcspn(item, "*(");
    const char *rest = item + length;
    int kind = find_kind(field, item, length);
    if (kind < 0) return refuse(&r);
    if (layers->n == FV_MAX_LAYERS)
        return fv_fail(error, FV_USAGE, "%s holds at most %d layers", field->key, FV_MAX_LAYERS);

    fv_layers longer = *layers;
    int first = longer.n++;
    longer.kind[first] = kind;
    for (int k = 0; k < N_OPTIONS; k++)
        values_of(&longer, &OPTIONS[k])[first] = (fv_layer_option){false, 0};
    if (*rest == '(') {
        fv_status status = read_options(&r, rest, &longer, first, &rest);
        if (status != FV_OK) return status;
    }

    long long repeats = 1;
    bool counted = *rest == '\0' || (*rest == '*' && text_to_int(rest + 1, &repeats));
    if (!counted || repeats < 1) return refuse(&r);
    if (repeats > FV_MAX_LAYERS - first)
        return fv_fail(error, FV_USAGE, "%s holds at most %d layers", field->key, FV_MAX_LAYERS);
    while (--repeats > 0) copy_layer(&longer, first, longer.n++);
    *layers = longer;
    return FV_OK;
}

static const char *value_text(const fv_field *field, double value, char number[32]) {
    if (field->type == FV_TYPE_CHOICE) return field->choices[(int)value];
    if (field->type == FV_TYPE_BOOL) return value != 0 ? "true" : "false";
    text_from_real(value, number, 32);
    if (field->type == FV_TYPE_INT) snprintf(number, 32, "%d", (int)value);
    return number;
}

int fv_layer_text(const fv_layers *layers, int i, char *text, size_t size) {
    const fv_field *field = fv_field_find("model.layers");
    int n = snprintf(text, size, "%s", field->choices[layers->kind[i]]), n_given = 0;
    for (int k = 0; k < N_OPTIONS; k++) {
        fv_layer_option value = value_in(layers, &OPTIONS[k], i);
        if (!value.given) continue;
        size_t at = (size_t)n < size ? (size_t)n : size;
        char number[32];
        n += snprintf(text + at, size - at, "%c%s=%s", n_given++ ? ' ' : '(', OPTIONS[k].name,
                      value_text(field_of(&OPTIONS[k]), value.value, number));
    }
    size_t at = (size_t)n < size ? (size_t)n : size;
    return n_given ? n + snprintf(text + at, size - at, ")") : n;
}

#define FV_LAYER_OPTION(name, ...)                                                                 \
    layer_type_of_##name layer_##name(const fv_model_config *model, int i) {                       \
        const fv_layer_option *own = &model->layers.name[i];                                       \
        return own->given ? (layer_type_of_##name)own->value : model->name;                        \
    }
#include <fovea/fields.def>

static double defaults[N_OPTIONS];
static pthread_once_t found = PTHREAD_ONCE_INIT;

static void find_defaults(void) {
    fv_config usual;
    fv_config_init(&usual);
    for (int i = 0; i < N_OPTIONS; i++)
        defaults[i] = fv_config_number(&usual, field_of(&OPTIONS[i]));
}

static double default_of(int option) {
    pthread_once(&found, find_defaults);
    return defaults[option];
}

bool layer_sets(const fv_layers *layers, int i, int option) {
    fv_layer_option value = value_in(layers, &OPTIONS[option], i);
    return value.given && value.value != default_of(option);
}

void layer_option_settle(fv_config *config, int option) {
    const struct option *o = &OPTIONS[option];
    fv_layers *layers = &config->model.layers;
    double usual = default_of(option), of_model = fv_config_number(config, field_of(o));
    for (int i = 0; i < layers->n; i++) {
        if (layers->kind[i] != o->kind) continue;
        fv_layer_option *own = &values_of(layers, o)[i];
        double value = own->given ? own->value : of_model;
        *own = (fv_layer_option){value != usual, value != usual ? value : 0};
    }
    fv_config_set(config, o->key, field_of(o)->default_text, NULL);
}

const char *layer_option_key(int option) {
    return OPTIONS[option].key;
}

const char *layer_option_name(int option) {
    return OPTIONS[option].name;
}

const char *layer_option_owner(int option) {
    return fv_field_find("model.layers")->choices[OPTIONS[option].kind];
}
