// Sort: the tokens of a sequence as numbers, from the smallest to the largest, behind a delimiter.
//
//   3 1 4 1 | 1 1 3        targets: 1 1 3 4
//
// One of the tasks of 2506.16640. A token that occurs twice is said twice, so that a model must count
// what it has said. Bayes-optimal loss: 0.
#include "tasks/spoken.h"

// Inside a training step nothing is allocated: a heap in place, whose root is the largest.
static void sink(int32_t *heap, int stride, int root, int n) {
    int32_t token = heap[root * stride];
    for (int child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && heap[(child + 1) * stride] > heap[child * stride]) child++;
        if (heap[child * stride] <= token) break;
        heap[root * stride] = heap[child * stride];
    }
    heap[root * stride] = token;
}

static void order(int n, int32_t *answer, int stride) {
    for (int root = n / 2 - 1; root >= 0; root--) sink(answer, stride, root, n);
    for (int last = n - 1; last > 0; last--) {
        int32_t largest = answer[0];
        answer[0] = answer[last * stride];
        answer[last * stride] = largest;
        sink(answer, stride, 0, last);
    }
}

static void fill(const task_fill *fill) {
    spoken_fill(fill, order);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    return spoken_check(c, "sort");
}

const task_type task_sort = {
    .part = {.help = "the tokens of a sequence in ascending order, behind a delimiter",
             .example = "task: {name: sort, context_length: 16, vocab_size: 16}",
             .check = check},
    .loss_positions = spoken_positions,
    .fill = fill,
    .asks_numbers = true,
    .bayes_loss = task_no_loss,
};
