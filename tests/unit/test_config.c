// Fields and configurations: what is taken, what is refused and how it is said, and the identity of
// a run.
#include "base/text.h"
#include "config/config_readers.h"
#include "model/attention_keys.h"

#include <fovea/config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const fv_field *field_of(const char *key) {
    const fv_field *field = fv_field_find(key);
    if (field == NULL) fail_msg("there is no field %s", key);
    return field;
}

static void set(fv_config *config, const char *key, const char *yaml) {
    fv_error error = {0};
    if (fv_config_set(config, key, yaml, &error) != FV_OK) fail_msg("%s", error.text);
}

static void expect_text(const fv_config *config, const char *key, const char *expected) {
    char value[2048];
    int length = fv_config_get(config, field_of(key), value, sizeof value);
    assert_string_equal(value, expected);
    assert_int_equal(length, strlen(expected));
}

static void defaults_are_what_the_table_says(void **state) {
    (void)state;
    int n;
    const fv_field *fields = fv_fields(&n);
    assert_true(n > 40);
    fv_config defaults;
    fv_config_init(&defaults);
    for (int i = 0; i < n; i++) {
        fv_config config = defaults;
        set(&config, fields[i].key, fields[i].default_text);
        char by_default[2048], by_text[2048];
        fv_config_get(&defaults, &fields[i], by_default, sizeof by_default);
        fv_config_get(&config, &fields[i], by_text, sizeof by_text);
        assert_string_equal(by_default, by_text);
        assert_ptr_equal(fv_field_find(fields[i].key), &fields[i]);
        assert_true(strlen(fields[i].help) > 0);
        bool chooses = fields[i].type == FV_TYPE_CHOICE || fields[i].type == FV_TYPE_LAYERS;
        assert_int_equal(fields[i].choices != NULL, chooses);
    }
    assert_int_equal(defaults.task.vocab_size, 100);
    assert_int_equal(defaults.task.index, -1);
    assert_true(defaults.train.learning_rate == 1e-3);
    assert_int_equal(defaults.model.layers.n, 1);
    assert_int_equal(defaults.model.layers.kind[0], FV_LAYER_ATTENTION);
    assert_int_equal(defaults.train.snapshots.n, 0);
    assert_int_equal(defaults.train.optimizer, FV_OPTIMIZER_ADAM);
}

