#include "cost/scope.h"

#include <string.h>

static const char *const QUANTITIES[] = {
#define QUANTITY(NAME, name, unit, meaning) #name,
    FV_COST_LIST(QUANTITY)
#undef QUANTITY
};

static const struct {
    const char *name, *meaning;
    bool is_derived;
    size_t offset;
} VARIABLES[] = {
#define DIMENSION(name, meaning) {#name, meaning, false, offsetof(cost_dims, name)},
#define DERIVED(name, meaning)   {#name, meaning, true, offsetof(cost_scope, name)},
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
    return strncmp(word, name, length) == 0 && word[length] == '\0';
}

formula_value cost_scope_look_up(const void *context, const char *name, size_t length) {
    const cost_scope *s = context;
    for (int i = 0; i < N_VARIABLES; i++) {
        if (!is_word(VARIABLES[i].name, name, length)) continue;
        formula_value value;
        uint64_t whole;
        if (VARIABLES[i].is_derived) {
            memcpy(&value, (const char *)s + VARIABLES[i].offset, sizeof value);
            return value;
        }
        memcpy(&whole, (const char *)s->dims + VARIABLES[i].offset, sizeof whole);
        return formula_whole(whole);
    }
    for (int q = 0; q < FV_COST_COUNT; q++)
        if (is_word(QUANTITIES[q], name, length)) return formula_whole(s->known->value[q]);
    return formula_whole(FORMULA_TOO_LARGE); // no such name: the tests evaluate every formula
}

// --- counting ----------------------------------------------------------------------------------

fv_cost_number cost_in_pages(fv_cost_number tokens, fv_cost_number page) {
    fv_cost_number pages = tokens / page + (tokens % page != 0);
    return formula_multiply(pages, page);
}

static fv_cost_number smaller(fv_cost_number a, fv_cost_number b) {
    return a < b ? a : b;
}

// 1 + 2 + ... + n for n of 64 bits.
static fv_cost_number triangle(fv_cost_number n) {
    return n % 2 ? formula_multiply(n, (n + 1) / 2) : formula_multiply(n / 2, n + 1);
}

static fv_cost_number count_pairs(fv_cost_number tokens, fv_cost_number window, uint64_t chunk,
                                  bool full) {
    if (full) return formula_multiply(tokens, tokens);
    if (chunk > 0)
        return formula_add(formula_multiply(tokens / chunk, triangle(chunk)),
                           triangle(tokens % chunk));
    return formula_add(triangle(window), formula_multiply(tokens - window, window));
}

// The sum of floor(q / rate) for q = 1 ... n: entries of `rate` tokens that are complete.
static fv_cost_number count_entries(fv_cost_number n, uint64_t rate) {
    fv_cost_number whole = n / rate, rest = n % rate;
    fv_cost_number full = whole > 0 ? formula_multiply(rate, triangle(whole - 1)) : 0;
    return formula_add(full, formula_multiply(rest + 1, whole));
}

// The same where a query reads at most `most` of them.
static fv_cost_number count_picked(fv_cost_number n, uint64_t rate, uint64_t most) {
    fv_cost_number last = (fv_cost_number)rate * most; // from here on it reads `most`
    if (n <= last) return count_entries(n, rate);
    return formula_add(count_entries(last, rate), formula_multiply(n - last, most));
}

// Of two positions within a chunk of `scan` tokens, either way.
static fv_cost_number count_scan_pairs(fv_cost_number tokens, uint64_t scan) {
    fv_cost_number whole = formula_multiply(tokens / scan, formula_multiply(scan, scan));
    return formula_add(whole, formula_multiply(tokens % scan, tokens % scan));
}

// --- the bytes of a compressed token -----------------------------------------------------------

// fp8_ds_mla of vLLM (csrc/cache_kernels.cu and deepseek_v4): the latent in 8 bits, a float for
// each 128 numbers, and the rotary part in 16: 512 + 16 + 128 = 656 bytes. DeepSeek-V4 takes the
// rotary part out of the latent and scales 64 numbers by 8 bits, in whole 8 bytes: 448 + 128 + 8 =
// 584.
static formula_value latent_bytes(const cost_dims *d, const fv_cost_setting *setting,
                                  formula_value cache_bytes) {
    uint64_t width = d->kv_rank > 0 ? d->kv_rank + d->rope : d->head_dim;
    if (!setting->ds_mla)
        return (formula_value){formula_multiply(width, cache_bytes.n), cache_bytes.power};
    if (d->kv_rank > 0)
        return formula_whole(d->kv_rank + (d->kv_rank + 127) / 128 * 4 + 2 * d->rope);
    uint64_t plain = d->head_dim > d->rope ? d->head_dim - d->rope : 0;
    return formula_whole(plain + 2 * d->rope + (plain / 64 + 7) / 8 * 8);
}

