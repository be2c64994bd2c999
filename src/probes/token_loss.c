// Where the loss lies. Cross-entropy on test sequences, averaged by what was to be predicted and by
// where: "token_loss[7]" over all targets that are token 7, "position_loss[3]" over all at position
// 3. Averaged with their numbers of targets both give the loss. Tokens that are never a target in
// the sequences have no point.
#include "probes/predictions.h"
#include "probes/probes.h"

#include <stdio.h>

enum { MAX_SERIES = 512 }; // tokens or positions: each is a series of its own

// `places` names the sums; NULL: by their indices.
static fv_status add_points(const loss_sums *s, int n, const int *places, const char *probe,
                            int step, fv_record *record, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        char name[48];
        if (s->count[i] == 0) continue;
        snprintf(name, sizeof name, "%s[%d]", probe, places != NULL ? places[i] : i);
        if (fv_record_add(record, name, step, (float)(s->loss[i] / (double)s->count[i])) != FV_OK)
            status = fv_fail(error, FV_NO_MEMORY, "no memory for the series '%s'", name);
    }
    return status;
}

static fv_status check_size(const char *probe, const char *field, int n, fv_error *error) {
    if (n <= MAX_SERIES) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "probe %s: %s makes %d series of the loss; the probe keeps at most %d", probe,
                   field, n, MAX_SERIES);
}

static fv_status check_tokens(const fv_model *model, fv_error *error) {
    return check_size("token_loss", "task.vocab_size", fv_model_sizes_of(model).vocab_size, error);
}

static fv_status measure_tokens(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const probe_losses *l = view->read;
    return add_points(&l->by_token, l->n_vocab, NULL, "token_loss", view->step, record, error);
}

const fv_probe probe_token_loss = {
    .name = "token_loss",
    .help = "loss by the token that is to be predicted",
    .reads = &reading_losses,
    .check = check_tokens,
    .measure = measure_tokens,
};

static fv_status check_positions(const fv_model *model, fv_error *error) {
    int n_loss;
    fv_model_loss_positions(model, &n_loss);
    return check_size("position_loss", "task.context_length", n_loss, error);
}

static fv_status measure_positions(const fv_probe_view *view, fv_record *record, fv_error *error) {
    const probe_losses *l = view->read;
    int n_loss;
    const int *positions = fv_model_loss_positions(view->model, &n_loss);
    return add_points(&l->by_position, l->n_loss, positions, "position_loss", view->step, record,
                      error);
}

const fv_probe probe_position_loss = {
    .name = "position_loss",
    .help = "loss by the position of the prediction",
    .needs = "task: {name: induction, loss: all}",
    .reads = &reading_losses,
    .check = check_positions,
    .measure = measure_positions,
};
