// Two models that answered the same questions: is one of them worse, and by how much?
//
// Of n questions the first model (the one compared with) finds some that the second misses, which
// are `lost`, and misses some that the second finds, which are `won`. Questions that both find or
// both miss say nothing about who is better. All functions are plain and thread-safe.
//
//                      second found   second missed
//      first found          .             lost
//      first missed        won              .
#ifndef FOVEA_PAIRED_H
#define FOVEA_PAIRED_H

#include <fovea/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fv_paired {
    int n; // questions that both answered; lost + won <= n
    int lost, won;
} fv_paired;

// P(X <= k) and P(X >= k) of X, the successes of n trials with probability p each: the exact
// binomial test of "p or more" and of "p or less". Summed term by term.
FV_API double fv_binomial_at_most(int k, int n, double p);
FV_API double fv_binomial_at_least(int k, int n, double p);

// McNemar's exact test (Q. McNemar, Psychometrika 12, 1947; exact as the sign test of the lost +
// won discordant questions, binomial(lost + won, 1/2)). Null: both find equally often. The p-value
// against "they differ", twice the smaller tail, at most 1; without discordant questions 1.
FV_API double fv_mcnemar(fv_paired counts);

// The same against "the second finds less often" alone: P(X >= lost). Null: the second finds as
// often or more often.
FV_API double fv_mcnemar_worse(fv_paired counts);

// That test's randomised p-value, P(X > lost) + u P(X = lost), with u uniform in [0, 1): under the
// null's edge it is uniform, where fv_mcnemar_worse, being discrete, is larger.
FV_API double fv_mcnemar_worse_randomised(fv_paired counts, double u);

// Whether the second model is at most `margin` worse, 0 < margin < 1 (non-inferiority). Null: its
// share found is lower by `margin` or more. The p-value is exact and unconditional: the score
// statistic of T. Tango (Statistics in Medicine 17, 1998), its tail maximised over the unknown share
// of discordant questions (Hsueh, Liu and Chen, Biometrics 57, 2001), which is confined to its exact
// 99.99 % interval and p raised by 0.0001 for that (Berger and Boos, JASA 89, 1994). Without
// questions 1.
FV_API double fv_paired_within(fv_paired counts, double margin);

// Tango's score interval (the same paper) of the second model's share found less the first's:
// the differences d with |won - lost - n d| <= z sqrt(n (2 q + d (1 - d))), q the share lost that is
// likeliest under d. z = FV_Z95 of fovea/eval.h gives 95 %. Without questions [-1, 1].
FV_API void fv_paired_interval(fv_paired counts, double z, double *low, double *high);

// Holm's correction (S. Holm, Scandinavian Journal of Statistics 6, 1979): adjusted[i] <= a for
// those that a family-wise level a rejects. In place where adjusted is p. FV_NO_MEMORY.
FV_API fv_status fv_holm(const double *p, int n, double *adjusted, fv_error *error);

// The paired permutation test of n differences. Null: in each pair the two numbers could as well
// have come the other way round. The statistic is the sum of the differences, the p-value
// two-sided: of up to 20 pairs the share of all 2^n assignments of signs that are as extreme, of
// more (k + 1)/(m + 1) of m = 99,999 drawn ones (9,999 of very many pairs), of which k are, the
// same for the same seed. P(p <= a) <= a under the null either way.
typedef struct fv_permutation {
    int n;
    double mean; // of the differences; NAN without any
    double p;    // 1 without any
    long long n_permutations;
    bool exact; // all of them
} fv_permutation;
FV_API void fv_paired_permutation(const double *differences, int n, uint64_t seed,
                                  fv_permutation *out);

// How probably n questions, of which the shares p_lost and p_won are expected lost and won, give
// fv_mcnemar_worse <= alpha. p_lost + p_won <= 1.
FV_API double fv_paired_power(int n, double p_lost, double p_won, double alpha);

// The fewest questions for which that is `power` or more; 0 where ten million are not enough.
FV_API int fv_paired_questions(double p_lost, double p_won, double alpha, double power);

// The same of fv_paired_within: how probably it is <= alpha, exactly, and how many questions that
// takes. Where the normal approximation says that more than 1,200 do, *exact is false and that is
// the answer. p_lost - p_won is the true difference, 0 of equal models; 0 questions where it is the
// margin or more, or where ten million are not enough.
FV_API double fv_within_power(int n, double p_lost, double p_won, double margin, double alpha);
FV_API int fv_within_questions(double p_lost, double p_won, double margin, double alpha,
                               double power, bool *exact);

#ifdef __cplusplus
}
#endif
#endif
