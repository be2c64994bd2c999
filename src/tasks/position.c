// The token at a given place: random tokens, then a token that names one of their places.
//
//   x0 x1 x2 ... x(T-2) [place p] -> xp
//
// Contents are uniform draws from the lower half of the vocabulary; token V/2 + p names place p,
// counted from 0 at the start. With fewer names than places only the first ones are asked for. A
// place is drawn uniformly, or stands task.depth percent of the way from the first to the last that
// can be asked for. Nothing but positions tells the tokens apart. Bayes-optimal loss: 0.
#include "tasks/place.h"

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int n = config->context_length - 1, stride = fill->stride, half = config->vocab_size / 2;
    int n_names = config->vocab_size - half;
    for (int t = 0; t < n; t++)
        fill->tokens[t * stride] = (int32_t)random_below(fill->random, (uint32_t)half);
    int place = fill_place(fill, n < n_names ? n : n_names);
    fill->tokens[n * stride] = half + place;
    fill->targets[0] = fill->tokens[place * stride];
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    if (c->config->task.context_length >= 2) return FV_OK;
    return check_refuse(
        c, "task.context_length",
        "task.context_length 1 has no place to ask for; task.name position needs 2 or "
        "more");
}

const task_type task_position = {
    .part = {.help = "the token at the place that the last token names",
             .example = "task: {name: position, context_length: 8, vocab_size: 32}\nmodel: "
                        "{positions: learned}",
             .reads = {FV_READS(task.depth)},
             .check = check},
    .loss_positions = task_last_position,
    .fill = fill,
    .asks_numbers = true,
    .bayes_loss = task_no_loss,
};
