// Where a model loses its context, read off a grid of cells: a logistic model of what was found over
// depth d (-1 at the beginning, 1 at the end) and length L (its logarithm to base 2, less the mean),
//
//   logit P(found) = a + b L + (c + c' L) d + (e + e' L) d^2,
//
// held against the one without its last term, which has no dip in the middle. At one length the
// terms with L are left out. It is fitted by Firth's penalised likelihood (src/statistics/
// logistic.h), which is finite where everything is found.
#ifndef FOVEA_CONTEXT_USE_H
#define FOVEA_CONTEXT_USE_H

#include <fovea/eval.h>

#ifdef __cplusplus
extern "C" {
#endif

// The fit at one place, with its 95 % interval (Wald's, of the logit).
typedef struct fv_use_point {
    double depth; // percent
    double rate, low, high;
} fv_use_point;

// And at one length.
typedef struct fv_use_length {
    int length;
    fv_use_point begin, end; // depths 0 and 100
    fv_use_point least;      // where the fit is lowest
    double dip, low, high;   // e + e' L, by how much the logit of the ends is above the middle's
} fv_use_length;

enum { FV_USE_LENGTHS = 64 };
typedef struct fv_context_use {
    const fv_cell *first; // of its cells: model, settings, task and unit
    int n_cells, n;       // cells with a depth, and their answers that count
    int n_lengths;
    fv_use_length lengths[FV_USE_LENGTHS]; // rising
    int degrees;                           // 1 or 2: of e, or of e and e'
    double ratio;                          // the likelihood ratio's statistic, over the dispersion
    double p;                              // of the null 'no dip, and no hump', by chi-square
    double dispersion; // Pearson's statistic over its degrees of freedom, not below 1: answers that
                       // are not independent, or a shape that is no parabola
    bool lost;         // at the longest length: p <= 0.05, the interval of its dip above 0, the
                       // lowest place between 10 and 90 %
    int from;          // the shortest length from which on all dips are so; 0 where not lost
} fv_context_use;

// Fits the cells of the same model, settings, task and unit as cell `i`, if none before it is of
// these. False where it is not the first of them, or where they have less than three depths or more
// than 64 lengths.
FV_API bool fv_context_use_of(const fv_cells *cells, int i, fv_context_use *use);

// One or two sentences about it; 512 bytes hold them.
FV_API void fv_context_use_text(const fv_context_use *use, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
