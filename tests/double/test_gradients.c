// Gradients against central differences, in double precision, for every kind of layer and for whole
// stacks; and the loss itself against a naive forward pass.
//
// The five-point difference (-f(2h) + 8 f(h) - 8 f(-h) + f(-2h)) / 12h errs by h^4 f'''''/30: with
// h = 1e-3 and losses near 1 that is about 1e-12, as is its rounding. Where a rectifier has a kink,
// h is 1e-6, so that no sample stands on it. Errors are measured against the largest gradient in
// the tensor, so that a tensor with small gradients is checked as closely as one with large ones.
#include "../unit/configurations.h"
#include "../unit/fault.h"
#include "../unit/naive.h"
#include "model/attention_layer.h"

enum { L = FV_LANES, ENTRIES = 24 }; // entries checked in a tensor

static const double tolerance = 1e-6;

// A model with parameters, one batch and a workspace.
typedef struct rig {
    fv_model *model;
    const kernel_set *kernels;
    task_data data;
    memory_arena workspace;
    int n_samples;
    double step; // h
    double *params, *gradient;
    int32_t *tokens, *targets; // [groups][T][16], [groups][n_loss][16]
} rig;

static int n_groups(const rig *r) {
    return (r->n_samples + L - 1) / L;
}
static size_t row_of(const rig *r) {
    return (size_t)r->model->data.n_loss * L;
}

// Whether weights have a kink or a jump: a threshold, or a choice of keys.
static bool has_margin(const fv_model_config *model) {
    bool selects = model->selector != FV_SELECTOR_NONE;
    for (int i = 0; i < model->layers.n; i++)
        selects |= model->layers.normaliser[i].given &&
                   normaliser_rule_of((kernel_normaliser)model->layers.normaliser[i].value) ==
                       FV_RULE_THRESHOLD;
    for (int i = 0; i < model->layers.n; i++)
        selects |= (model->layers.selector[i].given &&
                    (int)model->layers.selector[i].value != FV_SELECTOR_NONE) ||
                   model->layers.kind[i] == FV_LAYER_NSA ||
                   model->layers.kind[i] == FV_LAYER_COMPRESSED_ATTENTION;
    return selects || normaliser_rule_of((kernel_normaliser)model->normaliser) == FV_RULE_THRESHOLD;
}

// How near any key comes to it.
static double margin_of(const rig *r) {
    const fv_task_config *task = &r->model->config.task;
    int n_tokens = task->context_length;
    int32_t *sequence = malloc((size_t)n_tokens * sizeof *sequence);
    double *logits = malloc((size_t)(n_tokens * task->vocab_size) * sizeof *logits);
    naive_margin = INFINITY;
    for (int s = 0; s < r->n_samples; s++) {
        for (int t = 0; t < n_tokens; t++)
            sequence[t] = r->tokens[(s / L * n_tokens + t) * L + s % L];
        naive_forward_of((naive){.model = r->model,
                                 .params = r->params,
                                 .dense = r->model->config.train.indexer_warmup > 0},
                         sequence, logits);
    }
    free(sequence);
    free(logits);
    return naive_margin;
}

static int n_rigs, n_redrawn;

// Initial parameters, where norms and biases leave the special values that they start from: drawn anew
// while a key stands within ten steps of a threshold.
static void draw_params(rig *r) {
    size_t n = r->model->n_params;
    float *initial = malloc(n * sizeof *initial);
    uint64_t random = 13;
    fv_model_init_params(r->model, 11, initial);
    n_rigs++;
    enum { MOST_DRAWS = 100 };
    int n_draws = 0;
    bool sparse = has_margin(&r->model->config.model);
    for (bool again = false; !again || (sparse && margin_of(r) < 10 * r->step); again = true) {
        n_redrawn += again;
        if (again && ++n_draws >= MOST_DRAWS)
            fail_msg("drawn %d times: a margin of %g", n_draws, margin_of(r));
        for (size_t i = 0; i < n; i++) r->params[i] = initial[i] + 0.3 * noise(&random);
    }
    free(initial);
}

// `top` lists the scored positions, or is NULL for those of the task; it has as many of them.
static rig rig_create(const char *words, const model_positions *top) {
    fv_config config = configure(words);
    rig r = {.n_samples = config.train.batch_size, .kernels = kernels_get()};
    bool kinked = config.model.activation == FV_ACTIVATION_RELU || //
                  config.model.activation == FV_ACTIVATION_RELU2 ||
                  config.model.activation == FV_ACTIVATION_ELU_PLUS_ONE;
    bool sparse = has_margin(&config.model);
    bool steep = config.model.readout == FV_READOUT_HARMONIC; // next to a token's own vector
    // Outputs of heads that are still small, next to what they are divided by.
    bool divided = strstr(words, "net") || strstr(words, "gla") || strstr(words, "linear_att");
    r.step = kinked ? 1e-6 : sparse || divided ? 1e-5 : steep ? 1e-4 : 1e-3;
    check_ok(model_plan(&config, top, n_groups(&r), &r.model, NULL));
    check_ok(data_create(&config.task, 7, true, &r.data, NULL));
    r.workspace = r.model->plan;
    check_ok(arena_allocate(&r.workspace, NULL));
    size_t n = r.model->n_params, groups = (size_t)n_groups(&r);
    r.params = malloc(n * sizeof *r.params);
    r.gradient = malloc(n * sizeof *r.gradient);
    r.tokens =
        aligned_alloc(64, groups * (size_t)config.task.context_length * L * sizeof *r.tokens);
    r.targets = aligned_alloc(64, groups * row_of(&r) * sizeof *r.targets);
    data_batch(&r.data, FV_STREAM_TRAIN, 3, 0, n_groups(&r), r.n_samples, r.tokens, r.targets);
    draw_params(&r);
    return r;
}

static void rig_free(rig *r) {
    fv_model_free(r->model);
    data_free(&r->data);
    arena_free(&r->workspace);
    free(r->params);
    free(r->gradient);
    free(r->tokens);
    free(r->targets);
}

static size_t count_targets(const rig *r) {
    size_t n = 0;
    for (size_t i = 0; i < (size_t)n_groups(r) * row_of(r); i++) n += r->targets[i] >= 0;
    return n;
}

