// The bits of probes, kept: what they measure of a run is compared with what other runs of the
// store hold, so a faster way to the same numbers must give the same numbers. Each row is a run of
// six steps, measured at three of them; its digest is that of every series of its probes, by
// kernels that fuse multiplications and additions and by those that do not. Probes that only
// decompose matrices are left out: their last bits are LAPACK's.
#include "configurations.h"

#include "kernels/kernels.h"

#include <fovea/machine.h>
#include <fovea/train.h>

#define HEADS  "current_token previous_token duplicate_token induction attention_mass "
#define LOSSES "token_groups token_loss position_loss "
#define RUN    "train.steps=6 train.log_every=1 train.probe_every=3 train.batch_size=32 train.seed=3 "

typedef struct kept_series {
    const char *words, *probes;
    uint64_t fused, plain;
} kept_series;

static const kept_series rows[] = {
    // experiments/heads/induction: two layers, the first from tables, lengths that vary
    {RUN "task.name=induction task.vocab_size=32 task.context_length=16 task.length_min=8 "
         "task.length_step=2 task.loss=all model.n_embd=32 model.positions=learned "
         "model.residual=true model.layers=[attention*2]",
     HEADS LOSSES "embedding_norm", 0x2935755b6e49a049, 0xa260779712aee7bc},
    // experiments/sparse-attention-1: one query, whose inputs are pooled
    {RUN "task.vocab_size=10 task.context_length=4 model.n_embd=2", HEADS LOSSES "swaps",
     0x2787e3149f28c3a4, 0x3a7e9aebf1704a7e},
    // experiments/sparse-attention-6: recall, two layers, the upper one asked once
    {RUN "task.name=recall task.n_pairs=4 task.vocab_size=16 task.context_length=9 model.n_embd=20 "
         "model.n_head=2 model.layers=[attention*2] model.positions=learned model.residual=true",
     HEADS LOSSES "separation", 0xe7c0533957849b73, 0x6658165a23785ab7},
    // experiments/token-frequency: many tokens, few of them often
    {RUN "task.vocab_size=200 task.context_length=12 task.distribution=zipf model.n_embd=10",
     HEADS LOSSES, 0x060200314ee2e6fc, 0x55b4d3b418ed87bf},
    {RUN "task.vocab_size=7 task.context_length=9 model.n_embd=6 model.n_head=2 task.loss=all "
         "model.layers=[attention,mlp,attention] model.norm=layer model.residual=true",
     HEADS LOSSES, 0xaf512ebf8ef5becf, 0x07bbb91625221121},
    {RUN "task.vocab_size=7 task.context_length=9 model.n_embd=5 model.score=euclidean "
         "model.exclude_self=true model.norm=rms model.residual=true",
     HEADS LOSSES, 0x721c73b3de724444, 0x45f570f3b47c8a11},
    {RUN "task.vocab_size=7 task.context_length=20 task.loss=all model.n_embd=4 model.n_head=2 "
         "model.score=harmonic model.score_power_learned=true model.window=5 model.sinks=2",
     HEADS LOSSES "score_power", 0x4993cd79461a1ef5, 0x31dbc47d1e42ec4a},
    {RUN "task.name=needle task.vocab_size=32 task.context_length=24 task.length_min=8 "
         "task.length_max=16 model.n_embd=8 model.layers=[mamba,attention] model.norm=rms "
         "model.residual=true",
     HEADS LOSSES "needle_grid", 0xaad472926a677ec2, 0x8b4b8dcf10821749},
    // experiments with a context long enough for attention that keeps no probabilities
    {RUN "task.vocab_size=5 task.context_length=520 model.n_embd=4 task.loss=all",
     HEADS "token_groups token_loss", 0x75efa1ff59c5c613, 0x4e09debc066a6393},
};
enum { N_ROWS = sizeof rows / sizeof *rows, MAX_PROBES = 16 };

static uint64_t digest_bytes(uint64_t digest, const void *bytes, size_t n) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++) digest = (digest ^ at[i]) * 0x100000001b3u; // 64-bit FNV-1a
    return digest;
}

static int find_probes(const char *names, const fv_probe **probes) {
    char name[64];
    int n = 0, length;
    for (; sscanf(names, " %63s%n", name, &length) == 1; names += length) {
        assert_true(n < MAX_PROBES);
        assert_non_null(probes[n++] = fv_probe_find(name));
    }
    return n;
}

// Series are named after their probes.
static bool is_of(const fv_series *series, const fv_probe *const *probes, int n) {
    size_t root = strcspn(series->name, ".[");
    for (int i = 0; i < n; i++)
        if (strlen(probes[i]->name) == root && strncmp(series->name, probes[i]->name, root) == 0)
            return true;
    return false;
}

static uint64_t digest_of(const kept_series *row, int *n_series) {
    fv_config config = configure(row->words);
    const fv_probe *probes[MAX_PROBES];
    fv_run_options options = {.n_threads = 1, .probes = probes};
    options.n_probes = find_probes(row->probes, probes);
    fv_record record;
    fv_record_init(&record);
    fv_error error;
    if (fv_run(&config, &options, &record, &error) != FV_OK) fail_msg("%s", error.text);
    uint64_t digest = 0xcbf29ce484222325u;
    *n_series = 0;
    for (int i = 0; i < record.n_series; i++) {
        const fv_series *s = &record.series[i];
        if (!is_of(s, probes, options.n_probes)) continue;
        digest = digest_bytes(digest, s->name, strlen(s->name));
        digest = digest_bytes(digest, s->steps, (size_t)s->n * sizeof *s->steps);
        digest = digest_bytes(digest, s->values, (size_t)s->n * sizeof *s->values);
        ++*n_series;
    }
    fv_record_free(&record);
    return digest;
}

static int n_changed(const char *kernels) {
    int n = 0, n_series;
    check_ok(fv_kernels_force(kernels, NULL));
    bool fused = fv_kernels_arithmetic() == FV_ARITHMETIC_FUSED;
    for (int i = 0; i < N_ROWS; i++) {
        uint64_t digest = digest_of(&rows[i], &n_series);
        assert_true(n_series > 0);
        if (digest == (fused ? rows[i].fused : rows[i].plain)) continue;
        print_error("%s, row %d, %d series: 0x%016llx\n", kernels, i, n_series,
                    (unsigned long long)digest);
        n++;
    }
    return n;
}

static void test_series_stay(void **state) {
    (void)state;
    int n = 0;
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        if ((*k)->arithmetic != FV_ARITHMETIC_REFERENCE) n += n_changed((*k)->name);
    assert_int_equal(n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_series_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
