// The decoder against the lab's forward pass on random stacks: every kind of layer, score, mask,
// norm and position, read whole, in pieces and token by token; and a block of Mamba against its
// equations in double precision.
//
// `test_decoder --whole` takes 100 stacks, up to 4,096 tokens long; without it fewer and shorter.
#include "stacks.h"

// --- random stacks -------------------------------------------------------------------------------

// Logits of one sequence at every position where `asked` is set, by the lab.
static float *lab_logits(const stack *s) {
    fv_model *whole;
    fv_error error;
    model_positions asked = {s->n_asked, s->asked};
    if (model_plan(&s->config, &asked, 1, &whole, &error) != FV_OK) fail_msg("%s", error.text);
    float *logits = calloc((size_t)s->n_asked, (size_t)s->n_vocab * sizeof *logits);
    check_ok(fv_model_logits(whole, s->params, s->tokens, 1, logits, NULL));
    fv_model_free(whole);
    return logits;
}

// Reads tokens from .. to - 1 and asks what stands among them.
static void read_on(fv_decoder *decoder, const stack *s, int from, int to, float *logits) {
    int64_t asked[STACK_MOST_ASKED];
    int first = 0, n = 0;
    fv_error error;
    while (first < s->n_asked && s->asked[first] < from) first++;
    for (; first + n < s->n_asked && s->asked[first + n] < to; n++) asked[n] = s->asked[first + n];
    if (fv_decoder_read(decoder, to - from, s->tokens + from, n, asked,
                        logits + (size_t)first * (size_t)s->n_vocab, &error) != FV_OK)
        fail_msg("%s", error.text);
}

// In pieces of any length, many of a single token.
static void read_in_pieces(fv_decoder *decoder, const stack *s, uint64_t *random, float *logits) {
    for (int at = 0, n; at < s->length; at += n) {
        static const int MOST[] = {1, 1, 40, 300, 2000};
        n = 1 + noise_below(random, MOST[noise_below(random, 5)]);
        if (n > s->length - at) n = s->length - at;
        read_on(decoder, s, at, at + n, logits);
    }
}

static double check_logits(const stack *s, const float *logits, const float *truth,
                           const char *how) {
    double worst = 0;
    for (int i = 0; i < s->n_asked * s->n_vocab; i++) {
        double scale = fabs((double)truth[i]) > 1 ? fabs((double)truth[i]) : 1;
        double far = fabs((double)logits[i] - (double)truth[i]) / scale;
        if (!(far <= 1e-5))
            fail_msg("%s, %s: logit %d at position %d is %.9g, the lab's is %.9g", s->words, how,
                     i % s->n_vocab, s->asked[i / s->n_vocab], (double)logits[i], (double)truth[i]);
        if (far > worst) worst = far;
    }
    return worst;
}

static double check_stack(stack s, uint64_t random) {
    size_t numbers = (size_t)s.n_asked * (size_t)s.n_vocab;
    float *truth = lab_logits(&s), *logits = calloc(numbers, sizeof *logits);
    fv_decoder *decoder;
    fv_error error;
    if (fv_decoder_create(s.model, s.params, NULL, &decoder, &error) != FV_OK)
        fail_msg("%s: %s", s.words, error.text);
    read_on(decoder, &s, 0, s.length, logits);
    double worst = check_logits(&s, logits, truth, "whole");
    check_ok(fv_decoder_rewind(decoder, 0, NULL)); // knows nothing of the first sequence
    memset(logits, 0, numbers * sizeof *logits);
    read_in_pieces(decoder, &s, &random, logits);
    worst = fmax(worst, check_logits(&s, logits, truth, "in pieces"));
    assert_int_equal(fv_decoder_seen(decoder), s.length);
    fv_decoder_free(decoder);
    stack_free(&s);
    free(truth);
    free(logits);
    return worst;
}

static bool whole;

