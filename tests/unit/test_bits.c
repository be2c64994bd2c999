// What "the same bits" is held to: random configurations trained for a hundred steps by every set of
// kernels that rounds alike, AVX2 against AVX-512 here. Other processors print their digests, and
// `make test-arm` compares: NEON with either, and the portable kernels of two processors.
//
//   test_bits                    40 configurations
//   test_bits --whole            200
//   test_bits --print fused [N]  a digest a line for N, or 200, by this CPU's fastest kernels that
//                                fuse; by the portable ones with `plain`; none where there are none
#include "stacks.h"

#include "kernels/kernels.h"

#include <fovea/machine.h>
#include <fovea/train.h>

enum { QUICK = 40, WHOLE = 200, STEPS = 100 };
static const double MOST_FLOPS = 4e5; // of a step, so that an emulator is done in minutes

static int n_configurations = QUICK;

// Tasks beside the stack's own, with the sizes that they need.
static const char *const TASKS[] = {
    "task.loss=all",
    "task.distribution=zipf train.token_rate_power=-0.5",
    "task.data=fixed task.n_train=100",
    "task.length_min=2",
    "task.name=recall task.n_pairs=3 task.vocab_size=12 task.context_length=7",
    "task.name=mqar task.n_pairs=2 task.vocab_size=12 task.context_length=9 task.gap_power=0.5",
    "task.name=induction task.vocab_size=9 task.context_length=8",
    "task.name=similar task.vocab_size=9 task.context_length=6 model.exclude_self=false",
};

static const char *const OPTIMIZERS[] = {
    "train.optimizer=adam",
    "train.optimizer=adam train.beta2=0.95 train.clip_norm=0.5",
    "train.optimizer=adamw train.weight_decay=0.1",
    "train.optimizer=sgd train.learning_rate=0.05",
    "train.optimizer=momentum train.learning_rate=0.02",
};

static const char *const SCHEDULES[] = {
    "train.schedule=constant",
    "train.schedule=cosine train.warmup_steps=10",
    "train.schedule=linear",
    "train.schedule=step train.decay_every=30",
};

static const char *const INITS[] = {"model.init=posts", "model.init=uniform", "model.init=normal",
                                    "model.init=gpt2"};

static const char *const EMBEDDINGS[] = {"learned", "learned", "fixed", "resampled", "noisy"};

#define ANY(list) list[noise_below(random, sizeof list / sizeof *list)]

static void draw_words(char words[1024], uint64_t *random) {
    stack_draw_words(words, random, 12);
    if (noise_below(random, 3) > 0) stack_say(words, " %s", ANY(TASKS));
    // One draw a statement: compilers differ in which argument of a call comes first.
    stack_say(words, " %s", ANY(OPTIMIZERS));
    stack_say(words, " %s", ANY(SCHEDULES));
    stack_say(words, " %s", ANY(INITS));
    stack_say(words, " model.embedding=%s train.steps=%d", ANY(EMBEDDINGS), STEPS);
    stack_say(words, " train.batch_size=%d", 1 + noise_below(random, 40));
    stack_say(words, " train.seed=%d", noise_below(random, 1000));
}

// Configuration i: the first drawn that is accepted and small.
static fv_trainer *trainer_of(int i, char words[1024]) {
    uint64_t random = (uint64_t)i * 0x9E3779B97F4A7C15u;
    for (;;) {
        fv_error error;
        fv_trainer *trainer;
        draw_words(words, &random);
        fv_config config = read_configuration("", words);
        if (fv_config_check(&config, &error) != FV_OK) continue;
        if (fv_trainer_create(&config, 1, &trainer, &error) != FV_OK) fail_msg("%s", error.text);
        if (fv_trainer_cost(trainer).executed_flops <= MOST_FLOPS) return trainer;
        fv_trainer_free(trainer);
    }
}

// Of all parameters and of the last gradient. What a NaN's bits are is the processor's.
static uint64_t digest_of(const fv_trainer *trainer) {
    size_t n = fv_model_n_params(fv_trainer_model(trainer));
    const float *arrays[] = {fv_trainer_params(trainer), fv_trainer_gradient(trainer)};
    uint64_t digest = 0xcbf29ce484222325u; // 64-bit FNV-1a over words
    for (int a = 0; a < 2; a++)
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = 0x7fc00000u;
            if (!isnan(arrays[a][i])) memcpy(&bits, arrays[a] + i, sizeof bits);
            digest = (digest ^ bits) * 0x100000001b3u;
        }
    return digest;
}

static uint64_t train(const char *kernels, int i, char words[1024]) {
    check_ok(fv_kernels_force(kernels, NULL));
    fv_trainer *trainer = trainer_of(i, words);
    for (int step = 0; step < STEPS; step++) fv_trainer_step(trainer, NULL);
    uint64_t digest = digest_of(trainer);
    fv_trainer_free(trainer);
    return digest;
}

// The fastest kernels here that round so; NULL where there are none.
static const kernel_set *fastest(fv_arithmetic arithmetic) {
    const kernel_set *found = NULL;
    for (const kernel_set *const *k = kernels_available(); *k; k++)
        if ((*k)->arithmetic == arithmetic) found = *k;
    return found;
}

static void kernels_that_round_alike_give_the_same_bits(void **state) {
    (void)state;
    const kernel_set *best = fastest(FV_ARITHMETIC_FUSED);
    int n_compared = 0;
    char words[1024];
    for (int i = 0; best && i < n_configurations; i++) {
        uint64_t wanted = 0;
        for (const kernel_set *const *k = kernels_available(); *k; k++) {
            if ((*k)->arithmetic != FV_ARITHMETIC_FUSED || *k == best) continue;
            if (wanted == 0) wanted = train(best->name, i, words);
            if (train((*k)->name, i, words) != wanted)
                fail_msg("%s and %s give other bits after %d steps: %s", best->name, (*k)->name,
                         STEPS, words);
            n_compared++;
        }
    }
    if (n_compared == 0) skip(); // this CPU has one such set, or none
}

static int print_digests(const char *arithmetic, int n) {
    for (int a = FV_ARITHMETIC_FUSED; a <= FV_ARITHMETIC_PLAIN; a++) {
        const kernel_set *kernels = fastest((fv_arithmetic)a);
        char words[1024];
        if (strcmp(fv_arithmetic_text((fv_arithmetic)a), arithmetic) != 0 || kernels == NULL)
            continue;
        for (int i = 0; i < n; i++) {
            uint64_t digest = train(kernels->name, i, words);
            printf("%016llx %s\n", (unsigned long long)digest, words);
            fflush(stdout);
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc >= 3 && strcmp(argv[1], "--print") == 0)
        return print_digests(argv[2], argc > 3 ? atoi(argv[3]) : WHOLE);
    if (argc == 2 && strcmp(argv[1], "--whole") == 0) n_configurations = WHOLE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_that_round_alike_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
