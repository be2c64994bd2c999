// What a run begins with and what changes on its way: parameters from a checkpoint or another run, tensors
// that are frozen or learn faster, stages.
#include "configurations.h"
#include "folder.h"

#include "config/as_written.h"
#include "config/stages.h"
#include "lab/origin.h"

#include <fovea/checkpoint.h>
#include <fovea/store.h>
#include <fovea/train.h>

static const char SMALL[] = "task.vocab_size=7 task.context_length=3 model.n_embd=4 model.n_head=2 "
                            "train.batch_size=40 train.steps=12 model.layers=[attention,mlp]";

static void set(fv_config *config, const char *key, const char *value) {
    fv_error error;
    if (fv_config_set(config, key, value, &error) != FV_OK) fail_msg("%s", error.text);
}

static fv_config small(const char *key, const char *value) {
    fv_config config = configure(SMALL);
    set(&config, "train.learning_rate", "0.01");
    if (key != NULL) set(&config, key, value);
    return config;
}

static void run(const fv_config *config, int n_threads, fv_record *record) {
    fv_error error;
    const fv_run_options options = {.n_threads = n_threads};
    fv_record_init(record);
    if (fv_run(config, &options, record, &error) != FV_OK) fail_msg("%s", error.text);
}

static const float *result(const fv_record *record) {
    return record->snapshots[record->n_snapshots - 1].params;
}

static bool same_result(const fv_record *a, const fv_record *b) {
    return a->n_params == b->n_params &&
           memcmp(result(a), result(b), a->n_params * sizeof(float)) == 0;
}

static bool same_run(const fv_config *a, const fv_config *b) {
    fv_record one, other;
    run(a, 1, &one);
    run(b, 1, &other);
    bool same = same_result(&one, &other);
    fv_record_free(&one);
    fv_record_free(&other);
    return same;
}

// --- one form ---------------------------------------------------------------------------------------

static const char *const FORMS[][3] = {
    {"train.freeze", "[W_K, W_Q, W_K]", "[W_K, W_Q]"},
    {"train.freeze", "W_Q", "[W_Q]"},
    {"train.freeze", "[\"*.W_O\", blocks.0.*]", "[\"*.W_O\", blocks.0.*]"},
    {"train.rates", "{W_Q: 1e1, W_K: 0.50}", "{W_K: 0.5, W_Q: 10}"},
    {"train.stages", "{at: 5, train.batch_size: 8}", "[{at: 5, train.batch_size: 8}]"},
    {"train.stages",
     "[{train: {learning_rate: 1e-2}, reset: true, at: 5}, {at: 1e1, task.loss: all}]",
     "[{at: 5, reset: true, train.learning_rate: 0.01}, {at: 10, task.loss: all}]"},
    {"train.stages", "[{at: 5, train.freeze: [W_V, W_Q]}]", "[{at: 5, train.freeze: [W_Q, W_V]}]"},
};

static void values_have_one_form(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        fv_config config = small(FORMS[i][0], FORMS[i][1]);
        char text[2048];
        for (int round = 0; round < 2; round++) {
            fv_config_get(&config, fv_field_find(FORMS[i][0]), text, sizeof text);
            assert_string_equal(text, FORMS[i][2]);
            set(&config, FORMS[i][0], text);
        }
    }
}

static const char *const REFUSED[][3] = {
    {"train.freeze", "{W_Q: 1}", "must be a list of patterns"},
    {"train.freeze", "[W Q]", "is no pattern of a tensor's name"},
    {"train.rates", "[W_Q]", "must be a mapping from patterns to factors"},
    {"train.rates", "{W_Q: fast}", "the factor of W_Q must be a number above 0"},
    {"train.rates", "{W_Q: -1}", "the factor of W_Q must be a number above 0"},
    {"train.rates", "{W_Q: 0}", "named in train.freeze"},
    {"train.stages", "[5]", "must be a list of mappings"},
    {"train.stages", "[{train.batch_size: 8}]", "says with `at`"},
    {"train.stages", "[{at: 0, train.batch_size: 8}]", "at must be a step from 1 on"},
    {"train.stages", "[{at: 5}]", "changes nothing"},
    {"train.stages", "[{at: 5, reset: maybe}]", "reset must be true or false"},
    {"train.stages", "[{at: 5, train.batchsize: 8}]", "the nearest is 'train.batch_size'"},
    {"train.stages", "[{at: 5, model.n_embd: 8}]", "model.n_embd is the same in the whole run"},
    {"train.stages", "[{at: 5, task.vocab_size: 8}]", "the same in the whole run"},
    {"train.stages", "[{at: 5, train.batch_size: -8}]", "train.batch_size must be a whole number"},
    {"train.stages", "[{at: 5, reset: true}, {at: 5, reset: true}]", "in the order of their steps"},
    {"train.stages", "[{at: 5, train.batch_size: 8, train: {batch_size: 9}}]", "given twice"},
};

