// Plateaus on curves whose plateau is known, measures, and verdicts.
#include "engine.h"
#include "measures/measure.h"
#include "measures/plateau.h"

#include <fovea/claim.h>
#include <fovea/config.h>

// --- curves ------------------------------------------------------------------------------------

// A fall from one level to the next: a logistic around `when`.
typedef struct fall {
    double when, width, to;
} fall;

typedef struct falls {
    double start;
    fall fall[3];
    int steps, every;
    double sigma; // relative noise of a point
} falls;

static void draw(const falls *shape, uint64_t seed, fv_record *record) {
    for (int step = 0; step <= shape->steps; step += shape->every) {
        double y = shape->start;
        for (int i = 0; i < 3 && shape->fall[i].width > 0; i++) {
            const fall *f = &shape->fall[i];
            double from = i == 0 ? shape->start : shape->fall[i - 1].to;
            y += (f->to - from) / (1 + exp((f->when - step) / f->width));
        }
        y *= exp(shape->sigma * noise_normal(&seed));
        assert_int_equal(fv_record_add(record, "perplexity", step, (float)y), FV_OK);
    }
}

static measure_plateau plateau_of(const falls *shape, uint64_t seed) {
    fv_record record;
    fv_record_init(&record);
    draw(shape, seed, &record);
    measure_plateau plateau;
    assert_int_equal(plateau_find(fv_record_find(&record, "perplexity"), 1, &plateau), FV_OK);
    fv_record_free(&record);
    return plateau;
}

static void test_plateau_at_half(void **state) {
    (void)state;
    static const falls shapes[] = {
        {4, {{280, 30, 2}, {1600, 60, 1}}, 2000, 10, 0.01},
        {10, {{280, 30, 5}, {1900, 100, 1}}, 3000, 10, 0.01},
        {100, {{220, 30, 50}, {2450, 100, 12}}, 3000, 10, 0.02},
        {100, {{120, 12, 50}, {520, 20, 8}, {900, 60, 1}}, 3000, 10, 0.02},
        {100, {{220, 30, 50}, {2450, 100, 12}}, 3000, 1, 0.03}, // each step logged, more noise
        {100, {{220, 30, 50}, {2450, 100, 12}}, 3000, 50, 0.01},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            const falls *s = &shapes[i];
            measure_plateau p = plateau_of(s, seed);
            assert_true(p.found && p.left);
            check_near(p.height / s->start, 0.5, 0.02);
            double duration = s->fall[1].when - s->fall[0].when;
            if (p.end - p.start < 0.5 * duration || p.end - p.start > duration)
                fail_msg("shape %zu: a plateau from %d to %d", i, p.start, p.end);
        }
}

static void test_no_plateau(void **state) {
    (void)state;
    static const falls shapes[] = {
        {100, {{150, 30, 1}}, 3000, 10, 0.02}, // falls at once, then rests at the floor
        {100, {{150, 30, 1}}, 3000, 1, 0.02},     {4, {{400, 60, 1}}, 2000, 10, 0.01},
        {10, {{1500, 250, 1}}, 3000, 10, 0.01},   // slow all the way
        {100, {{2000, 100, 90}}, 3000, 10, 0.01}, // hardly leaves its start
        {100, {{0, 0, 0}}, 3000, 10, 0.01},       // never leaves it
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            measure_plateau p = plateau_of(&shapes[i], seed);
            if (p.found)
                fail_msg("shape %zu: a plateau at %g from %d to %d", i, p.height, p.start, p.end);
        }
}

// Scaling time, as another learning rate does, scales the plateau and nothing else.
static void test_plateau_knows_no_units(void **state) {
    (void)state;
    const falls slow = {100, {{2200, 300, 50}, {24500, 1000, 12}}, 30000, 100, 0};
    const falls fast = {100, {{220, 30, 50}, {2450, 100, 12}}, 3000, 10, 0};
    measure_plateau a = plateau_of(&slow, 0), b = plateau_of(&fast, 0);
    assert_true(a.found && b.found);
    assert_int_equal(a.start, 10 * b.start);
    assert_int_equal(a.end, 10 * b.end);
}

static void test_stuck_to_the_end(void **state) {
    (void)state;
    const falls stuck = {100, {{220, 30, 50}}, 3000, 10, 0.01};
    const falls left = {100, {{120, 15, 50}, {700, 30, 3}}, 9000, 10, 0.01};
    measure_plateau p = plateau_of(&stuck, 1);
    assert_true(p.found && !p.left);
    check_near(p.height, 50, 1);
    assert_true(p.end > 2900);
    // A long tail above the floor does not hide the plateau that was left.
    p = plateau_of(&left, 1);
    assert_true(p.found && p.left);
    check_near(p.height, 50, 1);
}

