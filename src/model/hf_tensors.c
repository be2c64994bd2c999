#include "config/layer_list.h"
#include "config/part.h"
#include "model/activations.h"
#include "model/hf.h"
#include "model/layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// When a family's file has a tensor at all.
typedef enum when { ALWAYS, BIASED, NORMED_HEADS, UNTIED } when;
typedef enum role { PLAIN, INTO_STREAM, INTO_HEADS } role;

// `shape` has a letter a dimension of ours: V tokens, T positions, d width, q and k features of all heads of
// queries and of keys, h of one head, m of the mlp; E channels, 2 twice as many, N states, R rank, X R + 2 N,
// K taps of Mamba.
typedef struct row {
    const char *theirs, *ours, *shape;
    hf_layout layout;
    int part, parts;
    hf_absent absent;
    when when;
    role role;
} row;

static const row GPT2_FIRST[] = {
    {"transformer.wte.weight", "embed.W_E", "Vd", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, INTO_STREAM},
    {"transformer.wpe.weight", "pos_embed.W_pos", "Td", HF_FIRST_ROWS, 0, 1, HF_ZEROS, ALWAYS,
     INTO_STREAM}};
#define GPT2 "transformer.h.%d."
static const row GPT2_BLOCK[] = {
    {GPT2 "ln_1.weight", "blocks.%d.ln1.w", "d", HF_SAME, 0, 1, HF_ONES, ALWAYS, PLAIN},
    {GPT2 "ln_1.bias", "blocks.%d.ln1.b", "d", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "attn.c_attn.weight", "blocks.%d.attn.W_Q", "dq", HF_SAME, 0, 3, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "attn.c_attn.weight", "blocks.%d.attn.W_K", "dq", HF_SAME, 1, 3, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "attn.c_attn.weight", "blocks.%d.attn.W_V", "dq", HF_SAME, 2, 3, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "attn.c_attn.bias", "blocks.%d.attn.b_Q", "q", HF_SAME, 0, 3, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "attn.c_attn.bias", "blocks.%d.attn.b_K", "q", HF_SAME, 1, 3, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "attn.c_attn.bias", "blocks.%d.attn.b_V", "q", HF_SAME, 2, 3, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "attn.c_proj.weight", "blocks.%d.attn.W_O", "qd", HF_SAME, 0, 1, HF_ZEROS, ALWAYS,
     INTO_STREAM},
    {GPT2 "attn.c_proj.bias", "blocks.%d.attn.b_O", "d", HF_SAME, 0, 1, HF_ZEROS, ALWAYS,
     INTO_STREAM},
    {GPT2 "ln_2.weight", "blocks.%d.ln2.w", "d", HF_SAME, 0, 1, HF_ONES, ALWAYS, PLAIN},
    {GPT2 "ln_2.bias", "blocks.%d.ln2.b", "d", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "mlp.c_fc.weight", "blocks.%d.mlp.W_in", "dm", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "mlp.c_fc.bias", "blocks.%d.mlp.b_in", "m", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, PLAIN},
    {GPT2 "mlp.c_proj.weight", "blocks.%d.mlp.W_out", "md", HF_SAME, 0, 1, HF_ZEROS, ALWAYS,
     INTO_STREAM},
    {GPT2 "mlp.c_proj.bias", "blocks.%d.mlp.b_out", "d", HF_SAME, 0, 1, HF_ZEROS, ALWAYS,
     INTO_STREAM}};
static const row GPT2_LAST[] = {
    {"transformer.ln_f.weight", "ln_final.w", "d", HF_SAME, 0, 1, HF_ONES, ALWAYS, PLAIN},
    {"transformer.ln_f.bias", "ln_final.b", "d", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, PLAIN},
    {"lm_head.weight", "unembed.W_U", "dV", HF_TURNED, 0, 1, HF_ZEROS, UNTIED, PLAIN}};