static void mistakes_say_what_would_be_right(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        fv_config config = configure(SMALL), before = config;
        fv_error error;
        assert_int_equal(fv_config_set(&config, REFUSED[i][0], REFUSED[i][1], &error), FV_USAGE);
        if (strstr(error.text, REFUSED[i][2]) == NULL)
            fail_msg("%s: '%s' does not say '%s'", REFUSED[i][1], error.text, REFUSED[i][2]);
        assert_memory_equal(&config, &before, sizeof config);
    }
    static const char *const STAGES[][2] = {
        {"[{at: 12, train.batch_size: 8}]", "the run has 12"},
        {"[{at: 5, task.zipf_alpha: 2}]", "nothing reads task.zipf_alpha"},
        {"[{at: 5, task.offset: 3}]", "in the stage at step 5"},
    };
    for (size_t i = 0; i < sizeof STAGES / sizeof *STAGES; i++) {
        fv_config config = small("train.stages", STAGES[i][0]);
        fv_error error;
        assert_int_equal(fv_config_check(&config, &error), FV_USAGE);
        if (strstr(error.text, STAGES[i][1]) == NULL)
            fail_msg("'%s' does not say '%s'", error.text, STAGES[i][1]);
    }
}

static void patterns_fit_names(void **state) {
    (void)state;
    const char *name = "blocks.0.attn.W_Q";
    assert_true(pattern_fits("W_Q", name) && pattern_fits("W_?", name));
    assert_true(pattern_fits(name, name) && pattern_fits("blocks.0.*", name));
    assert_true(pattern_fits("attn.W_*", name) && pattern_fits("blocks.*.W_Q", name));
    assert_false(pattern_fits("W_K", name) || pattern_fits("blocks", name));
    assert_false(pattern_fits("blocks.1.*", name) || pattern_fits("b*", name));
}

// --- frozen and faster ------------------------------------------------------------------------------

static const char *const OPTIMIZERS[] = {"sgd", "momentum", "adam", "adamw", "muon"};

// What is frozen keeps its bits, decay, clipping and momentum notwithstanding, and nothing else does.
static void frozen_tensors_stay(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof OPTIMIZERS / sizeof *OPTIMIZERS; k++) {
        fv_config config = small("train.freeze", "[W_Q, W_in]");
        set(&config, "train.optimizer", OPTIMIZERS[k]);
        set(&config, "train.weight_decay", "0.1");
        set(&config, "train.clip_norm", "0.5");
        set(&config, "train.snapshots", "[0]");
        fv_model *model;
        fv_record record;
        check_ok(fv_model_create(&config, &model, NULL));
        run(&config, 2, &record);
        int n;
        const fv_tensor *tensors = fv_model_tensors(model, &n);
        for (int i = 0; i < n; i++) {
            bool frozen = strstr(tensors[i].name, "W_Q") || strstr(tensors[i].name, "W_in");
            bool same =
                memcmp(record.snapshots[0].params + tensors[i].offset,
                       result(&record) + tensors[i].offset, tensors[i].size * sizeof(float)) == 0;
            if (same != frozen) fail_msg("%s: %s", OPTIMIZERS[k], tensors[i].name);
        }
        fv_record_free(&record);
        fv_model_free(model);
    }
}

// A gradient that nothing follows takes no part in the norm that clipping measures.
static void frozen_gradients_are_not_clipped_by(void **state) {
    (void)state;
    fv_config config = small("train.freeze", "[W_E, W_U]");
    fv_trainer *trainer;
    check_ok(fv_trainer_create(&config, 1, &trainer, NULL));
    fv_trainer_step(trainer, NULL);
    const float *gradient = fv_trainer_gradient(trainer);
    double square = 0, all = 0;
    int n;
    const fv_tensor *tensors = fv_model_tensors(fv_trainer_model(trainer), &n);
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < tensors[i].size; k++) {
            double g = (double)gradient[tensors[i].offset + k];
            all += g * g;
            if (strcmp(tensors[i].name, "embed.W_E") == 0) square += g * g;
        }
    assert_true(square == 0 && all > 0);
    fv_trainer_free(trainer);
}

