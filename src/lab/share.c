#include "lab/share.h"

#include <stdlib.h>

typedef struct card {
    double work;
    int run;
} card;

static int longest_first(const void *a, const void *b) {
    const card *p = a, *q = b;
    if (p->work != q->work) return p->work > q->work ? -1 : 1;
    return (p->run > q->run) - (p->run < q->run);
}

fv_status share_deal(const double *work, int n, int share, int n_shares, bool *mine,
                     fv_error *error) {
    card *cards = malloc(n > 0 ? (size_t)n * sizeof *cards : 1);
    if (cards == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for %d runs", n);
    for (int i = 0; i < n; i++) cards[i] = (card){work[i], i};
    qsort(cards, (size_t)n, sizeof *cards, longest_first);
    for (int k = 0; k < n; k++) {
        // There and back again: whoever got the longest of one round gets the shortest of the next.
        int place = k % n_shares, back = k / n_shares % 2;
        mine[cards[k].run] = (back ? n_shares - 1 - place : place) == share - 1;
    }
    free(cards);
    return FV_OK;
}
