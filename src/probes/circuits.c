#include "probes/circuits.h"

#include "probes/tensors.h"

#include <math.h>
#include <stdlib.h>

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

void circuits_multiply(probe_matrix x, probe_matrix y, double *product) {
    for (int i = 0; i < x.cols; i++)
        for (int j = 0; j < y.cols; j++) {
            double sum = 0;
            for (int r = 0; r < x.rows; r++) sum += matrix_at(x, r, i) * matrix_at(y, r, j);
            product[(size_t)i * (size_t)y.cols + (size_t)j] = sum;
        }
}

head_circuit circuits_transposed(const head_circuit *circuit) {
    head_circuit other = *circuit;
    other.a = circuit->b;
    other.b = circuit->a;
    return other;
}

static fv_status no_memory(const head_circuit *circuit, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "no memory for %s", circuit->name);
}

// |a b^T|^2 = tr(a^T a b^T b).
fv_status circuits_norm(const head_circuit *circuit, double *norm, fv_error *error) {
    size_t k = (size_t)circuit->a.cols;
    double *room = calloc(2 * k * k + 1, sizeof *room), sum = 0;
    if (room == NULL) return no_memory(circuit, error);
    circuits_multiply(circuit->a, circuit->a, room);
    circuits_multiply(circuit->b, circuit->b, room + k * k);
    for (size_t i = 0; i < k * k; i++) sum += room[i] * room[k * k + i];
    *norm = sum > 0 || isnan(sum) ? sqrt(sum) : 0;
    free(room);
    return FV_OK;
}

// |a b^T c d^T|^2 = tr(a^T a x d^T d x^T) with x = b^T c.
fv_status circuits_product_norm(const head_circuit *first, const head_circuit *second, double *norm,
                                fv_error *error) {
    size_t k = (size_t)first->a.cols, n = (size_t)second->b.cols;
    double *left = calloc(k * k + n * n + 2 * k * n + 1, sizeof *left), sum = 0;
    if (left == NULL) return no_memory(first, error);
    double *right = left + k * k, *x = right + n * n, *turned = x + k * n;
    circuits_multiply(first->a, first->a, left);
    circuits_multiply(second->b, second->b, right);
    circuits_multiply(first->b, second->a, x);
    for (size_t i = 0; i < k; i++)
        for (size_t m = 0; m < k; m++)
            for (size_t j = 0; j < n; j++) turned[i * n + j] += left[i * k + m] * x[m * n + j];
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t m = 0; m < n; m++)
                sum += turned[i * n + j] * right[j * n + m] * x[i * n + m];
    *norm = sum > 0 || isnan(sum) ? sqrt(sum) : 0;
    free(left);
    return FV_OK;
}
