// What runs take from the C library in double precision: initial values, schedules, Adam's
// corrections, weights of tokens, sinusoids. The last digit of such a double is the library's own.
// Runs round them to floats, and the float is that of the exact value, unless the error reaches
// across the middle between two floats: of a billion results about one.
//
//   test_c_library            the floats are those of the same functions in long double
//   test_c_library --print N  digests of the doubles and of the floats that N arguments of each
//                             function give, in a hundred blocks: `make test-arm` compares two
//                             processors
#include "engine.h"

#include <inttypes.h>

enum { ARGUMENTS = 100000, BLOCKS = 100 };

// On (0, 1) for each i, in any order (SplitMix64); 32 bits of it, as base/random.c has them.
static uint64_t mixed(uint64_t i) {
    i += 0x9E3779B97F4A7C15u;
    i = (i ^ (i >> 30)) * 0xBF58476D1CE4E5B9u;
    i = (i ^ (i >> 27)) * 0x94D049BB133111EBu;
    return i ^ (i >> 31);
}
static double uniform(uint64_t i) {
    return ((double)(uint32_t)mixed(i) + 0.5) * 0x1p-32;
}

// Arguments number i of each function, as the sources have them.
static double for_log(uint64_t i) {
    return uniform(i);
}
static double for_cos(uint64_t i) {
    return 6.283185307179586 * uniform(i);
}
static double for_sin(uint64_t i) { // of up to 65,536 positions
    return 65536 * uniform(i);
}
static double for_exp(uint64_t i) {
    return 80 * uniform(i) - 40;
}
static double for_expm1(uint64_t i) {
    return -0.1 * uniform(i);
}
static double beta_or_rank(uint64_t i) {
    uint64_t whole = mixed(2 * i);
    return i % 2 ? 1 - 0.1 * uniform(2 * i) : 1 + (double)(whole % 100000);
}
static double step_or_power(uint64_t i) {
    return i % 2 ? 1 + (double)(mixed(2 * i + 1) % 2000) : -3 * uniform(2 * i + 1);
}

static const struct function {
    const char *name;
    double (*of_one)(double);
    long double (*exact_of_one)(long double);
    double (*of_two)(double, double);
    long double (*exact_of_two)(long double, long double);
    double (*x)(uint64_t i), (*y)(uint64_t i);
} functions[] = {
    {"log", log, logl, NULL, NULL, for_log, NULL},
    {"cos", cos, cosl, NULL, NULL, for_cos, NULL},
    {"sin", sin, sinl, NULL, NULL, for_sin, NULL},
    {"exp", exp, expl, NULL, NULL, for_exp, NULL},
    {"expm1", expm1, expm1l, NULL, NULL, for_expm1, NULL},
    {"pow", NULL, NULL, pow, powl, beta_or_rank, step_or_power},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

static double value(const struct function *f, uint64_t i) {
    return f->of_one ? f->of_one(f->x(i)) : f->of_two(f->x(i), f->y(i));
}

static long double exact(const struct function *f, uint64_t i) {
    return f->of_one ? f->exact_of_one((long double)f->x(i))
                     : f->exact_of_two((long double)f->x(i), (long double)f->y(i));
}

static void floats_are_those_of_exact_values(void **state) {
    (void)state;
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (uint64_t i = 0; i < ARGUMENTS; i++) {
            float got = (float)value(&functions[k], i), wanted = (float)exact(&functions[k], i);
            if (got != wanted)
                fail_msg("%s, argument %" PRIu64 ": %.9g is not %.9g", functions[k].name, i,
                         (double)got, (double)wanted);
        }
}

static int print_digests(uint64_t n) {
    for (int k = 0; k < N_FUNCTIONS; k++)
        for (uint64_t block = 0, i = 0; block < BLOCKS; block++) {
            uint64_t doubles = 0, floats = 0;
            for (; i < n / BLOCKS * (block + 1); i++) {
                double y = value(&functions[k], i);
                float rounded = (float)y;
                uint64_t bits;
                uint32_t rounded_bits;
                memcpy(&bits, &y, sizeof bits);
                memcpy(&rounded_bits, &rounded, sizeof rounded_bits);
                doubles = mixed(doubles ^ bits);
                floats = mixed(floats ^ rounded_bits);
            }
            printf("%s %" PRIu64 " %016" PRIx64 " %016" PRIx64 "\n", functions[k].name, block,
                   doubles, floats);
        }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--print") == 0)
        return print_digests(strtoull(argv[2], NULL, 10));
    const struct CMUnitTest tests[] = {cmocka_unit_test(floats_are_those_of_exact_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