static void test_stacks(void **state) {
    (void)state;
    double worst = 0;
    for (int i = 0; i < (whole ? 100 : 40); i++) {
        uint64_t random = (uint64_t)i + 1;
        stack s = stack_draw(&random, whole ? 4096 : 700);
        worst = fmax(worst, check_stack(s, random));
    }
    if (whole) printf("100 stacks, up to 4096 tokens: within %.2g max(1, |logit|)\n", worst);
}

// Sequences longer than what a window keeps, so that its first keys are dropped, and its sinks are
// not, several times.
static void test_windows(void **state) {
    (void)state;
    static const char *const layers[] = {
        "[attention(window=20 sinks=3),attention(window=7)] task.context_length=3300",
        "[attention(window=1 sinks=2),mamba,attention(window=60)] task.context_length=2400",
        "[attention(window=20 sinks=3)] model.exclude_self=true task.context_length=1500",
        ("[attention(window=2),attention(window=1 sinks=1)] model.exclude_self=true "
         "task.context_length=1300"),
    };
    for (int i = 0; i < 4; i++) {
        char words[512];
        snprintf(words, sizeof words,
                 "model.layers=%s model.n_embd=12 model.residual=true model.positions=sinusoidal "
                 "task.vocab_size=9",
                 layers[i]);
        check_stack(stack_of(words, 40 + (uint64_t)i), (uint64_t)i);
    }
}

// --- weights of all keys at once -----------------------------------------------------------------

// Normalisers and selectors, with whatever else attention has. One layer chooses: what it chooses among
// has the same bits here as in the lab, and so no two keys change places.
static void test_weights(void **state) {
    (void)state;
    static const char *const normalisers[] = {"softmax", "sparsemax", "entmax15", "entmax",
                                              "ssmax",   "asentmax",  "sigmoid"};
    static const char *const selectors[] = {
        "",
        "model.selector=topk model.selector_k=5",
        "model.selector=block_topk model.selector_k=3 model.selector_block=7",
        "model.selector=block_max model.selector_k=2 model.selector_block=16",
        "model.selector=oracle_topk model.selector_k=3 model.selector_block=5",
        "model.selector=random_topk model.selector_k=20",
        "model.selector=random_topk model.selector_k=4 model.selector_block=3 "
        "model.selector_redraw=true",
        "model.selector=indexer model.selector_k=7",
        "model.selector=indexer model.selector_k=3 model.selector_block=9 model.indexer_heads=3",
        "model.selector=group_indexer model.selector_k=4 model.selector_block=5 "
        "model.indexer_width=4",
    };
    enum { N_SELECTORS = sizeof selectors / sizeof *selectors };
    static const char *const others[] = {
        "",
        "model.positions=alibi model.n_kv_head=1",
        "model.soft_cap=2 model.positions=rope",
        "model.score=euclidean model.score_beta=0.5 model.bias=true",
        "model.exclude_self=true",
        "model.score=harmonic model.score_power=2.5 model.score_power_learned=true",
        "model.gate=head model.qk_norm=vector model.exclude_self=true model.positions=alibi"};
    static const char *const lengths[] = {"60", "161", "333"};
    for (int i = 0; i < N_SELECTORS * 7 * 2; i++) {
        char words[512];
        const char *selector = selectors[i % N_SELECTORS];
        const char *normaliser = normalisers[i / N_SELECTORS % 7];
        const char *other = others[(i + i / N_SELECTORS) % 7];
        if (strstr(selector, "block=") && strstr(other, "exclude_self")) other = others[1];
        bool sink = *selector && strcmp(normaliser, "softmax") == 0;
        snprintf(words, sizeof words,
                 "model.layers=[attention,mlp] model.n_embd=16 model.n_head=2 model.residual=true "
                 "model.normaliser=%s %s %s %s task.vocab_size=11 task.context_length=%s",
                 normaliser, selector, other, sink ? "model.sink_logit=learned" : "",
                 lengths[i % 3]);
        check_stack(stack_of(words, 70 + (uint64_t)i), (uint64_t)i);
    }
}

