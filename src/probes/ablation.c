// What heads are for: how much the loss grows where a head says the same whatever the sequence. Its values z
// at each position are replaced by their mean over the sequences (mean ablation), and all later layers read
// what follows from that.
//
// Series: "ablation.0" of attention layer 0, with several heads "ablation.0.h1": nats more than the whole
// model's loss on the same test sequences.
#include "probes/head_scores.h"
#include "probes/probes.h"
#include "probes/tensors.h"

#include <fovea/activation_cache.h>
#include <fovea/task.h>
#include <math.h>
#include <stdlib.h>

// A mean over fewer sequences than LEAST would be the sequences themselves.
enum { SEQUENCES = 128, LEAST = 16, MOST_FLOATS = 1 << 24 };

// Which head is silenced: the next layer to pass is `passed`.
typedef struct silencing {
    int layer, head, passed; // layer -1: none
} silencing;

typedef struct ablation {
    const fv_model *model;
    fv_model_sizes sizes;
    int n, n_loss, n_layers; // sequences, positions of the loss, attention layers
    const int *positions;    // [n_loss]
    int32_t *tokens, *targets;
    fv_activations *pass;
    silencing silenced;
} ablation;

// values [n][T][H][d_head].
static void silence(void *context, const fv_hook *hook, int n, float *values) {
    silencing *s = context;
    if (s->passed++ != s->layer) return;
    size_t width = (size_t)hook->shape[2], row = (size_t)hook->shape[1] * width;
    for (int t = 0; t < hook->shape[0]; t++)
        for (size_t k = 0; k < width; k++) {
            float *at = values + (size_t)t * row + (size_t)s->head * width + k;
            double sum = 0;
            for (int i = 0; i < n; i++) sum += at[(size_t)i * hook->size];
            for (int i = 0; i < n; i++) at[(size_t)i * hook->size] = (float)(sum / n);
        }
}

static double loss_of(const float *logits, int n, int target) {
    double highest = logits[0], sum = 0;
    for (int v = 1; v < n; v++) highest = fmax(highest, logits[v]);
    for (int v = 0; v < n; v++) sum += exp(logits[v] - highest);
    return log(sum) + highest - logits[target];
}

// The mean loss over all targets; NAN where there is none.
static double mean_loss(ablation *a, const float *params, int layer, int head) {
    int T = a->sizes.context_length, V = a->sizes.vocab_size;
    double sum = 0;
    long count = 0;
    a->silenced = (silencing){.layer = layer, .head = head};
    fv_activations_fill(a->pass, params, a->tokens, a->n);
    const float *logits = fv_activations_get(a->pass, "logits");
    for (int i = 0; i < a->n; i++)
        for (int p = 0; p < a->n_loss; p++) {
            int target = a->targets[(size_t)i * (size_t)a->n_loss + (size_t)p];
            size_t row = (size_t)i * (size_t)T + (size_t)a->positions[p];
            if (target < 0) continue;
            sum += loss_of(logits + row * (size_t)V, V, target);
            count++;
        }
    return count > 0 ? sum / (double)count : NAN;
}

static fv_status prepare(ablation *a, fv_error *error) {
    static const char *const kept[] = {"logits"}, *const replaced[] = {"blocks.*.attn.hook_z"};
    const fv_replacing replacing = {replaced, 1, silence, &a->silenced};
    size_t T = (size_t)a->sizes.context_length;
    size_t patterns = (size_t)a->n_layers * (size_t)a->sizes.n_head * T * T;
    size_t most = MOST_FLOATS / (T * (size_t)a->sizes.vocab_size + patterns);
    a->n = most < LEAST ? LEAST : most < SEQUENCES ? (int)most : SEQUENCES;
    a->positions = fv_model_loss_positions(a->model, &a->n_loss);
    a->tokens = calloc((size_t)a->n, T * sizeof *a->tokens);
    a->targets = calloc((size_t)a->n, (size_t)a->n_loss * sizeof *a->targets);
    if (a->tokens == NULL || a->targets == NULL)
        return fv_fail(error, FV_NO_MEMORY, "no memory for %d test sequences", a->n);
    fv_status status = fv_model_test_sequences(a->model, fv_task_seed(fv_model_config_of(a->model)),
                                               0, a->n, a->tokens, a->targets, error);
    return status != FV_OK ? status
                           : fv_activations_create_replacing(a->model, kept, 1, a->n, &replacing,
                                                             &a->pass, error);
}

static fv_status add_heads(ablation *a, const fv_probe_view *view, fv_record *record,
                           fv_error *error) {
    double whole = mean_loss(a, view->params, -1, 0);
    fv_status status = FV_OK;
    for (int i = 0; i < a->n_layers * a->sizes.n_head && status == FV_OK; i++) {
        int layer = i / a->sizes.n_head, head = i % a->sizes.n_head;
        char name[32];
        head_name(name, sizeof name, a->sizes.n_head, layer, head);
        status = probe_add(record, "ablation", name, view->step,
                           mean_loss(a, view->params, layer, head) - whole, error);
    }
    return status;
}

// How many layers have heads that can be silenced.
static fv_status count_layers(ablation *a, fv_error *error) {
    fv_hook *hooks;
    int n;
    fv_status status = fv_hooks_list(a->model, &hooks, &n, error);
    for (int i = 0; status == FV_OK && i < n; i++)
        a->n_layers += hooks[i].replaceable && probe_ends_with(hooks[i].name, ".attn.hook_z");
    if (status == FV_OK) free(hooks);
    return status;
}

static fv_status measure(const fv_probe_view *view, fv_record *record, fv_error *error) {
    ablation a = {.model = view->model, .sizes = fv_model_sizes_of(view->model)};
    fv_status status = count_layers(&a, error);
    if (status != FV_OK || a.n_layers == 0) return status;
    status = prepare(&a, error);
    if (status == FV_OK) status = add_heads(&a, view, record, error);
    fv_activations_free(a.pass);
    free(a.tokens);
    free(a.targets);
    return status;
}

const fv_probe probe_ablation = {
    .name = "ablation",
    .help = "how much the loss grows where a head gives its mean output whatever the sequence",
    .measure = measure,
};
