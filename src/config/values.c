// A configuration's values, from YAML text and to text.
#include "base/text.h"
#include "base/yaml.h"
#include "config/as_written.h"
#include "config/config_refuse.h"
#include "config/layer_list.h"

#include <fovea/config.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(fv_written) == WRITTEN_SIZE, "as_written.h says how large they are");

static void *value_of(fv_config *config, const fv_field *field) {
    return (char *)config + field->offset;
}

static const void *value_in(const fv_config *config, const fv_field *field) {
    return (const char *)config + field->offset;
}

static int find_choice(const fv_field *field, const char *name) {
    for (int i = 0; field->choices[i] != NULL; i++)
        if (strcmp(field->choices[i], name) == 0) return i;
    return -1;
}

static bool read_int(const fv_field *field, const char *scalar, int *value) {
    long long number;
    if (!text_to_int(scalar, &number)) return false;
    if (number < field->lowest || number > field->highest) return false;
    *value = (int)number;
    return true;
}

// Numbers are texts too, in quotes or not.
static fv_status set_text(const fv_field *field, const char *scalar, fv_text *text,
                          fv_error *error) {
    bool printable = true;
    for (const char *c = scalar; *c != '\0'; c++)
        printable &= (unsigned char)*c >= ' ' && *c != 127;
    if (strlen(scalar) >= sizeof text->value || !printable)
        return fv_fail(error, FV_USAGE,
                       "%s must be a text of at most %zu bytes without control characters, not "
                       "'%.100s'",
                       field->key, sizeof text->value - 1, scalar);
    memset(text, 0, sizeof *text);
    memcpy(text->value, scalar, strlen(scalar));
    return FV_OK;
}

static fv_status set_scalar(const fv_field *field, const char *scalar, bool quoted, void *value,
                            fv_error *error) {
    double real;
    switch (field->type) {
    case FV_TYPE_INT:
        if (!quoted && read_int(field, scalar, value)) return FV_OK;
        return refuse_number(field, "a whole number", scalar, quoted, error);
    case FV_TYPE_REAL:
        if (quoted || !text_to_real(scalar, &real) || real < field->lowest || real > field->highest)
            return refuse_number(field, "a number", scalar, quoted, error);
        *(double *)value = real == 0 ? 0 : real; // -0 and 0 are one configuration
        return FV_OK;
    case FV_TYPE_BOOL:
        *(bool *)value = strcmp(scalar, "true") == 0;
        if (!quoted && (*(bool *)value || strcmp(scalar, "false") == 0)) return FV_OK;
        return refuse_value(field, "true or false", scalar, quoted, error);
    case FV_TYPE_CHOICE: {
        int choice = find_choice(field, scalar);
        if (choice < 0) return refuse_choice(field, "one of", scalar, error);
        *(int *)value = choice;
        return FV_OK;
    }
    case FV_TYPE_TEXT:
        return set_text(field, scalar, value, error);
    case FV_TYPE_INTS:
    case FV_TYPE_LAYERS:
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
        break;
    }
    return refuse_value(field, "a list", scalar, quoted, error);
}

static fv_status add_int(const fv_field *field, const char *scalar, bool quoted, fv_ints *ints,
                         fv_error *error) {
    if (quoted || ints->n == FV_MAX_INTS || !read_int(field, scalar, &ints->value[ints->n])) {
        char what[128];
        snprintf(what, sizeof what, "a list of at most %d whole numbers from %.10g to %.10g",
                 FV_MAX_INTS, field->lowest, field->highest);
        return refuse_value(field, what, scalar, quoted, error);
    }
    ints->n++;
    return FV_OK;
}

static fv_status add_item(const fv_field *field, const char *scalar, bool quoted, void *value,
                          fv_error *error) {
    if (field->type == FV_TYPE_INTS) return add_int(field, scalar, quoted, value, error);
    return layer_list_add(field, scalar, value, error);
}

static fv_status set_list(const fv_field *field, const yaml_value *list, void *value,
                          fv_error *error) {
    if (field->type == FV_TYPE_INTS) *(fv_ints *)value = (fv_ints){0};
    if (field->type == FV_TYPE_LAYERS) *(fv_layers *)value = (fv_layers){0};
    for (int i = 0; i < list->n; i++) {
        const yaml_value *item = &list->items[i];
        if (item->kind != YAML_SCALAR) return refuse_list(field, error);
        fv_status status = add_item(field, item->scalar, item->quoted, value, error);
        if (status != FV_OK) return status;
    }
    return FV_OK;
}

