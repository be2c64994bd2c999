// A model as one device holds it: the same parts with fewer heads, narrower layers, fewer experts.
// What is left of a dimension:
//
//   heads                      heads / tp
//   kv_heads                   kv_heads / min(tp, kv_heads): more devices hold them several times
//   a latent of MLA, and its   whole; tp divides only the heads that read it
//   indexer
//   inner widths, channels     / tp
//   groups of Mamba-2          / tp; a single one is held by every device
//   experts                    / ep, rounded up: some devices have one more
//   width of an expert         / (tp / ep), whole where ep >= tp
//   vocabulary                 / tp, padded to a multiple of 64 where tp does not divide it
//   tokens, windows            / cp, rounded up
//   states                     whole under cp
//   norms, biases, adapters    whole under cp and under tp
//   layers                     / pp; of those that are left over the last stage but one has the
//                              first, the one before it the next
//
// Megatron-LM (arXiv:1909.08053, section 3) and vLLM: layers/linear.py (QKVParallelLinear holds
// keys and values several times), vocab_parallel_embedding.py, models/deepseek_v2.py (kv_a_proj and
// the indexer are ReplicatedLinear), layers/mamba/mamba_mixer2.py, fused_moe
// (determine_expert_map), distributed/utils.py (get_pp_indices); SGLang's moe_tp_size = tp / ep.
#include "base/text.h"
#include "cost/cost.h"
#include "cost/counts.h"

#include <fovea/cost_devices.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VOCAB_PADDING = 64 };

typedef struct sharding {
    const fv_cost_devices *devices;
    const char *part; // that is being divided
    text_buffer notes;
    fv_status status;
    fv_error *error;
} sharding;

static uint64_t share(uint64_t whole, uint64_t by) {
    return whole / by + (whole % by != 0);
}

// A line, once.
static void note(sharding *s, const char *format, ...) FV_PRINTF(2, 3);
static void note(sharding *s, const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (s->notes.data != NULL && strstr(s->notes.data, line) != NULL) return;
    text_add(&s->notes, "%s\n", line);
}

static void divide(sharding *s, uint64_t *dimension, const char *name, const char *option,
                   uint64_t by) {
    if (*dimension % by == 0) {
        *dimension /= by;
        return;
    }
    if (s->status == FV_OK)
        s->status = fv_fail(s->error, FV_USAGE,
                            "--%s %" PRIu64 " must divide the %" PRIu64 " %s of the part '%s'",
                            option, by, *dimension, name, s->part);
}

// Heads of keys and values, or groups: held several times where there are more devices.
static void divide_shared(sharding *s, uint64_t *dimension, const char *name) {
    uint64_t tp = s->devices->tp, whole = *dimension;
    if (whole == 0 || tp == 1) return;
    if (tp % whole != 0 || tp == whole) {
        divide(s, dimension, name, "tp", tp);
        return;
    }
    *dimension = 1;
    note(s, "%" PRIu64 " %s over %" PRIu64 " devices: each is held by %" PRIu64, whole, name, tp,
         tp / whole);
}

static void divide_vocab(sharding *s, uint64_t *vocab) {
    uint64_t tp = s->devices->tp, padded = *vocab;
    if (padded % tp != 0) padded = share(padded, VOCAB_PADDING) * VOCAB_PADDING;
    if (padded % tp != 0) padded = share(padded, VOCAB_PADDING * tp) * VOCAB_PADDING * tp;
    if (padded != *vocab)
        note(s, "the vocabulary of %" PRIu64 " is padded to %" PRIu64, *vocab, padded);
    *vocab = padded / tp;
}

static void divide_experts(sharding *s, cost_dims *d) {
    uint64_t tp = s->devices->tp, ep = s->devices->ep;
    divide(s, &d->expert_hidden, "inner widths of an expert", "tp", ep >= tp ? 1 : tp / ep);
    if (d->shared_hidden > 0) divide(s, &d->shared_hidden, "shared inner widths", "tp", tp);
    if (d->experts % ep != 0)
        note(s, "%" PRIu64 " experts over %" PRIu64 " devices: some hold %" PRIu64 ", counted here",
             d->experts, ep, share(d->experts, ep));
    d->experts = share(d->experts, ep);
    // Of a token's experts one device has at least so many.
    d->active = share(d->active, ep);
}

