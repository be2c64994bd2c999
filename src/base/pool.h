// A few threads that share numbered pieces of work.
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <fovea/status.h>

typedef struct thread_pool thread_pool;

// n_threads includes the caller, who works too; 1 makes no thread.
fv_status pool_create(int n_threads, thread_pool **out, fv_error *error);
void pool_free(thread_pool *pool);

// Calls work(context, piece, worker) for every piece in [0, n), worker in [0, n_threads), and
// returns when all are done. Which worker takes which piece is not determined.
typedef void (*pool_work)(void *context, int piece, int worker);
void pool_run(thread_pool *pool, int n, pool_work work, void *context);

#endif
