// What is said before training of experiments that do not do what their authors meant, and that
// nothing is said of those that do.
#include "engine.h"

#include <fovea/experiment.h>
#include <glob.h>
#include <unistd.h>

typedef struct heard {
    int n;
    char last[1024];
} heard;

static void listen(void *context, const char *sentence) {
    heard *h = context;
    h->n++;
    snprintf(h->last, sizeof h->last, "%s", sentence);
}

static heard warnings_of(const char *path, const char *const *overrides, int n) {
    heard h = {0, ""};
    fv_experiment *experiment;
    fv_error error = {0};
    if (fv_experiment_read(path, overrides, n, &experiment, &error) != FV_OK ||
        fv_experiment_warn(experiment, listen, &h, &error) != FV_OK)
        fail_msg("%s: %s", path, error.text);
    fv_experiment_free(experiment);
    return h;
}

// One warning that has these words in it; with NULL none.
static void expect(const char *yaml, const char *override, const char *words) {
    char path[] = "/tmp/test_warnings.XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, yaml, strlen(yaml)), strlen(yaml));
    close(file);
    heard h = warnings_of(path, &override, override != NULL);
    unlink(path);
    if (h.n != (words != NULL)) fail_msg("%d warnings of %s: %s", h.n, yaml, h.last);
    if (words == NULL) return;
    if (strncmp(h.last, path, strlen(path)) != 0) fail_msg("'%s' does not name the file", h.last);
    if (strstr(h.last, words) == NULL) fail_msg("'%s' does not say '%s'", h.last, words);
}

static void test_values_given_twice(void **state) {
    (void)state;
    expect(
        "sweep: {train.learning_rate: [0.01, 1e-2, 0.1]}\n", NULL,
        "train.learning_rate has 0.01 more than once; a value counts once, so that 2 of 3 remain");
    expect("sweep: {model.layers: [[mlp, mlp], [mlp*2]]}\ntask: {offset: 0}\n", NULL,
           "1 of 2 remain");
    expect("train: {seed: [0..3, 2]}\n", NULL, "train.seed has 2 more than once");
    expect("{}\n", "task.vocab_size=5,6,5", "task.vocab_size has 5 more than once");
    expect("sweep: {model.n_embd: {from: 1, to: 3, steps: 5}}\n", NULL,
           "5 evenly spaced values, which are 3 whole numbers");
    // Grids that overlap, and draws, are meant.
    expect("sweep: [{task.vocab_size: [4, 5]}, {task.vocab_size: [5, 6]}]\n", NULL, NULL);
    expect("sweep: {random: 50, model.n_embd: {range: [2, 4]}}\n", NULL, NULL);
    expect("sweep:\n  adaptive: {measure: final(loss), threshold: 1, rounds: 4}\n"
           "  model.n_embd: {from: 2, to: 6, steps: 3}\n"
           "  train.learning_rate: {from: 1e-3, to: 1e-1, steps: 3, scale: log}\n",
           NULL, NULL);
}

static void test_lists_of_layers(void **state) {
    (void)state;
    expect("sweep: {model.layers: [attention, mlp*2]}\n", NULL,
           "model.layers has one value in the whole sweep, the list [attention, mlp, mlp]; several "
           "lists are written as a list of lists");
    expect("{}\n", "model.layers=attention,mlp", "one value in the whole sweep");
    expect("{}\n", "model.layers=[attention, mlp]", NULL);
    expect("{}\n", "train.snapshots=1,2", NULL);
    expect("sweep: {model.layers: [[attention], [mlp*2]]}\n", NULL, NULL);
    expect("sweep: {model.layers: [attention*2]}\n", NULL, NULL);
    expect("sweep: [{model.layers: [attention, mlp]}, {model.layers: [attention]}]\n", NULL, NULL);
}

