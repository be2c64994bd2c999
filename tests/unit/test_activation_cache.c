// The cache of activations: its names against those of TransformerLens, its values against the
// formulas written out in double precision.
#include "subject.h"

#include "base/safetensors.h"

#include <fovea/activation_cache.h>
#include <unistd.h>

enum { N = 19 }; // sequences: more than one group of sixteen

typedef struct bench {
    subject s;
    fv_activations *a;
    int T, d, H, width; // width of a head
    int32_t *tokens;    // [N][T]
} bench;

// Parameters that are all random, biases and weights of norms too.
static void scramble(subject *s) {
    fv_model_init_params(s->model, 5, s->params);
    for (size_t i = 0; i < s->record.n_params; i++)
        s->params[i] += 0.4f * (float)sin(1.0 + 12.9898 * (double)i);
}

static void bench_open(bench *b, const char *words, const char *name) {
    subject_open(&b->s, words);
    scramble(&b->s);
    b->T = b->s.config.task.context_length;
    b->d = b->s.config.model.n_embd;
    b->H = b->s.config.model.n_head;
    b->width = b->d / b->H;
    int n_loss;
    fv_model_loss_positions(b->s.model, &n_loss);
    b->tokens = calloc((size_t)(N * b->T), sizeof *b->tokens);
    int32_t *targets = calloc((size_t)(N * n_loss), sizeof *targets);
    check_ok(fv_model_test_data(b->s.model, 1, 0, N, b->tokens, targets));
    free(targets);
    check_ok(fv_activations_create(b->s.model, &name, 1, FV_KEEP_ALL_POSITIONS, N, &b->a, NULL));
    fv_activations_fill(b->a, b->s.params, b->tokens, N);
}

static void bench_close(bench *b) {
    fv_activations_free(b->a);
    free(b->tokens);
    subject_close(&b->s);
}

// The values of one sequence.
static const float *values(const bench *b, int sequence, const char *name) {
    const float *all = fv_activations_get(b->a, name);
    if (all == NULL) fail_msg("%s is not kept", name);
    for (int i = 0; i < fv_activations_n(b->a); i++)
        if (strcmp(fv_activations_kept(b->a, i)->name, name) == 0)
            return all + (size_t)sequence * fv_activations_kept(b->a, i)->size;
    return NULL;
}

static const float *param(const bench *b, const char *name) {
    const fv_tensor *tensor = fv_model_tensor(b->s.model, name);
    assert_non_null(tensor);
    return b->s.params + tensor->offset;
}

// --- names -------------------------------------------------------------------------------------

static void check_names(const char *words, const char *expected) {
    subject s;
    subject_open(&s, words);
    fv_hook *hooks;
    int n;
    check_ok(fv_hooks_list(s.model, &hooks, &n, NULL));
    char text[4096] = "";
    for (int i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s", hooks[i].name);
        for (int k = 0; k < hooks[i].n_dims; k++)
            snprintf(text + strlen(text), sizeof text - strlen(text), " %d", hooks[i].shape[k]);
        snprintf(text + strlen(text), sizeof text - strlen(text), "\n");
    }
    assert_string_equal(text, expected);
    free(hooks);
    subject_close(&s);
}