// Keys that become one. One layer chooses, for the reason above; sequences are longer than those of training.
static void test_entries(void **state) {
    (void)state;
    static const char *const words[] = {
        "model.layers=[nsa] model.compress_k=3 task.context_length=60",
        "model.layers=[nsa,mlp] model.compress_block=8 model.compress_k=4 model.n_head=4 "
        "model.n_kv_head=2 model.positions=rope model.compress_window=16 model.norm=rms "
        "task.context_length=333",
        "model.layers=[mlp,nsa,attention] model.compress_block=6 model.compress_stride=3 "
        "model.nsa_block=12 model.nsa_first=1 model.compress_k=4 model.compress_hidden=5 "
        "model.n_head=2 model.positions=rope task.context_length=300",
        "model.layers=[nsa] model.compress_block=40 model.compress_k=1 task.context_length=65",
        "model.layers=[compressed_attention,compressed_attention] model.compress_k=0 "
        "model.compress_block=5 model.n_head=2 model.n_kv_head=1 model.positions=rope "
        "task.context_length=200",
        "model.layers=[compressed_attention] model.compress_block=8 model.compress_stride=3 "
        "model.compress_hidden=4 model.compress_k=5 model.compress_window=9 model.n_head=4 "
        "model.positions=rope model.norm=layer task.context_length=333",
        "model.layers=[compressed_attention,mlp] model.compress_block=3 model.compress_k=4 "
        "model.n_head=4 model.n_kv_head=2 model.compress_window=1 task.context_length=161",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char all[512];
        snprintf(all, sizeof all, "%s model.n_embd=16 model.residual=true task.vocab_size=9",
                 words[i]);
        check_stack(stack_of(all, 240 + (uint64_t)i), (uint64_t)i);
    }
}

// Behind a window that drops keys, layer upon layer; and through two layers that choose.
static void test_weights_of_windows(void **state) {
    (void)state;
    static const char *const words[] = {
        "model.layers=[attention(window=20 sinks=3),attention(window=7)] model.normaliser=sigmoid "
        "task.context_length=3300",
        "model.layers=[attention(window=40 sinks=2),mamba,attention] model.normaliser=asentmax "
        "task.context_length=1400",
        "model.layers=[attention(window=1 sinks=1)] model.exclude_self=true "
        "model.normaliser=sparsemax task.context_length=1300",
        "model.layers=[attention(window=30 sinks=5)*2] model.normaliser=ssmax "
        "model.positions=alibi task.context_length=400",
        "model.layers=[attention(selector=topk selector_k=3),attention] "
        "task.context_length=200",
        "model.layers=[attention(normaliser=asentmax),attention(normaliser=entmax),attention] "
        "task.context_length=300",
        "model.layers=[attention(window=20 sinks=3 selector=topk selector_k=5),attention] "
        "task.context_length=1300",
        "model.layers=[attention(window=20 sinks=6)] model.selector=block_topk "
        "model.selector_block=4 model.selector_k=3 task.context_length=300",
        "model.layers=[attention(window=25)] model.selector=block_max model.positions=alibi "
        "model.selector_block=7 model.selector_k=2 task.context_length=300",
        "model.layers=[attention(window=30 sinks=4)] model.selector=indexer model.positions=rope "
        "model.selector_k=6 task.context_length=500",
        "model.layers=[attention(window=20 sinks=3)] model.selector=oracle_topk "
        "model.exclude_self=true model.selector_k=4 model.normaliser=entmax15 "
        "task.context_length=300",
        "model.layers=[attention(window=33 sinks=1)] model.selector=random_topk "
        "model.selector_block=5 model.selector_k=3 task.context_length=300",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char all[512];
        snprintf(all, sizeof all, "%s model.n_embd=12 model.residual=true task.vocab_size=9",
                 words[i]);
        check_stack(stack_of(all, 140 + (uint64_t)i), (uint64_t)i);
    }
}

