// The table of parts, each of which is tried in a small model. Parts come from the lists that they are
// in: a new one has a row without a line here. Fields that are no part have a line of SETTINGS.
#include <fovea/parts_table.h>

#include "config/part.h"
#include "model/attention_layer.h"
#include "model/attention_ways.h"
#include "model/checkpoint_map.h"
#include "model/layers.h"

#include <fovea/activation_cache.h>
#include <fovea/checkpoint.h>
#include <fovea/decode.h>
#include <fovea/train.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_POSITIONS = 24, MANY_POSITIONS = 512, N_TOKENS = 12, L = FV_LANES };
static const double CLOSE = 1e-4; // of the largest logit

// --- which rows ---------------------------------------------------------------------------------

// "field=value", then others that it needs. Fields that there are not have no row.
static const char *const SETTINGS[] = {
    "model.norm=layer",
    "model.norm=rms",
    "model.norm_place=post model.norm=rms",
    "model.norm_place=sandwich model.norm=rms",
    "model.norm_place=output model.norm=rms",
    "model.readout=harmonic model.readout_floor=0.1",
    "model.tied=true",
    "model.bias=true",
    "model.exclude_self=true",
    "model.window=8 model.sinks=1",
    "model.d_score=4",
    "model.score_power_learned=true model.score=harmonic",
    "model.n_kv_head=1",
    "model.qk_norm=head",
    "model.qk_norm=vector",
    "model.soft_cap=5",
    "model.sink_logit=learned",
    "model.sink_logit=zero",
    "model.gate=head",
    "model.gate=feature",
};

// Further fields without which a part makes no sense: the first word is the part. Selectors keep as many keys
// as leave no choice so close that the gradient's step would change it.
static const char *const NEEDS[] = {
    "model.selector=topk model.selector_k=8",
    "model.selector=block_topk model.selector_block=8 model.selector_k=2",
    "model.selector=block_max model.selector_block=8 model.selector_k=2",
    "model.selector=oracle_topk model.selector_block=4 model.selector_k=4",
    "model.selector=random_topk model.selector_block=8 model.selector_k=2",
    "model.selector=indexer model.selector_k=8",
    "model.selector=group_indexer model.selector_block=8 model.selector_k=2 model.n_kv_head=1",
};

static const config_part *const *parts_in_model(int group, const char **key, int *n) {
#define ROW(GROUP, key) key,
    static const char *const keys[] = {FV_PART_GROUPS(ROW)};
#undef ROW
    int n_keys = sizeof keys / sizeof *keys;
    for (int g = 0; g < n_keys; g++)
        if (strncmp(keys[g], "model.", 6) == 0 && group-- == 0) {
            *key = keys[g];
            return parts_of(*key, n);
        }
    return NULL;
}

static void say(char *text, size_t size, const char *words) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used > 0 ? " " : "", words);
}

// The words of row i: "model.activation=silu", ...; false behind the last.
static bool words_at(int i, char words[256]) {
    const char *key;
    int n;
    *words = '\0';
    for (int g = 0; parts_in_model(g, &key, &n) != NULL; g++) {
        if (i >= n) {
            i -= n;
            continue;
        }
        const char *name = fv_field_find(key)->choices[i];
        bool layer = fv_field_find(key)->type == FV_TYPE_LAYERS;
        snprintf(words, 256, layer ? "%s=[attention,%s]" : "%s=%s", key, name);
        for (size_t k = 0; k < sizeof NEEDS / sizeof *NEEDS; k++) {
            size_t length = strcspn(NEEDS[k], " ");
            if (strncmp(NEEDS[k], words, length) == 0 && words[length] == '\0')
                say(words, 256, NEEDS[k] + length + 1);
        }
        return true;
    }
    for (size_t k = 0; k < sizeof SETTINGS / sizeof *SETTINGS; k++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(SETTINGS[k], "="), SETTINGS[k]);
        fv_config ignored;
        fv_error error;
        fv_config_init(&ignored);
        if (fv_field_find(name) == NULL) continue;
        snprintf(words, 256, "%s", SETTINGS[k]);
        words[strcspn(words, " ")] = '\0';
        if (fv_config_set(&ignored, name, words + strlen(name) + 1, &error) != FV_OK) continue;
        if (i-- > 0) continue;
        snprintf(words, 256, "%s", SETTINGS[k]);
        return true;
    }
    return false;
}

