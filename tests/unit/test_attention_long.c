// Attention of the lab over long contexts, whose samples leave their lanes for the tiled kernel,
// against the arrangement that keeps every probability: the same loss, and the same gradient.
//
// `test_attention_long --time` prints what a step of either takes, and how much memory.
#include "configurations.h"

#include "base/clock.h"
#include "model/attention_long.h"

enum { L = FV_LANES };

typedef struct rig {
    fv_model *model;
    memory_arena workspace;
    model_worker_layers layers;
    float *gradient;
    double loss;
} rig;

static rig rig_create(const fv_config *config, bool keeps) {
    rig r = {0};
    int length = config->task.context_length;
    check_ok(keeps ? model_plan_seen(config, length, NULL, 2, true, &r.model, NULL)
                   : model_plan_part(config, length, NULL, 2, &r.model, NULL));
    r.workspace = r.model->plan;
    check_ok(arena_allocate(&r.workspace, NULL));
    check_ok(worker_layers_create(r.model, &r.layers, NULL));
    r.gradient = calloc(r.model->n_params, sizeof *r.gradient);
    return r;
}

static void rig_free(rig *r) {
    arena_free(&r->workspace);
    worker_layers_free(&r->layers);
    fv_model_free(r->model);
    free(r->gradient);
}

// Loss and gradient of 19 sequences, from a workspace full of NaN.
static void rig_run(rig *r, const float *params) {
    enum { N_SAMPLES = 19 };
    task_data data;
    check_ok(data_create(&r->model->config.task, 7, true, &data, NULL));
    memset(r->workspace.base, 0xff, r->workspace.size);
    memset(r->gradient, 0, r->model->n_params * sizeof *r->gradient);
    r->loss = 0;
    model_tile tile = {.model = r->model,
                       .kernels = kernels_get(),
                       .workspace = &r->workspace,
                       .own = r->layers.own,
                       .params = params,
                       .gradient = r->gradient,
                       .weight = 1.0f / (float)(N_SAMPLES * data.n_targets)};
    for (int group = 0; group < 2; group += tile.n_groups) {
        tile.n_groups = r->model->group_capacity < 2 - group ? r->model->group_capacity : 2 - group;
        data_batch(&data, FV_STREAM_TRAIN, 3, group, tile.n_groups, N_SAMPLES,
                   arena_at(&r->workspace, r->model->tokens),
                   arena_at(&r->workspace, r->model->targets));
        tile_run(&tile);
        const float *losses = arena_at(&r->workspace, r->model->losses);
        for (int i = 0; i < tile.n_groups * data.n_loss * L; i++) r->loss += (double)losses[i];
    }
    data_free(&data);
}

static bool is_long(const fv_model *model) {
    for (int i = 0; i < model->n_layers; i++)
        if (model->layers[i].type == &layer_attention &&
            model_attention_of(&model->layers[i])->way == FV_ATTEND_TILES)
            return true;
    return false;
}

static void assert_equal_arrangements(const char *words) {
    fv_config config = configure(words);
    rig kept = rig_create(&config, true), tiled = rig_create(&config, false);
    assert_false(is_long(kept.model));
    if (!is_long(tiled.model)) fail_msg("%s: the long kernel is not used", words);
    float *params = malloc(kept.model->n_params * sizeof *params);
    fv_model_init_params(kept.model, 11, params);
    rig_run(&kept, params);
    rig_run(&tiled, params);
    double error = 0, norm = 0;
    for (size_t i = 0; i < kept.model->n_params; i++) {
        double difference = (double)tiled.gradient[i] - (double)kept.gradient[i];
        error += difference * difference;
        norm += (double)kept.gradient[i] * (double)kept.gradient[i];
    }
    if (!(fabs(tiled.loss - kept.loss) <= 1e-5 * fabs(kept.loss)) ||
        !(sqrt(error) <= 1e-5 * sqrt(norm)))
        fail_msg("%s: loss %.9g, not %.9g; gradient off by %.3g of its norm", words, tiled.loss,
                 kept.loss, sqrt(error / norm));
    free(params);
    rig_free(&kept);
    rig_free(&tiled);
}