// Under gradient descent ten times the rate is ten times the first step, and no other tensor's.
static void rates_scale_steps(void **state) {
    (void)state;
    fv_config plain = small("train.optimizer", "sgd"), fast = plain;
    set(&plain, "train.steps", "1");
    set(&plain, "train.snapshots", "[0]");
    set(&fast, "train.steps", "1");
    set(&fast, "train.rates", "{W_Q: 10, \"attn.W_*\": 2}");
    fv_record a, b;
    fv_model *model;
    check_ok(fv_model_create(&plain, &model, NULL));
    run(&plain, 1, &a);
    run(&fast, 1, &b);
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    for (int i = 0; i < n; i++) {
        double factor = strstr(tensors[i].name, "attn.W_") == NULL ? 1 : 2;
        if (strstr(tensors[i].name, "W_Q")) factor *= 10;
        for (size_t k = tensors[i].offset; k < tensors[i].offset + tensors[i].size; k++) {
            double begin = (double)a.snapshots[0].params[k];
            double one = (double)result(&a)[k] - begin, more = (double)result(&b)[k] - begin;
            if (fabs(more - factor * one) > 1e-6 + 1e-3 * fabs(more))
                fail_msg("%s: %g is not %g times %g", tensors[i].name, more, factor, one);
        }
    }
    fv_record_free(&a);
    fv_record_free(&b);
    fv_model_free(model);
}

static void patterns_without_a_tensor_are_refused(void **state) {
    (void)state;
    static const char *const KEYS[][3] = {
        {"train.freeze", "[W_X]", "train.freeze: no tensor of this model is named W_X"},
        {"train.rates", "{blocks.7.*: 2}",
         "train.rates: no tensor of this model is named blocks.7.*"},
        {"train.stages", "[{at: 5, train.freeze: [W_X]}]", "is named W_X; it has embed.W_E, "},
    };
    for (int i = 0; i < 3; i++) {
        fv_config config = small(KEYS[i][0], KEYS[i][1]);
        const fv_field *culprit = NULL;
        fv_error error;
        assert_int_equal(origin_check(&config, &culprit, &error), FV_USAGE);
        assert_non_null(strstr(error.text, KEYS[i][2]));
        assert_non_null(culprit);
    }
}

// --- beginnings -------------------------------------------------------------------------------------

static int make_folder(void **state) {
    (void)state;
    return folder_make("start.safetensors");
}

static fv_config from(const char *place, const char *steps) {
    fv_config config = small("train.steps", steps);
    set(&config, "train.from", place);
    fv_error error;
    if (origin_settle(&config, &error) != FV_OK) fail_msg("%s", error.text);
    return config;
}

static void write_result(const fv_config *config, const fv_record *record) {
    fv_model *model;
    check_ok(fv_model_create(config, &model, NULL));
    check_ok(fv_checkpoint_write(path, model, result(record), false, NULL));
    fv_model_free(model);
}

// A run of no steps that begins with a checkpoint ends with it, and its id knows the numbers and not the
// place.
static void runs_begin_with_a_checkpoint(void **state) {
    (void)state;
    fv_config config = small(NULL, NULL);
    fv_record first, second;
    run(&config, 1, &first);
    write_result(&config, &first);
    fv_config begun = from(path, "0");
    run(&begun, 1, &second);
    assert_true(same_result(&first, &second));
    char id[17], moved_id[17];
    fv_config moved = begun;
    set(&moved, "train.from", "elsewhere.safetensors");
    fv_config_id(&begun, FV_ARITHMETIC_FUSED, id);
    fv_config_id(&moved, FV_ARITHMETIC_FUSED, moved_id);
    assert_string_equal(id, moved_id);
    set(&moved, "train.from_digest", "0123456789abcdef");
    fv_config_id(&moved, FV_ARITHMETIC_FUSED, moved_id);
    assert_string_not_equal(id, moved_id);
    fv_error error;
    assert_int_equal(origin_settle(&moved, &error), FV_NOT_FOUND);
    set(&moved, "train.from", path);
    assert_int_equal(origin_settle(&moved, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "holds other parameters"));
    fv_record_free(&first);
    fv_record_free(&second);
}

// Another model has no place for them.
static void another_models_parameters_are_refused(void **state) {
    (void)state;
    fv_config config = small(NULL, NULL);
    fv_record record;
    run(&config, 1, &record);
    write_result(&config, &record);
    static const char *const OTHERS[][3] = {
        {"task.vocab_size", "8", "embed.W_E of "},
        {"model.layers", "[attention, mlp, mlp]", "has no tensor blocks.1.mlp.W_in"},
        {"model.layers", "[attention]", "has no place for blocks.0.mlp.W_in"},
    };
    for (int i = 0; i < 3; i++) {
        fv_config other = from(path, "12");
        set(&other, OTHERS[i][0], OTHERS[i][1]);
        const fv_field *culprit = NULL;
        fv_error error;
        assert_int_equal(origin_check(&other, &culprit, &error), FV_USAGE);
        if (strstr(error.text, OTHERS[i][2]) == NULL) fail_msg("%s", error.text);
    }
    fv_record_free(&record);
}

