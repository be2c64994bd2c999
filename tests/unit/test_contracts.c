// What kernels are promised: arguments that break a contract are named, and a table that checks
// aborts on them. Builds with assertions use such tables; here they are asked for in every build.
#include "engine.h"

#include "kernels/contracts.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { L = FV_LANES, N = 4, D = 3 };

static _Alignas(64) float memory[16][N * D * L + L];
static _Alignas(64) int32_t tokens[N * L];
static const int n_keys[N] = {1, 2, 3, 4}, first_key[N] = {0, 0, 1, 2};

static kernel_rows rows(int i) {
    return (kernel_rows){memory[i], D * L};
}

static kernel_attend_rows attend_rows(int i) {
    return (kernel_attend_rows){memory[i], D * L, N * D * L};
}

static kernel_map sound_map(void) {
    return (kernel_map){.n_rows = N,
                        .n_in = D,
                        .n_out = D,
                        .x = rows(0),
                        .y = rows(1),
                        .w = memory[2] + 1, // weights lie anywhere
                        .w_in = D,
                        .w_out = 1};
}

static kernel_attend sound_attend(void) {
    kernel_attend_rows p = {memory[4], N * L, N * N * L}, slopes = {memory[6], N * L, N * N * L};
    return (kernel_attend){.n_groups = 1,
                           .n_queries = N,
                           .n_rows_keys = N,
                           .d_key = D,
                           .d_value = D,
                           .n_keys = n_keys,
                           .first_key = first_key,
                           .n_sinks = 1,
                           .score = FV_KERNEL_HARMONIC,
                           .scale = 1,
                           .power = 2,
                           .floor = 1,
                           .q = attend_rows(0),
                           .k = attend_rows(1),
                           .v = attend_rows(2),
                           .z = attend_rows(3),
                           .p = p,
                           .slopes = slopes};
}

static kernel_embed sound_embed(void) {
    return (kernel_embed){.n_groups = 1,
                          .n_rows = N,
                          .n_embd = D,
                          .vocab_size = 5,
                          .tokens = tokens,
                          .tokens_group_stride = N * L,
                          .table = memory[0],
                          .x = memory[1]};
}

static tile_job sound_tile(void) {
    return (tile_job){.d = D,
                      .n_keys = N,
                      .score = {FV_KERNEL_DOT, 1, 0, 1},
                      .qt = memory[0],
                      .k = memory[1] + 1, // keys and values, too
                      .v = memory[2] + 1,
                      .k_stride = D,
                      .v_stride = D,
                      .p = memory[3],
                      .ot = memory[4],
                      .largest = memory[5],
                      .sum = memory[6]};
}

// Sound arguments with one change are refused with these words.
#define REFUSED(kernel, change, words)                                                             \
    do {                                                                                           \
        __typeof__(sound_##kernel()) job = sound_##kernel();                                       \
        assert_null(contract_##kernel(&job));                                                      \
        change;                                                                                    \
        const char *fault = contract_##kernel(&job);                                               \
        if (fault == NULL || strstr(fault, words) == NULL)                                         \
            fail_msg(#kernel " with " #change ": %s", fault ? fault : "is let through");           \
    } while (0)

static void broken_contracts_are_named(void **state) {
    (void)state;
    int decreasing[N] = {1, 3, 2, 4}, beyond[N] = {1, 2, 3, 5}, late[N] = {0, 0, 1, 5};
    REFUSED(map, job.n_in = 0, "n_in is below 1");
    REFUSED(map, job.x.data += 1, "x or its stride");
    REFUSED(map, job.y.stride = D * L + 4, "y or its stride");
    REFUSED(map, job.y = job.x, "the same rows");
    REFUSED(map, job.w = NULL, "w is NULL");
    REFUSED(attend, job.d_key = 0, "d_key is below 1");
    REFUSED(attend, job.d_value = -1, "d_value below 0");
    REFUSED(attend, job.n_keys = decreasing, "n_keys decreases");
    REFUSED(attend, job.n_keys = beyond, "beyond n_rows_keys");
    REFUSED(attend, job.first_key = decreasing, "first_key decreases");
    REFUSED(attend, job.first_key = late, "first_key is outside");
    REFUSED(attend, job.n_sinks = -1, "n_sinks is below 0");
    REFUSED(attend, job.score = (kernel_score)99, "no such score");
    REFUSED(attend, job.slopes = job.p, "the same rows");
    REFUSED(attend, job.k.group_stride = 8, "k or a stride");
    REFUSED(attend, job.floor = 0, "floor");
    REFUSED(attend, job.normaliser = FV_N_NORMALISERS, "no such normaliser");
    REFUSED(attend, (job.normaliser = FV_NORMALISE_ENTMAX, job.alpha = 1), "alpha is outside");
    const kernel_attend_rows askew = {memory[0], 8, L};
    REFUSED(attend, job.stretch = askew, "stretch or a stride");
    REFUSED(embed, job.tokens_group_stride = 3, "tokens");
    REFUSED(embed, job.vocab_size = 0, "vocab_size");
    REFUSED(tile, job.n_keys = FV_TILE_KEYS + 1, "n_keys is outside");
    REFUSED(tile, job.qt += 4, "qt or ot");
    REFUSED(tile, job.k_stride = D - 1, "k_stride");
    tokens[N * L - 1] = 5;
    kernel_embed embed = sound_embed();
    const char *fault = contract_embed(&embed);
    tokens[N * L - 1] = 0;
    assert_non_null(fault);
    assert_string_equal(fault, "a token is outside of the vocabulary");
}

// What a process that calls map says before it dies, and how it dies.
static int say(const kernel_set *kernels, const kernel_map *job, char *said, size_t size) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); // not as the test's runner has it
        kernels->map(job);
        _exit(0);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], said, size - 1);
    said[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_checking_table_aborts(void **state) {
    (void)state;
    char said[256];
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
        const kernel_set *checked = kernels_checked(*k);
        assert_string_equal(checked->name, (*k)->name);
        assert_int_equal(checked->arithmetic, (*k)->arithmetic);
        kernel_map job = sound_map();
        assert_int_equal(say(checked, &job, said, sizeof said), 0);
        assert_string_equal(said, "");
        job.y.data += 4;
        int status = say(checked, &job, said, sizeof said);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        assert_string_equal(
            said, "fovea: kernel map: y or its stride is NULL or no multiple of 64 bytes\n");
    }
}

static void builds_with_assertions_check(void **state) {
    (void)state;
    for (const kernel_set *const *k = kernels_available(); *k; k++) {
#ifdef NDEBUG
        assert_ptr_not_equal(*k, kernels_checked(*k));
#else
        assert_ptr_equal(*k, kernels_checked(*k));
#endif
    }
    assert_ptr_equal(kernels_get(), kernels_named(kernels_get()->name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_contracts_are_named),
        cmocka_unit_test(a_checking_table_aborts),
        cmocka_unit_test(builds_with_assertions_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
