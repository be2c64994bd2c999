// What the probe indexer_recall says, against plain loops over attention patterns: those of the same
// parameters without a selector are the dense ones, and the keys of a pattern that have weight were kept.
#include "configurations.h"

#include <fovea/model.h>
#include <fovea/probe.h>

#include <math.h>

enum { T = 20, H = 2, N = 128 };
#define WORDS                                                                                      \
    "task.vocab_size=7 task.context_length=20 task.loss=all model.n_embd=8 model.n_head=2 "        \
    "model.layers=[attention] model.positions=learned model.embedding_sigma=2 "

typedef struct subject {
    fv_config config;
    fv_model *model;
    fv_record record;
    float *patterns; // [N][H][T][T]
} subject;

static subject subject_of(const char *words, const float *params) {
    subject s = {.config = configure(words), .patterns = calloc(N * H * T * T, sizeof(float))};
    int n_loss;
    check_ok(fv_model_create(&s.config, &s.model, NULL));
    fv_model_loss_positions(s.model, &n_loss);
    int32_t *tokens = calloc(N * T, sizeof *tokens), *targets = calloc(N * T, sizeof *targets);
    check_ok(fv_model_test_data(s.model, 0, 0, N, tokens, targets));
    check_ok(fv_model_patterns(s.model, params, tokens, N, s.patterns, NULL));
    fv_record_init(&s.record);
    check_ok(
        fv_probe_measure(fv_probe_find("indexer_recall"), s.model, params, 3, &s.record, NULL));
    free(tokens);
    free(targets);
    return s;
}

static void subject_free(subject *s) {
    fv_model_free(s->model);
    fv_record_free(&s->record);
    free(s->patterns);
}

static double value_of(const subject *s, const char *name) {
    const fv_series *series = fv_record_find(&s->record, name);
    return series != NULL ? (double)series->values[0] : NAN;
}

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

// Sums over the queries of a head, or of all (-1): weight of the kept keys, of as many largest ones, how
// many of these were kept, and how many queries left a key out.
static void judge(const subject *dense, const subject *chosen, int head, double *mass, double *top,
                  double *keys) {
    double n = 0;
    *mass = *top = *keys = 0;
    for (int row = 0; row < N * H * T; row++) {
        int t = row % T, h = row / T % H, n_kept = 0, both = 0;
        const float *p = dense->patterns + row * T, *kept = chosen->patterns + row * T;
        float sorted[T];
        if (head >= 0 && h != head) continue;
        for (int j = 0; j <= t; j++) n_kept += kept[j] > 0;
        if (n_kept > t) continue;
        memcpy(sorted, p, sizeof sorted);
        qsort(sorted, (size_t)t + 1, sizeof *sorted, descending);
        for (int j = 0; j < n_kept; j++) *top += (double)sorted[j];
        for (int j = 0; j <= t; j++) {
            *mass += kept[j] > 0 ? (double)p[j] : 0;
            both += kept[j] > 0 && p[j] >= sorted[n_kept - 1];
        }
        *keys += fmin(1, (double)both / n_kept);
        n++;
    }
    *mass /= n;
    *top /= n;
    *keys /= n;
}

static void test_against_loops(void **state) {
    (void)state;
    static const char *const selectors[] = {
        "model.selector=topk model.selector_k=4",
        "model.selector=random_topk model.selector_k=4",
        "model.selector=block_topk model.selector_k=2 model.selector_block=3",
        "model.selector=indexer model.selector_k=4",
        "model.selector=group_indexer model.selector_k=3 model.selector_block=3 model.n_kv_head=2",
    };
    for (size_t i = 0; i < sizeof selectors / sizeof *selectors; i++) {
        char words[512];
        snprintf(words, sizeof words, WORDS "%s", selectors[i]);
        fv_config config = configure(words);
        fv_model *model;
        check_ok(fv_model_create(&config, &model, NULL));
        float *params = calloc(fv_model_n_params(model), sizeof *params);
        fv_model_init_params(model, 5, params);
        fv_model_free(model);
        // A selector's own parameters stand behind those that both have, but for the unembedding, which
        // patterns do not read.
        subject dense = subject_of(WORDS, params), chosen = subject_of(words, params);
        for (int h = -1; h < H; h++) {
            double mass, top, keys;
            char name[64], at[16] = "0";
            judge(&dense, &chosen, h, &mass, &top, &keys);
            if (h >= 0) snprintf(at, sizeof at, "0.h%d", h);
            snprintf(name, sizeof name, "indexer_recall.%s", at);
            check_near(value_of(&chosen, name), mass, 1e-5);
            snprintf(name, sizeof name, "indexer_recall.outside.%s", at);
            check_near(value_of(&chosen, name), 1 - mass, 1e-5);
            snprintf(name, sizeof name, "indexer_recall.keys.%s", at);
            check_near(value_of(&chosen, name), keys, 1e-5);
            snprintf(name, sizeof name, "indexer_recall.beyond.%s[4]", at);
            check_near(value_of(&chosen, name), value_of(&dense, name), 1e-5);
            if (i == 0) {
                check_near(value_of(&chosen, name), 1 - top, 1e-5);
                assert_true(keys == 1 && fabs(mass - top) < 1e-9);
            }
            if (i == 1) assert_true(mass < top - 0.05 && keys < 0.9);
        }
        assert_true(isnan(value_of(&dense, "indexer_recall.0")));
        subject_free(&dense);
        subject_free(&chosen);
        free(params);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_loops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
