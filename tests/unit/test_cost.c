// The cost model against published sizes, measurements of others, identities, and the counts of the
// lab's own layers.
#include "cost/formula.h"
#include "model/layers.h"

#include <fovea/cost.h>
#include <fovea/train.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static fv_cost_model *load(const char *name) {
    char path[512];
    fv_error error = {0};
    fv_cost_model *model;
    snprintf(path, sizeof path, "%s/examples/configs/%s.json", FOVEA_SOURCE_DIR, name);
    if (fv_cost_model_read(path, &model, &error) != FV_OK) fail_msg("%s", error.text);
    return model;
}

static fv_cost total_of(const fv_cost_model *model, const fv_cost_setting *setting) {
    fv_error error = {0};
    fv_cost total;
    if (fv_cost_total(model, setting, &total, &error) != FV_OK) fail_msg("%s", error.text);
    return total;
}

static fv_cost_setting at(uint64_t tokens, uint64_t batch) {
    fv_cost_setting setting;
    fv_cost_setting_init(&setting);
    setting.tokens = tokens;
    setting.batch = batch;
    return setting;
}

// A model of one layer of attention with n_head heads of d / n_head, nothing shared or windowed.
static fv_cost_model *one_layer(uint64_t d, uint64_t n_head) {
    char json[512];
    fv_error error = {0};
    fv_cost_model *model;
    snprintf(json, sizeof json,
             "{\"model_type\": \"llama\", \"hidden_size\": %d, \"num_hidden_layers\": 1, "
             "\"num_attention_heads\": %d, \"intermediate_size\": 1, \"vocab_size\": 1}",
             (int)d, (int)n_head);
    if (fv_cost_model_parse("one", json, strlen(json), &model, &error) != FV_OK)
        fail_msg("%s", error.text);
    return model;
}

// Frees the text.
static fv_cost_model *parse(char *json) {
    fv_error error = {0};
    fv_cost_model *model;
    if (fv_cost_model_parse("x.json", json, strlen(json), &model, &error) != FV_OK)
        fail_msg("%s: %s", json, error.text);
    free(json);
    return model;
}

static int find_part(const fv_cost_model *model, const char *name) {
    for (int p = 0; p < fv_cost_n_parts(model); p++) {
        fv_cost_part part;
        fv_cost_part_get(model, p, &part);
        if (strcmp(part.name, name) == 0) return p;
    }
    fail_msg("there is no part %s", name);
    return -1;
}

static fv_cost part_of(const fv_cost_model *model, const char *name,
                       const fv_cost_setting *setting) {
    fv_cost cost;
    fv_error error = {0};
    if (fv_cost_part_cost(model, find_part(model, name), setting, &cost, &error) != FV_OK)
        fail_msg("%s", error.text);
    return cost;
}

// --- sizes of the cache ------------------------------------------------------------------------

typedef struct cache_oracle {
    const char *model;
    uint64_t tokens, batch;
    fv_cost_quantity quantity;
    double bytes, tolerance; // half a unit of the last published digit; 0: exact
} cache_oracle;

// Of publications and of logs of engines (llama.cpp, vLLM), at two bytes a number.
static const cache_oracle CACHES[] = {
    {"llama-3.1-70b", 128000, 1, FV_COST_CACHE, 41943040000.0, 0}, // 41.94 GB
    {"llama-3.1-405b", 1, 1, FV_COST_CACHE, 516096, 0},
    {"llama-3.1-405b", 262144, 1, FV_COST_CACHE, 126 * GIB, 0},
    {"deepseek-v3", 1, 1, FV_COST_CACHE, 70272, 0},
    {"deepseek-v3", 163840, 1, FV_COST_CACHE, 10.72 * GIB, 0.005 * GIB},
    {"deepseek-v3", 1048576, 1, FV_COST_CACHE, 68.625 * GIB, 0},
    {"gpt-oss-120b", 1, 1, FV_COST_CACHE, 73728, 0},
    {"gpt-oss-120b", 78384, 1, FV_COST_CACHE_FULL, 5.38 * GIB, 0.005 * GIB},
    {"gpt-oss-20b", 8192, 32, FV_COST_CACHE, 6.09 * GIB, 0.005 * GIB},
    {"gpt-oss-20b", 8192, 32, FV_COST_CACHE_FULL, 12 * GIB, 0},
    {"mistral-7b-v0.2", 262144, 1, FV_COST_CACHE, 32 * GIB, 0},
    {"mixtral-8x22b", 262144, 1, FV_COST_CACHE, 56 * GIB, 0},
    {"mistral-large-2", 262144, 1, FV_COST_CACHE, 88 * GIB, 0},
    {"llama-3.1-70b", 262144, 1, FV_COST_CACHE, 80 * GIB, 0},
    {"jamba-1.5-mini", 262144, 1, FV_COST_CACHE, 4 * GIB, 0},
    {"jamba-1.5-large", 262144, 1, FV_COST_CACHE, 9 * GIB, 0},
    {"gemma-3-27b", 131072, 1, FV_COST_CACHE, 10.41 * GIB, 0.005 * GIB},
    {"gemma-3-27b", 131072, 1, FV_COST_CACHE_FULL, 62 * GIB, 0},
    {"gemma-3-1b", 32768, 1, FV_COST_CACHE, 139 * MIB, 0},
    {"gemma-3-1b", 32768, 1, FV_COST_CACHE_FULL, 832 * MIB, 0},
    {"mistral-7b-v0.1", 1000000, 1, FV_COST_CACHE, 512 * MIB, 0}, // 4096 tokens, whatever comes
};

