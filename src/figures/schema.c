// What experiment files are made of, for programs: everything that `fovea help` knows as one JSON object,
// and a JSON schema by which editors complete and check files while they are written. Both come from the
// tables that read the files.
#include "base/text.h"
#include "claims/claim_plan.h"
#include "config/as_written.h"
#include "config/stages.h"
#include "figures/kind.h"
#include "lab/sections.h"

#include <fovea/fields.h>
#include <fovea/probe.h>
#include <fovea/topic.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// A whole number, a range of them: "0..19". Numbers as Fovea reads them.
static const char RANGE[] = "^[0-9.e+]+\\.\\.[0-9.e+]+$";

// jansson's packing fails as a whole where memory runs out, and then takes what it was given along.
static json_t *any_of(json_t *one, json_t *other) {
    return json_pack("{s:[o, o]}", "anyOf", one, other);
}

static json_t *list_of(json_t *items) {
    return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

static json_t *of_type(const char *type) {
    return json_pack("{s:s}", "type", type);
}

static json_t *words(const char *const *list) {
    json_t *array = json_array();
    for (int i = 0; list[i] != NULL; i++) json_array_append_new(array, json_string(list[i]));
    return array;
}

static void describe(json_t *schema, const char *text) {
    json_object_set_new(schema, "description", json_string(text));
}

// --- help --json --------------------------------------------------------------------------------

static const char *type_name(fv_type type) {
    static const char *const NAMES[] = {
        [FV_TYPE_INT] = "integer",   [FV_TYPE_REAL] = "number",    [FV_TYPE_BOOL] = "boolean",
        [FV_TYPE_CHOICE] = "choice", [FV_TYPE_INTS] = "integers",  [FV_TYPE_LAYERS] = "layers",
        [FV_TYPE_TEXT] = "text",     [FV_TYPE_NAMES] = "patterns", [FV_TYPE_FACTORS] = "factors",
        [FV_TYPE_STAGES] = "stages",
    };
    return NAMES[type];
}

static void set_text(json_t *object, const char *key, const char *text) {
    if (text[0] != '\0') json_object_set_new(object, key, json_string(text));
}

static void add_field(json_t *object, const fv_field *field) {
    json_object_set_new(object, "type", json_string(type_name(field->type)));
    json_object_set_new(object, "default", json_string(field->default_text));
    if (field->lowest < field->highest) {
        json_object_set_new(object, "lowest", json_real(field->lowest));
        json_object_set_new(object, "highest", json_real(field->highest));
    }
    if (field->choices != NULL) json_object_set_new(object, "choices", words(field->choices));
}

static json_t *topic_json(fv_topic_kind kind, const fv_topic *t) {
    json_t *object = json_pack("{s:s, s:s}", "name", t->name, "help", t->help);
    if (kind == FV_TOPIC_FIELD) add_field(object, fv_field_find(t->name));
    if (kind == FV_TOPIC_KEY)
        json_object_set_new(object, "figure", t->of[0] ? json_string(t->of) : json_null());
    set_text(object, "takes", t->takes);
    set_text(object, "read_by", t->read_by);
    set_text(object, "example", t->example);
    return object;
}

static void add_json(text_buffer *out, const char *key, json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (text == NULL) out->failed = true;
    if (key != NULL) text_add(out, "\"%s\": ", key);
    text_add(out, "%s", text != NULL ? text : "");
    free(text);
}

// An object whose members have their members in a line each: short, and what changes is seen in a diff.
static char *to_text(json_t *root) {
    text_buffer out = {.failed = root == NULL};
    const char *key, *inner, *separator = "{\n";
    json_t *value, *member;
    json_object_foreach(root, key, value) {
        text_add(&out, "%s", separator);
        separator = ",\n";
        bool list = json_is_array(value);
        if (!list && !json_is_object(value)) {
            add_json(&out, key, value);
            continue;
        }
        const char *before = list ? "[\n" : "{\n";
        text_add(&out, "\"%s\": ", key);
        size_t i;
        json_array_foreach(value, i, member) {
            text_add(&out, "%s ", before);
            add_json(&out, NULL, member);
            before = ",\n";
        }
        json_object_foreach(value, inner, member) {
            text_add(&out, "%s ", before);
            add_json(&out, inner, member);
            before = ",\n";
        }
        text_add(&out, list ? "\n]" : "\n}");
    }
    text_add(&out, "\n}");
    json_decref(root);
    if (!out.failed) return out.data;
    text_free(&out);
    return NULL;
}

static char *make_topics(void) {
    json_t *root = json_pack("{s:s}", "version", FOVEA_VERSION);
    for (int k = 0; k < FV_TOPIC_COUNT; k++) {
        json_t *list = json_array();
        fv_topic t;
        for (int i = 0; fv_topic_at((fv_topic_kind)k, i, &t); i++)
            json_array_append_new(list, topic_json((fv_topic_kind)k, &t));
        json_object_set_new(root, fv_topic_text((fv_topic_kind)k, true), list);
    }
    return to_text(root);
}

// --- values of fields ---------------------------------------------------------------------------

static json_t *number(const fv_field *field) {
    json_t *schema = json_pack("{s:s, s:f, s:f}", "type", "number", "minimum", field->lowest,
                               "maximum", field->highest);
    if (field->type != FV_TYPE_REAL) json_object_set_new(schema, "multipleOf", json_integer(1));
    return schema;
}

static json_t *whole_or_range(const fv_field *field) {
    return any_of(number(field), json_pack("{s:s, s:s}", "type", "string", "pattern", RANGE));
}

static json_t *text_schema(void) {
    return json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean");
}

// at and reset, and the fields that a stage may change: as they are in the file, or by section.
static json_t *stage_schema(void) {
    json_t *stage = json_pack("{s:s, s:[s], s:b, s:{s:{s:s, s:i}, s:{s:s}, s:{s:s}, s:{s:s}}}",
                              "type", "object", "required", "at", "additionalProperties", 0,
                              "properties", "at", "type", "number", "minimum", 1, "reset", "type",
                              "boolean", "task", "type", "object", "train", "type", "object");
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++)
        if (stages_may_change(&fields[i]))
            json_object_set_new(json_object_get(stage, "properties"), fields[i].key, json_true());
    return stage;
}

