// Multi-query multi-token associative recall: pairs of a key and a value of several tokens each, a
// delimiter, and behind it n_queries of the keys, each with its value.
//
//   key_tokens 2, value_tokens 2, n_queries 1:
//       a b 7 8  c d 5 9  a c 6 6 | c d 5        targets: 5 at d, 9 at 5
//
// After 2506.16640. Pairs fill the context: the longer it is, the more of them there are. Keys are of
// tokens [0, (V - 1) / 2), values of the rest below the delimiter, token V - 1, which also fills what
// is left over in front. Single tokens of a key occur in other keys, and only its tokens in their order
// tell it: the keys that are asked for are different from each other and from all others. Every token
// of an asked value is scored, given those before it. Bayes-optimal loss: 0.
#include "tasks/task_type.h"

enum { MOST_QUERIES = 64 };

static int pair_size(const fv_task_config *config) {
    return config->key_tokens + config->value_tokens;
}
// The delimiter, and the questions without the last token of the last value.
static int tail_size(const fv_task_config *config) {
    return config->n_queries * pair_size(config);
}
static int n_pairs(const fv_task_config *config) {
    return (config->context_length - tail_size(config)) / pair_size(config);
}
static int key_alphabet(const fv_task_config *config) {
    return (config->vocab_size - 1) / 2;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int first = config->context_length - tail_size(config) + 1, n = 0;
    for (int q = 0; q < config->n_queries; q++, first += pair_size(config))
        for (int i = 0; i < config->value_tokens; i++)
            positions[n++] = first + config->key_tokens - 1 + i;
    return n;
}

static void draw_tokens(const task_fill *fill, int32_t first, int n_of, int n, int32_t *out) {
    for (int i = 0; i < n; i++)
        out[i * fill->stride] = first + (int32_t)random_below(fill->random, (uint32_t)n_of);
}

static bool is_same(int n, int stride, const int32_t *a, const int32_t *b) {
    for (int i = 0; i < n; i++)
        if (a[i * stride] != b[i * stride]) return false;
    return true;
}

// The place of asked pair q: a random choice of places, each in a part of its own of the sequence's.
static int place_of(const task_fill *fill, int q, int pairs) {
    int n = fill->config->n_queries, from = (int)((long)pairs * q / n);
    int to = (int)((long)pairs * (q + 1) / n);
    return from + (int)random_below(fill->random, (uint32_t)(to - from));
}

// A key that is none of the first `n` asked ones, at `key`.
static void draw_key(const task_fill *fill, int32_t *const *asked, int n, int32_t *key) {
    int size = fill->config->key_tokens;
    bool taken;
    do {
        draw_tokens(fill, 0, key_alphabet(fill->config), size, key);
        taken = false;
        for (int q = 0; q < n; q++) taken |= is_same(size, fill->stride, key, asked[q]);
    } while (taken);
}

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int stride = fill->stride, pairs = n_pairs(config), size = pair_size(config);
    int n = config->n_queries, alphabet = key_alphabet(config);
    int32_t delimiter = config->vocab_size - 1, *asked[MOST_QUERIES];
    int left_over = config->context_length - tail_size(config) - pairs * size;
    int32_t *body = fill->tokens + left_over * stride;
    for (int t = 0; t < left_over; t++) fill->tokens[t * stride] = delimiter;
    for (int q = 0; q < n; q++) {
        asked[q] = body + place_of(fill, q, pairs) * size * stride;
        draw_key(fill, asked, q, asked[q]);
    }
    for (int i = 0, q = 0; i < pairs; i++) {
        int32_t *pair = body + i * size * stride;
        if (q < n && pair == asked[q])
            q++;
        else
            draw_key(fill, asked, n, pair);
        draw_tokens(fill, alphabet, delimiter - alphabet, config->value_tokens,
                    pair + config->key_tokens * stride);
    }
    int32_t *at = body + pairs * size * stride, order[MOST_QUERIES], *target = fill->targets;
    *at = delimiter;
    at += stride;
    draw_distinct(fill->random, n, n, order, 1);
    for (int q = 0; q < n; q++, at += size * stride) {
        const int32_t *pair = asked[order[q]];
        for (int i = 0; i < size; i++) {
            if (q < n - 1 || i < size - 1) at[i * stride] = pair[i * stride];
            if (i < config->key_tokens) continue;
            *target = pair[i * stride];
            target += stride;
        }
    }
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    if (task->vocab_size < 5)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size %d has no two tokens for keys, two for values and a "
                            "delimiter; task.name mqmtar needs 5 or more",
                            task->vocab_size);
    double keys = 1;
    for (int k = 0; k < task->key_tokens; k++) keys *= key_alphabet(task);
    // Half of all keys are then at least free for those that are not asked for.
    if (task->n_queries > MOST_QUERIES || 2 * task->n_queries > keys)
        return check_refuse(c, "task.n_queries",
                            "task.n_queries %d asks for too many keys; key_tokens %d of %d tokens "
                            "make %.0f, and half of them, at most %d, can be asked for",
                            task->n_queries, task->key_tokens, key_alphabet(task), keys,
                            MOST_QUERIES);
    int needed = tail_size(task) + task->n_queries * pair_size(task);
    if (task->context_length >= needed) return FV_OK;
    return check_refuse(c, "task.context_length",
                        "a length of %d does not hold the pairs and questions of task.n_queries "
                        "%d, key_tokens %d and value_tokens %d; they need %d tokens or more",
                        task->context_length, task->n_queries, task->key_tokens, task->value_tokens,
                        needed);
}

const task_type task_mqmtar = {
    .part = {.help = "the values of several keys, keys and values of several tokens each",
             .example = "task: {name: mqmtar, n_queries: 2, context_length: 32, vocab_size: 16}",
             .reads = {FV_READS(task.key_tokens), FV_READS(task.value_tokens),
                       FV_READS(task.n_queries)},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
