// Checkpoints: what is read back is what was written, and what is written for TransformerLens
// computes what the model computes. The oracle is a transformer of our own in double, which knows
// the file alone: names, shapes and the configuration under "transformer_lens".
// tests/interop/transformerlens_check.py asks TransformerLens itself.
#include "base/safetensors.h"
#include "folder.h"

#include <fovea/checkpoint.h>
#include <fovea/config.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int make_folder(void **state) {
    (void)state;
    return folder_make("x.safetensors");
}

// --- models ------------------------------------------------------------------------------------

typedef struct trial {
    fv_config config;
    fv_model *model;
    float *params;
} trial;

// A model whose configuration is given as "key=value" texts, ended by NULL. Every parameter is
// random, biases and norms included, so that nothing that is lost stays unnoticed.
static trial make_trial(const char *const *settings) {
    trial t;
    fv_error error = {0};
    fv_config_init(&t.config);
    for (; *settings != NULL; settings++) {
        char key[64];
        size_t length = strcspn(*settings, "=");
        memcpy(key, *settings, length);
        key[length] = '\0';
        if (fv_config_set(&t.config, key, *settings + length + 1, &error) != FV_OK)
            fail_msg("%s", error.text);
    }
    if (fv_config_check(&t.config, &error) != FV_OK) fail_msg("%s", error.text);
    if (fv_model_create(&t.config, &t.model, &error) != FV_OK) fail_msg("%s", error.text);
    size_t n = fv_model_n_params(t.model);
    t.params = malloc(n * sizeof *t.params);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        t.params[i] = (float)(state >> 8) / (float)(1 << 23) - 1;
    }
    return t;
}

static void free_trial(trial *t) {
    fv_model_free(t->model);
    free(t->params);
}

#define SMALL "task.vocab_size=7", "task.context_length=5", "model.n_embd=6", "model.n_head=2"

// Every kind of model that a checkpoint must hold.
static const char *const MODELS[][12] = {
    {NULL},
    {SMALL, "model.layers=[attention]", NULL},
    {SMALL, "model.layers=[attention, attention]", "model.residual=true", "model.positions=learned",
     NULL},
    {SMALL, "model.layers=[attention, mlp, attention, mlp]", "model.residual=true",
     "model.bias=true", "model.norm=layer", "model.positions=sinusoidal", NULL},
    {SMALL, "model.layers=[attention, attention, mlp, mlp]", "model.residual=true",
     "model.bias=true", "model.norm=rms", "model.tied=true", "model.d_mlp=3", NULL},
    {SMALL, "model.layers=[mlp, attention]", "model.residual=true", "model.activation=relu", NULL},
    {SMALL, "model.layers=[attention, mlp]", "model.residual=true", "model.activation=silu",
     "model.bias=true", NULL},
    {SMALL, "model.layers=[attention, mlp, mlp]", "model.residual=true", "model.norm=rms",
     "model.activation=swiglu", NULL},
    {SMALL, "model.layers=[attention, mlp]", "model.activation=geglu", "model.d_mlp=5", NULL},
    {SMALL, "model.layers=[attention, attention, mlp]", "model.norm=rms", "model.residual=true",
     "model.norm_place=sandwich", NULL},
    {SMALL, "model.layers=[attention, mlp]", "model.norm=layer", "model.residual=true",
     "model.norm_place=sandwich", NULL},
    {SMALL, "model.layers=[attention, mlp, mlp, attention]", "model.bias=true",
     "model.positions=learned", NULL},
    {SMALL, "model.layers=[mlp]", "model.tied=true", "model.bias=true", NULL},
    {SMALL, "model.layers=[attention, attention, attention]", "model.positions=sinusoidal",
     "model.tied=true", NULL},
    {SMALL, "model.layers=[attention, layer_norm, mlp, rms_norm, attention]", "model.residual=true",
     NULL},
    {SMALL, "model.layers=[attention, mlp]", "model.norm=layer", NULL},
    {SMALL, "model.layers=[attention]", "model.score=euclidean", NULL},
    {SMALL, "model.layers=[attention]", "model.exclude_self=true", NULL},
    {SMALL, "model.layers=[attention, mlp]", "model.norm=rms", "model.residual=true",
     "model.norm_place=post", NULL},
    {SMALL, "model.layers=[attention, mlp, mamba]", "model.norm=rms", "model.residual=true",
     "model.norm_place=output", NULL},
    {SMALL, "model.layers=[attention]", "model.residual=true", "model.readout=harmonic", NULL},
    {SMALL, "model.layers=[attention, mlp]", "model.activation=relu2", "model.residual=true", NULL},
    {SMALL, "model.layers=[attention, mlp]", "model.activation=geglu", "model.residual=true",
     "model.bias=true", NULL},
    {SMALL, "model.layers=[mlp, attention, mamba, mamba]", "model.score=harmonic",
     "model.score_power_learned=true", "model.norm=rms", NULL},
};
// Parts of attention that TransformerLens has.
static const char *const THEIRS[][12] = {
    {SMALL, "model.n_embd=8", "model.layers=[attention, mlp, mlp]", "model.positions=rope",
     "model.n_kv_head=1", "model.residual=true", "model.qk_norm=head", NULL},
    {SMALL, "model.n_embd=8", "model.positions=rope", "model.rope_pairs=interleaved",
     "model.rope_scaling=ntk", "model.rope_factor=4", NULL},
    {SMALL, "model.layers=[attention(window=2), attention, mlp, attention(window=2)]",
     "model.positions=alibi", "model.soft_cap=0.5", "model.residual=true", NULL},
    {SMALL, "model.layers=[mlp, attention, attention]", "model.sink_logit=learned", NULL},
    {SMALL, "model.sink_logit=zero", "model.positions=rope", "model.rope_width=2",
     "model.rope_scaling=linear", "model.rope_factor=3", NULL},
};
enum { N_THEIRS = sizeof THEIRS / sizeof THEIRS[0] };

