#include "ring/ring_schedule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *help;
} LAYOUTS[] = {
#define LAYOUT(NAME, name, help) {name, help},
    FV_RING_LAYOUT_LIST(LAYOUT)
#undef LAYOUT
};

const char *fv_ring_layout_name(fv_ring_layout layout) {
    return LAYOUTS[layout].name;
}

bool fv_ring_layout_find(const char *name, fv_ring_layout *layout) {
    for (int i = 0; i < FV_RING_LAYOUT_COUNT; i++) {
        if (strcmp(name, LAYOUTS[i].name) != 0) continue;
        *layout = (fv_ring_layout)i;
        return true;
    }
    return false;
}

// Piece i of `parts` whose lengths differ by at most one, so that no n needs padding.
static position_range part(int64_t n, int64_t parts, int64_t i) {
    int64_t shorter = n / parts, longer = n % parts; // the first `longer` parts have one more
    int64_t first = i * shorter + (i < longer ? i : longer);
    return (position_range){shorter + (i < longer), first, 1};
}

attention_placement ring_placement(fv_ring_layout layout, int64_t n, int n_ranks, int rank) {
    attention_placement at = {.n_ranges = 1};
    switch (layout) {
    case FV_RING_STRIPED:
        at.ranges[0] = (position_range){(n - rank + n_ranks - 1) / n_ranks, rank, n_ranks};
        break;
    case FV_RING_ZIGZAG:
        at.ranges[0] = part(n, 2 * (int64_t)n_ranks, rank);
        at.ranges[1] = part(n, 2 * (int64_t)n_ranks, 2 * (int64_t)n_ranks - 1 - rank);
        at.n_ranges = at.ranges[1].n > 0 ? 2 : 1;
        break;
    default:
        at.ranges[0] = part(n, n_ranks, rank);
    }
    return at;
}

int64_t fv_ring_rows(fv_ring_layout layout, int64_t n, int n_ranks, int rank) {
    attention_placement at = ring_placement(layout, n, n_ranks, rank);
    return placement_rows(&at);
}

int64_t fv_ring_position(fv_ring_layout layout, int64_t n, int n_ranks, int rank, int64_t row) {
    attention_placement at = ring_placement(layout, n, n_ranks, rank);
    const position_range *s = at.ranges;
    for (; row >= s->n; s++) row -= s->n;
    return s->first + row * s->step;
}

// --- pairs ---------------------------------------------------------------------------------------

// The sum over i = 0 .. m - 1 of first + i, each cut to 0 .. most.
static int64_t cut_sum(int64_t first, int64_t m, int64_t most) {
    int64_t below = first < 0 ? (-first < m ? -first : m) : 0; // terms that are cut to 0
    first += below;
    m -= below;
    int64_t rising = most - first < 0 ? 0 : most - first < m ? most - first : m;
    return rising * first + rising * (rising - 1) / 2 + (m - rising) * most;
}

static int64_t floor_divide(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

// Pairs of a query and a key at or before the query's position + shift. Both have the same
// step, so that the number of such keys rises by one from query to query.
static int64_t pairs_up_to(const position_range *queries, const position_range *keys,
                           int64_t shift) {
    int64_t first = floor_divide(queries->first + shift - keys->first, keys->step) + 1;
    return cut_sum(first, queries->n, keys->n);
}

static bool is_simple(const fv_attention_mask *mask) {
    return mask->sinks == 0 && mask->stride == 0 && mask->n_globals == 0 &&
           mask->random_blocks == 0 && mask->bitmap_bytes == 0;
}

int64_t ring_pairs(const fv_attention *plan, const attention_placement *queries,
                   const attention_placement *keys) {
    const fv_attention_config *c = attention_config_of(plan);
    const fv_attention_mask *mask = &c->mask;
    if (!is_simple(mask)) return tiles_count(plan, queries, keys).pairs;
    int64_t ahead = mask->causal ? 0 : mask->window ? mask->window - 1 : c->n_key, pairs = 0;
    for (int i = 0; i < queries->n_ranges; i++)
        for (int j = 0; j < keys->n_ranges; j++) {
            const position_range *q = &queries->ranges[i], *k = &keys->ranges[j];
            pairs += pairs_up_to(q, k, ahead);
            if (mask->window > 0) pairs -= pairs_up_to(q, k, -mask->window);
        }
    return pairs;
}

// --- the schedule --------------------------------------------------------------------------------

static bool needs(const fv_attention *plan, const attention_placement *queries,
                  const attention_placement *keys) {
    return is_simple(&attention_config_of(plan)->mask) ? ring_pairs(plan, queries, keys) > 0
                                                       : tiles_any(plan, queries, keys);
}

// The furthest rank behind b that needs its block.
static int travel_of(const fv_attention *plan, const ring_schedule *s, int b) {
    for (int step = s->n_ranks - 1; step > 0; step--)
        if (needs(plan, &s->at[(b + step) % s->n_ranks], &s->at[b])) return step;
    return 0;
}

fv_status ring_schedule_create(const fv_attention *plan, fv_ring_layout layout, int n_ranks,
                               ring_schedule *s, fv_error *error) {
    int64_t n = attention_config_of(plan)->n_key;
    *s = (ring_schedule){.n_ranks = n_ranks};
    if (n_ranks < 1 || n_ranks > n)
        return fv_fail(error, FV_USAGE,
                       "ring: %d ranks cannot share %" PRId64
                       " positions; there must be 1 to %" PRId64 " ranks",
                       n_ranks, n, n);
    s->at = calloc((size_t)n_ranks, sizeof *s->at);
    s->travel = calloc((size_t)n_ranks, sizeof *s->travel);
    if (s->at == NULL || s->travel == NULL) {
        ring_schedule_free(s);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a ring of %d ranks", n_ranks);
    }
    for (int r = 0; r < n_ranks; r++) s->at[r] = ring_placement(layout, n, n_ranks, r);
    for (int b = 0; b < n_ranks; b++) {
        s->travel[b] = travel_of(plan, s, b);
        if (s->travel[b] > s->n_steps) s->n_steps = s->travel[b];
    }
    return FV_OK;
}

void ring_schedule_free(ring_schedule *s) {
    free(s->at);
    free(s->travel);
    *s = (ring_schedule){0};
}

int64_t ring_most_rows(const ring_schedule *s) {
    int64_t most = 0;
    for (int r = 0; r < s->n_ranks; r++) {
        int64_t rows = placement_rows(&s->at[r]);
        if (rows > most) most = rows;
    }
    return most;
}
