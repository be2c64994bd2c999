#include "claims/comparable.h"

#include "lab/adaptive.h"
#include "lab/choose.h"
#include "lab/sweep.h"

#include <fovea/config.h>
#include <stdlib.h>
#include <string.h>

static bool is_compared(const fv_field *field) {
#define NAME(section, name) #section "." #name,
    static const char *const uncompared[] = {FV_UNCOMPARED_FIELDS(NAME) NULL};
#undef NAME
    for (int i = 0; uncompared[i] != NULL; i++)
        if (strcmp(uncompared[i], field->key) == 0) return false;
    return true;
}

// Fields in which a run here and one of the file may differ. What an adaptive sweep runs follows
// from its results, and overrides cannot replace the fields that it refines, or that are chosen.
typedef struct fields {
    int n;
    const fv_field **items;
} fields;

static bool find_fields(const fv_experiment *here, bool uncompared, fields *found) {
    const fv_experiment *there = here->published;
    int n;
    const fv_field *all = fv_fields(&n);
    found->n = 0;
    found->items = calloc((size_t)n, sizeof *found->items);
    for (int i = 0; found->items != NULL && i < n; i++) {
        char a[FV_VALUE_SIZE], b[FV_VALUE_SIZE];
        fv_config_get(here->base, &all[i], a, sizeof a);
        fv_config_get(there->base, &all[i], b, sizeof b);
        bool differs = strcmp(a, b) != 0 || sweep_has(here, &all[i]) || sweep_has(there, &all[i]);
        if (differs && (uncompared || is_compared(&all[i])) &&
            !adaptive_has(here->adaptive, &all[i]) && !choose_has(here->choose, &all[i]))
            found->items[found->n++] = &all[i];
    }
    return found->items != NULL;
}

// Numbers that stand for configurations, or for values of one field: sorted, each once.
typedef struct hashes {
    int n;
    uint64_t *items;
} hashes;

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool has(const hashes *set, uint64_t hash) {
    return set->n > 0 && bsearch(&hash, set->items, (size_t)set->n, sizeof hash, compare) != NULL;
}

static bool contains(const hashes *set, const hashes *part) {
    for (int i = 0; i < part->n; i++)
        if (!has(set, part->items[i])) return false;
    return true;
}

// Of the runs that the claim selects (all, without a claim), with those left out as optional if
// they are `all` wanted.
static bool collect(const fv_experiment *experiment, const claim_plan *plan, bool all,
                    const fv_field *const *items, int n_items, hashes *set) {
    int n = experiment->n_runs, total = n + (all ? experiment->n_left_out : 0), kept = 0;
    *set = (hashes){0, calloc((size_t)total + 1, sizeof *set->items)};
    if (set->items == NULL) return false;
    for (int i = 0; i < total; i++) {
        fv_config config;
        if (i < n)
            fv_experiment_config(experiment, i, &config);
        else
            sweep_left_out(experiment, i - n, &config);
        if (plan == NULL || claim_selects(plan, &config))
            set->items[set->n++] = sweep_hash(TEXT_HASH_START, &config, items, n_items);
    }
    qsort(set->items, (size_t)set->n, sizeof *set->items, compare);
    for (int i = 0; i < set->n; i++)
        if (kept == 0 || set->items[i] != set->items[kept - 1]) set->items[kept++] = set->items[i];
    set->n = kept;
    return true;
}

// Whether the runs here are others than those of the file, or fewer, by some fields together.
// Optional runs of the file may be here and need not.
static bool differ(const fv_experiment *here, const claim_plan *plan, const fv_field *const *items,
                   int n, bool *changed) {
    hashes now, all, needed = {0};
    bool done = collect(here, plan, false, items, n, &now);
    bool known = collect(here->published, plan, true, items, n, &all);
    done = done && known && collect(here->published, plan, false, items, n, &needed);
    if (done) *changed = !contains(&all, &now) || !contains(&now, &needed);
    free(now.items);
    free(all.items);
    free(needed.items);
    return done;
}

// Blames the fields whose values differ; the sweep where only their combinations do.
static bool describe(const fv_experiment *here, const claim_plan *plan, const fields *among,
                     text_buffer *why) {
    bool any = false;
    for (int i = 0; i < among->n; i++) {
        bool changed;
        if (!differ(here, plan, &among->items[i], 1, &changed)) return false;
        if (changed) text_add(why, "%s%s was changed", any ? ", " : "", among->items[i]->key);
        any |= changed;
    }
    if (!any) text_add(why, "the sweep was changed");
    return !why->failed;
}

static fv_status find(const fv_experiment *experiment, const claim_plan *plan, bool uncompared,
                      text_buffer *why, fv_error *error) {
    if (!experiment->overridden) return FV_OK;
    if (experiment->published == NULL) {
        text_add(why, "without the overrides the file is a mistake");
        return FV_OK;
    }
    fields among;
    bool changed = false;
    bool done = find_fields(experiment, uncompared, &among) &&
                differ(experiment, plan, among.items, among.n, &changed);
    if (done && changed) done = describe(experiment, plan, &among, why);
    free(among.items);
    return done
               ? FV_OK
               : fv_fail(error, FV_NO_MEMORY, "no memory for the verdicts of %s", experiment->path);
}

fv_status comparable_find(const fv_experiment *experiment, const claim_plan *plan, text_buffer *why,
                          fv_error *error) {
    return find(experiment, plan, false, why, error);
}

fv_status comparable_blame(const fv_experiment *experiment, text_buffer *why, fv_error *error) {
    return find(experiment, NULL, true, why, error);
}