// Parts that it does not have, and the field that the refusal names.
static const char *const REFUSED[][3] = {
    {"model.gate", "model.gate=head", NULL},
    {"model.qk_norm", "model.qk_norm=vector", NULL},
    {"model.n_head", "model.positions=alibi", "model.n_head=3"},
    {"model.sinks", "model.layers=[attention(window=2 sinks=1)]", NULL},
    {"model.window", "model.layers=[attention(window=2), attention(window=3)]", NULL},
    {"soft_cap", "model.layers=[attention(soft_cap=2), attention]", NULL},
    {"model.selector", "model.selector=topk", NULL},
    {"model.normaliser", "model.normaliser=sparsemax", NULL},
    {"model.layers", "model.layers=[attention, mamba]", NULL},
    {"model.norm_place", "model.norm=layer", "model.norm_place=sandwich"},
};
enum { N_REFUSED = sizeof REFUSED / sizeof REFUSED[0] };
enum { N_MODELS = sizeof MODELS / sizeof MODELS[0] };

static void check_reads_back(const char *const *settings, int i) {
    trial t = make_trial(settings);
    fv_error error = {0};
    fv_config config;
    fv_model *model;
    float *params;
    if (fv_checkpoint_write(path, t.model, t.params, false, &error) != FV_OK)
        fail_msg("model %d: %s", i, error.text);
    if (fv_checkpoint_read(path, &config, &model, &params, &error) != FV_OK)
        fail_msg("model %d: %s", i, error.text);
    char made[17], read[17];
    fv_config_id(&t.config, FV_ARITHMETIC_FUSED, made);
    fv_config_id(&config, FV_ARITHMETIC_FUSED, read);
    assert_string_equal(made, read);
    assert_int_equal(fv_model_n_params(model), fv_model_n_params(t.model));
    assert_memory_equal(params, t.params, fv_model_n_params(model) * sizeof *params);
    fv_model_free(model);
    free(params);
    free_trial(&t);
}

static void reads_back_every_kind_of_model(void **state) {
    (void)state;
    for (int i = 0; i < N_MODELS; i++) check_reads_back(MODELS[i], i);
}

// Models of each part that fields.def lists, with a tensor of everything that it has.
static void reads_back_every_part(void **state) {
    (void)state;
    static const char *const FIELDS[] = {"model.layers", "model.score", "model.positions"};
    for (int f = 0; f < 3; f++)
        for (const char *const *c = fv_field_find(FIELDS[f])->choices; *c != NULL; c++) {
            char text[64];
            snprintf(text, sizeof text, f == 0 ? "%s=[attention, %s]" : "%s=%s", FIELDS[f], *c);
            check_reads_back((const char *const[]){SMALL, "model.n_embd=8", text, NULL}, 1000 * f);
        }
}

