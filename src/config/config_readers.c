#include "config/as_written.h"
#include "config/layer_list.h"
#include "config/part.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum {
    NO = 1 << false,
    BY_PARTS = 0, // the parts that say that they read the field
    LEARNED_EMBEDDING = 1 << FV_EMBEDDING_LEARNED | 1 << FV_EMBEDDING_NOISY,
    METRICS = (1 << FV_METRIC_COUNT) - 1 - (1 << FV_METRIC_NONE),
};

// Groups of parts of which a layer of the list may have one of its own.
static const struct {
    const char *group;
    int option;
} OF_LAYERS[] = {{"model.selector", LAYER_OPTION_selector},
                 {"model.normaliser", LAYER_OPTION_normaliser}};

// What no part says, in any order.
static const config_reader GENERAL[] = {
    {"task.zipf_alpha",
     {{"task.distribution", 1 << FV_DISTRIBUTION_ZIPF},
      {"task.transitions", 1 << FV_TRANSITIONS_ZIPF}}},
    {"task.distinct", {{"task.distribution", 1 << FV_DISTRIBUTION_UNIFORM}}},
    {"task.n_train", {{"task.data", 1 << FV_DATA_FIXED}}},
    {"task.n_test",
     {{"task.data", 1 << FV_DATA_FIXED},
      {"task.context_repetition", CONFIG_SET},
      {"task.sample_repetition", CONFIG_SET},
      {"task.held_out", CONFIG_SET}}},
    {"task.length_step", {{"task.length_min", CONFIG_SET}}},
    {"model.readout_power", {{"model.readout", 1 << FV_READOUT_HARMONIC}}},
    {"model.readout_floor", {{"model.readout", 1 << FV_READOUT_HARMONIC}}},
    {"model.norm_place", {{"model.norm", 1 << FV_NORM_LAYER | 1 << FV_NORM_RMS}}},
    {"model.embedding_noise", {{"model.embedding", 1 << FV_EMBEDDING_NOISY}}},
    {"model.init_sigma", {{"model.init", 1 << FV_INIT_NORMAL}}},
    {"model.embedding_sigma", {{"model.init", 1 << FV_INIT_POSTS}}},
    {"train.embedding_rate",
     {{"model.embedding", LEARNED_EMBEDDING}, {"model.positions", BY_PARTS}}},
    {"train.unembedding_rate", {{"model.tied", NO}}},
    {"train.token_rate_power", {{"task.distribution", 1 << FV_DISTRIBUTION_ZIPF}}},
    {"train.token_rate_power", {{"model.embedding", LEARNED_EMBEDDING}}},
    {"train.stop_value", {{"train.stop_metric", METRICS}}},
};
enum { N_GENERAL = sizeof GENERAL / sizeof *GENERAL, MOST_READERS = 256 };

// In the order of the fields, where a field comes behind the one that decides whether it is read:
// what is dropped takes with it what it would have had read.
static config_reader readers[MOST_READERS];
static int n_readers;
#define FV_FIELD(...)        +1
#define FV_CHOICE_FIELD(...) +1
enum {
    N_FIELDS = 0
#include <fovea/fields.def>
};
static int begins[N_FIELDS + 1]; // of each field's readers; the next field's begin at their end

// The parts of the group that the field `key` chooses from, as bits, that read the field.
static uint64_t parts_that_read(const char *key, const fv_field *field) {
    int n = 0;
    const config_part *const *parts = parts_of(key, &n);
    uint64_t bits = 0;
    for (int i = 0; i < n; i++)
        for (int r = 0; r < FV_PART_READS && parts[i]->reads[r] != 0; r++)
            if (parts[i]->reads[r] == field->offset) bits |= (uint64_t)1 << i;
    return bits;
}

static void add_reader(const config_reader *reader) {
    config_reader *row = &readers[n_readers++];
    *row = *reader;
    for (config_choices *choices = row->any; choices->key != NULL; choices++)
        if (choices->bits == BY_PARTS)
            choices->bits = parts_that_read(choices->key, fv_field_find(row->key));
}

