// Which keys a query sees: what is said in positions against the rows that a planned layer hands to
// the kernels, and against the tiles. And that workers on one model have what they need for
// themselves.
#include "configurations.h"

#include "model/attention_layer.h"

#include <fovea/model.h>
#include <pthread.h>

enum { L = FV_LANES, T = 13 };

// By the definition alone.
static bool sees(int window, int sinks, bool exclude_self, int query, int key) {
    if (key > query || (exclude_self && key == query)) return false;
    return window == 0 || key > query - window || key < sinks;
}

static fv_config any_configuration(uint64_t *random, int *window, int *sinks, bool *exclude_self) {
    do {
        *window = noise_below(random, 6);
        *sinks = *window > 0 ? noise_below(random, 4) : 0;
        *exclude_self = noise_below(random, 2);
    } while (*window == 1 && *sinks == 0 && *exclude_self);
    char words[256];
    int n = snprintf(words, sizeof words, "task.context_length=%d model.exclude_self=%s", T,
                     *exclude_self ? "true" : "false");
    if (*window > 0)
        snprintf(words + n, sizeof words - (size_t)n, " model.window=%d model.sinks=%d", *window,
                 *sinks);
    return configure(words);
}

// Rows of `in` that the layer's kernels see are those whose positions are seen, and every one of
// these is there.
static void rows_are_the_positions_seen(void **state) {
    (void)state;
    uint64_t random = 5;
    for (int i = 0; i < 300; i++) {
        int window, sinks, at[T], n = 0;
        bool exclude_self;
        fv_config config = any_configuration(&random, &window, &sinks, &exclude_self);
        for (int t = 0; t < T; t++)
            if (noise_below(&random, 3) == 0 || (n == 0 && t == T - 1)) at[n++] = t;
        fv_model *model;
        check_ok(model_plan(&config, &(model_positions){n, at}, 1, &model, NULL));
        const model_layer *layer = &model->layers[1];
        const attention_layer *a = model_attention_of(layer);
        kernel_attend rows = {
            .n_keys = a->seen.n_keys, .first_key = a->seen.first_key, .n_sinks = a->seen.n_sinks};
        for (int q = 0; q < n; q++)
            for (int key = 0, row = 0; key < T; key++) {
                bool seen = sees(window, sinks, exclude_self, at[q], key);
                bool held = row < layer->in.n && layer->in.at[row] == key;
                assert_int_equal(sight_sees(&a->sight, at[q], key), seen);
                if (seen) assert_true(held);
                if (held) assert_int_equal(attend_sees(&rows, q, row++), seen);
            }
        fv_model_free(model);
    }
}

static void tiles_see_the_same(void **state) {
    (void)state;
    uint64_t random = 6;
    for (int i = 0; i < 100; i++) {
        int window, sinks;
        bool exclude_self;
        fv_config config = any_configuration(&random, &window, &sinks, &exclude_self);
        attention_sight sight = sight_of(&config.model, 0);
        fv_attention_config c;
        fv_attention_config_init(&c);
        c.n_query = c.n_key = T;
        c.d_head = 1;
        c.n_threads = 1;
        c.mask = sight_mask(&sight);
        fv_attention *plan;
        check_ok(fv_attention_create(&c, &plan, NULL));
        for (int query = exclude_self; query < T; query++)
            for (int key = 0; key < T; key++) {
                attention_placement q = {1, {{1, query - exclude_self, 1}}}, k = {1, {{1, key, 1}}};
                if (tiles_any(plan, &q, &k) != sees(window, sinks, exclude_self, query, key))
                    fail_msg("window %d, sinks %d, exclude_self %d: key %d of query %d", window,
                             sinks, exclude_self, key, query);
            }
        fv_attention_free(plan);
    }
}

#define LONG "task.loss=all task.context_length=520 model.n_embd=4 model.layers=[attention*2]"

static void workers_have_their_own(void **state) {
    (void)state;
    fv_config config = configure(LONG);
    fv_model *model;
    model_worker_layers one, other;
    check_ok(fv_model_create(&config, &model, NULL));
    check_ok(worker_layers_create(model, &one, NULL));
    check_ok(worker_layers_create(model, &other, NULL));
    for (int i = 0; i < model->n_layers; i++) {
        bool tiles = model->layers[i].type == &layer_attention;
        assert_int_equal(one.own[i] != NULL, tiles);
        if (tiles) assert_ptr_not_equal(one.own[i], other.own[i]);
    }
    worker_layers_free(&one);
    worker_layers_free(&other);
    fv_model_free(model);
}

typedef struct pass {
    const fv_model *model;
    const float *params;
    const int32_t *tokens;
    float *logits;
} pass;

static void *run_pass(void *argument) {
    pass *p = argument;
    for (int i = 0; i < 3; i++)
        check_ok(fv_model_logits(p->model, p->params, p->tokens, 1, p->logits, NULL));
    return NULL;
}

// More passes over one model at a time than there are cores.
static void passes_run_side_by_side(void **state) {
    (void)state;
    enum { N = 6 };
    fv_config config = configure(LONG);
    fv_model *model;
    check_ok(fv_model_create(&config, &model, NULL));
    size_t n_logits = (size_t)model->data.n_loss * (size_t)config.task.vocab_size;
    int n_tokens = config.task.context_length;
    float *params = malloc(model->n_params * sizeof *params);
    float *logits = calloc((N + 1) * n_logits, sizeof *logits);
    int32_t *tokens = malloc((size_t)n_tokens * sizeof *tokens);
    fv_model_init_params(model, 3, params);
    for (int t = 0; t < n_tokens; t++) tokens[t] = t % config.task.vocab_size;
    pass passes[N + 1];
    pthread_t threads[N];
    for (size_t i = 0; i <= N; i++)
        passes[i] = (pass){model, params, tokens, logits + i * n_logits};
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_pass, &passes[i]), 0);
    for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
    run_pass(&passes[N]);
    for (size_t i = 0; i < N; i++)
        assert_memory_equal(passes[i].logits, passes[N].logits, n_logits * sizeof *logits);
    free(params);
    free(logits);
    free(tokens);
    fv_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_positions_seen),
        cmocka_unit_test(tiles_see_the_same),
        cmocka_unit_test(workers_have_their_own),
        cmocka_unit_test(passes_run_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