static json_t *value_schema(const fv_field *field) {
    switch (field->type) {
    case FV_TYPE_INT:
        return whole_or_range(field);
    case FV_TYPE_REAL:
        return number(field);
    case FV_TYPE_BOOL:
        return of_type("boolean");
    case FV_TYPE_CHOICE:
        return json_pack("{s:o}", "enum", words(field->choices));
    case FV_TYPE_INTS:
        return any_of(number(field), list_of(number(field)));
    case FV_TYPE_LAYERS:
    case FV_TYPE_NAMES:
        return any_of(of_type("string"), list_of(of_type("string")));
    case FV_TYPE_TEXT:
        return text_schema();
    case FV_TYPE_FACTORS:
        return json_pack("{s:s, s:{s:s, s:i, s:f}}", "type", "object", "additionalProperties",
                         "type", "number", "exclusiveMinimum", 0, "maximum", field->highest);
    case FV_TYPE_STAGES:
        return any_of(stage_schema(), list_of(stage_schema()));
    }
    return json_true();
}

// Numbers that are spaced or drawn say so in a mapping.
static json_t *spread_schema(void) {
    json_t *spread =
        json_pack("{s:s, s:b, s:{s:b, s:b, s:b, s:b}}", "type", "object", "additionalProperties", 0,
                  "properties", "from", 1, "to", 1, "steps", 1, "scale", 1);
    json_t *properties = json_object_get(spread, "properties");
#define KEY(key, help, example) json_object_set_new(properties, #key, json_true());
    DISTRIBUTION_LIST(KEY)
#undef KEY
    return spread;
}