static void caches_are_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CACHES / sizeof CACHES[0]; i++) {
        const cache_oracle *o = &CACHES[i];
        fv_cost_model *model = load(o->model);
        fv_cost_setting setting = at(o->tokens, o->batch);
        double bytes = (double)total_of(model, &setting).value[o->quantity];
        if (fabs(bytes - o->bytes) > o->tolerance)
            fail_msg("%s at %d tokens: %s is %.0f, not %.0f", o->model, (int)o->tokens,
                     fv_cost_name(o->quantity), bytes, o->bytes);
        fv_cost_model_free(model);
    }
}

static void pages_round_up(void **state) {
    (void)state;
    fv_cost_model *model = load("gemma-3-1b");
    fv_cost_setting setting = at(1000, 1);
    fv_cost full = part_of(model, "attention", &setting);
    assert_int_equal(full.value[FV_COST_CACHE], 1000 * 1024);
    assert_int_equal(full.value[FV_COST_CACHE_PAGED], 1008 * 1024);
    // A window of 512 moves over 32 pages and touches one more.
    fv_cost window = part_of(model, "attention, window 512", &setting);
    assert_int_equal(window.value[FV_COST_CACHE], 512 * 1024);
    assert_int_equal(window.value[FV_COST_CACHE_PAGED], 528 * 1024);
    assert_int_equal(window.value[FV_COST_CACHE_FULL], 1008 * 1024);
    setting.tokens = 512; // the window is the whole context, and does not move
    assert_int_equal(part_of(model, "attention, window 512", &setting).value[FV_COST_CACHE_PAGED],
                     512 * 1024);
    fv_cost_model_free(model);
}

static void states_do_not_grow(void **state) {
    (void)state;
    fv_cost_model *model = load("mamba-2.8b");
    for (uint64_t tokens = 1; tokens < 1000000; tokens *= 10) {
        fv_cost_setting setting = at(tokens, 3);
        fv_cost total = total_of(model, &setting);
        assert_int_equal(total.value[FV_COST_STATE], 3 * 64 * 5120 * (4 + 16) * 2);
        assert_int_equal(total.value[FV_COST_CACHE], 0);
    }
    fv_cost_model_free(model);
}

// --- parameters --------------------------------------------------------------------------------

// As the published checkpoints have them; where only a rounded number is published, that.
static const struct {
    const char *model;
    double parameters, tolerance;
} SIZES[] = {
    {"gpt2", 124439808, 0},
    {"llama-3.1-8b", 8030261248, 0},
    {"llama-3.1-70b", 70553706496, 0},
    {"llama-3.1-405b", 405853388800, 0},
    {"mistral-7b-v0.1", 7241732096, 0},
    {"mixtral-8x22b", 140.6e9, 0.05e9},
    {"mistral-large-2", 122.6e9, 0.05e9},
    {"qwen2.5-7b", 7615616512, 0},
    {"qwen3-8b", 8190735360, 0},
    {"qwen3-30b-a3b", 30.5e9, 0.05e9},
    {"gemma-2-9b", 9241705984, 0},
    {"gemma-3-1b", 999885952, 0},
    {"gpt-oss-20b", 20.91e9, 0.005e9},
    {"gpt-oss-120b", 116.83e9, 0.005e9},
    {"deepseek-v2-lite", 15.7e9, 0.05e9},
    {"deepseek-v3", 671.03e9, 0.005e9},
    {"mamba-2.8b", 2768345600, 0},
    {"falcon-mamba-7b", 7272665088, 0},
    {"jamba-1.5-mini", 51.6e9, 0.05e9},
    {"jamba-1.5-large", 398e9, 0.6e9},
    {"zamba2-2.7b", 2.66e9, 0.005e9},
    {"granite-4.0-h-tiny", 6939037248, 0},
    {"olmo-3-7b", 7298011136, 0},
    {"smollm3-3b", 3075098624, 0},
    {"seed-oss-36b", 36151104512, 0},
    {"command-a", 111057580032, 0},
    {"glm-4.5", 352797814784, 0},
    {"glm-4.5-air", 106852245504, 0},
    {"minimax-m2", 228689748992, 0},
    {"llama-4-scout", 107769861120, 0},
    {"llama-4-maverick", 400711848960, 0},
    {"mimo-v2-flash", 308778768832, 0},
    {"glm-5", 743911199232, 0},
    {"longcat-flash", 560664980480, 0},
    {"nemotron-3-nano-30b-a3b", 31577937344, 0},
    {"lfm2-1.2b", 1170340608, 0},
    {"qwen3.5-9b", 8953803264, 0},
    {"qwen3.5-35b-a3b", 34660610688, 0},
    {"gemma-3n-e4b", 6835235568, 0},
    {"ministral-3-3b", 3429006336, 0},
    {"ministral-3-8b", 8489553920, 0},
    {"exaone-4.0-1.2b", 1279391488, 0},
    {"deepseek-v4-flash", 284.3e9, 0.05e9},
    {"kimi-linear-48b-a3b", 49.1e9, 0.05e9},
};

