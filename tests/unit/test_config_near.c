// Configurations that are read by what differs from the one before are those that are read whole.
#include "configurations.h"
#include "store/config_json.h"
#include "store/config_near.h"

static char *json_of(const char *words) {
    fv_config config = configure(words);
    char *json = config_to_json(&config);
    assert_non_null(json);
    return json;
}

// The same text, status and message as of the plain way.
static void expect_same(config_near *near, const char *json) {
    fv_config whole, quick;
    fv_error why = {0}, other = {0};
    fv_status status = config_from_json(json, "w", &whole, &why);
    assert_int_equal(config_near_read(near, json, "w", &quick, &other), status);
    assert_string_equal(other.text, why.text);
    if (status != FV_OK) return;
    char *a = config_to_json(&whole), *b = config_to_json(&quick);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static const char *const WORDS[] = {
    "",
    "train.seed=3 train.learning_rate=0.5",
    "model.layers=[attention(window=2),mlp,mamba] train.snapshots=[1,20]",
    "train.stop_metric=loss train.stop_value=0.25",
    "task.name=recall task.context_length=17 train.seed=12345",
};
enum { N_WORDS = sizeof WORDS / sizeof *WORDS };

static void test_runs_of_a_sweep(void **state) {
    (void)state;
    config_near near = {0};
    for (int i = 0; i < N_WORDS * N_WORDS; i++) {
        char *json = json_of(WORDS[i / N_WORDS * (i % 2) + i % N_WORDS * (1 - i % 2)]);
        expect_same(&near, json);
        free(json);
    }
    assert_true(near.n > 80); // and it is the quick way that was taken
    config_near_free(&near);
}

// Whatever became of one or two bytes, or of what stands between the members.
static void test_damaged_texts(void **state) {
    (void)state;
    config_near near = {0};
    char *first = json_of(WORDS[0]), *second = json_of(WORDS[2]);
    size_t n = strlen(second);
    uint64_t seed = 7;
    for (int i = 0; i < 3000; i++) {
        expect_same(&near, first);
        char *damaged = strdup(second);
        static const char LIKELY[] = "{}[]\",:\\ 0e-";
        for (int k = 0; k <= i % 2; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            damaged[(seed >> 33) % n] = LIKELY[(seed >> 20) % (sizeof LIKELY - 1)];
        }
        if (i % 5 == 0) damaged[(seed >> 33) % n] = '\0';
        expect_same(&near, damaged);
        free(damaged);
    }
    expect_same(&near, "");
    expect_same(&near, "[]");
    expect_same(&near, "{}");
    expect_same(&near, first);
    expect_same(&near, "{\"train.seed\":1,\"train.seed\":2}");
    expect_same(&near, "{\"train.seed\": 1 , \"train.steps\": 2}");
    expect_same(&near, "{\"train.seed\": 1 , \"train.steps\": 3}");
    expect_same(&near, "{\"train.sede\":1}");
    free(first);
    free(second);
    config_near_free(&near);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_of_a_sweep),
        cmocka_unit_test(test_damaged_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
