// Keys that a trained model does without: the share of the mass, and eviction, against plain loops in double
// precision, whole and token by token.
#include "stacks.h"

enum { D = 12, H = 2, WIDTH = D / H, V = 9, N = 90 };

static double at(const stack *s, const char *name, int row, int columns, int column) {
    return (double)s->params[fv_model_tensor(s->model, name)->offset + (size_t)(row * columns) +
                             (size_t)column];
}

// x [D] times a matrix of attention: head h's part.
static void project(const stack *s, const char *name, int t, int h, double y[WIDTH]) {
    for (int f = 0; f < WIDTH; f++) {
        y[f] = 0;
        for (int i = 0; i < D; i++)
            y[f] += at(s, "embed.W_E", s->tokens[t], D, i) * at(s, name, i, D, h * WIDTH + f);
    }
}

// The state of one head: which keys are left, what they were given, and the last queries' weights.
typedef struct head {
    bool left[N];
    double sum[N], given[N][N];
} head;

static void weigh(const stack *s, const head *state, int t, int h, double p[N]) {
    double q[WIDTH], k[WIDTH], sum = 0, largest = -INFINITY;
    project(s, "blocks.0.attn.W_Q", t, h, q);
    for (int j = 0; j <= t; j++) {
        project(s, "blocks.0.attn.W_K", j, h, k);
        p[j] = 0;
        for (int f = 0; f < WIDTH; f++) p[j] += q[f] * k[f] / sqrt(WIDTH);
        if (state->left[j]) largest = fmax(largest, p[j]);
    }
    for (int j = 0; j <= t; j++) sum += p[j] = state->left[j] ? exp(p[j] - largest) : 0;
    for (int j = 0; j <= t; j++) p[j] /= sum;
}

// The largest, again and again, until they have the share; what is left adds up to 1.
static void keep_mass(double share, int t, double p[N]) {
    bool kept[N] = {false};
    double sum = 0;
    while (sum < share * (1 - 1e-12)) {
        int best = -1;
        for (int j = 0; j <= t; j++)
            if (!kept[j] && (best < 0 || p[j] > p[best])) best = j;
        kept[best] = true;
        sum += p[best];
    }
    for (int j = 0; j <= t; j++) p[j] = kept[j] ? p[j] / sum : 0;
}

static void evict(const fv_decoder_keep *keep, head *state, int t, const double p[N]) {
    int n = 0, gone = -1;
    for (int j = 0; j <= t; j++) {
        state->given[t][j] = p[j];
        state->sum[j] = 0;
        int from = keep->kind == FV_KEEP_H2O ? 0 : t - keep->recent + 1;
        for (int i = from < 0 ? 0 : from; i <= t; i++) state->sum[j] += state->given[i][j];
        n += state->left[j];
        if (!state->left[j] || j > t - keep->recent) continue;
        if (gone < 0 || state->sum[j] < state->sum[gone]) gone = j;
    }
    if (n > keep->number) state->left[gone] = false;
}

static void truth(const stack *s, const fv_decoder_keep *keep, double logits[N][V]) {
    static head heads[H];
    static double z[N][D];
    memset(heads, 0, sizeof heads);
    memset(z, 0, sizeof z);
    for (int h = 0; h < H; h++)
        for (int t = 0; t < N; t++) {
            double p[N], v[WIDTH];
            heads[h].left[t] = true;
            weigh(s, &heads[h], t, h, p);
            if (keep->kind == FV_KEEP_TOP_P) keep_mass(keep->number, t, p);
            if (keep->kind != FV_KEEP_TOP_P) evict(keep, &heads[h], t, p);
            for (int j = 0; j <= t; j++) {
                project(s, "blocks.0.attn.W_V", j, h, v);
                for (int f = 0; f < WIDTH; f++) z[t][h * WIDTH + f] += p[j] * v[f];
            }
        }
    for (int t = 0; t < N; t++)
        for (int n = 0; n < V; n++) {
            logits[t][n] = 0;
            for (int f = 0; f < D; f++) {
                double y = 0;
                for (int i = 0; i < D; i++) y += z[t][i] * at(s, "blocks.0.attn.W_O", i, D, f);
                logits[t][n] += y * at(s, "unembed.W_U", f, V, n);
            }
        }
}

static void compare(const fv_decoder_keep *keep, int from, int n, const float *logits,
                    double expected[N][V], const char *how) {
    for (int i = 0; i < n * V; i++) {
        double y = expected[from + i / V][i % V];
        if (!(fabs((double)logits[i] - y) <= 1e-5 * fmax(1, fabs(y))))
            fail_msg("%s, kind %d, %g and %d: logit %d at %d is %.8g, and %.8g by plain loops", how,
                     keep->kind, keep->number, keep->recent, i % V, from + i / V, (double)logits[i],
                     y);
    }
}