// The indexer's keys in the same format: 8 bits, and a float for each 128 numbers.
static formula_value index_bytes(const cost_dims *d, const fv_cost_setting *setting,
                                 formula_value cache_bytes) {
    if (setting->ds_mla) return formula_whole(d->index_dim + (d->index_dim + 127) / 128 * 4);
    return (formula_value){formula_multiply(d->index_dim, cache_bytes.n), cache_bytes.power};
}

// --- a scope -----------------------------------------------------------------------------------

static void count_compressed(cost_scope *s, const cost_dims *d, const fv_cost_setting *setting) {
    uint64_t tokens = setting->tokens, rate = d->rate > 0 ? d->rate : 1;
    uint64_t most = d->topk > 0 ? d->topk : UINT64_MAX;
    fv_cost_number entries = tokens / rate;
    fv_cost_number all = formula_multiply(tokens, entries);
    s->entries = formula_whole(entries);
    s->picked = formula_whole(smaller(entries, most));
    s->entry_pairs = formula_whole(setting->full ? all : count_entries(tokens, rate));
    s->picked_pairs = formula_whole(setting->full ? all : count_picked(tokens, rate, most));
}

cost_scope cost_scope_make(const cost_part *part, const fv_cost_setting *setting,
                           const cost_reserve *reserve, const fv_cost *known) {
    const cost_dims *d = &part->dims;
    fv_cost_number tokens = setting->tokens;
    uint64_t most = d->chunk > 0 ? d->chunk : d->window;
    fv_cost_number keys = most > 0 ? smaller(tokens, most) : tokens;
    fv_cost_number paged = cost_in_pages(tokens, setting->page);
    fv_cost_number moving = formula_add(cost_in_pages(keys, setting->page), setting->page);
    fv_cost_number pairs = count_pairs(tokens, keys, d->chunk, setting->full);
    uint64_t scan = d->scan > 0 ? d->scan : 1;
    bool wasteful = d->all_experts && setting->engine == FV_COST_ENGINE_TRANSFORMERS;
    cost_held held = cost_engine_holds(d, setting, reserve->block);
    formula_value cache_bytes = formula_broken(setting->cache_bytes);
    cost_scope s = {.dims = d,
                    .known = known,
                    .tokens = formula_whole(tokens),
                    .logits = formula_whole(setting->all_logits ? tokens : 1),
                    .cache_bytes = cache_bytes,
                    .latent_bytes = latent_bytes(d, setting, cache_bytes),
                    .index_bytes = index_bytes(d, setting, cache_bytes),
                    .state_bytes = formula_broken(setting->state_bytes),
                    .pairs = formula_whole(pairs),
                    .keys = formula_whole(keys),
                    .paged_tokens = formula_whole(paged),
                    .paged_keys = formula_whole(keys < tokens ? smaller(moving, paged) : paged),
                    .held_keys = formula_whole(held.keys),
                    .held_entries = formula_whole(held.entries),
                    .held_taps = formula_whole(held.taps),
                    .held_state_bytes = formula_broken(held.state_bytes),
                    .held_conv_bytes = formula_broken(held.conv_bytes),
                    .past_taps = formula_whole(d->conv > 0 ? d->conv - 1 : 0),
                    .chunks = formula_whole(tokens / scan + (tokens % scan != 0)),
                    .scan_pairs = formula_whole(count_scan_pairs(tokens, scan)),
                    .state_padding = formula_whole(reserve->state_padding),
                    .buffered = formula_whole(held.buffered),
                    .idle = formula_whole(wasteful ? d->experts - d->active : 0),
                    .single = formula_whole(wasteful ? 0 : d->active),
                    .together = formula_whole(wasteful ? d->experts : 0),
                    .gates = formula_whole(d->matrices == 3),
                    .recompute = formula_whole(setting->recompute)};
    count_compressed(&s, d, setting);
    return s;
}
