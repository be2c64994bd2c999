// A few threads that share numbered pieces of work.
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <fovea/status.h>

typedef struct fv_pool fv_pool;

// n_threads includes the caller, who works too; 1 makes no thread.
fv_status fv_pool_create(int n_threads, fv_pool **out, fv_error *error);
void fv_pool_free(fv_pool *pool);

// Calls work(context, piece, worker) for every piece in [0, n), worker in [0, n_threads), and
// returns when all are done. Which worker takes which piece is not determined.
typedef void (*fv_pool_work)(void *context, int piece, int worker);
void fv_pool_run(fv_pool *pool, int n, fv_pool_work work, void *context);

#endif