// The mean loss of the batch; with `gradient` also adds its gradient there, and *own (unless it is NULL) is
// what selectors learn from, layers together, which is part of the gradient too.
static double run_all(const rig *r, double *gradient, double *own) {
    const fv_model *model = r->model;
    if (own != NULL) *own = 0;
    size_t n_tokens = (size_t)model->config.task.context_length * L, n_targets = count_targets(r);
    double loss = 0;
    for (int first = 0; first < n_groups(r); first += model->group_capacity) {
        int left = n_groups(r) - first;
        model_tile tile = {.model = model,
                           .kernels = r->kernels,
                           .workspace = &r->workspace,
                           .n_groups = left < model->group_capacity ? left : model->group_capacity,
                           .params = r->params,
                           .gradient = gradient,
                           .first_group = (uint32_t)first,
                           .n_samples = r->n_samples,
                           .sample_weight = 1.0 / r->n_samples,
                           .dense = model->config.train.indexer_warmup > 0,
                           .weight = 1.0 / (double)n_targets};
        size_t groups = (size_t)tile.n_groups;
        memcpy(arena_at(&r->workspace, model->tokens), r->tokens + (size_t)first * n_tokens,
               groups * n_tokens * sizeof *r->tokens);
        memcpy(arena_at(&r->workspace, model->targets), r->targets + (size_t)first * row_of(r),
               groups * row_of(r) * sizeof *r->targets);
        tile_run(&tile);
        const double *losses = tile_buffer(&tile, model->losses);
        for (size_t i = 0; i < groups * row_of(r); i++) loss += losses[i];
        for (int i = 0; i < model->n_layers && own != NULL; i++) {
            const double *apart = tile_buffer(&tile, model->layers[i].own_loss);
            for (size_t l = 0; l < groups * L && model->layers[i].own_terms > 0; l++)
                *own += apart[l] / (model->layers[i].own_terms * r->n_samples);
        }
    }
    return loss / (double)n_targets;
}

static double run(const rig *r, double *gradient) {
    return run_all(r, gradient, NULL);
}

// What selectors learn from; no parameter of theirs is in the loss, nor another's in this.
static double run_apart(const rig *r) {
    double own, *ignored = calloc(r->model->n_params, sizeof *ignored);
    run_all(r, ignored, &own);
    free(ignored);
    return own * r->model->config.train.indexer_weight;
}

// Starts from a workspace full of NaN: a pass may read nothing that it has not written.
static void differentiate(rig *r) {
    memset(r->gradient, 0, r->model->n_params * sizeof *r->gradient);
    memset(r->workspace.base, 0xff, r->workspace.size);
    run(r, r->gradient);
}

// d loss / d params[i] by the five-point difference, of a parameter apart of the loss that reaches it.
static double difference(const rig *r, size_t i, bool apart) {
    static const double weights[] = {1, -8, 0, 8, -1};
    double sum = 0, kept = r->params[i];
    for (int k = 0; k < 5; k++) {
        if (weights[k] == 0) continue;
        r->params[i] = kept + (k - 2) * r->step;
        sum += weights[k] * (apart ? run_apart(r) : run(r, NULL));
    }
    r->params[i] = kept;
    return sum / (12 * r->step);
}

// The oracle: the largest error of r->gradient in any tensor, relative to that tensor's largest
// gradient (but not to less than 1e-4 of the model's largest). *worst names it.
static double gradient_error(const rig *r, const char **worst) {
    double largest = 0, worst_error = -1;
    for (size_t i = 0; i < r->model->n_params; i++) largest = fmax(largest, fabs(r->gradient[i]));
    uint64_t random = 17;
    for (int k = 0; k < r->model->n_tensors; k++) {
        const fv_tensor *tensor = &r->model->tensors[k];
        bool all = tensor->size <= ENTRIES;
        double error = 0, scale = 1e-4 * largest;
        for (int e = 0; e < (all ? (int)tensor->size : ENTRIES); e++) {
            size_t i = tensor->offset + (size_t)(all ? e : noise_below(&random, (int)tensor->size));
            double numeric = difference(r, i, r->model->params[k].apart);
            error = fmax(error, fabs(numeric - r->gradient[i]));
            if (!isfinite(numeric - r->gradient[i])) error = INFINITY;
            scale = fmax(scale, fabs(numeric));
        }
        if (!(error / scale <= worst_error)) {
            worst_error = error / scale;
            *worst = tensor->name;
        }
    }
    return worst_error;
}

// The second oracle: how far the loss is from a naive forward pass, or what selectors learn from.
static double loss_error(const rig *r) {
    const fv_config *config = &r->model->config;
    const model_positions *scored = &r->model->layers[r->model->n_layers - 1].out;
    int n_tokens = config->task.context_length, n_vocab = config->task.vocab_size;
    int32_t *sequence = malloc((size_t)n_tokens * sizeof *sequence);
    double *logits = malloc((size_t)n_tokens * (size_t)n_vocab * sizeof *logits), loss = 0;
    double own = 0, of_run = run_apart(r) / config->train.indexer_weight;
    for (int s = 0; s < r->n_samples; s++) {
        for (int t = 0; t < n_tokens; t++)
            sequence[t] = r->tokens[(s / L * n_tokens + t) * L + s % L];
        naive_forward_of((naive){.model = r->model,
                                 .params = r->params,
                                 .dense = config->train.indexer_warmup > 0,
                                 .own = &own},
                         sequence, logits);
        for (int i = 0; i < scored->n; i++) {
            int target = r->targets[(size_t)(s / L) * row_of(r) + (size_t)(i * L + s % L)];
            if (target >= 0) loss += naive_loss(logits + scored->at[i] * n_vocab, n_vocab, target);
        }
    }
    free(sequence);
    free(logits);
    return fmax(fabs(loss / (double)count_targets(r) - run(r, NULL)),
                fabs(own / r->n_samples - of_run));
}

