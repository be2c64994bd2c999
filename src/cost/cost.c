#include "cost/cost.h"
#include "cost/layer_plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *unit, *meaning;
} QUANTITIES[] = {
#define QUANTITY(NAME, name, unit, meaning) {#name, unit, meaning},
    FV_COST_LIST(QUANTITY)
#undef QUANTITY
};

const char *fv_cost_name(fv_cost_quantity quantity) {
    return QUANTITIES[quantity].name;
}
const char *fv_cost_unit(fv_cost_quantity quantity) {
    return QUANTITIES[quantity].unit;
}
const char *fv_cost_meaning(fv_cost_quantity quantity) {
    return QUANTITIES[quantity].meaning;
}

void fv_cost_setting_init(fv_cost_setting *setting) {
    *setting = (fv_cost_setting){.tokens = 4096,
                                 .batch = 1,
                                 .cache_bytes = 2,
                                 .state_bytes = 2,
                                 .page = 16,
                                 .engine = FV_COST_ENGINE_IDEAL};
}

const char *fv_cost_number_text(fv_cost_number number, char *text) {
    char digits[FV_COST_DIGITS];
    char *at = digits + sizeof digits;
    *--at = '\0';
    do {
        *--at = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number > 0);
    return strcpy(text, at);
}

// --- costs -------------------------------------------------------------------------------------

static void evaluate(const cost_part *part, const fv_cost_setting *setting,
                     const cost_reserve *reserve, fv_cost *cost) {
    cost_scope s = cost_scope_make(part, setting, reserve, cost);
    for (int q = 0; q < FV_COST_COUNT; q++)
        cost->value[q] =
            formula_evaluate(cost_kind_formula(part->kind, (fv_cost_quantity)q, setting->engine),
                             cost_scope_look_up, &s);
}

// vLLM's format of latents has no bytes for keys and values of heads.
static bool takes_ds_mla(const fv_cost_model *model, fv_cost_engine engine) {
    bool holds = false;
    for (int p = 0; p < model->n_parts; p++) {
        const char *cache = cost_kind_formula(model->parts[p].kind, FV_COST_CACHE, engine);
        if (strstr(cache, "cache_bytes") != NULL) return false;
        holds = holds || strstr(cache, "latent_bytes") != NULL;
    }
    return holds;
}

static fv_status check_setting(const fv_cost_model *model, const fv_cost_setting *setting,
                               fv_error *error) {
    if (setting->ds_mla && !takes_ds_mla(model, setting->engine))
        return fv_fail(error, FV_USAGE,
                       "fp8_ds_mla is a format of the latents that DeepSeek's attention keeps, and "
                       "the family %s keeps none, or others beside them; fp8 is one byte a number",
                       model->family);
    if (setting->tokens > 0 && setting->batch > 0 && setting->page > 0 &&
        setting->cache_bytes > 0 && setting->state_bytes > 0)
        return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "context, batch and page must be at least 1, not %" PRIu64 ", %" PRIu64
                   " and %" PRIu64 ", and bytes more than 0, not %g and %g",
                   setting->tokens, setting->batch, setting->page, setting->cache_bytes,
                   setting->state_bytes);
}

fv_status fv_cost_part_cost(const fv_cost_model *model, int part, const fv_cost_setting *setting,
                            fv_cost *cost, fv_error *error) {
    fv_status status = check_setting(model, setting, error);
    if (status != FV_OK) return status;
    cost_plan plan;
    cost_plan_make(model, setting, &plan);
    evaluate(&model->parts[part], setting, &plan.parts[part], cost);
    return FV_OK;
}

// How often the quantity of one layer and sequence counts in the whole.
static fv_cost_number times(const cost_part *part, const fv_cost_setting *setting,
                            const cost_reserve *reserve, int quantity) {
    if (quantity == FV_COST_PARAMETERS || quantity == FV_COST_ACTIVE) return part->n_copies;
    if (quantity == FV_COST_WEIGHTS || quantity == FV_COST_ROUTER_BIAS) return part->n_layers;
    bool reserved = quantity == FV_COST_CACHE_ENGINE || quantity == FV_COST_STATE_ENGINE;
    fv_cost_number layers = part->n_layers + (reserved ? reserve->idle_layers : 0);
    return formula_multiply(layers, setting->batch);
}

static void add_up(const fv_cost_model *model, const fv_cost_setting *setting, fv_cost *total) {
    cost_plan plan;
    cost_plan_make(model, setting, &plan);
    *total = (fv_cost){{0}};
    for (int p = 0; p < model->n_parts; p++) {
        const cost_part *part = &model->parts[p];
        fv_cost one;
        evaluate(part, setting, &plan.parts[p], &one);
        for (int q = 0; q < FV_COST_COUNT; q++) {
            fv_cost_number n = times(part, setting, &plan.parts[p], q);
            total->value[q] = formula_add(total->value[q], formula_multiply(one.value[q], n));
        }
    }
}

fv_status fv_cost_total(const fv_cost_model *model, const fv_cost_setting *setting, fv_cost *total,
                        fv_error *error) {
    fv_status status = check_setting(model, setting, error);
    if (status == FV_OK) add_up(model, setting, total);
    return status;
}

bool fv_cost_is_packed(const fv_cost_model *model) {
    return model->packed > 0;
}

