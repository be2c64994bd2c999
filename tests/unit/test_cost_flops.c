// The cost model's operations against closed forms, counting, and the counts of the lab's own
// layers.
#include "costs.h"
#include "model/layers.h"

#include <fovea/train.h>

static void attention_is_4nnd_8ndd(void **state) {
    (void)state;
    const uint64_t d = 128;
    fv_cost_model *model = one_layer(d, 1);
    for (uint64_t n = 1; n <= 1 << 20; n *= 2) {
        fv_cost_setting setting = at(n, 1);
        setting.full = true;
        uint64_t flops = part_of(model, "attention", &setting).value[FV_COST_PREFILL];
        uint64_t scores = flops - 8 * n * d * d;
        assert_int_equal(flops, 4 * n * n * d + 8 * n * d * d);
        assert_int_equal(scores > flops - scores, n > 2 * d);
        if (n == 1024) assert_int_equal(scores, 536870912);
    }
    fv_cost_model_free(model);
}

// Causal pairs, with and without a window, against counting them.
static void pairs_are_counted(void **state) {
    (void)state;
    fv_cost_model *model = load("gemma-3-1b");
    for (uint64_t n = 1; n < 2000; n += 173) {
        fv_cost_setting setting = at(n, 1);
        uint64_t all = 0, near = 0, width = 4 * 256;
        for (uint64_t q = 0; q < n; q++)
            for (uint64_t k = 0; k <= q; k++) {
                all++;
                near += q - k < 512;
            }
        fv_cost full = part_of(model, "attention", &setting);
        fv_cost window = part_of(model, "attention, window 512", &setting);
        uint64_t linear = 2 * n * full.value[FV_COST_WEIGHTS];
        assert_int_equal(full.value[FV_COST_PREFILL], linear + 4 * width * all);
        assert_int_equal(window.value[FV_COST_PREFILL], linear + 4 * width * near);
        assert_int_equal(full.value[FV_COST_TRAINING], 3 * full.value[FV_COST_PREFILL]);
        setting.recompute = true;
        assert_int_equal(part_of(model, "attention", &setting).value[FV_COST_TRAINING],
                         3 * linear + 14 * width * all);
    }
    fv_cost_model_free(model);
}

// Decoding token after token does what one prefill does, but for the logits.
static void decoding_adds_up_to_prefill(void **state) {
    (void)state;
    static const char *const NAMES[] = {"gemma-3-1b", "jamba-1.5-mini", "zamba2-2.7b",
                                        "qwen3-30b-a3b"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(600, 2);
        fv_cost whole = total_of(model, &setting);
        uint64_t logits = 2 * part_of(model, "unembedding", &setting).value[FV_COST_DECODE];
        uint64_t sum = 0;
        for (uint64_t t = 1; t <= 600; t++) {
            setting.tokens = t;
            sum += total_of(model, &setting).value[FV_COST_DECODE];
        }
        assert_int_equal(sum - 599 * logits, whole.value[FV_COST_PREFILL]);
        fv_cost_model_free(model);
    }
}

// The lab's layers count their own multiply-adds: the same model as a config.json must give the
// same parameters and the same FLOPs of a training step.
static fv_trainer *lab_model(int d, int n_tokens, int vocab, int batch, fv_config *config) {
    fv_trainer *trainer;
    fv_error error = {0};
    config->task.vocab_size = vocab;
    config->task.context_length = n_tokens;
    config->task.loss = FV_LOSS_ALL;
    config->model.n_embd = d;
    config->model.residual = config->model.tied = true;
    config->train.batch_size = batch;
    if (fv_trainer_create(config, 1, &trainer, &error) != FV_OK) fail_msg("%s", error.text);
    return trainer;
}