static void parameters_are_as_published(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        fv_cost_model *model = load(SIZES[i].model);
        fv_cost_setting setting = at(1, 1);
        double parameters = (double)total_of(model, &setting).value[FV_COST_PARAMETERS];
        if (fabs(parameters - SIZES[i].parameters) > SIZES[i].tolerance)
            fail_msg("%s has %.0f parameters, not %.0f", SIZES[i].model, parameters,
                     SIZES[i].parameters);
        fv_cost_model_free(model);
    }
}

// Configurations drawn at random for every family, with the numbers of transformers
// (tests/peers/cost_families.py draws them and asks).
static void random_models_are_as_the_library_has_them(void **state) {
    (void)state;
    FILE *file = fopen(FOVEA_SOURCE_DIR "/tests/cost/families.jsonl", "r");
    assert_non_null(file);
    char line[8192];
    int n = 0;
    for (; fgets(line, sizeof line, file) != NULL; n++) {
        json_t *entry = json_loads(line, 0, NULL);
        assert_non_null(entry);
        fv_cost_model *model = parse(json_dumps(json_object_get(entry, "config"), 0));
        fv_cost_setting setting = at(1, 1);
        fv_cost total = total_of(model, &setting);
        json_int_t parameters = json_integer_value(json_object_get(entry, "parameters"));
        json_int_t bias = json_integer_value(json_object_get(entry, "router_bias"));
        if (total.value[FV_COST_PARAMETERS] != (fv_cost_number)parameters ||
            total.value[FV_COST_ROUTER_BIAS] != (fv_cost_number)bias)
            fail_msg("%s: %lld parameters, %lld biases of routers", line,
                     (long long)total.value[FV_COST_PARAMETERS],
                     (long long)total.value[FV_COST_ROUTER_BIAS]);
        fv_cost_model_free(model);
        json_decref(entry);
    }
    fclose(file);
    assert_true(n > 150);
}

// DeepSeek-V4-Flash reads 128 + 512 positions in 21 layers, 128 + 8192 in 20 and 128 in two.
static void sparse_attention_reads_what_it_picks(void **state) {
    (void)state;
    fv_cost_model *model = load("deepseek-v4-flash");
    fv_cost_setting setting = at(1048576, 1);
    assert_int_equal(total_of(model, &setting).value[FV_COST_READS], 180096);
    fv_cost_model_free(model);
}

// Qwen3.6-27B as llama.cpp's log has it: 16,384 MiB at 262,144 cells, 598.5 MiB of state for four
// sequences. Command A as transformers' cache: 16 layers of 9000 tokens, 48 of 4095, 2048 numbers
// each.
static void engines_reserve_as_they_log(void **state) {
    (void)state;
    static const char QWEN[] =
        "{\"model_type\": \"qwen3_5_text\", \"hidden_size\": 5120, \"intermediate_size\": 17408, "
        "\"num_hidden_layers\": 64, \"num_attention_heads\": 24, \"num_key_value_heads\": 4, "
        "\"head_dim\": 256, \"linear_num_key_heads\": 16, \"linear_num_value_heads\": 48}";
    fv_cost_model *qwen = parse(strdup(QWEN));
    fv_cost_setting setting = at(262144, 1);
    setting.engine = FV_COST_ENGINE_LLAMACPP;
    assert_true((double)total_of(qwen, &setting).value[FV_COST_CACHE_ENGINE] == 16384 * MIB);
    setting.batch = 4;
    assert_true((double)total_of(qwen, &setting).value[FV_COST_STATE_ENGINE] == 598.5 * MIB);
    fv_cost_model_free(qwen);

    fv_cost_model *command = load("command-a");
    setting = at(9000, 1);
    setting.engine = FV_COST_ENGINE_TRANSFORMERS;
    assert_int_equal(total_of(command, &setting).value[FV_COST_CACHE_ENGINE],
                     (uint64_t)2 * 2048 * (16 * 9000 + 48 * 4095));
    // Blocks of 16: 563 of them, and as many and one more where a window and a batch of 8192 cover
    // all.
    setting.engine = FV_COST_ENGINE_VLLM;
    assert_int_equal(total_of(command, &setting).value[FV_COST_CACHE_ENGINE],
                     (uint64_t)2 * 2048 * 16 * (16 * 563 + 48 * 564));
    fv_cost_model_free(command);
}

