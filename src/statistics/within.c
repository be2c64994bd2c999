// Non-inferiority of paired shares: the test of a margin, and how many questions it needs.
#include "statistics/within.h"

#include "statistics/binomial.h"

#include <math.h>
#include <stdlib.h>

enum { N_SHARES = 400 };               // of discordant questions, between which nothing is larger
static const double left_out = 1e-4;   // of the probability that the share is among them
static const double same_score = 1e-9; // ties are as extreme as what was seen
static const double no_probability = 1e-15;

// q, the likeliest share lost under d, is the larger root of a quadratic equation.
double tango_score(fv_paired c, double d) {
    double n = c.n, gap = c.won - c.lost - n * d;
    double b = -c.won - c.lost + (2 * n - c.won + c.lost) * d;
    double product = -c.lost * d * (1 - d);
    double q = (sqrt(fmax(0, b * b - 8 * n * product)) - b) / (4 * n);
    double variance = n * (2 * q + d * (1 - d));
    if (gap == 0) return 0;
    return variance > 0 ? gap / sqrt(variance) : copysign(INFINITY, gap);
}

// --- the test ------------------------------------------------------------------------------------

// Of `discordant` questions the most lost ones that are as good a proof as the score `seen`; -1 for
// none. The statistic falls with every further lost one.
static int most_lost(int discordant, int n, double margin, double seen) {
    int low = -1, high = discordant;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        const fv_paired at = {n, middle, discordant - middle};
        if (tango_score(at, -margin) >= seen - same_score)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// P(X <= m) of X ~ binomial(k, p), taken from one k and m to the next: a term more or less.
typedef struct tail {
    int k, m;
    double p, below, equal; // P(X <= m), P(X = m)
} tail;

static void tail_begin(tail *t, int k, int m) {
    t->k = k;
    t->m = m;
    t->below = m >= 0 ? fv_binomial_at_most(m, k, t->p) : 0;
    t->equal = m >= 0 ? binomial_equal(m, k, t->p) : 0;
}

// From k to k + 1, and to an m that is not smaller. What is too small to go on from is begun anew.
static void tail_go_on(tail *t, int m) {
    static const double too_small = 1e-250;
    if (t->m < 0 || m < t->m || t->p >= 1 || t->equal < too_small) {
        tail_begin(t, t->k + 1, m);
        return;
    }
    t->below -= t->p * t->equal;
    t->k++;
    t->equal *= (1 - t->p) * t->k / (t->k - t->m);
    for (; t->m < m; t->m++) {
        t->equal *= t->p / (1 - t->p) * (t->k - t->m) / (t->m + 1);
        t->below += t->equal;
    }
}

// The probability of such a proof where the second model is worse by the margin exactly, and a
// share `discordant` of all questions is discordant. most[k - least]: most_lost of k.
static double proof_by_chance(int n, double margin, double discordant, const int *most, int least) {
    double sum = 0;
    int first, last;
    binomial_range(n, discordant, &first, &last);
    tail t = {.p = (discordant + margin) / (2 * discordant)};
    double weight = binomial_equal(first, n, discordant);
    tail_begin(&t, first, most[first - least]);
    for (int k = first; k <= last; k++) {
        if (weight > no_probability) sum += weight * fmax(0, t.below);
        if (k == last) break;
        tail_go_on(&t, most[k + 1 - least]);
        weight = weight > 0 && discordant < 1
                     ? weight * (n - k) / (k + 1) * discordant / (1 - discordant)
                     : binomial_equal(k + 1, n, discordant);
    }
    return sum;
}

double fv_paired_within(fv_paired c, double margin) {
    double low, high, largest = 0;
    int least, most_k, ignored;
    if (c.n <= 0) return 1; // nothing is shown
    binomial_interval(c.lost + c.won, c.n, left_out, &low, &high);
    if (low < margin) low = margin; // fewer discordant questions make no such difference
    if (low > high) return left_out;
    binomial_range(c.n, low, &least, &ignored);
    binomial_range(c.n, high, &ignored, &most_k);
    for (int i = 0; i <= N_SHARES; i++) { // an end need not have the widest range
        int first, last;
        binomial_range(c.n, low + (high - low) * i / N_SHARES, &first, &last);
        if (first < least) least = first;
        if (last > most_k) most_k = last;
    }
    int *most = malloc(((size_t)(most_k - least) + 1) * sizeof *most);
    if (most == NULL) return 1;
    double seen = tango_score(c, -margin);
    for (int k = least; k <= most_k; k++) most[k - least] = most_lost(k, c.n, margin, seen);
    for (int i = 0; i <= N_SHARES; i++) {
        double share = low + (high - low) * i / N_SHARES;
        largest = fmax(largest, proof_by_chance(c.n, margin, share, most, least));
    }
    free(most);
    return fmin(1, largest + left_out);
}

// --- its power -----------------------------------------------------------------------------------

// The most lost of k discordant questions that show it, -1 for none; near `from`, that of k - 1.
static int most_shown(int k, int n, int from, double margin, double alpha) {
    int c = from < k ? from : k;
    while (c < k && fv_paired_within((fv_paired){n, c + 1, k - c - 1}, margin) <= alpha) c++;
    if (c > from) return c;
    while (c >= 0 && fv_paired_within((fv_paired){n, c, k - c}, margin) > alpha) c--;
    return c;
}

double fv_within_power(int n, double p_lost, double p_won, double margin, double alpha) {
    double discordant = fmin(1, p_lost + p_won), sum = 0;
    double p = discordant > 0 ? p_lost / (p_lost + p_won) : 0;
    int first, last, most;
    if (n <= 0) return 0;
    binomial_range(n, discordant, &first, &last);
    if (discordant <= 0) last = 0;
    most = first / 2;
    for (int k = first; k <= last; k++) {
        double weight = binomial_equal(k, n, discordant);
        if (weight < 1e-9) continue;
        most = most_shown(k, n, most, margin, alpha);
        if (most >= 0) sum += weight * fv_binomial_at_most(most, k, p);
    }
    return sum;
}

// The z above which a normal variable is with probability p.
static double normal_above(double p) {
    double low = -10, high = 10;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (0.5 * erfc(middle / sqrt(2)) > p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

int fv_within_questions(double p_lost, double p_won, double margin, double alpha, double power,
                        bool *exact) {
    enum { MOST_EXACT = 1200, MOST_QUESTIONS = 10000000 };
    double room = margin - (p_lost - p_won), discordant = p_lost + p_won;
    double z = normal_above(alpha) + normal_above(1 - power);
    *exact = true;
    if (room <= 0) return 0;
    double about = z * z * (discordant - (p_lost - p_won) * (p_lost - p_won)) / (room * room);
    *exact = about <= MOST_EXACT;
    if (!*exact) return about < MOST_QUESTIONS ? (int)ceil(about) : 0;
    int few = 0, enough = about > 16 ? (int)about : 16;
    while (fv_within_power(enough, p_lost, p_won, margin, alpha) < power) {
        few = enough;
        enough += about > 100 ? enough / 16 : enough / 4;
        if (enough > 4 * MOST_EXACT) return 0;
    }
    while (enough - few > 1) {
        int middle = few > 0 || enough < 64 ? few + (enough - few) / 2 : enough - enough / 8;
        if (fv_within_power(middle, p_lost, p_won, margin, alpha) < power)
            few = middle;
        else
            enough = middle;
    }
    return enough;
}