static void values_are_set_and_written(void **state) {
    (void)state;
    static const struct {
        const char *key, *yaml, *text;
    } cases[] = {
        {"task.vocab_size", "1000", "1000"},
        {"task.vocab_size", " 7 ", "7"},
        {"task.index", "-1", "-1"},
        {"train.learning_rate", "1e-3", "0.001"},
        {"train.learning_rate", "3", "3"},
        {"train.learning_rate", "1000", "1000"},
        {"train.learning_rate", ".5", "0.5"},
        {"train.learning_rate", "0.1234567890123", "0.1234567890123"},
        {"train.stop_value", "-0.0", "0"},
        {"train.stop_value", "-1e30", "-1e+30"},
        {"train.clip_norm", "123456.5", "123456.5"},
        {"train.epsilon", "1e-8", "1e-08"},
        {"model.residual", "true", "true"},
        {"model.residual", "false", "false"},
        {"model.positions", "sinusoidal", "sinusoidal"},
        {"model.positions", "'none'", "none"},
        {"model.layers", "[attention, mlp]", "[attention, mlp]"},
        {"model.layers", "mlp", "[mlp]"},
        {"model.layers", "attention*3", "[attention, attention, attention]"},
        {"model.layers", "[attention*2, mlp, rms_norm]", "[attention, attention, mlp, rms_norm]"},
        {"model.layers", "[attention(window=8), mlp]", "[attention(window=8), mlp]"},
        {"model.layers", "attention( sinks=2  window=0 )", "[attention(window=0 sinks=2)]"},
        {"model.layers", "[attention(window=8)*2, attention()]",
         "[attention(window=8), attention(window=8), attention]"},
        {"train.snapshots", "[]", "[]"},
        {"train.snapshots", "[0, 100, 3000]", "[0, 100, 3000]"},
        {"train.snapshots", "12", "[12]"},
        {"train.snapshots", "[1e3, 2.5E+3]", "[1000, 2500]"},
        {"train.steps", "1e4", "10000"},
        {"train.steps", "1e+4", "10000"},
        {"train.steps", "1.0e4", "10000"},
        {"model.layers", "attention(window=1e2)", "[attention(window=100)]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fv_config config;
        fv_config_init(&config);
        set(&config, cases[i].key, cases[i].yaml);
        expect_text(&config, cases[i].key, cases[i].text);
    }
}

// A value that is given to a key, and what the message must say.
typedef struct refusal {
    const char *key, *yaml, *message;
} refusal;

static const refusal VALUES[] = {
    {"task.vocab_size", "1", "task.vocab_size must be a whole number from 2 to 1000000, not '1'"},
    {"task.vocab_size", "1000001", "from 2 to 1000000, not '1000001'"},
    {"task.vocab_size", "99999999999999999999", "a whole number"},
    {"task.vocab_size", "3.0", "a whole number"},
    {"task.vocab_size", "1.5", "a whole number"},
    {"task.vocab_size", "1e-4", "a whole number"},
    {"task.vocab_size", "1.25e1", "a whole number"},
    {"task.vocab_size", "400e-2", "a whole number"},
    {"task.vocab_size", "1e7", "from 2 to 1000000, not '1e7'"},
    {"task.vocab_size", "1e400", "a whole number"},
    {"task.vocab_size", "1e+", "a whole number"},
    {"task.vocab_size", "1_000", "not '1_000'; write 1000"},
    {"task.vocab_size", "100.0", "; write 100"},
    {"task.vocab_size", "None", "not 'None'; leave it out for its default, 100"},
    {"train.steps", "1.5..3:2", "{from: 1.5, to: 3, steps: 2, scale: linear}"},
    {"train.learning_rate", "0.001..0.1:7", "{from: 0.001, to: 0.1, steps: 7, scale: log}"},
    {"train.steps", "10k", "; write 10000"},
    {"train.learning_rate", "10%", "; write 0.1"},
    {"task.vocab_size", "\uff11\uff10", "; write 10"},
    {"task.index", "\u22121", "; write -1"},
    {"train.seed", "0...4", "; a range is written 0..4, both ends included"},
    {"train.seed", "0-4", "; a range is written 0..4"},
    {"train.seed", "0:4", "; a range is written 0..4"},
    {"train.seed", "range(5)", "; a range is written 0..4"},
    {"train.seed", "..4", "; a range is written 0..4"},
    {"train.seed", "1 2 3", "; a list has commas, as in [1, 2, 3]"},
    {"task.vocab_size", "0x10", "a whole number"},
    {"task.vocab_size", "'4'", "a whole number"},
    {"task.vocab_size", "four", "a whole number"},
    {"task.vocab_size", "[4]", "must be a single value, not 'a list'"},
    {"task.vocab_size", "{a: 4}", "must be a single value, not 'a mapping'"},
    {"task.vocab_size", "", "no value"},
    {"task.context_length", "-1", "from 0 to 65536, not '-1'"},
    {"train.learning_rate", "-1", "train.learning_rate must be a number from 0 to 1000, not '-1'"},
    {"train.learning_rate", "nan", "a number"},
    {"train.learning_rate", "inf", "a number"},
    {"train.learning_rate", "0x1p3", "a number"},
    {"train.learning_rate", "1e999", "a number"},
    {"train.learning_rate", "1e", "a number"},
    {"model.residual", "yes", "must be true or false, not 'yes'"},
    {"model.residual", "1", "true or false"},
    {"model.residual", "True", "not 'True'; write true"},
    {"model.tied", "on", "; write true"},
    {"model.tied", "Off", "; write false"},
    {"model.tied", "None", "; write false"},
    {"train.learning_rate", "1e-3..1e-1",
     "not '1e-3..1e-1'; a range says how many values it has: {from: 0.001, to: 0.1, "
     "steps: 5, scale: log}"},
    {"train.beta1", "0.8..0.9", "{from: 0.8, to: 0.9, steps: 5, scale: linear}"},
    {"model.positions", "None", "; the nearest is 'none'"},
    {"train.optimizer", "AdamW", "; the nearest is 'adamw'"},
    {"train.optimizer", "RMSprop", "; the nearest is 'adam'"},
    {"model.activation", "swish", "; the nearest is 'silu'"},
    {"model.norm", "LayerNorm", "; the nearest is 'layer'"},
    {"task.name", "associative-recall", "; the nearest is 'recall'"},
    {"model.residual", "'true'", "true or false"},
    {"model.positions", "rotary",
     "must be one of none, learned, sinusoidal, rope, alibi, not 'rotary'; the nearest is 'rope'"},
    {"task.name", "&a copy", "anchors"},
    {"task.name", "!!str copy", "tags"},
    {"task.name", "[copy", "YAML syntax"},
    {"task.name", "copy\n---\ncopy", "document"},
};

static const refusal LISTS[] = {
    {"model.layers", "2", "; that many layers are attention*2"},
    {"model.layers", "[self_attention*2]", "; the nearest is 'attention'"},
    {"model.layers", "[attn]", "(name*3 repeats) of attention, mlp, "},
    {"model.layers", "[attn]", ", not 'attn'"},
    {"model.layers", "attention*65", "at most 64 layers"},
    {"model.layers", "attention*99999999999", "at most 64 layers"},
    {"model.layers", "attention*0", "not 'attention*0'"},
    {"model.layers", "attention*", "not 'attention*'"},
    {"model.layers", "[[attention]]",
     "model.layers must be a list of single values, such as [attention, mlp], or in a sweep a "
     "list of such lists, each in brackets of its own, such as [[attention, mlp], "
     "[attention*3]]"},
    {"model.layers", "{a: [attention]}", "in a sweep a list of such lists"},
    {"train.snapshots", "[[1], 2]", "such as [[100, 1000], [500]]"},
    {"model.layers", "1..3", "; stacks of 1 to 3 layers are [[attention*1], ..., [attention*3]]"},
    {"model.layers", "'attention, mlp'", "; a list stands in brackets, as in [attention, mlp]"},
    {"model.layers", "attention(window=8", "does not close its options"},
    {"model.layers", "attention(window=8)x", "not 'attention(window=8)x'"},
    {"model.layers", "attention(window=8)*65", "at most 64 layers"},
    {"model.layers", "attention(window=70000)", "from 0 to 65536, not '70000'"},
    {"model.layers", "attention(window=8 window=9)", "gives window twice"},
    {"model.layers", "attention(window)", "'window' in 'attention(window)' is no option"},
    {"model.layers", "attention(size=3)", "no option 'size'; the nearest is 'sinks'"},
    {"model.layers", "attention(gate=heads)",
     "the gate of attention must be one of none, head, feature, not 'heads'; the nearest is "
     "'head'"},
    {"model.layers", "attention(n_kv_head=1.5)", "whole number from 0 to 1024, not '1.5'"},
    {"model.layers", "mlp(window=3)", "mlp has no option 'window'; it has none"},
    {"train.snapshots", "[1, -1]", "not '-1'"},
    {"train.snapshots", "[1, x]", "not 'x'"},
};

static const refusal KEYS[] = {
    {"task.vocabsize", "4", "there is no field 'task.vocabsize'; the nearest is 'task.vocab_size'"},
    {"vocab_size", "4", "the nearest is 'task.vocab_size'"},
    {"vocab", "4", "the nearest is 'task.vocab_size'"},
    {"task.n_embd", "4", "the nearest is 'model.n_embd'"},
    {"trian.sede", "4", "the nearest is 'train.seed'"},
    {"train.lr", "1", "there is no field 'train.lr'; the nearest is 'train.learning_rate'"},
    {"lr", "1", "the nearest is 'train.learning_rate'"},
    {"model.d_model", "4", "the nearest is 'model.n_embd'"},
    {"n_layers", "4", "the nearest is 'model.layers'"},
    {"model.depth", "4", "the nearest is 'model.layers'"},
    {"model.weight_decay", "4", "the nearest is 'train.weight_decay'"},
    {"batch", "4", "the nearest is 'train.batch_size'"},
    {"batchSize", "4", "the nearest is 'train.batch_size'"},
    {"model.dropout", "0.1", "there is no field 'model.dropout': Fovea has no dropout"},
    {"model.rope_theta", "1e4", "the nearest is 'model.rope_base'"},
    {"train.size", "4", "the nearest is 'train.batch_size'"},
    {"train.lrr", "1", "the nearest is 'train.learning_rate'"},
    {"lrr", "1", "the nearest is 'train.learning_rate'"},
    {"tran.lr", "1", "the nearest is 'train.learning_rate'"},
    {"train.lerning", "1", "the nearest is 'train.learning_rate'"},
    {"train.optm", "1", "the nearest is 'train.optimizer'"},
    {"train.wdd", "1", "the nearest is 'train.weight_decay'"},
    {"train.losss", "1", "the nearest is 'task.loss'"},
    {"model.d_modl", "4", "the nearest is 'model.n_embd'"},
    {"model.hidden_siz", "4", "the nearest is 'model.n_embd'"},
    {"model.seq_ln", "4", "the nearest is 'task.context_length'"},
    {"train.loss", "4", "the nearest is 'task.loss'"},
    {"train_seed", "4", "the nearest is 'train.seed'"},
    {"train.adam", "4", "the nearest is 'train.optimizer'"},
    {"model.attention", "4", "the nearest is 'model.layers'"},
    {"model.ffn", "4", "the nearest is 'model.d_mlp'"},
    {"task.alphabet", "4", "the nearest is 'task.vocab_size'"},
    {"model.nhead", "4", "the nearest is 'model.n_head'"},
    {"train.stepss", "4", "the nearest is 'train.steps'"},
    {"train.5", "4", "a number has a point and no comma, as in 0.5"},
    {"model.n_embd:\u00a02", "4", "(U+00A0); type it anew"},
};

static void expect_refusals(const refusal *cases, size_t n) {
    fv_config before;
    fv_config_init(&before);
    set(&before, "model.layers", "[mlp, attention]");
    set(&before, "train.snapshots", "[5]");
    for (size_t i = 0; i < n; i++) {
        fv_config config = before;
        fv_error error = {0};
        if (fv_config_set(&config, cases[i].key, cases[i].yaml, &error) != FV_USAGE)
            fail_msg("%s=%s was taken", cases[i].key, cases[i].yaml);
        assert_int_equal(error.status, FV_USAGE);
        if (strstr(error.text, cases[i].message) == NULL)
            fail_msg("'%s' does not say '%s'", error.text, cases[i].message);
        assert_memory_equal(&config, &before, sizeof config);
    }
}

static void refused_values_say_what_would_be_right(void **state) {
    (void)state;
    expect_refusals(VALUES, sizeof VALUES / sizeof *VALUES);
}

static void refused_lists_say_what_would_be_right(void **state) {
    (void)state;
    expect_refusals(LISTS, sizeof LISTS / sizeof *LISTS);
}

static void unknown_keys_name_the_nearest(void **state) {
    (void)state;
    expect_refusals(KEYS, sizeof KEYS / sizeof *KEYS);
}

static void lists_have_a_limit(void **state) {
    (void)state;
    char yaml[4096] = "[0";
    for (int i = 1; i < FV_MAX_INTS; i++) sprintf(yaml + strlen(yaml), ", %d", i);
    strcat(yaml, "]");
    fv_config config;
    fv_config_init(&config);
    set(&config, "train.snapshots", yaml);
    assert_int_equal(config.train.snapshots.n, FV_MAX_INTS);
    expect_text(&config, "train.snapshots", yaml);
    strcpy(strchr(yaml, ']'), ", 64]");
    fv_error error = {0};
    assert_int_equal(fv_config_set(&config, "train.snapshots", yaml, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "at most 64"));
}

static void get_counts_beyond_the_end(void **state) {
    (void)state;
    fv_config config;
    fv_config_init(&config);
    set(&config, "model.layers", "attention*64");
    char text[10];
    int length = fv_config_get(&config, field_of("model.layers"), text, sizeof text);
    assert_int_equal(length, 64 * 9 + 63 * 2 + 2);
    assert_string_equal(text, "[attentio");
    assert_int_equal(fv_config_get(&config, field_of("model.layers"), NULL, 0), length);
}

static void numbers_of_fields(void **state) {
    (void)state;
    fv_config config;
    fv_config_init(&config);
    set(&config, "model.tied", "true");
    assert_true(fv_config_number(&config, field_of("task.vocab_size")) == 100);
    assert_true(fv_config_number(&config, field_of("train.learning_rate")) == 1e-3);
    assert_true(fv_config_number(&config, field_of("model.tied")) == 1);
    assert_true(fv_config_number(&config, field_of("train.optimizer")) == FV_OPTIMIZER_ADAM);
    assert_true(isnan(fv_config_number(&config, field_of("model.layers"))));
}

static const struct {
    const char *values[8]; // key, value, ...
    const char *message;   // NULL: this is fine
} FITS[] = {
    {{0}, NULL},
    {{"model.n_embd", "10", "model.n_head", "5"}, NULL},
    {{"model.n_embd", "12", "model.n_head", "6", "model.n_kv_head", "3"}, NULL},
    {{"model.n_embd", "12", "model.n_head", "6", "model.n_kv_head", "4"},
     "model.n_kv_head: 6 heads of queries cannot share 4 heads of keys and values evenly; "
     "n_kv_head "
     "must divide model.n_head 6, as 3 does"},
    {{"model.n_embd", "12", "model.n_head", "6", "model.layers", "attention(n_kv_head=12)"},
     "model.layers: 6 heads of queries cannot share 12 heads of keys and values evenly"},
    {{"model.n_embd", "6", "model.n_head", "2", "model.positions", "rope"},
     "turns pairs of features, and 3 is odd; an even model.rope_width leaves"},
    {{"model.n_embd", "8", "model.positions", "rope", "model.rope_width", "10"},
     "model.rope_width 10 is more than a head has; n_embd / n_head allows 2 to 8"},
    {{"model.n_embd", "8", "model.positions", "rope", "model.rope_factor", "2"},
     "model.rope_factor 2 is not read by model.rope_scaling none"},
    {{"model.positions", "rope", "model.rope_scaling", "ntk", "model.rope_factor", "2"},
     "it needs a rotary width of 4 or more"},
    {{"model.score", "euclidean", "model.soft_cap", "5"},
     "model.soft_cap: a soft cap bounds products, and model.score euclidean compares distances"},
    {{"model.n_embd", "10", "model.n_head", "3"}, "n_head 3 does not divide model.n_embd 10"},
    {{"task.context_length", "0"},
     "task.context_length must be a whole number from 1 to 65536 for task.name copy; 0,"},
    {{"task.offset", "3"}, NULL},
    {{"task.offset", "4"}, "task.offset 4 reaches past the context"},
    {{"task.index", "3"}, NULL},
    {{"task.index", "4"}, "task.index 4 lies past the context"},
    {{"task.index", "0", "task.offset", "2"}, "task.offset 2 is not read by task.index 0"},
    {{"train.stop_value", "0.5"}, "is not read by train.stop_metric none, only by loss"},
    {{"model.score_beta", "4"}, "is not read by model.score dot, only by euclidean"},
    {{"model.score_beta", "4", "model.score", "euclidean"}, NULL},
    {{"model.score_beta", "1"}, NULL}, // the default, said aloud
    {{"model.d_mlp", "8"}, "is not read by model.layers [attention], only by mlp"},
    {{"model.d_mlp", "8", "model.layers", "[attention, mlp]"}, NULL},
    {{"model.bias", "true", "model.layers", "[mamba]"}, "only by attention and mlp"},
    {{"train.unembedding_rate", "2", "model.tied", "true"}, "model.tied true, only by false"},
    {{"train.unembedding_rate", "2"}, NULL},
    {{"train.embedding_rate", "2"}, NULL},
    {{"train.embedding_rate", "2", "model.embedding", "noisy"}, NULL},
    {{"train.embedding_rate", "2", "model.embedding", "fixed"},
     "train.embedding_rate 2 is not read by model.embedding fixed, only by learned and noisy, "
     "or by model.positions learned"},
    {{"train.embedding_rate", "2", "model.embedding", "resampled", "model.positions", "sinusoidal"},
     "model.embedding resampled, only by learned and noisy"},
    {{"train.embedding_rate", "2", "model.embedding", "fixed", "model.positions", "learned"}, NULL},
    {{"train.schedule", "warmup"},
     "train.schedule warmup is not read by train.warmup_steps 0, only by train.warmup_steps "
     "other than 0, or by train.schedule constant, cosine, linear and step"},
    {{"train.schedule", "warmup", "train.warmup_steps", "10"}, NULL},
    {{"train.schedule", "cosine"}, NULL},
    {{"train.warmup_steps", "10"}, NULL},
    {{"model.sinks", "2"}, "window 0, only by model.window other than 0, or by attention("},
    {{"model.sinks", "2", "model.window", "3"}, NULL},
    {{"model.sinks", "2", "model.layers", "[attention(window=3)]"}, NULL},
    {{"train.token_rate_power", "1"}, "task.distribution uniform, only by zipf"},
    {{"train.token_rate_power", "1", "task.distribution", "zipf"}, NULL},
    {{"train.token_rate_power", "1", "task.distribution", "zipf", "model.embedding", "fixed"},
     "is not read by model.embedding fixed, only by learned and noisy"},
    {{"task.length_step", "2"}, "only by task.length_min other than 0"},
    {{"task.length_step", "2", "task.length_min", "1"}, NULL},
    {{"task.n_test", "9"}, "only by fixed, or by task.context_repetition other than 1.0"},
    {{"task.n_test", "9", "task.data", "fixed"}, NULL},
    {{"train.stop_metric", "accuracy", "train.stop_value", "0.99"}, NULL},
    {{"train.stop_metric", "accuracy"}, "train.stop_value 0"},
    {{"train.stop_metric", "accuracy", "train.stop_value", "99"}, "between"},
    {{"train.stop_metric", "perplexity", "train.stop_value", "0.5"}, "between"},
    {{"train.stop_metric", "perplexity", "train.stop_value", "1.5"}, NULL},
    {{"train.stop_metric", "test_accuracy", "train.stop_value", "0.5"}, "needs a test set"},
    {{"train.stop_metric", "test_accuracy", "train.stop_value", "0.5", "task.data", "fixed"}, NULL},
    {{"train.stop_metric", "test_accuracy", "task.n_test", "0", "task.data", "fixed"},
     "needs a test set"},
};

static void fields_must_fit_together(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FITS / sizeof FITS[0]; i++) {
        fv_config config;
        fv_config_init(&config);
        for (int j = 0; j < 8 && FITS[i].values[j] != NULL; j += 2)
            set(&config, FITS[i].values[j], FITS[i].values[j + 1]);
        fv_error error = {0};
        fv_status status = fv_config_check(&config, &error);
        assert_int_equal(status, FITS[i].message ? FV_USAGE : FV_OK);
        if (FITS[i].message != NULL && strstr(error.text, FITS[i].message) == NULL)
            fail_msg("'%s' does not say '%s'", error.text, FITS[i].message);
    }
}

