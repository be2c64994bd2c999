#include "probes/circuits.h"

#include "probes/tensors.h"

static bool find_layer(const fv_model *model, const float *params, const fv_tensor *q,
                       attention_matrices *found) {
    static const char *const letters = "KVO";
    *found = (attention_matrices){.n_head = fv_model_sizes_of(model).n_head};
    snprintf(found->prefix, sizeof found->prefix, "%.*s", (int)(strlen(q->name) - 4), q->name);
    probe_matrix *others[] = {&found->k, &found->v, &found->o};
    for (int i = 0; i < 3; i++) {
        char name[sizeof q->name + 8];
        snprintf(name, sizeof name, "%s.W_%c", found->prefix, letters[i]);
        const fv_tensor *tensor = fv_model_tensor(model, name);
        if (tensor == NULL) return false;
        *others[i] = matrix_of_tensor(tensor, params);
    }
    found->q = matrix_of_tensor(q, params);
    found->d_head = found->q.cols / found->n_head;
    return true;
}

fv_status circuits_each_layer(const fv_model *model, const float *params, circuits_layer each,
                              void *context, fv_error *error) {
    int n;
    const fv_tensor *tensors = fv_model_tensors(model, &n);
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        attention_matrices layer;
        if (probe_ends_with(tensors[i].name, ".attn.W_Q") &&
            find_layer(model, params, &tensors[i], &layer))
            status = each(&layer, context, error);
    }
    return status;
}

// Columns [h d_head, (h + 1) d_head).
static probe_matrix head_of(probe_matrix a, int head, int d_head) {
    a.data += (ptrdiff_t)head * d_head * a.col_stride;
    a.cols = d_head;
    return a;
}

void circuits_of_head(const attention_matrices *layer, int head, head_circuit circuits[2]) {
    static const char *const names[] = {"QK", "OV"};
    int d_head = layer->d_head, n_kv = layer->k.cols / d_head;
    int shared = head * n_kv / layer->n_head; // the head of keys and values that it reads
    for (int i = 0; i < 2; i++) {
        char *name = circuits[i].name;
        snprintf(name, sizeof circuits[i].name, layer->n_head > 1 ? "%s.%s.h%d" : "%s.%s",
                 layer->prefix, names[i], head);
    }
    circuits[0].a = head_of(layer->q, head, d_head);
    circuits[0].b = head_of(layer->k, shared, d_head);
    circuits[1].a = head_of(layer->v, shared, d_head);
    circuits[1].b = head_of(matrix_transposed(layer->o), head, d_head);
}