// Those of a HookedTransformer of the same blocks; the first block's mlp, which a checkpoint holds
// as zeros, has none.
static void test_names_are_those_of_transformerlens(void **state) {
    (void)state;
    check_names("task.vocab_size=7 task.context_length=5 model.n_embd=4 model.n_head=2 "
                "model.positions=learned model.residual=true model.norm=layer "
                "model.layers=[attention,attention,mlp]",
                "hook_embed 5 4\n"
                "hook_pos_embed 5 4\n"
                "blocks.0.hook_resid_pre 5 4\n"
                "blocks.0.ln1.hook_scale 5 1\n"
                "blocks.0.ln1.hook_normalized 5 4\n"
                "blocks.0.attn.hook_q 5 2 2\n"
                "blocks.0.attn.hook_k 5 2 2\n"
                "blocks.0.attn.hook_v 5 2 2\n"
                "blocks.0.attn.hook_pattern 2 5 5\n"
                "blocks.0.attn.hook_z 5 2 2\n"
                "blocks.0.attn.hook_result 5 2 4\n"
                "blocks.0.hook_attn_out 5 4\n"
                "blocks.0.hook_resid_post 5 4\n"
                "blocks.1.hook_resid_pre 5 4\n"
                "blocks.1.ln1.hook_scale 5 1\n"
                "blocks.1.ln1.hook_normalized 5 4\n"
                "blocks.1.attn.hook_q 5 2 2\n"
                "blocks.1.attn.hook_k 5 2 2\n"
                "blocks.1.attn.hook_v 5 2 2\n"
                "blocks.1.attn.hook_pattern 2 5 5\n"
                "blocks.1.attn.hook_z 5 2 2\n"
                "blocks.1.attn.hook_result 5 2 4\n"
                "blocks.1.hook_attn_out 5 4\n"
                "blocks.1.hook_resid_mid 5 4\n"
                "blocks.1.ln2.hook_scale 5 1\n"
                "blocks.1.ln2.hook_normalized 5 4\n"
                "blocks.1.mlp.hook_pre 5 16\n"
                "blocks.1.mlp.hook_post 5 16\n"
                "blocks.1.hook_mlp_out 5 4\n"
                "blocks.1.hook_resid_post 5 4\n"
                "ln_final.hook_scale 5 1\n"
                "ln_final.hook_normalized 5 4\n"
                "logits 5 7\n");
}

static void test_names_of_other_stacks(void **state) {
    (void)state;
    check_names("task.vocab_size=7 task.context_length=3 model.n_embd=2 model.d_mlp=3 "
                "model.layers=[mlp,mlp]",
                "hook_embed 3 2\n"
                "blocks.0.hook_resid_pre 3 2\n"
                "blocks.0.mlp.hook_pre 3 3\n"
                "blocks.0.mlp.hook_post 3 3\n"
                "blocks.0.hook_mlp_out 3 2\n"
                "blocks.0.hook_resid_post 3 2\n"
                "blocks.1.hook_resid_pre 3 2\n"
                "blocks.1.mlp.hook_pre 3 3\n"
                "blocks.1.mlp.hook_post 3 3\n"
                "blocks.1.hook_mlp_out 3 2\n"
                "blocks.1.hook_resid_post 3 2\n"
                "logits 3 7\n");
    check_names("task.vocab_size=7 task.context_length=3 model.n_embd=2 model.norm=rms "
                "model.mamba_state=4 model.layers=[rms_norm,mamba]",
                "hook_embed 3 2\n"
                "norms.0.hook_scale 3 1\n"
                "norms.0.hook_normalized 3 2\n"
                "blocks.0.mamba.hook_resid_pre 3 2\n"
                "blocks.0.ln_mamba.hook_scale 3 1\n"
                "blocks.0.ln_mamba.hook_normalized 3 2\n"
                "blocks.0.mamba.hook_x 3 4\n"
                "blocks.0.mamba.hook_u 3 4\n"
                "blocks.0.mamba.hook_delta 3 4\n"
                "blocks.0.mamba.hook_B 3 4\n"
                "blocks.0.mamba.hook_C 3 4\n"
                "blocks.0.mamba.hook_z 3 4\n"
                "blocks.0.mamba.hook_y 3 4\n"
                "blocks.0.mamba.hook_resid_post 3 2\n"
                "ln_final.hook_scale 3 1\n"
                "ln_final.hook_normalized 3 2\n"
                "logits 3 7\n");
}

static void check_refused(const subject *s, const char *name, fv_rows_kept rows, const char *said) {
    fv_activations *a;
    fv_error error;
    assert_int_equal(fv_activations_create(s->model, &name, 1, rows, 1, &a, &error), FV_USAGE);
    assert_string_equal(error.text, said);
}

