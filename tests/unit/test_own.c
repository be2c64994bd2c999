// Models of the lab asked by depth and length: plans, cells that do not depend on threads, samples
// added until an interval is narrow, and what is refused. The model counts values (its attention is
// uniform, embedding and values one-hot), so that how often it is right is known.
#include "configurations.h"
#include "eval/asks.h"

#include <fovea/model.h>
#include <fovea/own.h>

enum { V = 16, HALF = V / 2 };

#define WORDS "task.name=kv_retrieval task.vocab_size=16 model.n_embd=16 task.context_length=5"

static void set_identity(const fv_model *model, float *params, const char *name, int first) {
    const fv_tensor *tensor = fv_model_tensor(model, name);
    for (int i = first; i < V; i++) params[tensor->offset + i * V + i] = 1;
}

static float *make_counter(const fv_config *config) {
    fv_model *model;
    check_ok(fv_model_create(config, &model, NULL));
    float *params = calloc(fv_model_n_params(model), sizeof *params);
    set_identity(model, params, "embed.W_E", 0);
    set_identity(model, params, "blocks.0.attn.W_V", 0);
    set_identity(model, params, "blocks.0.attn.W_O", 0);
    set_identity(model, params, "unembed.W_U", HALF);
    fv_model_free(model);
    return params;
}

static fv_cells measure(const fv_config *config, const float *params, const fv_own_plan *plan) {
    fv_cells cells = {0};
    fv_error error;
    if (fv_own_measure(config, params, "counter", plan, &cells, &error) != FV_OK)
        fail_msg("%s", error.text);
    return cells;
}

static void test_cells(void **state) {
    (void)state;
    fv_config config = configure(WORDS);
    float *params = make_counter(&config);
    fv_own_plan plan = {.n_lengths = 2,
                        .n_depths = 2,
                        .lengths = {3, 5},
                        .depths = {0, 100},
                        .n_samples = 3000,
                        .seed = 4,
                        .n_threads = 1};
    fv_cells cells = measure(&config, params, &plan);
    assert_int_equal(cells.n, 4);
    for (int i = 0; i < cells.n; i++) {
        const fv_cell *cell = &cells.items[i];
        // Alone its value is found; of two the smaller one is said.
        double share = cell->length == 3 ? 1 : 0.5 * (1 + 1.0 / HALF);
        assert_string_equal(cell->task, "kv_retrieval");
        assert_string_equal(cell->unit, "tokens");
        assert_string_equal(cell->model, "counter");
        assert_int_equal(cell->length, plan.lengths[i / 2]);
        check_near(cell->depth, plan.depths[i % 2], 0);
        assert_int_equal(cell->n, 3000);
        assert_int_equal(cell->trained_length, 5);
        check_near((double)cell->hits / cell->n, share, 6 * sqrt(share * (1 - share) / 3000));
        assert_int_equal(cell->hits, cell->counts[FV_ANSWER_FOUND]);
        assert_int_equal(cell->n, cell->hits + cell->counts[FV_ANSWER_DISTRACTOR]);
    }
    // Every number of threads counts the same.
    plan.n_threads = 3;
    fv_cells again = measure(&config, params, &plan);
    assert_memory_equal(cells.items, again.items, (size_t)cells.n * sizeof *cells.items);
    plan.seed = 5;
    fv_cells other = measure(&config, params, &plan);
    assert_memory_not_equal(cells.items, other.items, (size_t)cells.n * sizeof *cells.items);
    fv_cells_free(&cells);
    // Two depths that are the same pair: cells have sequences of their own.
    plan.depths[1] = 1;
    fv_cells own = measure(&config, params, &plan);
    assert_int_not_equal(own.items[2].hits, own.items[3].hits);
    fv_cells_free(&again);
    fv_cells_free(&other);
    fv_cells_free(&own);
    free(params);
}

// Cells on both sides of where the decoder takes over, in one plan; the share grows to 1.
static void keep_progress(void *context, const fv_own_progress *progress) {
    fv_own_progress *last = context;
    assert_true(progress->share >= last->share && progress->share <= 1);
    assert_true(progress->n_done >= last->n_done);
    *last = *progress;
}

static void test_long_lengths(void **state) {
    (void)state;
    fv_config config =
        configure("task.name=needle task.vocab_size=16 model.n_embd=16 task.context_length=8");
    float *params = make_counter(&config);
    fv_own_progress last = {0};
    fv_own_plan plan = {.n_lengths = 3,
                        .n_depths = 2,
                        .lengths = {4095, 4096, 70000},
                        .depths = {0, 100},
                        .n_samples = 17,
                        .n_threads = 2,
                        .on_progress = keep_progress,
                        .context = &last};
    fv_cells cells = measure(&config, params, &plan);
    assert_int_equal(cells.n, 6);
    for (int i = 0; i < cells.n; i++) assert_int_equal(cells.items[i].n, 17);
    assert_int_equal(last.n_done, 6);
    check_near(last.share, 1, 1e-9);
    assert_int_equal(last.n_all, 6);
    plan.n_threads = 1;
    plan.on_progress = NULL;
    fv_cells again = measure(&config, params, &plan);
    assert_memory_equal(cells.items, again.items, (size_t)cells.n * sizeof *cells.items);
    fv_cells_free(&cells);
    fv_cells_free(&again);
    free(params);
}

