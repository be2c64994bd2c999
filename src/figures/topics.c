// The tables of everything that experiment files are made of, under one roof.
#include "base/text.h"
#include "claims/claim_plan.h"
#include "config/as_written.h"
#include "config/layer_list.h"
#include "config/part.h"
#include "config/synonym_lookup.h"
#include "figures/kind.h"
#include "lab/sections.h"
#include "measures/measure.h"

#include <fovea/config.h>
#include <fovea/topic.h>
#include <stdio.h>
#include <string.h>

const char *fv_topic_text(fv_topic_kind kind, bool several) {
    static const char *const TEXTS[][2] = {
#define TEXT(name, one, several) {one, several},
        FV_TOPIC_LIST(TEXT)
#undef TEXT
    };
    return TEXTS[kind][several];
}

static void add(char *text, size_t size, const char *before, const char *word) {
    size_t n = strlen(text);
    snprintf(text + n, size - n, "%s%s", n > 0 ? before : "", word);
}

// --- one function a kind -----------------------------------------------------------------------

static const char *type_text(fv_type type) {
    static const char *const TEXTS[] = {
        [FV_TYPE_INT] = "whole number",
        [FV_TYPE_REAL] = "number",
        [FV_TYPE_BOOL] = "true or false",
        [FV_TYPE_CHOICE] = "one of",
        [FV_TYPE_INTS] = "list of whole numbers",
        [FV_TYPE_LAYERS] = "list of",
        [FV_TYPE_TEXT] = "text",
        [FV_TYPE_NAMES] = "list of patterns of names",
        [FV_TYPE_FACTORS] = "mapping from patterns of names to numbers",
        [FV_TYPE_STAGES] = "list of mappings, each with a step and fields",
    };
    return TEXTS[type];
}

static const char *written_example(fv_type type) {
    return type == FV_TYPE_NAMES     ? "[W_Q, W_K]"
           : type == FV_TYPE_FACTORS ? "{W_Q: 10}"
                                     : "[{at: 2000, train.learning_rate: 1e-4}]";
}

// "whole number, 2 to 1000000" or "one of none, learned, sinusoidal".
static bool field_at(int i, fv_topic *t) {
    int n;
    const fv_field *fields = fv_fields(&n);
    if (i >= n) return false;
    const fv_field *field = &fields[i];
    t->name = field->key;
    t->help = field->help;
    add(t->takes, sizeof t->takes, "", type_text(field->type));
    for (int c = 0; field->choices != NULL && field->choices[c] != NULL; c++)
        add(t->takes, sizeof t->takes, c > 0 ? ", " : " ", field->choices[c]);
    size_t length = strlen(t->takes);
    if (field->choices == NULL && field->lowest < field->highest)
        snprintf(t->takes + length, sizeof t->takes - length, ", %.10g to %.10g", field->lowest,
                 field->highest);
    for (int option = 0; option < N_LAYER_OPTIONS; option++) {
        if (fv_field_find(layer_option_key(option)) != field) continue;
        char own[80];
        snprintf(own, sizeof own, "one layer's own as in %s(%s=%s)", layer_option_owner(option),
                 layer_option_name(option), field->default_text);
        add(t->takes, sizeof t->takes, "; ", own);
    }
    config_readers_text(field, t->read_by, sizeof t->read_by);
    bool quoted = field_is_list(field) || field_is_written(field);
    const char *value = field->type == FV_TYPE_CHOICE && field->choices != NULL ? field->choices[0]
                        : field_is_written(field) ? written_example(field->type)
                                                  : field->default_text;
    snprintf(t->example, sizeof t->example, "%s=%s%s%s", field->key, quoted ? "'" : "", value,
             quoted ? "'" : "");
    return true;
}

static bool part_at(const char *key, int i, fv_topic *t) {
    int n;
    const config_part *const *parts = parts_of(key, &n);
    if (i >= n) return false;
    t->name = fv_field_find(key)->choices[i];
    t->help = parts[i]->help != NULL ? parts[i]->help : "";
    add(t->example, sizeof t->example, "", parts[i]->example != NULL ? parts[i]->example : "");
    return true;
}

static bool probe_at(int i, fv_topic *t) {
    int n;
    const fv_probe *const *probes = fv_probes(&n);
    if (i >= n) return false;
    t->name = probes[i]->name;
    t->help = probes[i]->help;
    if (probes[i]->needs != NULL) add(t->example, sizeof t->example, "", probes[i]->needs);
    char line[96];
    snprintf(line, sizeof line, "probes: [%s]", probes[i]->name);
    add(t->example, sizeof t->example, "\n", line);
    return true;
}

// "series, number, number [, number]" of "snn|n".
static void write_arguments(const char *arguments, char *text, size_t size) {
    const char *open = "";
    for (const char *a = arguments; *a != '\0'; a++) {
        if (*a == '|') {
            open = " [";
            continue;
        }
        size_t n = strlen(text);
        const char *word = *a == 's'   ? "series"
                           : *a == 't' ? "'tensor'"
                           : *a == 'l' ? "'layer'"
                                       : "number";
        snprintf(text + n, size - n, "%s%s%s", *open ? open : "", n > 0 ? ", " : "", word);
        open = "";
    }
    if (strchr(arguments, '|') != NULL) add(text, size, "", "]");
}

