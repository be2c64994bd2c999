// The paired permutation test. Under its null the two numbers of a pair could as well have come
// the other way round, so that every assignment of signs to the differences was as probable as the
// one that was seen (R. A. Fisher, The Design of Experiments, 1935).
#include <fovea/paired.h>

#include <math.h>
#include <stdlib.h>

enum {
    EXACT = 20,            // pairs: a million assignments
    MOST_DRAWN = 99999,    // assignments of more pairs
    FEWEST_DRAWN = 9999,   // of very many
    MOST_SIGNS = 200000000 // drawn in all, between these two
};

// Sums in another order round otherwise: what is so near is as extreme.
static const double same_sum = 1e-12;

static double absolute_sum(const double *d, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += fabs(d[i]);
    return sum;
}

// How many of all assignments of signs have a sum as far from 0 as `least`. From one to the next
// one sign changes (Gray's code), and half of them are the other half's mirror.
static long long count_all(const double *d, int n, double least) {
    double sum = 0;
    long long half = 1LL << (n - 1), count = 0;
    char minus[EXACT] = {0};
    for (int i = 0; i < n; i++) sum += d[i];
    for (long long k = 1;; k++) {
        count += fabs(sum) >= least;
        if (k == half) return 2 * count;
        int i = __builtin_ctzll((unsigned long long)k);
        sum += minus[i] ? 2 * d[i] : -2 * d[i];
        minus[i] = !minus[i];
    }
}

static uint64_t next_bits(uint64_t *state) { // splitmix64
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

static double drawn_sum(const double *d, int n, uint64_t *state) {
    double sum = 0;
    for (int i = 0; i < n; i += 64) {
        uint64_t bits = next_bits(state);
        int some = n - i < 64 ? n - i : 64;
        for (int k = 0; k < some; k++, bits >>= 1) sum += bits & 1 ? d[i + k] : -d[i + k];
    }
    return sum;
}

void fv_paired_permutation(const double *d, int n, uint64_t seed, fv_permutation *out) {
    double sum = 0, slack = same_sum * absolute_sum(d, n);
    for (int i = 0; i < n; i++) sum += d[i];
    *out = (fv_permutation){.n = n, .mean = n > 0 ? sum / n : NAN, .p = 1, .exact = true};
    out->n_permutations = 1;
    if (n <= 0) return;
    double least = fabs(sum) - slack;
    if (n <= EXACT) {
        out->n_permutations = 1LL << n;
        out->p = (double)count_all(d, n, least) / (double)out->n_permutations;
        return;
    }
    long long wanted = MOST_SIGNS / n, count = 1; // what was seen is one of them
    out->exact = false;
    out->n_permutations = wanted > MOST_DRAWN     ? MOST_DRAWN
                          : wanted < FEWEST_DRAWN ? FEWEST_DRAWN
                                                  : wanted;
    for (long long k = 0; k < out->n_permutations; k++)
        count += fabs(drawn_sum(d, n, &seed)) >= least;
    out->p = (double)count / (double)(out->n_permutations + 1);
}
