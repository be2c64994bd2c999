// The list of other names: each stands for a thing that exists, and for one only.
#include "config/synonym_lookup.h"
#include "figures/kind.h"
#include "measures/measure.h"

#include <fovea/synonyms.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *of, *name, *words;
} ROWS[] = {
#define ROW(of, name, words) {of, name, words},
    FV_SYNONYMS(ROW)
#undef ROW
};
enum { N_ROWS = sizeof ROWS / sizeof *ROWS };

static bool is_choice(const fv_field *field, const char *name) {
    for (int i = 0; field->choices != NULL && field->choices[i] != NULL; i++)
        if (strcmp(field->choices[i], name) == 0) return true;
    return false;
}

static bool is_option(const char *name) {
    int n_kinds, n;
    const figure_kind *const *kinds = figure_kinds(&n_kinds);
    const figure_option *common = figure_common_options(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(common[i].key, name) == 0) return true;
    for (int k = 0; k < n_kinds; k++)
        for (int i = 0; i < kinds[k]->n_options; i++)
            if (strcmp(kinds[k]->options[i].key, name) == 0) return true;
    return false;
}

static bool is_kind(const char *name) {
    int n;
    const figure_kind *const *kinds = figure_kinds(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(kinds[i]->name, name) == 0) return true;
    return false;
}

// An experiment whose top holds `key`, or whose claim does, is refused by another message than that
// the key is unknown.
static bool is_key(const char *format, const char *key) {
    char path[] = "/tmp/fovea-synonyms-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    fprintf(file, format, key);
    fclose(file);
    fv_experiment *experiment = NULL;
    fv_error error = {0};
    fv_status status = fv_experiment_read(path, NULL, 0, &experiment, &error);
    if (status == FV_OK) status = fv_claims_check(experiment, &error);
    fv_experiment_free(experiment);
    remove(path);
    return strstr(error.text, "there is no key") == NULL;
}

static bool exists(const char *of, const char *name) {
    if (strcmp(of, "field") == 0 || strcmp(of, "section") == 0) return fv_field_find(name) != NULL;
    if (strcmp(of, "probe") == 0) return fv_probe_find(name) != NULL;
    if (strcmp(of, "measure") == 0)
        return measure_function_find(name, strlen(name)) || measure_quantity_find(name);
    if (strcmp(of, "figure") == 0) return is_kind(name);
    if (strcmp(of, "option") == 0) return is_option(name);
    if (strcmp(of, "key") == 0) return is_key("%s: 1\n", name);
    if (strcmp(of, "test") == 0) return is_key("claims: [{%s: 1}]\n", name);
    const fv_field *field = fv_field_find(of);
    return field != NULL && is_choice(field, name);
}

static void test_names_exist(void **state) {
    (void)state;
    assert_false(is_key("%s: 1\n", "nonsense"));
    assert_false(is_key("claims: [{%s: 1}]\n", "nonsense"));
    for (int i = 0; i < N_ROWS; i++)
        if (!exists(ROWS[i].of, ROWS[i].name)) fail_msg("%s has no %s", ROWS[i].of, ROWS[i].name);
}

// No word stands for two things of a list ("hue" and the like: the options of different kinds), and
// none is itself the name of another.
static void test_words_are_one(void **state) {
    (void)state;
    for (int i = 0; i < N_ROWS; i++) {
        char words[1024], *rest = NULL;
        assert_true(strlen(ROWS[i].words) < sizeof words);
        strcpy(words, ROWS[i].words);
        for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
            const char *found = synonym_of(ROWS[i].of, word);
            if (strcmp(ROWS[i].of, "option") != 0 && strcmp(found, ROWS[i].name) != 0)
                fail_msg("'%s' is %s and %s", word, ROWS[i].name, found);
            if (strcmp(ROWS[i].of, "option") != 0 && strcmp(ROWS[i].of, "field") != 0 &&
                strcmp(ROWS[i].of, "key") != 0 && exists(ROWS[i].of, word))
                fail_msg("'%s' is a name of %s", word, ROWS[i].of);
        }
    }
}

static void test_spelling(void **state) {
    (void)state;
    assert_string_equal(synonym_of("field", "train.Learning-Rate-Init"), "train.learning_rate");
    assert_string_equal(synonym_of("field", "maxiters"), "train.steps");
    assert_string_equal(synonym_of("section", "model.depth"), "model.layers");
    assert_null(synonym_of("section", "depth"));
    assert_null(synonym_of("field", "depths"));
    assert_null(synonym_of("probe", "lr"));
    static const char *const NAMES[] = {"heatmap", "curves", NULL};
    assert_string_equal(synonym_nearest("figure", "Heat-Map", NAMES), "heatmap");
    assert_string_equal(synonym_nearest("figure", "imshow", NAMES), "heatmap");
    assert_string_equal(synonym_nearest("figure", "curvs", NAMES), "curves");
    assert_non_null(synonym_absent("model.attn_pdrop"));
    assert_null(synonym_absent("steps"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_exist),
        cmocka_unit_test(test_words_are_one),
        cmocka_unit_test(test_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