// The message of every row can name what would read its field, and a default is always read.
static void readers_name_fields_and_choices(void **state) {
    (void)state;
    int n;
    const config_reader *readers = config_readers(&n);
    fv_config config;
    fv_config_init(&config);
    for (int i = 0; i < n; i++) {
        const fv_field *field = fv_field_find(readers[i].key);
        assert_non_null(field);
        assert_true(field->type != FV_TYPE_LAYERS && field->type != FV_TYPE_INTS);
        assert_true(config_is_default(&config, field));
        assert_non_null(readers[i].any[0].key);
        fv_error error;
        assert_int_equal(config_refuse_unread(&readers[i], &config, &config, &error), FV_USAGE);
        for (const config_choices *c = readers[i].any; c->key != NULL; c++) {
            assert_non_null(fv_field_find(c->key));
            assert_true(c->bits != 0);
        }
        const char *only = strstr(error.text, ", only by ");
        if (only == NULL || only[strlen(", only by ")] == '\0')
            fail_msg("'%s' names no choice", error.text);
    }
}

static void unread_fields_fall_back(void **state) {
    (void)state;
    fv_config config, defaults;
    fv_config_init(&config);
    fv_config_init(&defaults);
    set(&config, "model.score_beta", "4");
    set(&config, "model.score_power_learned", "true");
    set(&config, "task.ties", "later");
    set(&config, "task.offset", "2");
    config_drop_unread(&config);
    assert_int_equal(config.task.offset, 2); // copy reads it
    config.task.offset = 0;
    char of_config[17], of_defaults[17];
    fv_config_id(&config, FV_ARITHMETIC_FUSED, of_config);
    fv_config_id(&defaults, FV_ARITHMETIC_FUSED, of_defaults);
    assert_string_equal(of_config, of_defaults);
    // What is dropped takes with it what it would have had read.
    set(&config, "task.name", "mqar");
    set(&config, "task.distribution", "zipf");
    set(&config, "train.token_rate_power", "1");
    config_drop_unread(&config);
    assert_int_equal(config.task.distribution, FV_DISTRIBUTION_UNIFORM);
    assert_true(config.train.token_rate_power == 0);
}

