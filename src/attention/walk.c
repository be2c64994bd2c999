// The key tiles of a query tile: intervals of keys that some query may see, cut into tiles, each
// with its seen pairs as bits. Time is proportional to the tiles that there are.
#include "attention/mask.h"

#include <limits.h>
#include <string.h>

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

// How many of n ascending numbers are below x.
static int64_t count_below(const int64_t *numbers, int64_t n, int64_t x) {
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (numbers[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_global(const attention_mask *mask, int64_t position) {
    int64_t at = count_below(mask->globals, mask->n_globals, position);
    return at < mask->n_globals && mask->globals[at] == position;
}

static bool any_global(const attention_mask *mask, int64_t first, int64_t last) {
    for (int64_t i = 0; i < mask->n_globals && mask->globals[i] <= last; i++)
        if (mask->globals[i] >= first) return true;
    return false;
}

// Queries -----------------------------------------------------------------------------------------

static void group_by_block_row(const attention_mask *mask, query_tile *tile) {
    tile->n_groups = 0;
    for (int i = 0; i < tile->n; i++) {
        int64_t row = tile->positions[i] / mask->block;
        if (tile->n_groups == 0 || tile->group_row[tile->n_groups - 1] != row) {
            tile->group_row[tile->n_groups] = row;
            tile->group_bits[tile->n_groups++] = 0;
        }
        tile->group_bits[tile->n_groups - 1] |= (uint64_t)1 << i;
    }
}

void query_tile_set(const attention_mask *mask, const index_list *queries, int64_t first,
                    component_kind kind, query_tile *tile) {
    tile->n = (int)min64(FV_TILE_QUERIES, queries->n - first);
    tile->affine = queries->positions == NULL;
    tile->live = 0;
    for (int i = 0; i < tile->n; i++) {
        tile->rows[i] = index_list_row(queries, first + i);
        tile->positions[i] = index_list_position(queries, first + i);
        // A global query sees all keys in its own component and takes part in no other.
        bool takes_part =
            kind == FV_ROWS || mask->n_globals == 0 || !is_global(mask, tile->positions[i]);
        tile->live |= (uint64_t)takes_part << i;
    }
    if (mask->has_blocks) group_by_block_row(mask, tile);
}

// The number of queries whose position is below x.
static int queries_below(const query_tile *tile, int64_t x) {
    int64_t first = tile->positions[0];
    if (x <= first) return 0;
    if (x > tile->positions[tile->n - 1]) return tile->n;
    if (tile->affine) {
        int64_t step = tile->positions[1] - first;
        return (int)(step == 1 ? x - first : (x - first + step - 1) / step);
    }
    return (int)count_below(tile->positions, tile->n, x);
}

// Bits low .. high - 1.
static uint64_t bits_between(int low, int high) {
    if (low >= high) return 0;
    uint64_t up_to = high == 64 ? ~(uint64_t)0 : ((uint64_t)1 << high) - 1;
    return up_to & ~(((uint64_t)1 << low) - 1);
}

// Queries at a distance below `reach` from position x.
static uint64_t within(const query_tile *tile, int64_t x, int64_t reach) {
    return bits_between(queries_below(tile, x - reach + 1), queries_below(tile, x + reach));
}

// Pairs -------------------------------------------------------------------------------------------

static bool block_shown(const attention_mask *mask, int64_t row, int64_t column) {
    if (mask->bitmap &&
        (mask->bitmap[(size_t)row * mask->bitmap_row + (size_t)column / 8] >> (column % 8) & 1))
        return true;
    const int32_t *random = mask->random + row * mask->n_random;
    for (int64_t i = 0; i < mask->n_random; i++)
        if (random[i] == column) return true;
    return false;
}

static uint64_t block_bits(const attention_mask *mask, const query_tile *tile, int64_t column) {
    uint64_t bits = 0;
    for (int i = 0; i < tile->n_groups; i++)
        if (block_shown(mask, tile->group_row[i], column)) bits |= tile->group_bits[i];
    return bits;
}

// Queries that the stride's part shows position x to.
static uint64_t stride_bits(const attention_mask *mask, const query_tile *tile, int64_t x) {
    uint64_t bits = 0;
    for (int i = 0; i < tile->n; i++)
        bits |= (uint64_t)((tile->positions[i] - x) % mask->stride == 0) << i;
    return bits & within(tile, x, mask->stride_reach);
}

// The queries of the tile that see keys in place by window or block, less what other components
// show.
static uint64_t band_bits(const attention_mask *mask, const query_tile *tile, int64_t x,
                          uint64_t blocks) {
    if (mask->everything) return tile->live;
    if (x < mask->sinks || (mask->n_globals > 0 && is_global(mask, x))) return 0;
    uint64_t bits = blocks;
    if (mask->window > 0) bits |= within(tile, x, mask->window);
    if (mask->stride > 0 && bits) bits &= ~stride_bits(mask, tile, x);
    return bits & tile->live;
}

static uint64_t key_bits(const attention_walk *walk, int64_t x, uint64_t blocks) {
    const attention_mask *mask = walk->mask;
    const query_tile *tile = walk->queries;
    uint64_t bits = tile->live;
    if (walk->keys->kind == FV_BAND)
        bits = band_bits(mask, tile, x, blocks);
    else if (walk->keys->kind == FV_STRIDE)
        bits = x < mask->sinks || (mask->n_globals > 0 && is_global(mask, x))
                   ? 0
                   : bits & within(tile, x, mask->stride_reach);
    if (mask->causal) bits &= bits_between(queries_below(tile, x), tile->n);
    return bits;
}

// True where it is plain from the ends that every query sees every key from position x to y.
static bool sees_all(const attention_walk *walk, int64_t x, int64_t y) {
    const attention_mask *mask = walk->mask;
    const query_tile *tile = walk->queries;
    int64_t first = tile->positions[0], last = tile->positions[tile->n - 1];
    if (tile->live != bits_between(0, tile->n) || (mask->causal && y > first)) return false;
    if (walk->keys->kind == FV_COLUMNS || walk->keys->kind == FV_ROWS || mask->everything)
        return true;
    if (x < mask->sinks || any_global(mask, x, y)) return false;
    if (walk->keys->kind == FV_STRIDE)
        return last - x < mask->stride_reach && y - first < mask->stride_reach;
    if (mask->stride > 0) return false;
    if (mask->window > 0) return last - x < mask->window && y - first < mask->window;
    return tile->n_groups == 1 &&
           walk->keys->step == 1; // keys of blocks alone: intervals are exact
}

// Intervals ---------------------------------------------------------------------------------------

size_t walk_capacity(const attention_mask *mask) {
    size_t n = 4;
    if (mask->bitmap) n += (size_t)mask->n_block_columns / 2 + 1;
    return n + (size_t)mask->n_random * FV_TILE_QUERIES;
}

// The first index of the list whose position is at least x.
static int64_t index_of(const index_list *s, int64_t x) {
    if (s->positions) return count_below(s->positions, s->n, x);
    if (x <= s->position) return 0;
    if (x - s->position > s->n * s->step) return s->n; // x may be the largest number there is
    return min64(s->n, (x - s->position + s->step - 1) / s->step);
}

// Adds positions first .. last, cut to low .. high - 1 in indices; intervals stay ascending.
static void add(attention_walk *walk, int64_t first, int64_t last, int64_t low, int64_t high) {
    int64_t from = max64(low, index_of(walk->keys, first));
    int64_t to = min64(high, index_of(walk->keys, last + 1));
    if (from >= to) return;
    int at = walk->n++;
    for (; at > 0 && walk->intervals[at - 1].low > from; at--)
        walk->intervals[at] = walk->intervals[at - 1];
    walk->intervals[at] = (attention_interval){from, to};
}

static void merge(attention_walk *walk) {
    int n = 0;
    for (int i = 0; i < walk->n; i++)
        if (n > 0 && walk->intervals[i].low <= walk->intervals[n - 1].high)
            walk->intervals[n - 1].high =
                max64(walk->intervals[n - 1].high, walk->intervals[i].high);
        else
            walk->intervals[n++] = walk->intervals[i];
    walk->n = n;
}

// Eight block columns of the bitmap that any of the tile's queries sees.
static unsigned bitmap_byte(const attention_mask *mask, const query_tile *tile, size_t byte) {
    unsigned any = 0;
    for (int i = 0; i < tile->n_groups; i++)
        any |= mask->bitmap[(size_t)tile->group_row[i] * mask->bitmap_row + byte];
    return any;
}

static void add_bitmap(attention_walk *walk, int64_t last_position, int64_t low, int64_t high) {
    const attention_mask *mask = walk->mask;
    int64_t first = index_list_position(walk->keys, low) / mask->block;
    int64_t end = min64(index_list_position(walk->keys, high - 1), last_position) / mask->block + 1;
    int64_t begun = -1;
    for (int64_t c = first; c <= end; c++) {
        if (c % 8 == 0)
            while (begun < 0 && c + 8 <= end &&
                   bitmap_byte(mask, walk->queries, (size_t)c / 8) == 0)
                c += 8;
        bool shown = c < end && (bitmap_byte(mask, walk->queries, (size_t)c / 8) >> (c % 8) & 1);
        if (shown && begun < 0) begun = c;
        if (!shown && begun >= 0) {
            add(walk, begun * mask->block, min64(c * mask->block - 1, last_position), low, high);
            begun = -1;
        }
    }
}

static void add_band(attention_walk *walk, int64_t last_position, int64_t low, int64_t high) {
    const attention_mask *mask = walk->mask;
    const query_tile *tile = walk->queries;
    int64_t first = tile->positions[0], last = tile->positions[tile->n - 1];
    if (mask->everything) add(walk, 0, last_position, low, high);
    if (mask->window > 0)
        add(walk, first - mask->window + 1, min64(last + mask->window - 1, last_position), low,
            high);
    if (mask->bitmap) add_bitmap(walk, last_position, low, high);
    for (int i = 0; i < tile->n_groups && mask->n_random > 0; i++) {
        const int32_t *random = mask->random + tile->group_row[i] * mask->n_random;
        for (int64_t j = 0; j < mask->n_random; j++)
            if (random[j] >= 0)
                add(walk, random[j] * mask->block,
                    min64((random[j] + 1) * mask->block - 1, last_position), low, high);
    }
}

void walk_start(attention_walk *walk, const attention_mask *mask, const query_tile *queries,
                const index_list *keys, int64_t low, int64_t high) {
    attention_interval *intervals = walk->intervals;
    *walk = (attention_walk){.mask = mask,
                             .queries = queries,
                             .keys = keys,
                             .gather = walk->gather,
                             .intervals = intervals};
    if (queries->live == 0 || low >= high) return;
    int64_t first = queries->positions[0], last = queries->positions[queries->n - 1];
    int64_t last_position = mask->causal ? last : INT64_MAX - 1;
    if (keys->kind == FV_BAND)
        add_band(walk, last_position, low, high);
    else if (keys->kind == FV_STRIDE)
        add(walk, first - mask->stride_reach + 1,
            min64(last + mask->stride_reach - 1, last_position), low, high);
    else
        add(walk, 0, last_position, low, high);
    merge(walk);
}

// Takes the next keys: up to 128 of one interval, or of several where short ones may share: from
// half a tile on, a tile of its own costs less than copying.
static void take_keys(attention_walk *walk, attention_key_tile *tile) {
    attention_interval *next = &walk->intervals[walk->at];
    tile->first = next->low;
    tile->n = (int)min64(FV_TILE_KEYS, next->high - next->low);
    tile->contiguous = true;
    next->low += tile->n;
    if (next->low == next->high) walk->at++;
    if (!walk->gather || 2 * tile->n >= FV_TILE_KEYS || walk->at == walk->n) return;
    tile->contiguous = false;
    for (int i = 0; i < tile->n; i++) tile->index[i] = tile->first + i;
    while (tile->n < FV_TILE_KEYS && walk->at < walk->n) {
        next = &walk->intervals[walk->at];
        while (tile->n < FV_TILE_KEYS && next->low < next->high)
            tile->index[tile->n++] = next->low++;
        if (next->low == next->high) walk->at++;
    }
}

// The bits that are set, without the library call that stands for them in portable code.
static int count_bits(uint64_t x) {
    x -= x >> 1 & 0x5555555555555555;
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (int)(x * 0x0101010101010101 >> 56);
}

static int64_t tile_index(const attention_key_tile *tile, int i) {
    return tile->contiguous ? tile->first + i : tile->index[i];
}

// Divides upwards; b > 0.
static int64_t ceiling(int64_t a, int64_t b) {
    return a > 0 ? (a - 1) / b + 1 : -(-a / b);
}

static int clamp(int64_t x, int n) {
    return x < 0 ? 0 : x > n ? n : (int)x;
}

// Where queries and keys go in equal steps, what one key shows is what the key before showed, a
// query further: the queries low .. high - 1 of key 0 (as if there were queries on both sides) say
// all. False where it is not so simple.
static bool find_edges(const attention_walk *walk, const attention_key_tile *tile, int64_t *low,
                       int64_t *high) {
    const attention_mask *mask = walk->mask;
    const query_tile *queries = walk->queries;
    const index_list *keys = walk->keys;
    bool band = keys->kind == FV_BAND;
    if (mask->n_globals > 0 || !tile->contiguous || keys->positions || !queries->affine ||
        (band && (mask->has_blocks || mask->stride > 0)))
        return false;
    int64_t first = queries->positions[0], step = keys->step;
    if (queries->n > 1 && queries->positions[1] - first != step) return false;
    int64_t x = index_list_position(keys, tile->first) - first;
    int64_t reach = keys->kind == FV_STRIDE     ? mask->stride_reach
                    : band && !mask->everything ? mask->window
                                                : INT64_MAX / 4;
    *low = ceiling(x - reach + 1, step);
    *high = ceiling(x + reach, step);
    if (mask->causal) *low = max64(*low, ceiling(x, step));
    return true;
}

// The first keys of a tile that are sinks, which other components show.
static int sinks_in(const attention_walk *walk, const attention_key_tile *tile) {
    if (walk->keys->kind != FV_BAND && walk->keys->kind != FV_STRIDE) return 0;
    if (walk->mask->everything) return 0;
    return clamp(index_of(walk->keys, walk->mask->sinks) - tile->first, tile->n);
}

static void set_shifted(const attention_walk *walk, attention_key_tile *tile, int64_t low,
                        int64_t high) {
    int n = walk->queries->n, n_sinks = sinks_in(walk, tile);
    for (int i = 0; i < n_sinks; i++) tile->bits[i] = 0;
    for (int i = n_sinks; i < tile->n; i++) {
        int from = clamp(low + i, n), to = clamp(high + i, n);
        tile->bits[i] = bits_between(from, to);
        tile->pairs += to > from ? to - from : 0;
    }
}

static void set_each(const attention_walk *walk, attention_key_tile *tile) {
    bool blocks = walk->keys->kind == FV_BAND && walk->mask->has_blocks;
    int64_t column = -1;
    uint64_t column_bits = 0;
    for (int i = 0; i < tile->n; i++) {
        int64_t x = index_list_position(walk->keys, tile_index(tile, i));
        if (blocks && x / walk->mask->block != column) {
            column = x / walk->mask->block;
            column_bits = block_bits(walk->mask, walk->queries, column);
        }
        tile->bits[i] = key_bits(walk, x, column_bits);
        tile->pairs += count_bits(tile->bits[i]);
    }
}

static void set_bits(const attention_walk *walk, attention_key_tile *tile) {
    int64_t low, high, all = (int64_t)tile->n * walk->queries->n;
    tile->pairs = 0;
    if (find_edges(walk, tile, &low, &high))
        set_shifted(walk, tile, low, high);
    else
        set_each(walk, tile);
    tile->seen = tile->pairs == all ? NULL : tile->bits;
}

bool walk_next(attention_walk *walk, attention_key_tile *tile) {
    while (walk->at < walk->n) {
        take_keys(walk, tile);
        int64_t x = index_list_position(walk->keys, tile_index(tile, 0));
        int64_t y = index_list_position(walk->keys, tile_index(tile, tile->n - 1));
        if (tile->contiguous && sees_all(walk, x, y)) {
            tile->seen = NULL;
            tile->pairs = (int64_t)tile->n * walk->queries->n;
        } else {
            set_bits(walk, tile);
        }
        if (tile->pairs > 0) return true;
    }
    return false;
}

attention_interval walk_ahead(const attention_walk *walk) {
    if (walk->at == walk->n) return (attention_interval){0, 0};
    const attention_interval *next = &walk->intervals[walk->at];
    return (attention_interval){next->low, min64(next->high, next->low + FV_TILE_KEYS)};
}

attention_interval walk_queries(const attention_mask *mask, const index_list *queries,
                                const index_list *keys, int64_t low, int64_t high) {
    int64_t first = index_list_position(keys, low), last = index_list_position(keys, high - 1);
    attention_interval range = {0, queries->n};
    if (mask->causal) range.low = index_of(queries, first);
    int64_t reach = -1; // no bound
    if (keys->kind == FV_STRIDE) reach = mask->stride_reach;
    if (keys->kind == FV_BAND && !mask->everything && !mask->has_blocks) reach = mask->window;
    if (reach < 0) return range;
    range.low = max64(range.low, index_of(queries, first - reach + 1));
    range.high = min64(range.high, index_of(queries, last + reach));
    return range;
}