// Descents that slow down for ever, as a power of time, have no plateau however long they run.
static void test_slow_tails(void **state) {
    (void)state;
    static const double powers[] = {0.3, 0.5, 1, 2};
    for (int p = 0; p < 4; p++)
        for (int last = 1000; last <= 100000; last *= 10) {
            fv_record record;
            fv_record_init(&record);
            for (int step = 0; step <= last; step += last / 300)
                fv_record_add(&record, "x", step, (float)(100 * pow(1 + step / 50.0, -powers[p])));
            measure_plateau plateau;
            assert_int_equal(plateau_find(fv_record_find(&record, "x"), 1e-9, &plateau), FV_OK);
            if (plateau.found)
                fail_msg("power %g, %d steps: a plateau at %g from %d to %d", powers[p], last,
                         plateau.height, plateau.start, plateau.end);
            fv_record_free(&record);
        }
}

static void test_plateau_of_hostile_curves(void **state) {
    (void)state;
    static const float values[][4] = {
        {0, 0, 0, 0}, {-1, 2, 3, 4}, {NAN, 1, 1, 1}, {8, 4, INFINITY, 1}, {8, 4, 4, 1}};
    for (int i = 0; i < 5; i++) {
        fv_record record;
        fv_record_init(&record);
        for (int k = 0; k < 4; k++) fv_record_add(&record, "x", k * 10, values[i][k]);
        measure_plateau plateau;
        assert_int_equal(plateau_find(fv_record_find(&record, "x"), 1, &plateau), FV_OK);
        fv_record_free(&record);
    }
    const fv_series empty = {.n = 0};
    measure_plateau plateau;
    assert_int_equal(plateau_find(&empty, 1, &plateau), FV_OK);
    assert_false(plateau.found);
}

// --- measures ----------------------------------------------------------------------------------

// A run of vocabulary 5 with three curves of 11 points each.
static void make_run(fv_record *record) {
    fv_record_init(record);
    fv_record_set_config(record, NULL, NULL);
    record->config->task.vocab_size = 5;
    record->config->model.positions = FV_POSITIONS_LEARNED;
    for (int i = 0; i <= 10; i++) {
        fv_record_add(record, "perplexity", 10 * i, (float)(100 - 5 * i));
        fv_record_add(record, "effective_rank.blocks.0.attn.W_Q", 10 * i, (float)(i * i));
        fv_record_add(record, "effective_rank.blocks.0.attn.W_K", 10 * i, (float)-i);
        fv_record_add(record, "attention_mass.0[1]", 10 * i, 0.25f);
    }
}

static double value_of(const char *expression) {
    fv_record record;
    make_run(&record);
    double value = -12345;
    fv_error error = {0};
    if (fv_measure(expression, &record, &value, &error) != FV_OK)
        fail_msg("%s: %s", expression, error.text);
    fv_record_free(&record);
    return value;
}