static void experts_are_met_in_part(void **state) {
    (void)state;
    // The published "active" parameters count the embedding's row or table in some way: 5 %.
    static const struct {
        const char *model;
        double active;
    } ACTIVE[] = {{"deepseek-v3", 37e9},    {"gpt-oss-120b", 5.13e9}, {"gpt-oss-20b", 3.61e9},
                  {"mixtral-8x22b", 39e9},  {"jamba-1.5-mini", 12e9}, {"jamba-1.5-large", 94e9},
                  {"llama-3.1-8b", 7.50e9}, {"qwen3-30b-a3b", 3.04e9}};
    for (size_t i = 0; i < sizeof ACTIVE / sizeof ACTIVE[0]; i++) {
        fv_cost_model *model = load(ACTIVE[i].model);
        fv_cost_setting setting = at(1, 1);
        double weights = (double)total_of(model, &setting).value[FV_COST_WEIGHTS];
        assert_true(fabs(weights / ACTIVE[i].active - 1) < 0.05);
        fv_cost_model_free(model);
    }
}

// --- FLOPs -------------------------------------------------------------------------------------

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

// --- layers, formulas, the inverse -------------------------------------------------------------

static void layers_add_up(void **state) {
    (void)state;
    static const char *const NAMES[] = {"zamba2-2.7b", "gemma-3-27b", "deepseek-v3", "gpt2"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(5000, 1);
        fv_cost total = total_of(model, &setting), sum = {{0}}, layer;
        for (uint64_t l = 0; l < fv_cost_n_layers(model); l++) {
            assert_int_equal(fv_cost_layer(model, l, &setting, &layer, NULL), FV_OK);
            for (int q = 0; q < FV_COST_COUNT; q++) sum.value[q] += layer.value[q];
        }
        assert_memory_equal(&sum, &total, sizeof sum);
        fv_cost_model_free(model);
    }
}

static void shared_blocks_are_stored_once(void **state) {
    (void)state;
    fv_cost_model *model = load("zamba2-2.7b");
    fv_cost_part part;
    fv_cost_part_get(model, find_part(model, "attention"), &part);
    assert_int_equal(part.n_layers, 9);
    assert_int_equal(part.n_copies, 2);
    assert_int_equal(part.kv_heads, 32);
    fv_cost_part_get(model, find_part(model, "mamba-2"), &part);
    assert_int_equal(part.n_layers, 54);
    assert_int_equal(part.n_copies, 54);
    fv_cost_model_free(model);
}

static formula_value no_names(const void *scope, const char *name, size_t length) {
    (void)scope, (void)name, (void)length;
    fail_msg("a name is left in a formula");
    return formula_whole(0);
}

// The formula with numbers is arithmetic that gives the number.
static void formulas_give_their_numbers(void **state) {
    (void)state;
    static const char *const NAMES[] = {"jamba-1.5-mini", "zamba2-2.7b", "deepseek-v3",
                                        "gpt-oss-20b", "gpt2"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(12345, 1);
        for (int p = 0; p < fv_cost_n_parts(model); p++) {
            fv_cost cost;
            assert_int_equal(fv_cost_part_cost(model, p, &setting, &cost, NULL), FV_OK);
            for (int q = 0; q < FV_COST_COUNT; q++) {
                char *text = fv_cost_formula(model, p, (fv_cost_quantity)q, &setting, true);
                assert_non_null(text);
                assert_int_equal(formula_evaluate(text, no_names, NULL), cost.value[q]);
                free(text);
            }
        }
        fv_cost_model_free(model);
    }
}