// --- a model with the part ----------------------------------------------------------------------

typedef struct trial {
    fv_config config;
    fv_model *model;
    float *params;
    fv_part_row *row;
} trial;

static fv_status set_words(fv_config *config, const char *words, fv_error *error) {
    char all[512], *rest = NULL;
    fv_status status = FV_OK;
    snprintf(all, sizeof all, "%s", words);
    for (char *word = strtok_r(all, " ", &rest); word && status == FV_OK;
         word = strtok_r(NULL, " ", &rest)) {
        char key[64];
        size_t n = strcspn(word, "=");
        snprintf(key, sizeof key, "%.*s", (int)n, word);
        status = fv_config_set(config, key, word + n + 1, error);
    }
    return status;
}

static fv_status make_config(const char *words, int length, fv_config *config, fv_error *error) {
    char first[128];
    fv_config_init(config);
    snprintf(first, sizeof first,
             "task.loss=all task.vocab_size=%d task.context_length=%d train.batch_size=16",
             N_TOKENS, length);
    fv_status status = set_words(config, first, error);
    if (status == FV_OK)
        status = set_words(config,
                           "model.n_embd=16 model.n_head=2 model.residual=true "
                           "model.layers=[attention,mlp]",
                           error);
    if (status == FV_OK) status = set_words(config, words, error);
    return status == FV_OK ? fv_config_check(config, error) : status;
}

static void trial_close(trial *t) {
    fv_model_free(t->model);
    free(t->params);
}

