// The bits of training, kept: a change that gives a configuration other bits needs a row in
// base/numerics.c, or stores would mix results of two programs under one id. Each row here is what
// three steps left in the parameters. A row whose digest changes gets its new digest only together
// with a higher version.
#include "engine.h"

#include "base/numerics.h"

#include <fovea/machine.h>
#include <fovea/train.h>

typedef struct kept_bits {
    const char *words;
    int version;
    uint64_t digest; // of the parameters after three steps
} kept_bits;

static const kept_bits rows[] = {
    {"task.vocab_size=10 task.context_length=4 model.n_embd=2", 1, 0xbda002b5927d4181},
    {"task.vocab_size=100 task.context_length=12 model.n_embd=10 train.optimizer=adamw", 1,
     0xc936a79222872def},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=6 model.n_head=2 task.loss=all "
     "model.layers=[attention,mlp,attention] model.norm=layer model.residual=true",
     1, 0x63d2db3c1cc760dc},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=5 model.score=euclidean "
     "model.exclude_self=true model.norm=rms model.residual=true",
     1, 0xfac20b2df7acf679},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=1 model.score=harmonic", 1,
     0x4589f96b26d0cce3},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=4 model.embedding=resampled "
     "train.optimizer=sgd",
     1, 0x2f2f3207399e9b1b},
    {"task.name=mqar task.n_pairs=2 task.vocab_size=16 task.context_length=16 model.n_embd=8 "
     "model.layers=[mamba,attention] model.norm=rms model.residual=true",
     1, 0x03df7bf78d736051},
    {"task.name=recall task.n_pairs=4 task.vocab_size=16 task.context_length=9 model.n_embd=20 "
     "model.layers=[attention*2] model.positions=learned model.residual=true",
     1, 0xae35d214d764ae64},
    {"task.name=recall task.n_pairs=4 task.vocab_size=16 task.context_length=9 model.n_embd=16 "
     "model.layers=[attention*2] model.positions=learned model.residual=true",
     3, 0x0589ddda5f45bdeb},
    {"task.vocab_size=5 task.context_length=512 model.n_embd=4 task.loss=all", 2,
     0x71818698dbc5bbda},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static uint64_t digest_after_three_steps(const fv_config *config) {
    fv_error error;
    fv_trainer *trainer;
    if (fv_trainer_create(config, 1, &trainer, &error) != FV_OK) fail_msg("%s", error.text);
    for (int step = 0; step < 3; step++) fv_trainer_step(trainer, NULL);
    size_t n = fv_model_n_params(fv_trainer_model(trainer)) * sizeof(float);
    const unsigned char *bytes = (const unsigned char *)fv_trainer_params(trainer);
    uint64_t digest = 0xcbf29ce484222325u; // 64-bit FNV-1a
    for (size_t i = 0; i < n; i++) digest = (digest ^ bytes[i]) * 0x100000001b3u;
    fv_trainer_free(trainer);
    return digest;
}

// Without fused multiply-adds the bits are others: only AVX2 and AVX-512 keep them.
static void bits_stay(void **state) {
    (void)state;
    const char *kernels = fv_kernels_name();
    if (strncmp(kernels, "avx", 3) != 0) skip();
    int n_changed = 0;
    for (int i = 0; i < N_ROWS; i++) {
        fv_config config = configure(rows[i].words);
        uint64_t digest = digest_after_three_steps(&config);
        if (numerics_version(&config) == rows[i].version && digest == rows[i].digest) continue;
        print_error("{\"%s\", %d, 0x%016llx}: version or bits have changed\n", rows[i].words,
                    numerics_version(&config), (unsigned long long)digest);
        n_changed++;
    }
    assert_int_equal(n_changed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bits_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
