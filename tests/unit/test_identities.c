// Runs that an older Fovea stored: data/before_parts.db was written by the last one whose parts did
// not yet describe themselves. It opens, and every run of it is found by what it was trained with.
#include "configurations.h"

#include <fovea/store.h>
#include <unistd.h>

// What the runs were trained with, beside train.steps 6 and train.log_every 3, and their names.
static const struct {
    const char *id, *words;
} RUNS[] = {
    {"25510894b652929a",
     "task.name=copy task.offset=1 task.vocab_size=10 task.context_length=4 train.seed=3 "
     "train.batch_size=16"},
    {"54320732b29f45b0",
     "task.name=copy task.index=0 task.vocab_size=10 task.context_length=6 task.loss=all "
     "model.layers=[attention,mlp] model.activation=relu model.residual=true "
     "model.n_embd=8 train.batch_size=16"},
    {"1fb8ece84cbf0cc5", "task.name=similar task.ties=later task.vocab_size=12 model.n_embd=4 "
                         "model.positions=sinusoidal model.score=euclidean model.score_beta=2 "
                         "train.batch_size=16"},
    {"b6c3ffcfd9b789d4",
     "task.name=recall task.n_pairs=4 task.context_length=9 task.vocab_size=16 "
     "task.context_repetition=2 model.layers=[attention*2] model.positions=learned "
     "model.n_embd=8 model.n_head=2 train.batch_size=16"},
    {"0d3811010f2f5ba1",
     "task.name=mqar task.n_pairs=4 task.context_length=32 task.vocab_size=64 "
     "task.filler=random model.n_embd=8 model.layers=[attention,mlp] model.residual=true "
     "model.norm=rms train.batch_size=16"},
    {"a0db96060aec05d0",
     "task.name=induction task.context_length=12 task.vocab_size=8 task.loss=all "
     "model.layers=[attention(window=4 sinks=1),attention] model.n_embd=8 "
     "model.positions=learned train.optimizer=adamw train.weight_decay=0.1 "
     "train.batch_size=16"},
    {"cfd98457161c0d45",
     "task.name=selective_copy task.n_copy=4 task.context_length=24 task.vocab_size=10 "
     "model.layers=[mamba] model.mamba_state=4 model.n_embd=8 train.batch_size=16"},
    {"979ca2384583594e",
     "task.name=needle task.vocab_size=16 task.context_length=32 task.length_min=16 "
     "task.length_max=32 task.length_step=8 model.n_embd=8 model.norm=layer "
     "model.residual=true train.batch_size=16"},
    {"d972b2171ede3db1",
     "task.name=needle task.vocab_size=16 task.context_length=640 model.n_embd=4 "
     "model.layers=[attention] train.batch_size=16"},
    {"95ab5408e973d000",
     "task.name=copy task.vocab_size=16 task.context_length=520 model.n_embd=4 "
     "model.layers=[attention,mamba] model.window=64 task.loss=all train.batch_size=16"},
    {"e8be15f74079025d",
     "task.name=copy task.vocab_size=8 task.context_length=6 model.score=harmonic "
     "model.score_power=4 model.score_power_learned=true model.n_embd=4 model.n_head=2 "
     "train.batch_size=16"},
    {"4c6ea95a02eb4d87",
     "task.name=position task.vocab_size=32 task.context_length=8 model.positions=learned "
     "model.d_positions=3 model.n_embd=8 train.optimizer=momentum train.schedule=cosine "
     "train.warmup_steps=2 train.batch_size=16"},
    {"78ab7da06cbdf98a",
     "task.name=kv_retrieval task.context_length=17 task.vocab_size=32 "
     "model.embedding=noisy model.layers=[layer_norm,attention] model.n_embd=8 "
     "train.schedule=step train.decay_every=4 train.optimizer=sgd train.learning_rate=0.1 "
     "train.batch_size=16"},
    {"0c6729fe87ac17d0",
     "task.name=needle_multi task.n_pairs=4 task.n_queries=2 task.context_length=32 "
     "task.vocab_size=32 model.tied=true model.bias=true model.n_embd=8 "
     "model.layers=[attention,mlp] model.init=gpt2 model.residual=true train.batch_size=16"},
};
enum { N_RUNS = sizeof RUNS / sizeof *RUNS };

static char folder[] = "/tmp/fovea_identities_XXXXXX", path[64];

// A copy: SQLite keeps files of its own beside a store, even to read it.
static int set_up(void **state) {
    (void)state;
    static char bytes[1 << 20];
    FILE *from = fopen(FOVEA_SOURCE_DIR "/tests/unit/data/before_parts.db", "rb");
    if (from == NULL || mkdtemp(folder) == NULL) return -1;
    size_t n = fread(bytes, 1, sizeof bytes, from);
    fclose(from);
    snprintf(path, sizeof path, "%s/fovea.db", folder);
    FILE *to = fopen(path, "wb");
    if (to == NULL) return -1;
    bool written = fwrite(bytes, 1, n, to) == n;
    return fclose(to) == 0 && written ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const NAMES[] = {"fovea.db", "fovea.db-wal", "fovea.db-shm",
                                        "fovea.db.lock"};
    for (int i = 0; i < 4; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s/%s", folder, NAMES[i]);
        remove(name);
    }
    return rmdir(folder);
}

static fv_store *open_store(void) {
    fv_store *store;
    fv_error error;
    if (fv_store_open(path, FV_STORE_READ, &store, &error) != FV_OK) fail_msg("%s", error.text);
    return store;
}

static void test_todays_names_are_those_of_the_store(void **state) {
    (void)state;
    fv_store *store = open_store();
    for (int i = 0; i < N_RUNS; i++) {
        char id[17];
        fv_config config = configure(RUNS[i].words);
        config.train.steps = 6;
        config.train.log_every = 3;
        fv_config_id(&config, FV_ARITHMETIC_FUSED, id);
        if (strcmp(id, RUNS[i].id) != 0)
            fail_msg("%s: is %s today and was %s", RUNS[i].words, id, RUNS[i].id);
        assert_true(fv_store_has(store, id));
    }
    fv_store_close(store);
}

static fv_status visit(void *context, const fv_record *record, const char *experiment,
                       const fv_final *final, int n_final) {
    (void)experiment, (void) final;
    int *n = context;
    char id[17];
    fv_config_id(record->config, FV_ARITHMETIC_FUSED, id);
    assert_string_equal(id, record->id);
    assert_true(n_final > 0);
    ++*n;
    return FV_OK;
}

static void test_stored_configurations_read_back_as_themselves(void **state) {
    (void)state;
    fv_store *store = open_store();
    int n = 0;
    assert_int_equal(fv_store_each(store, visit, &n, NULL), FV_OK);
    assert_int_equal(n, N_RUNS);
    fv_store_close(store);
}

static void damage(void *context, const char *id, const char *what) {
    (void)context;
    fail_msg("%s: %s", id, what);
}

static void test_every_row_is_whole(void **state) {
    (void)state;
    fv_store *store = open_store();
    fv_checked checked;
    assert_int_equal(fv_store_check(store, damage, NULL, &checked, NULL), FV_OK);
    assert_int_equal(checked.n_runs, N_RUNS);
    assert_int_equal(checked.n_unchecked, 0);
    fv_store_close(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_todays_names_are_those_of_the_store),
        cmocka_unit_test(test_stored_configurations_read_back_as_themselves),
        cmocka_unit_test(test_every_row_is_whole),
    };
    return cmocka_run_group_tests_name("identities", tests, set_up, tear_down);
}
