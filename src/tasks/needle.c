// A needle in a haystack: one pair of a key and its value in filler, the key again at the end; the
// answer is the value.
//
//   . . . k v . . . . . k -> v
//
// The task of Kamradt's "needle in a haystack" (2023) in tokens, as src/tasks/needles.c lays it
// out; it stands task.depth percent of the way through the filler. One key is all there is to find:
// the token behind the only one of the lower half. Bayes-optimal loss: 0.
#include "tasks/needles.h"
#include "tasks/place.h"

// A sequence with needles: key and value side by side, hidden in filler, and questions at the end.
//
//   . . . k v . . . . k' v' . . | k' v'' ...        body | tail
//
// Keys are different tokens of the lower half of the vocabulary, [0, V/2). Values and filler are
// independent draws from its upper half, so that nothing but its place behind a key tells a value
// from the hay. A question is a key, followed by its values in the order in which they stand in the
// body, less the last: at the key the answer is the first value, at each value the next one.
//
// All arrangements of the needles are equally likely, but for one needle of the first key asked
// for, whose place is drawn by itself or set by task.depth. To find them, a needle is taken for one
// slot: N needles of two tokens in a body of B tokens fill N of B - N slots, which then widen.

enum { HAY = -1 };

int haystack_positions(const fv_task_config *config, task_needles needles, int *positions) {
    int n = haystack_tail(needles);
    for (int i = 0; i < n; i++) positions[i] = config->context_length - n + i;
    return n;
}

// Slot s of the haystack holds needle tokens[s], or hay. Needle 0 is the one with a set place.
static void choose_slots(const task_fill *fill, int n_slots, int n_needles) {
    int stride = fill->stride;
    for (int s = 0; s < n_slots; s++) fill->tokens[s * stride] = HAY;
    fill->tokens[fill_place(fill, n_slots) * stride] = 0;
    for (int needle = 1; needle < n_needles;) {
        int s = (int)random_below(fill->random, (uint32_t)n_slots);
        if (fill->tokens[s * stride] != HAY) continue;
        fill->tokens[s * stride] = needle++;
    }
}

// The value of occurrence `nth` of the key asked for as number `query`: a target, and a part of the
// question where another value follows.
static void ask(const task_fill *fill, int tail, int n_values, int query, int nth, int32_t value) {
    int i = query * n_values + nth;
    fill->targets[i * fill->stride] = value;
    if (nth + 1 < n_values) fill->tokens[(tail + i + 1) * fill->stride] = value;
}

void haystack_fill(const task_fill *fill, task_needles needles) {
    int stride = fill->stride, n_needles = needles.n_keys * needles.n_values;
    int tail = fill->config->context_length - haystack_tail(needles);
    int n_slots = tail - n_needles;
    int32_t keys[FV_MOST_DISTINCT], left[FV_MOST_DISTINCT]; // of each key asked for
    draw_distinct(fill->random, fill->config->vocab_size / 2, needles.n_keys, keys, 1);
    choose_slots(fill, n_slots, n_needles);
    for (int q = 0; q < needles.n_queries; q++) {
        fill->tokens[(tail + q * needles.n_values) * stride] = keys[q];
        left[q] = needles.n_values;
    }
    // From the right, so that slots widen into places that have been read.
    for (int s = n_slots - 1, t = tail; s >= 0; s--) {
        int needle = fill->tokens[s * stride];
        int32_t value = fill_upper(fill);
        fill->tokens[--t * stride] = value;
        if (needle == HAY) continue;
        int key = needle / needles.n_values;
        fill->tokens[--t * stride] = keys[key];
        if (key < needles.n_queries) ask(fill, tail, needles.n_values, key, --left[key], value);
    }
}

static const task_needles ONE = {.n_keys = 1, .n_values = 1, .n_queries = 1};

static int loss_positions(const fv_task_config *config, int *positions) {
    return haystack_positions(config, ONE, positions);
}

static void fill(const task_fill *fill) {
    haystack_fill(fill, ONE);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->context_length >= 3) return FV_OK;
    return check_refuse(
        c, "task.context_length",
        "task.context_length %d holds no needle and its question; task.name needle needs "
        "3 or more",
        task->context_length);
}

const task_type task_needle = {
    .part = {.help =
                 "the value of the one key that is hidden in filler, `depth` percent of the way",
             .example = "task: {name: needle, vocab_size: 32, context_length: 32}",
             .reads = {FV_READS(task.depth)},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