// A run of a store and its checkpoint are one beginning; a snapshot is another.
static void runs_begin_with_a_run(void **state) {
    (void)state;
    fv_config config = small("train.snapshots", "[5]");
    fv_record first, second;
    run(&config, 1, &first);
    write_result(&config, &first);
    char place[128], stored[64];
    snprintf(stored, sizeof stored, "%s/fovea.db", folder);
    fv_store *store;
    check_ok(fv_store_open(stored, FV_STORE_WRITE, &store, NULL));
    check_ok(fv_store_put(store, "test", &first, NULL));
    fv_store_close(store);
    snprintf(place, sizeof place, "%s/%.6s", folder, first.id);
    fv_config of_run = from(place, "3"), of_file = from(path, "3");
    assert_string_equal(of_run.train.from_digest.value, of_file.train.from_digest.value);
    assert_true(same_run(&of_run, &of_file));
    snprintf(place, sizeof place, "%s/%s@5", folder, first.id);
    fv_config of_snapshot = from(place, "0");
    run(&of_snapshot, 1, &second);
    assert_memory_equal(result(&second), first.snapshots[0].params, first.n_params * sizeof(float));
    snprintf(place, sizeof place, "%s/%s@6", folder, first.id);
    set(&of_snapshot, "train.from", place);
    fv_error error;
    assert_int_equal(origin_settle(&of_snapshot, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "has no snapshot of that step"));
    fv_record_free(&first);
    fv_record_free(&second);
    static const char *const PARTS[] = {"fovea.db", "fovea.db-wal", "fovea.db-shm",
                                        "fovea.db.lock"};
    for (int i = 0; i < 4; i++) {
        snprintf(place, sizeof place, "%s/%s", folder, PARTS[i]);
        unlink(place);
    }
}

// --- stages -------------------------------------------------------------------------------------------

// A stage that sets what already holds is no stage: every bit is that of the run without it, whatever the
// optimizer; one that begins the moments anew is another run.
static void stages_that_change_nothing_change_nothing(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof OPTIMIZERS / sizeof *OPTIMIZERS; k++) {
        fv_config plain = small("train.optimizer", OPTIMIZERS[k]), staged = plain, reset = plain;
        set(&staged, "train.stages",
            "[{at: 3, train.batch_size: 40}, {at: 7, train.batch_size: 40}]");
        set(&reset, "train.stages", "[{at: 7, reset: true}]");
        if (!same_run(&plain, &staged)) fail_msg("%s", OPTIMIZERS[k]);
        if (same_run(&plain, &reset) != (k == 0)) fail_msg("%s, reset", OPTIMIZERS[k]);
    }
}

// Before the stage the run is that of the beginning; from it on a run of the later configuration that
// begins there, where the optimizer remembers nothing.
static void stages_are_their_configurations(void **state) {
    (void)state;
    const char *STAGE = "[{at: 5, train.batch_size: 24, train.learning_rate: 0.3, task.offset: 1}]";
    fv_config staged = small("train.optimizer", "sgd"), first = staged;
    set(&staged, "train.stages", STAGE);
    set(&staged, "train.snapshots", "[5]");
    set(&staged, "train.log_every", "1");
    set(&first, "train.steps", "5");
    fv_record whole, half;
    run(&staged, 1, &whole);
    run(&first, 1, &half);
    assert_memory_equal(whole.snapshots[0].params, result(&half), half.n_params * sizeof(float));
    const fv_series *rates = fv_record_find(&whole, "learning_rate");
    assert_true(rates->values[4] == 0.01f && rates->values[5] == 0.3f);
    fv_record_free(&half);

    // The later steps by hand, on the batches of their numbers.
    fv_config later = small("train.optimizer", "sgd");
    set(&later, "train.batch_size", "24");
    set(&later, "train.learning_rate", "0.3");
    set(&later, "task.offset", "1");
    set(&later, "train.stages", "[{at: 5, train.batch_size: 24}]");
    int32_t tokens[12 * 40 * 3], targets[12 * 40], other[7 * 24 * 3], other_targets[7 * 24];
    fv_error error;
    assert_int_equal(fv_training_batches(&staged, 0, 12, tokens, targets, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "batches of another shape"));
    check_ok(fv_training_batches(&later, 5, 7, other, other_targets, NULL));
    for (int i = 0; i < 7 * 24; i++) assert_int_equal(other_targets[i], other[3 * i + 1]);
    fv_record_free(&whole);
}

