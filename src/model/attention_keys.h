// What a layer of a configuration sees, for whoever computes it: the lab's model, or the decoder.
#ifndef MODEL_ATTENTION_KEYS_H
#define MODEL_ATTENTION_KEYS_H

#include "attention/sight.h"
#include "config/part.h"

#include <fovea/fields.h>

// From so many keys on probabilities are not kept: there they are larger than everything else.
enum { FV_LONG_CONTEXT = 512 };

// The longest context where all probabilities are kept because tiles do not have them: sixteen samples
// then hold a gigabyte of them a head.
enum { FV_KEPT_CONTEXT = 4096 };

// Head h of queries reads head h n_kv / n of keys and values.
typedef struct attention_heads {
    int n, n_kv, width;
    int q, kv; // widths of a row of queries, and of one of keys or values
} attention_heads;

// The first feature of the keys and values that head h reads.
static inline int attention_kv_first(const attention_heads *heads, int h) {
    return h * heads->n_kv / heads->n * heads->width;
}

// What layer i of the configuration's list sees, and the heads that it has.
attention_sight sight_of(const fv_model_config *config, int i);
attention_heads heads_of(const fv_model_config *config, int i);
// Whether its heads of keys divide those of queries.
fv_status attention_check_heads(const config_checking *c, int i);

#endif