static void test_width(void **state) {
    (void)state;
    fv_config config = configure(WORDS);
    float *params = make_counter(&config);
    fv_own_plan plan = {.n_lengths = 2,
                        .n_depths = 1,
                        .lengths = {3, 5},
                        .depths = {0},
                        .n_samples = 50,
                        .width = 0.1,
                        .most_samples = 100000,
                        .n_threads = 1};
    fv_cells cells = measure(&config, params, &plan);
    double low, high;
    for (int i = 0; i < 2; i++) {
        const fv_cell *cell = &cells.items[i];
        fv_wilson(cell->hits, cell->n, FV_Z95, &low, &high);
        check_between(high - low, 0, 0.1);
        assert_int_equal(cell->n % 50, 0);
    }
    // A share near one half needs about (2 * 1.96 / 0.1)^2 / 4 = 384 trials, a sure one far fewer.
    assert_int_equal(cells.items[0].n, 50);
    check_between(cells.items[1].n, 350, 400);
    fv_cells_free(&cells);
    plan.most_samples = 120;
    cells = measure(&config, params, &plan);
    assert_int_equal(cells.items[1].n, 150); // the first round at or above 120
    fv_cells_free(&cells);
    free(params);
}

static void test_plans(void **state) {
    (void)state;
    static const int TWICE[] = {8, 16, 24, 32, 40, 48, 56, 64}, KNOWN[] = {8, 16, 24, 32};
    fv_own_plan plan;
    fv_config config = configure("task.name=needle task.context_length=32 task.length_min=8");
    fv_own_plan_map(&config, &plan);
    assert_int_equal(plan.n_lengths, 8);
    assert_memory_equal(plan.lengths, TWICE, sizeof TWICE);
    assert_int_equal(plan.n_depths, 11);
    fv_own_plan_middle(&config, &plan);
    assert_int_equal(plan.n_lengths, 1);
    assert_int_equal(plan.lengths[0], 32);
    assert_int_equal(plan.n_depths, 21);
    check_near(plan.depths[20], 100, 0);
    // Learned positions end with the context.
    config.model.positions = FV_POSITIONS_LEARNED;
    fv_own_plan_map(&config, &plan);
    assert_int_equal(plan.n_lengths, 4);
    assert_memory_equal(plan.lengths, KNOWN, sizeof KNOWN);
    // Eight keys are too few for twice the pairs.
    config = configure("task.name=kv_retrieval task.vocab_size=16 task.context_length=17");
    fv_own_plan_map(&config, &plan);
    assert_int_equal(plan.n_lengths, 1);
    assert_int_equal(plan.lengths[0], 17);
}

static void test_refusals(void **state) {
    (void)state;
    fv_own_plan plan;
    fv_error error;
    fv_cells cells = {0};
    fv_config config = configure("task.name=copy");
    fv_own_plan_map(&config, &plan);
    assert_int_equal(fv_own_check(&config, &plan, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "copy hides nothing"));
    config = configure(WORDS);
    float *params = make_counter(&config);
    fv_own_plan_middle(&config, &plan);
    plan.depths[3] = 101;
    assert_int_equal(fv_own_measure(&config, params, "x", &plan, &cells, &error), FV_USAGE);
    plan.depths[3] = 3;
    volatile int interrupted = 1;
    plan.interrupted = &interrupted;
    assert_int_equal(fv_own_measure(&config, params, "x", &plan, &cells, &error), FV_INTERRUPTED);
    assert_int_equal(cells.n, 0);
    free(params);
}

static void check_label(const char *words, const char *wanted) {
    fv_config config = configure(words);
    char label[96];
    fv_own_label(&config, label);
    assert_string_equal(label, wanted);
}

static void test_labels(void **state) {
    (void)state;
    check_label("model.layers=[attention]", "attention, no positions");
    check_label("model.layers=[attention,attention,mlp] model.positions=learned",
                "2 x attention + mlp, learned positions");
    check_label("model.layers=[attention,attention] model.window=6 model.sinks=2 "
                "task.context_length=16 model.positions=sinusoidal",
                "2 x attention, window 6, 2 sinks, sinusoidal positions");
    check_label("model.layers=[mamba,mamba,attention,mamba]",
                "2 x mamba + attention + mamba, no positions");
    check_label("model.layers=[mamba,mamba]", "2 x mamba");
    char words[1024] = "model.layers=[attention";
    for (int i = 0; i < 30; i++) strcat(words, i % 2 ? ",attention" : ",mlp");
    strcat(words, "]");
    fv_config config = configure(words);
    char label[96];
    fv_own_label(&config, label);
    assert_int_equal(strlen(label), 95);
}

// --- answers -------------------------------------------------------------------------------------

