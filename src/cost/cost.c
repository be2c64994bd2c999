#include "cost/model.h"
#include "cost/formula.h"

#include <inttypes.h>
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

static const struct {
    const char *name;
    const char *formulas[FV_COST_COUNT];
} KINDS[] = {
#define KIND(NAME, text, ...) {text, {__VA_ARGS__}},
    COST_KIND_LIST(KIND)
#undef KIND
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
    *setting = (fv_cost_setting){
        .tokens = 4096, .batch = 1, .cache_bytes = 2, .state_bytes = 2, .page = 16};
}

// --- names in formulas -------------------------------------------------------------------------

typedef struct derived {
#define MEMBER(name, meaning) uint64_t name;
    COST_DERIVED_LIST(MEMBER)
#undef MEMBER
} derived;

// What a formula may name: the part's dimensions, what follows from them and the setting, and the
// quantities computed so far.
typedef struct scope {
    const cost_dims *dims;
    derived derived;
    const fv_cost *known;
} scope;

static const struct {
    const char *name, *meaning;
    bool is_derived;
    size_t offset;
} VARIABLES[] = {
#define DIMENSION(name, meaning) {#name, meaning, false, offsetof(cost_dims, name)},
#define DERIVED(name, meaning)   {#name, meaning, true, offsetof(derived, name)},
    COST_DIMENSION_LIST(DIMENSION) COST_DERIVED_LIST(DERIVED)
#undef DIMENSION
#undef DERIVED
};
enum { N_VARIABLES = sizeof VARIABLES / sizeof VARIABLES[0] };

const char *fv_cost_variable(int i, const char **meaning) {
    if (i < 0 || i >= N_VARIABLES) return NULL;
    *meaning = VARIABLES[i].meaning;
    return VARIABLES[i].name;
}

static bool is_word(const char *word, const char *name, size_t length) {
    return strlen(word) == length && memcmp(word, name, length) == 0;
}

static uint64_t look_up(const void *context, const char *name, size_t length) {
    const scope *s = context;
    for (int i = 0; i < N_VARIABLES; i++) {
        if (!is_word(VARIABLES[i].name, name, length)) continue;
        const void *from = VARIABLES[i].is_derived ? (const void *)&s->derived : s->dims;
        uint64_t value;
        memcpy(&value, (const char *)from + VARIABLES[i].offset, sizeof value);
        return value;
    }
    for (int q = 0; q < FV_COST_COUNT; q++)
        if (is_word(QUANTITIES[q].name, name, length)) return s->known->value[q];
    return FORMULA_TOO_LARGE; // no such name: the tests evaluate every formula
}

// tokens + ... in whole pages.
static uint64_t in_pages(uint64_t tokens, uint64_t page) {
    uint64_t pages = tokens / page + (tokens % page != 0);
    return formula_multiply(pages, page);
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

// 1 + 2 + ... + n; the even one of n and n + 1 is halved before they are multiplied.
static uint64_t triangle(uint64_t n) {
    if (n == UINT64_MAX) return FORMULA_TOO_LARGE;
    return n % 2 ? formula_multiply(n, (n + 1) / 2) : formula_multiply(n / 2, n + 1);
}

static uint64_t count_pairs(uint64_t tokens, uint64_t window, bool full) {
    if (full) return formula_multiply(tokens, tokens);
    return formula_add(triangle(window), formula_multiply(tokens - window, window));
}

static scope make_scope(const cost_part *part, const fv_cost_setting *setting,
                        const fv_cost *known) {
    uint64_t tokens = setting->tokens, window = part->dims.window;
    uint64_t keys = window ? smaller(tokens, window) : tokens;
    uint64_t paged = in_pages(tokens, setting->page);
    uint64_t moving = formula_add(in_pages(keys, setting->page), setting->page);
    return (scope){.dims = &part->dims,
                   .known = known,
                   .derived = {.tokens = tokens,
                               .cache_bytes = setting->cache_bytes,
                               .state_bytes = setting->state_bytes,
                               .pairs = count_pairs(tokens, keys, setting->full),
                               .keys = keys,
                               .paged_tokens = paged,
                               .paged_keys = keys < tokens ? smaller(moving, paged) : paged,
                               .recompute = setting->recompute}};
}

// --- costs -------------------------------------------------------------------------------------

static void evaluate(const cost_part *part, const fv_cost_setting *setting, fv_cost *cost) {
    scope s = make_scope(part, setting, cost);
    for (int q = 0; q < FV_COST_COUNT; q++)
        cost->value[q] = formula_evaluate(KINDS[part->kind].formulas[q], look_up, &s);
}

static fv_status check_setting(const fv_cost_setting *setting, fv_error *error) {
    if (setting->tokens > 0 && setting->batch > 0 && setting->page > 0 &&
        setting->cache_bytes > 0 && setting->state_bytes > 0)
        return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "context, batch, page and bytes must be at least 1, not %" PRIu64 ", %" PRIu64
                   ", %" PRIu64 ", %" PRIu64 " and %" PRIu64,
                   setting->tokens, setting->batch, setting->page, setting->cache_bytes,
                   setting->state_bytes);
}

