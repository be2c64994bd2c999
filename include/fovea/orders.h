// Does it matter in which order documents stand? The same questions with the same documents in
// different orders (the tasks qa_ends, qa_rank and qa_shuffled), compared question by question.
#ifndef FOVEA_ORDERS_H
#define FOVEA_ORDERS_H

#include <fovea/eval.h>
#include <fovea/paired.h>

#ifdef __cplusplus
extern "C" {
#endif

// Two orders at one length, of the questions that have an answer that counts in both.
typedef struct fv_order_pair {
    const char *first, *second; // "rank", "ends"
    int length;                 // documents
    fv_paired counts;           // lost: found in the first order alone, won: in the second alone
    double low, high;           // 95 % of the difference of shares, second less first
    double p;                   // fv_mcnemar: both are found equally often
    double holm;                // the same, corrected for the number of pairs
} fv_order_pair;

// Compares the stored answers of every two orders of the fv_served, a later one of its tasks as the
// first; *n is 0 where it asks about fewer than two. The caller frees *pairs.
FV_API fv_status fv_served_orders(fv_served *served, fv_order_pair **pairs, int *n,
                                  fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
