// The thread pool: every piece once, whatever the numbers of pieces, threads and rounds; and the
// arena that workers get.
#include "engine.h"

#include "base/arena.h"
#include "base/pool.h"

#include <stdatomic.h>

enum { MOST = 257 };

typedef struct tally {
    int n_threads;
    atomic_int taken[MOST];  // how often each piece was taken
    atomic_int wrong_worker; // calls by a worker out of range
    atomic_int busy[8];      // a worker works on one piece at a time
    int plain[MOST];         // written without atomics: the pool orders it before pool_run returns
} tally;

static void take(void *context, int piece, int worker) {
    tally *t = context;
    if (worker < 0 || worker >= t->n_threads || atomic_fetch_add(&t->busy[worker], 1) != 0)
        atomic_fetch_add(&t->wrong_worker, 1);
    atomic_fetch_add(&t->taken[piece], 1);
    t->plain[piece]++;
    atomic_fetch_sub(&t->busy[worker], 1);
}

static void test_every_piece_once(void **state) {
    (void)state;
    static const int pieces[] = {0, 1, 2, 3, 7, 8, MOST};
    for (int n_threads = 1; n_threads <= 4; n_threads++) {
        thread_pool *pool;
        check_ok(pool_create(n_threads, &pool, NULL));
        tally t = {.n_threads = n_threads};
        int wanted[MOST] = {0};
        for (int round = 0; round < 400; round++) {
            int n = pieces[round % 7];
            pool_run(pool, n, take, &t);
            for (int i = 0; i < MOST; i++) {
                wanted[i] += i < n;
                assert_int_equal(t.plain[i], wanted[i]);
                assert_int_equal(atomic_load(&t.taken[i]), wanted[i]);
            }
        }
        assert_int_equal(atomic_load(&t.wrong_worker), 0);
        pool_free(pool);
    }
}

static void test_pools_live_side_by_side(void **state) {
    (void)state;
    thread_pool *pools[3];
    tally tallies[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        tallies[i].n_threads = i + 1;
        check_ok(pool_create(i + 1, &pools[i], NULL));
    }
    for (int round = 0; round < 100; round++)
        for (int i = 0; i < 3; i++) pool_run(pools[i], 5, take, &tallies[i]);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 5; k++) assert_int_equal(tallies[i].plain[k], 100);
        pool_free(pools[i]);
    }
    pool_free(NULL);
}

static void test_arena_aligns_and_separates(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 63, 64, 65, 0, 4096, 7};
    memory_arena arena = {0};
    size_t offsets[7];
    for (int i = 0; i < 7; i++) offsets[i] = arena_reserve(&arena, sizes[i], 1);
    check_ok(arena_allocate(&arena, NULL));
    for (int i = 0; i < 7; i++) {
        unsigned char *bytes = arena_at(&arena, offsets[i]);
        assert_int_equal((uintptr_t)bytes % FV_ALIGNMENT, 0);
        for (size_t k = 0; k < sizes[i]; k++) assert_int_equal(bytes[k], 0);
        memset(bytes, i + 1, sizes[i]);
    }
    for (int i = 0; i < 7; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(((unsigned char *)arena_at(&arena, offsets[i]))[k], i + 1);
    arena_free(&arena);
    assert_null(arena.base);
}

// Sizes that no machine has are refused with a sentence, and never wrap around to something small.
static void test_arena_refuses_what_does_not_fit(void **state) {
    (void)state;
    static const size_t requests[][2] = {
        {SIZE_MAX, 2}, {SIZE_MAX / 8 + 1, 8}, {SIZE_MAX - 10, 1}, {SIZE_MAX / 2 + 100, 1}};
    for (int i = 0; i < 4; i++) {
        fv_error error = {0};
        memory_arena arena = {0};
        arena_reserve(&arena, 100, 4);
        arena_reserve(&arena, requests[i][0], requests[i][1]);
        arena_reserve(&arena, 100, 4);
        assert_int_equal(arena_allocate(&arena, &error), FV_NO_MEMORY);
        assert_non_null(strstr(error.text, "out of memory"));
        arena_free(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_once),
        cmocka_unit_test(test_pools_live_side_by_side),
        cmocka_unit_test(test_arena_aligns_and_separates),
        cmocka_unit_test(test_arena_refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
