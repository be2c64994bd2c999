#include "config/config_readers.h"

#include <stdio.h>
#include <string.h>

#define TASK(name)      (1 << FV_TASK_##name)
#define LAYER(name)     (1 << FV_LAYER_##name)
#define SCORE(name)     (1 << FV_SCORE_##name)
#define OPTIMIZER(name) (1 << FV_OPTIMIZER_##name)
#define SCHEDULE(name)  (1 << FV_SCHEDULE_##name)

enum {
    NO = 1 << false,
    AT_DEFAULT = 1 << false,
    SET = 1 << true,
    // Tasks that draw independent tokens, and those that hide something at a depth.
    DRAWING = TASK(COPY) | TASK(SIMILAR) | TASK(INDUCTION),
    HIDING = TASK(NEEDLE) | TASK(NEEDLE_MULTI) | TASK(KV_RETRIEVAL) | TASK(POSITION),
    ADAM = OPTIMIZER(ADAM) | OPTIMIZER(ADAMW),
    LEARNED_EMBEDDING = 1 << FV_EMBEDDING_LEARNED | 1 << FV_EMBEDDING_NOISY,
    OWN_WINDOW = 1 << FV_LAYER_COUNT, // a layer that has one itself
    // Warm-up has nothing but its steps; without them it is `constant`.
    OTHER_SCHEDULES = (1 << FV_SCHEDULE_COUNT) - 1 - SCHEDULE(WARMUP),
    METRICS = (1 << FV_METRIC_COUNT) - 1 - (1 << FV_METRIC_NONE),
};

// In the order of fields.h, where a field comes behind the one that decides whether it is read:
// what is dropped takes with it what it would have had read.
static const config_reader READERS[] = {
    {"task.offset", {{"task.name", TASK(COPY)}}},
    {"task.offset", {{"task.index", AT_DEFAULT}}},
    {"task.index", {{"task.name", TASK(COPY)}}},
    {"task.ties", {{"task.name", TASK(SIMILAR)}}},
    {"task.n_pairs", {{"task.name", TASK(RECALL) | TASK(MQAR) | TASK(NEEDLE_MULTI)}}},
    {"task.pool", {{"task.name", TASK(RECALL)}}},
    {"task.context_repetition", {{"task.name", TASK(RECALL)}}},
    {"task.sample_repetition", {{"task.name", TASK(RECALL)}}},
    {"task.gap_power", {{"task.name", TASK(MQAR)}}},
    {"task.filler", {{"task.name", TASK(MQAR)}}},
    {"task.period", {{"task.name", TASK(INDUCTION)}}},
    {"task.n_copy", {{"task.name", TASK(SELECTIVE_COPY)}}},
    {"task.loss", {{"task.name", DRAWING}}},
    {"task.distribution", {{"task.name", DRAWING}}},
    {"task.zipf_alpha", {{"task.distribution", 1 << FV_DISTRIBUTION_ZIPF}}},
    {"task.n_train", {{"task.data", 1 << FV_DATA_FIXED}}},
    {"task.n_test",
     {{"task.data", 1 << FV_DATA_FIXED},
      {"task.context_repetition", SET},
      {"task.sample_repetition", SET}}},
    {"task.length_step", {{"task.length_min", SET}}},
    {"task.depth", {{"task.name", HIDING}}},
    {"task.n_values", {{"task.name", TASK(NEEDLE_MULTI)}}},
    {"task.n_queries", {{"task.name", TASK(NEEDLE_MULTI)}}},
    {"model.score", {{"model.layers", LAYER(ATTENTION)}}},
    {"model.score_beta", {{"model.score", SCORE(EUCLIDEAN)}}},
    {"model.score_power", {{"model.score", SCORE(HARMONIC)}}},
    {"model.score_floor", {{"model.score", SCORE(HARMONIC)}}},
    {"model.exclude_self", {{"model.layers", LAYER(ATTENTION)}}},
    {"model.embedding_noise", {{"model.embedding", 1 << FV_EMBEDDING_NOISY}}},
    {"model.residual", {{"model.layers", LAYER(ATTENTION) | LAYER(MLP) | LAYER(MAMBA)}}},
    {"model.bias", {{"model.layers", LAYER(ATTENTION) | LAYER(MLP)}}},
    {"model.activation", {{"model.layers", LAYER(MLP)}}},
    {"model.d_mlp", {{"model.layers", LAYER(MLP)}}},
    {"model.init_sigma", {{"model.init", 1 << FV_INIT_NORMAL}}},
    {"model.embedding_sigma", {{"model.init", 1 << FV_INIT_POSTS}}},
    {"model.mamba_state", {{"model.layers", LAYER(MAMBA)}}},
    {"model.mamba_expand", {{"model.layers", LAYER(MAMBA)}}},
    {"model.mamba_conv", {{"model.layers", LAYER(MAMBA)}}},
    {"model.mamba_dt_rank", {{"model.layers", LAYER(MAMBA)}}},
    {"model.window", {{"model.layers", LAYER(ATTENTION)}}},
    {"model.sinks", {{"model.layers", LAYER(ATTENTION)}}},
    {"model.sinks", {{"model.window", SET}, {"model.layers", OWN_WINDOW}}},
    {"model.score_power_learned", {{"model.score", SCORE(HARMONIC)}}},
    {"model.d_score", {{"model.layers", LAYER(ATTENTION)}}},
    {"model.d_positions", {{"model.positions", 1 << FV_POSITIONS_LEARNED}}},
    {"train.embedding_rate",
     {{"model.embedding", LEARNED_EMBEDDING}, {"model.positions", 1 << FV_POSITIONS_LEARNED}}},
    {"train.unembedding_rate", {{"model.tied", NO}}},
    {"train.token_rate_power", {{"task.distribution", 1 << FV_DISTRIBUTION_ZIPF}}},
    {"train.token_rate_power", {{"model.embedding", LEARNED_EMBEDDING}}},
    {"train.schedule", {{"train.warmup_steps", SET}, {"train.schedule", OTHER_SCHEDULES}}},
    {"train.final_rate", {{"train.schedule", SCHEDULE(COSINE) | SCHEDULE(LINEAR)}}},
    {"train.decay_every", {{"train.schedule", SCHEDULE(STEP)}}},
    {"train.decay_factor", {{"train.schedule", SCHEDULE(STEP)}}},
    {"train.beta1", {{"train.optimizer", ADAM}}},
    {"train.beta2", {{"train.optimizer", ADAM}}},
    {"train.epsilon", {{"train.optimizer", ADAM}}},
    {"train.momentum", {{"train.optimizer", OPTIMIZER(MOMENTUM)}}},
    {"train.stop_value", {{"train.stop_metric", METRICS}}},
};
enum { N_READERS = sizeof READERS / sizeof *READERS };