static void test_models_trained_twice(void **state) {
    (void)state;
    static const struct {
        const char *sweep, *words;
    } cases[] = {
        {"model.score: [dot, harmonic], model.score_power: [2, 3]",
         "1 of 4 runs trains a model that another run trains too: model.score_power 2 and 3 come "
         "to "
         "the same, as model.score_power 3 is not read by model.score dot, only by harmonic"},
        {"model.layers: [[attention], [attention, mlp]], model.d_mlp: [0, 3, 4]", "2 of 6 runs"},
        {"model.layers: [[attention, mlp]], model.d_mlp: [0, 3, 8]",
         "0 is four times model.n_embd"},
        {"task.name: [induction], task.context_length: 8, task.period: [0, 4], model.positions: "
         "learned",
         "0 is half of the context"},
        {"task.context_length: 6, task.index: [-1, 4], task.offset: 1, model.positions: learned",
         "1 of 2 runs"},
        {"model.window: [0, 3, 5]", "a window of the whole context hides nothing"},
        {"model.layers: [[attention], [attention(window=4)]]", "they see the same positions"},
        {"train.optimizer: [sgd, momentum], train.momentum: [0, 0.9]", "2 of 4 runs"},
        {"train.optimizer: [adamw, adam]", "a weight_decay or momentum that is 0"},
        {"train.schedule: [constant, warmup], train.warmup_steps: 10", "the rate is constant"},
        {"train.schedule: [constant, step], train.decay_every: 9000", "the rate is constant"},
        {"model.embedding: [learned, noisy], model.embedding_noise: 0", "noise of 0 is none"},
        {"train.log_every: [5, 10]", "it only says how a run is watched"},
        {"train.snapshots: [[1], [2, 3]]", "they only say how a run is watched"},
        {"model.window: [0, 2, 3]", NULL},
        {"train.optimizer: [adamw, adam], train.weight_decay: 0.1", NULL},
        {"train.schedule: [constant, cosine, linear, step]", NULL},
        {"train.stop_metric: accuracy, train.stop_value: 0.9, train.log_every: [5, 10]", NULL},
        {"model.score: [dot, harmonic], model.n_embd: [2, 3]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "sweep: {%s}\n", cases[i].sweep);
        expect(yaml, NULL, cases[i].words);
    }
}

static void test_tasks_that_cannot_be_learned(void **state) {
    (void)state;
    static const struct {
        const char *model, *words;
    } cases[] = {
        {"model: {embedding: resampled}\n", "its run cannot learn which token to answer: "
                                            "model.embedding resampled gives every token a new"},
        {"sweep: {model.embedding: [fixed, resampled], train.seed: 0..2}\n", "3 of 6 runs cannot"},
        {"task: {name: similar}\nmodel: {embedding: resampled, tied: true}\n", "as numbers"},
        {"task: {offset: 1}\nmodel: {layers: [mlp]}\n", "no layer of model.layers looks at other"},
        {"task: {name: kv_retrieval, context_length: 9}\nmodel: {layers: [mlp]}\n", "no layer of"},
        {"task: {offset: 3, context_length: 5}\nmodel: {layers: [attention*2], window: 2}\n",
         "further back than the windows"},
        {"task: {name: induction, context_length: 20}\nmodel: {layers: [attention(window=3)*3]}\n",
         "further back than the windows"},
        {"model: {exclude_self: true}\n", "goes at least one position back"},
        {"task: {offset: 1}\nmodel: {layers: [attention*2], exclude_self: true}\n", "at least one"},
        {"task: {offset: 1}\n", "one attention layer with model.positions none"},
        {"model: {init: normal, init_sigma: 0}\n", "begins at 0"},
        {"model: {embedding_sigma: 0, tied: true}\n", "begins at 0"},
        {"train: {learning_rate: 0}\n", "nothing that a rate above 0 belongs to is trained"},
        {"model: {embedding: fixed, tied: true}\ntrain: {layer_rate: 0}\n", "is trained"},
        {"model: {embedding: resampled, tied: true}\n", NULL},
        {"model: {embedding: noisy}\n", NULL},
        {"model: {layers: [mlp]}\n", NULL},
        {"task: {offset: 2, context_length: 5}\nmodel: {layers: [attention*2], window: 2}\n", NULL},
        {"task: {offset: 2}\nmodel: {layers: [attention(window=1 sinks=2)]}\n", NULL},
        {"task: {offset: 1}\nmodel: {layers: [attention*2]}\n", NULL},
        {"model: {exclude_self: true, residual: true}\n", NULL},
        {"model: {embedding_sigma: 0}\n", NULL},
        {"model: {embedding: fixed, tied: true}\n", NULL},
        // A contrast with runs that learn.
        {"task: {offset: 1}\nsweep: {model.positions: [none, learned]}\n", NULL},
        {"sweep: {train.learning_rate: [0, 0.001]}\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(cases[i].model, NULL, cases[i].words);
}

static void test_different_samples(void **state) {
    (void)state;
#define SEEDS                                                                                      \
    "sweep: [{task.vocab_size: 4, train.seed: 0..3}, {task.vocab_size: 9, train.seed: 0..1}]\n"
#define RATES                                                                                      \
    "sweep: [{task.vocab_size: [4, 9], train.learning_rate: [1e-3, 1e-2]},\n"                      \
    "        {task.vocab_size: 20, train.learning_rate: %s}]\n"
#define CLAIM(more) "claims: [{statement: s, measure: final(loss), " more "}]\n"
    char yaml[512];
    expect(
        SEEDS CLAIM("below: 1"), NULL,
        ":2: claim: its runs have different seeds, 4 where task.vocab_size is 4, 2 where it is 9");
    expect(SEEDS CLAIM("below: 1, where: {task.vocab_size: 9}"), NULL, NULL);
    expect(SEEDS CLAIM("below: 1, where: {train.seed: [0, 1]}"), NULL, NULL);
    expect(SEEDS "figure: {kind: heatmap, x: task.vocab_size, y: model.n_embd, value: final(loss), "
                 "reduce: mean}\n",
           NULL, ":2: figure: its runs have different seeds");
    static const struct {
        const char *rates, *claim, *words;
    } cases[] = {
        {"1e-3", CLAIM("across: task.vocab_size, reduce: mean, trend: increasing"),
         ":3: claim: 'reduce' takes the mean over different values of train.learning_rate, 2 where "
         "task.vocab_size is 4, 1 where it is 20"},
        {"[1e-3, 1e-1]", CLAIM("across: task.vocab_size, reduce: sum, trend: increasing"),
         "2 others where it is 20"},
        {"1e-3", CLAIM("across: task.vocab_size, fit: ratio, above: 1"), "takes the mean over"},
        {"[1e-2, 1e-3]", CLAIM("across: task.vocab_size, reduce: mean, trend: increasing"), NULL},
        {"1e-3", CLAIM("across: task.vocab_size, trend: increasing"), NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(yaml, sizeof yaml, RATES "%s", cases[i].rates, cases[i].claim);
        expect(yaml, NULL, cases[i].words);
    }
}

// What is published here means what it says.
static void test_published_experiments(void **state) {
    (void)state;
    glob_t files;
    assert_int_equal(glob(FOVEA_SOURCE_DIR "/experiments/*/*.yaml", 0, NULL, &files), 0);
    assert_true(files.gl_pathc > 30);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        heard h = warnings_of(files.gl_pathv[i], NULL, 0);
        if (h.n > 0) fail_msg("%s", h.last);
    }
    globfree(&files);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_given_twice),
        cmocka_unit_test(test_lists_of_layers),
        cmocka_unit_test(test_models_trained_twice),
        cmocka_unit_test(test_tasks_that_cannot_be_learned),
        cmocka_unit_test(test_different_samples),
        cmocka_unit_test(test_published_experiments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
