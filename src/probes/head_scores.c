#include "probes/head_scores.h"

#include "probes/tensors.h"

#include <string.h>

void head_name(char *name, size_t size, int n_head, int layer, int head) {
    if (n_head > 1)
        snprintf(name, size, "%d.h%d", layer, head);
    else
        snprintf(name, size, "%d", layer);
}

fv_status head_scores_put(const head_batch *b, const char *probe, int step, fv_record *record,
                          fv_error *error) {
    int n_maps = b->n_layers * b->n_head;
    fv_status status = FV_OK;
    for (int map = 0; map < n_maps && status == FV_OK; map++) {
        char name[32];
        if (b->counts[map] == 0) continue;
        head_name(name, sizeof name, b->n_head, map / b->n_head, map % b->n_head);
        status = probe_add(record, probe, name, step, b->sums[map] / (double)b->counts[map], error);
    }
    return status;
}
