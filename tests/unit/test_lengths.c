// Training over a range of lengths: which lengths are drawn, that one length is what it was without
// a range, that models of all lengths share their parameters, and that none reads what another left
// in the workspace.
#include "configurations.h"

#include "probes/retrieval.h"
#include "train/lengths.h"

#include <fovea/train.h>

#define SMALL "task.name=needle task.vocab_size=16 train.batch_size=24 model.n_embd=8 "

static fv_model *make_model(const char *words) {
    fv_config config = configure(words);
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    return model;
}

static void test_draws(void **state) {
    (void)state;
    enum { STEPS = 7000, N = 7 };
    fv_model *model = make_model(SMALL "task.context_length=40 task.length_min=5 "
                                       "task.length_max=24 task.length_step=3");
    train_lengths lengths;
    check_ok(lengths_create(model, &lengths, NULL));
    assert_int_equal(lengths.n, N); // 5, 8, ..., 23
    assert_int_equal(lengths_longest(&lengths)->model->config.task.context_length, 23);
    assert_int_equal(training_longest(&model->config.task), 23);
    int count[N] = {0};
    for (int step = 0; step < STEPS; step++) {
        const train_length *length = lengths_draw(&lengths, step);
        assert_ptr_equal(length, lengths_draw(&lengths, step));
        count[length - lengths.at]++;
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(lengths.at[i].data.config.context_length, 5 + 3 * i);
        check_near(count[i], STEPS / N, 6 * sqrt(STEPS / N));
    }
    lengths_free(&lengths);
    fv_model_free(model);
}

static void test_parameters_are_shared(void **state) {
    (void)state;
    static const char *const positions[] = {"none", "learned", "sinusoidal"};
    for (int p = 0; p < 3; p++) {
        char words[256];
        snprintf(words, sizeof words,
                 SMALL "task.context_length=20 task.length_min=4 model.positions=%s "
                       "model.layers=[attention,mlp,layer_norm,mamba]",
                 positions[p]);
        fv_model *model = make_model(words);
        train_lengths lengths;
        check_ok(lengths_create(model, &lengths, NULL));
        assert_int_equal(lengths.n, 17);
        for (int i = 0; i < lengths.n; i++) {
            const fv_model *other = lengths.at[i].model;
            assert_int_equal(other->n_params, model->n_params);
            assert_int_equal(other->n_tensors, model->n_tensors);
            for (int k = 0; k < model->n_tensors; k++)
                assert_memory_equal(&other->tensors[k], &model->tensors[k], sizeof *model->tensors);
        }
        lengths_free(&lengths);
        fv_model_free(model);
    }
}

// Losses of some steps.
static void losses_of(const char *words, int n, double *losses) {
    fv_config config = configure(words);
    fv_trainer *trainer;
    check_ok(fv_trainer_create(&config, 2, &trainer, NULL));
    for (int i = 0; i < n; i++) losses[i] = fv_trainer_step(trainer, NULL);
    fv_trainer_free(trainer);
}

static void test_one_length(void **state) {
    (void)state;
    enum { N = 20 };
    double plain[N], within[N], whole[N];
    losses_of(SMALL "task.context_length=12 model.layers=[attention,mlp]", N, plain);
    losses_of(SMALL "task.context_length=30 task.length_max=12 model.layers=[attention,mlp]", N,
              within);
    losses_of(SMALL "task.context_length=12 task.length_min=12 model.layers=[attention,mlp]", N,
              whole);
    assert_memory_equal(plain, within, sizeof plain);
    assert_memory_equal(plain, whole, sizeof plain);
    losses_of(SMALL "task.context_length=12 task.length_min=6 model.layers=[attention,mlp]", N,
              whole);
    assert_memory_not_equal(plain, whole, sizeof plain);
}

static void test_learns(void **state) {
    (void)state;
    enum { N = 400 };
    double losses[N], late = 0;
    losses_of("task.name=kv_retrieval task.vocab_size=8 task.context_length=9 task.length_min=3 "
              "task.length_max=5 model.n_embd=16 model.layers=[attention,attention] "
              "model.residual=true model.positions=learned train.batch_size=64 "
              "train.learning_rate=1e-2",
              N, losses);
    for (int i = N - 50; i < N; i++) late += losses[i] / 50;
    check_between(late, 0, 0.1);
    check_between(losses[0], 1, 10);
}

// Forward and backward of one tile in a workspace filled with `filling`.
static void run_tile(const train_length *length, int filling, float *gradient, double *loss) {
    const fv_model *model = length->model;
    memory_arena workspace = model->plan;
    check_ok(arena_allocate(&workspace, NULL));
    memset(workspace.base, filling, workspace.size);
    float *params = malloc(model->n_params * sizeof *params);
    fv_model_init_params(model, 3, params);
    memset(gradient, 0, model->n_params * sizeof *gradient);
    model_tile tile = {.model = model,
                       .kernels = kernels_get(),
                       .workspace = &workspace,
                       .n_groups = model->group_capacity,
                       .params = params,
                       .gradient = gradient,
                       .weight = 1};
    data_batch(&length->data, FV_STREAM_TRAIN, 0, 0, tile.n_groups, 24,
               arena_at(&workspace, model->tokens), arena_at(&workspace, model->targets));
    tile_run(&tile);
    const float *losses = arena_at(&workspace, model->losses);
    *loss = 0;
    for (int i = 0; i < tile.n_groups * FV_LANES; i++) *loss += (double)losses[i];
    free(params);
    arena_free(&workspace);
}

// A workspace serves one length after the other: what was there before, here all NaN, must not
// matter.
static void test_workspaces_need_no_clearing(void **state) {
    (void)state;
    static const char *const models[] = {
        "model.layers=[attention]",
        "model.layers=[attention,attention] model.n_head=2 model.norm=rms model.bias=true",
        "model.layers=[attention,mlp,layer_norm] model.residual=true model.positions=learned",
        "model.layers=[mlp,attention,attention] model.score=euclidean model.exclude_self=true",
        "model.layers=[attention,attention] model.window=4 model.sinks=2",
        "model.layers=[mamba,mamba] model.norm=rms model.residual=true",
        "model.layers=[mamba,attention,mamba] model.mamba_conv=2 model.positions=sinusoidal",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char words[256];
        snprintf(words, sizeof words, SMALL "task.context_length=12 task.length_min=11 %s",
                 models[i]);
        fv_model *model = make_model(words);
        train_lengths lengths;
        check_ok(lengths_create(model, &lengths, NULL));
        float *clean = malloc(model->n_params * sizeof *clean);
        float *dirty = malloc(model->n_params * sizeof *dirty);
        double clean_loss, dirty_loss;
        run_tile(&lengths.at[0], 0, clean, &clean_loss);
        run_tile(&lengths.at[0], 0xff, dirty, &dirty_loss);
        check_near(dirty_loss, clean_loss, 0);
        if (memcmp(clean, dirty, model->n_params * sizeof *clean) != 0)
            fail_msg("%s: the gradient depends on what was in the workspace", models[i]);
        free(clean);
        free(dirty);
        lengths_free(&lengths);
        fv_model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_parameters_are_shared),
        cmocka_unit_test(test_one_length),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_workspaces_need_no_clearing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