static void id_of(const fv_config *config, char id[17]) {
    fv_config_id(config, FV_ARITHMETIC_FUSED, id);
}

// Some value of the field that is not its default.
static void change(fv_config *config, const fv_field *field) {
    static const char *const tries[] = {
        "1",     "2",     "3",   "0.25",     "true",
        "false", "[mlp]", "[7]", "{W_Q: 2}", "[{at: 1, reset: true}]"};
    char before[17], after[17];
    id_of(config, before);
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        if (fv_config_set(config, field->key, tries[i], NULL) != FV_OK) continue;
        id_of(config, after);
        if (strcmp(before, after) != 0) return;
    }
    for (int i = 0; field->type == FV_TYPE_CHOICE && field->choices[i] != NULL; i++) {
        assert_int_equal(fv_config_set(config, field->key, field->choices[i], NULL), FV_OK);
        id_of(config, after);
        if (strcmp(before, after) != 0) return;
    }
    if (field->choices == NULL || field->choices[1] != NULL)
        fail_msg("no value of %s changes the identity", field->key);
}

// An update that would divide 0 by 0 is refused, where the optimizer divides at all.
static void too_small_an_epsilon_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *optimizer, *epsilon;
        bool refused;
    } cases[] = {{"adam", "0", true},      {"adamw", "0", true},  {"adam", "1e-40", true},
                 {"adam", "1e-30", false}, {"adamw", "1", false}, {"sgd", "0", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fv_config config;
        fv_error error = {.text = ""};
        fv_config_init(&config);
        set(&config, "train.optimizer", cases[i].optimizer);
        set(&config, "train.epsilon", cases[i].epsilon);
        fv_status status = fv_config_check(&config, &error);
        if (!cases[i].refused && strstr(error.text, "1e-30") == NULL) continue;
        assert_int_equal(status, FV_USAGE);
        assert_non_null(strstr(error.text, "train.epsilon"));
        assert_non_null(strstr(error.text, "0 / 0"));
        assert_non_null(strstr(error.text, "it needs 1e-30 or more"));
    }
}