static void formulas_follow_precedence(void **state) {
    (void)state;
    assert_int_equal(formula_evaluate("2 + 3 * (4 + 5) * 2", no_names, NULL), 56);
    assert_int_equal(formula_evaluate("0 * 18446744073709551615 + 1", no_names, NULL), 1);
    fv_cost_number large = (fv_cost_number)1 << 64;
    assert_true(formula_evaluate("4294967296 * 4294967296", no_names, NULL) == large);
    assert_true(formula_evaluate("18446744073709551614 + 2", no_names, NULL) == large);
    assert_true(formula_evaluate("18446744073709551616 * 18446744073709551616", no_names, NULL) ==
                FORMULA_TOO_LARGE);
    assert_true(formula_evaluate("340282366920938463463374607431768211454 + 2", no_names, NULL) ==
                FORMULA_TOO_LARGE);
    assert_true(formula_evaluate("18446744073709551616 * 18446744073709551616 + 1", no_names,
                                 NULL) == FORMULA_TOO_LARGE);
    // Broken numbers, rounded up at the end.
    assert_int_equal(formula_evaluate("1.0625 * 32", no_names, NULL), 34);
    assert_int_equal(formula_evaluate("0.5625 * 2 * 3 + 1", no_names, NULL), 5);
    assert_int_equal(formula_evaluate("0.5 * 0.5 * 8", no_names, NULL), 2);
}

static void largest_context_is_tight(void **state) {
    (void)state;
    static const char *const NAMES[] = {"llama-3.1-8b", "gemma-3-27b", "jamba-1.5-mini"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        fv_cost_model *model = load(NAMES[i]);
        fv_cost_setting setting = at(1, 3);
        uint64_t memory = (uint64_t)(24 * GIB);
        setting.tokens = fv_cost_largest_context(model, &setting, memory);
        for (int more = 0; more < 2; more++, setting.tokens++) {
            fv_cost total = total_of(model, &setting);
            bool fits = total.value[FV_COST_CACHE_PAGED] + total.value[FV_COST_STATE] <= memory;
            assert_int_equal(fits, more == 0);
        }
        fv_cost_model_free(model);
    }
    fv_cost_model *llama = load("llama-3.1-8b");
    fv_cost_setting one = at(1, 1);
    assert_int_equal(fv_cost_largest_context(llama, &one, (uint64_t)GIB), 8192);
    assert_int_equal(fv_cost_largest_context(llama, &one, 1000), 0);
    fv_cost_model_free(llama);
    fv_cost_model *mamba = load("mamba-2.8b");
    assert_true(fv_cost_largest_context(mamba, &one, (uint64_t)GIB) == UINT64_MAX);
    fv_cost_model_free(mamba);
}

// --- mistakes ----------------------------------------------------------------------------------

static void expect_refusal(const char *json, fv_status status, const char *text) {
    fv_error error = {0};
    fv_cost_model *model;
    fv_status got = fv_cost_model_parse("x.json", json, strlen(json), &model, &error);
    if (got != status || model != NULL || strstr(error.text, text) == NULL)
        fail_msg("%s: status %d, \"%s\"", json, got, error.text);
}

static void mistakes_are_named(void **state) {
    (void)state;
    expect_refusal("{", FV_FORMAT, "x.json:1: it is no JSON");
    expect_refusal("[]", FV_FORMAT, "no model_type");
    expect_refusal("{\"model_type\": \"bloom\"}", FV_USAGE,
                   "the family 'bloom' is not known; known are afmoe, bamba,");
    expect_refusal("{\"model_type\": \"mamba\", \"hidden_size\": -1}", FV_FORMAT,
                   "hidden_size must be a whole number from 1");
    expect_refusal("{\"model_type\": \"mamba\", \"hidden_size\": 8, \"vocab_size\": 8,"
                   "\"num_hidden_layers\": 100000000}",
                   FV_FORMAT, "must be at most 65536");
    expect_refusal("{\"model_type\": \"mistral\", \"hidden_size\": 8, \"vocab_size\": 8,"
                   "\"num_hidden_layers\": 1, \"num_attention_heads\": 4,"
                   "\"num_key_value_heads\": 3, \"intermediate_size\": 8}",
                   FV_FORMAT, "3 does not divide 4");
    expect_refusal("{\"model_type\": \"gemma2\", \"hidden_size\": 8, \"vocab_size\": 8,"
                   "\"num_hidden_layers\": 2, \"num_attention_heads\": 4,"
                   "\"intermediate_size\": 8, \"sliding_window\": 4,"
                   "\"layer_types\": [\"full_attention\", \"linear_attention\"]}",
                   FV_FORMAT, "linear_attention");
}

