// A table of positions that is trained like that of tokens.
#include "model/positions.h"

static void plan(fv_model *model, model_layer *embedding) {
    int d = model->config.model.n_embd, kept = model->config.model.d_positions;
    size_t table = model_add(model, FV_INIT_EMBEDDING, model->n_positions, d, d, "pos_embed.W_pos");
    embedding->param[FV_EMBEDDING_POSITIONS] = table;
    if (kept > 0) model_restrict(model, table, kept, d);
}

static void settle_d_positions(fv_config *c) {
    if (c->model.d_positions == c->model.n_embd) c->model.d_positions = 0;
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_model_config *model = &c->config->model;
    if (model->d_positions <= model->n_embd) return FV_OK;
    return check_refuse(c, "model.d_positions",
                        "model.d_positions %d is wider than the stream; model.n_embd allows 1 "
                        "to %d, and 0 for all",
                        model->d_positions, model->n_embd);
}

const positions_type positions_learned = {
    .part = {.help = "a table that is trained like that of tokens",
             .example = "model: {positions: learned}",
             .reads = {FV_READS(model.d_positions), FV_READS(train.embedding_rate)},
             .same = {{"model.d_positions", settle_d_positions, "0 is all features", NULL}},
             .check = check},
    .plan = plan,
};