static void identity_depends_on_every_field(void **state) {
    (void)state;
    int n;
    const fv_field *fields = fv_fields(&n);
    char ids[256][17];
    assert_true(n < 256);
    int n_ids = 0;
    for (int i = 0; i < n; i++) {
        if (fields[i].type == FV_TYPE_CHOICE && fields[i].choices[1] == NULL) continue;
        // Digests stand for places.
        if (strcmp(fields[i].key, "task.path") == 0) continue;
        if (strcmp(fields[i].key, "train.from") == 0) continue;
        fv_config config;
        fv_config_init(&config);
        change(&config, &fields[i]);
        id_of(&config, ids[n_ids]);
        for (int j = 0; j < n_ids; j++) assert_string_not_equal(ids[j], ids[n_ids]);
        n_ids++;
    }
}

static void identity_is_of_values_not_of_spelling(void **state) {
    (void)state;
    fv_config a, b;
    fv_config_init(&a);
    fv_config_init(&b);
    set(&a, "train.learning_rate", "1e-2");
    set(&b, "train.learning_rate", "0.010");
    set(&b, "task.vocab_size", "100"); // the default, said aloud
    char of_a[17], of_b[17];
    id_of(&a, of_a);
    id_of(&b, of_b);
    assert_string_equal(of_a, of_b);
    assert_int_equal(strspn(of_a, "0123456789abcdef"), 16);
}