static fv_status check_size(const fv_cost *cost, const char *what, const fv_cost_setting *setting,
                            fv_error *error) {
    for (int q = 0; q < FV_COST_COUNT; q++)
        if (cost->value[q] == FORMULA_TOO_LARGE)
            return fv_fail(error, FV_USAGE,
                           "%s of %s at a context of %" PRIu64 " and a batch of %" PRIu64
                           " exceeds 64 bits; shorten the context",
                           QUANTITIES[q].name, what, setting->tokens, setting->batch);
    return FV_OK;
}

fv_status fv_cost_part_cost(const fv_cost_model *model, int part, const fv_cost_setting *setting,
                            fv_cost *cost, fv_error *error) {
    fv_status status = check_setting(setting, error);
    if (status != FV_OK) return status;
    evaluate(&model->parts[part], setting, cost);
    return check_size(cost, model->parts[part].name, setting, error);
}

// How often the quantity of one layer and sequence counts in the whole.
static uint64_t times(const cost_part *part, const fv_cost_setting *setting, int quantity) {
    if (quantity == FV_COST_PARAMETERS) return part->n_copies;
    if (quantity == FV_COST_WEIGHTS) return part->n_layers;
    return formula_multiply(part->n_layers, setting->batch);
}

static void add_up(const fv_cost_model *model, const fv_cost_setting *setting, fv_cost *total) {
    *total = (fv_cost){{0}};
    for (int p = 0; p < model->n_parts; p++) {
        fv_cost one;
        evaluate(&model->parts[p], setting, &one);
        for (int q = 0; q < FV_COST_COUNT; q++)
            total->value[q] =
                formula_add(total->value[q],
                            formula_multiply(one.value[q], times(&model->parts[p], setting, q)));
    }
}

fv_status fv_cost_total(const fv_cost_model *model, const fv_cost_setting *setting, fv_cost *total,
                        fv_error *error) {
    fv_status status = check_setting(setting, error);
    if (status != FV_OK) return status;
    add_up(model, setting, total);
    return check_size(total, "the model", setting, error);
}

fv_status fv_cost_layer(const fv_cost_model *model, uint64_t layer, const fv_cost_setting *setting,
                        fv_cost *cost, fv_error *error) {
    fv_status status = check_setting(setting, error);
    if (status != FV_OK) return status;
    const cost_layer *l = &model->layers[layer];
    *cost = (fv_cost){{0}};
    for (int i = 0; i < l->n; i++) {
        fv_cost part;
        evaluate(&model->parts[l->parts[i]], setting, &part);
        if (!l->owns[i]) part.value[FV_COST_PARAMETERS] = 0;
        for (int q = 0; q < FV_COST_COUNT; q++)
            cost->value[q] = formula_add(cost->value[q], part.value[q]);
    }
    return check_size(cost, "a layer", setting, error);
}