static void hold_whole(sharding *s) {
    if (s->devices->tp > 1) note(s, "'%s' is held whole by each of the tp devices", s->part);
}

static void divide_recurrence(sharding *s, cost_kind kind, cost_dims *d) {
    uint64_t tp = s->devices->tp;
    if (kind == COST_LIGHTNING) { // whole heads
        uint64_t heads = d->inner / d->head_dim;
        divide(s, &heads, "heads", "tp", tp);
        d->inner = heads * d->head_dim;
        return;
    }
    if (d->ssm_heads > 0) divide(s, &d->ssm_heads, "heads", "tp", tp);
    if (d->key_heads > 0) divide(s, &d->key_heads, "heads of keys", "tp", tp);
    if (d->inner > 0) divide(s, &d->inner, "channels", "tp", tp);
    if (d->groups == 1)
        divide_shared(s, &d->groups, "group");
    else if (d->groups > 1)
        divide(s, &d->groups, "groups", "tp", tp);
}

static void divide_attention(sharding *s, cost_dims *d) {
    divide(s, &d->heads, "query heads", "tp", s->devices->tp);
    divide_shared(s, &d->kv_heads, "heads of keys and values");
    if (d->output_rank > 0) divide(s, &d->groups, "groups of the output", "tp", s->devices->tp);
    if (d->kv_heads == 0 && s->devices->tp > 1)
        note(s, "a token's latent is held whole by each of the tp devices");
}

static void divide_part(sharding *s, cost_kind kind, cost_dims *d) {
    switch (kind) {
    case COST_EMBEDDING:
    case COST_LAYER_EMBEDDING:
    case COST_UNEMBEDDING:
        divide_vocab(s, &d->vocab);
        break;
    case COST_ATTENTION:
    case COST_GATED_ATTENTION:
    case COST_SPLIT_ATTENTION:
    case COST_KEY_ATTENTION:
    case COST_READING_ATTENTION:
    case COST_FACTORED_ATTENTION:
    case COST_LATENT:
    case COST_INDEXED_LATENT:
    case COST_PICKING_LATENT:
    case COST_WINDOW_LATENT:
    case COST_SPARSE_LATENT:
    case COST_HEAVY_LATENT:
        divide_attention(s, d);
        break;
    case COST_MLP:
        divide(s, &d->hidden, "inner widths", "tp", s->devices->tp);
        break;
    case COST_EXPERTS:
    case COST_LATENT_EXPERTS:
        divide_experts(s, d);
        break;
    case COST_MAMBA:
    case COST_MAMBA2:
    case COST_DELTA:
    case COST_KDA:
    case COST_LIGHTNING:
    case COST_SHORT_CONV:
    case COST_RGLRU:
        divide_recurrence(s, kind, d);
        break;
    case COST_STREAMS:
    case COST_LINEAR:
    case COST_ADAPTER:
    case COST_MIXED_STREAMS:
    case COST_RWKV_TIME:
    case COST_RWKV_CHANNEL:
    case COST_KIND_COUNT:
        hold_whole(s);
        break;
    }
    uint64_t cp = s->devices->cp;
    d->window = share(d->window, cp);
    d->chunk = share(d->chunk, cp);
    d->topk = share(d->topk, cp);
}

// --- stages --------------------------------------------------------------------------------------

uint64_t cost_stage_layers(uint64_t n, uint64_t pp, uint64_t stage) {
    uint64_t left = n % pp, from_last = pp - stage; // 1 for the last
    return n / pp + (from_last >= 2 && from_last <= left + 1);
}

static fv_status add_layer(sharding *s, const fv_cost_model *model, uint64_t from,
                           fv_cost_model *out, uint64_t to) {
    const cost_layer *layer = &model->layers[from];
    for (int i = 0; i < layer->n; i++) {
        const cost_part *part = &model->parts[layer->parts[i]];
        cost_dims dims = part->dims;
        s->part = part->name;
        divide_part(s, part->kind, &dims);
        if (s->status != FV_OK) return s->status;
        if (part->kind == COST_UNEMBEDDING && s->devices->pp > 1 && !dims.untied) {
            dims.untied = 1;
            note(s, "embedding and unembedding are one matrix; the first stage and the last have "
                    "each their own");
        }
        bool shared = part->n_copies < part->n_layers;
        fv_status status = cost_model_add(out, to, part->kind, &dims, shared ? part->n_copies : 0);
        if (status != FV_OK) return fv_fail(s->error, status, "out of memory for a device's model");
    }
    return FV_OK;
}

