#include "bench/train_cases.h"

#include <fovea/config.h>
#include <stdio.h>
#include <string.h>

// Parts beside their default at one size.
#define PART(name, fields)                                                                         \
    { "all V64 d32 C64 L2 " name, 64, 32, 64, 2, 128, true, false, fields, 0 }
#define NORMALISER(name) PART(#name, "normaliser=" #name)

const train_case train_cases[] = {
    {"last V4 d2 C4 B256", 4, 2, 4, 1, 256, false, false, NULL, 0},
    {"last V10 d2 C4 B256", 10, 2, 4, 1, 256, false, false, NULL, 0},
    {"last V100 d2 C4 B256", 100, 2, 4, 1, 256, false, false, NULL, 0},
    {"last V100 d2 C4 B1024", 100, 2, 4, 1, 1024, false, false, NULL, 0},
    {"last V100 d10 C4 B256", 100, 10, 4, 1, 256, false, false, NULL, 0},
    {"last V100 d10 C100 B256", 100, 10, 100, 1, 256, false, false, NULL, 0},
    {"last V1000 d2 C3 B256", 1000, 2, 3, 1, 256, false, false, NULL, 0},
    {"all V4 d2 C4 L1", 4, 2, 4, 1, 128, true, false, NULL, 0},
    {"all V8 d8 C8 L1", 8, 8, 8, 1, 128, true, false, NULL, 0},
    {"all V16 d16 C16 L2", 16, 16, 16, 2, 128, true, false, NULL, 0},
    {"all V64 d32 C32 L2", 64, 32, 32, 2, 128, true, false, NULL, 0},
    NORMALISER(softmax),
    NORMALISER(sparsemax),
    NORMALISER(entmax15),
    NORMALISER(entmax),
    NORMALISER(ssmax),
    NORMALISER(asentmax),
    NORMALISER(sigmoid),
    PART("rope", "positions=rope"),
    PART("alibi", "positions=alibi"),
    PART("H4", "n_head=4"),
    PART("H4 gqa1", "n_head=4 n_kv_head=1"),
    PART("qk_norm", "qk_norm=head"),
    PART("soft_cap", "soft_cap=50"),
    PART("sink", "sink_logit=learned"),
    PART("gate", "gate=head"),
    PART("gates", "gate=feature"),
    PART("linear_attention", "layers=[linear_attention*2]"),
    PART("mamba2", "layers=[mamba2*2]"),
    PART("gated_deltanet", "layers=[gated_deltanet*2]"),
    PART("rms", "norm=rms"),
    PART("rms gate", "norm=rms gate=head"),
    PART("rms gates", "norm=rms gate=feature"),
    {"all V64 d64 C64 L2", 64, 64, 64, 2, 128, true, false, NULL, 0},
    {"all V1000 d256 C64 L2", 1000, 256, 64, 2, 128, true, false, NULL, 0},
    {"recall V64 d32 C65 L2", 64, 32, 65, 2, 256, false, true, NULL, 0},
    {"recall V64 d80 C65 L2", 64, 80, 65, 2, 256, false, true, NULL, 0},
    {"recall V64 d256 C65 L2", 64, 256, 65, 2, 256, false, true, NULL, 0},
    {"gpt V27 d16 C16 H4", 27, 16, 16, 1, 16, true, true, NULL, 4},
    {"gpt V27 d32 C16 H4", 27, 32, 16, 1, 16, true, true, NULL, 4},
    {"gpt V27 d64 C16 H4", 27, 64, 16, 1, 16, true, true, NULL, 4},
    {"gpt V27 d128 C16 H8", 27, 128, 16, 1, 16, true, true, NULL, 8},
};

const size_t n_train_cases = sizeof train_cases / sizeof *train_cases;

static void make_gpt(const train_case *c, fv_config *config) {
    config->task.name = FV_TASK_INDUCTION;
    config->model.n_head = c->n_head;
    config->model.norm = FV_NORM_RMS;
    config->model.activation = FV_ACTIVATION_RELU;
    config->model.layers.n = 2 * c->n_layers;
    for (int i = 0; i < 2 * c->n_layers; i++)
        config->model.layers.kind[i] = i % 2 == 0 ? FV_LAYER_ATTENTION : FV_LAYER_MLP;
}

fv_config train_case_config(const train_case *c) {
    fv_config config;
    fv_config_init(&config);
    config.task.vocab_size = c->vocab_size;
    config.task.context_length = c->context_length;
    config.task.loss = c->all_positions ? FV_LOSS_ALL : FV_LOSS_LAST;
    config.model.n_embd = c->n_embd;
    config.model.layers.n = c->n_layers;
    for (int i = 0; i < c->n_layers; i++) config.model.layers.kind[i] = FV_LAYER_ATTENTION;
    config.model.residual = c->residual;
    if (c->all_positions || c->residual) config.model.positions = FV_POSITIONS_LEARNED;
    config.train.batch_size = c->batch_size;
    for (const char *at = c->part; at != NULL && *at != '\0';) {
        char key[64], value[64];
        int length = (int)strcspn(at, "="), end = (int)strcspn(at, " ");
        snprintf(key, sizeof key, "model.%.*s", length, at);
        snprintf(value, sizeof value, "%.*s", end - length - 1, at + length + 1);
        fv_config_set(&config, key, value, NULL);
        at += end + (at[end] == ' ');
    }
    if (c->n_head > 0) make_gpt(c, &config);
    return config;
}
