// What a sequence costs in an attention layer.
#include "model/attention_ways.h"
#include "model/normalisers.h"

void attention_cost(const model_layer *layer, double *textbook, double *executed, double *exps) {
    const attention_heads *heads = &model_attention_of(layer)->heads;
    double d = layer->model->config.model.n_embd, n_head = heads->n, kv = heads->kv;
    double n_in = layer->in.n, n_out = layer->out.n, pairs = 0;
    const seen_rows *seen = &model_attention_of(layer)->seen;
    for (int i = 0; i < layer->out.n; i++) {
        int behind = seen->first_key[i] - seen->n_sinks; // what the window leaves out
        pairs += seen->n_keys[i] - (behind > 0 ? behind : 0);
    }
    double around = 2 * n_out * d * d; // W_Q and W_O
    *textbook = around + 2 * n_in * d * kv + 2 * pairs * d;
    *executed = attention_goes_by(layer, FV_ATTEND_POOLED)
                    ? around + 2 * n_out * d * d + 2 * pairs * d * n_head
                    : *textbook;
    if (model_attention_of(layer)->tables.present)
        *executed = (n_out + token_tables_rows(layer)) * d * d +
                    2 * token_tables_rows(layer) * d * kv + 2 * pairs * d;
    *exps = pairs * n_head * normaliser_type_of(layer->model->config.model.normaliser)->exps;
}