static fv_status add_stage(sharding *s, const fv_cost_model *model, uint64_t stage,
                           fv_cost_model *out) {
    uint64_t pp = s->devices->pp, blocks = model->n_layers - 2, first = 1;
    for (uint64_t i = 0; i < stage; i++) first += cost_stage_layers(blocks, pp, i);
    uint64_t n = cost_stage_layers(blocks, pp, stage);
    out->n_layers = n + 2;
    out->layers = calloc(out->n_layers, sizeof *out->layers);
    if (out->layers == NULL)
        return fv_fail(s->error, FV_NO_MEMORY, "out of memory for a device's model");
    fv_status status = stage == 0 ? add_layer(s, model, 0, out, 0) : FV_OK;
    for (uint64_t i = 0; status == FV_OK && i < n; i++)
        status = add_layer(s, model, first + i, out, i + 1);
    if (status == FV_OK && stage + 1 == pp)
        status = add_layer(s, model, model->n_layers - 1, out, n + 1);
    return status;
}

// --- what cannot be divided
// ------------------------------------------------------------------------

static bool has(const fv_cost_model *model, bool experts) {
    for (int p = 0; p < model->n_parts; p++) {
        const cost_part *part = &model->parts[p];
        bool mixes = part->kind == COST_EXPERTS || part->kind == COST_LATENT_EXPERTS;
        if (experts ? mixes : part->dims.window > 0 || part->dims.chunk > 0) return true;
    }
    return false;
}

static fv_status check(const fv_cost_model *model, const fv_cost_devices *d,
                       const fv_cost_setting *setting, fv_error *error) {
    uint64_t blocks = model->n_layers - 2;
    if (d->pp > blocks)
        return fv_fail(error, FV_USAGE,
                       "--pp %" PRIu64 " must be at most the %" PRIu64 " layers of the model",
                       d->pp, blocks);
    if (d->ep > 1 && !has(model, true))
        return fv_fail(error, FV_USAGE, "--ep %" PRIu64 " divides experts, and the model has none",
                       d->ep);
    bool fits = d->tp % d->ep == 0 || (d->ep % d->tp == 0 && d->tp * d->cp * d->dp % d->ep == 0);
    if (!fits)
        return fv_fail(error, FV_USAGE,
                       "--ep %" PRIu64 " must divide tp, %" PRIu64
                       ", or be a multiple of it that divides tp * cp * dp, %" PRIu64,
                       d->ep, d->tp, d->tp * d->cp * d->dp);
    if (d->cp > 1 && setting->engine == FV_COST_ENGINE_VLLM && has(model, false))
        return fv_fail(error, FV_USAGE,
                       "--cp %" PRIu64 " divides windows, which vLLM refuses "
                       "(SlidingWindowSpec); another --engine counts them",
                       d->cp);
    return FV_OK;
}

fv_status fv_cost_shard(const fv_cost_model *model, const fv_cost_devices *devices,
                        const fv_cost_setting *setting, uint64_t stage, fv_cost_model **out,
                        fv_error *error) {
    *out = NULL;
    fv_status status = check(model, devices, setting, error);
    if (status != FV_OK) return status;
    fv_cost_model *device = calloc(1, sizeof *device);
    if (device == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a device's model");
    device->family = model->family;
    device->max_tokens = model->max_tokens;
    sharding s = {.devices = devices, .error = error};
    status = add_stage(&s, model, stage, device);
    if (status == FV_OK && s.notes.failed)
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for the notes of a device's model");
    if (status != FV_OK) {
        text_free(&s.notes);
        fv_cost_model_free(device);
        return status;
    }
    device->notes = s.notes.data;
    *out = device;
    return FV_OK;
}