const config_reader *config_readers(int *n) {
    *n = N_READERS;
    return READERS;
}

bool config_is_default(const fv_config *config, const fv_field *field) {
    fv_config defaults;
    fv_config_init(&defaults);
    return fv_config_number(config, field) == fv_config_number(&defaults, field);
}

static unsigned bits_of_layers(const fv_layers *layers) {
    unsigned bits = 0;
    for (int i = 0; i < layers->n; i++) {
        bits |= 1u << layers->kind[i];
        if (layers->window[i].given && layers->window[i].value > 0) bits |= OWN_WINDOW;
    }
    return bits;
}

bool config_chooses(const config_choices *choices, const fv_config *config) {
    const fv_field *field = fv_field_find(choices->key);
    unsigned bits;
    if (field->type == FV_TYPE_LAYERS)
        bits = bits_of_layers(&config->model.layers);
    else if (field->type == FV_TYPE_CHOICE || field->type == FV_TYPE_BOOL)
        bits = 1u << (int)fv_config_number(config, field);
    else
        bits = config_is_default(config, field) ? AT_DEFAULT : SET;
    return (bits & choices->bits) != 0;
}

static bool is_read(const config_reader *reader, const fv_config *config) {
    for (const config_choices *choices = reader->any; choices->key != NULL; choices++)
        if (config_chooses(choices, config)) return true;
    return false;
}

bool config_reads(const fv_config *config, const fv_field *field) {
    for (int i = 0; i < N_READERS; i++)
        if (strcmp(READERS[i].key, field->key) == 0 && !is_read(&READERS[i], config)) return false;
    return true;
}

// The i-th choice as text; NULL behind the last.
static const char *choice_text(const fv_field *field, int i) {
    static const char *const truths[] = {"false", "true", NULL};
    if (field->type == FV_TYPE_LAYERS && i >= FV_LAYER_COUNT)
        return i == FV_LAYER_COUNT ? "attention(window=N)" : NULL;
    return field->type == FV_TYPE_BOOL ? truths[i] : field->choices[i];
}

// "recall, mqar and needle_multi", or "task.length_min other than 0".
static void name_choices(const config_choices *choices, char *text, size_t size) {
    const fv_field *field = fv_field_find(choices->key);
    if (field->type == FV_TYPE_INT || field->type == FV_TYPE_REAL) {
        bool set = choices->bits == SET;
        snprintf(text, size, "%s%s%s", set ? field->key : "", set ? " other than " : "",
                 field->default_text);
        return;
    }
    int n = 0;
    for (int i = 0; choice_text(field, i) != NULL; i++) n += choices->bits >> i & 1;
    size_t used = 0;
    for (int i = 0, named = 0; choice_text(field, i) != NULL && used < size; i++) {
        if (!(choices->bits >> i & 1)) continue;
        const char *before = named == 0 ? "" : named == n - 1 ? " and " : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", before, choice_text(field, i));
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

fv_status config_check_readers(const fv_config *config, const fv_field **culprit, fv_error *error) {
    for (int i = 0; i < N_READERS; i++) {
        const fv_field *field = fv_field_find(READERS[i].key);
        if (is_read(&READERS[i], config) || config_is_default(config, field)) continue;
        *culprit = field;
        return config_refuse_unread(&READERS[i], config, config, error);
    }
    return FV_OK;
}

void config_drop_unread(fv_config *config) {
    for (int i = 0; i < N_READERS; i++) {
        const fv_field *field = fv_field_find(READERS[i].key);
        if (!is_read(&READERS[i], config) && !config_is_default(config, field))
            fv_config_set(config, field->key, field->default_text, NULL);
    }
}