// Published configs with fields changed to what no model can have, and what the message must hold:
// the field, its value and what would be right.
static const struct {
    const char *model, *changes, *message;
} IMPOSSIBLE[] = {
    // Sizes of nothing.
    {"llama-3.1-8b", "{'head_dim': 0}",
     "head_dim must be a whole number from 1 to 2147483647, not 0"},
    {"llama-3.1-8b", "{'head_dim': -64}",
     "head_dim must be a whole number from 1 to 2147483647, not"},
    {"llama-3.1-8b", "{'hidden_size': 4096.5}",
     "hidden_size must be a whole number from 1 to 2147483"},
    {"llama-3.1-8b", "{'vocab_size': '128256'}", "2147483647, not \"128256\""},
    {"llama-3.1-8b", "{'num_key_value_heads': 0}",
     "num_key_value_heads must be a whole number from 1"},
    {"llama-3.1-8b", "{'max_position_embeddings': 0}",
     "max_position_embeddings must be a whole number"},
    {"llama-3.1-8b", "{'num_hidden_layers': 65537}",
     "the number of layers must be at most 65536, not"},
    {"llama-3.1-8b", "{'mlp_bias': 'no'}", "mlp_bias must be true or false, not \"no\""},
    {"gemma-3-27b", "{'vocab_size': 0}", "vocab_size must be a whole number from 1 to"},
    {"gemma-3-27b", "{'sliding_window': -1}", "sliding_window must be a whole number from 0 to"},
    {"gemma-3-27b", "{'sliding_window_pattern': 0}",
     "sliding_window_pattern must be a whole number"},
    {"gpt2", "{'n_inner': 0}", "n_inner must be a whole number from 1 to 2147483647, not 0"},
    {"deepseek-v3", "{'q_lora_rank': 0}", "q_lora_rank must be a whole number from 1 to"},
    {"deepseek-v3", "{'kv_lora_rank': 0}", "kv_lora_rank must be a whole number from 1 to"},
    {"deepseek-v3", "{'moe_layer_freq': 0}", "moe_layer_freq must be a whole number from 1 to"},
    {"qwen3-30b-a3b", "{'decoder_sparse_step': 0}",
     "decoder_sparse_step must be a whole number from"},
    {"mamba-2.8b", "{'state_size': 0}", "state_size must be a whole number from 1 to"},
    {"mamba-2.8b", "{'conv_kernel': 0}", "conv_kernel must be a whole number from 1 to"},
    {"mamba-2.8b", "{'expand': 0}", "expand must be a whole number from 1 to 2147483647, not 0"},
    {"mamba-2.8b", "{'time_step_rank': 0}", "time_step_rank must be a whole number from 1 to"},
    {"falcon-mamba-7b", "{'intermediate_size': 0}",
     "intermediate_size must be a whole number from 1"},
    {"jamba-1.5-mini", "{'mamba_d_state': 0}", "mamba_d_state must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'mamba_d_conv': 0}", "mamba_d_conv must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'mamba_expand': 0}", "mamba_expand must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'num_experts': 0}", "num_experts must be a whole number from 1 to"},
    {"jamba-1.5-mini", "{'num_experts_per_tok': 0}",
     "num_experts_per_tok must be a whole number from"},
    {"zamba2-2.7b", "{'mamba_ngroups': 0}", "mamba_ngroups must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'mamba_headdim': 0}", "mamba_headdim must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'num_mem_blocks': 0}", "num_mem_blocks must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'adapter_rank': 0}", "adapter_rank must be a whole number from 1 to"},
    {"zamba2-2.7b", "{'attention_head_dim': 0}",
     "attention_head_dim must be a whole number from 1"},
    {"zamba2-2.7b", "{'intermediate_size': 0}",
     "intermediate_size must be a whole number from 1 to"},
    // Heads.
    {"llama-3.1-8b", "{'hidden_size': 64, 'num_attention_heads': 128}",
     "num_attention_heads must divide the width that heads share where head_dim does not give "
     "theirs, "
     "and 128 does not divide 64"},
    {"llama-3.1-8b", "{'hidden_size': 64, 'num_attention_heads': 7, 'num_key_value_heads': 7}",
     "and 7 does not divide 64"},
    {"llama-3.1-8b", "{'num_key_value_heads': 64}",
     "num_key_value_heads must divide num_attention_heads, and 64 does not divide 32"},
    {"gpt2", "{'n_head': 7}", "n_head must divide n_embd, and 7 does not divide 768"},
    {"jamba-1.5-mini", "{'num_attention_heads': 48}", "and 48 does not divide 4096"},
    {"zamba2-2.7b", "{'num_attention_heads': 33, 'num_key_value_heads': 33}",
     "where attention_head_dim does not give theirs, and 33 does not divide 5120"},
    {"zamba2-2.7b", "{'hidden_size': 1}", "n_mamba_heads must divide the 2 inner channels, and 80"},
    {"zamba2-2.7b", "{'mamba_headdim': 63}",
     "mamba_headdim must divide the 5120 inner channels, and 63"},
    {"zamba2-2.7b", "{'mamba_ngroups': 3}",
     "mamba_ngroups must divide the 80 heads, and 3 does not"},
    // Experts.
    {"deepseek-v3", "{'n_routed_experts': 4, 'num_experts_per_tok': 400}",
     "num_experts_per_tok must be at most the 4 experts of a layer, not 400"},
    {"deepseek-v2-lite", "{'num_experts_per_tok': 65}",
     "at most the 64 experts of a layer, not 65"},
    {"jamba-1.5-mini", "{'num_experts': 2, 'num_experts_per_tok': 9}",
     "at most the 2 experts of a"},
    {"mixtral-8x22b", "{'num_experts_per_tok': 9}", "at most the 8 experts of a layer, not 9"},
    {"qwen3-30b-a3b", "{'num_experts_per_tok': 129}",
     "at most the 128 experts of a layer, not 129"},
    {"gpt-oss-20b", "{'num_experts_per_tok': 33}", "at most the 32 experts of a layer, not 33"},
    {"deepseek-v3", "{'first_k_dense_replace': 62}", "at most the 61 layers, not 62"},
    {"qwen3-30b-a3b", "{'mlp_only_layers': [0], 'intermediate_size': null}",
     "a config of the family qwen3_moe must have intermediate_size"},
    // Which layers are what.
    {"jamba-1.5-mini", "{'attn_layer_offset': 8}",
     "attn_layer_offset must be less than attn_layer_period, 8, not 8"},
    {"jamba-1.5-mini", "{'expert_layer_offset': 5}",
     "expert_layer_offset must be less than expert_layer_period, 2, not 5"},
    {"jamba-1.5-mini", "{'attn_layer_period': 4, 'attn_layer_offset': 'gone'}", "4, not 4"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': [60]}",
     "hybrid_layer_ids holds 60; an entry must be the number of a layer, 0 to 53"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': [6, 'x']}", "holds \"x\"; an entry must be the number"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': [-1]}", "hybrid_layer_ids holds -1; an entry must be"},
    {"zamba2-2.7b", "{'hybrid_layer_ids': 6}", "hybrid_layer_ids must be a list, not 6"},
    {"zamba2-2.7b", "{'num_hidden_layers': 2, 'layers_block_type': ['mamba', 'hybird']}",
     "layers_block_type holds \"hybird\" for layer 1; known are mamba, linear_attention and "
     "hybrid"},
    {"zamba2-2.7b", "{'layers_block_type': ['hybrid']}", "layers_block_type has 1 entries for 54"},
    {"qwen3-30b-a3b", "{'mlp_only_layers': [48]}",
     "mlp_only_layers holds 48; an entry must be the number of a layer, 0 to 47"},
    {"gemma-3-1b", "{'num_hidden_layers': 1, 'layer_types': ['sliding']}",
     "layer_types holds \"sliding\" for layer 0; known are full_attention and sliding_attention"},
    {"qwen3-8b", "{'num_hidden_layers': 1, 'layer_types': [7]}", "layer_types holds 7 for layer 0"},
    {"gpt-oss-20b",
     "{'num_hidden_layers': 1, 'layer_types': ['sliding_attention'], 'sliding_window': null}",
     "sliding_window must be a whole number from 1 where layer_types holds sliding_attention"},
    // What is missing says more than what does not fit it.
    {"llama-3.1-8b", "{'num_attention_heads': null}", "must have num_attention_heads"},
    {"qwen3-30b-a3b", "{'num_experts': null}", "must have num_experts"},
    {"zamba2-2.7b", "{'num_hidden_layers': null}", "must have num_hidden_layers"},
};