static fv_status set_value(const fv_field *field, const yaml_value *given, void *value,
                           fv_error *error) {
    bool takes_list = field->type == FV_TYPE_INTS || field->type == FV_TYPE_LAYERS;
    if (field_is_written(field)) return written_set(field, given, value, error);
    if (given->kind == YAML_MAPPING && takes_list) return refuse_list(field, error);
    if (given->kind == YAML_MAPPING)
        return refuse_value(field, "a single value", "a mapping", false, error);
    if (takes_list) {
        yaml_value alone = {.kind = YAML_LIST, .n = 1, .items = (yaml_value *)given};
        return set_list(field, given->kind == YAML_LIST ? given : &alone, value, error);
    }
    if (given->kind == YAML_LIST)
        return refuse_value(field, "a single value", "a list", false, error);
    return set_scalar(field, given->scalar, given->quoted, value, error);
}

// Sweeps set millions of plain words and numbers; only what has YAML's own characters needs
// libyaml.
static bool is_plain(const char *yaml) {
    return *yaml != '\0' &&
           yaml[strspn(yaml, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_.+-*")] == '\0' &&
           *yaml != '*' && strspn(yaml, "-.") != strlen(yaml);
}

static fv_status set_field(fv_config *config, const fv_field *field, const char *yaml,
                           fv_error *error) {
    yaml_value plain = {.kind = YAML_SCALAR, .scalar = (char *)yaml};
    yaml_value *read = NULL;
    fv_error syntax;
    bool nothing = *yaml == '\0' && field->type == FV_TYPE_TEXT; // a default
    if (!is_plain(yaml) && !nothing) {
        fv_status status = yaml_value_read(yaml, strlen(yaml), NULL, &read, &syntax);
        if (status == FV_NO_MEMORY) return fv_fail(error, status, "%s", syntax.text);
        if (status != FV_OK)
            return fv_fail(error, FV_USAGE, "%s: '%.100s' is no value: %.300s", field->key, yaml,
                           syntax.text);
    }
    // A refused value leaves the field as it was.
    union {
        int number;
        double real;
        bool truth;
        fv_ints ints;
        fv_layers layers;
        fv_text text;
        fv_written written;
    } value;
    static const size_t sizes[] = {
        [FV_TYPE_INT] = sizeof value.number,      [FV_TYPE_REAL] = sizeof value.real,
        [FV_TYPE_BOOL] = sizeof value.truth,      [FV_TYPE_CHOICE] = sizeof value.number,
        [FV_TYPE_INTS] = sizeof value.ints,       [FV_TYPE_LAYERS] = sizeof value.layers,
        [FV_TYPE_TEXT] = sizeof value.text,       [FV_TYPE_NAMES] = sizeof value.written,
        [FV_TYPE_FACTORS] = sizeof value.written, [FV_TYPE_STAGES] = sizeof value.written,
    };
    fv_status status = set_value(field, read ? read : &plain, &value, error);
    if (status == FV_OK) memcpy(value_of(config, field), &value, sizes[field->type]);
    yaml_value_free(read);
    return status;
}

fv_status fv_config_set(fv_config *config, const char *key, const char *yaml, fv_error *error) {
    const fv_field *field = fv_field_find(key);
    return field != NULL ? set_field(config, field, yaml, error) : refuse_field(key, error);
}

static pthread_once_t defaults_made = PTHREAD_ONCE_INIT;
static fv_config defaults;

// The defaults of lists are read here without libyaml, so that making them cannot fail.
static void set_default(const fv_field *field) {
    void *value = value_of(&defaults, field);
    if (field_is_written(field)) {
        strcpy(value, field->default_text);
        return;
    }
    if (field->type != FV_TYPE_INTS && field->type != FV_TYPE_LAYERS) {
        set_scalar(field, field->default_text, false, value, NULL);
        return;
    }
    char items[256];
    snprintf(items, sizeof items, "%s", field->default_text);
    char *rest = NULL;
    for (char *item = strtok_r(items, "[], ", &rest); item; item = strtok_r(NULL, "[], ", &rest))
        add_item(field, item, false, value, NULL);
}

static void make_defaults(void) {
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) set_default(&fields[i]);
}

void fv_config_init(fv_config *config) {
    pthread_once(&defaults_made, make_defaults);
    memcpy(config, &defaults, sizeof *config);
}

// A place in a text of limited size, with snprintf's way of counting on beyond its end.
typedef struct cursor {
    char *text;
    size_t size;
    int length;
} cursor;

static void put(cursor *c, const char *word) {
    for (; *word != '\0'; word++, c->length++) {
        if ((size_t)c->length + 1 >= c->size) continue;
        c->text[c->length] = *word;
        c->text[c->length + 1] = '\0';
    }
}

static void put_int(cursor *c, int value) {
    char digits[16];
    snprintf(digits, sizeof digits, "%d", value);
    put(c, digits);
}

static void put_real(cursor *c, double value) {
    char digits[32];
    text_from_real(value, digits, sizeof digits);
    put(c, digits);
}

static void put_ints(cursor *c, const fv_ints *ints) {
    put(c, "[");
    for (int i = 0; i < ints->n; i++) {
        if (i > 0) put(c, ", ");
        put_int(c, ints->value[i]);
    }
    put(c, "]");
}

static void put_layers(cursor *c, const fv_layers *layers) {
    put(c, "[");
    for (int i = 0; i < layers->n; i++) {
        if (i > 0) put(c, ", ");
        char layer[FV_LAYER_SIZE];
        fv_layer_text(layers, i, layer, sizeof layer);
        put(c, layer);
    }
    put(c, "]");
}

// As it is where that is no YAML but a word, else in quotes as JSON has them, which YAML reads.
static void put_text(cursor *c, const char *text) {
    if (is_plain(text)) {
        put(c, text);
        return;
    }
    put(c, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') put(c, "\\");
        put(c, (char[]){*text, '\0'});
    }
    put(c, "\"");
}

int fv_config_get(const fv_config *config, const fv_field *field, char *text, size_t size) {
    cursor c = {text, size, 0};
    const void *value = value_in(config, field);
    if (size > 0) text[0] = '\0';
    switch (field->type) {
    case FV_TYPE_INT:
        put_int(&c, *(const int *)value);
        break;
    case FV_TYPE_REAL:
        put_real(&c, *(const double *)value);
        break;
    case FV_TYPE_BOOL:
        put(&c, *(const bool *)value ? "true" : "false");
        break;
    case FV_TYPE_CHOICE:
        put(&c, field->choices[*(const int *)value]);
        break;
    case FV_TYPE_INTS:
        put_ints(&c, value);
        break;
    case FV_TYPE_LAYERS:
        put_layers(&c, value);
        break;
    case FV_TYPE_TEXT:
        put_text(&c, ((const fv_text *)value)->value);
        break;
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
        put(&c, ((const fv_written *)value)->value);
        break;
    }
    return c.length;
}

double fv_config_number(const fv_config *config, const fv_field *field) {
    const void *value = value_in(config, field);
    switch (field->type) {
    case FV_TYPE_INT:
    case FV_TYPE_CHOICE:
        return *(const int *)value;
    case FV_TYPE_REAL:
        return *(const double *)value;
    case FV_TYPE_BOOL:
        return *(const bool *)value;
    case FV_TYPE_INTS:
    case FV_TYPE_LAYERS:
    case FV_TYPE_TEXT:
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
        break;
    }
    return NAN;
}

// Bytes behind the end of a list may differ where its text does not.
bool fv_config_same(const fv_config *a, const fv_config *b, const fv_field *field) {
    size_t size = 0;
    switch (field->type) {
    case FV_TYPE_INT:
    case FV_TYPE_CHOICE:
    case FV_TYPE_REAL:
    case FV_TYPE_BOOL:
        return fv_config_number(a, field) == fv_config_number(b, field);
    case FV_TYPE_TEXT:
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
        return strcmp(value_in(a, field), value_in(b, field)) == 0;
    case FV_TYPE_INTS:
        size = sizeof(fv_ints);
        break;
    case FV_TYPE_LAYERS:
        size = sizeof(fv_layers);
        break;
    }
    if (memcmp(value_in(a, field), value_in(b, field), size) == 0) return true;
    char text_a[FV_VALUE_SIZE], text_b[FV_VALUE_SIZE];
    fv_config_get(a, field, text_a, sizeof text_a);
    fv_config_get(b, field, text_b, sizeof text_b);
    return strcmp(text_a, text_b) == 0;
}