static void identity_depends_on_the_arithmetic(void **state) {
    (void)state;
    fv_config config;
    fv_config_init(&config);
    char fused[17], plain[17], reference[17];
    fv_config_id(&config, FV_ARITHMETIC_FUSED, fused);
    fv_config_id(&config, FV_ARITHMETIC_PLAIN, plain);
    fv_config_id(&config, FV_ARITHMETIC_REFERENCE, reference);
    assert_string_not_equal(fused, plain);
    assert_string_not_equal(fused, reference);
    assert_string_not_equal(plain, reference);
}

// FNV-1a of "probes=\nnumerics=5\n" and of some fields more, computed elsewhere: run stores made
// with the same numerics must go on being found, also beside a change that touches other
// configurations.
static void identity_stays(void **state) {
    (void)state;
    fv_config config;
    fv_config_init(&config);
    char id[17];
    id_of(&config, id);
    assert_string_equal(id, "b79ed12752e0746f");
    set(&config, "task.vocab_size", "4");
    set(&config, "train.seed", "1");
    id_of(&config, id);
    assert_string_equal(id, "71ebe9ef76124a8d");
    set(&config, "task.context_length", "511");
    id_of(&config, id);
    assert_string_equal(id, "dda23753d6b52978");
    set(&config, "task.context_length", "512"); // "numerics=6"
    id_of(&config, id);
    assert_string_equal(id, "00d0cbe7c867eb48");
    // config/numerics.c, which lies below the model, names its threshold a second time.
    assert_int_equal(FV_LONG_CONTEXT, 512);
}

