// Muon against a trajectory in double precision (data/muon.py), what counts as a matrix, and what is
// refused.
#include "configurations.h"

#include "model/layers.h"
#include "train/optimizer.h"

#include <fovea/train.h>
#include <jansson.h>

enum { L = FV_LANES };

// A model's parameters under an optimizer, which the test gives gradients.
typedef struct rig {
    fv_config config;
    fv_model *model;
    size_t n; // padded
    train_optimizer optimizer;
    float *gradient;
} rig;

static float *zeros(size_t n) {
    float *array = aligned_alloc(64, n * sizeof *array);
    memset(array, 0, n * sizeof *array);
    return array;
}

static void rig_open(const char *words, rig *r) {
    r->config = configure(words);
    check_ok(fv_model_create(&r->config, &r->model, NULL));
    r->n = (fv_model_n_params(r->model) + L - 1) / L * L;
    r->optimizer = (train_optimizer){.config = &r->config.train,
                                     .n = r->n,
                                     .params = zeros(r->n),
                                     .m = zeros(r->n),
                                     .v = zeros(r->n)};
    r->gradient = zeros(r->n);
    check_ok(optimizer_open(&r->optimizer, r->model, NULL));
}

static void rig_close(rig *r) {
    optimizer_close(&r->optimizer);
    free(r->optimizer.params);
    free(r->optimizer.m);
    free(r->optimizer.v);
    free(r->gradient);
    fv_model_free(r->model);
}

static json_t *read_reference(void) {
    json_error_t error;
    json_t *all = json_load_file(FOVEA_SOURCE_DIR "/tests/unit/data/muon.json", 0, &error);
    if (all == NULL) fail_msg("muon.json: %s", error.text);
    return all;
}

static void check_layout(const fv_model *model, const json_t *tensors) {
    int n;
    const fv_tensor *ours = fv_model_tensors(model, &n);
    assert_int_equal(n, json_array_size(tensors));
    for (int i = 0; i < n; i++) {
        const json_t *row = json_array_get(tensors, (size_t)i), *shape = json_array_get(row, 1);
        assert_string_equal(ours[i].name, json_string_value(json_array_get(row, 0)));
        assert_int_equal(ours[i].n_dims, json_array_size(shape));
        for (int k = 0; k < ours[i].n_dims; k++)
            assert_int_equal(ours[i].shape[k],
                             json_integer_value(json_array_get(shape, (size_t)k)));
    }
}

static void test_trajectory(void **state) {
    (void)state;
    rig r;
    rig_open("task.vocab_size=5 task.context_length=3 model.n_embd=4 model.layers=[attention,mlp] "
             "model.d_mlp=6 model.norm=rms train.optimizer=muon train.learning_rate=0.02 "
             "train.weight_decay=0.1 train.rest_rate=0.003",
             &r);
    json_t *reference = read_reference();
    check_layout(r.model, json_object_get(reference, "tensors"));
    const json_t *wanted = json_object_get(reference, "params");
    size_t n = fv_model_n_params(r.model);
    assert_int_equal(json_array_size(wanted), n);
    for (size_t i = 0; i < n; i++) r.optimizer.params[i] = (float)sin(0.37 * (double)(i + 1));
    int steps = (int)json_integer_value(json_object_get(reference, "steps"));
    for (int step = 0; step < steps; step++) {
        for (size_t i = 0; i < n; i++)
            r.gradient[i] = (float)(0.1 * cos(0.11 * (double)(i + 1) * (step + 1)));
        optimizer_step(&r.optimizer, kernels_get(), step, r.gradient);
    }
    for (size_t i = 0; i < n; i++)
        check_near((double)r.optimizer.params[i], json_real_value(json_array_get(wanted, i)), 5e-6);
    json_decref(reference);
    rig_close(&r);
}

// Whether a step with a gradient of ones moves every number of the tensor by the same, as AdamW does,
// or by what an orthogonal matrix has: numbers whose squares sum up to about one.
static bool is_moved_as_matrix(const rig *r, const fv_tensor *tensor) {
    double square = 0, rate = r->config.train.rest_rate;
    for (size_t k = 0; k < tensor->size; k++) {
        double moved = -(double)r->optimizer.params[tensor->offset + k] / rate;
        square += moved * moved;
    }
    return square < 0.5 * (double)tensor->size;
}

static void test_what_is_a_matrix(void **state) {
    (void)state;
    rig r;
    rig_open("task.vocab_size=9 task.context_length=8 model.n_embd=8 "
             "model.layers=[attention,mamba,mlp] model.norm=layer model.bias=true "
             "model.positions=learned model.activation=geglu train.optimizer=muon "
             "train.learning_rate=1e-3",
             &r);
    for (size_t i = 0; i < fv_model_n_params(r.model); i++) r.gradient[i] = 1;
    optimizer_step(&r.optimizer, kernels_get(), 0, r.gradient);
    static const char *const matrices[] = {"blocks.0.attn.W_Q",       "blocks.0.attn.W_K",
                                           "blocks.0.attn.W_V",       "blocks.0.attn.W_O",
                                           "blocks.0.mamba.in_proj",  "blocks.0.mamba.x_proj",
                                           "blocks.0.mamba.out_proj", "blocks.0.mlp.W_gate",
                                           "blocks.0.mlp.W_in",       "blocks.0.mlp.W_out"};
    int n, n_matrices = 0;
    const fv_tensor *tensors = fv_model_tensors(r.model, &n);
    for (int i = 0; i < n; i++) {
        bool listed = false;
        for (int k = 0; k < 10; k++) listed |= strcmp(tensors[i].name, matrices[k]) == 0;
        // One row of a rank: a vector, whatever its name.
        if (strcmp(tensors[i].name, "blocks.0.mamba.dt_proj.w") == 0)
            assert_int_equal(tensors[i].shape[0], 1);
        if (is_moved_as_matrix(&r, &tensors[i]) != listed)
            fail_msg("%s is %smoved as a matrix", tensors[i].name, listed ? "not " : "");
        n_matrices += listed;
    }
    assert_int_equal(n_matrices, 10);
    rig_close(&r);
}

static void test_a_gradient_of_zero(void **state) {
    (void)state;
    rig r;
    rig_open("task.vocab_size=5 task.context_length=3 model.n_embd=4 train.optimizer=muon", &r);
    size_t n = fv_model_n_params(r.model);
    for (size_t i = 0; i < n; i++) r.optimizer.params[i] = 1;
    optimizer_step(&r.optimizer, kernels_get(), 0, r.gradient);
    for (size_t i = 0; i < n; i++) assert_true(r.optimizer.params[i] == 1);
    rig_close(&r);
}

static void test_refusals(void **state) {
    (void)state;
    static const char *const words[][2] = {
        {"model.layers", "[rms_norm, layer_norm]"}, {"model.layers", "[]"}, {"model.n_embd", "1"}};
    for (int i = 0; i < 3; i++) {
        fv_config config;
        fv_error error;
        fv_config_init(&config);
        check_ok(fv_config_set(&config, "train.optimizer", "muon", &error));
        check_ok(fv_config_set(&config, words[i][0], words[i][1], &error));
        assert_int_equal(fv_config_check(&config, &error), FV_USAGE);
        assert_non_null(strstr(error.text, "have only vectors; use adamw"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trajectory),
        cmocka_unit_test(test_what_is_a_matrix),
        cmocka_unit_test(test_a_gradient_of_zero),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