// Each case: a configuration, and up to three scored positions in place of the task's (-1: none).
static const struct {
    const char *words;
    int top[3];
} cases[] = {
#define TINY "task.vocab_size=5 task.context_length=4 train.batch_size=17 model.n_embd=4 "
#define ALL  TINY "task.loss=all "
#define LONG "task.vocab_size=5 task.context_length=19 train.batch_size=3 model.n_embd=4 "
    // Attention alone: pooled (only the last position is read) and textbook, one head and more.
    {TINY "model.layers=[attention]", {-1}},
    {TINY "model.layers=[attention] model.n_head=2", {-1}},
    {TINY "model.layers=[attention] model.n_head=4 model.bias=true", {-1}},
    {TINY "model.layers=[attention] model.bias=true model.residual=true", {-1}},
    {TINY "model.layers=[attention] model.tied=true", {-1}},
    // Other scores, and keys without the query's own.
    {TINY "model.layers=[attention] model.score=euclidean", {-1}},
    {ALL "model.layers=[attention] model.score=euclidean model.n_head=2 model.score_beta=0.7",
     {-1}},
    {TINY "model.layers=[attention] model.score=harmonic model.n_embd=1", {-1}},
    {ALL "model.layers=[attention,attention] model.score=harmonic model.score_power=3 "
         "model.score_floor=0.1 model.bias=true model.residual=true",
     {-1}},
#define FV_PART_SCORE(NAME, name)                                                                  \
    {ALL "model.layers=[attention] model.n_head=2 model.score=" #name, {-1}},
#include <fovea/fields.def>
    // Other normalisers of the scores, with what they learn, beside what changes the scores.
    {TINY "model.layers=[attention] model.normaliser=sparsemax model.bias=true", {-1}},
    {ALL "model.layers=[attention,attention] model.normaliser=sparsemax model.n_head=2 "
         "model.residual=true model.bias=true",
     {-1}},
    {LONG "model.layers=[attention] model.normaliser=entmax15 model.window=5 model.sinks=2 "
          "task.loss=all model.score=euclidean",
     {-1}},
    {ALL "model.layers=[attention,attention] model.normaliser=entmax model.entmax_alpha=1.3 "
         "model.n_head=2 model.residual=true",
     {-1}},
    {ALL "model.layers=[attention] model.normaliser=entmax model.entmax_alpha=1.7 "
         "model.entmax_alpha_learned=false model.exclude_self=true",
     {-1}},
    {TINY "model.layers=[attention] model.normaliser=ssmax model.bias=true", {-1}},
    {LONG "model.layers=[attention,attention] model.normaliser=ssmax model.score=harmonic "
          "model.score_floor=0.1 model.score_power_learned=true model.n_head=2 task.loss=all "
          "model.exclude_self=true",
     {-1}},
    {TINY "model.layers=[attention] model.normaliser=asentmax model.n_head=2 model.bias=true",
     {-1}},
    {LONG "model.layers=[attention] model.normaliser=asentmax model.n_head=2 "
          "model.window=6 model.residual=true task.loss=all",
     {-1}},
    {TINY "model.layers=[attention] model.normaliser=sigmoid model.bias=true", {-1}},
    {LONG "model.layers=[attention,attention] model.normaliser=sigmoid model.n_head=2 "
          "model.bias=true model.exclude_self=true task.loss=all",
     {-1}},
    // A normaliser of a layer's own, with what it learns.
    {LONG "model.layers=[attention(normaliser=entmax15),attention,attention(normaliser=asentmax)] "
          "model.n_head=2 model.residual=true task.loss=all",
     {-1}},
    {LONG "model.layers=[attention(normaliser=entmax),attention(normaliser=softmax)] "
          "model.normaliser=ssmax model.n_head=2 model.residual=true",
     {-1}},
    {TINY "model.layers=[attention(normaliser=sigmoid)] model.bias=true", {-1}},
    // Selectors: of single keys and blocks, with what else weighs them.
    {TINY "model.layers=[attention] model.selector=topk model.selector_k=2", {-1}},
    {LONG "model.layers=[attention,attention] model.selector=topk model.selector_k=3 "
          "model.n_head=2 model.residual=true task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.selector=topk model.selector_k=9 model.exclude_self=true "
          "model.score=euclidean task.loss=all",
     {-1}},
    {LONG "model.layers=[attention(selector=block_topk),attention] model.selector_k=2 "
          "model.selector_block=4 model.positions=learned model.n_head=2 model.n_kv_head=1 "
          "model.residual=true "
          "task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.selector=block_topk model.selector_block=3 "
          "model.positions=learned "
          "model.selector_k=3 model.normaliser=entmax15",
     {-1}},
    {LONG "model.layers=[attention] model.selector=block_max model.selector_block=5 "
          "model.positions=learned "
          "model.selector_k=2 model.normaliser=ssmax task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.selector=oracle_topk model.selector_block=2 "
          "model.positions=learned "
          "model.selector_k=4 model.normaliser=sigmoid task.loss=all model.bias=true",
     {-1}},
    {LONG "model.layers=[attention] model.selector=block_topk model.selector_k=2 model.n_head=2 "
          "model.positions=learned "
          "model.exclude_self=true model.score=euclidean task.loss=all",
     {-1}},
    {LONG "model.layers=[attention,attention] model.selector=random_topk model.selector_k=3 "
          "model.residual=true task.loss=all",
     {-1}},
    // Among the keys that a window and sinks leave, blocks of which they cut.
    {LONG "model.layers=[attention,attention] model.selector=topk model.selector_k=2 "
          "model.window=4 model.sinks=2 model.n_head=2 model.residual=true task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.selector=block_topk model.selector_k=2 "
          "model.selector_block=4 model.window=7 model.sinks=3 model.positions=learned "
          "model.n_head=2 task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.selector=block_topk model.selector_k=2 "
          "model.selector_block=3 model.window=8 model.sinks=1 model.positions=learned "
          "model.score=euclidean",
     {-1}},
    {LONG "model.layers=[attention(window=6),attention(window=9 sinks=2)] model.selector_k=2 "
          "model.selector=block_max model.selector_block=3 model.positions=alibi "
          "model.normaliser=ssmax task.loss=all model.residual=true",
     {-1}},
    {LONG "model.layers=[attention] model.selector=oracle_topk model.selector_block=2 "
          "model.selector_k=3 model.window=6 model.sinks=4 model.positions=learned "
          "model.normaliser=sigmoid task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.selector=random_topk model.selector_k=2 model.window=5 "
          "model.exclude_self=true model.sinks=1 task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.selector=indexer model.selector_k=2 model.window=6 "
          "model.selector_block=3 model.sinks=1 model.positions=rope model.n_head=2 "
          "model.indexer_width=4 task.loss=all",
     {-1}},
    // Those that learn: of single keys and blocks, a choice for all heads and one for some, while attention
    // keeps every key and afterwards, where one query is pooled, and where rotary positions turn.
    {TINY
     "model.layers=[attention] model.selector=indexer model.selector_k=2 model.indexer_width=3",
     {-1}},
    {LONG "model.layers=[attention,attention] model.selector=indexer model.selector_k=5 "
          "model.n_head=2 model.residual=true task.loss=all model.positions=learned model.norm=rms "
          "model.indexer_width=3 train.indexer_weight=0.5",
     {-1}},
    {LONG "model.layers=[attention] model.selector=indexer model.selector_k=3 model.n_head=2 "
          "model.selector_block=4 model.positions=rope model.indexer_width=4 task.loss=all "
          "train.indexer_warmup=9 model.exclude_self=false model.indexer_heads=3",
     {-1}},
    {LONG "model.layers=[attention,attention] model.selector=group_indexer model.selector_k=2 "
          "model.n_embd=8 model.n_head=4 model.n_kv_head=2 model.selector_block=5 "
          "model.positions=rope "
          "model.indexer_width=2 task.loss=all model.residual=true",
     {-1}},
    {LONG "model.layers=[attention(selector=group_indexer),attention(selector=topk)] "
          "model.selector_k=4 model.n_head=2 model.exclude_self=true task.loss=all "
          "model.residual=true model.positions=learned "
          "model.normaliser=sigmoid train.indexer_warmup=1",
     {-1}},
    {TINY "model.layers=[attention] model.exclude_self=true", {-1}},
    {ALL "model.layers=[attention] model.exclude_self=true model.n_head=2", {-1}},
    {ALL "model.layers=[attention] model.exclude_self=true model.score=harmonic", {-1}},
    // Heads of keys that are shared: pooled, textbook, with biases, powers, windows, per layer.
    {TINY "model.layers=[attention] model.n_head=4 model.n_kv_head=1", {-1}},
    {TINY "model.layers=[attention] model.n_head=4 model.n_kv_head=2 model.bias=true", {-1}},
    {ALL "model.layers=[attention] model.n_head=4 model.n_kv_head=2 model.bias=true", {-1}},
    {ALL "model.layers=[attention(n_kv_head=1),attention(n_kv_head=2)] model.n_head=4 "
         "model.residual=true model.score=harmonic model.score_power_learned=true",
     {-1}},
    {LONG "model.layers=[attention(n_kv_head=1)] model.n_head=2 model.window=3 model.sinks=2 "
          "model.norm=rms task.loss=all",
     {-1}},
    // Positions that turn, or bias: both pairings, part of a head, every scaling; pooled and not.
    {ALL "model.layers=[attention] model.positions=rope model.bias=true", {-1}},
    {TINY "model.layers=[attention,attention] model.positions=rope model.rope_pairs=interleaved "
          "model.n_head=2 model.n_kv_head=1 model.rope_base=7",
     {-1}},
    {ALL "model.layers=[attention] model.positions=rope model.rope_width=2 model.score=euclidean",
     {-1}},
    {LONG "model.layers=[attention(window=5 sinks=2)] model.n_embd=8 model.positions=rope "
          "model.rope_scaling=linear model.rope_factor=3 task.loss=all",
     {-1}},
    {ALL "model.layers=[attention] model.positions=rope model.rope_scaling=ntk "
         "model.rope_factor=2",
     {-1}},
    {LONG "model.layers=[attention] model.n_embd=12 model.positions=rope model.rope_scaling=yarn "
          "model.rope_factor=4 model.rope_base=50 model.rope_beta_fast=2 model.rope_beta_slow=0.3",
     {-1}},
    {LONG "model.layers=[attention] model.n_embd=12 model.positions=rope "
          "model.rope_scaling=llama3 model.rope_factor=8 model.rope_base=50 "
          "model.rope_original=40",
     {-1}},
    {TINY "model.layers=[attention] model.positions=alibi model.n_head=2", {-1}},
    {LONG "model.layers=[attention(window=6 sinks=2),attention] model.n_embd=6 model.n_head=3 "
          "model.positions=alibi model.residual=true model.exclude_self=true task.loss=all",
     {-1}},
    {ALL "model.layers=[attention] model.positions=alibi model.score=harmonic "
         "model.score_power_learned=true",
     {-1}},
    // Norms of queries and keys, caps, sinks, gates.
    {ALL "model.layers=[attention] model.qk_norm=head model.n_head=2 model.n_kv_head=1", {-1}},
    {TINY "model.layers=[attention] model.qk_norm=vector model.n_head=2 model.positions=rope",
     {-1}},
    {ALL "model.layers=[attention] model.soft_cap=0.7 model.n_head=2", {-1}},
    {TINY "model.layers=[attention] model.soft_cap=0.5 model.bias=true", {-1}},
    {TINY "model.layers=[attention] model.soft_cap=0.5 model.n_head=2", {-1}},
    {TINY "model.layers=[attention] model.sink_logit=zero", {-1}},
    {TINY "model.layers=[attention] model.sink_logit=learned model.n_head=2 model.bias=true", {-1}},
    {ALL "model.layers=[attention] model.sink_logit=learned model.n_head=2 model.soft_cap=2 "
         "model.positions=alibi",
     {-1}},
    {ALL "model.layers=[attention] model.sink_logit=learned model.exclude_self=true "
         "model.score=euclidean model.window=2",
     {-1}},
    {TINY "model.layers=[attention] model.gate=head model.n_head=2 model.bias=true", {-1}},
    {ALL "model.layers=[attention,attention(gate=none)] model.gate=feature model.residual=true "
         "model.norm=rms",
     {-1}},
    {ALL "model.layers=[attention] model.gate=head model.n_head=4 task.index=2", {0, 2, -1}},
    // Windows and sinks: alone, with every score, around the own key, in stacks that prune.
    {TINY "model.layers=[attention] model.window=2", {-1}},
    {ALL "model.layers=[attention] model.window=1 model.bias=true", {-1}},
    {ALL "model.layers=[attention] model.window=2 model.sinks=1 model.n_head=2", {-1}},
    {LONG "model.layers=[attention] model.window=3", {-1}},
    {LONG "model.layers=[attention] model.window=3 model.sinks=2 task.loss=all", {-1}},
    {LONG "model.layers=[attention] model.window=5 model.sinks=5 model.exclude_self=true "
          "task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.window=1 model.sinks=1 model.exclude_self=true "
          "task.loss=all",
     {-1}},
    {LONG "model.layers=[attention] model.window=4 model.sinks=2 model.score=euclidean "
          "task.loss=all",
     {-1}},
    {LONG "model.layers=[attention,attention] model.window=3 model.sinks=1 model.score=harmonic "
          "model.residual=true model.positions=learned",
     {-1}},
    {LONG "model.layers=[attention,mlp,attention] model.window=4 model.sinks=2 model.residual=true "
          "model.norm=layer model.positions=learned model.n_head=2",
     {-1}},
    {LONG "model.layers=[mlp,attention(window=2),attention(window=3)] model.sinks=1 "
          "model.positions=sinusoidal model.norm=rms",
     {-1}},
    {LONG "model.layers=[attention(window=3),attention] model.residual=true", {-1}},
    // Powers that are learned.
    {TINY "model.layers=[attention] model.score=harmonic model.score_power_learned=true", {-1}},
    {ALL "model.layers=[attention,attention] model.score=harmonic model.score_power_learned=true "
         "model.score_power=3 model.n_head=2 model.residual=true",
     {-1}},
    {LONG "model.layers=[attention] model.score=harmonic model.score_power_learned=true "
          "model.exclude_self=true model.window=5 model.sinks=2 task.loss=all",
     {-1}},
    {ALL "model.layers=[attention]", {-1}},
    {ALL "model.layers=[attention] model.n_head=2 model.bias=true", {-1}},
    {ALL "model.layers=[attention] model.n_head=4 model.residual=true", {-1}},
    {ALL "model.layers=[attention] model.tied=true model.residual=true", {-1}},
// So wide that the first layer looks its projections up: with all kinds of positions, biases, an
// unembedding that shares the embedding, rows that nobody attends to, and a layer behind it.
#define WIDE "task.vocab_size=4 task.context_length=2 train.batch_size=3 model.n_embd=128 "
    {WIDE "model.layers=[attention] task.loss=all model.positions=learned model.residual=true "
          "model.bias=true model.n_head=4",
     {-1}},
    {WIDE "model.layers=[attention] task.loss=all model.tied=true model.exclude_self=true", {-1}},
    {WIDE "model.layers=[attention(n_kv_head=1)] task.loss=all model.bias=true model.n_head=4",
     {-1}},
    {WIDE "model.layers=[attention] task.loss=all model.positions=rope "
          "model.qk_norm=head model.n_head=4",
     {-1}},
    {WIDE "model.layers=[attention,attention] model.positions=sinusoidal train.batch_size=17",
     {-1}},
    // Positions.
    {TINY "model.layers=[attention] model.positions=learned", {-1}},
    {ALL "model.layers=[attention] model.positions=learned model.tied=true", {-1}},
    {TINY "model.layers=[attention] model.positions=sinusoidal model.residual=true", {-1}},
    {ALL "model.layers=[mlp] model.positions=learned", {-1}},
    {TINY "model.layers=[mlp] model.positions=learned", {-1}},
    // Norms in front of layers, and as layers.
    {TINY "model.layers=[attention] model.norm=layer", {-1}},
    {TINY "model.layers=[attention] model.norm=rms model.residual=true model.n_head=2", {-1}},
    {ALL "model.layers=[attention] model.norm=layer model.residual=true model.bias=true", {-1}},
    {ALL "model.layers=[attention] model.norm=rms model.tied=true", {-1}},
    {TINY "model.layers=[layer_norm]", {-1}},
    {ALL "model.layers=[rms_norm]", {-1}},
    {TINY "model.layers=[attention,layer_norm] model.residual=true", {-1}},
    {ALL "model.layers=[rms_norm,attention,layer_norm,mlp] model.residual=true", {-1}},
    // Norms behind layers.
    {TINY "model.layers=[attention] model.norm=layer model.norm_place=post", {-1}},
    {ALL "model.layers=[attention,mlp] model.norm=rms model.norm_place=post model.residual=true",
     {-1}},
    {TINY "model.layers=[attention,attention] model.norm=layer model.norm_place=sandwich "
          "model.residual=true",
     {-1}},
    {ALL "model.layers=[mlp,layer_norm,attention] model.norm=rms model.norm_place=sandwich", {-1}},
    {TINY "model.layers=[mlp,attention] model.norm=layer model.norm_place=output "
          "model.residual=true",
     {-1}},
    {ALL "model.layers=[attention,mamba] model.norm=rms model.norm_place=sandwich "
         "model.residual=true model.mamba_state=2",
     {-1}},
    // Logits that are distances.
    {TINY "model.layers=[attention] model.readout=harmonic", {-1}},
    {ALL "model.layers=[mlp] model.readout=harmonic model.tied=true model.readout_power=1.5", {-1}},
    {ALL "model.layers=[attention] model.readout=harmonic model.norm=layer "
         "model.readout_floor=0.1",
     {-1}},
    // MLPs.
    {TINY "model.layers=[mlp]", {-1}},
    {TINY "model.layers=[mlp] model.activation=relu model.bias=true", {-1}},
    {ALL "model.layers=[mlp] model.activation=relu model.residual=true model.d_mlp=7", {-1}},
    {ALL "model.layers=[mlp] model.bias=true model.norm=layer model.d_mlp=1", {-1}},
    {TINY "model.layers=[mlp,mlp] model.norm=rms model.residual=true", {-1}},
    {ALL "model.layers=[mlp] model.activation=silu model.bias=true", {-1}},
    {TINY "model.layers=[mlp] model.activation=relu2 model.residual=true", {-1}},
    {ALL "model.layers=[mlp] model.activation=swiglu model.bias=true model.norm=layer", {-1}},
    {TINY "model.layers=[mlp,mlp] model.activation=swiglu model.residual=true", {-1}},
    {ALL "model.layers=[mlp] model.activation=geglu model.d_mlp=7 model.residual=true", {-1}},
    {TINY "model.layers=[mlp,attention] model.activation=geglu model.norm=rms", {-1}},
    // Mamba: every position read, the last alone, some; widths and states that no block divides.
    {TINY "model.layers=[mamba] model.mamba_state=3", {-1}},
    {ALL "model.layers=[mamba] model.mamba_state=9 model.mamba_conv=2 model.residual=true", {-1}},
    {ALL "model.layers=[mamba] model.mamba_expand=1 model.mamba_dt_rank=3 model.norm=rms", {-1}},
    {TINY "model.layers=[mamba] model.mamba_conv=7 model.norm=layer model.residual=true "
          "model.mamba_state=4",
     {-1}},
    {ALL "model.layers=[mamba] model.mamba_conv=1 model.mamba_state=1", {-1}},
    {TINY "model.layers=[mamba,mamba] model.residual=true model.mamba_state=2", {-1}},
    {ALL "model.layers=[mamba,attention,mamba,mlp] model.residual=true model.norm=rms "
         "model.mamba_state=2 model.mamba_expand=1",
     {-1}},
    {ALL "model.layers=[attention,mamba] task.index=2 model.mamba_state=2 model.norm=layer",
     {0, 2, -1}},
    // A matrix for a state: each kind alone at the last position, and within a stack.
    {TINY "model.layers=[linear_attention]", {-1}},
    {ALL "model.layers=[linear_attention] model.n_head=2 model.recurrent_conv=2 "
         "model.residual=true",
     {-1}},
    {ALL "model.layers=[linear_attention,linear_attention] model.feature_map=none "
         "model.recurrent_key=5 model.norm=rms",
     {-1}},
    {ALL "model.layers=[linear_attention,linear_attention] model.feature_map=elu_plus_one_sum "
         "model.recurrent_key=5 model.norm=rms",
     {-1}},
    {TINY "model.layers=[retnet,retnet] model.residual=true", {-1}},
    {ALL "model.layers=[retnet] model.n_head=2 model.recurrent_key=1 model.norm=layer", {-1}},
    {TINY "model.layers=[gla] model.recurrent_key=3", {-1}},
    {ALL "model.layers=[gla,mlp] model.n_head=2 model.recurrent_conv=3 model.norm=rms "
         "model.residual=true",
     {-1}},
    {TINY "model.layers=[mamba2] model.mamba_state=3 model.n_head=2", {-1}},
    {ALL "model.layers=[mamba2,attention] model.mamba_state=2 model.mamba_conv=1 "
         "model.mamba_expand=1 model.residual=true model.norm=rms",
     {-1}},
    {TINY "model.layers=[deltanet] model.residual=true", {-1}},
    {ALL "model.layers=[deltanet] model.n_head=2 model.recurrent_conv=0 model.recurrent_key=5",
     {-1}},
    {TINY "model.layers=[gated_deltanet] model.recurrent_conv=7 model.norm=layer", {-1}},
    {ALL "model.layers=[gated_deltanet,deltanet] model.n_head=2 model.residual=true model.norm=rms",
     {-1}},
    {ALL "model.layers=[gated_deltanet] model.decay_of=channel model.recurrent_key=3", {-1}},
    {ALL "model.layers=[attention,gated_deltanet] task.index=2 model.decay_of=channel "
         "model.norm=rms model.norm_place=sandwich model.residual=true",
     {0, 2, -1}},
    {TINY "model.layers=[short_convolution]", {-1}},
    {ALL "model.layers=[short_convolution,attention] model.conv_taps=2 model.norm=layer "
         "model.residual=true",
     {-1}},
    {ALL "model.layers=[attention,short_convolution] task.index=2 model.norm=rms model.conv_taps=7 "
         "model.residual=true",
     {0, 2, -1}},
    // Blocks of keys that become one: three branches with a gate each, and one softmax with a window.
    {TINY "model.layers=[nsa] model.compress_k=1", {-1}},
    {LONG "model.layers=[nsa,attention] model.compress_block=3 model.compress_k=2 "
          "model.compress_window=4 model.n_head=2 model.residual=true model.positions=learned "
          "task.loss=all",
     {-1}},
    {LONG "model.layers=[nsa,nsa] model.compress_block=2 model.compress_k=3 model.norm=rms "
          "model.compress_window=3 model.n_embd=8 model.n_head=4 model.n_kv_head=2 "
          "model.positions=rope model.residual=true task.loss=all",
     {-1}},
    {LONG
     "model.layers=[nsa,mlp] model.compress_block=1 model.compress_k=2 model.positions=learned "
     "model.compress_window=1 model.norm=layer model.norm_place=post model.residual=true",
     {-1}},
    {ALL "model.layers=[attention,nsa] model.compress_block=3 model.compress_k=1 task.index=2 "
         "model.norm=layer",
     {0, 1, -1}},
    // Entries that overlap, a hidden layer in their map, blocks of another size than theirs, the first ones kept.
    {LONG "model.layers=[nsa,attention] model.compress_block=4 model.compress_stride=2 "
          "model.compress_hidden=3 model.nsa_block=4 model.nsa_first=1 model.compress_k=2 "
          "model.n_head=2 model.n_kv_head=1 model.positions=rope model.residual=true",
     {-1}},
    {LONG "model.layers=[nsa] model.compress_block=3 model.compress_stride=2 model.nsa_block=5 "
          "model.compress_k=2 model.compress_hidden=1 model.residual=true model.positions=learned",
     {-1}},
    {LONG
     "model.layers=[nsa] model.compress_block=5 model.compress_stride=1 model.nsa_block=2 "
     "model.compress_k=4 model.nsa_first=2 model.norm=rms model.positions=learned task.loss=all",
     {-1}},
    {LONG "model.layers=[compressed_attention,attention] model.compress_block=3 "
          "model.compress_stride=1 model.compress_hidden=5 model.compress_k=2 model.n_head=2 "
          "model.positions=rope model.n_embd=8 task.loss=all",
     {-1}},
    {TINY "model.layers=[compressed_attention] model.compress_k=0", {-1}},
    {LONG "model.layers=[compressed_attention,attention] model.compress_block=3 model.compress_k=0 "
          "model.compress_window=4 model.n_head=2 model.residual=true model.positions=learned "
          "task.loss=all",
     {-1}},
    {LONG "model.layers=[compressed_attention,compressed_attention] model.compress_block=2 "
          "model.compress_k=2 model.compress_window=3 model.n_embd=8 model.n_head=4 "
          "model.n_kv_head=2 model.positions=rope model.norm=rms model.residual=true task.loss=all",
     {-1}},
    {LONG "model.layers=[compressed_attention] model.compress_block=1 model.compress_k=3 "
          "model.positions=learned model.compress_window=1 model.n_head=2",
     {-1}},
    {ALL "model.layers=[attention,compressed_attention] model.compress_block=3 model.compress_k=1 "
         "task.index=2 model.norm=layer",
     {0, 1, -1}},
    // Stacks.
    {TINY "model.layers=[] model.positions=learned", {-1}},
    {ALL "model.layers=[] model.tied=true model.norm=layer", {-1}},
    {TINY "model.layers=[attention,attention]", {-1}},
    {TINY "model.layers=[attention,attention] model.residual=true model.n_head=2", {-1}},
    {ALL "model.layers=[attention,attention] model.bias=true", {-1}},
    {TINY "model.layers=[attention,mlp] model.residual=true model.norm=layer", {-1}},
    {TINY "model.layers=[mlp,attention] model.residual=true model.norm=rms model.tied=true", {-1}},
    {ALL "model.layers=[attention,mlp,attention] model.residual=true model.norm=layer "
         "model.bias=true model.positions=learned model.n_head=2 model.tied=true",
     {-1}},
    {TINY "model.layers=[attention,attention,attention] model.residual=true "
          "model.positions=sinusoidal",
     {-1}},
    {TINY "model.layers=[attention,mlp,attention,mlp] model.residual=true model.norm=rms "
          "model.activation=relu model.n_head=2",
     {-1}},
    // Tasks: other targets, another distribution, a fixed set.
    {TINY "model.layers=[attention,attention] model.positions=learned task.offset=2", {-1}},
    {ALL "model.layers=[attention] model.positions=learned task.offset=2", {-1}},
    {ALL "model.layers=[attention,mlp] task.index=1", {-1}},
    {ALL "model.layers=[attention] task.distribution=zipf", {-1}},
    {TINY "model.layers=[attention] task.data=fixed task.n_train=20", {-1}},
    // Scored positions that no task names: one inside, with gaps, the first alone.
    {ALL "model.layers=[attention] task.index=3", {1, -1}},
    {ALL "model.layers=[attention,attention] task.index=2 model.residual=true", {0, 2, -1}},
    {ALL "model.layers=[attention,mlp] task.index=1 model.norm=layer model.residual=true",
     {0, 1, 3}},
    {ALL "model.layers=[mlp] task.index=2 model.norm=rms model.positions=learned", {1, 3, -1}},
    {ALL "model.layers=[attention,attention] task.index=3 model.bias=true", {0, -1}},
    {ALL "model.layers=[] task.index=2 model.positions=learned model.norm=layer", {0, 3, -1}},
    // The smallest of everything, and widths that no vector divides.
    {"task.vocab_size=2 task.context_length=1 model.n_embd=1 train.batch_size=1 "
     "model.layers=[attention,mlp] model.residual=true model.bias=true",
     {-1}},
    {"task.vocab_size=2 task.context_length=1 model.n_embd=2 train.batch_size=1 "
     "model.layers=[attention] model.norm=layer",
     {-1}},
    {"task.vocab_size=2 task.context_length=3 model.n_embd=1 train.batch_size=16 task.loss=all "
     "model.layers=[attention,attention] model.positions=learned",
     {-1}},
    {"task.vocab_size=17 task.context_length=9 model.n_embd=6 model.n_head=3 train.batch_size=33 "
     "task.loss=all model.layers=[attention] model.residual=true",
     {-1}},
    {"task.vocab_size=33 task.context_length=7 model.n_embd=5 train.batch_size=40 "
     "model.layers=[attention,mlp] model.residual=true model.norm=layer",
     {-1}},
};

enum { N_CASES = sizeof cases / sizeof *cases };

static rig rig_of_case(int i) {
    int at[3];
    model_positions top = {0, at};
    while (top.n < 3 && cases[i].top[0] >= 0 && cases[i].top[top.n] >= 0) {
        at[top.n] = cases[i].top[top.n];
        top.n++;
    }
    return rig_create(cases[i].words, top.n > 0 ? &top : NULL);
}

static void test_gradients(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        rig r = rig_of_case(i);
        const char *worst = "";
        differentiate(&r);
        double error = gradient_error(&r, &worst);
        if (!(error <= tolerance))
            fail_msg("%s (top %d): gradient of %s is off by %g", cases[i].words, cases[i].top[0],
                     worst, error);
        rig_free(&r);
    }
}