// Llama, and Qwen 3 with norms of heads.
static const row LLAMA_FIRST[] = {
    {"model.embed_tokens.weight", "embed.W_E", "Vd", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, INTO_STREAM}};
#define LLAMA "model.layers.%d."
static const row LLAMA_BLOCK[] = {
    {LLAMA "input_layernorm.weight", "blocks.%d.ln1.w", "d", HF_SAME, 0, 1, HF_ONES, ALWAYS, PLAIN},
    {LLAMA "self_attn.q_proj.weight", "blocks.%d.attn.W_Q", "dq", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     INTO_HEADS},
    {LLAMA "self_attn.q_proj.bias", "blocks.%d.attn.b_Q", "q", HF_SAME, 0, 1, HF_ZEROS, BIASED,
     INTO_HEADS},
    {LLAMA "self_attn.k_proj.weight", "blocks.%d.attn.W_K", "dk", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     INTO_HEADS},
    {LLAMA "self_attn.k_proj.bias", "blocks.%d.attn.b_K", "k", HF_SAME, 0, 1, HF_ZEROS, BIASED,
     INTO_HEADS},
    {LLAMA "self_attn.v_proj.weight", "blocks.%d.attn.W_V", "dk", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     PLAIN},
    {LLAMA "self_attn.v_proj.bias", "blocks.%d.attn.b_V", "k", HF_SAME, 0, 1, HF_ZEROS, BIASED,
     PLAIN},
    {LLAMA "self_attn.o_proj.weight", "blocks.%d.attn.W_O", "qd", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     INTO_STREAM},
    {LLAMA "self_attn.o_proj.bias", "blocks.%d.attn.b_O", "d", HF_SAME, 0, 1, HF_ZEROS, BIASED,
     INTO_STREAM},
    {LLAMA "self_attn.q_norm.weight", "blocks.%d.attn.q_norm.w", "h", HF_SAME, 0, 1, HF_ONES,
     NORMED_HEADS, PLAIN},
    {LLAMA "self_attn.k_norm.weight", "blocks.%d.attn.k_norm.w", "h", HF_SAME, 0, 1, HF_ONES,
     NORMED_HEADS, PLAIN},
    {LLAMA "post_attention_layernorm.weight", "blocks.%d.ln2.w", "d", HF_SAME, 0, 1, HF_ONES,
     ALWAYS, PLAIN},
    {LLAMA "mlp.gate_proj.weight", "blocks.%d.mlp.W_gate", "dm", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     PLAIN},
    {LLAMA "mlp.gate_proj.bias", "blocks.%d.mlp.b_gate", "m", HF_SAME, 0, 1, HF_ZEROS, BIASED,
     PLAIN},
    {LLAMA "mlp.up_proj.weight", "blocks.%d.mlp.W_in", "dm", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     PLAIN},
    {LLAMA "mlp.up_proj.bias", "blocks.%d.mlp.b_in", "m", HF_SAME, 0, 1, HF_ZEROS, BIASED, PLAIN},
    {LLAMA "mlp.down_proj.weight", "blocks.%d.mlp.W_out", "md", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     INTO_STREAM},
    {LLAMA "mlp.down_proj.bias", "blocks.%d.mlp.b_out", "d", HF_SAME, 0, 1, HF_ZEROS, BIASED,
     INTO_STREAM}};
static const row LLAMA_LAST[] = {
    {"model.norm.weight", "ln_final.w", "d", HF_SAME, 0, 1, HF_ONES, ALWAYS, PLAIN},
    {"lm_head.weight", "unembed.W_U", "dV", HF_TURNED, 0, 1, HF_ZEROS, UNTIED, PLAIN}};

static const row MAMBA_FIRST[] = {{"backbone.embeddings.weight", "embed.W_E", "Vd", HF_SAME, 0, 1,
                                   HF_ZEROS, ALWAYS, INTO_STREAM}};