// The published config with the changes, whose quotes are single ones, without fields that are
// 'gone'; free.
static char *changed(const char *name, const char *changes) {
    char path[512], text[512];
    snprintf(path, sizeof path, "%s/examples/configs/%s.json", FOVEA_SOURCE_DIR, name);
    snprintf(text, sizeof text, "%s", changes);
    for (char *c = text; *c != 0; c++)
        if (*c == '\'') *c = '"';
    json_t *config = json_load_file(path, 0, NULL), *change = json_loads(text, 0, NULL);
    if (config == NULL || change == NULL) fail_msg("%s with %s is no JSON", name, text);
    json_object_update(config, change);
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(config, next, key, value) {
        bool gone = json_is_string(value) && strcmp(json_string_value(value), "gone") == 0;
        if (gone) json_object_del(config, key);
    }
    char *json = json_dumps(config, 0);
    json_decref(config);
    json_decref(change);
    return json;
}

static void the_impossible_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof IMPOSSIBLE / sizeof IMPOSSIBLE[0]; i++) {
        char *json = changed(IMPOSSIBLE[i].model, IMPOSSIBLE[i].changes);
        expect_refusal(json, FV_FORMAT, IMPOSSIBLE[i].message);
        free(json);
    }
}

// What looks odd but exists, or means "none".
static void the_unusual_is_read(void **state) {
    (void)state;
    static const struct {
        const char *model, *changes;
    } UNUSUAL[] = {
        {"llama-3.1-8b", "{'num_attention_heads': 7, 'num_key_value_heads': 1, 'head_dim': 100}"},
        {"mistral-7b-v0.1", "{'sliding_window': 0}"},
        {"deepseek-v3", "{'first_k_dense_replace': 61, 'n_shared_experts': null}"},
        {"jamba-1.5-mini", "{'num_experts': 1}"},
        {"qwen3-30b-a3b", "{'intermediate_size': null}"},
        {"qwen3-8b", "{'num_hidden_layers': 1, 'layer_types': ['sliding_attention']}"},
        {"zamba2-2.7b", "{'num_attention_heads': 'gone', 'num_key_value_heads': null}"},
        {"zamba2-2.7b", "{'num_hidden_layers': 2, 'hybrid_layer_ids': null, "
                        "'layers_block_type': ['linear_attention', 'hybrid']}"},
    };
    for (size_t i = 0; i < sizeof UNUSUAL / sizeof UNUSUAL[0]; i++)
        fv_cost_model_free(parse(changed(UNUSUAL[i].model, UNUSUAL[i].changes)));
}