// All positions, the last ones, windows that leave a gap behind their sinks, several heads, widths
// that are no multiple of the tile's; the score's formulas.
static void equals_kept_probabilities(void **state) {
    (void)state;
    static const char *const CASES[] = {
        "task.loss=all task.context_length=517 model.n_embd=5",
        "task.loss=all task.context_length=640 task.offset=30 model.n_embd=16 model.n_head=4 "
        "model.positions=learned",
        "task.loss=all task.context_length=900 task.offset=700 model.n_embd=6 model.n_head=2 "
        "model.layers=[attention(window=550 sinks=3)]",
        "task.loss=all task.context_length=600 model.n_embd=8 model.score=euclidean",
        "task.loss=all task.context_length=600 model.n_embd=8 model.score=harmonic "
        "model.layers=[attention,mlp,attention] model.norm=layer model.residual=true",
        "task.loss=all task.context_length=530 model.n_embd=8 model.n_head=2 model.d_score=3 "
        "model.bias=true model.layers=[attention(window=20 sinks=1),attention]",
        "task.loss=all task.context_length=600 model.n_embd=12 model.n_head=6 model.n_kv_head=2 "
        "model.bias=true model.residual=true model.layers=[attention,attention(n_kv_head=1)]",
        "task.loss=all task.context_length=600 model.n_embd=8 model.n_head=2 model.n_kv_head=1 "
        "model.positions=rope model.rope_scaling=yarn model.rope_factor=3 model.rope_original=100 "
        "model.qk_norm=head model.gate=feature model.bias=true",
        "task.loss=all task.context_length=640 model.n_embd=12 model.n_head=3 "
        "model.positions=alibi model.layers=[attention,attention(window=70 sinks=3)]",
        "task.loss=all task.context_length=600 model.n_embd=8 model.n_head=2 model.soft_cap=0.3 "
        "model.positions=rope model.rope_pairs=interleaved model.sink_logit=learned",
        "task.loss=all task.context_length=520 model.n_embd=8 model.n_head=2 model.soft_cap=0.5 "
        "model.positions=alibi model.sink_logit=zero",
        "task.loss=all task.context_length=520 model.n_embd=8 model.n_head=2 "
        "model.score=harmonic model.positions=alibi model.sink_logit=learned",
#define FV_PART_SCORE(NAME, name)                                                                  \
    "task.loss=all task.context_length=520 model.n_embd=6 model.score=" #name,
#include <fovea/fields.def>
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) assert_equal_arrangements(CASES[i]);
}

static void keeps_what_it_cannot_tile(void **state) {
    (void)state;
    static const char *const CASES[] = {
        "task.loss=all task.context_length=511 model.n_embd=4",
        "task.loss=all task.context_length=600 model.n_embd=4 model.exclude_self=true",
        ("task.loss=all task.context_length=600 model.n_embd=4 model.score=harmonic "
         "model.score_power_learned=true"),
        "task.loss=all task.context_length=600 model.n_embd=8192",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        fv_config config = configure(CASES[i]);
        fv_model *model;
        check_ok(fv_model_create(&config, &model, NULL));
        if (is_long(model)) fail_msg("%s: probabilities are not kept", CASES[i]);
        fv_model_free(model);
    }
}

// --- --time ------------------------------------------------------------------------------------

static void time_arrangements(int length, int width) {
    char words[256];
    snprintf(words, sizeof words, "task.loss=all task.context_length=%d model.n_embd=%d", length,
             width);
    fv_config config = configure(words);
    double best[2];
    size_t bytes[2];
    for (int keeps = 0; keeps < 2; keeps++) {
        rig r = rig_create(&config, keeps);
        float *params = malloc(r.model->n_params * sizeof *params);
        fv_model_init_params(r.model, 11, params);
        bytes[keeps] = r.workspace.size;
        best[keeps] = INFINITY;
        for (int i = 0; i < 5; i++) {
            double start = clock_now();
            rig_run(&r, params);
            best[keeps] = fmin(best[keeps], clock_now() - start);
        }
        free(params);
        rig_free(&r);
    }
    printf("%6d %4d %10.1f %10.1f ms %6.2fx %10.1f %10.1f MiB\n", length, width, 1e3 * best[1],
           1e3 * best[0], best[1] / best[0], (double)bytes[1] / 1048576,
           (double)bytes[0] / 1048576);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--time") == 0) {
        printf("length  d_h       kept      tiled                 kept      tiled\n");
        for (int length = 256; length <= 2048; length *= 2)
            for (int width = 2; width <= 64; width *= 2) time_arrangements(length, width);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_kept_probabilities),
        cmocka_unit_test(keeps_what_it_cannot_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