#define MAMBA "backbone.layers.%d."
static const row MAMBA_BLOCK[] = {
    {MAMBA "norm.weight", "blocks.%d.ln_mamba.w", "d", HF_SAME, 0, 1, HF_ONES, ALWAYS, PLAIN},
    {MAMBA "mixer.in_proj.weight", "blocks.%d.mamba.in_proj", "d2", HF_TURNED, 0, 1, HF_ZEROS,
     ALWAYS, PLAIN},
    {MAMBA "mixer.conv1d.weight", "blocks.%d.mamba.conv.w", "EK", HF_SPREAD, 0, 1, HF_ZEROS, ALWAYS,
     PLAIN},
    {MAMBA "mixer.conv1d.bias", "blocks.%d.mamba.conv.b", "E", HF_SAME, 0, 1, HF_ZEROS, ALWAYS,
     PLAIN},
    {MAMBA "mixer.x_proj.weight", "blocks.%d.mamba.x_proj", "EX", HF_TURNED, 0, 1, HF_ZEROS, ALWAYS,
     PLAIN},
    {MAMBA "mixer.dt_proj.weight", "blocks.%d.mamba.dt_proj.w", "RE", HF_TURNED, 0, 1, HF_ZEROS,
     ALWAYS, PLAIN},
    {MAMBA "mixer.dt_proj.bias", "blocks.%d.mamba.dt_proj.b", "E", HF_SAME, 0, 1, HF_ZEROS, ALWAYS,
     PLAIN},
    {MAMBA "mixer.A_log", "blocks.%d.mamba.A_log", "EN", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, PLAIN},
    {MAMBA "mixer.D", "blocks.%d.mamba.D", "E", HF_SAME, 0, 1, HF_ZEROS, ALWAYS, PLAIN},
    {MAMBA "mixer.out_proj.weight", "blocks.%d.mamba.out_proj", "Ed", HF_TURNED, 0, 1, HF_ZEROS,
     ALWAYS, INTO_STREAM}};
static const row MAMBA_LAST[] = {
    {"backbone.norm_f.weight", "ln_final.w", "d", HF_SAME, 0, 1, HF_ONES, ALWAYS, PLAIN},
    {"lm_head.weight", "unembed.W_U", "dV", HF_TURNED, 0, 1, HF_ZEROS, UNTIED, PLAIN}};