static void test_what_is_asked_for(void **state) {
    (void)state;
    bench b;
    bench_open(&b, "model.layers=[attention*2]", "blocks.*.attn.hook_[kq]");
    assert_int_equal(fv_activations_n(b.a), 4);
    assert_string_equal(fv_activations_kept(b.a, 2)->name, "blocks.1.attn.hook_q");
    assert_null(fv_activations_get(b.a, "blocks.1.attn.hook_v"));
    check_refused(&b.s, "blocks.0.attn.hook_patern", FV_KEEP_ALL_POSITIONS,
                  "the model has no activation 'blocks.0.attn.hook_patern'; the nearest is "
                  "'blocks.0.attn.hook_pattern'");
    check_refused(&b.s, "blocks.2.*", FV_KEEP_ALL_POSITIONS,
                  "the model has no activation like 'blocks.2.*'; it has 20, from hook_embed to "
                  "logits");
    check_refused(&b.s, "hook_embed", FV_KEEP_LOSS_POSITIONS,
                  "the model has no activation 'hook_embed'; the nearest is 'logits'");
    bench_close(&b);
}

// --- values ------------------------------------------------------------------------------------

static void check_all(const float *found, const double *wanted, int n, double tolerance,
                      const char *what) {
    for (int i = 0; i < n; i++)
        if (!(fabs(found[i] - wanted[i]) <= tolerance))
            fail_msg("%s, value %d: %g, not %g", what, i, found[i], wanted[i]);
}

// y [n_out] = x [n_in] W + b
static void apply(const float *x, const float *w, const float *bias, int n_in, int n_out,
                  double *y) {
    for (int o = 0; o < n_out; o++) {
        y[o] = bias != NULL ? bias[o] : 0;
        for (int i = 0; i < n_in; i++) y[o] += (double)x[i] * w[i * n_out + o];
    }
}

// Query t of head h of block `block`: softmax of q . k / sqrt(d_head) over keys 0 .. t, its sum of
// values, and what W_O makes of that.
static void check_head(const bench *b, int sequence, int block, int h, int t) {
    char name[64];
    const float *of[4];
    static const char *const hooks[] = {"q", "k", "v", "z"};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "blocks.%d.attn.hook_%s", block, hooks[i]);
        of[i] = values(b, sequence, name);
    }
    double p[16], z[16] = {0}, result[16], total = 0;
    for (int j = 0; j < b->T; j++) {
        double score = 0;
        for (int c = 0; c < b->width; c++)
            score +=
                (double)of[0][(t * b->H + h) * b->width + c] * of[1][(j * b->H + h) * b->width + c];
        total += p[j] = j <= t ? exp(score / sqrt(b->width)) : 0;
    }
    float zf[16];
    for (int c = 0; c < b->width; c++) {
        for (int j = 0; j <= t; j++) z[c] += p[j] / total * of[2][(j * b->H + h) * b->width + c];
        zf[c] = (float)z[c];
    }
    for (int j = 0; j < b->T; j++) p[j] /= total;
    snprintf(name, sizeof name, "blocks.%d.attn.hook_pattern", block);
    check_all(values(b, sequence, name) + (h * b->T + t) * b->T, p, b->T, 1e-5, name);
    check_all(of[3] + (t * b->H + h) * b->width, z, b->width, 1e-5, "hook_z");
    snprintf(name, sizeof name, "blocks.%d.attn.W_O", block);
    apply(zf, param(b, name) + h * b->width * b->d, NULL, b->width, b->d, result);
    snprintf(name, sizeof name, "blocks.%d.attn.hook_result", block);
    check_all(values(b, sequence, name) + (t * b->H + h) * b->d, result, b->d, 1e-4, name);
}

// b_O and the heads' results make attn_out, and what stands before and after a layer differs by
// what the layer adds.
static void check_stream(const bench *b, int sequence, int t) {
    const float *embed = values(b, sequence, "hook_embed") + t * b->d;
    const float *positions = values(b, sequence, "hook_pos_embed") + t * b->d;
    const float *pre = values(b, sequence, "blocks.1.hook_resid_pre") + t * b->d;
    const float *mid = values(b, sequence, "blocks.1.hook_resid_mid") + t * b->d;
    const float *post = values(b, sequence, "blocks.1.hook_resid_post") + t * b->d;
    const float *attn = values(b, sequence, "blocks.1.hook_attn_out") + t * b->d;
    const float *mlp = values(b, sequence, "blocks.1.hook_mlp_out") + t * b->d;
    const float *result = values(b, sequence, "blocks.1.attn.hook_result") + t * b->H * b->d;
    for (int i = 0; i < b->d; i++) {
        int token = b->tokens[sequence * b->T + t];
        check_near(embed[i], param(b, "embed.W_E")[token * b->d + i], 0);
        check_near(positions[i], param(b, "pos_embed.W_pos")[t * b->d + i], 0);
        check_near(values(b, sequence, "blocks.0.hook_resid_pre")[t * b->d + i],
                   embed[i] + positions[i], 1e-6);
        check_near(values(b, sequence, "blocks.0.hook_resid_post")[t * b->d + i], pre[i], 0);
        double sum = param(b, "blocks.1.attn.b_O")[i];
        for (int h = 0; h < b->H; h++) sum += result[h * b->d + i];
        check_near(attn[i], sum, 1e-4);
        check_near(mid[i], pre[i] + attn[i], 1e-4);
        check_near(post[i], pre[i] + attn[i] + mlp[i], 1e-4);
    }
}

