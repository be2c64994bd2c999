// k-hop recall: chains of links from a name to the next one, in any order; asked for the first name of
// a chain, the answer is its last, n_hops links away.
//
//   n_hops 2, n_chains 2:    . b c . f g a b . . e f | a      target: c
//
// RULER's variable tracking in tokens, asked backwards. Every name occurs in one chain alone; the other
// chains, as long as the one that is asked for, are what a model must not end up in. A link is two
// tokens next to each other; token 0 fills the rest of the T - 1 tokens in front of the question, and
// every choice of places is equally likely. n_hops 1 is recall. Names that end a chain can be told from
// the others by position alone, which leaves one of n_chains answers to guess: a loss of ln(n_chains)
// without a single hop. Bayes-optimal loss: 0.
#include "tasks/place.h"

enum { MOST_NAMES = 1024 };

static int n_links(const fv_task_config *config) {
    return config->n_chains * config->n_hops;
}
static int n_names(const fv_task_config *config) {
    return config->n_chains * (config->n_hops + 1);
}

// Link i leads from name i / n_hops * (n_hops + 1) + i % n_hops to the next one.
static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int stride = fill->stride, links = n_links(config), hops = config->n_hops;
    int32_t names[MOST_NAMES], order[MOST_NAMES];
    draw_distinct(fill->random, config->vocab_size - 1, n_names(config), names, 1);
    draw_distinct(fill->random, links, links, order, 1);
    int places = config->context_length - 1 - links; // those of a link's two tokens are one
    int32_t *at = fill->tokens;
    for (int left = links; places > 0; places--) {
        if ((int)random_below(fill->random, (uint32_t)places) >= left) {
            *at = 0;
            at += stride;
            continue;
        }
        int link = order[--left], name = link / hops * (hops + 1) + link % hops;
        at[0] = names[name] + 1;
        at[stride] = names[name + 1] + 1;
        at += 2 * stride;
    }
    // Which chain is asked for: they are drawn alike, and so the first one.
    at[0] = names[0] + 1;
    fill->targets[0] = names[hops] + 1;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    int names = n_names(task), tokens = 2 * n_links(task) + 1;
    if (names > MOST_NAMES)
        return check_refuse(c, "task.n_chains",
                            "task.n_chains %d of n_hops %d have %d names; there can be %d",
                            task->n_chains, task->n_hops, names, MOST_NAMES);
    if (names > task->vocab_size - 1)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size %d does not name task.n_chains %d of n_hops %d; with "
                            "token 0 for what lies between it needs %d or more",
                            task->vocab_size, task->n_chains, task->n_hops, names + 1);
    if (task->context_length >= tokens) return FV_OK;
    return check_refuse(c, "task.context_length",
                        "a length of %d does not hold task.n_chains %d of n_hops %d and the "
                        "question; they need %d tokens or more",
                        task->context_length, task->n_chains, task->n_hops, tokens);
}

const task_type task_k_hop = {
    .part = {.help = "the name at the end of a chain of n_hops links, among other chains",
             .example = "task: {name: k_hop, n_hops: 2, n_chains: 3, context_length: 24, "
                        "vocab_size: 32}",
             .reads = {FV_READS(task.n_hops), FV_READS(task.n_chains)},
             .check = check},
    .loss_positions = task_last_position,
    .fill = fill,
    .bayes_loss = task_no_loss,
};