// Whether a row of GENERAL asks for the parts of this group itself.
static bool asks_for_parts(const fv_field *field, const char *group) {
    for (int i = 0; i < N_GENERAL; i++)
        for (const config_choices *c = GENERAL[i].any; c->key != NULL; c++)
            if (strcmp(GENERAL[i].key, field->key) == 0 && strcmp(c->key, group) == 0) return true;
    return false;
}

static void add_parts(const fv_field *field, const char *group) {
    config_reader reader = {field->key, {{group, parts_that_read(group, field)}}};
    for (size_t i = 0; i < sizeof OF_LAYERS / sizeof *OF_LAYERS; i++)
        if (strcmp(OF_LAYERS[i].group, group) == 0)
            reader.any[1] =
                (config_choices){"model.layers", CONFIG_LAYER_OPTION(OF_LAYERS[i].option)};
    if (reader.any[0].bits != 0 && !asks_for_parts(field, group)) add_reader(&reader);
    int n = 0;
    const config_part *const *parts = parts_of(group, &n);
    for (int i = 0; i < n; i++)
        for (int r = 0; r < FV_PART_RULES && parts[i]->rules[r].key != NULL; r++)
            if (strcmp(parts[i]->rules[r].key, field->key) == 0) add_reader(&parts[i]->rules[r]);
}

static void find_readers(void) {
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int f = 0; f < n; f++) {
        begins[f] = n_readers;
#define ADD(GROUP, key) add_parts(&fields[f], key);
        FV_PART_GROUPS(ADD)
#undef ADD
        for (int i = 0; i < N_GENERAL; i++)
            if (strcmp(GENERAL[i].key, fields[f].key) == 0) add_reader(&GENERAL[i]);
    }
    begins[n] = n_readers;
}

const config_reader *config_readers(int *n) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_readers);
    *n = n_readers;
    return readers;
}

bool config_is_default(const fv_config *config, const fv_field *field) {
    fv_config defaults;
    fv_config_init(&defaults);
    if (field->type == FV_TYPE_TEXT || field_is_written(field))
        return strcmp((const char *)config + field->offset,
                      (const char *)&defaults + field->offset) == 0;
    return fv_config_number(config, field) == fv_config_number(&defaults, field);
}

static uint64_t bits_of_layers(const fv_layers *layers) {
    uint64_t bits = 0;
    for (int i = 0; i < layers->n; i++) {
        bits |= (uint64_t)1 << layers->kind[i];
        for (int option = 0; option < N_LAYER_OPTIONS; option++)
            if (layer_sets(layers, i, option)) bits |= CONFIG_LAYER_OPTION(option);
    }
    return bits;
}

bool config_chooses(const config_choices *choices, const fv_config *config) {
    const fv_field *field = fv_field_find(choices->key);
    uint64_t bits;
    if (field->type == FV_TYPE_LAYERS)
        bits = bits_of_layers(&config->model.layers);
    else if (field->type == FV_TYPE_CHOICE || field->type == FV_TYPE_BOOL)
        bits = (uint64_t)1 << (int)fv_config_number(config, field);
    else
        bits = config_is_default(config, field) ? CONFIG_AT_DEFAULT : CONFIG_SET;
    return (bits & choices->bits) != 0;
}

static bool is_read(const config_reader *reader, const fv_config *config) {
    for (const config_choices *choices = reader->any; choices->key != NULL; choices++)
        if (config_chooses(choices, config)) return true;
    return false;
}

bool config_reads(const fv_config *config, const fv_field *field) {
    int n;
    const config_reader *rows = config_readers(&n);
    ptrdiff_t f = field - fv_fields(&n);
    for (int i = begins[f]; i < begins[f + 1]; i++)
        if (!is_read(&rows[i], config)) return false;
    return true;
}