// The mlp of block 1, whose parameters are those of the model's first mlp.
static void check_mlp(const bench *b, int sequence, int t) {
    double hidden[64], out[16];
    float post[64];
    int m = 4 * b->d;
    apply(values(b, sequence, "blocks.1.ln2.hook_normalized") + t * b->d,
          param(b, "blocks.0.mlp.W_in"), param(b, "blocks.0.mlp.b_in"), b->d, m, hidden);
    check_all(values(b, sequence, "blocks.1.mlp.hook_pre") + t * m, hidden, m, 1e-4, "hook_pre");
    for (int i = 0; i < m; i++) {
        if (hidden[i] < 0) hidden[i] = 0;
        post[i] = (float)hidden[i];
    }
    check_all(values(b, sequence, "blocks.1.mlp.hook_post") + t * m, hidden, m, 1e-4, "hook_post");
    apply(post, param(b, "blocks.0.mlp.W_out"), param(b, "blocks.0.mlp.b_out"), m, b->d, out);
    check_all(values(b, sequence, "blocks.1.hook_mlp_out") + t * b->d, out, b->d, 1e-3, "mlp_out");
}

// (x - mean) / scale, times the weight with a layer norm.
static void check_norm(const bench *b, int sequence, int t, const char *at, const char *x_name,
                       bool center) {
    char name[64];
    const float *x = values(b, sequence, x_name) + t * b->d;
    double mean = 0, square = 0, wanted[16];
    for (int i = 0; i < b->d && center; i++) mean += x[i] / (double)b->d;
    for (int i = 0; i < b->d; i++) square += (x[i] - mean) * (x[i] - mean) / b->d;
    double scale = sqrt(square + 1e-5);
    snprintf(name, sizeof name, "%s.w", at);
    const float *w = param(b, name);
    for (int i = 0; i < b->d; i++) {
        wanted[i] = (x[i] - mean) / scale;
        snprintf(name, sizeof name, "%s.b", at);
        if (center) wanted[i] = wanted[i] * w[i] + param(b, name)[i];
    }
    snprintf(name, sizeof name, "%s.hook_scale", at);
    check_near(values(b, sequence, name)[t], scale, 1e-4);
    snprintf(name, sizeof name, "%s.hook_normalized", at);
    check_all(values(b, sequence, name) + t * b->d, wanted, b->d, 1e-4, name);
}

static void test_values_follow_the_formulas(void **state) {
    (void)state;
    bench b;
    bench_open(&b,
               "task.offset=1 task.loss=all task.vocab_size=7 task.context_length=6 model.n_embd=8 "
               "model.n_head=2 model.positions=learned model.residual=true model.norm=layer "
               "model.bias=true model.activation=relu model.layers=[attention,attention,mlp]",
               "*");
    for (int s = 0; s < N; s += 6)
        for (int t = 0; t < b.T; t++) {
            for (int h = 0; h < b.H; h++) {
                check_head(&b, s, 0, h, t);
                check_head(&b, s, 1, h, t);
            }
            check_stream(&b, s, t);
            check_mlp(&b, s, t);
            check_norm(&b, s, t, "blocks.0.ln1", "blocks.0.hook_resid_pre", true);
            check_norm(&b, s, t, "ln_final", "blocks.1.hook_resid_post", true);
        }
    bench_close(&b);
}

