// What C's library computes for a run, over the arguments that it is asked for: native by glibc, in the page by
// musl. tests/web/libm.mjs holds the two against each other.
//
//   web_libm NAME N          N results of a function as doubles on standard output
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A number on (0, 1) that both builds draw alike.
static double uniform(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static double between(uint64_t *state, double low, double high) {
    return low + (high - low) * uniform(state);
}

// Moments' corrections, ranks of Zipf's law, frequencies of positions.
static double power(uint64_t *s) {
    static const double betas[] = {0.9, 0.95, 0.98, 0.99, 0.999, 0.9999};
    int kind = (int)(3 * uniform(s));
    double a = uniform(s), b = uniform(s);
    if (kind == 0) return pow(betas[(int)(6 * a)], 1 + (int)(40000 * b));
    if (kind == 1) return pow(1 + (int)(65536 * a), -0.5 - 1.5 * b);
    return pow(10000, -a);
}

// As src/base/random.c has it.
static double normal(uint64_t *s) {
    double radius = sqrt(-2 * log(uniform(s)));
    return radius * cos(6.283185307179586 * uniform(s));
}

#define TURN 6.283185307179586
#define FUNCTIONS(X)                                                                               \
    X(log_of_draws, log(uniform(s)))                                                               \
    X(cos_of_draws, cos(TURN *uniform(s)))                                                         \
    X(normal_draws, normal(s))                                                                     \
    X(log_of_numbers, log(1 + (int)between(s, 0, 65536)))                                          \
    X(powers, power(s))                                                                            \
    X(sin_of_positions, sin(between(s, 0, 65536)))                                                 \
    X(cos_of_positions, cos(between(s, 0, 65536)))                                                 \
    X(exp, exp(between(s, -80, 80)))                                                               \
    X(exp2, exp2(-between(s, 0, 8)))                                                               \
    X(expm1, expm1(-between(s, 1e-3, 1e-1)))                                                       \
    X(log1p, log1p(-uniform(s)))                                                                   \
    X(tanh, tanh(between(s, -10, 10)))

enum {
#define NAME(name, value) OF_##name,
    FUNCTIONS(NAME)
#undef NAME
};

static const char *const NAMES[] = {
#define NAME(name, value) #name,
    FUNCTIONS(NAME)
#undef NAME
};

static double compute(int f, uint64_t *s) {
    switch (f) {
#define CASE(name, value)                                                                          \
    case OF_##name:                                                                                \
        return value;
        FUNCTIONS(CASE)
#undef CASE
    default:
        return 0;
    }
}

enum { BLOCK = 8192 };
static double block[BLOCK];
static uint64_t state;

// The next results of function f, whose draws begin anew where `first`; their place.
__attribute__((used, visibility("default"))) const double *libm_block(int f, int first) {
    if (first) state = 1;
    for (int i = 0; i < BLOCK; i++) block[i] = compute(f, &state);
    return block;
}

#ifndef __wasm__
int main(int argc, char **argv) {
    for (int f = 0; argc == 3 && f < (int)(sizeof NAMES / sizeof NAMES[0]); f++) {
        if (strcmp(argv[1], NAMES[f]) != 0) continue;
        for (int i = 0; i < atoi(argv[2]) / BLOCK; i++)
            if (fwrite(libm_block(f, i == 0), sizeof block, 1, stdout) != 1) return 1;
        return 0;
    }
    for (int f = 0; argc == 1 && f < (int)(sizeof NAMES / sizeof NAMES[0]); f++) puts(NAMES[f]);
    return argc == 1 ? 0 : 2;
}
#endif
