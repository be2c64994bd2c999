// What a selection leaves out of attention's operations, and what choosing adds.
#include "model/attention_ways.h"
#include "model/normalisers.h"
#include "model/selectors.h"

// Keys that the query at a position keeps of those that it sees, and units that it chooses among. A block
// that a window cuts counts as a whole one among those that are chosen, as far as there are keys.
static void count_query(const attention_layer *a, int position, double *kept, double *units) {
    const int k = a->selector.k, block = a->selector.block, past = position / block;
    const int first = (int)sight_first(&a->sight, position);
    const int sinks = a->sight.sinks < first ? (int)a->sight.sinks : first;
    const int seen = (int)sight_end(&a->sight, position) - first + sinks;
    const int of_sinks = (sinks + block - 1) / block;
    *units += past + 1 - first / block + of_sinks - (of_sinks > first / block);
    int own = block == 1 ? 0 : position + 1 - (first > past * block ? first : past * block);
    int others = block == 1 ? k : block * (k - 1);
    *kept += own + (others < seen - own ? others : seen - own);
}

// The textbook computes what is kept: scores of other keys only where they are ranked by these. The lab
// attends to all keys, and weighs them once more, or the means of units, to rank.
void selector_count(const model_layer *layer, double pairs, double *textbook, double *executed,
                    double *exps) {
    const attention_layer *a = model_attention_of(layer);
    const selector_type *type = selector_type_of(a->selector.kind);
    const fv_model_config *config = &layer->model->config.model;
    double d = config->n_embd, kept = 0, units = 0;
    if (type->absent) return;
    for (int i = 0; i < layer->out.n; i++) count_query(a, layer->out.at[i], &kept, &units);
    double left = pairs - kept;
    *textbook -= left * d * (type->reads_weights ? 1 : 2);
    if (type->ranks_means) *textbook += units * d;
    *executed += type->reads_weights ? pairs * d : type->ranks_means ? units * d : 0;
    if (!type->reads_weights) *exps -= left * a->heads.n * normaliser_type_of(a->normaliser)->exps;
}
