// Addition digit by digit, as it is written: two numbers of n digits and their sum of n + 1.
//
//   n 2, V 12:     3 7 + 8 5 = 1 2        targets: 1 at the sign, 2, 2        (37 + 85 = 122)
//
// Digits are uniform on 0 to V - 3, the base is V - 2; token V - 2 is the plus and V - 1 the sign. T is
// 3 n + 2. The answer is scored digit by digit, teacher-forced, from its first one or, with task.reversed,
// from its last one on, so that a carry is known when it is needed. Bayes-optimal loss: 0.
#include "tasks/task_type.h"

static int n_digits(const fv_task_config *config) {
    return (config->context_length - 2) / 3;
}

static int loss_positions(const fv_task_config *config, int *positions) {
    int n = n_digits(config), first = 2 * n + 1;
    for (int i = 0; i <= n; i++) positions[i] = first + i;
    return n + 1;
}

static void fill(const task_fill *fill) {
    const fv_task_config *config = fill->config;
    int n = n_digits(config), base = config->vocab_size - 2, stride = fill->stride, carry = 0;
    int32_t *a = fill->tokens, *b = a + (ptrdiff_t)(n + 1) * stride;
    int32_t *answer = b + (ptrdiff_t)(n + 1) * stride;
    for (int i = 0; i < n; i++) {
        a[i * stride] = (int32_t)random_below(fill->random, (uint32_t)base);
        b[i * stride] = (int32_t)random_below(fill->random, (uint32_t)base);
    }
    a[n * stride] = base;
    b[n * stride] = base + 1;
    for (int place = 0; place <= n; place++) { // 0: that of the ones
        int at = n - 1 - place;
        int sum = place < n ? a[at * stride] + b[at * stride] + carry : carry;
        int i = config->reversed ? place : n - place; // of the answer
        fill->targets[i * stride] = sum % base;
        if (i < n) answer[i * stride] = sum % base;
        carry = sum / base;
    }
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    int length = task->context_length, step = task->length_step;
    if (task->vocab_size < 4)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size %d leaves no two digits beside the plus and the sign; "
                            "it needs 4 or more, 12 for decimal digits",
                            task->vocab_size);
    if (length < 5 || length % 3 != 2)
        return check_refuse(c, "task.context_length",
                            "a length of %d does not hold two numbers, their signs and the answer; "
                            "n digits need 3 n + 2 tokens: 5, 8, 11, ...",
                            length);
    if (task->length_min > 0 && step % 3 != 0)
        return check_refuse(c, "task.length_step",
                            "task.length_step %d makes lengths that do not fit; a digit more is 3 "
                            "tokens",
                            step);
    return FV_OK;
}

const task_type task_digit_addition = {
    .part = {.help = "the digits of a sum, one after the other",
             .example = "task: {name: digit_addition, vocab_size: 12, context_length: 8}\nmodel: "
                        "{positions: learned}",
             .reads = {FV_READS(task.reversed)},
             .check = check},
    .loss_positions = loss_positions,
    .fill = fill,
    .asks_numbers = true,
    .bayes_loss = task_no_loss,
};