typedef struct rows {
    const row *first, *block, *last;
    int n_first, n_block, n_last;
} rows;

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])
#define ROWS(NAME)                                                                                 \
    {                                                                                              \
        NAME##_FIRST, NAME##_BLOCK, NAME##_LAST, COUNT(NAME##_FIRST), COUNT(NAME##_BLOCK),         \
            COUNT(NAME##_LAST)                                                                     \
    }
static const rows ROWS_OF[HF_FAMILY_COUNT] = {[HF_GPT2] = ROWS(GPT2),
                                              [HF_LLAMA] = ROWS(LLAMA),
                                              [HF_QWEN3] = ROWS(LLAMA),
                                              [HF_MAMBA] = ROWS(MAMBA)};

static int size_of(const fv_config *config, char letter) {
    const fv_model_config *m = &config->model;
    int rank = m->mamba_dt_rank > 0 ? m->mamba_dt_rank : (m->n_embd + 15) / 16;
    int width = m->n_embd / m->n_head, n_kv = m->n_head;
    for (int i = 0; i < m->layers.n; i++)
        if (layer_type_of(m->layers.kind[i])->half == FV_HALF_ATTENTION)
            n_kv = layer_n_kv_head(m, i) > 0 ? layer_n_kv_head(m, i) : m->n_head;
    switch (letter) {
    case 'V':
        return config->task.vocab_size;
    case 'T':
        return config->task.context_length;
    case 'k':
        return n_kv * width;
    case 'h':
        return width;
    case 'm':
        return mlp_width(m);
    case 'E':
        return m->mamba_expand * m->n_embd;
    case '2':
        return 2 * m->mamba_expand * m->n_embd;
    case 'N':
        return m->mamba_state;
    case 'R':
        return rank;
    case 'X':
        return rank + 2 * m->mamba_state;
    case 'K':
        return m->mamba_conv;
    default:
        return m->n_embd;
    }
}

// Which attention and which mlp of the model a block of theirs has, -1: none. Fovea counts both apart.
typedef struct halves {
    int n;
    int attention[FV_MAX_LAYERS], mlp[FV_MAX_LAYERS];
} halves;

static halves halves_of(const fv_layers *layers) {
    halves h = {0};
    int n_attention = 0, n_mlp = 0;
    bool full = true;
    for (int i = 0; i < layers->n; i++) {
        block_half half = layer_type_of(layers->kind[i])->half;
        bool mlp = half == FV_HALF_MLP;
        if (half == FV_NO_HALF || !mlp || full) {
            h.attention[h.n] = h.mlp[h.n] = -1;
            h.n++;
        }
        if (mlp)
            h.mlp[h.n - 1] = n_mlp++;
        else
            h.attention[h.n - 1] = n_attention++;
        full = mlp;
    }
    return h;
}

static bool has(const fv_config *config, hf_family family, when w) {
    return w == ALWAYS || (w == BIASED && config->model.bias) ||
           (w == NORMED_HEADS && family == HF_QWEN3) || (w == UNTIED && !config->model.tied);
}

typedef struct list {
    const fv_config *config;
    hf_family family;
    hf_piece *pieces;
    int n;
} list;

static void add(list *l, const row *r, int block, int own) {
    if (!has(l->config, l->family, r->when)) return;
    // Qwen 3 has biases of attention alone.
    bool mlp = strstr(r->ours, ".mlp.") != NULL || strstr(r->ours, ".ln2.") != NULL;
    if (l->family == HF_QWEN3 && r->when == BIASED && mlp) return;
    hf_piece *p = &l->pieces[l->n++];
    *p = (hf_piece){.layout = r->layout,
                    .part = r->part,
                    .parts = r->parts,
                    .absent = r->absent,
                    .n_dims = (int)strlen(r->shape),
                    .rows = 1,
                    .optional = r->when == BIASED,
                    .in_stream = r->role == INTO_STREAM,
                    .normed = r->role == INTO_HEADS && l->family == HF_QWEN3};
    p->columns = size_of(l->config, r->shape[p->n_dims - 1]);
    if (p->n_dims == 2) p->rows = size_of(l->config, r->shape[0]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(p->theirs, sizeof p->theirs, r->theirs, block);
    if (own >= 0) snprintf(p->ours, sizeof p->ours, r->ours, own);
#pragma GCC diagnostic pop
}

hf_piece *hf_pieces(const fv_config *config, hf_family family, int *n) {
    const rows *all = &ROWS_OF[family];
    halves h = halves_of(&config->model.layers);
    size_t most = (size_t)all->n_first + (size_t)all->n_last + (size_t)h.n * (size_t)all->n_block;
    list l = {.config = config, .family = family, .pieces = calloc(most, sizeof *l.pieces)};
    *n = 0;
    if (l.pieces == NULL) return NULL;
    for (int i = 0; i < all->n_first; i++) add(&l, &all->first[i], 0, 0);
    for (int b = 0; b < h.n; b++)
        for (int i = 0; i < all->n_block; i++) {
            const char *ours = all->block[i].ours;
            bool mlp = strstr(ours, ".mlp.") != NULL || strstr(ours, ".ln2.") != NULL;
            add(&l, &all->block[i], b, mlp ? h.mlp[b] : h.attention[b]);
        }
    for (int i = 0; i < all->n_last; i++) add(&l, &all->last[i], 0, 0);
    *n = l.n;
    return l.pieces;
}
