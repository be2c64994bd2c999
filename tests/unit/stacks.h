// Random stacks of layers with random parameters and one random sequence, for tests that hold two
// ways of computing the same model against each other.
#ifndef TESTS_STACKS_H
#define TESTS_STACKS_H

#include "configurations.h"

#include "model/layers.h"

#include <fovea/decode.h>

enum { STACK_MOST_ASKED = 4096 };

typedef struct stack {
    char words[1024]; // its configuration
    fv_config config;
    fv_model *model;
    int length, n_vocab;
    float *params;
    int32_t *tokens; // [length]
    int n_asked;
    int *asked; // positions, ascending, the last one among them
} stack;

// Initial parameters, and noise on biases and norms, which would begin as 0 and 1.
static inline void stack_fill_params(stack *s, uint64_t *random) {
    int n;
    const fv_tensor *tensors = fv_model_tensors(s->model, &n);
    s->params = calloc(fv_model_n_params(s->model), sizeof *s->params);
    fv_model_init_params(s->model, *random, s->params);
    for (int i = 0; i < n; i++) {
        if (tensors[i].n_dims != 1 || s->model->params[i].kept > 0) continue;
        for (size_t k = 0; k < tensors[i].size; k++)
            s->params[tensors[i].offset + k] += (float)(0.2 * noise(random));
    }
}

// Up to 200 positions, in runs and alone: all of a short sequence.
static inline void stack_choose_asked(stack *s, uint64_t *random) {
    double share = s->length > 200 ? 100.0 / s->length : 1;
    s->asked = calloc((size_t)s->length, sizeof *s->asked);
    for (int t = 0; t < s->length; t++) {
        bool neighbour = s->n_asked > 0 && s->asked[s->n_asked - 1] == t - 1;
        bool wanted = noise01(random) < (neighbour ? 0.5 + share / 2 : share) || t == s->length - 1;
        if (wanted && s->n_asked < STACK_MOST_ASKED) s->asked[s->n_asked++] = t;
    }
}

static inline stack stack_of(const char *words, uint64_t seed) {
    stack s = {0};
    uint64_t random = seed;
    snprintf(s.words, sizeof s.words, "%s", words);
    s.config = configure(words);
    s.length = s.config.task.context_length;
    s.n_vocab = s.config.task.vocab_size;
    check_ok(fv_model_create(&s.config, &s.model, NULL));
    stack_fill_params(&s, &random);
    s.tokens = calloc((size_t)s.length, sizeof *s.tokens);
    for (int t = 0; t < s.length; t++) s.tokens[t] = noise_below(&random, s.n_vocab);
    stack_choose_asked(&s, &random);
    return s;
}

static inline void stack_free(stack *s) {
    fv_model_free(s->model);
    free(s->params);
    free(s->tokens);
    free(s->asked);
}

static inline void stack_say(char *words, const char *format, ...) FV_PRINTF(2, 3);
static inline void stack_say(char *words, const char *format, ...) {
    size_t used = strlen(words);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words + used, 1024 - used, format, arguments);
    va_end(arguments);
}

static const char *const stack_recurrences[] = {"linear_attention", "retnet",   "gla",
                                                "mamba2",           "deltanet", "gated_deltanet",
                                                "short_convolution"};

// Layers, some with a window and sinks of their own. Returns whether there is attention, mamba, an mlp
// and another recurrence: bits 1, 2, 4 and 8.
static inline int stack_draw_layers(char *words, uint64_t *random, bool norms) {
    int n = 1 + noise_below(random, 4), kinds = 0, sinks;
    stack_say(words, "model.layers=[");
    for (int i = 0; i < n; i++) {
        if (i > 0) stack_say(words, ",");
        switch (noise_below(random, norms ? 10 : 6)) {
        case 0:
            stack_say(words, "mlp");
            kinds |= 4;
            break;
        case 1:
        case 2:
            stack_say(words, "mamba");
            kinds |= 2;
            break;
        case 3:
            sinks = noise_below(random, 3);
            stack_say(words, "attention(window=%d sinks=%d)", 2 + noise_below(random, 90), sinks);
            kinds |= 1;
            break;
        case 8:
        case 9: // only where a norm of one head is of many numbers
            stack_say(words, "%s", stack_recurrences[noise_below(random, 7)]);
            kinds |= strstr(words, "mamba2") != NULL ? 10 : 8;
            break;
        case 6:
            stack_say(words, "layer_norm");
            break;
        case 7:
            stack_say(words, "rms_norm");
            break;
        default:
            stack_say(words, "attention");
            kinds |= 1;
        }
    }
    stack_say(words, "] ");
    return kinds;
}

static const char *const stack_scores[] = {
#define FV_PART_SCORE(NAME, name) #name,
#include <fovea/fields.def>
};

