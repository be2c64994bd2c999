#include "train/optimizer.h"

#include <math.h>
#include <string.h>

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

void optimizer_keep(train_optimizer *o, const train_optimizer *from) {
    real *own = optimizer_carried(o);
    memcpy(o->m, from->m, o->n * sizeof *o->m);
    memcpy(o->v, from->v, o->n * sizeof *o->v);
    if (own != NULL) memcpy(own, optimizer_carried(from), o->n * sizeof *own);
    o->first_step = from->first_step;
}

void optimizer_step(const train_optimizer *o, const kernel_set *kernels, int step, real *gradient) {
    const fv_train_config *c = o->config;
    const optimizer_type *type = optimizers[c->optimizer];
    for (int i = 0; i < o->n_frozen; i++)
        memset(gradient + o->frozen[i].offset, 0, o->frozen[i].size * sizeof *gradient);
    if (c->clip_norm > 0) clip(o, gradient);
    if (c->weight_decay > 0 && !type->decoupled)
        for (size_t i = 0; i < o->n; i++) gradient[i] += (real)c->weight_decay * o->params[i];
    type->step(o, kernels, step, schedule_rate(c, step), gradient);
}