// With norms behind layers the stream still differs by what hook_attn_out and hook_mlp_out show, unless
// the sum itself is normalised. A gated mlp shows both of its maps.
static void test_norms_behind_layers(void **state) {
    (void)state;
    static const char *const places[] = {"sandwich", "output"};
    for (int p = 0; p < 2; p++) {
        char words[256];
        bench b;
        snprintf(words, sizeof words,
                 "task.loss=all task.vocab_size=7 task.context_length=6 model.n_embd=8 "
                 "model.residual=true model.norm=layer model.layers=[attention,mlp] "
                 "model.activation=swiglu model.norm_place=%s",
                 places[p]);
        bench_open(&b, words, "*");
        int m = 21;
        const float *pre = values(&b, 3, "blocks.0.hook_resid_pre");
        const float *post = values(&b, 3, "blocks.0.hook_resid_post");
        const float *attn = values(&b, 3, "blocks.0.hook_attn_out");
        const float *mlp = values(&b, 3, "blocks.0.hook_mlp_out");
        for (int i = 0; i < b.T * b.d; i++) check_near(post[i], pre[i] + attn[i] + mlp[i], 1e-5);
        const float *gate = values(&b, 3, "blocks.0.mlp.hook_pre");
        const float *linear = values(&b, 3, "blocks.0.mlp.hook_pre_linear");
        for (int i = 0; i < b.T * m; i++)
            check_near(values(&b, 3, "blocks.0.mlp.hook_post")[i],
                       gate[i] / (1 + exp(-gate[i])) * linear[i], 1e-5);
        bench_close(&b);
    }
}

static void test_rms_norm_before_its_weight(void **state) {
    (void)state;
    bench b;
    bench_open(&b,
               "task.vocab_size=7 task.context_length=6 model.n_embd=8 model.norm=rms "
               "model.residual=true",
               "*");
    for (int t = 0; t < b.T; t++) {
        check_norm(&b, 17, t, "blocks.0.ln1", "blocks.0.hook_resid_pre", false);
        check_norm(&b, 17, t, "ln_final", "blocks.0.hook_resid_post", false);
    }
    bench_close(&b);
}

// At the positions of the loss they are the logits of fv_model_logits, whose last layer computes
// nothing else.
static void test_logits_are_the_models(void **state) {
    (void)state;
    static const char *const stacks[] = {
        "task.vocab_size=9 task.context_length=7 model.n_embd=6 model.layers=[attention,mlp]",
        ("task.vocab_size=9 task.context_length=7 model.n_embd=6 model.n_head=3 task.loss=all "
         "task.offset=2 model.layers=[attention(window=3 sinks=1),attention] model.norm=rms"),
        "task.vocab_size=9 task.context_length=7 model.n_embd=6 model.layers=[mamba,layer_norm]",
        "task.vocab_size=9 task.context_length=1 task.offset=0 model.n_embd=6"};
    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        bench b;
        bench_open(&b, stacks[i], "logits");
        int n_loss, V = b.s.config.task.vocab_size;
        const int *positions = fv_model_loss_positions(b.s.model, &n_loss);
        float *logits = calloc((size_t)(N * n_loss * V), sizeof *logits);
        check_ok(fv_model_logits(b.s.model, b.s.params, b.tokens, N, logits, NULL));
        for (int s = 0; s < N; s++)
            for (int p = 0; p < n_loss; p++)
                for (int v = 0; v < V; v++)
                    check_near(values(&b, s, "logits")[positions[p] * V + v],
                               logits[(s * n_loss + p) * V + v], 1e-4);
        free(logits);
        bench_close(&b);
    }
}