// Writes the i-th choice as text; false behind the last.
static bool choice_text(const fv_field *field, int i, char text[64]) {
    static const char *const truths[] = {"false", "true", NULL};
    int option = i - FV_LAYER_COUNT;
    if (field->type == FV_TYPE_LAYERS && option >= 0) {
        if (option >= N_LAYER_OPTIONS) return false;
        snprintf(text, 64, "%s(%s=N)", layer_option_owner(option), layer_option_name(option));
        return true;
    }
    const char *choice = field->type == FV_TYPE_BOOL ? truths[i] : field->choices[i];
    if (choice != NULL) snprintf(text, 64, "%s", choice);
    return choice != NULL;
}

// "recall, mqar and needle_multi", or "task.length_min other than 0".
static void name_choices(const config_choices *choices, char *text, size_t size) {
    const fv_field *field = fv_field_find(choices->key);
    if (field->type == FV_TYPE_INT || field->type == FV_TYPE_REAL) {
        bool set = choices->bits == CONFIG_SET;
        snprintf(text, size, "%s%s%s", set ? field->key : "", set ? " other than " : "",
                 field->default_text);
        return;
    }
    char choice[64];
    int n = 0;
    for (int i = 0; choice_text(field, i, choice); i++) n += (int)(choices->bits >> i & 1);
    size_t used = 0;
    for (int i = 0, named = 0; used < size && choice_text(field, i, choice); i++) {
        if (!(choices->bits >> i & 1)) continue;
        const char *before = named == 0 ? "" : named == n - 1 ? " and " : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", before, choice);
        named++;
    }
}

fv_status config_refuse_unread(const config_reader *reader, const fv_config *setting,
                               const fv_config *choosing, fv_error *error) {
    const fv_field *field = fv_field_find(reader->key);
    const config_choices *first = reader->any;
    char value[64], chosen[512], names[128], others[256] = "";
    fv_config_get(setting, field, value, sizeof value);
    fv_config_get(choosing, fv_field_find(first->key), chosen, sizeof chosen);
    name_choices(first, names, sizeof names);
    for (const config_choices *choices = first + 1; choices->key != NULL; choices++) {
        char more[128];
        size_t used = strlen(others);
        name_choices(choices, more, sizeof more);
        bool choice = fv_field_find(choices->key)->type == FV_TYPE_CHOICE; // its words say less
        snprintf(others + used, sizeof others - used, ", or by %s%s%s", choice ? choices->key : "",
                 choice ? " " : "", more);
    }
    return fv_fail(error, FV_USAGE, "%s %s is not read by %s %s, only by %s%s", field->key, value,
                   first->key, chosen, names, others);
}

void config_readers_text(const fv_field *field, char *text, size_t size) {
    int n;
    const config_reader *rows = config_readers(&n);
    size_t used = 0;
    *text = '\0';
    for (int i = 0; i < n; i++) {
        if (strcmp(rows[i].key, field->key) != 0) continue;
        for (const config_choices *choices = rows[i].any; choices->key != NULL; choices++) {
            char names[256];
            name_choices(choices, names, sizeof names);
            fv_type type = fv_field_find(choices->key)->type;
            // "task.n_pairs other than 8" has its key.
            bool keyed =
                choices->bits == CONFIG_SET && (type == FV_TYPE_INT || type == FV_TYPE_REAL);
            const char *before = used == 0 ? "" : choices > rows[i].any ? ", or " : ", with ";
            if (used < size)
                used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", before,
                                         keyed ? "" : choices->key, keyed ? "" : " ", names);
        }
    }
}

fv_status config_check_readers(const fv_config *config, const fv_field **culprit, fv_error *error) {
    int n;
    const config_reader *rows = config_readers(&n);
    for (int i = 0; i < n; i++) {
        const fv_field *field = fv_field_find(rows[i].key);
        if (is_read(&rows[i], config) || config_is_default(config, field)) continue;
        *culprit = field;
        return config_refuse_unread(&rows[i], config, config, error);
    }
    return FV_OK;
}

void config_drop_unread(fv_config *config) {
    int n;
    const config_reader *rows = config_readers(&n);
    for (int i = 0; i < n; i++) {
        const fv_field *field = fv_field_find(rows[i].key);
        if (!is_read(&rows[i], config) && !config_is_default(config, field))
            fv_config_set(config, field->key, field->default_text, NULL);
    }
}