static void check_keep(fv_decoder_keep keep, uint64_t seed) {
    stack s = stack_of("model.layers=[attention] model.n_embd=12 model.n_head=2 task.vocab_size=9 "
                       "task.context_length=90",
                       seed);
    static double expected[N][V];
    static float logits[N][V];
    // Sharper weights than those of a fresh model, so that keys differ.
    for (int i = 0; i < 2; i++) {
        const fv_tensor *w =
            fv_model_tensor(s.model, i ? "blocks.0.attn.W_Q" : "blocks.0.attn.W_K");
        for (size_t k = 0; k < w->size; k++) s.params[w->offset + k] *= 3;
    }
    truth(&s, &keep, expected);
    const fv_decoder_options options = {.n_threads = 1, .keep = keep};
    fv_decoder *d;
    fv_error error;
    int64_t asked[N];
    for (int t = 0; t < N; t++) asked[t] = t;
    if (fv_decoder_create(s.model, s.params, &options, &d, &error) != FV_OK)
        fail_msg("%s", error.text);
    check_ok(fv_decoder_read(d, N, s.tokens, N, asked, logits[0], NULL));
    compare(&keep, 0, N, logits[0], expected, "whole");
    check_ok(fv_decoder_rewind(d, 0, NULL));
    for (int t = 0, n; t < N; t += n) { // asked at the end of each piece alone
        n = 1 + t % 7;
        if (n > N - t) n = N - t;
        check_ok(fv_decoder_read(d, n, s.tokens + t, 1, asked + t + n - 1, logits[0], NULL));
        compare(&keep, t + n - 1, 1, logits[0], expected, "in pieces");
    }
    bool evicts = keep.kind != FV_KEEP_TOP_P;
    assert_int_equal(fv_decoder_rewind(d, N - 1, &error), evicts ? FV_USAGE : FV_OK);
    fv_decoder_free(d);
    stack_free(&s);
}

static void test_plain_loops(void **state) {
    (void)state;
    static const fv_decoder_keep KEEPS[] = {
        {FV_KEEP_TOP_P, 0.5, 0},  {FV_KEEP_TOP_P, 0.93, 0}, {FV_KEEP_TOP_P, 1e-6, 0},
        {FV_KEEP_H2O, 8, 4},      {FV_KEEP_H2O, 21, 1},     {FV_KEEP_H2O, 200, 100},
        {FV_KEEP_SNAPKV, 8, 4},   {FV_KEEP_SNAPKV, 30, 16}, {FV_KEEP_SNAPKV, 2, 1},
        {FV_KEEP_SNAPKV, 89, 88},
    };
    for (size_t i = 0; i < sizeof KEEPS / sizeof *KEEPS; i++) check_keep(KEEPS[i], 3 + i);
}

// With room for all keys, or all of the mass, logits are those of the model.
static void test_nothing_lost(void **state) {
    (void)state;
    static const char *const words =
        "model.layers=[attention,mlp,attention] model.n_embd=16 model.n_head=4 model.n_kv_head=2 "
        "model.residual=true model.norm=rms model.positions=alibi model.soft_cap=4 model.gate=head "
        "model.sink_logit=learned model.normaliser=softmax task.vocab_size=11 "
        "task.context_length=150";
    static const fv_decoder_keep KEEPS[] = {
        {0}, {FV_KEEP_TOP_P, 1, 0}, {FV_KEEP_H2O, 150, 0}, {FV_KEEP_SNAPKV, 151, 0}};
    stack s = stack_of(words, 21);
    int64_t last = s.length - 1;
    float logits[4][11];
    for (int i = 0; i < 4; i++) {
        const fv_decoder_options options = {.n_threads = 1, .keep = KEEPS[i]};
        fv_decoder *d;
        check_ok(fv_decoder_create(s.model, s.params, &options, &d, NULL));
        check_ok(fv_decoder_read(d, s.length, s.tokens, 1, &last, logits[i], NULL));
        for (int v = 0; v < 11; v++) check_near((double)logits[i][v], (double)logits[0][v], 1e-5);
        fv_decoder_free(d);
    }
    stack_free(&s);
}

static void refused(const char *words, fv_decoder_keep keep, const char *fragment) {
    stack s = stack_of(words, 1);
    const fv_decoder_options options = {.n_threads = 1, .keep = keep};
    fv_decoder *d;
    fv_error error;
    assert_int_equal(fv_decoder_create(s.model, s.params, &options, &d, &error), FV_USAGE);
    if (strstr(error.text, fragment) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, fragment);
    stack_free(&s);
}

static void test_refusals(void **state) {
    (void)state;
    fv_decoder_keep keep;
    fv_error error;
    check_ok(fv_decoder_keep_read("snapkv=64", &keep, NULL));
    assert_true(keep.kind == FV_KEEP_SNAPKV && keep.number == 64 && keep.recent == 0);
    static const struct {
        const char *text, *says;
    } TEXTS[] = {{"h2o", "as in top_p=0.9"},      {"h3o=4", "not 'h3o=4'"},
                 {"top_p=1.5", "more than 0"},    {"h2o=2.5", "no number of keys"},
                 {"h2o=1", "it takes 2 to"},      {"all=1", "not 'all=1'"},
                 {"snapkv=8x", "not 'snapkv=8x'"}};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        assert_int_equal(fv_decoder_keep_read(TEXTS[i].text, &keep, &error), FV_USAGE);
        assert_non_null(strstr(error.text, TEXTS[i].says));
    }
    refused("model.selector=topk model.selector_k=2", (fv_decoder_keep){FV_KEEP_TOP_P, 0.5, 0},
            "that model.selector topk has chosen");
    refused("model.window=2", (fv_decoder_keep){FV_KEEP_H2O, 4, 2}, "a window of 2");
    refused("model.exclude_self=true", (fv_decoder_keep){FV_KEEP_SNAPKV, 4, 2},
            "model.exclude_self");
    refused("model.layers=[mlp]", (fv_decoder_keep){FV_KEEP_H2O, 4, 2}, "no attention");
    refused("", (fv_decoder_keep){FV_KEEP_H2O, 4, 4}, "room for 1 to 3 recent keys");
    refused("", (fv_decoder_keep){FV_KEEP_TOP_P, 0.5, 4}, "keeps no recent keys");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain_loops),
                                       cmocka_unit_test(test_nothing_lost),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