// The batches of a staged run are those of its stages, one behind the other.
static void batches_are_those_of_stages(void **state) {
    (void)state;
    fv_config staged = small("train.stages", "[{at: 2, task.offset: 1}]");
    int32_t tokens[4 * 40 * 3], targets[4 * 40];
    check_ok(fv_training_batches(&staged, 0, 4, tokens, targets, NULL));
    for (int i = 0; i < 4 * 40; i++)
        assert_int_equal(targets[i], tokens[3 * i + (i < 2 * 40 ? 2 : 1)]);
}

static void threads_change_nothing(void **state) {
    (void)state;
    fv_config config =
        small("train.stages", "[{at: 4, train.batch_size: 300, reset: true}, "
                              "{at: 8, task.distribution: zipf, train.freeze: W_E}]");
    set(&config, "train.batch_size", "200");
    fv_record one, three;
    run(&config, 1, &one);
    run(&config, 3, &three);
    assert_true(same_result(&one, &three));
    fv_record_free(&one);
    fv_record_free(&three);
}

// Existing identities are as they were before these fields were there.
// stages, step, what is set there, what they are then.
static const char *const SET[][4] = {
    {"[]", "5", "0.1", "[{at: 5, train.learning_rate: 0.1}]"},
    {"[{at: 5, train.learning_rate: 0.2}]", "5", "0.1", "[{at: 5, train.learning_rate: 0.1}]"},
    {"[{at: 3, train.learning_rate: 0.2}]", "5", "0.1",
     "[{at: 3, train.learning_rate: 0.2}, {at: 5, train.learning_rate: 0.1}]"},
    {"[{at: 5, train.batch_size: 8}, {at: 7, train.learning_rate: 0.3}]", "5", "0.1",
     "[{at: 5, train.batch_size: 8, train.learning_rate: 0.1}]"},
    {"[{at: 6, reset: true, train.learning_rate: 0.3}, {at: 9, task.n_test: 64, "
     "train.learning_rate: 1}]",
     "5", "0.1",
     "[{at: 5, train.learning_rate: 0.1}, {at: 6, reset: true}, {at: 9, task.n_test: 64}]"},
};

static void a_stage_is_set(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SET / sizeof SET[0]; i++) {
        fv_error error;
        fv_config config = small("train.stages", SET[i][0]);
        if (stages_set(&config, atoi(SET[i][1]), "train.learning_rate", SET[i][2], &error) != FV_OK)
            fail_msg("%s", error.text);
        assert_string_equal(config.train.stages.value, SET[i][3]);
    }
    fv_error error;
    fv_config config = small(NULL, NULL);
    assert_int_equal(stages_set(&config, 5, "model.n_embd", "8", &error), FV_USAGE);
    assert_non_null(strstr(error.text, "model.n_embd is the same in the whole run"));
    assert_int_equal(stages_set(&config, 5, "train.learning_rate", "fast", &error), FV_USAGE);
    assert_string_equal(config.train.stages.value, "[]");
}

static void defaults_leave_ids_alone(void **state) {
    (void)state;
    fv_config config, again;
    char id[17], set_id[17];
    fv_config_init(&config);
    again = config;
    set(&again, "train.freeze", "[]");
    set(&again, "train.rates", "{}");
    set(&again, "train.stages", "[]");
    fv_config_id(&config, FV_ARITHMETIC_FUSED, id);
    fv_config_id(&again, FV_ARITHMETIC_FUSED, set_id);
    assert_string_equal(id, set_id);
    set(&again, "train.freeze", "[W_Q]");
    fv_config_id(&again, FV_ARITHMETIC_FUSED, set_id);
    assert_string_not_equal(id, set_id);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_one_form),
        cmocka_unit_test(mistakes_say_what_would_be_right),
        cmocka_unit_test(patterns_fit_names),
        cmocka_unit_test(frozen_tensors_stay),
        cmocka_unit_test(frozen_gradients_are_not_clipped_by),
        cmocka_unit_test(rates_scale_steps),
        cmocka_unit_test(patterns_without_a_tensor_are_refused),
        cmocka_unit_test_setup_teardown(runs_begin_with_a_checkpoint, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(another_models_parameters_are_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(runs_begin_with_a_run, make_folder, remove_folder),
        cmocka_unit_test(stages_that_change_nothing_change_nothing),
        cmocka_unit_test(stages_are_their_configurations),
        cmocka_unit_test(batches_are_those_of_stages),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(a_stage_is_set),
        cmocka_unit_test(defaults_leave_ids_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