// gemma-3-4b-it's file leaves to the class what is as there.
static void defaults_of_the_class_are_known(void **state) {
    (void)state;
    static const char FILE_4B[] =
        "{\"model_type\": \"gemma3\", \"mm_tokens_per_image\": 256, \"text_config\": {"
        "\"hidden_size\": 2560, \"intermediate_size\": 10240, \"model_type\": \"gemma3_text\", "
        "\"num_hidden_layers\": 34, \"rope_scaling\": {\"factor\": 8.0, \"rope_type\": "
        "\"linear\"}, \"sliding_window\": 1024}, \"vision_config\": {\"hidden_size\": 1152}}";
    fv_cost_model *model = parse(strdup(FILE_4B));
    fv_cost_setting setting = at(1, 1);
    fv_cost_part part;
    fv_cost_part_get(model, find_part(model, "attention"), &part);
    assert_int_equal(part.query_heads, 8);
    assert_int_equal(part.kv_heads, 4);
    assert_int_equal(part.n_layers, 5); // every sixth of 34
    // The checkpoint's language model: 4300079472 less 419816304 of the vision tower and its map.
    assert_int_equal(total_of(model, &setting).value[FV_COST_PARAMETERS], 3880263168);
    fv_cost_model_free(model);
}

static const char *exactly(fv_cost_number number) {
    static char text[FV_COST_DIGITS];
    return fv_cost_number_text(number, text);
}

// Beyond 64 bits every digit is there; beyond 128 what is known is still told.
static void too_much_is_counted(void **state) {
    (void)state;
    fv_cost_model *model = load("llama-3.1-405b");
    fv_cost_setting setting = at(2000000, 1);
    // By hand: 2 * 401646551040 weights of the layers, 2 * 2101346304 of the logits, and
    // 4 * 126 * 16384 for each of 2000000 * 2000001 / 2 pairs.
    assert_string_equal(exactly(total_of(model, &setting).value[FV_COST_PREFILL]),
                        "18121666465898692608");
    setting.batch = 2048;
    assert_string_equal(exactly(total_of(model, &setting).value[FV_COST_PREFILL]),
                        "37113172922160522461184");
    setting = at(UINT64_MAX / 2, 1000000);
    fv_cost total = total_of(model, &setting);
    assert_true(total.value[FV_COST_PREFILL] == FV_COST_TOO_LARGE);
    assert_string_equal(exactly(total.value[FV_COST_CACHE]), "4760145414732602374889472000000");
    fv_error error = {0};
    setting = at(0, 1);
    assert_int_equal(fv_cost_total(model, &setting, &total, &error), FV_USAGE);
    fv_cost_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_are_as_published),
        cmocka_unit_test(pages_round_up),
        cmocka_unit_test(states_do_not_grow),
        cmocka_unit_test(parameters_are_as_published),
        cmocka_unit_test(random_models_are_as_the_library_has_them),
        cmocka_unit_test(sparse_attention_reads_what_it_picks),
        cmocka_unit_test(engines_reserve_as_they_log),
        cmocka_unit_test(experts_are_met_in_part),
        cmocka_unit_test(attention_is_4nnd_8ndd),
        cmocka_unit_test(pairs_are_counted),
        cmocka_unit_test(decoding_adds_up_to_prefill),
        cmocka_unit_test(flops_agree_with_the_lab),
        cmocka_unit_test(layers_add_up),
        cmocka_unit_test(shared_blocks_are_stored_once),
        cmocka_unit_test(formulas_give_their_numbers),
        cmocka_unit_test(formulas_follow_precedence),
        cmocka_unit_test(largest_context_is_tight),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_impossible_is_refused),
        cmocka_unit_test(the_unusual_is_read),
        cmocka_unit_test(defaults_of_the_class_are_known),
        cmocka_unit_test(too_much_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
