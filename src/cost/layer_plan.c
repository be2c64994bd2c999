// vLLM has one pool of pages for all layers, so that pages of all layers are equally large
// (vllm/model_executor/models/config.py and platforms/interface.py:
// HybridAttentionMambaModelConfig; v1/core/kv_cache_utils.py: unify_kv_cache_spec_page_size,
// _get_kv_cache_groups_uniform_page_size).
//
//   A state takes a page. The blocks of attention are raised, in steps of 16 tokens, until a page
//   holds the largest state:
//       block = max(page, 16 * ceil(state / (16 * bytes a token of a layer)))
//   and states are padded to block * bytes a token. Layers of fewer bytes a token have blocks of
//   as many more tokens, where that divides.
//
//   Layers of a kind (all keys, a window, a chunk, a state) are put into groups of equally many
//   layers: as many as the kind has that has fewest, or those of the largest kind where that is
//   less than half as many again. The last group of a kind is filled up with layers that hold
//   nothing.
//
// Models of one kind of layers are left alone. This is the mode without a cache of prefixes; with
// one, a state takes two pages (mamba_cache_mode align). Read off vLLM's logs: blocks of 544 tokens
// for Qwen3.5-0.8B (states padded by 2.64 %), 528 for 9B, 784 for 27B (0.13 %), 1056 for 35B-A3B
// (0.76 %), and for Gemma-3-27B 8 idle layers (15.38 %).
#include "cost/layer_plan.h"

enum { BLOCK_STEP = 16 };

// One quantity of a part, as if it were alone. Unlike fv_cost_part_cost it computes only what it
// needs: the formula must not use other quantities.
static fv_cost_number cost_plan_quantity(const cost_part *part, const fv_cost_setting *setting,
                                         fv_cost_quantity quantity) {
    const cost_reserve alone = {.block = setting->page};
    fv_cost known = {{0}};
    cost_scope s = cost_scope_make(part, setting, &alone, &known);
    return formula_evaluate(cost_kind_formula(part->kind, quantity, setting->engine),
                            cost_scope_look_up, &s);
}

// What one layer of a part takes: bytes of one token, or of a state.
typedef struct layer_need {
    fv_cost_number token, state;
    uint64_t window, chunk;
} layer_need;

static layer_need need_of(const cost_part *part, const fv_cost_setting *setting) {
    fv_cost_setting one = *setting;
    one.tokens = 1;
    layer_need need = {.token = cost_plan_quantity(part, &one, FV_COST_CACHE),
                       .state = cost_plan_quantity(part, setting, FV_COST_STATE_ENGINE)};
    if (need.token > 0) {
        need.window = part->dims.window;
        need.chunk = part->dims.chunk;
    }
    return need;
}

static bool takes(const layer_need *n) {
    return n->token > 0 || n->state > 0;
}

// Kinds of layers, whatever their sizes.
static bool same_kind(const layer_need *a, const layer_need *b) {
    return (a->state > 0) == (b->state > 0) && a->window == b->window && a->chunk == b->chunk;
}

static bool same_need(const layer_need *a, const layer_need *b) {
    return same_kind(a, b) && a->token == b->token && a->state == b->state;
}

typedef struct needs {
    int n;
    layer_need of[COST_MAX_PARTS];
    fv_cost_number token, state; // the largest of each
} needs;

// False where all layers that take anything are of one kind, or make entries of several tokens:
// those have pools of their own.
static bool are_mixed(const fv_cost_model *model, const needs *all) {
    int first = -1;
    bool mixed = false;
    for (int p = 0; p < all->n; p++) {
        if (model->parts[p].dims.output_rank > 0) return false;
        if (!takes(&all->of[p])) continue;
        if (first < 0) first = p;
        mixed |= !same_kind(&all->of[first], &all->of[p]);
    }
    return mixed;
}

static void size_pages(const needs *all, const fv_cost_setting *setting, cost_plan *plan) {
    plan->block = setting->page;
    if (all->state > 0 && all->token > 0) {
        fv_cost_number step = formula_multiply(BLOCK_STEP, all->token);
        fv_cost_number steps = all->state / step + (all->state % step != 0);
        if (steps < UINT64_MAX / BLOCK_STEP && steps * BLOCK_STEP > plan->block)
            plan->block = (uint64_t)steps * BLOCK_STEP;
    }
    plan->page = all->token > 0 ? formula_multiply(plan->block, all->token) : all->state;
    plan->state = all->state;
    for (int p = 0; p < all->n; p++) {
        const layer_need *n = &all->of[p];
        cost_reserve *r = &plan->parts[p];
        if (n->state > 0 && plan->page > n->state) r->state_padding = plan->page - n->state;
        if (n->token == 0) continue;
        r->block = plan->block;
        fv_cost_number more = all->token / n->token;
        if (all->token % n->token == 0 && more <= UINT64_MAX / plan->block)
            r->block = plan->block * (uint64_t)more;
    }
}

// Layers that need what part p does; 0 where an earlier part stands for it.
static uint64_t count_alike(const fv_cost_model *model, const needs *all, int p) {
    uint64_t layers = 0;
    if (!takes(&all->of[p])) return 0;
    for (int q = 0; q < all->n; q++) {
        if (!same_need(&all->of[p], &all->of[q])) continue;
        if (q < p) return 0;
        layers += model->parts[q].n_layers;
    }
    return layers;
}

static void fill_groups(const fv_cost_model *model, const needs *all, cost_plan *plan) {
    uint64_t least = UINT64_MAX, most = 0;
    for (int p = 0; p < all->n; p++) {
        uint64_t layers = count_alike(model, all, p);
        if (layers > 0 && layers < least) least = layers;
        if (layers > most) most = layers;
    }
    if (most == 0) return; // nothing is kept
    plan->group = 2 * most < 3 * least ? most : least;
    for (int p = 0; p < all->n; p++) {
        uint64_t over = count_alike(model, all, p) % plan->group;
        if (over == 0) continue;
        plan->parts[p].idle_layers = plan->group - over;
        plan->n_idle += plan->group - over;
    }
}

void cost_plan_make(const fv_cost_model *model, const fv_cost_setting *setting, cost_plan *plan) {
    needs all = {.n = model->n_parts};
    *plan = (cost_plan){.page = 0};
    for (int p = 0; p < model->n_parts; p++) plan->parts[p].block = setting->page;
    if (setting->engine != FV_COST_ENGINE_VLLM) return;
    for (int p = 0; p < all.n; p++) {
        all.of[p] = need_of(&model->parts[p], setting);
        if (all.of[p].token > all.token) all.token = all.of[p].token;
        if (all.of[p].state > all.state) all.state = all.of[p].state;
    }
    if (!are_mixed(model, &all)) return;
    size_pages(&all, setting, plan);
    fill_groups(model, &all, plan);
}

void fv_cost_pool_get(const fv_cost_model *model, const fv_cost_setting *setting,
                      fv_cost_pool *out) {
    cost_plan plan;
    cost_plan_make(model, setting, &plan);
    *out = (fv_cost_pool){.block = plan.block,
                          .page = plan.page,
                          .state = plan.state,
                          .group = plan.group,
                          .idle_layers = plan.n_idle};
}
