// Positions that turn queries and keys, or bias scores: against transformers (data/rope.json, by
// tests/interop/rope_values.py), the published slopes, and what they are made for.
#include "configurations.h"

#include "model/positions.h"

#include <jansson.h>

// {"rope_factor": 4, ...} on top of a head of the file's width.
static fv_config config_of(json_t *fields, int width, int context) {
    fv_config config;
    const char *name;
    json_t *value;
    fv_config_init(&config);
    config.model.n_embd = width;
    config.model.positions = FV_POSITIONS_ROPE;
    config.task.context_length = context;
    json_object_foreach(fields, name, value) {
        char key[64], text[64];
        snprintf(key, sizeof key, "model.%s", name);
        if (json_is_string(value))
            snprintf(text, sizeof text, "%s", json_string_value(value));
        else
            snprintf(text, sizeof text, "%.17g", json_number_value(value));
        check_ok(fv_config_set(&config, key, text, NULL));
    }
    check_ok(fv_config_check(&config, NULL));
    return config;
}

// theirs are single precision.
static void equals_transformers(void **state) {
    (void)state;
    json_error_t error;
    json_t *file = json_load_file(FOVEA_SOURCE_DIR "/tests/unit/data/rope.json", 0, &error), *one;
    if (file == NULL) fail_msg("rope.json:%d: %s", error.line, error.text);
    int width = (int)json_integer_value(json_object_get(file, "width")), n_cases = 0;
    int context = (int)json_integer_value(json_object_get(file, "context"));
    size_t i;
    json_array_foreach(json_object_get(file, "cases"), i, one) {
        fv_config config = config_of(json_object_get(one, "fields"), width, context);
        json_t *theirs = json_object_get(one, "frequencies");
        rotary ours;
        check_ok(rotary_create(&config, context, &ours, NULL));
        assert_int_equal(ours.n_pairs, json_array_size(theirs));
        check_near(ours.scale, json_number_value(json_object_get(one, "scale")), 1e-6);
        for (int m = 0; m < ours.n_pairs; m++) {
            double frequency = json_number_value(json_array_get(theirs, (size_t)m));
            if (!(fabs(ours.frequency[m] / frequency - 1) <= 3e-6))
                fail_msg("case %zu: frequency %d is %.9g, not %.9g", i, m, ours.frequency[m],
                         frequency);
        }
        rotary_free(&ours);
        n_cases++;
    }
    assert_true(n_cases >= 8);
    json_decref(file);
}

// The product of a query at i and a key at j, both turned.
static double product(const rotary *r, const double *q, const double *k, int64_t i, int64_t j) {
    real cosines[2][64], sines[2][64];
    rotary_fill(r, i, 1, cosines[0], sines[0]);
    rotary_fill(r, j, 1, cosines[1], sines[1]);
    double sum = 0;
    for (int m = 0; m < r->n_pairs; m++) {
        const double *x[] = {q, k};
        double first[2], second[2];
        for (int s = 0; s < 2; s++) {
            double a = x[s][m * r->step], b = x[s][m * r->step + r->apart];
            first[s] = a * (double)cosines[s][m] - b * (double)sines[s][m];
            second[s] = a * (double)sines[s][m] + b * (double)cosines[s][m];
        }
        sum += first[0] * first[1] + second[0] * second[1];
    }
    return sum;
}

static void depends_on_the_distance_alone(void **state) {
    (void)state;
    static const char *const WORDS[] = {
        "model.n_embd=32 model.positions=rope",
        "model.n_embd=32 model.positions=rope model.rope_pairs=interleaved model.rope_width=20",
        ("model.n_embd=32 model.positions=rope model.rope_scaling=yarn model.rope_factor=8 "
         "model.rope_original=16")};
    uint64_t random = 5;
    double q[32], k[32], apart = 0;
    for (int f = 0; f < 32; f++) {
        q[f] = noise(&random);
        k[f] = noise(&random);
    }
    for (int w = 0; w < 3; w++) {
        fv_config config = configure(WORDS[w]);
        rotary r;
        check_ok(rotary_create(&config, 64, &r, NULL));
        for (int64_t shift = 0; shift < 100000; shift = 3 * shift + 7) {
            double here = product(&r, q, k, 40, 13);
            check_near(product(&r, q, k, 40 + shift, 13 + shift), here, 2e-5);
            apart = fmax(apart, fabs(product(&r, q, k, 40 + shift, 12 + shift) - here));
        }
        rotary_free(&r);
    }
    assert_true(apart > 1e-3); // another distance is another score
}

// With the factor 0 a sequence of four times the original length is read as under the factor 4, and
// one of the original length as it was trained.
static void factor_follows_the_length(void **state) {
    (void)state;
    static const char *const SCALINGS[] = {"linear", "ntk", "yarn", "llama3"};
    static const char *const FACTORS[][2] = {{"64", "4"}, {"16", "1"}, {"8", "1"}};
    for (size_t s = 0; s < sizeof SCALINGS / sizeof *SCALINGS; s++)
        for (size_t f = 0; f < sizeof FACTORS / sizeof *FACTORS; f++) {
            rotary r[2];
            for (int i = 0; i < 2; i++) {
                char words[256];
                snprintf(words, sizeof words,
                         "model.n_embd=32 model.positions=rope model.rope_original=16 "
                         "task.context_length=%s model.rope_scaling=%s model.rope_factor=%s",
                         FACTORS[f][0], SCALINGS[s], i == 0 ? "0" : FACTORS[f][1]);
                fv_config config = configure(words);
                check_ok(rotary_create(&config, 64, &r[i], NULL));
            }
            assert_true(r[0].scale == r[1].scale);
            for (int m = 0; m < r[0].n_pairs; m++)
                assert_true(r[0].frequency[m] == r[1].frequency[m]);
            for (int i = 0; i < 2; i++) rotary_free(&r[i]);
        }
    check_configuration_refused("",
                                "model.positions=rope model.n_embd=8 model.rope_scaling=linear "
                                "model.rope_factor=0.5",
                                "model.rope_factor 0.5 would squeeze positions");
}

static void slopes_as_published(void **state) {
    (void)state;
    double slope[12];
    const positions_type *alibi = positions_type_of(FV_POSITIONS_ALIBI);
    alibi->slopes(8, slope);
    for (int h = 0; h < 8; h++) check_near(slope[h], pow(0.5, h + 1), 1e-15);
    alibi->slopes(12, slope); // eight of 8, and the first, third, ... of 16
    for (int h = 0; h < 8; h++) check_near(slope[h], pow(0.5, h + 1), 1e-15);
    for (int h = 8; h < 12; h++) check_near(slope[h], pow(0.5, 0.5 + (h - 8)), 1e-15);
    alibi->slopes(1, slope);
    check_near(slope[0], 1.0 / 256, 1e-15);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_transformers),
        cmocka_unit_test(depends_on_the_distance_alone),
        cmocka_unit_test(factor_follows_the_length),
        cmocka_unit_test(slopes_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
