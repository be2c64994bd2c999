#include "config/layer_list.h"

#include "base/text.h"
#include "config/synonym_lookup.h"

#include <stdio.h>
#include <string.h>

// The options of every layer, and which layer takes each.
static const struct option {
    const char *name;
    int kind;
    int lowest, highest;
    size_t offset; // of its values in fv_layers
} OPTIONS[] = {
#define FV_LAYER_OPTION(name, LAYER, lowest, highest)                                              \
    {#name, FV_LAYER_##LAYER, lowest, highest, offsetof(fv_layers, name)},
#include <fovea/fields.def>
};
enum { N_OPTIONS = sizeof OPTIONS / sizeof *OPTIONS };

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

// "attention(window=8 sinks=2)": the layer that has the first option, with all of its own.
static void write_example(const fv_field *field, char *text, size_t size) {
    int n = snprintf(text, size, "%s(", field->choices[OPTIONS[0].kind]);
    for (int i = 0; i < N_OPTIONS && n < (int)size; i++)
        if (OPTIONS[i].kind == OPTIONS[0].kind)
            n += snprintf(text + n, size - (size_t)n, "%s%s=%d", i > 0 ? " " : "", OPTIONS[i].name,
                          i > 0 ? 2 : 8);
    if (n < (int)size) snprintf(text + n, size - (size_t)n, ")");
}

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
    char names[128] = "none";
    int n = 0;
    for (int i = 0; i < N_OPTIONS; i++)
        if (OPTIONS[i].kind == kind)
            n += snprintf(names + n, sizeof names - (size_t)n, "%s%s", n > 0 ? ", " : "",
                          OPTIONS[i].name);
    return fv_fail(r->error, FV_USAGE, "%s: %s has no option '%.40s'; it has %s", r->field->key,
                   r->field->choices[kind], name, names);
}

// "window=8" into layer i.
static fv_status read_option(const reader *r, char *word, fv_layers *layers, int i) {
    char *value = strchr(word, '='), example[128];
    write_example(r->field, example, sizeof example);
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
        long long number;
        if (to->given)
            return fv_fail(r->error, FV_USAGE, "%s: '%.100s' gives %s twice", r->field->key,
                           r->item, word);
        if (!text_to_int(value, &number) || number < option->lowest || number > option->highest)
            return fv_fail(r->error, FV_USAGE,
                           "%s: the %s of %s must be a whole number from %d to %d, not '%.40s'",
                           r->field->key, word, r->field->choices[kind], option->lowest,
                           option->highest, value);
        *to = (fv_layer_option){true, (int)number};
        return FV_OK;
    }
    return refuse_option(r, kind, word);
}

// The options between the parentheses into layer i; *end is set behind the closing one.
static fv_status read_options(const reader *r, const char *open, fv_layers *layers, int i,
                              const char **end) {
    size_t length = strcspn(open + 1, ")");
    char words[256], example[128];
    write_example(r->field, example, sizeof example);
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

int fv_layer_text(const fv_layers *layers, int i, char *text, size_t size) {
    const fv_field *field = fv_field_find("model.layers");
    int n = snprintf(text, size, "%s", field->choices[layers->kind[i]]), n_given = 0;
    for (int k = 0; k < N_OPTIONS; k++) {
        fv_layer_option value = value_in(layers, &OPTIONS[k], i);
        if (!value.given) continue;
        size_t at = (size_t)n < size ? (size_t)n : size;
        n += snprintf(text + at, size - at, "%c%s=%d", n_given++ ? ' ' : '(', OPTIONS[k].name,
                      value.value);
    }
    size_t at = (size_t)n < size ? (size_t)n : size;
    return n_given ? n + snprintf(text + at, size - at, ")") : n;
}

#define FV_LAYER_OPTION(name, ...)                                                                 \
    int layer_##name(const fv_model_config *model, int i) {                                        \
        return model->layers.name[i].given ? model->layers.name[i].value : model->name;            \
    }
#include <fovea/fields.def>

bool layer_sets(const fv_layers *layers, int i, int option) {
    fv_layer_option value = value_in(layers, &OPTIONS[option], i);
    return value.given && value.value > 0;
}

const char *layer_option_name(int option) {
    return OPTIONS[option].name;
}

const char *layer_option_owner(int option) {
    return fv_field_find("model.layers")->choices[OPTIONS[option].kind];
}