static void distances_of_spelling(void **state) {
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("seed", "sede"), 1);
    assert_int_equal(text_distance("ab", "ba"), 1);
    assert_int_equal(text_distance("ca", "abc"), 3); // what optimal string alignment gives
    char longer[300];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(text_distance(longer, "y"), 63);
}

static void reals_have_their_shortest_text(void **state) {
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        double value, back;
        memcpy(&value, &random, sizeof value);
        if (i % 2) value = (double)(int64_t)(random >> 40) / 1000;
        if (!isfinite(value)) continue;
        char text[32];
        assert_true(text_from_real(value, text, sizeof text) < (int)sizeof text);
        assert_true(text_to_real(text, &back));
        assert_memory_equal(&back, &value, sizeof value);
    }
    char text[32];
    text_from_real(0.1, text, sizeof text);
    assert_string_equal(text, "0.1");
    text_from_real(3000, text, sizeof text);
    assert_string_equal(text, "3000");
    text_from_real(1e300, text, sizeof text);
    assert_string_equal(text, "1e+300");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_what_the_table_says),
        cmocka_unit_test(values_are_set_and_written),
        cmocka_unit_test(refused_values_say_what_would_be_right),
        cmocka_unit_test(refused_lists_say_what_would_be_right),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(too_small_an_epsilon_is_refused),
        cmocka_unit_test(lists_have_a_limit),
        cmocka_unit_test(get_counts_beyond_the_end),
        cmocka_unit_test(numbers_of_fields),
        cmocka_unit_test(fields_must_fit_together),
        cmocka_unit_test(readers_name_fields_and_choices),
        cmocka_unit_test(unread_fields_fall_back),
        cmocka_unit_test(identity_depends_on_every_field),
        cmocka_unit_test(identity_is_of_values_not_of_spelling),
        cmocka_unit_test(identity_depends_on_the_arithmetic),
        cmocka_unit_test(identity_stays),
        cmocka_unit_test(distances_of_spelling),
        cmocka_unit_test(reals_have_their_shortest_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