// A value, or several.
static json_t *field_schema(const fv_field *field) {
    json_t *schema = any_of(value_schema(field), list_of(value_schema(field)));
    if (!field_is_written(field))
        json_array_append_new(json_object_get(schema, "anyOf"), spread_schema());
    describe(schema, field->help);
    return schema;
}

static json_t *reference(const fv_field *field) {
    return json_pack("{s:s+}", "$ref", "#/definitions/", field->key);
}

// The fields of a section by their own names, or with NULL all of them by their dotted keys.
static json_t *fields_schema(const char *section) {
    json_t *schema =
        json_pack("{s:s, s:b, s:{}}", "type", "object", "additionalProperties", 0, "properties");
    json_t *properties = json_object_get(schema, "properties");
    size_t length = section != NULL ? strlen(section) : 0;
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) {
        bool own = section == NULL ||
                   (strncmp(fields[i].key, section, length) == 0 && fields[i].key[length] == '.');
        if (own)
            json_object_set_new(properties, fields[i].key + (section != NULL ? length + 1 : 0),
                                reference(&fields[i]));
    }
    return schema;
}

// --- the other keys of a file -------------------------------------------------------------------

static json_t *grid_schema(void) {
    json_t *grid = fields_schema(NULL), *properties = json_object_get(grid, "properties");
#define KEY(key, help, example)                                                                    \
    json_object_set_new(properties, #key, json_pack("{s:s}", "description", help));
    SWEEP_KEY_LIST(KEY)
#undef KEY
    return grid;
}

static json_t *probes_schema(void) {
    static const char *const ALWAYS[] = {"loss", "perplexity", "accuracy"};
    json_t *names = json_array();
    int n;
    const fv_probe *const *probes = fv_probes(&n);
    for (int i = 0; i < n; i++) json_array_append_new(names, json_string(probes[i]->name));
    for (int i = 0; i < 3; i++) json_array_append_new(names, json_string(ALWAYS[i]));
    return list_of(json_pack("{s:o}", "enum", names));
}

static json_t *choices_schema(const char *choices) {
    json_t *list = json_array();
    while (*choices != '\0') {
        size_t n = strcspn(choices, "|");
        json_array_append_new(list, json_stringn(choices, n));
        choices += n + (choices[n] == '|');
    }
    return json_pack("{s:o}", "enum", list);
}

static json_t *option_schema(const figure_option *option) {
    switch (option->type) {
    case FV_OPTION_NUMBER:
        return of_type("number");
    case FV_OPTION_BOOL:
        return of_type("boolean");
    case FV_OPTION_CHOICE:
        return choices_schema(option->choices);
    case FV_OPTION_WHERE:
        return of_type("object");
    case FV_OPTION_TEXTS:
    case FV_OPTION_FIELDS:
    case FV_OPTION_SERIES:
    case FV_OPTION_MEASURES:
        return any_of(text_schema(), list_of(text_schema()));
    default:
        return text_schema();
    }
}

static void add_options(json_t *figure, const figure_option *options, int n) {
    json_t *properties = json_object_get(figure, "properties");
    for (int i = 0; i < n; i++) {
        json_t *schema = option_schema(&options[i]);
        describe(schema, options[i].help);
        json_object_set_new(properties, options[i].key, schema);
        if (options[i].required && strcmp(options[i].key, "kind") != 0)
            json_array_append_new(json_object_get(figure, "required"), json_string(options[i].key));
    }
}

// One of the kinds, each with its own keys.
static json_t *figure_schema(void) {
    int n_kinds, n;
    const figure_option *common = figure_common_options(&n);
    const figure_kind *const *kinds = figure_kinds(&n_kinds);
    json_t *all = json_array();
    for (int k = 0; k < n_kinds; k++) {
        json_t *figure = json_pack("{s:s, s:b, s:[], s:{}}", "type", "object",
                                   "additionalProperties", 0, "required", "properties");
        add_options(figure, common, n);
        add_options(figure, kinds[k]->options, kinds[k]->n_options);
        json_object_set_new(
            json_object_get(figure, "properties"), "kind",
            json_pack("{s:s, s:s}", "const", kinds[k]->name, "description", kinds[k]->help));
        json_array_append_new(json_object_get(figure, "required"), json_string("kind"));
        json_array_append_new(all, figure);
    }
    return json_pack("{s:o}", "anyOf", all);
}

static json_t *claim_schema(void) {
    json_t *claim =
        json_pack("{s:s, s:b, s:[s, s], s:{}}", "type", "object", "additionalProperties", 0,
                  "required", "statement", "measure", "properties");
    int n;
    const claim_key *keys = claim_keys(&n);
    for (int i = 0; i < n; i++)
        json_object_set_new(json_object_get(claim, "properties"), keys[i].name,
                            json_pack("{s:s}", "description", keys[i].help));
    return claim;
}

static json_t *choose_schema(void) {
    json_t *choose = fields_schema(NULL), *properties = json_object_get(choose, "properties");
    json_object_set_new(properties, "seeds", reference(fv_field_find("train.seed")));
    json_object_set_new(properties, "measure", of_type("string"));
    json_object_set_new(properties, "best", choices_schema("lowest|highest"));
    json_object_set_new(choose, "required", json_pack("[s, s]", "seeds", "measure"));
    return choose;
}

static json_t *where_schema(void) {
    return fields_schema(NULL);
}

// What stands in a file once or as a list.
static const struct {
    const char *key;
    json_t *(*one)(void);
} ONE_OR_MORE[] = {{"figure", figure_schema}, {"sweep", grid_schema}, {"claims", claim_schema}};
enum { N_ONE_OR_MORE = sizeof ONE_OR_MORE / sizeof *ONE_OR_MORE };

static json_t *section_schema(const char *key) {
    for (int i = 0; i < N_ONE_OR_MORE; i++)
        if (strcmp(key, ONE_OR_MORE[i].key) == 0)
            return any_of(json_pack("{s:s+}", "$ref", "#/definitions/", key),
                          list_of(json_pack("{s:s+}", "$ref", "#/definitions/", key)));
    if (strcmp(key, "choose") == 0) return choose_schema();
    if (strcmp(key, "optional") == 0) return where_schema();
    if (strcmp(key, "probes") == 0) return probes_schema();
    if (strcmp(key, "source") == 0) return of_type("string");
    bool section =
        strcmp(key, "task") == 0 || strcmp(key, "model") == 0 || strcmp(key, "train") == 0;
    return section ? fields_schema(key) : of_type("object");
}

static char *make_schema(void) {
    json_t *definitions = json_object(), *properties = json_object();
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++)
        json_object_set_new(definitions, fields[i].key, field_schema(&fields[i]));
    for (int i = 0; i < N_ONE_OR_MORE; i++)
        json_object_set_new(definitions, ONE_OR_MORE[i].key, ONE_OR_MORE[i].one());
#define SECTION(key, read, help, example)                                                          \
    {                                                                                              \
        json_t *schema = section_schema(#key);                                                     \
        describe(schema, help);                                                                    \
        json_object_set_new(properties, #key, schema);                                             \
    }
    SECTION_LIST(SECTION)
#undef SECTION
    return to_text(json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "$schema",
                             "http://json-schema.org/draft-07/schema#", "title",
                             "An experiment of Fovea", "type", "object", "additionalProperties", 0,
                             "properties", properties, "definitions", definitions));
}

// --- made once ----------------------------------------------------------------------------------

static char *topics, *schema;
static void keep_topics(void) {
    topics = make_topics();
}
static void keep_schema(void) {
    schema = make_schema();
}

const char *fv_topics_json(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, keep_topics);
    return topics;
}

const char *fv_experiment_schema(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, keep_schema);
    return schema;
}