static void check_gradients(const char *words) {
    rig r = rig_create(words, NULL);
    const char *worst = "";
    differentiate(&r);
    double error = gradient_error(&r, &worst);
    if (!(error <= 10 * tolerance))
        fail_msg("%s: gradient of %s is off by %g", words, worst, error);
    rig_free(&r);
}

// Every part that fields.def lists, new ones without a line here: alone and in a stack, at the last
// position and at all, with what may stand around it. Fields have their defaults, where mamba's
// sixteen rates bend so sharply that the difference itself errs by 2e-6.
static void test_gradients_of_every_part(void **state) {
    (void)state;
    static const char *const WAYS[][2] = {
        {"model.layers", TINY "model.layers=[%s]"},
        {"model.layers", ALL "model.layers=[%s] model.positions=learned"},
        {"model.layers", TINY "model.layers=[attention,%s]"},
        {"model.layers",
         ALL "model.layers=[%s,attention,%s,mlp] model.residual=true model.norm=rms"},
        {"model.activation", TINY "model.layers=[mlp] model.activation=%s"},
        {"model.activation",
         ALL "model.layers=[attention,mlp] model.activation=%s model.bias=true"},
        {"model.score", TINY "model.layers=[attention] model.score=%s"},
        {"model.score", ALL "model.layers=[attention,attention] model.score=%s model.n_head=2 "
                            "model.residual=true"},
        {"model.score", ALL "model.layers=[attention] model.score=%s model.window=3 model.sinks=1"},
        {"model.normaliser", TINY "model.layers=[attention] model.normaliser=%s"},
        {"model.normaliser", ALL "model.layers=[attention,attention] model.normaliser=%s "
                                 "model.n_head=2 model.residual=true"},
        {"model.normaliser",
         ALL "model.layers=[attention] model.normaliser=%s model.window=3 model.sinks=1"},
        {"model.selector", TINY "model.layers=[attention] model.selector=%s"},
        {"model.selector", ALL "model.layers=[attention(selector=%s selector_k=2),attention] "
                               "model.residual=true"},
        {"model.positions", TINY "model.layers=[attention] model.positions=%s"},
        {"model.positions", ALL "model.layers=[mlp,attention] model.positions=%s model.tied=true"},
    };
    for (size_t w = 0; w < sizeof WAYS / sizeof *WAYS; w++)
        for (const char *const *name = fv_field_find(WAYS[w][0])->choices; *name; name++) {
            char words[512];
            bool none = strcmp(*name, "none") == 0; // has no keys to keep
            if (none && strstr(WAYS[w][1], "selector_k=") != NULL) continue;
            snprintf(words, sizeof words, WAYS[w][1], *name, *name);
            check_gradients(words);
        }
}