static void test_measures(void **state) {
    (void)state;
    static const struct {
        const char *expression;
        double value;
    } cases[] = {
        {"5 / 2", 2.5},
        {"task.vocab_size / 2", 2.5},
        {"1e1 + .5", 10.5},
        {"final(perplexity)", 50},
        {"initial(perplexity)", 100},
        {"at(perplexity, 15)", 92.5},
        {"change(perplexity, 10, 30)", -10},
        {"lowest(effective_rank.W_K)", -10},
        {"highest(effective_rank.blocks.0.attn.W_Q, 15, 55)", 25},
        {"highest_step(perplexity, 35, 100)", 40},
        {"lowest_step(effective_rank.W_Q)", 0},
        {"mean(perplexity, 20, 40)", 85},
        {"mean(\"attention_mass.0[1]\")", 0.25},
        {"mean(attention_mass.0[1])", 0.25},
        {"slope(perplexity)", -0.5},
        {"correlation(perplexity, effective_rank.W_K)", 1},
        {"correlation(perplexity, effective_rank.W_Q) < -0.9", 1},
        {"first_below(perplexity, 80)", 50},
        {"first_above(effective_rank.W_Q, 80)", 90},
        {"coalesce(plateau(perplexity), -1)", -1},
        {"plateau_length(perplexity)", 0},
        {"model.positions = 'learned'", 1},
        {"case when model.residual then 1 else 2 end", 2},
        {"max(abs(-3), sqrt(4), ln(exp(1)))", 3},
        {"pow(2, 10)", 1024},
        {"- - 3", 3},
        {"2 >= 2", 1},
        {"final(perplexity)<=49", 0},
        {"(1 <> 1) + (1 != 2) * 10 + (3 == 3) * 100", 110},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_near(value_of(cases[i].expression), cases[i].value, 1e-6);
    static const char *const never[] = {
        "plateau(perplexity)",        "at(perplexity, 101)",
        "first_below(perplexity, 3)", "1 / 0",
        "mean(perplexity, 41, 42)",   "at(perplexity, plateau_end(perplexity))"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_true(isnan(value_of(never[i])));
}

// Accuracy that touches 0.9 at step 20, falls back, stays from step 40 on; and one that collapses.
static void test_emergence(void **state) {
    (void)state;
    static const struct {
        float values[6];
        double above, below; // expected of emergence(x, 0.9) and emergence_below(x, 0.5)
    } cases[] = {
        {{0.1f, 0.2f, 0.95f, 0.8f, 0.92f, 0.99f}, 40, NAN},
        {{0.1f, 0.2f, 0.95f, 0.99f, 0.99f, 0.3f}, NAN, 50},
        {{0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.9f}, NAN, NAN}, // 0.9 is not above 0.9
        {{0.95f, 0.95f, 0.95f, 0.95f, 0.95f, 0.95f}, 0, NAN},
        {{0.6f, 0.4f, 0.6f, 0.4f, 0.4f, 0.4f}, NAN, 30},
        {{0.1f, 0.95f, 0.95f, 0.95f, 0.95f, NAN}, NAN, NAN},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        fv_record record;
        fv_record_init(&record);
        fv_record_set_config(&record, NULL, NULL);
        for (int i = 0; i < 6; i++) fv_record_add(&record, "accuracy", 10 * i, cases[c].values[i]);
        double above, below;
        assert_int_equal(fv_measure("emergence(accuracy, 0.9)", &record, &above, NULL), FV_OK);
        assert_int_equal(fv_measure("emergence_below(accuracy, .5)", &record, &below, NULL), FV_OK);
        fv_record_free(&record);
        assert_int_equal(isnan(above), isnan(cases[c].above));
        assert_int_equal(isnan(below), isnan(cases[c].below));
        if (!isnan(above)) check_near(above, cases[c].above, 0);
        if (!isnan(below)) check_near(below, cases[c].below, 0);
    }
}

static void test_steps_of_events(void **state) {
    (void)state;
    static const struct {
        const char *expression;
        bool is_step;
    } cases[] = {
        {"emergence(accuracy, 0.5)", true},
        {" first_above ( \"attention_mass.0[1]\", task.vocab_size / (1 + 2) ) ", true},
        {"emergence_below(loss, 0.5)", true},
        {"first_below(loss, 0.5)", true},
        {"emergence(accuracy, 0.5) / 2", false},
        {"emergence(accuracy, 0.5) + emergence(loss, 0.5)", false},
        {"- emergence(accuracy, 0.5)", false},
        {"max(emergence(accuracy, 0.5), 2)", false},
        {"plateau_start(loss)", false},
        {"task.vocab_size", false},
        {"emergence(", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (measure_is_step(cases[i].expression) != cases[i].is_step)
            fail_msg("%s", cases[i].expression);
}

static void test_refused_measures(void **state) {
    (void)state;
    static const struct {
        const char *expression, *message;
    } cases[] = {
        {"perplexity / 2", "a series stands in a function: final(perplexity)"},
        {"min(perplexity, 2)", "a series stands in a function"},
        {"final(perplexity + 1)", "a series stands in a function"},
        {"task.vocab_sise", "nearest field is task.vocab_size"},
        {"swaps.share / 2", "a series stands in a function: final(swaps.share)"},
        {"steps", "the nearest field is train.steps"},
        {"final loss", "'final'; it is a function, as in final("},
        {"final(loss", "a parenthesis is not closed"},
        {"diverge", "the nearest is diverged"},
        {"exploded", "the nearest is diverged"},
        {"diverged()", "it stands without parentheses"},
        {"platau(perplexity)", "nearest is plateau"},
        {"at(perplexity)", "it takes 2"},
        {"plateau(perplexity, 1, 2)", "it takes 1 to 2"},
        {"final(task.vocab_size)", "a series or text is wanted"},
        {"final(3)", "must be a series"},
        {"final(effective_rank)", "no single series"},
        {"final(losss)", "no single series"},
        {"1 +", "is no expression"},
        {"(1", "not closed"},
        {"1)", "nothing is open"},
        {"1; drop table x", "cannot read"},
        {"1 -- 2", "cannot read"},
        {"1 && 2", "write and"},
        {"2 ** 3", "write pow(x, y)"},
        {"(select 1)", "no field is called 'select'"},
        {"random()", "no function is called 'random'"},
        {"zeroblob(1000000000)", "no function is called"},
        {"load_extension('x')", "no function is called"},
        {"'text'", "must be a number"},
        {"'unfinished", "unfinished text"},
        {"", "is no expression"},
    };
    fv_record record;
    make_run(&record);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value;
        fv_error error = {0};
        assert_int_equal(fv_measure(cases[i].expression, &record, &value, &error), FV_USAGE);
        if (strstr(error.text, cases[i].message) == NULL)
            fail_msg("'%s' says: %s", cases[i].expression, error.text);
    }
    fv_record_free(&record);
}

// What one evaluation may cost is no budget of all: a sweep has more runs than that has steps.
static void test_a_measure_of_many_runs(void **state) {
    (void)state;
    fv_record record;
    make_run(&record);
    for (int i = 0; i < 30000; i++) {
        double value = 0;
        fv_error error = {0};
        if (fv_measure("final(perplexity) + 1", &record, &value, &error) != FV_OK)
            fail_msg("evaluation %d: %s", i, error.text);
    }
    fv_record_free(&record);
}

// More different measures than are kept prepared, twice over.
static void test_many_measures(void **state) {
    (void)state;
    for (int i = 0; i < 400; i++) {
        char expression[64];
        snprintf(expression, sizeof expression, "final(perplexity) + %d", i % 200);
        check_near(value_of(expression), 50 + i % 200, 0);
    }
}

static void test_deep_and_long_measures(void **state) {
    (void)state;
    fv_record record;
    make_run(&record);
    char expression[3000];
    double value;
    fv_error error;
    memset(expression, '(', sizeof expression);
    expression[900] = '\0';
    assert_int_equal(fv_measure(expression, &record, &value, &error), FV_USAGE);
    memset(expression, '1', sizeof expression);
    expression[sizeof expression - 1] = '\0';
    assert_int_equal(fv_measure(expression, &record, &value, &error), FV_USAGE);
    for (int i = 0; i < FV_MEASURE_MAX_TEXT; i++) expression[i] = i % 2 ? '+' : '1';
    expression[FV_MEASURE_MAX_TEXT - 1] = '\0';
    assert_int_equal(fv_measure(expression, &record, &value, &error), FV_USAGE); // depth 200
    expression[199] = '\0';
    assert_int_equal(fv_measure(expression, &record, &value, &error), FV_OK);
    check_near(value, 100, 0);
    fv_record_free(&record);
}

// --- claims ------------------------------------------------------------------------------------

enum { MAX_OPTIONS = 12 };

// A claim in memory: "key", "value", ..., NULL.
typedef struct claim {
    fv_option options[MAX_OPTIONS];
    char *values[MAX_OPTIONS];
    fv_options list;
} claim;

static void make_claim(claim *c, const char *const *pairs) {
    *c = (claim){.list = {0, c->options, 7}};
    for (int i = 0; pairs[2 * i] != NULL; i++) {
        c->values[i] = (char *)(uintptr_t)pairs[2 * i + 1];
        c->options[i] =
            (fv_option){(char *)(uintptr_t)pairs[2 * i], 1, &c->values[i], false, 8 + i};
        c->list.n++;
    }
}

static fv_experiment experiment_of(claim *c) {
    fv_experiment e = {.path = (char *)"x.yaml", .name = (char *)"x", .source = (char *)"S"};
    e.n_claims = 1;
    e.claims = &c->list;
    return e;
}

// Ten runs: seeds 0..4 by vocabularies 4 and 100. final(loss) is seed + vocabulary, and seed 3 has
// a loss that is far off; perplexity is missing nowhere.
enum { N_RUNS = 10 };

static void make_runs(fv_record *runs, const fv_record **pointers) {
    for (int i = 0; i < N_RUNS; i++) {
        int seed = i / 2, vocabulary = i % 2 ? 100 : 4;
        fv_record_init(&runs[i]);
        fv_record_set_config(&runs[i], NULL, NULL);
        runs[i].config->train.seed = seed;
        runs[i].config->task.vocab_size = vocabulary;
        fv_record_add(&runs[i], "loss", 0, (float)(seed == 3 ? -500 + seed : seed + vocabulary));
        pointers[i] = &runs[i];
    }
}

static fv_judgement *judge(const char *const *pairs, fv_error *error) {
    fv_record runs[N_RUNS];
    const fv_record *pointers[N_RUNS];
    claim c;
    make_claim(&c, pairs);
    fv_experiment e = experiment_of(&c);
    make_runs(runs, pointers);
    fv_judgement *judgements = NULL;
    *error = (fv_error){0};
    fv_claims_judge(&e, pointers, N_RUNS, &judgements, error);
    for (int i = 0; i < N_RUNS; i++) fv_record_free(&runs[i]);
    return judgements;
}

static void expect(const char *const *pairs, fv_verdict verdict, const char *measured,
                   const char *note) {
    fv_error error;
    fv_judgement *j = judge(pairs, &error);
    if (j == NULL) fail_msg("%s", error.text);
    assert_int_equal(j->verdict, verdict);
    assert_string_equal(j->measured, measured);
    assert_string_equal(j->note, note);
    fv_judgements_free(j, 1);
}

static void test_verdicts(void **state) {
    (void)state;
    expect((const char *[]){"statement", "Near.", "where.task.vocab_size", "4", "measure",
                            "final(loss)", "published", "5", "tolerance", "3", NULL},
           FV_REPRODUCED, "median 5 (-497 to 8)",
           "4 of 5 seeds (rate at least 0.38) within 3; seed 3 did not (-497)");
    expect((const char *[]){"statement", "Nearer.", "where.task.vocab_size", "4", "measure",
                            "final(loss)", "published", "4.5", "tolerance", "0.5", NULL},
           FV_PARTLY, "median 5 (-497 to 8)",
           "2 of 5 seeds (rate at least 0.12) within 0.5; seeds 2, 3, 4 did not (6; -497; 8)");
    expect((const char *[]){"statement", "Both.", "measure", "final(loss)", "below", "10", "above",
                            "0", "note", "Short runs.", NULL},
           FV_NOT_REPRODUCED, "median 7 (-497 to 104)",
           "0 of 5 seeds between 0 and 10; seeds 0, 1, 2, 3, 4 did not (4, 100; 5, 101; 6, 102; "
           "-497, -497; 8, 104). Short runs.");
    expect((const char *[]){"statement", "Grows.", "measure", "final(loss)", "across",
                            "task.vocab_size", "trend", "increasing", NULL},
           FV_REPRODUCED, "medians 4: 5, 100: 101",
           "4 of 5 seeds (rate at least 0.38) increasing with task.vocab_size; seed 3 did not "
           "(-497, -497)");
    expect((const char *[]){"statement", "Grows.", "measure", "final(loss)", "across",
                            "task.vocab_size * state_bytes = 4 * state_bytes", "trend",
                            "decreasing", NULL},
           FV_REPRODUCED, "medians 0: 101, 1: 5",
           "4 of 5 seeds (rate at least 0.38) decreasing with task.vocab_size * state_bytes = 4 * "
           "state_bytes; seed 3 did not (-497, -497)");
    expect((const char *[]){"statement", "Shrinks.", "measure", "final(loss)", "across",
                            "task.vocab_size", "trend", "decreasing", NULL},
           FV_NOT_REPRODUCED, "medians 4: 5, 100: 101",
           "0 of 5 seeds decreasing with task.vocab_size; seeds 0, 1, 2, 3, 4 did not (4, 100; 5, "
           "101; 6, 102; -497, -497; 8, 104)");
    expect((const char *[]){"statement", "Never.", "measure", "plateau(loss)", "above", "0", NULL},
           FV_NOT_REPRODUCED, "none", "0 of 5 seeds above 0; no value for seeds 0, 1, 2, 3, 4");
}

static void test_judgement_texts(void **state) {
    (void)state;
    fv_error error;
    fv_judgement *j =
        judge((const char *[]){"statement", "Perplexity stalls at V/2.", "measure", "final(loss)",
                               "above", "-1e3", "published", "none", NULL},
              &error);
    assert_non_null(j);
    assert_string_equal(j->id, "x/perplexity-stalls-at-v-2");
    assert_string_equal(j->source, "S");
    assert_string_equal(j->published, "none");
    assert_string_equal(fv_verdict_text(j->verdict), "reproduced");
    assert_int_equal(j->n_seeds, 5);
    assert_int_equal(j->n_agree, 5);
    fv_judgements_free(j, 1);
}

// Runs of sizes 2, 4, 8 and 16 whose accuracy rises at step 10 x^2, with two learning rates, of
// which the larger one takes twice as long; seed 1 grows as x^3 instead and is cut off at step
// 20000, seed 2 never rises at 16.
enum { N_TIMES = 3 * 4 * 2 };

static void make_times(fv_record *runs, const fv_record **pointers) {
    for (int i = 0; i < N_TIMES; i++) {
        int seed = i / 8, x = 2 << (i / 2 % 4);
        fv_record_init(&runs[i]);
        fv_record_set_config(&runs[i], NULL, NULL);
        runs[i].config->train.seed = seed;
        runs[i].config->task.vocab_size = x;
        runs[i].config->train.learning_rate = i % 2 ? 0.1 : 0.01;
        int step = 10 * x * x * (seed == 1 ? x : 1) * (i % 2 ? 2 : 1);
        bool never = step > 20000 || (seed == 2 && x == 16);
        runs[i].steps = 20000;
        fv_record_add(&runs[i], "accuracy", 0, 0);
        if (!never) fv_record_add(&runs[i], "accuracy", step, 1);
        pointers[i] = &runs[i];
    }
}

static void expect_times(const char *const *pairs, fv_verdict verdict, const char *measured,
                         const char *note) {
    fv_record runs[N_TIMES];
    const fv_record *pointers[N_TIMES];
    claim c;
    make_claim(&c, pairs);
    fv_experiment e = experiment_of(&c);
    make_times(runs, pointers);
    fv_judgement *j = NULL;
    fv_error error;
    if (fv_claims_judge(&e, pointers, N_TIMES, &j, &error) != FV_OK) fail_msg("%s", error.text);
    for (int i = 0; i < N_TIMES; i++) fv_record_free(&runs[i]);
    assert_int_equal(j->verdict, verdict);
    assert_string_equal(j->measured, measured);
    assert_string_equal(j->note, note);
    fv_judgements_free(j, 1);
}

#define TIMES(...)                                                                                 \
    (const char *[]) {                                                                             \
        "statement", "s", "measure", "first_above(accuracy, 0.5)", "across", "task.vocab_size",    \
            __VA_ARGS__, NULL                                                                      \
    }

static void test_fits(void **state) {
    (void)state;
    expect_times(TIMES("fit", "power", "where.train.learning_rate", "0.01", "where.train.seed", "0",
                       "published", "2", "tolerance", "0.01"),
                 FV_REPRODUCED, "exponent 2 (95 % from 2 to 2)",
                 "1 of 1 seeds (rate at least 0.21) within 0.01");
    expect_times(TIMES("fit", "power", "where.train.learning_rate", "0.01", "above", "2.5"),
                 FV_PARTLY, "exponent 2.69 (95 % from 1.83 to 3.72), 2 of 12 runs ended before",
                 "2 of 3 seeds (rate at least 0.21) above 2.5; seed 0 did not (2)");
    // From 2 to 16: 64 times as long; seed 1 more than 20000 / 80, seed 2 more than 20000 / 40.
    const char *measured = "median more than 250 (64 to more than 500)";
    expect_times(TIMES("fit", "ratio", "where.train.learning_rate", "0.01", "above", "60"),
                 FV_REPRODUCED, measured, "3 of 3 seeds (rate at least 0.44) above 60");
    expect_times(TIMES("fit", "ratio", "where.train.learning_rate", "0.01", "above", "300"),
                 FV_NOT_REPRODUCED, measured,
                 "1 of 3 seeds (rate at least 0.06) above 300; seed 0 did not (64); seed 1 "
                 "undecided: its runs end too "
                 "early (more than 250)");
    expect_times(TIMES("fit", "ratio", "where.train.learning_rate", "0.01", "published", "500",
                       "tolerance", "1"),
                 FV_NOT_REPRODUCED, measured,
                 "0 of 3 seeds within 1; seed 0 did not (64); seeds 1, 2 undecided: their runs end "
                 "too early (more than 250; more than 500)");
}

// Three seeds with learning rates 0.001 and 0.01, which differ in their schedule and bias too, and
// the steps at which their accuracy rises; 0: not within 3000.
enum { N_PAIRS = 3 * 2 };

static fv_judgement *judge_steps(const int steps[3][2], const char *const *pairs) {
    fv_record runs[N_PAIRS];
    const fv_record *pointers[N_PAIRS];
    for (int i = 0; i < N_PAIRS; i++) {
        fv_record_init(&runs[i]);
        fv_record_set_config(&runs[i], NULL, NULL);
        fv_config *config = runs[i].config;
        config->train.seed = i / 2;
        config->train.learning_rate = i % 2 ? 0.01 : 0.001;
        config->train.schedule = i % 2 ? FV_SCHEDULE_COSINE : FV_SCHEDULE_CONSTANT;
        config->model.residual = i % 2;
        runs[i].steps = 3000;
        fv_record_add(&runs[i], "accuracy", 0, 0);
        if (steps[i / 2][i % 2] > 0) fv_record_add(&runs[i], "accuracy", steps[i / 2][i % 2], 1);
        fv_record_add(&runs[i], "loss", 0, i % 2 ? 1.00001f : 1);
        fv_record_add(&runs[i], "perplexity", 0, i % 2 ? 12345.2f : 12345.4f);
        pointers[i] = &runs[i];
    }
    claim c;
    make_claim(&c, pairs);
    fv_experiment e = experiment_of(&c);
    fv_judgement *j = NULL;
    fv_error error;
    if (fv_claims_judge(&e, pointers, N_PAIRS, &j, &error) != FV_OK) fail_msg("%s", error.text);
    for (int i = 0; i < N_PAIRS; i++) fv_record_free(&runs[i]);
    return j;
}

static void expect_steps(const int steps[3][2], const char *const *pairs, fv_verdict verdict,
                         const char *measured, const char *note) {
    fv_judgement *j = judge_steps(steps, pairs);
    assert_string_equal(j->note, note);
    assert_string_equal(j->measured, measured);
    assert_int_equal(j->verdict, verdict);
    fv_judgements_free(j, 1);
}

#define STEPS(...)                                                                                 \
    (const char *[]) {                                                                             \
        "statement", "s", "measure", "emergence(accuracy, 0.5)", "across", "train.learning_rate",  \
            __VA_ARGS__, NULL                                                                      \
    }

static const int first_never[3][2] = {{0, 1100}, {0, 970}, {0, 1040}};
static const int last_never[3][2] = {{1100, 0}, {970, 0}, {1000, 0}};
static const int both_never[3][2] = {{0, 0}, {0, 0}, {0, 0}};
static const int mixed[3][2] = {{0, 0}, {100, 2000}, {2000, 100}};

// A run that ended before the event bounds a ratio from one side or the other.
static void test_bounded_ratios(void **state) {
    (void)state;
    const char *less = "median less than 0.3467 (less than 0.3233 to less than 0.3667)";
    const char *more = "median more than 3 (more than 2.727 to more than 3.093)";
    expect_steps(first_never, STEPS("fit", "ratio", "below", "1"), FV_REPRODUCED, less,
                 "3 of 3 seeds (rate at least 0.44) below 1");
    expect_steps(first_never, STEPS("fit", "ratio", "above", "0.1"), FV_NOT_REPRODUCED, less,
                 "0 of 3 seeds above 0.1; seeds 0, 1, 2 undecided: their runs end too early (less "
                 "than 0.3667; less than 0.3233; less than 0.3467); longer runs would decide");
    expect_steps(first_never, STEPS("fit", "ratio", "above", "0.5"), FV_NOT_REPRODUCED, less,
                 "0 of 3 seeds above 0.5; seeds 0, 1, 2 did not (less than 0.3667; less than "
                 "0.3233; less than 0.3467)");
    expect_steps(last_never, STEPS("fit", "ratio", "above", "1"), FV_REPRODUCED, more,
                 "3 of 3 seeds (rate at least 0.44) above 1");
    expect_steps(last_never, STEPS("fit", "ratio", "above", "3"), FV_PARTLY, more,
                 "2 of 3 seeds (rate at least 0.21) above 3; seed 0 undecided: its runs end too "
                 "early (more than "
                 "2.727); longer runs would decide");
    expect_steps(last_never, STEPS("fit", "ratio", "above", "5"), FV_NOT_REPRODUCED, more,
                 "0 of 3 seeds above 5; seeds 0, 1, 2 undecided: their runs end too early (more "
                 "than 2.727; more than 3.093; more than 3); longer runs would decide");
    expect_steps(mixed, STEPS("fit", "ratio", "above", "5"), FV_NOT_REPRODUCED,
                 "median between 0.05 and 20 (less than 0.05 to more than 20)",
                 "1 of 3 seeds (rate at least 0.06) above 5; seed 2 did not (0.05); seed 0 "
                 "undecided: its runs end too "
                 "early (unknown)");
    expect_steps(both_never, STEPS("fit", "ratio", "above", "5"), FV_NOT_REPRODUCED, "unknown",
                 "0 of 3 seeds above 5; seeds 0, 1, 2 undecided: their runs end too early "
                 "(unknown; unknown; unknown); longer runs would decide");
}

static void test_undecided_seeds(void **state) {
    (void)state;
    fv_judgement *j = judge_steps(mixed, STEPS("fit", "ratio", "above", "5"));
    assert_int_equal(j->n_undecided, 1);
    assert_int_equal(j->undecided[0], 0);
    fv_judgements_free(j, 1);
    j = judge_steps(last_never, STEPS("fit", "ratio", "above", "5"));
    assert_int_equal(j->n_undecided, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(j->undecided[i], i);
    assert_true(j->median == 3 && j->n_agree == 0 && j->n_seeds == 3);
    fv_judgements_free(j, 1);
}

// The step of an event that never came is later than every step that did; of other measures nothing
// is known.
static void test_trends_of_steps(void **state) {
    (void)state;
    expect_steps(last_never, STEPS("trend", "increasing"), FV_REPRODUCED,
                 "medians 0.001: 1000, 0.01: more than 3000",
                 "3 of 3 seeds (rate at least 0.44) increasing with train.learning_rate");
    expect_steps(first_never, STEPS("trend", "decreasing"), FV_REPRODUCED,
                 "medians 0.001: more than 3000, 0.01: 1040",
                 "3 of 3 seeds (rate at least 0.44) decreasing with train.learning_rate");
    expect_steps(first_never, STEPS("trend", "increasing"), FV_NOT_REPRODUCED,
                 "medians 0.001: more than 3000, 0.01: 1040",
                 "0 of 3 seeds increasing with train.learning_rate; seeds 0, 1, 2 did not (more "
                 "than 3000, 1100; more than 3000, 970; more than 3000, 1040)");
    expect_steps(mixed, STEPS("trend", "increasing"), FV_NOT_REPRODUCED,
                 "medians 0.001: 2000, 0.01: 2000",
                 "1 of 3 seeds (rate at least 0.06) increasing with train.learning_rate; seed 2 "
                 "did not (2000, 100); "
                 "seed 0 undecided: its runs end too early (more than 3000, more than 3000)");
    const char *const no_step[] = {"statement", "s",
                                   "measure",   "emergence(accuracy, 0.5) / 2",
                                   "across",    "train.learning_rate",
                                   "trend",     "increasing",
                                   NULL};
    expect_steps(last_never, no_step, FV_NOT_REPRODUCED, "medians 0.001: 500, 0.01: none",
                 "0 of 3 seeds increasing with train.learning_rate; seeds 0, 1, 2 did not (550, "
                 "none; 485, none; 500, none)");
    const char *const no_ratio[] = {"statement", "s",
                                    "measure",   "2 * emergence(accuracy, 0.5)",
                                    "across",    "train.learning_rate",
                                    "fit",       "ratio",
                                    "above",     "1",
                                    NULL};
    expect_steps(last_never, no_ratio, FV_NOT_REPRODUCED, "none",
                 "0 of 3 seeds above 1; no value for seeds 0, 1, 2");
}

// What is compared is told apart, and words stand for choices.
static void test_trends_are_readable(void **state) {
    (void)state;
    const char *const schedules[] = {"statement",   "s",          "measure",
                                     "final(loss)", "across",     "train.schedule",
                                     "trend",       "increasing", NULL};
    expect_steps(mixed, schedules, FV_REPRODUCED, "medians constant: 1, cosine: 1.00001",
                 "3 of 3 seeds (rate at least 0.44) increasing with train.schedule");
    const char *const residual[] = {
        "statement", "s",          "measure", "final(perplexity)", "across", "model.residual",
        "trend",     "increasing", NULL};
    expect_steps(mixed, residual, FV_NOT_REPRODUCED, "medians false: 12345.4, true: 12345.2",
                 "0 of 3 seeds increasing with model.residual; seeds 0, 1, 2 did not (12345.4, "
                 "12345.2; 12345.4, 12345.2; 12345.4, 12345.2)");
}

static void test_reduced_claims(void **state) {
    (void)state;
    // The better of two learning rates, the worse one, and both together.
    static const struct {
        const char *reduce, *medians;
    } cases[] = {{"lowest", "medians 2: 40, 4: 160, 8: 640, 16: 2560"},
                 {"highest", "medians 2: 80, 4: 320, 8: 1280, 16: 5120"},
                 {"sum", "medians 2: 120, 4: 480, 8: 1920, 16: 7680"},
                 {"mean", "medians 2: 60, 4: 240, 8: 960, 16: 3840"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_times(
            TIMES("trend", "increasing", "reduce", cases[i].reduce, "where.train.seed", "0"),
            FV_REPRODUCED, cases[i].medians,
            "1 of 1 seeds (rate at least 0.21) increasing with task.vocab_size");
    // Without a value at one of them a mean has none; seed 1 needs 40960 and 81920 steps at 16.
    expect_times(TIMES("trend", "increasing", "reduce", "mean", "where.train.seed", "1"),
                 FV_REPRODUCED, "medians 2: 120, 4: 960, 8: 7680, 16: more than 20000",
                 "1 of 1 seeds (rate at least 0.21) increasing with task.vocab_size");
    // A ratio takes the mean where nothing else is said: 64 again, of both learning rates.
    expect_times(
        TIMES("fit", "ratio", "where.train.seed", "0", "published", "64", "tolerance", "0"),
        FV_REPRODUCED, "64", "1 of 1 seeds (rate at least 0.21) within 0");
}

static void test_refused_claims(void **state) {
    (void)state;
    static const struct {
        const char *pairs[14], *message;
    } cases[] = {
        {{"statement", "s", "mesure", "1"},
         "x.yaml:9: claim: there is no key 'mesure'; the "
         "nearest is 'measure'"},
        {{"measure", "1", "above", "0"}, "x.yaml:7: claim: 'statement' is missing"},
        {{"statement", "s", "above", "0"}, "'measure' is missing"},
        {{"statement", "s", "measure", "1"}, "needs exactly one of"},
        {{"statement", "s", "measure", "1", "above", "0", "trend", "increasing"},
         "needs exactly one of"},
        {{"statement", "s", "measure", "1", "tolerance", "1"}, "'tolerance' needs 'published'"},
        {{"statement", "s", "measure", "1", "tolerance", "-1", "published", "2"},
         "x.yaml:10: claim: 'tolerance' must not be negative"},
        {{"statement", "s", "measure", "1", "tolerance", "1", "published", "none"},
         "'published' is 'none'; it must be a number"},
        {{"statement", "s", "measure", "1", "across", "train.seed"}, "stand together"},
        {{"statement", "s", "measure", "1", "across", "train.sed", "trend", "increasing"},
         "the nearest is train.seed"},
        {{"statement", "s", "measure", "1", "across", "train.seed", "trend", "up"},
         "must be increasing or decreasing"},
        {{"statement", "s", "measure", "1", "above", "3", "below", "2"}, "smaller than 'below'"},
        {{"statement", "s", "measure", "1", "above", "3", "fit", "power"}, "stand together"},
        {{"statement", "s", "measure", "1", "above", "3", "fit", "powr", "across", "train.seed"},
         "x.yaml:11: claim: 'fit' is 'powr', which it cannot be; the nearest is 'power'"},
        {{"statement", "s", "measure", "1", "above", "3", "reduce", "least"},
         "'reduce' is 'least'"},
        {{"statement", "s", "measure", "1", "across", "train.seed", "fit", "power"},
         "needs exactly one of"},
        {{"statement", "s", "measure", "1", "across", "train.seed", "fit", "power", "trend",
          "increasing", "above", "1"},
         "needs exactly one of"},
        {{"statement", "s", "measure", "1", "above", "0", "where.task.vocabulary", "3"},
         "nearest is task.vocab_size"},
        {{"statement", "s", "measure", "1", "above", "0", "where.task.vocab_size", "one"},
         "x.yaml:11: claim: 'where'"},
        {{"statement", "s", "measure", "final(effective_rank.W_Q)", "above", "0"},
         "neither logged by training nor a series of the file's probes"},
        {{"statement", "s", "measure", "final(2)", "above", "0"}, "must be a series"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        claim c;
        make_claim(&c, cases[i].pairs);
        fv_experiment e = experiment_of(&c);
        fv_error error = {0};
        assert_int_equal(fv_claims_check(&e, &error), FV_USAGE);
        if (strstr(error.text, cases[i].message) == NULL) fail_msg("case %zu: %s", i, error.text);
    }
    fv_error error;
    assert_null(judge((const char *[]){"statement", "s", "measure", "1", "above", "0",
                                       "where.task.vocab_size", "17", NULL},
                      &error));
    assert_non_null(strstr(error.text, "selects no run"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plateau_at_half),
        cmocka_unit_test(test_no_plateau),
        cmocka_unit_test(test_plateau_knows_no_units),
        cmocka_unit_test(test_stuck_to_the_end),
        cmocka_unit_test(test_slow_tails),
        cmocka_unit_test(test_plateau_of_hostile_curves),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_emergence),
        cmocka_unit_test(test_refused_measures),
        cmocka_unit_test(test_a_measure_of_many_runs),
        cmocka_unit_test(test_many_measures),
        cmocka_unit_test(test_deep_and_long_measures),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_judgement_texts),
        cmocka_unit_test(test_steps_of_events),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_bounded_ratios),
        cmocka_unit_test(test_undecided_seeds),
        cmocka_unit_test(test_trends_of_steps),
        cmocka_unit_test(test_trends_are_readable),
        cmocka_unit_test(test_reduced_claims),
        cmocka_unit_test(test_refused_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
