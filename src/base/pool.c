#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct thread_pool {
    int n_threads;
    pthread_t *threads;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    unsigned round; // counts calls of pool_run; the threads wait for it to change
    bool stopping;
    int n_busy; // threads that have not finished the round
    // The round's work.
    pool_work work;
    void *context;
    int n;
    atomic_int next;
};

typedef struct start {
    thread_pool *pool;
    int worker;
} start;

static void take_pieces(thread_pool *pool, int worker) {
    for (int piece; (piece = atomic_fetch_add(&pool->next, 1)) < pool->n;)
        pool->work(pool->context, piece, worker);
}

static void *thread_main(void *argument) {
    start s = *(start *)argument;
    free(argument);
    thread_pool *pool = s.pool;
    unsigned seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->round == seen && !pool->stopping) pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->stopping) break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->lock);
        take_pieces(pool, s.worker);
        pthread_mutex_lock(&pool->lock);
        if (--pool->n_busy == 0) pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

fv_status pool_create(int n_threads, thread_pool **out, fv_error *error) {
    thread_pool *pool = calloc(1, sizeof *pool);
    if (pool) pool->threads = calloc((size_t)n_threads, sizeof *pool->threads);
    if (pool == NULL || pool->threads == NULL) {
        free(pool);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for %d threads", n_threads);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->n_threads = 1;
    for (int i = 1; i < n_threads; i++) {
        start *s = malloc(sizeof *s);
        if (s) *s = (start){pool, i};
        if (s == NULL || pthread_create(&pool->threads[i], NULL, thread_main, s) != 0) {
            free(s);
            pool_free(pool);
            return fv_fail(error, FV_NO_MEMORY,
                           "cannot start thread %d of %d; fewer jobs need fewer", i + 1, n_threads);
        }
        pool->n_threads++;
    }
    *out = pool;
    return FV_OK;
}

void pool_free(thread_pool *pool) {
    if (pool == NULL) return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->n_threads; i++) pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->done);
    free(pool->threads);
    free(pool);
}

void pool_run(thread_pool *pool, int n, pool_work work, void *context) {
    if (pool->n_threads == 1 || n == 1) {
        for (int piece = 0; piece < n; piece++) work(context, piece, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->context = context;
    pool->n = n;
    atomic_store(&pool->next, 0);
    pool->n_busy = pool->n_threads - 1;
    pool->round++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    take_pieces(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->n_busy > 0) pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