char *fv_cost_formula(const fv_cost_model *model, int part, fv_cost_quantity quantity,
                      const fv_cost_setting *setting, bool numbers) {
    const cost_part *p = &model->parts[part];
    const char *formula = KINDS[p->kind].formulas[quantity];
    text_buffer text = {0};
    if (numbers) {
        fv_cost cost = {{0}};
        evaluate(p, setting, &cost);
        scope s = make_scope(p, setting, &cost);
        formula_substitute(&text, formula, look_up, &s);
    } else {
        text_add(&text, "%s", formula);
    }
    if (!text.failed) return text.data;
    text_free(&text);
    return NULL;
}

// The paged cache and the state of all sequences.
static uint64_t memory_at(const fv_cost_model *model, const fv_cost_setting *setting,
                          uint64_t tokens) {
    fv_cost_setting at = *setting;
    fv_cost total;
    at.tokens = tokens;
    add_up(model, &at, &total);
    return formula_add(total.value[FV_COST_CACHE_PAGED], total.value[FV_COST_STATE]);
}

uint64_t fv_cost_largest_context(const fv_cost_model *model, const fv_cost_setting *setting,
                                 uint64_t bytes) {
    uint64_t most = UINT64_MAX / 2;
    if (memory_at(model, setting, most) <= bytes) return UINT64_MAX;
    // The cache grows with the context: fits(low), but not fits(high).
    uint64_t low = 0, high = most;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (memory_at(model, setting, middle) <= bytes)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// --- the model ---------------------------------------------------------------------------------

static void name_part(cost_part *part) {
    if (part->dims.window > 0)
        snprintf(part->name, sizeof part->name, "%s, window %" PRIu64, KINDS[part->kind].name,
                 part->dims.window);
    else
        snprintf(part->name, sizeof part->name, "%s", KINDS[part->kind].name);
}

static int find_part(fv_cost_model *model, cost_kind kind, const cost_dims *dims) {
    for (int p = 0; p < model->n_parts; p++)
        if (model->parts[p].kind == kind && memcmp(&model->parts[p].dims, dims, sizeof *dims) == 0)
            return p;
    if (model->n_parts == COST_MAX_PARTS) return -1;
    cost_part *part = &model->parts[model->n_parts];
    *part = (cost_part){.kind = kind, .dims = *dims};
    name_part(part);
    return model->n_parts++;
}

bool cost_model_add(fv_cost_model *model, uint64_t layer, cost_kind kind, const cost_dims *dims,
                    uint64_t n_copies) {
    cost_layer *l = &model->layers[layer];
    int p = find_part(model, kind, dims);
    if (p < 0 || l->n == COST_LAYER_PARTS) return false;
    cost_part *part = &model->parts[p];
    bool owns = n_copies == 0 || part->n_copies < n_copies;
    part->n_layers++;
    part->n_copies += owns;
    l->parts[l->n] = (uint8_t)p;
    l->owns[l->n++] = owns;
    return true;
}

void fv_cost_model_free(fv_cost_model *model) {
    if (model == NULL) return;
    free(model->layers);
    free(model);
}

const char *fv_cost_model_family(const fv_cost_model *model) {
    return model->family;
}
uint64_t fv_cost_model_max_tokens(const fv_cost_model *model) {
    return model->max_tokens;
}
int fv_cost_n_parts(const fv_cost_model *model) {
    return model->n_parts;
}
uint64_t fv_cost_n_layers(const fv_cost_model *model) {
    return model->n_layers;
}

void fv_cost_part_get(const fv_cost_model *model, int part, fv_cost_part *out) {
    const cost_part *p = &model->parts[part];
    *out = (fv_cost_part){.name = p->name,
                          .n_layers = p->n_layers,
                          .n_copies = p->n_copies,
                          .kv_heads = p->dims.kv_heads,
                          .query_heads = p->dims.heads};
}

int fv_cost_layer_parts(const fv_cost_model *model, uint64_t layer, int *parts, int capacity) {
    const cost_layer *l = &model->layers[layer];
    for (int i = 0; i < l->n && i < capacity; i++) parts[i] = l->parts[i];
    return l->n;
}
