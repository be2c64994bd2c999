// Configurations written as text. Tests that need none include engine.h, and are not compiled again
// when a field is added.
#ifndef TESTS_CONFIGURATIONS_H
#define TESTS_CONFIGURATIONS_H

#include "engine.h"

#include <fovea/config.h>

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

#endif