// What a window leaves out is 0, and a query that excludes itself has nothing at first.
static void test_patterns_add_up(void **state) {
    (void)state;
    static const char *const stacks[] = {
        "task.context_length=9 model.n_embd=4 model.n_head=2 model.window=3 model.sinks=1",
        "task.context_length=9 model.n_embd=4 model.exclude_self=true model.score=euclidean"};
    for (int i = 0; i < 2; i++) {
        bench b;
        bench_open(&b, stacks[i], "blocks.0.attn.hook_pattern");
        for (int s = 0; s < N; s++)
            for (int r = 0; r < b.H * b.T; r++) {
                const float *row = values(&b, s, "blocks.0.attn.hook_pattern") + r * b.T;
                double sum = 0;
                for (int j = 0; j < b.T; j++) {
                    int t = r % b.T;
                    bool seen = i == 0 ? j <= t && (j > t - 3 || j < 1) : j < t;
                    if (!seen) check_near(row[j], 0, 0);
                    sum += row[j];
                }
                check_near(sum, i == 1 && r % b.T == 0 ? 0 : 1, 1e-5);
            }
        bench_close(&b);
    }
}

// However many travel together, and whatever else is kept.
static void test_a_sequence_has_the_same_bits_alone(void **state) {
    (void)state;
    bench b;
    bench_open(&b,
               "task.vocab_size=6 task.context_length=12 model.n_embd=16 model.n_head=2 "
               "task.loss=all task.offset=1 model.positions=learned model.residual=true "
               "model.layers=[attention*2,mlp]",
               "*");
    for (int i = 0; i < fv_activations_n(b.a); i++) {
        const fv_hook *hook = fv_activations_kept(b.a, i);
        const char *name = hook->name;
        fv_activations *alone;
        check_ok(
            fv_activations_create(b.s.model, &name, 1, FV_KEEP_ALL_POSITIONS, 1, &alone, NULL));
        for (int s = 0; s < N; s += 9) {
            fv_activations_fill(alone, b.s.params, b.tokens + s * b.T, 1);
            assert_memory_equal(fv_activations_at(alone, 0), values(&b, s, name),
                                hook->size * sizeof(float));
        }
        fv_activations_free(alone);
    }
    bench_close(&b);
}

// Without patterns a long context goes through the tiles, whose memory does not grow with its
// square; with them it does not.
static void test_long_contexts(void **state) {
    (void)state;
    bench b, c;
    const char *words = "task.vocab_size=6 task.context_length=512 model.n_embd=4 task.loss=all "
                        "task.offset=1";
    bench_open(&b, words, "blocks.0.hook_resid_post");
    bench_open(&c, words, "blocks.0.[ah]*[!kqv]");
    const float *tiled = values(&b, 18, "blocks.0.hook_resid_post");
    const float *plain = values(&c, 18, "blocks.0.hook_resid_post");
    bool differ = false;
    for (int i = 0; i < 512 * 4; i++) {
        check_near(tiled[i], plain[i], 1e-4);
        differ |= tiled[i] != plain[i];
    }
    assert_true(differ); // two ways, not the same one twice
    bench_close(&b);
    bench_close(&c);
}

static void test_file(void **state) {
    (void)state;
    bench b;
    bench_open(&b, "task.vocab_size=6 task.context_length=4 model.n_embd=4", "*attn.hook_*");
    char path[] = "activations-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    check_ok(fv_activations_write(b.a, path, b.tokens, NULL));
    safetensors file;
    check_ok(safetensors_open(path, &file, NULL));
    assert_int_equal(file.n_tensors, fv_activations_n(b.a));
    const safetensors_tensor *pattern = safetensors_find(&file, "blocks.0.attn.hook_pattern");
    assert_non_null(pattern);
    assert_int_equal(pattern->n_dims, 4);
    const uint64_t shape[] = {N, 1, 4, 4};
    assert_memory_equal(pattern->shape, shape, sizeof shape);
    float *stored = malloc(pattern->end - pattern->begin);
    check_ok(safetensors_read(&file, pattern, stored, NULL));
    assert_memory_equal(stored, values(&b, 0, "blocks.0.attn.hook_pattern"),
                        pattern->end - pattern->begin);
    char tokens[64];
    snprintf(tokens, sizeof tokens, "%d,%d,%d,%d", b.tokens[0], b.tokens[1], b.tokens[2],
             b.tokens[3]);
    assert_string_equal(safetensors_metadata(&file, "tokens"), tokens);
    free(stored);
    safetensors_close(&file);
    remove(path);
    bench_close(&b);
}

// --- replacements ------------------------------------------------------------------------------

// Counts what it sees, and leaves all of it, or adds to one of them.
typedef struct touch {
    const char *name; // NULL: nothing is changed
    int n_seen;
} touch;

