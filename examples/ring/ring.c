// Ring attention through libfovea: four ranks, here threads of one process, each with a quarter of
// a sequence, forward and backward, beside the same attention in one piece. Over a network a
// program fills in the four functions of fv_ring_transport; the rest stays as it is. Build it
// against an installed Fovea:
//
//     cc ring.c $(pkg-config --cflags --libs fovea) -lpthread -lm -o ring && ./ring
//
// or with the CMakeLists.txt beside it.
#include <fovea/ring.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { POSITIONS = 4001, WIDTH = 64, RANKS = 4 };

// A number of the sequence: every rank can make those of its own rows.
static float number(int tensor, int64_t position, int feature) {
    uint32_t word =
        (uint32_t)(position * WIDTH + feature) * 2654435761u + (uint32_t)tensor * 40503u;
    word = (word ^ word >> 15) * 2246822519u;
    return (float)(int32_t)(word ^ word >> 13) / 1.2e9f;
}

typedef struct rank {
    fv_ring_config config;
    fv_ring_transport transport;
    fv_ring_local *local;
    float *o, *dq; // what it computes, [rows][WIDTH]
    fv_ring_plan plan;
    fv_status status;
    fv_error error;
} rank;

static float *rows_of(const rank *r, int tensor, int64_t rows) {
    float *x = malloc((size_t)rows * WIDTH * sizeof *x);
    for (int64_t i = 0; x && i < rows; i++) {
        int64_t at = fv_ring_position(r->config.layout, POSITIONS, r->transport.n_ranks,
                                      r->transport.rank, i);
        for (int f = 0; f < WIDTH; f++) x[i * WIDTH + f] = number(tensor, at, f);
    }
    return x;
}

static void *run_rank(void *context) {
    rank *r = context;
    int64_t rows =
        fv_ring_rows(r->config.layout, POSITIONS, r->transport.n_ranks, r->transport.rank);
    float *q = rows_of(r, 0, rows), *k = rows_of(r, 1, rows), *v = rows_of(r, 2, rows);
    float *d_o = rows_of(r, 3, rows), *dk = rows_of(r, 4, rows), *dv = rows_of(r, 5, rows);
    float *log_sum = malloc((size_t)rows * sizeof *log_sum);
    fv_ring *ring = NULL;
    r->o = rows_of(r, 6, rows);
    r->dq = rows_of(r, 7, rows);
    r->status = q && k && v && d_o && dk && dv && log_sum && r->o && r->dq
                    ? fv_ring_create(&r->config, &r->transport, &ring, &r->error)
                    : fv_fail(&r->error, FV_NO_MEMORY, "out of memory");
    if (r->status == FV_OK) r->plan = fv_ring_plan_of(ring);
    if (r->status == FV_OK) r->status = fv_ring_forward(ring, q, k, v, r->o, log_sum, &r->error);
    if (r->status == FV_OK)
        r->status = fv_ring_backward(ring, q, k, v, r->o, log_sum, d_o, r->dq, dk, dv, &r->error);
    if (r->status != FV_OK) fv_ring_local_abort(r->local); // the others must not wait for this one
    fv_ring_free(ring);
    float *all[] = {q, k, v, d_o, dk, dv, log_sum};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
    return NULL;
}

// All ranks of a ring; 0 or, after a message, 1.
static int run(rank *ranks, int n) {
    fv_ring_local *local = NULL;
    fv_error error;
    pthread_t threads[RANKS];
    if (fv_ring_local_create(n, &local, &error) != FV_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        ranks[i].local = local;
        ranks[i].transport = fv_ring_local_transport(local, i);
        ranks[i].config.layout = FV_RING_ZIGZAG;
        ranks[i].config.gradients = true;
        fv_attention_config_init(&ranks[i].config.attention); // causal
        ranks[i].config.attention.n_query = ranks[i].config.attention.n_key = POSITIONS;
        ranks[i].config.attention.d_head = WIDTH;
        ranks[i].config.attention.n_threads = 1;
        if (pthread_create(&threads[i], NULL, run_rank, &ranks[i]) != 0) abort();
    }
    int failed = 0;
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < n; i++) {
        if (ranks[i].status == FV_OK) continue;
        fprintf(stderr, "rank %d: %s\n", i, ranks[i].error.text);
        failed = 1;
    }
    fv_ring_local_free(local);
    return failed;
}

// The largest difference of a rank's rows from the whole sequence's.
static float difference(const rank *r, const float *mine, const float *whole) {
    float apart = 0;
    int64_t rows = fv_ring_rows(r->config.layout, POSITIONS, RANKS, r->transport.rank);
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = fv_ring_position(r->config.layout, POSITIONS, RANKS, r->transport.rank, i);
        for (int f = 0; f < WIDTH; f++)
            apart = fmaxf(apart, fabsf(mine[i * WIDTH + f] - whole[at * WIDTH + f]));
    }
    return apart;
}

int main(void) {
    static rank ring[RANKS], single[1];
    float o = 0, dq = 0;
    if (run(single, 1) != 0 || run(ring, RANKS) != 0) return 1;
    for (int i = 0; i < RANKS; i++) {
        o = fmaxf(o, difference(&ring[i], ring[i].o, single[0].o));
        dq = fmaxf(dq, difference(&ring[i], ring[i].dq, single[0].dq));
        printf("rank %d: %lld rows, %.2f MB to send, %.2f MB of buffers\n", i,
               (long long)fv_ring_rows(FV_RING_ZIGZAG, POSITIONS, RANKS, i),
               1e-6 * (double)(ring[i].plan.forward_bytes + ring[i].plan.backward_bytes),
               1e-6 * (double)ring[i].plan.memory_bytes);
        free(ring[i].o);
        free(ring[i].dq);
    }
    free(single[0].o);
    free(single[0].dq);
    printf("largest difference from one rank: o %.1e, dq %.1e\n", (double)o, (double)dq);
    return o < 1e-5f && dq < 1e-5f ? 0 : 1;
}