static void test_wide_layers_look_up(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        rig r = rig_of_case(i);
        bool wide = r.model->config.model.n_embd >= 128;
        const model_layer *first = &r.model->layers[1];
        bool attends = first->type == &layer_attention;
        assert_int_equal(attends && model_attention_of(first)->tables.present, wide);
        rig_free(&r);
    }
}

static void test_losses(void **state) {
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        rig r = rig_of_case(i);
        double error = loss_error(&r);
        if (!(error <= 1e-12))
            fail_msg("%s (top %d): the loss is off by %g", cases[i].words, cases[i].top[0], error);
        rig_free(&r);
    }
}

// Gradients are added to what is there, and a batch's is the sum over its samples: lanes without a
// sample must leave no trace, whatever tokens lie in them.
static void test_padding_leaves_no_trace(void **state) {
    (void)state;
    rig r = rig_create(ALL "model.layers=[attention,mlp] model.norm=layer model.bias=true "
                           "model.positions=learned",
                       NULL);
    differentiate(&r);
    size_t n = r.model->n_params;
    double *before = malloc(n * sizeof *before);
    memcpy(before, r.gradient, n * sizeof *before);
    for (int t = 0; t < 4; t++)
        for (int l = 1; l < L; l++) r.tokens[(4 + t) * L + l] = 4 - t; // samples 17 .. 31
    differentiate(&r);
    for (size_t i = 0; i < n; i++) assert_true(before[i] == r.gradient[i]);
    run(&r, r.gradient);
    for (size_t i = 0; i < n; i++) check_near(r.gradient[i], 2 * before[i], 1e-12);
    free(before);
    rig_free(&r);
}