// The log-probability of `right` by the model's own forward pass over "1 9 4 12 1".
static double logprob_of(const fv_config *config, const float *params, const char *prompt,
                         int right) {
    fv_model *model;
    int32_t tokens[5];
    float logits[V];
    double sum = 0;
    for (int i = 0; i < 5; i++) tokens[i] = (int32_t)strtol(prompt, (char **)&prompt, 10);
    check_ok(fv_model_create(config, &model, NULL));
    check_ok(fv_model_logits(model, params, tokens, 1, logits, NULL));
    fv_model_free(model);
    for (int v = 0; v < V; v++) sum += exp(logits[v]);
    return logits[right] - log(sum);
}

// What a flip's question was about, and what its row has of it.
static void check_flip(const fv_config *config, const float *params, const fv_own_plan *plan,
                       const fv_comparison *c, int i) {
    char *prompt;
    asks *a;
    asks_row row;
    fv_error error;
    const fv_flip *flip = &c->flips[i];
    check_ok(fv_own_flip_prompt(config, plan, c, flip, &prompt, &error));
    check_ok(asks_open(plan->folder, false, &a, &error));
    check_ok(asks_get(a, flip->row[0], &row, &error));
    int right = (int)strtol(row.expected + 2, NULL, 10);
    bool found = row.answer == FV_ANSWER_FOUND;
    assert_int_equal(found, strtol(row.reply, NULL, 10) == right);
    assert_int_equal(found, flip->answer[0] == FV_ANSWER_FOUND);
    if (row.length == 5) check_near(row.logprob, logprob_of(config, params, prompt, right), 1e-5);
    asks_close(a);
    free(prompt);
}

static void test_answers(void **state) {
    (void)state;
    char folder[] = "/tmp/fovea-own-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    fv_config config = configure(WORDS);
    float *params = make_counter(&config), *other = make_counter(&config);
    fv_error error;
    fv_comparison c;
    uint64_t seed;
    fv_own_plan plan = {.n_lengths = 2,
                        .n_depths = 2,
                        .lengths = {3, 5},
                        .depths = {0, 100},
                        .n_samples = 300,
                        .seed = 4,
                        .n_threads = 2,
                        .folder = folder};
    fv_cells cells = measure(&config, params, &plan);
    assert_int_equal(fv_own_seed(folder, "nobody", &seed, &error), FV_NOT_FOUND);
    check_ok(fv_own_seed(folder, "counter", &seed, &error));
    assert_int_equal(seed, 4);
    // Another model: the larger half of the values is said less often.
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    size_t unembed = fv_model_tensor(model, "unembed.W_U")->offset;
    for (int i = HALF; i < V; i++) other[unembed + (size_t)i * V + (size_t)i] = 1 + 0.1F * (float)i;
    fv_model_free(model);
    assert_int_equal(fv_own_measure(&config, other, "counter", &plan, &cells, &error), FV_USAGE);
    assert_non_null(strstr(error.text, "the answers labelled 'counter' in "));
    fv_cells theirs = {0};
    check_ok(fv_own_measure(&config, other, "other", &plan, &theirs, &error));
    check_ok(fv_own_compare(&config, &plan, "other", "counter", &c, &error));
    assert_int_equal(c.all.counts.n, 1200);
    assert_int_equal(c.n_asked, 1200);
    assert_int_equal(c.n_others, 0);
    assert_int_equal(c.n_flips, c.all.counts.lost + c.all.counts.won);
    assert_true(c.n_flips > 50 && c.logprobs.n == 1200 && c.logprobs.n_one == 0);
    for (int i = 0; i < 4; i++) // lengths as in the plan, depths from deep to shallow
        assert_int_equal(c.cells[i].found[0], cells.items[i / 2 * 2 + 1 - i % 2].hits);
    for (int i = 0; i < c.n_flips; i += 40) check_flip(&config, params, &plan, &c, i);
    fv_comparison_free(&c);
    // A cell has the same sequences in another grid, and other ones with another seed.
    plan.n_lengths = plan.n_depths = 1;
    plan.lengths[0] = 5;
    plan.depths[0] = 100;
    plan.n_samples = 100;
    fv_cells again = {0};
    check_ok(fv_own_measure(&config, params, "again", &plan, &again, &error));
    check_ok(fv_own_compare(&config, &plan, "again", "counter", &c, &error));
    assert_int_equal(c.all.counts.n, 100);
    assert_int_equal(c.n_flips, 0);
    assert_true(c.logprobs.of_both.p == 1 && c.logprobs.of_both.mean == 0);
    fv_comparison_free(&c);
    plan.seed = 5;
    check_ok(fv_own_measure(&config, params, "again", &plan, &again, &error));
    check_ok(fv_own_compare(&config, &plan, "again", "counter", &c, &error));
    assert_int_equal(c.all.counts.n, 0);
    assert_int_equal(c.n_asked, 100);
    fv_comparison_free(&c);
    fv_cells_free(&cells);
    fv_cells_free(&theirs);
    fv_cells_free(&again);
    free(params);
    free(other);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_width),        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_labels),
        cmocka_unit_test(test_long_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
