// Bounds of time. A device of stage s needs, for b sequences of one step,
//
//     t(s, b) >= max(b * decode(s) / (tp * cp) / flops,
//                    (weights(s) * weight_bytes + b * traffic(s)) / bandwidth)
//
// The operations of a stage are divided evenly, which no division beats; the bytes are those of the
// device that holds most. A step of all sequences takes at least as long as the slowest stage, and
// as a token takes through all stages alone:
//
//     step >= max(max over s of t(s, b), sum over s of t(s, 1))
//
// A prompt takes at least as long as its operations on all devices of a replica, and as its last
// token takes through all stages. Experts that other sequences meet are not counted: so many
// weights are read at least.
#include <fovea/cost_devices.h>

typedef struct sums {
    double slowest, slowest_bytes; // of a step
    double through, through_bytes; // of one token through all stages
    double prefill, slowest_prefill;
} sums;

static double larger(double a, double b) {
    return a > b ? a : b;
}

static void add_stage(const fv_cost_stage *s, const fv_cost_devices *d, uint64_t batch, sums *sum) {
    double operations = (double)s->decode / (double)d->tp / (double)d->cp / d->flops;
    double weights = (double)s->weights * d->weight_bytes / d->bandwidth;
    double traffic = (double)s->traffic / d->bandwidth;
    double bytes = weights + (double)batch * traffic;
    sum->slowest = larger(sum->slowest, larger((double)batch * operations, bytes));
    sum->slowest_bytes = larger(sum->slowest_bytes, bytes);
    sum->through += larger(operations, weights + traffic);
    sum->through_bytes += weights + traffic;
    double prefill = (double)s->prefill / (double)d->tp / (double)d->cp / d->flops;
    sum->prefill += prefill;
    sum->slowest_prefill = larger(sum->slowest_prefill, larger(prefill, weights));
}

fv_status fv_cost_bound_get(const fv_cost_model *model, const fv_cost_devices *devices,
                            const fv_cost_setting *setting, fv_cost_bound *out, fv_error *error) {
    uint64_t batch = fv_cost_device_setting(devices, setting).batch;
    sums sum = {0};
    *out = (fv_cost_bound){.step = 0};
    for (uint64_t s = 0; s < devices->pp; s++) {
        fv_cost_stage stage;
        fv_status status = fv_cost_stage_get(model, devices, setting, s, &stage, error);
        if (status != FV_OK) return status;
        add_stage(&stage, devices, batch, &sum);
    }
    double prefill = sum.prefill / (double)devices->pp;
    out->first_token = larger(prefill, sum.through);
    out->first_token_by_memory = sum.through > prefill && sum.through_bytes >= sum.through;
    out->step = larger(sum.slowest, sum.through);
    out->step_by_memory = larger(sum.slowest_bytes, sum.through_bytes) >= out->step;
    out->tokens_a_second = (double)setting->batch / out->step;
    out->prompt_a_second = (double)setting->tokens * (double)devices->dp / sum.slowest_prefill;
    return FV_OK;
}