// Models in which every kernel works: the second has those that take the place of others, the third states
// that are matrices, the fourth a single query of one head.
#define EVERYTHING                                                                                 \
    ALL "model.layers=[attention,mlp,mamba,layer_norm,rms_norm] model.norm=layer model.bias=true " \
        "model.residual=true model.positions=learned model.n_head=2 model.window=2 model.sinks=1 " \
        "model.mamba_state=2 model.mamba_expand=1"
#define THE_OTHERS                                                                                 \
    ALL "model.layers=[attention,mlp] model.activation=swiglu model.readout=harmonic "             \
        "model.selector=topk model.selector_k=2 model.positions=rope model.n_head=2 "              \
        "model.gate=head model.qk_norm=head model.sink_logit=learned"
#define RECURRENCES                                                                                \
    ALL "model.layers=[linear_attention,gated_deltanet] model.residual=true model.norm=layer"
#define ONE_QUERY TINY "model.layers=[attention]"

static bool catches(rig *r, const fault *planted) {
    const char *worst;
    const kernel_set *sound = r->kernels;
    r->kernels = &planted->kernels;
    differentiate(r);
    bool caught = !(loss_error(r) <= 1e-12) || !(gradient_error(r, &worst) <= tolerance);
    r->kernels = sound;
    return caught;
}