static fv_status trial_open(const char *words, int length, trial *t, fv_error *error) {
    fv_status status = make_config(words, length, &t->config, error);
    if (status == FV_OK) status = fv_model_create(&t->config, &t->model, error);
    if (status != FV_OK) return status;
    t->params = malloc(fv_model_n_params(t->model) * sizeof *t->params);
    if (t->params == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a model");
    fv_model_init_params(t->model, 3, t->params);
    return FV_OK;
}

static void mark(trial *t, fv_capability capability, const char *why_not) {
    t->row->can[capability] = why_not == NULL;
    if (why_not != NULL)
        snprintf(t->row->why_not[capability], sizeof t->row->why_not[capability], "%s", why_not);
}

static void fill_tokens(int32_t *tokens, int n) {
    for (int i = 0; i < n; i++) tokens[i] = (i * 7 + i * i / 5 + 3) % N_TOKENS;
}

// The largest difference of two arrays over the largest number of the second.
static double difference(const float *a, const float *b, size_t n) {
    double largest = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
        largest = fmax(largest, fabs((double)b[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return largest > 0 ? off / largest : off;
}

// --- what is tried ------------------------------------------------------------------------------

static void try_forward(trial *t) {
    int32_t tokens[2 * FEW_POSITIONS];
    float logits[2][FEW_POSITIONS * N_TOKENS];
    fv_error error;
    fill_tokens(tokens, FEW_POSITIONS);
    memcpy(tokens + FEW_POSITIONS, tokens, FEW_POSITIONS * sizeof *tokens);
    tokens[2 * FEW_POSITIONS - 1] = (tokens[FEW_POSITIONS - 1] + 1) % V; // another last token
    for (int s = 0; s < 2; s++)
        if (fv_model_logits(t->model, t->params, tokens + s * FEW_POSITIONS, 1, logits[s],
                            &error) != FV_OK) {
            mark(t, FV_CAN_FORWARD, error.text);
            return;
        }
    bool before = difference(logits[0], logits[1], (FEW_POSITIONS - 1) * N_TOKENS) == 0;
    bool last = difference(logits[0] + (FEW_POSITIONS - 1) * N_TOKENS,
                           logits[1] + (FEW_POSITIONS - 1) * N_TOKENS, N_TOKENS) > 0;
    mark(t, FV_CAN_FORWARD, before && last ? NULL : "a position sees a later one");
}

// The sum of losses of one batch; with `gradient` also adds its gradient there.
static double loss_of(const trial *t, const memory_arena *workspace, void *const *own,
                      const float *params, float *gradient) {
    const fv_model *model = t->model;
    model_tile tile = {.model = model,
                       .kernels = kernels_get(),
                       .workspace = workspace,
                       .n_groups = 1,
                       .params = params,
                       .gradient = gradient,
                       .weight = 1,
                       .own = own};
    data_batch(&model->data, FV_STREAM_TRAIN, 0, 0, 1, L, arena_at(workspace, model->tokens),
               arena_at(workspace, model->targets));
    tile_run(&tile);
    const float *losses = arena_at(workspace, model->losses);
    double sum = 0;
    for (int i = 0; i < model->data.n_loss * L; i++) sum += (double)losses[i];
    return sum;
}

// (L(p + h u) - L(p - h u)) / 2 h for u along the gradient g is |g|.
static void try_gradient(trial *t) {
    size_t n = fv_model_n_params(t->model), padded = (n + L - 1) / L * L;
    memory_arena workspace = t->model->plan;
    model_worker_layers layers = {0};
    fv_error error;
    float *arrays = aligned_alloc(FV_ALIGNMENT, 2 * padded * sizeof *arrays);
    float *gradient = arrays, *moved = arrays == NULL ? NULL : arrays + padded;
    fv_status status = arena_allocate(&workspace, &error);
    if (status == FV_OK) status = worker_layers_create(t->model, &layers, &error);
    if (arrays == NULL || status != FV_OK) {
        mark(t, FV_CAN_GRADIENT, arrays == NULL ? "out of memory" : error.text);
    } else {
        memset(arrays, 0, 2 * padded * sizeof *arrays);
        loss_of(t, &workspace, layers.own, t->params, gradient);
        double square = 0, loss[2];
        for (size_t i = 0; i < n; i++) square += (double)gradient[i] * (double)gradient[i];
        double size = sqrt(square), h = 2e-3;
        for (int s = 0; s < 2; s++) {
            for (size_t i = 0; i < n; i++)
                moved[i] =
                    (float)((double)t->params[i] + (s == 0 ? h : -h) * (double)gradient[i] / size);
            loss[s] = loss_of(t, &workspace, layers.own, moved, NULL);
        }
        double slope = (loss[0] - loss[1]) / (2 * h);
        bool right = size > 0 && fabs(slope - size) <= 0.01 * size;
        mark(t, FV_CAN_GRADIENT, right ? NULL : "the loss does not change as the gradient says");
    }
    worker_layers_free(&layers);
    arena_free(&workspace);
    free(arrays);
}

static void try_decode(trial *t) {
    enum { PIECE = 7 };
    int32_t tokens[FEW_POSITIONS];
    int64_t places[FEW_POSITIONS];
    static float logits[2][FEW_POSITIONS * N_TOKENS];
    fv_error error;
    fv_decoder *decoder = NULL;
    fill_tokens(tokens, FEW_POSITIONS);
    for (int i = 0; i < FEW_POSITIONS; i++) places[i] = i;
    fv_status status = fv_decoder_create(t->model, t->params, NULL, &decoder, &error);
    for (int at = 0, n; at < FEW_POSITIONS && status == FV_OK; at += n) {
        n = FEW_POSITIONS - at < PIECE ? FEW_POSITIONS - at : PIECE;
        status = fv_decoder_read(decoder, n, tokens + at, n, places + at, logits[0] + at * N_TOKENS,
                                 &error);
    }
    if (status == FV_OK)
        status = fv_model_logits(t->model, t->params, tokens, 1, logits[1], &error);
    bool same =
        status == FV_OK && difference(logits[0], logits[1], FEW_POSITIONS * N_TOKENS) <= CLOSE;
    mark(t, FV_CAN_DECODE, status != FV_OK ? error.text : same ? NULL : "its logits differ");
    fv_decoder_free(decoder);
}

static void try_cost(trial *t) {
    fv_step_cost cost;
    double tokens;
    fv_error error;
    fv_status status = fv_step_cost_of(&t->config, &cost, &tokens, &error);
    bool counted = status == FV_OK && cost.flops > 0 && tokens > 0;
    mark(t, FV_CAN_COST, status != FV_OK ? error.text : counted ? NULL : "nothing is counted");
}

static void try_export(trial *t) {
    checkpoint_map map;
    fv_error error;
    size_t kept = 0;
    if (checkpoint_map_create(t->model, false, &map, &error) != FV_OK) {
        mark(t, FV_CAN_EXPORT, error.text);
        return;
    }
    for (size_t i = 0; i < map.n; i++)
        if (map.entries[i].source == SOURCE_PARAMS) kept += checkpoint_entry_size(&map.entries[i]);
    checkpoint_map_free(&map);
    bool whole = kept == fv_model_n_params(t->model);
    mark(t, FV_CAN_EXPORT, whole ? NULL : "the file lacks parameters");
    bool theirs = fv_checkpoint_transformerlens(&t->config, true, &error) == FV_OK;
    const char *why = strchr(error.text, ':');
    mark(t, FV_CAN_THEIRS, theirs ? NULL : why != NULL ? why + 2 : error.text);
}

// Logits of all positions by activations whose patterns are kept: the textbook's arrangement.
static fv_status textbook_logits(const trial *t, const int32_t *tokens, float *logits,
                                 fv_error *error) {
    static const char *const names[] = {"logits", "blocks.*.attn.hook_pattern"};
    fv_activations *seen;
    fv_status status =
        fv_activations_create(t->model, names, 2, FV_KEEP_ALL_POSITIONS, 1, &seen, error);
    if (status != FV_OK) return status;
    fv_activations_fill(seen, t->params, tokens, 1);
    for (int i = 0; i < fv_activations_n(seen); i++)
        if (strcmp(fv_activations_kept(seen, i)->name, "logits") == 0)
            memcpy(logits, fv_activations_at(seen, i), sizeof(float) * MANY_POSITIONS * N_TOKENS);
    fv_activations_free(seen);
    return FV_OK;
}

static bool goes_by_tiles(const fv_model *model) {
    for (int i = 0; i < model->n_layers; i++) {
        const model_layer *layer = &model->layers[i];
        if (layer->type == &layer_attention && !attention_goes_by(layer, FV_ATTEND_TILES))
            return false;
    }
    return true;
}

static void try_long(const char *words, fv_part_row *row) {
    static float logits[2][MANY_POSITIONS * N_TOKENS];
    int32_t tokens[MANY_POSITIONS];
    trial t = {.row = row};
    fv_error error;
    fill_tokens(tokens, MANY_POSITIONS);
    fv_status status = trial_open(words, MANY_POSITIONS, &t, &error);
    if (status == FV_OK && !goes_by_tiles(t.model)) {
        mark(&t, FV_CAN_LONG,
             "tiles do not know it: attention keeps the probabilities of all pairs, at any length");
        trial_close(&t);
        return;
    }
    if (status == FV_OK) status = fv_model_logits(t.model, t.params, tokens, 1, logits[0], &error);
    if (status == FV_OK) status = textbook_logits(&t, tokens, logits[1], &error);
    bool same =
        status == FV_OK && difference(logits[0], logits[1], MANY_POSITIONS * N_TOKENS) <= CLOSE;
    mark(&t, FV_CAN_LONG, status != FV_OK ? error.text : same ? NULL : "its logits differ");
    trial_close(&t);
}

bool fv_part_row_at(int i, fv_part_row *row) {
    char words[256];
    fv_error error;
    *row = (fv_part_row){0};
    if (!words_at(i, words)) return false;
    size_t key = strcspn(words, "="), value = strcspn(words, " ") - key - 1;
    bool layer = strncmp(words + key, "=[attention,", 12) == 0;
    snprintf(row->part, sizeof row->part, "%.*s: %.*s", (int)key, words,
             (int)(layer ? value - 12 : value), words + key + 1 + (layer ? 11 : 0));
    trial t = {.row = row};
    if (trial_open(words, FEW_POSITIONS, &t, &error) == FV_OK) {
        try_forward(&t);
        try_gradient(&t);
        try_decode(&t);
        try_cost(&t);
        try_export(&t);
        try_long(words, row);
    } else {
        for (int c = 0; c < FV_N_CAPABILITIES; c++) mark(&t, (fv_capability)c, error.text);
    }
    trial_close(&t);
    return true;
}
