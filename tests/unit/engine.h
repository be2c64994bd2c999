// What the tests of the engine share: configurations written as text, numbers to fill arrays with,
// and assertions that print the numbers they judge.
#ifndef TESTS_ENGINE_H
#define TESTS_ENGINE_H

#include <fovea/config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The next word of a text, ended by a blank outside of brackets; NULL behind the last.
static inline char *next_word(char **rest) {
    char *word = *rest + strspn(*rest, " "), *end = word;
    for (int depth = 0; *end != '\0' && (*end != ' ' || depth > 0); end++)
        depth += (*end == '[') - (*end == ']');
    *rest = *end == '\0' ? end : end + 1;
    *end = '\0';
    return end > word ? word : NULL;
}

// A configuration, not checked, from "task.vocab_size=10 model.layers=[attention,mlp] ...", words
// apart by blanks. `section` ("task.", or "") stands in front of every key.
static inline fv_config read_configuration(const char *section, const char *words) {
    fv_config config;
    fv_error error;
    fv_config_init(&config);
    char text[1024];
    int length = snprintf(text, sizeof text, "%s", words);
    if (length >= (int)sizeof text) fail_msg("configuration too long: %s", words);
    char *rest = text;
    for (char *word = next_word(&rest); word; word = next_word(&rest)) {
        char *value = strchr(word, '=');
        if (value == NULL) fail_msg("'%s' is not key=value", word);
        *value++ = '\0';
        char key[64];
        snprintf(key, sizeof key, "%s%s", section, word);
        if (fv_config_set(&config, key, value, &error) != FV_OK) fail_msg("%s", error.text);
    }
    return config;
}

static inline fv_config configure(const char *words) {
    fv_error error;
    fv_config config = read_configuration("", words);
    if (fv_config_check(&config, &error) != FV_OK) fail_msg("%s: %s", words, error.text);
    return config;
}

// That the configuration is refused, with a message that says `fragment`.
static inline void check_configuration_refused(const char *section, const char *words,
                                               const char *fragment) {
    fv_error error;
    fv_config config = read_configuration(section, words);
    assert_int_equal(fv_config_check(&config, &error), FV_USAGE);
    if (strstr(error.text, fragment) == NULL)
        fail_msg("%s: '%s' does not say '%s'", words, error.text, fragment);
}

// A number on [0, 1) from a linear congruence: the tests' own, so that no fault of the engine's
// generator can hide itself.
static inline double noise01(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static inline double noise(uint64_t *state) {
    return 2 * noise01(state) - 1;
}

// Standard normal, by Box-Muller.
static inline double noise_normal(uint64_t *state) {
    double u[2];
    for (int i = 0; i < 2; i++) u[i] = noise01(state) + 0x1p-54;
    return sqrt(-2 * log(u[0])) * cos(6.283185307179586 * u[1]);
}

// On [0, n).
static inline int noise_below(uint64_t *state, int n) {
    return (int)(noise01(state) * n);
}

#define check_near(value, wanted, tolerance)                                                       \
    do {                                                                                           \
        double value_ = (value), wanted_ = (wanted), tolerance_ = (tolerance);                     \
        if (!(fabs(value_ - wanted_) <= tolerance_))                                               \
            fail_msg("%s is %.9g, not within %g of %.9g", #value, value_, tolerance_, wanted_);    \
    } while (0)

#define check_between(value, lowest, highest)                                                      \
    do {                                                                                           \
        double value_ = (value), lowest_ = (lowest), highest_ = (highest);                         \
        if (!(value_ >= lowest_ && value_ <= highest_))                                            \
            fail_msg("%s is %.9g, not between %g and %g", #value, value_, lowest_, highest_);      \
    } while (0)

#define check_ok(call)                                                                             \
    do {                                                                                           \
        fv_status status_ = (call);                                                                \
        if (status_ != FV_OK) fail_msg("%s: %s", #call, fv_status_text(status_));                  \
    } while (0)

#endif