// One token again and again, without positions: every position sees the same values, so that all
// have the logits of the first. A plain sum in single precision would not.
static void test_long_sum(void **state) {
    (void)state;
    enum { LENGTH = 30000 };
    stack s = stack_of("model.layers=[attention*2] model.n_embd=8 model.bias=true "
                       "task.vocab_size=4 task.context_length=30000",
                       7);
    int64_t asked[] = {0, LENGTH - 2, LENGTH - 1};
    float logits[3][4];
    fv_decoder *d;
    for (int t = 0; t < LENGTH; t++) s.tokens[t] = 1;
    check_ok(fv_decoder_create(s.model, s.params, NULL, &d, NULL));
    check_ok(fv_decoder_read(d, LENGTH, s.tokens, 3, asked, logits[0], NULL));
    for (int i = 1; i < 3; i++)
        for (int v = 0; v < 4; v++) check_near((double)logits[i][v], (double)logits[0][v], 1e-5);
    fv_decoder_free(d);
    stack_free(&s);
}

// --- going back, and what is kept ----------------------------------------------------------------

// Another token again after going back gives the same bits; memory is what the kind keeps.
static void test_rewind_and_memory(void **state) {
    (void)state;
    static const struct {
        const char *layers;
        size_t kept;
    } kinds[] = {{"[attention]", 2 * 3000 * 64 * 4},
                 {"[attention(window=100)]", 2 * (99 + 1024) * 64 * 4},
                 {"[attention(window=100 sinks=4)]", 2 * (4 + 99 + 1024) * 64 * 4},
                 {"[mamba]", (16 + 3) * 128 * 4},
                 {"[attention(n_kv_head=1)]", 2 * 3000 * 32 * 4}};
    enum { LENGTH = 3000, V = 10 };
    for (int kind = 0; kind < 5; kind++) {
        char words[256];
        snprintf(words, sizeof words,
                 "model.layers=%s model.n_embd=64 model.n_head=%d "
                 "task.vocab_size=10 task.context_length=3000",
                 kinds[kind].layers, kind == 3 ? 1 : 2);
        stack s = stack_of(words, 3);
        int64_t last = LENGTH - 1;
        float first[V], again[V];
        fv_decoder *d;
        fv_error error;
        check_ok(fv_decoder_create(s.model, s.params, NULL, &d, NULL));
        check_ok(fv_decoder_read(d, last, s.tokens, 0, NULL, NULL, NULL));
        check_ok(fv_decoder_read(d, 1, s.tokens + last, 1, &last, first, NULL));
        if (kind == 3) {
            assert_int_equal(fv_decoder_rewind(d, last, &error), FV_USAGE);
        } else {
            check_ok(fv_decoder_rewind(d, last, NULL));
            check_ok(fv_decoder_read(d, 1, s.tokens + last, 1, &last, again, NULL));
            assert_memory_equal(first, again, sizeof first);
        }
        if (kind > 0 && kind < 4) assert_int_equal(fv_decoder_rewind(d, 500, &error), FV_USAGE);
        assert_int_equal(fv_decoder_rewind(d, LENGTH + 1, &error), FV_USAGE);
        assert_int_equal(fv_decoder_bytes(d).kept, kinds[kind].kept);
        fv_decoder_free(d);
        stack_free(&s);
    }
}

// --- a mask in place of the layers' own ----------------------------------------------------------

// What the definition's mask over the whole sequence gives, the decoder gives in pieces: it knows
// parts that no layer of the lab has.
static void test_mask(void **state) {
    (void)state;
    static const int64_t GLOBALS[] = {0, 3, 700, 2000};
    const fv_attention_mask masks[] = {
        {.causal = true, .window = 64, .globals = GLOBALS, .n_globals = 4, .random_blocks = 2},
        {.causal = true, .window = 30, .stride = 7},
    };
    stack s = stack_of("model.layers=[attention*2] model.n_embd=48 model.n_head=3 "
                       "task.vocab_size=12 task.context_length=2600 model.positions=sinusoidal",
                       5);
    int64_t last = s.length - 1;
    float logits[2][12];
    for (int m = 0; m < 2; m++) {
        fv_decoder_options options = {.n_threads = 2, .mask = &masks[m]};
        fv_decoder *d;
        check_ok(fv_decoder_create(s.model, s.params, &options, &d, NULL));
        check_ok(fv_decoder_read(d, s.length, s.tokens, 1, &last, logits[0], NULL));
        check_ok(fv_decoder_rewind(d, 0, NULL));
        for (int at = 0, n = 600; at < s.length; at += n, n = n == 600 ? 1 : 600) {
            if (n > s.length - at) n = s.length - at;
            bool ends = at + n == s.length;
            check_ok(
                fv_decoder_read(d, n, s.tokens + at, ends, ends ? &last : NULL, logits[1], NULL));
        }
        for (int v = 0; v < 12; v++) check_near((double)logits[1][v], (double)logits[0][v], 1e-5);
        fv_decoder_free(d);
    }
    stack_free(&s);
}