static void touch_values(void *context, const fv_hook *hook, int n, float *values) {
    touch *t = context;
    t->n_seen++;
    assert_int_equal(n, N);
    assert_true(hook->replaceable);
    if (t->name == NULL || strcmp(t->name, hook->name) != 0) return;
    for (size_t i = 0; i < (size_t)n * hook->size; i++) values[i] += (float)(i % 7);
}

static void replace(const bench *b, const char *changed, fv_activations **out, int *n_seen) {
    static const char *const all[] = {"*"};
    touch t = {.name = changed};
    check_ok(fv_activations_create_replacing(b->s.model, all, 1, N,
                                             &(fv_replacing){all, 1, touch_values, &t}, out, NULL));
    fv_activations_fill(*out, b->s.params, b->tokens, N);
    *n_seen = t.n_seen;
}

static const char *const REPLACED[] = {
    "task.context_length=7 model.n_embd=8 model.n_head=2 model.layers=[attention,mlp,attention] "
    "model.residual=true model.norm=layer model.positions=learned model.bias=true",
    "task.context_length=7 model.n_embd=16 model.layers=[attention,mlp] model.activation=geglu",
    "task.context_length=9 model.n_embd=8 model.n_head=4 model.n_kv_head=2 model.positions=rope "
    "model.layers=[attention(window=3),mlp] model.qk_norm=head model.sink_logit=learned",
};

static void test_what_is_left_changes_nothing(void **state) {
    (void)state;
    for (int m = 0; m < 3; m++) {
        bench b;
        fv_activations *same;
        int n_seen, n_replaceable = 0;
        bench_open(&b, REPLACED[m], "*");
        replace(&b, NULL, &same, &n_seen);
        assert_int_equal(fv_activations_n(same), fv_activations_n(b.a));
        for (int i = 0; i < fv_activations_n(same); i++) {
            const fv_hook *hook = fv_activations_kept(b.a, i);
            const float *x = fv_activations_at(b.a, i), *y = fv_activations_at(same, i);
            n_replaceable += hook->replaceable;
            for (size_t k = 0; k < N * hook->size; k++)
                if (!(fabs((double)x[k] - y[k]) <= 1e-4 * fmax(1, fabs((double)x[k]))))
                    fail_msg("%s %zu is %g and not %g", hook->name, k, (double)y[k], (double)x[k]);
        }
        assert_int_equal(n_seen, n_replaceable);
        fv_activations_free(same);
        bench_close(&b);
    }
}

// Every one that can be replaced is read by what comes behind it.
static void test_what_is_replaced_is_read(void **state) {
    (void)state;
    for (int m = 0; m < 3; m++) {
        bench b;
        bench_open(&b, REPLACED[m], "*");
        for (int i = 0; i < fv_activations_n(b.a); i++) {
            const fv_hook *hook = fv_activations_kept(b.a, i);
            fv_activations *other;
            int n_seen;
            if (!hook->replaceable) continue;
            replace(&b, hook->name, &other, &n_seen);
            const float *x = fv_activations_get(b.a, "logits"),
                        *y = fv_activations_get(other, "logits");
            double most = 0;
            for (size_t k = 0; k < (size_t)(N * b.T * b.s.config.task.vocab_size); k++)
                most = fmax(most, fabs((double)x[k] - y[k]));
            if (!(most > 1e-3)) fail_msg("nothing reads %s of model %d", hook->name, m);
            fv_activations_free(other);
        }
        bench_close(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_left_changes_nothing),
        cmocka_unit_test(test_what_is_replaced_is_read),
        cmocka_unit_test(test_names_are_those_of_transformerlens),
        cmocka_unit_test(test_names_of_other_stacks),
        cmocka_unit_test(test_what_is_asked_for),
        cmocka_unit_test(test_values_follow_the_formulas),
        cmocka_unit_test(test_norms_behind_layers),
        cmocka_unit_test(test_rms_norm_before_its_weight),
        cmocka_unit_test(test_logits_are_the_models),
        cmocka_unit_test(test_patterns_add_up),
        cmocka_unit_test(test_a_sequence_has_the_same_bits_alone),
        cmocka_unit_test(test_long_contexts),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
