// One device of each stage, from its own model: cost.c counts it as it counts any other.
//
// What it sends for one token, in numbers (Megatron-LM, arXiv:1909.08053, section 3; GShard,
// arXiv:2006.16668, section 3; a ring's all-reduce sends 2 (n - 1) / n of a vector):
//
//   tp   2 (tp - 1) / tp * width for each part whose maps are divided, and for the embedding
//   ep   2 (ep - 1) / ep * active * width for each layer's experts, there and back, where ep > tp;
//        otherwise an all-reduce as any other part
//   pp   width, to the next stage
//   cp   2 (cp - 1) / cp * (the outputs of its heads) for each layer that attends
#include "cost/cost.h"
#include "cost/counts.h"

#include <fovea/cost_devices.h>
#include <string.h>

void fv_cost_devices_init(fv_cost_devices *devices) {
    *devices = (fv_cost_devices){
        .tp = 1, .pp = 1, .cp = 1, .dp = 1, .ep = 1, .weight_bytes = 2, .link_bytes = 2};
}

uint64_t fv_cost_devices_count(const fv_cost_devices *d) {
    uint64_t n = d->tp;
    if (__builtin_mul_overflow(n, d->pp, &n) || __builtin_mul_overflow(n, d->cp, &n) ||
        __builtin_mul_overflow(n, d->dp, &n))
        return UINT64_MAX;
    return n;
}

static uint64_t share(uint64_t whole, uint64_t by) {
    return whole / by + (whole % by != 0);
}

fv_cost_setting fv_cost_device_setting(const fv_cost_devices *devices,
                                       const fv_cost_setting *setting) {
    fv_cost_setting mine = *setting;
    mine.tokens = share(setting->tokens, devices->cp);
    mine.batch = share(setting->batch, devices->dp);
    return mine;
}

// --- links ---------------------------------------------------------------------------------------

// Of n devices, of a vector that all of them reduce.
static double all_reduced(uint64_t n) {
    return 2.0 * (double)(n - 1) / (double)n;
}

// The width of what the part adds to the residual stream where its maps are divided; 0: they are
// not.
static double reduced_width(const cost_part *part) {
    switch (part->kind) {
    case COST_STREAMS:
    case COST_LINEAR:
    case COST_ADAPTER:
    case COST_MIXED_STREAMS:
    case COST_RWKV_TIME:
    case COST_RWKV_CHANNEL:
    case COST_LAYER_EMBEDDING:
    case COST_UNEMBEDDING:
        return 0;
    default:
        return (double)part->dims.width;
    }
}

static double attended_width(const cost_dims *d) {
    if (d->kv_rank > 0) return (double)d->heads * (double)d->kv_rank;
    return (double)d->heads * (double)(d->value_dim > 0 ? d->value_dim : d->head_dim);
}

static bool is_mixture(const cost_part *part) {
    return part->kind == COST_EXPERTS || part->kind == COST_LATENT_EXPERTS;
}

// Of the undivided model: experts that a token is sent to.
static double active_experts(const fv_cost_model *model) {
    uint64_t active = 0;
    for (int p = 0; p < model->n_parts; p++)
        if (model->parts[p].dims.active > active) active = model->parts[p].dims.active;
    return (double)active;
}

// There and back, and what every token's shared expert adds.
static double sent_to_experts(const cost_part *part, const fv_cost_devices *d, double active) {
    double width = reduced_width(part), shared = part->dims.shared_hidden > 0 ? width : 0;
    return all_reduced(d->ep) * active * width + all_reduced(d->tp) * shared;
}

// Numbers that one device of a stage sends for one token.
static double numbers_sent(const fv_cost_model *device, const fv_cost_model *model,
                           const fv_cost_devices *d, bool last) {
    double sent = 0, width = 0, active = active_experts(model);
    for (int p = 0; p < device->n_parts; p++) {
        const cost_part *part = &device->parts[p];
        double layers = (double)part->n_layers;
        if (reduced_width(part) > width) width = reduced_width(part);
        sent +=
            layers * (is_mixture(part) && d->ep > d->tp ? sent_to_experts(part, d, active)
                                                        : all_reduced(d->tp) * reduced_width(part));
        if (part->dims.heads > 0) sent += layers * all_reduced(d->cp) * attended_width(&part->dims);
    }
    return sent + (last ? 0 : width);
}