static void compare_with_lab(int d, int n_head, int n_layers, int n_tokens, int vocab, int batch) {
    fv_config config;
    fv_config_init(&config);
    config.model.n_head = n_head;
    config.model.layers.n = 2 * n_layers;
    for (int i = 0; i < 2 * n_layers; i++)
        config.model.layers.kind[i] = i % 2 ? FV_LAYER_MLP : FV_LAYER_ATTENTION;
    config.model.positions = FV_POSITIONS_LEARNED;
    config.model.bias = true;
    config.model.norm = FV_NORM_LAYER;
    fv_trainer *trainer = lab_model(d, n_tokens, vocab, batch, &config);

    char json[512];
    snprintf(json, sizeof json,
             "{\"model_type\": \"gpt2\", \"n_embd\": %d, \"n_layer\": %d, \"n_head\": %d, "
             "\"vocab_size\": %d, \"n_positions\": %d}",
             d, n_layers, n_head, vocab, n_tokens);
    fv_cost_model *model = parse(strdup(json));
    fv_cost_setting setting = at((uint64_t)n_tokens, (uint64_t)batch);
    fv_cost total = total_of(model, &setting);
    assert_int_equal(total.value[FV_COST_PARAMETERS], fv_model_n_params(fv_trainer_model(trainer)));
    assert_true((double)total.value[FV_COST_TRAINING] == fv_trainer_cost(trainer).flops);
    fv_cost_model_free(model);
    fv_trainer_free(trainer);
}

// Everything but the scan, of which a training step has three: `cost` counts the parallel scan's 9
// operations a number of the state, the lab the 6 of its own, which goes from position to position.
static void compare_mamba_with_lab(int d, int n_layers, int n_state, int n_conv, int n_tokens,
                                   int vocab, int batch) {
    fv_config config;
    fv_config_init(&config);
    config.model.layers.n = n_layers;
    for (int i = 0; i < n_layers; i++) config.model.layers.kind[i] = FV_LAYER_MAMBA;
    config.model.mamba_state = n_state;
    config.model.mamba_conv = n_conv;
    config.model.mamba_expand = 2;
    config.model.mamba_dt_rank = 3;
    config.model.positions = FV_POSITIONS_NONE;
    config.model.bias = false;
    config.model.norm = FV_NORM_RMS;
    fv_trainer *trainer = lab_model(d, n_tokens, vocab, batch, &config);

    char json[512];
    snprintf(json, sizeof json,
             "{\"model_type\": \"mamba\", \"hidden_size\": %d, \"num_hidden_layers\": %d, "
             "\"state_size\": %d, \"conv_kernel\": %d, \"expand\": 2, \"time_step_rank\": 3, "
             "\"vocab_size\": %d}",
             d, n_layers, n_state, n_conv, vocab);
    fv_cost_model *model = parse(strdup(json));
    fv_cost_setting setting = at((uint64_t)n_tokens, (uint64_t)batch);
    fv_cost total = total_of(model, &setting);
    double numbers = (double)batch * n_layers * n_tokens * 2 * d * n_state;
    assert_int_equal(total.value[FV_COST_PARAMETERS], fv_model_n_params(fv_trainer_model(trainer)));
    assert_true((double)total.value[FV_COST_TRAINING] - 3 * 9 * numbers ==
                fv_trainer_cost(trainer).flops - 3 * 6 * numbers);
    fv_cost_model_free(model);
    fv_trainer_free(trainer);
}

static void flops_agree_with_the_lab(void **state) {
    (void)state;
    compare_with_lab(2, 1, 1, 4, 100, 256);
    compare_with_lab(32, 4, 2, 33, 64, 7);
    compare_with_lab(48, 3, 3, 100, 11, 20);
    compare_mamba_with_lab(4, 1, 2, 2, 5, 10, 16);
    compare_mamba_with_lab(32, 2, 16, 4, 33, 64, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_4nnd_8ndd),
        cmocka_unit_test(pairs_are_counted),
        cmocka_unit_test(decoding_adds_up_to_prefill),
        cmocka_unit_test(flops_agree_with_the_lab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