// Functions first, then what follows from a run's configuration and outcome.
static bool measure_at(int i, fv_topic *t) {
    int n, n_quantities;
    const measure_function *functions = measure_functions(&n);
    const measure_quantity *quantities = measure_quantities(&n_quantities);
    if (i >= n + n_quantities) return false;
    t->name = i < n ? functions[i].name : quantities[i - n].name;
    t->help = i < n ? functions[i].help : quantities[i - n].help;
    if (i < n) write_arguments(functions[i].arguments, t->takes, sizeof t->takes);
    snprintf(t->example, sizeof t->example, "measure: %s", i < n ? functions[i].example : t->name);
    return true;
}

static bool figure_at(int i, fv_topic *t) {
    int n;
    const figure_kind *const *kinds = figure_kinds(&n);
    if (i >= n) return false;
    t->name = kinds[i]->name;
    t->help = kinds[i]->help;
    add(t->example, sizeof t->example, "", kinds[i]->needs);
    add(t->example, sizeof t->example, "\n", "figure: ");
    add(t->example, sizeof t->example, "", kinds[i]->example);
    return true;
}

static void write_key(const figure_option *option, const char *of, fv_topic *t) {
    t->name = option->key;
    t->of = of;
    t->help = option->help;
    if (option->type != FV_OPTION_CHOICE)
        add(t->takes, sizeof t->takes, "", option_type_text(option->type));
    for (const char *c = option->choices; c != NULL && *c != '\0'; c++)
        add(t->takes, sizeof t->takes, "", *c == '|' ? " or " : (char[]){*c, '\0'});
    if (option->required) add(t->takes, sizeof t->takes, ", ", "required");
}

// Those of every figure, then those of each kind.
static bool key_at(int i, fv_topic *t) {
    int n, n_kinds;
    const figure_option *common = figure_common_options(&n);
    const figure_kind *const *kinds = figure_kinds(&n_kinds);
    if (i < n) {
        write_key(&common[i], "", t);
        return true;
    }
    i -= n;
    for (int k = 0; k < n_kinds; i -= kinds[k++]->n_options)
        if (i < kinds[k]->n_options) {
            write_key(&kinds[k]->options[i], kinds[k]->name, t);
            return true;
        }
    return false;
}

static bool claim_at(int i, fv_topic *t) {
    int n;
    const claim_key *keys = claim_keys(&n);
    if (i >= n) return false;
    t->name = keys[i].name;
    t->help = keys[i].help;
    add(t->example, sizeof t->example, "", keys[i].example);
    return true;
}

static bool section_at(int i, fv_topic *t) {
    static const struct {
        const char *name, *help, *example;
    } ROWS[] = {
#define SECTION(key, read, help, example) {#key, help, example},
        SECTION_LIST(SECTION)
#undef SECTION
#define KEY(key, help, example) {#key, help, example},
            SWEEP_KEY_LIST(KEY) DISTRIBUTION_LIST(KEY)
#undef KEY
    };
    if (i >= (int)(sizeof ROWS / sizeof *ROWS)) return false;
    t->name = ROWS[i].name;
    t->help = ROWS[i].help;
    add(t->example, sizeof t->example, "", ROWS[i].example);
    return true;
}

// What each kind is called in synonyms.h. The groups of parts are called after the field that
// chooses from them, and need no function.
static const struct {
    const char *of;
    bool (*at)(int i, fv_topic *topic);
} KINDS[FV_TOPIC_COUNT] = {
#define GROUP(group, key) [FV_TOPIC_##group] = {key, NULL},
    FV_PART_GROUPS(GROUP)
#undef GROUP
        [FV_TOPIC_FIELD] = {"field", field_at},
    [FV_TOPIC_PROBE] = {"probe", probe_at},
    [FV_TOPIC_MEASURE] = {"measure", measure_at},
    [FV_TOPIC_FIGURE] = {"figure", figure_at},
    [FV_TOPIC_KEY] = {"option", key_at},
    [FV_TOPIC_CLAIM] = {"test", claim_at},
    [FV_TOPIC_SECTION] = {"key", section_at},
};

bool fv_topic_at(fv_topic_kind kind, int i, fv_topic *topic) {
    *topic = (fv_topic){.of = ""};
    return KINDS[kind].at ? KINDS[kind].at(i, topic) : part_at(KINDS[kind].of, i, topic);
}

const char *fv_topic_meant(fv_topic_kind kind, const char *word) {
    const char *section = kind == FV_TOPIC_FIELD ? synonym_of("section", word) : NULL;
    return section != NULL ? section : synonym_of(KINDS[kind].of, word);
}

// A name that has little in common with the word is no help.
static const char *if_near(const char *name, const char *word) {
    char plain[64];
    text_plain(word, plain, sizeof plain);
    const char *dot = strchr(name, '.'), *own = dot != NULL ? dot + 1 : name;
    int whole = text_distance(plain, name), alone = text_distance(plain, own);
    int most = (int)strlen(plain) / 3;
    bool part = strlen(plain) >= 3 && strstr(name, plain) != NULL;
    return part || (whole < alone ? whole : alone) <= most ? name : NULL;
}

const char *fv_topic_nearest(fv_topic_kind kind, const char *word) {
    enum { MOST = 256 };
    const char *names[MOST + 1] = {NULL};
    fv_topic topic;
    if (kind == FV_TOPIC_FIELD) return if_near(fv_field_nearest(word), word);
    for (int i = 0; i < MOST && fv_topic_at(kind, i, &topic); i++) names[i] = topic.name;
    const char *meant = synonym_of(KINDS[kind].of, word);
    return meant != NULL ? meant : if_near(synonym_nearest(KINDS[kind].of, word, names), word);
}

const char *fv_topic_absent(const char *word) {
    return synonym_absent(word);
}
