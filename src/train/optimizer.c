#include "train/optimizer.h"

#include <math.h>

static const optimizer_type *const optimizers[] = {
#define FV_PART_OPTIMIZER(NAME, name) &optimizer_##name,
#include <fovea/fields.def>
};

const config_part *const FV_PARTS_OF_OPTIMIZER[] = {
#define FV_PART_OPTIMIZER(NAME, name) &optimizer_##name.part,
#include <fovea/fields.def>
};

const char *FV_LACKS_OF_OPTIMIZER(int kind) {
    return optimizers[kind]->step == NULL ? "step" : NULL;
}

static void clip(const train_optimizer *o, real *gradient) {
    double square = 0;
    for (size_t i = 0; i < o->n; i++) square += (double)gradient[i] * (double)gradient[i];
    double norm = sqrt(square);
    if (!(norm > o->config->clip_norm)) return;
    real factor = (real)(o->config->clip_norm / norm);
    for (size_t i = 0; i < o->n; i++) gradient[i] *= factor;
}

fv_status optimizer_open(train_optimizer *o, const fv_model *model, fv_error *error) {
    const optimizer_type *type = optimizers[o->config->optimizer];
    return type->create ? type->create(o, model, error) : FV_OK;
}

void optimizer_close(train_optimizer *o) {
    if (o->own != NULL) optimizers[o->config->optimizer]->free(o);
    o->own = NULL;
}

real *optimizer_carried(const train_optimizer *o) {
    const optimizer_type *type = optimizers[o->config->optimizer];
    return type->carried ? type->carried(o) : NULL;
}

void optimizer_step(const train_optimizer *o, const kernel_set *kernels, int step, real *gradient) {
    const fv_train_config *c = o->config;
    const optimizer_type *type = optimizers[c->optimizer];
    if (c->clip_norm > 0) clip(o, gradient);
    if (c->weight_decay > 0 && !type->decoupled)
        for (size_t i = 0; i < o->n; i++) gradient[i] += (real)c->weight_decay * o->params[i];
    type->step(o, kernels, step, schedule_rate(c, step), gradient);
}