// --- Mamba from its equations --------------------------------------------------------------------

enum { WIDTH = 24, E = 2 * WIDTH, STATE = 5, RANK = 3, TAPS = 4, TOKENS = 12, N_MAMBA = 1500 };

static double at(const stack *s, const char *name, int row, int columns, int column) {
    return (double)s->params[fv_model_tensor(s->model, name)->offset + (size_t)(row * columns) +
                             (size_t)column];
}
#define W(name, row, columns, column) at(s, "blocks.0.mamba." name, row, columns, column)

typedef struct mamba_memory {
    double past[TAPS][E], h[E][STATE];
} mamba_memory;

// One position in double precision: x [WIDTH] becomes the block's output.
static void mamba_position(const stack *s, mamba_memory *m, double *x) {
    double u[E], z[E], gated[E], dt[RANK] = {0}, b[STATE] = {0}, c[STATE] = {0};
    memmove(m->past[0], m->past[1], (TAPS - 1) * sizeof m->past[0]);
    for (int e = 0; e < E; e++) {
        m->past[TAPS - 1][e] = z[e] = 0;
        for (int k = 0; k < WIDTH; k++) {
            m->past[TAPS - 1][e] += x[k] * W("in_proj", k, 2 * E, e);
            z[e] += x[k] * W("in_proj", k, 2 * E, E + e);
        }
        double sum = W("conv.b", 0, E, e);
        for (int k = 0; k < TAPS; k++) sum += W("conv.w", e, TAPS, k) * m->past[k][e];
        u[e] = sum / (1 + exp(-sum));
        for (int r = 0; r < RANK; r++) dt[r] += u[e] * W("x_proj", e, RANK + 2 * STATE, r);
        for (int n = 0; n < STATE; n++) {
            b[n] += u[e] * W("x_proj", e, RANK + 2 * STATE, RANK + n);
            c[n] += u[e] * W("x_proj", e, RANK + 2 * STATE, RANK + STATE + n);
        }
    }
    for (int e = 0; e < E; e++) {
        double raw = W("dt_proj.b", 0, E, e), sum = W("D", 0, E, e) * u[e];
        for (int r = 0; r < RANK; r++) raw += dt[r] * W("dt_proj.w", r, E, e);
        double delta = log1p(exp(raw));
        for (int n = 0; n < STATE; n++) {
            double decay = exp(-delta * exp(W("A_log", e, STATE, n)));
            m->h[e][n] = decay * m->h[e][n] + delta * u[e] * b[n];
            sum += m->h[e][n] * c[n];
        }
        gated[e] = sum * z[e] / (1 + exp(-z[e]));
    }
    for (int f = 0; f < WIDTH; f++) {
        x[f] = 0;
        for (int e = 0; e < E; e++) x[f] += gated[e] * W("out_proj", e, WIDTH, f);
    }
}

