// How scores become weights: one descriptor a normaliser, made from the list of
// include/fovea/parts/normalisers.def.
#ifndef MODEL_NORMALISERS_H
#define MODEL_NORMALISERS_H

#include "config/part.h"
#include "kernels/kernels.h"

// By what a query's scores are multiplied first, n being the keys that it sees: nothing;
// s log n with an s of the head; 1 + beta (log n)^gamma, both made of the query.
typedef enum normaliser_stretch {
    FV_NO_STRETCH,
    FV_STRETCH_OF_HEAD,
    FV_STRETCH_OF_QUERY
} normaliser_stretch;

typedef struct normaliser_type {
    config_part part;
    bool theirs; // TransformerLens weighs keys so
    bool alpha;  // it has one: model.entmax_alpha
    normaliser_stretch stretch;
    int exps; // exponentials a key
} normaliser_type;

// The type of FV_NORMALISER_<kind>; kernels number normalisers alike.
const normaliser_type *normaliser_type_of(int kind);

// Whether weights are those of a softmax of the scores as they are: what tiles compute.
bool normaliser_is_softmax(int kind);

// What a head's parameter makes of its alpha, and d alpha / d parameter; and back.
enum { FV_LEAST_ALPHA_PERCENT = 101 };
real normaliser_alpha(real logit, real *slope);
double normaliser_alpha_logit(double alpha);

#endif