// --- the oracle --------------------------------------------------------------------------------

typedef struct oracle {
    safetensors file;
    json_t *config;
    int n_blocks, d, n_context, d_head, n_heads, n_vocab, d_mlp;
    const char *norm, *activation;
} oracle;

static int number(const oracle *o, const char *key) {
    json_t *value = json_object_get(o->config, key);
    return value != NULL ? (int)json_integer_value(value) : 0;
}

static oracle open_oracle(void) {
    oracle o;
    fv_error error = {0};
    if (safetensors_open(path, &o.file, &error) != FV_OK) fail_msg("%s", error.text);
    const char *text = safetensors_metadata(&o.file, "transformer_lens");
    assert_non_null(text);
    o.config = json_loads(text, 0, NULL);
    assert_non_null(o.config);
    o.n_blocks = number(&o, "n_layers");
    o.d = number(&o, "d_model");
    o.n_context = number(&o, "n_ctx");
    o.d_head = number(&o, "d_head");
    o.n_heads = number(&o, "n_heads");
    o.n_vocab = number(&o, "d_vocab");
    o.d_mlp = number(&o, "d_mlp");
    o.norm = json_string_value(json_object_get(o.config, "normalization_type"));
    o.activation = json_string_value(json_object_get(o.config, "act_fn"));
    assert_int_equal(json_is_true(json_object_get(o.config, "attn_only")), o.d_mlp == 0);
    return o;
}

static void close_oracle(oracle *o) {
    safetensors_close(&o->file);
    json_decref(o->config);
}

// A tensor of the file, which must have exactly these dimensions (0: not there).
static float *tensor(const oracle *o, int block, const char *name, int a, int b, int c) {
    char whole[64];
    snprintf(whole, sizeof whole, "%s", name);
    if (block >= 0) snprintf(whole, sizeof whole, "blocks.%d.%s", block, name);
    const safetensors_tensor *t = safetensors_find(&o->file, whole);
    if (t == NULL) fail_msg("the file lacks %s", whole);
    int dims[] = {a, b, c}, n = 0;
    for (int i = 0; i < 3; i++)
        if (dims[i] > 0) assert_int_equal(t->shape[n++], dims[i]);
    assert_int_equal(t->n_dims, n);
    float *values = malloc((size_t)(t->end - t->begin));
    fv_error error;
    assert_int_equal(safetensors_read(&o->file, t, values, &error), FV_OK);
    return values;
}

// y[n_out] += x[n_in] W + b
static void affine(const double *x, const float *w, const float *b, int n_in, int n_out,
                   double *y) {
    for (int j = 0; j < n_out; j++) {
        double sum = b != NULL ? (double)b[j] : 0;
        for (int i = 0; i < n_in; i++) sum += x[i] * (double)w[i * n_out + j];
        y[j] += sum;
    }
}

// The normalised stream of n positions; a copy where there is no norm.
static double *normalise(const oracle *o, int block, const char *name, const double *x, int n) {
    double *y = malloc((size_t)(n * o->d) * sizeof *y);
    memcpy(y, x, (size_t)(n * o->d) * sizeof *y);
    if (o->norm == NULL) return y;
    bool center = strcmp(o->norm, "LN") == 0;
    char whole[32];
    snprintf(whole, sizeof whole, "%s.w", name);
    float *w = tensor(o, block, whole, o->d, 0, 0), *b = NULL;
    snprintf(whole, sizeof whole, "%s.b", name);
    if (center) b = tensor(o, block, whole, o->d, 0, 0);
    for (int t = 0; t < n; t++) {
        double mean = 0, square = 0;
        for (int i = 0; center && i < o->d; i++) mean += y[t * o->d + i] / o->d;
        for (int i = 0; i < o->d; i++) square += pow(y[t * o->d + i] - mean, 2) / o->d;
        for (int i = 0; i < o->d; i++)
            y[t * o->d + i] = (y[t * o->d + i] - mean) / sqrt(square + 1e-5) * (double)w[i] +
                              (b != NULL ? (double)b[i] : 0);
    }
    free(w);
    free(b);
    return y;
}

static bool is_set(const oracle *o, const char *key) {
    return json_is_true(json_object_get(o->config, key));
}