fv_cost_number fv_cost_weight_bytes(const fv_cost_model *model, double plain_bytes) {
    fv_cost_setting setting;
    fv_cost total;
    fv_cost_setting_init(&setting);
    add_up(model, &setting, &total);
    fv_cost_number all = total.value[FV_COST_PARAMETERS];
    if (all == FV_COST_TOO_LARGE || model->packed_bytes == FV_COST_TOO_LARGE)
        return FV_COST_TOO_LARGE;
    fv_cost_number plain = all > model->packed ? all - model->packed : 0;
    formula_value bytes = formula_broken(plain_bytes);
    return formula_add(model->packed_bytes, formula_scale(plain, bytes));
}

static void add_layer(const cost_layer *layer, const fv_cost *parts, fv_cost *sum) {
    *sum = (fv_cost){{0}};
    for (int i = 0; i < layer->n; i++)
        for (int q = 0; q < FV_COST_COUNT; q++) {
            bool stored = q == FV_COST_PARAMETERS || q == FV_COST_ACTIVE;
            if (stored && !layer->owns[i]) continue;
            sum->value[q] = formula_add(sum->value[q], parts[layer->parts[i]].value[q]);
        }
}

fv_status fv_cost_layers(const fv_cost_model *model, const fv_cost_setting *setting,
                         fv_cost *layers, fv_error *error) {
    fv_status status = check_setting(model, setting, error);
    if (status != FV_OK) return status;
    fv_cost *parts = calloc((size_t)model->n_parts + 1, sizeof *parts);
    if (parts == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for costs of layers");
    cost_plan plan;
    cost_plan_make(model, setting, &plan);
    for (int p = 0; p < model->n_parts; p++)
        evaluate(&model->parts[p], setting, &plan.parts[p], &parts[p]);
    for (uint64_t l = 0; l < model->n_layers; l++) add_layer(&model->layers[l], parts, &layers[l]);
    free(parts);
    return FV_OK;
}

char *fv_cost_formula(const fv_cost_model *model, int part, fv_cost_quantity quantity,
                      const fv_cost_setting *setting, bool numbers) {
    const cost_part *p = &model->parts[part];
    const char *formula = cost_kind_formula(p->kind, quantity, setting->engine);
    text_buffer text = {0};
    if (numbers) {
        fv_cost cost = {{0}};
        cost_plan plan;
        cost_plan_make(model, setting, &plan);
        evaluate(p, setting, &plan.parts[part], &cost);
        cost_scope s = cost_scope_make(p, setting, &plan.parts[part], &cost);
        formula_substitute(&text, formula, cost_scope_look_up, &s);
    } else {
        text_add(&text, "%s", formula);
    }
    if (!text.failed) return text.data;
    text_free(&text);
    return NULL;
}

fv_cost_number cost_memory_at(const fv_cost_model *model, const fv_cost_setting *setting,
                              uint64_t tokens) {
    fv_cost_setting at = *setting;
    fv_cost total;
    at.tokens = tokens;
    add_up(model, &at, &total);
    return setting->engine == FV_COST_ENGINE_IDEAL
               ? formula_add(total.value[FV_COST_CACHE_PAGED], total.value[FV_COST_STATE])
               : formula_add(total.value[FV_COST_CACHE_ENGINE], total.value[FV_COST_STATE_ENGINE]);
}

fv_cost_number cost_bytes_of(fv_cost_number number, double bytes) {
    if (bytes == floor(bytes) && bytes < 0x1p32)
        return formula_multiply(number, (fv_cost_number)bytes);
    long double product = ceill((long double)number * (long double)bytes);
    return product < 0x1p127L ? (fv_cost_number)product : FV_COST_TOO_LARGE;
}

// Tokens after which what waits for its entry (transformers, DeepSeek-V4) repeats; 0: too many to
// look at each.
static uint64_t period(const fv_cost_model *model) {
    enum { MOST = 4096 };
    uint64_t all = 1;
    for (int p = 0; p < model->n_parts; p++) {
        uint64_t rate = model->parts[p].dims.rate, a = all, b = rate;
        if (rate == 0) continue;
        while (b > 0) {
            uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (rate / a > MOST / all) return 0;
        all *= rate / a;
    }
    return all;
}

// The cache falls where an entry fills, so that a context may fit and a shorter one not. The first
// that does not lies within a period of one that does.
static uint64_t shorten(const fv_cost_model *model, const fv_cost_setting *setting, uint64_t bytes,
                        uint64_t tokens) {
    uint64_t n = setting->engine == FV_COST_ENGINE_TRANSFORMERS ? period(model) : 1;
    for (uint64_t back = 1; back < n && back < tokens; back++)
        if (cost_memory_at(model, setting, tokens - back) > bytes) {
            tokens -= back + 1;
            back = 0;
        }
    return tokens;
}

uint64_t fv_cost_largest_context(const fv_cost_model *model, const fv_cost_setting *setting,
                                 uint64_t bytes) {
    uint64_t most = UINT64_MAX / 2;
    if (cost_memory_at(model, setting, most) <= bytes) return UINT64_MAX;
    // The cache grows with the context: fits(low), but not fits(high).
    uint64_t low = 0, high = most;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (cost_memory_at(model, setting, middle) <= bytes)
            low = middle;
        else
            high = middle;
    }
    return shorten(model, setting, bytes, low);
}
