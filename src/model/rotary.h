// Positions that turn queries and keys instead of being added to embeddings (rotary position
// embedding, arXiv 2104.09864): pair m of a head's features is turned by position * frequency[m],
// so that a score depends on how far apart two positions are and not on where they stand.
#ifndef MODEL_ROTARY_H
#define MODEL_ROTARY_H

#include "base/real.h"

#include <fovea/fields.h>

typedef struct rotary {
    int n_pairs;       // 0: nothing is turned
    int step, apart;   // pair m: the features m * step and m * step + apart of a head
    double scale;      // of cosines and sines
    double *frequency; // [n_pairs], radians a position
} rotary;

// What model.positions asks for in a model of sequences of up to `longest` positions.
fv_status rotary_create(const fv_config *config, int longest, rotary *to, fv_error *error);
void rotary_free(rotary *r);

// For sequences of another length than the trained one: positions are stretched from the latter,
// whatever is asked.
void rotary_keep_original(const fv_config *trained, fv_config *asked);

// Cosines and sines of n neighbouring positions from `first` on, [n][n_pairs] each: angles in
// double precision.
void rotary_fill(const rotary *r, int64_t first, int64_t n, real *cosines, real *sines);
// Cosines [n][n_pairs], then sines, of any positions; NULL without memory. To be freed.
real *rotary_table(const rotary *r, int n, const int *at);

#endif