static double real_of(const oracle *o, const char *key, double otherwise) {
    json_t *value = json_object_get(o->config, key);
    return value != NULL ? json_number_value(value) : otherwise;
}

static const char *positions_of(const oracle *o) {
    return json_string_value(json_object_get(o->config, "positional_embedding_type"));
}

// Queries or keys [n][k] of one head: normalised, then turned.
static void shape_rows(const oracle *o, int l, const char *norm, double *rows, int n) {
    int k = o->d_head, r = number(o, "rotary_dim");
    float *w = is_set(o, "use_qk_norm") ? tensor(o, l, norm, k, 0, 0) : NULL;
    bool neighbours = is_set(o, "rotary_adjacent_pairs");
    for (int t = 0; t < n; t++) {
        double *x = rows + t * k, square = 0;
        for (int f = 0; w && f < k; f++) square += x[f] * x[f] / k;
        for (int f = 0; w && f < k; f++) x[f] *= (double)w[f] / sqrt(square + 1e-5);
        for (int m = 0; m < r / 2; m++) {
            double angle = t * pow(real_of(o, "rotary_base", 1), -2.0 * m / r) /
                           real_of(o, "rotary_scaling_factor", 1);
            double *a = x + (neighbours ? 2 * m : m), *b = a + (neighbours ? 1 : r / 2), old = *a;
            *a = old * cos(angle) - *b * sin(angle);
            *b = old * sin(angle) + *b * cos(angle);
        }
    }
    free(w);
}

// The score of query i and key j after cap and slope, or -INFINITY where the window hides the key.
static double shape_score(const oracle *o, int l, int h, double score, int i, int j) {
    double cap = real_of(o, "attn_scores_soft_cap", 0);
    const char *type =
        json_string_value(json_array_get(json_object_get(o->config, "attn_types"), (size_t)l));
    bool local = type != NULL && strcmp(type, "local") == 0;
    if (cap > 0) score = cap * tanh(score / cap);
    if (strcmp(positions_of(o), "alibi") == 0)
        score -= pow(2, -8.0 * (h + 1) / o->n_heads) * (i - j);
    return local && i - j >= number(o, "window_size") ? -INFINITY : score;
}

// Queries, keys and values of one head [3][n][k]; keys and values may be those of several heads.
static double *project(const oracle *o, int l, int h, const double *x, int n) {
    static const char *const NAMES[] = {"Q", "K", "V"};
    int d = o->d, k = o->d_head, n_kv = number(o, "n_key_value_heads");
    double *qkv = calloc((size_t)(3 * n * k), sizeof *qkv);
    for (int m = 0; m < 3; m++) {
        bool shared = m > 0 && n_kv > 0;
        int heads = shared ? n_kv : o->n_heads, own = shared ? h * n_kv / o->n_heads : h;
        char name[16];
        snprintf(name, sizeof name, "attn.%sW_%s", shared ? "_" : "", NAMES[m]);
        float *w = tensor(o, l, name, heads, d, k);
        snprintf(name, sizeof name, "attn.%sb_%s", shared ? "_" : "", NAMES[m]);
        float *b = tensor(o, l, name, heads, k, 0);
        for (int t = 0; t < n; t++)
            affine(x + t * d, w + own * d * k, b + own * k, d, k, qkv + (m * n + t) * k);
        free(w);
        free(b);
    }
    shape_rows(o, l, "attn.q_norm.w", qkv, n);
    shape_rows(o, l, "attn.k_norm.w", qkv + n * k, n);
    return qkv;
}

// One head: x [n][d] is read through the norm, `output` [n][d] is added to.
static void attend(const oracle *o, int l, int h, const double *x, double *output, int n) {
    int d = o->d, k = o->d_head, H = o->n_heads;
    double *qkv = project(o, l, h, x, n), *p = calloc((size_t)n, sizeof *p);
    float *w_o = tensor(o, l, "attn.W_O", H, k, d);
    float *sinks = is_set(o, "use_attention_sinks") ? tensor(o, l, "attn.sinks", H, 0, 0) : NULL;
    for (int i = 0; i < n; i++) {
        double z[64] = {0}, sum = sinks ? exp((double)sinks[h]) : 0;
        for (int j = 0; j <= i; j++) {
            double score = 0;
            for (int f = 0; f < k; f++) score += qkv[i * k + f] * qkv[(n + j) * k + f];
            sum += p[j] = exp(shape_score(o, l, h, score / sqrt(k), i, j));
        }
        for (int j = 0; j <= i; j++)
            for (int f = 0; f < k; f++) z[f] += p[j] / sum * qkv[(2 * n + j) * k + f];
        affine(z, w_o + h * k * d, NULL, k, d, output + i * d);
    }
    free(sinks);
    free(w_o);
    free(qkv);
    free(p);
}

