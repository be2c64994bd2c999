// The bits of training, kept: a change that gives a configuration other bits needs a row in
// config/numerics.c, or stores would mix results of two programs under one id. Each row here is
// what three steps left in the parameters: by the kernels that fuse multiplications and additions,
// AVX2, AVX-512 and NEON alike, and by the portable ones, which do not and are the same on every
// processor. A row whose digests change gets new ones only together with a higher version.
#include "configurations.h"

#include "config/numerics.h"
#include "kernels/kernels.h"

#include <fovea/machine.h>
#include <fovea/train.h>

typedef struct kept_bits {
    const char *words;
    int version;
    uint64_t fused, plain; // digests of the parameters after three steps
} kept_bits;

static const kept_bits rows[] = {
    {"task.vocab_size=10 task.context_length=4 model.n_embd=2", 5, 0x2ecd4cfb05872dbb,
     0xac62f591c2862c12},
    {"task.vocab_size=100 task.context_length=12 model.n_embd=10 train.optimizer=adamw", 5,
     0x145435972bbc2bad, 0xbd53fd9b6f8766c0},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=6 model.n_head=2 task.loss=all "
     "model.layers=[attention,mlp,attention] model.norm=layer model.residual=true",
     5, 0x2cd20ad16830cfd6, 0xdf954000caaf1ab0},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=6 model.n_head=2 task.loss=all "
     "model.layers=[attention,mlp] model.activation=relu model.bias=true model.residual=true",
     5, 0xc6f0e896254ec97b, 0x31e9f74c63cd8d9e},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=5 model.score=euclidean "
     "model.exclude_self=true model.norm=rms model.residual=true",
     5, 0x81551bb724e6a659, 0x28a631ab48915a0c},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=1 model.score=harmonic", 5,
     0x8e871d8c4e703515, 0xa5889712fcd6a7e0},
    {"task.vocab_size=7 task.context_length=9 model.n_embd=4 model.embedding=resampled "
     "train.optimizer=sgd",
     5, 0x2f2f3207399e9b1b, 0x2f2f3207399e9b1b},
    {"task.name=mqar task.n_pairs=2 task.vocab_size=16 task.context_length=16 model.n_embd=8 "
     "model.layers=[mamba,attention] model.norm=rms model.residual=true",
     5, 0x082bce45ac367369, 0x9352b0e6362ec05e},
    {"task.name=recall task.n_pairs=4 task.vocab_size=16 task.context_length=9 model.n_embd=20 "
     "model.layers=[attention*2] model.positions=learned model.residual=true",
     5, 0xac66c6b0f1fe4755, 0x8a9a084c4cfeed7f},
    {"task.name=recall task.n_pairs=4 task.vocab_size=16 task.context_length=9 model.n_embd=16 "
     "model.layers=[attention*2] model.positions=learned model.residual=true",
     5, 0x52dd1431e9b05710, 0x5f242b99036483c2},
    {"task.vocab_size=5 task.context_length=512 model.n_embd=4 task.loss=all", 6,
     0x98248dbd35f46b06, 0xd2cee0249555909b},
    {"task.vocab_size=5 task.context_length=9 model.n_embd=16 task.loss=all model.residual=true "
     "model.layers=[attention*2] model.selector=group_indexer model.selector_k=2",
     7, 0xda1fb5181bd2faad, 0x520251dc600a0c41},
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

// The rows that the kernels of that name change.
static int n_changed(const char *kernels) {
    int n = 0;
    check_ok(fv_kernels_force(kernels, NULL));
    bool fused = fv_kernels_arithmetic() == FV_ARITHMETIC_FUSED;
    for (int i = 0; i < N_ROWS; i++) {
        fv_config config = configure(rows[i].words);
        uint64_t digest = digest_after_three_steps(&config);
        uint64_t kept = fused ? rows[i].fused : rows[i].plain;
        if (numerics_version(&config) == rows[i].version && digest == kept) continue;
        print_error("%s, {\"%s\", %d, 0x%016llx}: version or bits have changed\n", kernels,
                    rows[i].words, numerics_version(&config), (unsigned long long)digest);
        n++;
    }
    return n;
}

static void bits_stay(void **state) {
    (void)state;
    int n = 0;
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        if ((*k)->arithmetic != FV_ARITHMETIC_REFERENCE) n += n_changed((*k)->name);
    assert_int_equal(n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bits_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