// Every kernel that a slip was planted in is caught: slips of the backward pass by the differences,
// slips of the forward pass by the naive forward pass.
static void test_oracles_catch_faulty_kernels(void **state) {
    (void)state;
    // scale_rows is called by other kernels only.
    static const char *const not_in_a_model[] = {
        "draw", "adam", "exp_array", "log_array", "stretch", "stretch_gradient", "scale_rows"};
    static const char *const words[] = {EVERYTHING, THE_OTHERS, RECURRENCES, ONE_QUERY};
    enum { N_RIGS = sizeof words / sizeof *words };
    fault faults[N_FAULTS];
    rig rigs[N_RIGS];
    for (int k = 0; k < N_RIGS; k++) rigs[k] = rig_create(words[k], NULL);
    faults_plant(rigs[0].kernels, faults);
    for (int i = 0; i < N_FAULTS; i++) {
        bool caught = false;
        for (int k = 0; k < 7; k++) caught |= strcmp(faults[i].kernel, not_in_a_model[k]) == 0;
        for (int k = 0; k < N_RIGS && !caught; k++) caught = catches(&rigs[k], &faults[i]);
        if (!caught) fail_msg("%s with a fault (%s) passes", faults[i].kernel, faults[i].name);
    }
    for (int k = 0; k < N_RIGS; k++) rig_free(&rigs[k]);
}

static void test_oracles_catch_faulty_gradients(void **state) {
    (void)state;
    const char *worst;
    rig r = rig_create(EVERYTHING, NULL);
    differentiate(&r);
    assert_true(gradient_error(&r, &worst) <= tolerance);
    size_t i = fv_model_tensor(r.model, "blocks.0.attn.b_V")->offset;
    double kept = r.gradient[i];
    r.gradient[i] = kept * (1 + 1e-3);
    assert_true(gradient_error(&r, &worst) > tolerance);
    assert_string_equal(worst, "blocks.0.attn.b_V");
    r.gradient[i] = -kept;
    assert_true(gradient_error(&r, &worst) > tolerance);
    r.gradient[i] = NAN;
    assert_true(gradient_error(&r, &worst) > tolerance);
    r.gradient[i] = kept;
    assert_true(gradient_error(&r, &worst) <= tolerance);
    rig_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_of_every_part),
        cmocka_unit_test(test_wide_layers_look_up),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_padding_leaves_no_trace),
        cmocka_unit_test(test_oracles_catch_faulty_kernels),
        cmocka_unit_test(test_oracles_catch_faulty_gradients),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    print_message("%d models, %d times drawn anew\n", n_rigs, n_redrawn);
    return status;
}
