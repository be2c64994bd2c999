// Ring attention: exact attention over a sequence that lies in pieces on many ranks. Each rank
// holds n / N of the queries, keys, values and their gradients; keys and values travel around the
// ring, and every rank adds what passes by to its own queries. Memory per rank falls as 1 / N.
//
// Source: Liu et al., "Ring Attention with Blockwise Transformers", 2023; striped: Brandon et al.,
// 2023; zigzag: zhuzilin/ring-flash-attention, 2024.
//
// The ring knows no network: a transport sends and receives blocks. `fovea ring` has one over MPI;
// fv_ring_local runs ranks as threads of one process.
#ifndef FOVEA_RING_H
#define FOVEA_RING_H

#include <fovea/attention.h>

#ifdef __cplusplus
extern "C" {
#endif

// X(NAME, name, help). With a causal mask a rank that holds early positions has little to do, so
// that layouts other than contiguous balance the work.
#define FV_RING_LAYOUT_LIST(X)                                                                     \
    X(CONTIGUOUS, "contiguous", "rank r holds the r-th of N equal pieces")                         \
    X(STRIPED, "striped", "rank r holds the positions r, r + N, r + 2 N, ...")                     \
    X(ZIGZAG, "zigzag", "of 2 N equal pieces rank r holds the r-th and the r-th from the end")

typedef enum fv_ring_layout {
#define FV_RING_ENUM(NAME, name, help) FV_RING_##NAME,
    FV_RING_LAYOUT_LIST(FV_RING_ENUM)
#undef FV_RING_ENUM
        FV_RING_LAYOUT_COUNT
} fv_ring_layout;

FV_API const char *fv_ring_layout_name(fv_ring_layout layout);
FV_API bool fv_ring_layout_find(const char *name, fv_ring_layout *layout);

// The rows that a rank holds of n, and the position in the sequence of each of its rows.
FV_API int64_t fv_ring_rows(fv_ring_layout layout, int64_t n, int n_ranks, int rank);
FV_API int64_t fv_ring_position(fv_ring_layout layout, int64_t n, int n_ranks, int rank,
                                int64_t row);

// How blocks travel. A slot is a channel: messages of one slot between two ranks arrive in the
// order in which they were sent. At most one send and one receive of a slot are under way at a
// time.
enum { FV_RING_SLOTS = 6 };

typedef struct fv_ring_transport {
    void *context;
    int rank, n_ranks;
    // Begin, and return at once; `data` stays untouched (by the caller: unread) until the wait.
    fv_status (*send)(void *context, int slot, int to, const void *data, size_t size,
                      fv_error *error);
    fv_status (*receive)(void *context, int slot, int from, void *data, size_t size,
                         fv_error *error);
    // Return when the last send or receive of the slot is over; at once where there was none.
    fv_status (*wait_send)(void *context, int slot, fv_error *error);
    fv_status (*wait_receive)(void *context, int slot, fv_error *error);
} fv_ring_transport;

typedef struct fv_ring_config {
    // Of the whole sequence: n_query = n_key = n and first_query = 0. n_threads are those of each
    // rank.
    fv_attention_config attention;
    fv_ring_layout layout;
    bool gradients; // room for fv_ring_backward
} fv_ring_config;

typedef struct fv_ring fv_ring;

// The same call on every rank, with the rank's own transport, which must outlive the ring. Fails
// with FV_USAGE for more ranks than positions, for a mask whose blocks are selected, and for what
// fv_attention_create refuses. Slopes and soft caps travel along.
FV_API fv_status fv_ring_create(const fv_ring_config *config, const fv_ring_transport *transport,
                                fv_ring **ring, fv_error *error);
FV_API void fv_ring_free(fv_ring *ring);

// As fv_attention_forward and fv_attention_backward, on all ranks at once: arrays hold the rank's
// own rows, [n_batch][n_head][rows][d_head] and so on in the order of the layout. logsumexp
// [n_batch][n_head][rows] is needed. They fail where the transport does, and fv_ring_backward with
// FV_USAGE for a ring that was made without `gradients`.
FV_API fv_status fv_ring_forward(fv_ring *ring, const float *q, const void *k, const void *v,
                                 float *o, float *logsumexp, fv_error *error);
FV_API fv_status fv_ring_backward(fv_ring *ring, const float *q, const void *k, const void *v,
                                  const float *o, const float *logsumexp, const float *d_o,
                                  float *dq, float *dk, float *dv, fv_error *error);

// The messages of a forward pass without its work: how long communication alone takes.
FV_API fv_status fv_ring_transfer(fv_ring *ring, const void *k, const void *v, fv_error *error);

// The last pass of this rank.
typedef struct fv_ring_report {
    uint64_t bytes_sent;
    fv_attention_work work; // pairs and tiles, of all heads together
    double seconds, compute_seconds, wait_seconds;
} fv_ring_report;
FV_API fv_ring_report fv_ring_last(const fv_ring *ring);

// What this rank will do, counted from the schedule: the same numbers before anything runs.
typedef struct fv_ring_plan {
    uint64_t forward_bytes, backward_bytes; // sent
    uint64_t memory_bytes;                  // of buffers, beside the caller's arrays
    int n_steps;                            // blocks that this rank computes on
} fv_ring_plan;
FV_API fv_ring_plan fv_ring_plan_of(const fv_ring *ring);

// When the last pass computed, waited, and had keys and values on their way, in seconds since its
// start. `block` is the rank that the keys belong to.
typedef enum fv_ring_activity { FV_RING_COMPUTES, FV_RING_WAITS, FV_RING_TRAVELS } fv_ring_activity;
typedef struct fv_ring_span {
    fv_ring_activity activity;
    int block;
    double from, to;
} fv_ring_span;
FV_API const fv_ring_span *fv_ring_spans(const fv_ring *ring, int *n);

// --- ranks as threads of one process -------------------------------------------------------------

typedef struct fv_ring_local fv_ring_local;
FV_API fv_status fv_ring_local_create(int n_ranks, fv_ring_local **local, fv_error *error);
FV_API void fv_ring_local_free(fv_ring_local *local);
FV_API fv_ring_transport fv_ring_local_transport(fv_ring_local *local, int rank);

// Ends all waiting of all ranks, which fail from then on: for a rank that cannot go on.
FV_API void fv_ring_local_abort(fv_ring_local *local);

// --- a slower network ----------------------------------------------------------------------------

// Makes another transport look like a slower network: messages of a rank arrive one behind the
// other, each not before `latency` + size / bandwidth from the time its receive began. What it
// cannot do is to make the other transport faster.
typedef struct fv_ring_link fv_ring_link;
FV_API fv_status fv_ring_link_create(const fv_ring_transport *transport, double latency,
                                     double bytes_per_second, fv_ring_link **link, fv_error *error);
FV_API void fv_ring_link_free(fv_ring_link *link);
FV_API fv_ring_transport fv_ring_link_transport(fv_ring_link *link);

// --- a model of the time -------------------------------------------------------------------------

typedef struct fv_ring_machine {
    double flops;            // a second and rank, of visible pairs: 4 d_head each, backward 10
    double latency;          // seconds a message
    double bytes_per_second; // into each rank
    bool hides;              // messages travel while ranks compute
} fv_ring_machine;

typedef struct fv_ring_forecast {
    double seconds;         // until the last rank is done
    double compute_seconds; // of the rank that computes most
    double ideal_seconds;   // all work, evenly shared, and nothing else
} fv_ring_forecast;

// Follows every rank through every step: when its block is there, when its work is done. The
// configuration's gradients say whether backward follows forward.
FV_API fv_status fv_ring_predict(const fv_ring_config *config, int n_ranks,
                                 const fv_ring_machine *machine, fv_ring_forecast *forecast,
                                 fv_error *error);

#ifdef __cplusplus
}
#endif
#endif