// Returns whether the lab keeps every probability of it, so that long sequences need too much.
static inline bool stack_draw_attention(char *words, uint64_t *random, int d_head) {
    bool keeps = false;
    if (noise_below(random, 3) == 0)
        stack_say(words, "model.window=%d ", 2 + noise_below(random, 200));
    if (noise_below(random, 4) == 0) {
        stack_say(words, "model.exclude_self=true ");
        keeps = true;
    }
    if (d_head > 1 && noise_below(random, 4) == 0)
        stack_say(words, "model.d_score=%d ", 1 + noise_below(random, d_head));
    switch (noise_below(random, 4)) {
    case 0:
        stack_say(words, "model.score=euclidean model.score_beta=0.5 ");
        break;
    case 1:
        stack_say(words, "model.score=harmonic model.score_power=2.5 model.score_floor=0.05 ");
        if (noise_below(random, 2) == 0) return keeps;
        stack_say(words, "model.score_power_learned=true ");
        keeps = true;
        break;
    case 2:
        stack_say(words, "model.score=%s ", stack_scores[noise_below(random, FV_SCORE_COUNT)]);
    }
    return keeps;
}

static const char *const stack_activations[] = {
#define FV_PART_ACTIVATION(NAME, name) #name,
#include <fovea/fields.def>
};

static const char *const stack_places[] = {"pre", "post", "sandwich", "output"};

// Writes a configuration of sizes at which single precision can keep five digits of a logit: a norm
// of two features is all but their sign, and logits that are fifty large lose two digits where they
// cancel.
static inline void stack_draw_words(char words[1024], uint64_t *random, int longest) {
    static const int WIDTHS[] = {2, 3, 8, 12, 16, 24, 32, 48};
    static const char *const POSITIONS[] = {"none", "learned", "sinusoidal", "rope", "alibi"};
    static const char *const NORMS[] = {"none", "layer", "rms"};
    *words = '\0';
    for (int i = 0; i < 8; i++) noise01(random); // small seeds begin alike
    int width = WIDTHS[noise_below(random, 8)], position = noise_below(random, 5);
    int n_head = width % 4 == 0 && noise_below(random, 2) ? 2 + 2 * noise_below(random, 2) : 1;
    bool residual = noise_below(random, 3) > 0;
    int kinds = stack_draw_layers(words, random, width >= 8 && noise_below(random, 3) > 0);
    bool keeps = false;
    if (kinds & 8 && width / n_head < 8) n_head = 1; // as a norm of two features
    if (kinds & 1) {
        stack_say(words, "model.n_head=%d ", n_head);
        if (n_head > 1 && noise_below(random, 2))
            stack_say(words, "model.n_kv_head=%d ", n_head / 2);
        if (position == 3 && width / n_head % 2 != 0) position = 4;
        if (noise_below(random, 4) == 0) stack_say(words, "model.qk_norm=head ");
        if (noise_below(random, 4) == 0) stack_say(words, "model.gate=feature ");
        if (noise_below(random, 4) == 0 && strstr(words, "model.normaliser") == NULL)
            stack_say(words, "model.sink_logit=learned ");
        keeps = stack_draw_attention(words, random, position == 3 ? 1 : width / n_head);
        if (strstr(words, "model.score=") == NULL && noise_below(random, 3) == 0)
            stack_say(words, "model.soft_cap=3 ");
        if (position == 3 && noise_below(random, 2))
            stack_say(words, "model.rope_scaling=yarn model.rope_factor=3 model.rope_original=50 ");
        if (position == 3 && noise_below(random, 2))
            stack_say(words, "model.rope_pairs=interleaved ");
    }
    if (position >= 3 && !(kinds & 1)) position = 0;
    if (kinds & 2) {
        int expand = 1 + noise_below(random, 3), conv = 1 + noise_below(random, 5);
        stack_say(words, "model.mamba_state=%d model.mamba_conv=%d model.mamba_expand=%d ",
                  1 + noise_below(random, 20), conv, expand);
    }
    if (kinds & 4)
        stack_say(words, "model.activation=%s ",
                  stack_activations[noise_below(random, FV_ACTIVATION_COUNT)]);
    if (kinds & 4 && noise_below(random, 2)) stack_say(words, "model.d_mlp=21 ");
    if (position == 1 && width > 2 && noise_below(random, 3) == 0)
        stack_say(words, "model.d_positions=%d ", width / 2);
    if (kinds & 15) {
        if (residual) stack_say(words, "model.residual=true ");
        if (kinds & 5 && noise_below(random, 2)) stack_say(words, "model.bias=true ");
    }
    if (noise_below(random, 2)) stack_say(words, "model.tied=true model.embedding_sigma=0.1 ");
    if (keeps && longest > 400) longest = 400;
    int length = 1 + noise_below(random, noise_below(random, 3) ? longest : 60);
    if (length < 2) length = 2; // exclude_self
    int n_vocab = 2 + noise_below(random, 39), norm = width < 8 ? 0 : noise_below(random, 3);
    if (noise_below(random, 4) == 0)
        stack_say(words, "model.readout=harmonic model.readout_floor=0.01 model.readout_power=3 ");
    if (norm != 0 && kinds & 7 && noise_below(random, 2))
        stack_say(words, "model.norm_place=%s ", stack_places[noise_below(random, 4)]);
    stack_say(words,
              "model.n_embd=%d model.positions=%s model.norm=%s task.vocab_size=%d "
              "task.context_length=%d",
              width, POSITIONS[position], NORMS[norm], n_vocab, length);
}

static inline stack stack_draw(uint64_t *random, int longest) {
    char words[1024];
    stack_draw_words(words, random, longest);
    return stack_of(words, *random);
}

#endif