// --- memory --------------------------------------------------------------------------------------

// Bytes of `memory` that parameters leave; 0 where they leave nothing.
static uint64_t left_beside(const fv_cost_devices *d, fv_cost_number parameters) {
    fv_cost_number taken = cost_bytes_of(parameters, d->weight_bytes);
    return taken < d->memory ? d->memory - (uint64_t)taken : 0;
}

static uint64_t count_sequences(const fv_cost_model *device, const fv_cost_setting *setting,
                                uint64_t left) {
    fv_cost_setting one = *setting;
    one.batch = 1;
    fv_cost_number each = cost_memory_at(device, &one, one.tokens);
    if (each == 0) return UINT64_MAX;
    return (uint64_t)(left / each);
}

static void fit(const fv_cost_model *device, const fv_cost_devices *d,
                const fv_cost_setting *setting, fv_cost_stage *out) {
    uint64_t left = left_beside(d, out->parameters);
    if (left == 0) return;
    out->sequences = count_sequences(device, setting, left);
    out->context = fv_cost_largest_context(device, setting, left);
    if (out->context != UINT64_MAX && __builtin_mul_overflow(out->context, d->cp, &out->context))
        out->context = UINT64_MAX;
}

// --- a stage -------------------------------------------------------------------------------------

// Operations of the undivided stage for one sequence: what they are a bound of is what the
// arithmetic needs, whatever the engine multiplies.
static fv_status count_operations(const fv_cost_model *model, const fv_cost_devices *d,
                                  const fv_cost_setting *setting, uint64_t stage,
                                  fv_cost_stage *out, fv_error *error) {
    fv_cost_devices alone = *d;
    fv_cost_setting one = *setting;
    fv_cost_model *whole;
    fv_cost total;
    alone.tp = alone.cp = alone.dp = alone.ep = one.batch = 1;
    one.engine = FV_COST_ENGINE_IDEAL;
    fv_status status = fv_cost_shard(model, &alone, &one, stage, &whole, error);
    if (status == FV_OK) status = fv_cost_total(whole, &one, &total, error);
    if (status == FV_OK) {
        out->decode = total.value[FV_COST_DECODE];
        out->prefill = total.value[FV_COST_PREFILL];
    }
    fv_cost_model_free(whole);
    return status;
}

static void find_layers(const fv_cost_model *model, const fv_cost_devices *d, uint64_t stage,
                        fv_cost_stage *out) {
    for (uint64_t s = 0; s < stage; s++)
        out->first_layer += cost_stage_layers(model->n_layers - 2, d->pp, s);
    out->n_layers = cost_stage_layers(model->n_layers - 2, d->pp, stage);
}

fv_status fv_cost_stage_get(const fv_cost_model *model, const fv_cost_devices *devices,
                            const fv_cost_setting *setting, uint64_t stage, fv_cost_stage *out,
                            fv_error *error) {
    fv_cost_model *device;
    fv_cost total;
    fv_cost_setting mine = fv_cost_device_setting(devices, setting), one = mine;
    *out = (fv_cost_stage){.sequences = 0};
    fv_status status = fv_cost_shard(model, devices, setting, stage, &device, error);
    if (status != FV_OK) return status;
    find_layers(model, devices, stage, out);
    status = fv_cost_total(device, &mine, &total, error);
    if (status == FV_OK) {
        out->parameters = total.value[FV_COST_PARAMETERS];
        out->weights = total.value[FV_COST_WEIGHTS];
        out->cache = total.value[FV_COST_CACHE_ENGINE];
        out->state = total.value[FV_COST_STATE_ENGINE];
        out->sent =
            devices->link_bytes * numbers_sent(device, model, devices, stage + 1 == devices->pp);
        if (devices->memory > 0) fit(device, devices, &mine, out);
        one.batch = 1;
        status = fv_cost_total(device, &one, &total, error);
        out->traffic = total.value[FV_COST_TRAFFIC];
    }
    fv_cost_model_free(device);
    if (status == FV_OK) status = count_operations(model, devices, setting, stage, out, error);
    return status;
}