// Adds a block's output [n][d] to the stream, behind a norm where the configuration has one there.
static void add_output(const oracle *o, int l, const char *norm, double *output, double *stream,
                       int n) {
    bool behind = json_is_true(json_object_get(o->config, "use_normalization_before_and_after"));
    double *added = behind ? normalise(o, l, norm, output, n) : output;
    for (int i = 0; i < n * o->d; i++) stream[i] += added[i];
    if (behind) free(added);
    free(output);
}

static void attention_block(const oracle *o, int l, double *stream, int n) {
    double *x = normalise(o, l, "ln1", stream, n);
    double *output = calloc((size_t)(n * o->d), sizeof *output);
    float *b = tensor(o, l, "attn.b_O", o->d, 0, 0);
    for (int h = 0; h < o->n_heads; h++) attend(o, l, h, x, output, n);
    for (int i = 0; i < n * o->d; i++) output[i] += (double)b[i % o->d];
    add_output(o, l, "ln1_post", output, stream, n);
    free(b);
    free(x);
}

static double activate(const oracle *o, double x) {
    if (strcmp(o->activation, "relu") == 0) return x > 0 ? x : 0;
    if (strcmp(o->activation, "silu") == 0) return x / (1 + exp(-x));
    assert_string_equal(o->activation, "gelu_new");
    return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static void mlp_block(const oracle *o, int l, double *stream, int n) {
    double *x = normalise(o, l, "ln2", stream, n);
    double *output = calloc((size_t)(n * o->d), sizeof *output);
    float *w_in = tensor(o, l, "mlp.W_in", o->d, o->d_mlp, 0);
    float *b_in = tensor(o, l, "mlp.b_in", o->d_mlp, 0, 0);
    float *w_out = tensor(o, l, "mlp.W_out", o->d_mlp, o->d, 0);
    bool gated = json_is_true(json_object_get(o->config, "gated_mlp"));
    float *w_gate = gated ? tensor(o, l, "mlp.W_gate", o->d, o->d_mlp, 0) : NULL;
    float *b_out = tensor(o, l, "mlp.b_out", o->d, 0, 0);
    for (int t = 0; t < n; t++) {
        double *hidden = calloc(2 * (size_t)o->d_mlp, sizeof *hidden), *gate = hidden + o->d_mlp;
        affine(x + t * o->d, w_in, gated ? NULL : b_in, o->d, o->d_mlp, hidden);
        if (gated) affine(x + t * o->d, w_gate, NULL, o->d, o->d_mlp, gate);
        for (int i = 0; i < o->d_mlp; i++)
            hidden[i] =
                gated ? activate(o, gate[i]) * hidden[i] + (double)b_in[i] : activate(o, hidden[i]);
        affine(hidden, w_out, b_out, o->d_mlp, o->d, output + t * o->d);
        free(hidden);
    }
    add_output(o, l, "ln2_post", output, stream, n);
    free(w_in);
    free(b_in);
    free(w_gate);
    free(w_out);
    free(b_out);
    free(x);
}

// logits [n][V] of every position.
static double *oracle_logits(const oracle *o, const int32_t *tokens, int n) {
    double *stream = calloc((size_t)(n * o->d), sizeof *stream);
    double *logits = calloc((size_t)(n * o->n_vocab), sizeof *logits);
    float *w_e = tensor(o, -1, "embed.W_E", o->n_vocab, o->d, 0);
    bool turned = strcmp(positions_of(o), "rotary") == 0;
    float *w_pos = turned ? NULL : tensor(o, -1, "pos_embed.W_pos", o->n_context, o->d, 0);
    if (turned) assert_null(safetensors_find(&o->file, "pos_embed.W_pos"));
    for (int i = 0; i < n * o->d; i++)
        stream[i] =
            (double)w_e[tokens[i / o->d] * o->d + i % o->d] + (w_pos ? (double)w_pos[i] : 0);
    for (int l = 0; l < o->n_blocks; l++) {
        attention_block(o, l, stream, n);
        if (o->d_mlp > 0) mlp_block(o, l, stream, n);
    }
    double *x = normalise(o, -1, "ln_final", stream, n);
    float *w_u = tensor(o, -1, "unembed.W_U", o->d, o->n_vocab, 0);
    float *b_u = tensor(o, -1, "unembed.b_U", o->n_vocab, 0, 0);
    for (int t = 0; t < n; t++)
        affine(x + t * o->d, w_u, b_u, o->d, o->n_vocab, logits + t * o->n_vocab);
    free(w_e);
    free(w_pos);
    free(w_u);
    free(b_u);
    free(x);
    free(stream);
    return logits;
}

// The largest difference between the file's logits and the model's, relative to the largest logit.
static double difference(const trial *t) {
    oracle o = open_oracle();
    int n_loss, n = t->config.task.context_length, V = t->config.task.vocab_size;
    const int *positions = fv_model_loss_positions(t->model, &n_loss);
    int32_t *tokens = malloc((size_t)n * sizeof *tokens);
    for (int i = 0; i < n; i++) tokens[i] = (i * 5 + 3) % V;
    float *logits = malloc((size_t)(n_loss * V) * sizeof *logits);
    fv_error error = {0};
    assert_int_equal(fv_model_logits(t->model, t->params, tokens, 1, logits, &error), FV_OK);
    double *expected = oracle_logits(&o, tokens, n);
    double largest = 0, off = 0;
    for (int i = 0; i < n_loss * V; i++) {
        double want = expected[positions[i / V] * V + i % V];
        largest = fmax(largest, fabs(want));
        off = fmax(off, fabs(want - (double)logits[i]));
    }
    free(expected);
    free(logits);
    free(tokens);
    close_oracle(&o);
    return off / largest;
}

static void exports_compute_what_the_model_computes(void **state) {
    (void)state;
    int n_exported = 0;
    for (int i = 0; i < N_MODELS; i++) {
        trial t = make_trial(MODELS[i]);
        fv_error error = {0};
        if (fv_checkpoint_transformerlens(&t.config, true, &error) == FV_OK) {
            assert_int_equal(fv_checkpoint_write(path, t.model, t.params, true, &error), FV_OK);
            double off = difference(&t);
            if (!(off < 1e-5)) fail_msg("model %d differs by %g", i, off);
            n_exported++;
        } else {
            assert_int_equal(fv_checkpoint_write(path, t.model, t.params, true, &error), FV_USAGE);
            assert_non_null(strstr(error.text, "TransformerLens cannot represent"));
        }
        free_trial(&t);
    }
    // Not exported: norms as layers, norms without a residual stream, other scores, other layers,
    // excluded selves, other activations, gates with biases, norms behind layers alone, layer norms on both sides.
    // Nor logits that are distances.
    assert_int_equal(n_exported, N_MODELS - 11);
}

static void exports_their_parts_of_attention(void **state) {
    (void)state;
    for (int i = 0; i < N_THEIRS; i++) {
        check_reads_back(THEIRS[i], 100 + i);
        trial t = make_trial(THEIRS[i]);
        fv_error error = {0};
        if (fv_checkpoint_write(path, t.model, t.params, true, &error) != FV_OK)
            fail_msg("part %d: %s", i, error.text);
        double off = difference(&t);
        if (!(off < 1e-5)) fail_msg("part %d differs by %g", i, off);
        free_trial(&t);
    }
}

static void names_the_parts_that_it_lacks(void **state) {
    (void)state;
    for (int i = 0; i < N_REFUSED; i++) {
        trial t = make_trial((const char *const[]){"model.n_embd=12", "model.n_head=2",
                                                   "model.residual=true", REFUSED[i][1],
                                                   REFUSED[i][2], NULL});
        fv_error error = {0};
        assert_int_equal(fv_checkpoint_write(path, t.model, t.params, true, &error), FV_USAGE);
        if (strstr(error.text, REFUSED[i][0]) == NULL)
            fail_msg("'%s' does not name %s", error.text, REFUSED[i][0]);
        free_trial(&t);
    }
}

static void check_sees_wrong_weights(const char *const *settings) {
    trial t = make_trial(settings);
    fv_error error = {0};
    size_t n = fv_model_n_params(t.model);
    for (size_t i = 0; i < n; i += n / 7) {
        assert_int_equal(fv_checkpoint_write(path, t.model, t.params, true, &error), FV_OK);
        float kept = t.params[i];
        t.params[i] += 1;
        bool unused = difference(&t) < 1e-5; // tokens that the sequence does not hold
        t.params[i] = kept;
        if (unused && i != 0) fail_msg("parameter %zu can change unseen", i);
    }
    free_trial(&t);
}

static void the_oracle_sees_a_wrong_weight(void **state) {
    (void)state;
    check_sees_wrong_weights(MODELS[3]);
    check_sees_wrong_weights(THEIRS[0]);
}

// --- files for Fovea alone ---------------------------------------------------------------------

static void says_what_a_file_is_for(void **state) {
    (void)state;
    fv_error error = {0};
    trial t = make_trial(MODELS[1]); // no residual stream
    safetensors file;
    assert_int_equal(fv_checkpoint_write(path, t.model, t.params, false, &error), FV_OK);
    assert_int_equal(safetensors_open(path, &file, &error), FV_OK);
    assert_null(safetensors_metadata(&file, "transformer_lens"));
    assert_string_equal(safetensors_metadata(&file, "task.vocab_size"), "7");
    safetensors_close(&file);
    assert_int_equal(fv_checkpoint_transformerlens(&t.config, false, &error), FV_USAGE);

    assert_int_equal(fv_checkpoint_write(path, t.model, t.params, true, &error), FV_OK);
    fv_config config;
    fv_model *model;
    float *params;
    assert_int_equal(fv_checkpoint_read(path, &config, &model, &params, &error), FV_FORMAT);
    assert_non_null(strstr(error.text, "--widen"));
    assert_null(model);
    assert_null(params);
    free_trial(&t);
}

// A checkpoint of the default model whose metadata say `key` = `text` and whose tensor W_E has one
// row more, or not.
static fv_status read_forged(const char *key, const char *text, int more_rows, fv_error *error) {
    float zeros[1024] = {0};
    json_t *metadata = json_pack("{s:s, s:s}", "format", "fovea", "widened", "false");
    if (key != NULL) json_object_set_new(metadata, key, json_string(text));
    safetensors_item items[] = {{"embed.W_E", 2, {100 + (uint64_t)more_rows, 2}, zeros},
                                {"pos_embed.W_pos", 2, {4, 2}, zeros},
                                {"unembed.W_U", 2, {2, 100}, zeros},
                                {"blocks.0.attn.W_Q", 3, {1, 2, 2}, zeros},
                                {"blocks.0.attn.W_K", 3, {1, 2, 2}, zeros},
                                {"blocks.0.attn.W_V", 3, {1, 2, 2}, zeros},
                                {"blocks.0.attn.W_O", 3, {1, 2, 2}, zeros}};
    assert_int_equal(safetensors_write(path, metadata, items, 7, error), FV_OK);
    json_decref(metadata);
    fv_config config;
    fv_model *model;
    float *params;
    fv_status status = fv_checkpoint_read(path, &config, &model, &params, error);
    fv_model_free(model);
    free(params);
    return status;
}

static void refuses_forged_metadata(void **state) {
    (void)state;
    fv_error error = {0};
    if (read_forged(NULL, NULL, 0, &error) != FV_OK) fail_msg("%s", error.text);
    assert_int_equal(read_forged(NULL, NULL, 1, &error), FV_FORMAT);
    assert_int_equal(read_forged("format", "pt", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("task.vocab_size", "1000000", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("task.context_length", "65536", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("task.vocab_size", "-1", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("task.offset", "9", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("model.n_head", "3", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("model.layers", "[attention, attention]", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("model.layers", "[attention", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("model.bias", "true", 0, &error), FV_FORMAT);
    assert_int_equal(read_forged("model.unheard_of", "1", 0, &error), FV_NEWER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_every_kind_of_model),
        cmocka_unit_test(reads_back_every_part),
        cmocka_unit_test(exports_compute_what_the_model_computes),
        cmocka_unit_test(exports_their_parts_of_attention),
        cmocka_unit_test(names_the_parts_that_it_lacks),
        cmocka_unit_test(the_oracle_sees_a_wrong_weight),
        cmocka_unit_test(says_what_a_file_is_for),
        cmocka_unit_test(refuses_forged_metadata),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, make_folder, remove_folder);
}