static void test_mamba(void **state) {
    (void)state;
    stack drawn = stack_of("model.layers=[mamba] model.n_embd=24 model.mamba_state=5 "
                           "model.mamba_dt_rank=3 task.vocab_size=12 task.context_length=1500",
                           11);
    const stack *s = &drawn;
    static mamba_memory memory;
    memset(&memory, 0, sizeof memory);
    float *logits = calloc(N_MAMBA * TOKENS, sizeof *logits);
    fv_decoder *decoder;
    check_ok(fv_decoder_create(s->model, s->params, NULL, &decoder, NULL));
    uint64_t random = 9;
    read_in_pieces(decoder, s, &random, logits);
    for (int t = 0, i = 0; t < N_MAMBA; t++) {
        double x[WIDTH];
        for (int f = 0; f < WIDTH; f++) x[f] = at(s, "embed.W_E", s->tokens[t], WIDTH, f);
        mamba_position(s, &memory, x);
        if (i == s->n_asked || s->asked[i] != t) continue;
        for (int v = 0; v < TOKENS; v++) {
            double logit = 0;
            for (int f = 0; f < WIDTH; f++) logit += x[f] * at(s, "unembed.W_U", f, TOKENS, v);
            check_near((double)logits[i * TOKENS + v], logit, 1e-5 * fmax(1, fabs(logit)));
        }
        i++;
    }
    fv_decoder_free(decoder);
    stack_free(&drawn);
    free(logits);
}

// --- mistakes ------------------------------------------------------------------------------------

static void check_refused(fv_status status, const fv_error *error, const char *fragment) {
    assert_int_equal(status, FV_USAGE);
    if (strstr(error->text, fragment) == NULL)
        fail_msg("'%s' does not say '%s'", error->text, fragment);
}

static void test_mistakes_of_creation(void **state) {
    (void)state;
    fv_error error;
    fv_decoder *d;
    stack s = stack_of("model.positions=learned task.context_length=8", 1);
    fv_decoder_options options = {.n = 9, .n_threads = 1};
    check_refused(
        fv_decoder_create(s.model, s.params, &options, &d, &error), &error,
        "learned an embedding for 8; model.positions none, sinusoidal, rope or alibi go beyond");
    assert_null(d);
    options.n = -1;
    check_refused(fv_decoder_create(s.model, s.params, &options, &d, &error), &error, "1 to ");
    options.n = INT64_MAX;
    check_refused(fv_decoder_create(s.model, s.params, &options, &d, &error), &error, "1 to ");
    fv_attention_mask mask = {.causal = false};
    options = (fv_decoder_options){.mask = &mask};
    check_refused(fv_decoder_create(s.model, s.params, &options, &d, &error), &error,
                  "needs a causal mask");
    mask = (fv_attention_mask){.causal = true, .window = -1};
    check_refused(fv_decoder_create(s.model, s.params, &options, &d, &error), &error, "window");
    stack_free(&s);
}

static void test_mistakes_of_reading(void **state) {
    (void)state;
    fv_error error;
    fv_decoder *d;
    stack s = stack_of("task.vocab_size=10 task.context_length=8", 1);
    int32_t tokens[] = {1, 2, 10, 3}, good[] = {1, 2, 3, 4, 5};
    int64_t backwards[] = {2, 1}, beyond[] = {2, 4};
    float logits[20];
    check_ok(fv_decoder_create(s.model, s.params, NULL, &d, NULL));
    check_refused(fv_decoder_read(d, 4, tokens, 0, NULL, NULL, &error), &error,
                  "token 10 at position 2; the model knows 0 to 9");
    check_refused(fv_decoder_read(d, 0, good, 0, NULL, NULL, &error), &error, "0 tokens");
    check_refused(fv_decoder_read(d, 4, good, 2, backwards, logits, &error), &error, "ascending");
    check_refused(fv_decoder_read(d, 4, good, 2, beyond, logits, &error), &error, "0 to 3");
    assert_int_equal(fv_decoder_seen(d), 0); // of what was refused nothing was read
    check_ok(fv_decoder_read(d, 5, good, 0, NULL, NULL, NULL));
    check_refused(fv_decoder_read(d, 4, good, 0, NULL, NULL, &error), &error,
                  "4 tokens after 5; the sequence has room for 8");
    fv_decoder_free(d);
    stack_free(&s);
}

int main(int argc, char **argv) {
    whole = argc > 1 && strcmp(argv[1], "--whole") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stacks),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_weights_of_windows),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_long_sum),
        cmocka_unit_test(test_rewind_and_memory),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_mamba),
        cmocka_unit_test(test_mistakes_of_creation),
        cmocka_unit_test(test_mistakes_of_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
