// The ring against one process: ranks are threads. Tolerances: 1e-5 of the largest number, forward
// and gradients, stated before the first run.
#include "base/random.h"
#include "ring/ring_schedule.h"

#include <fovea/ring.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double TOLERANCE = 1e-5;

// --- one case ------------------------------------------------------------------------------------

enum { Q, K, V, D_O, O, DQ, DK, DV, N_TENSORS };

// A tensor of the whole sequence: [n_batch][heads][n][d] or, positions first,
// [n_batch][n][heads][d].
typedef struct whole {
    fv_ring_config config;
    int n_ranks;
    float *tensors[N_TENSORS];
    float *logsumexp;
} whole;

static bool of_keys(int tensor) {
    return tensor == K || tensor == V || tensor == DK || tensor == DV;
}

static int64_t heads_of(const whole *w, int tensor) {
    return of_keys(tensor) ? w->config.attention.n_kv_head : w->config.attention.n_head;
}

static size_t size_of(const whole *w, int tensor, int64_t rows) {
    const fv_attention_config *a = &w->config.attention;
    return (size_t)(a->n_batch * heads_of(w, tensor) * rows * a->d_head);
}

// Where a row of a head starts in an array of `rows` rows.
static size_t place(const whole *w, int tensor, int64_t rows, int64_t batch, int64_t head,
                    int64_t row) {
    const fv_attention_config *a = &w->config.attention;
    int64_t n_heads = heads_of(w, tensor);
    int64_t at = a->layout == FV_HEADS_FIRST ? (batch * n_heads + head) * rows + row
                                             : (batch * rows + row) * n_heads + head;
    return (size_t)(at * a->d_head);
}

// Copies the rank's rows out of the whole, or back into it.
static void move(const whole *w, int tensor, int rank, float *part, bool out) {
    const fv_attention_config *a = &w->config.attention;
    int64_t n = a->n_key, rows = fv_ring_rows(w->config.layout, n, w->n_ranks, rank);
    for (int64_t b = 0; b < a->n_batch; b++)
        for (int64_t h = 0; h < heads_of(w, tensor); h++)
            for (int64_t i = 0; i < rows; i++) {
                int64_t at = fv_ring_position(w->config.layout, n, w->n_ranks, rank, i);
                float *mine = part + place(w, tensor, rows, b, h, i);
                float *all = w->tensors[tensor] + place(w, tensor, n, b, h, at);
                memcpy(out ? mine : all, out ? all : mine, (size_t)a->d_head * sizeof *mine);
            }
}

static float *allocate(size_t n) {
    float *x = malloc((n ? n : 1) * sizeof *x);
    assert_non_null(x);
    return x;
}

static void draw(float *x, size_t n, uint32_t seed) {
    random_source random;
    random_init(&random, seed, FV_STREAM_TRAIN, 0, 0);
    for (size_t i = 0; i < n; i++) x[i] = (float)random_normal(&random);
}

// The sequence with its results by one process.
static whole make_whole(const fv_ring_config *config, int n_ranks) {
    whole w = {.config = *config, .n_ranks = n_ranks};
    const fv_attention_config *a = &config->attention;
    fv_attention *attention;
    fv_error error = {0};
    for (int t = 0; t < N_TENSORS; t++) w.tensors[t] = allocate(size_of(&w, t, a->n_key));
    for (int t = 0; t <= D_O; t++) draw(w.tensors[t], size_of(&w, t, a->n_key), (uint32_t)(t + 1));
    w.logsumexp = allocate((size_t)(a->n_batch * a->n_head * a->n_key));
    if (fv_attention_create(a, &attention, &error) != FV_OK) fail_msg("%s", error.text);
    assert_int_equal(fv_attention_forward(attention, w.tensors[Q], w.tensors[K], w.tensors[V],
                                          w.tensors[O], w.logsumexp, &error),
                     FV_OK);
    assert_int_equal(fv_attention_backward(attention, w.tensors[Q], w.tensors[K], w.tensors[V],
                                           w.tensors[O], w.logsumexp, w.tensors[D_O], w.tensors[DQ],
                                           w.tensors[DK], w.tensors[DV], &error),
                     FV_OK);
    fv_attention_free(attention);
    return w;
}

static void free_whole(whole *w) {
    for (int t = 0; t < N_TENSORS; t++) free(w->tensors[t]);
    free(w->logsumexp);
}

typedef struct member {
    pthread_t thread;
    const whole *whole;
    fv_ring_local *local;
    int rank;
    double latency, bytes_per_second; // 0: no slower link
    float *tensors[N_TENSORS];
    fv_status status;
    fv_error error;
    fv_ring_plan plan;
    fv_ring_report forward, backward;
    fv_ring_span spans[256]; // of the forward pass
    int n_spans;
} member;

static fv_status pass(member *m, fv_ring *ring, float *logsumexp) {
    float **t = m->tensors;
    fv_status status = fv_ring_forward(ring, t[Q], t[K], t[V], t[O], logsumexp, &m->error);
    m->forward = fv_ring_last(ring);
    const fv_ring_span *spans = fv_ring_spans(ring, &m->n_spans);
    memcpy(m->spans, spans, (size_t)(m->n_spans < 256 ? m->n_spans : 256) * sizeof *spans);
    m->plan = fv_ring_plan_of(ring);
    if (status != FV_OK || !m->whole->config.gradients) return status;
    status = fv_ring_backward(ring, t[Q], t[K], t[V], t[O], logsumexp, t[D_O], t[DQ], t[DK], t[DV],
                              &m->error);
    m->backward = fv_ring_last(ring);
    return status;
}

static void *run_member(void *context) {
    member *m = context;
    const fv_attention_config *a = &m->whole->config.attention;
    fv_ring_transport transport = fv_ring_local_transport(m->local, m->rank);
    fv_ring_link *link = NULL;
    fv_ring *ring = NULL;
    size_t rows =
        (size_t)fv_ring_rows(m->whole->config.layout, a->n_key, m->whole->n_ranks, m->rank);
    float *logsumexp = malloc((size_t)(a->n_batch * a->n_head) * rows * sizeof *logsumexp);
    if (m->bytes_per_second > 0) {
        m->status =
            fv_ring_link_create(&transport, m->latency, m->bytes_per_second, &link, &m->error);
        transport = fv_ring_link_transport(link);
    }
    m->status = fv_ring_create(&m->whole->config, &transport, &ring, &m->error);
    if (m->status == FV_OK) m->status = pass(m, ring, logsumexp);
    if (m->status != FV_OK) fv_ring_local_abort(m->local);
    fv_ring_free(ring);
    fv_ring_link_free(link);
    free(logsumexp);
    return NULL;
}

static member *run_ring(const whole *w, double latency, double bytes_per_second) {
    fv_ring_local *local;
    member *members = calloc((size_t)w->n_ranks, sizeof *members);
    assert_non_null(members);
    assert_int_equal(fv_ring_local_create(w->n_ranks, &local, NULL), FV_OK);
    for (int r = 0; r < w->n_ranks; r++) {
        members[r] = (member){.whole = w,
                              .local = local,
                              .rank = r,
                              .latency = latency,
                              .bytes_per_second = bytes_per_second};
        int64_t rows = fv_ring_rows(w->config.layout, w->config.attention.n_key, w->n_ranks, r);
        for (int t = 0; t < N_TENSORS; t++) {
            members[r].tensors[t] = allocate(size_of(w, t, rows));
            // What a pass must overwrite holds nonsense before.
            memset(members[r].tensors[t], 0x7f, size_of(w, t, rows) * sizeof(float));
            if (t <= D_O) move(w, t, r, members[r].tensors[t], true);
        }
    }
    for (int r = 0; r < w->n_ranks; r++)
        assert_int_equal(pthread_create(&members[r].thread, NULL, run_member, &members[r]), 0);
    for (int r = 0; r < w->n_ranks; r++) pthread_join(members[r].thread, NULL);
    fv_ring_local_free(local);
    for (int r = 0; r < w->n_ranks; r++)
        if (members[r].status != FV_OK) fail_msg("rank %d: %s", r, members[r].error.text);
    return members;
}

static void free_ring(member *members, int n) {
    for (int r = 0; r < n; r++)
        for (int t = 0; t < N_TENSORS; t++) free(members[r].tensors[t]);
    free(members);
}

// The largest difference between the ranks' tensor and the whole one, of the largest number.
static double difference(const whole *w, const member *members, int tensor) {
    size_t n = size_of(w, tensor, w->config.attention.n_key);
    double apart = 0, largest = 1e-30;
    whole gathered = *w;
    gathered.tensors[tensor] = allocate(n);
    for (int r = 0; r < w->n_ranks; r++)
        move(&gathered, tensor, r, members[r].tensors[tensor], false);
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)gathered.tensors[tensor][i] - (double)w->tensors[tensor][i]);
        if (!(d <= apart)) apart = d; // also what is not a number
        largest = fmax(largest, fabs((double)w->tensors[tensor][i]));
    }
    free(gathered.tensors[tensor]);
    return apart / largest;
}

static void expect_equal(const char *what, const whole *w, const member *members) {
    static const char *const NAMES[] = {"q", "k", "v", "d_o", "o", "dq", "dk", "dv"};
    for (int t = O; t < N_TENSORS; t++) {
        double apart = difference(w, members, t);
        if (!(apart <= TOLERANCE))
            fail_msg("%s, %s, %d ranks, n %d: %s differs by %g", what,
                     fv_ring_layout_name(w->config.layout), w->n_ranks,
                     (int)w->config.attention.n_key, NAMES[t], apart);
    }
}

static fv_ring_config causal(int64_t n, fv_ring_layout layout) {
    fv_ring_config config = {.layout = layout, .gradients = true};
    fv_attention_config_init(&config.attention);
    config.attention.n_query = config.attention.n_key = n;
    config.attention.n_head = 2;
    config.attention.d_head = 16;
    config.attention.n_threads = 1;
    return config;
}

static void check_case(const char *what, const fv_ring_config *config, int n_ranks) {
    whole w = make_whole(config, n_ranks);
    member *members = run_ring(&w, 0, 0);
    expect_equal(what, &w, members);
    for (int r = 0; r < n_ranks; r++) {
        assert_int_equal(members[r].forward.bytes_sent, members[r].plan.forward_bytes);
        assert_int_equal(members[r].backward.bytes_sent, members[r].plan.backward_bytes);
    }
    free_ring(members, n_ranks);
    free_whole(&w);
}

// --- exactness -----------------------------------------------------------------------------------

static void any_ranks_any_length(void **state) {
    (void)state;
    static const int RANKS[] = {1, 2, 3, 4, 8};
    static const int64_t LENGTHS[] = {8, 61, 257, 512, 1000};
    for (int layout = 0; layout < FV_RING_LAYOUT_COUNT; layout++)
        for (size_t r = 0; r < 5; r++)
            for (size_t l = 0; l < 5; l++) {
                fv_ring_config config = causal(LENGTHS[l], (fv_ring_layout)layout);
                check_case("causal", &config, RANKS[r]);
            }
}

static void any_mask(void **state) {
    (void)state;
    static const int64_t GLOBALS[] = {0, 77, 300};
    const struct {
        const char *name;
        fv_attention_mask mask;
    } MASKS[] = {
        {"full", {0}},
        {"window", {.causal = true, .window = 40}},
        {"window both ways", {.window = 70}},
        {"window beyond all", {.causal = true, .window = INT64_MAX}},
        {"window and sinks", {.causal = true, .window = 33, .sinks = 5}},
        {"strided", {.causal = true, .window = 8, .stride = 7}},
        {"longformer", {.window = 20, .globals = GLOBALS, .n_globals = 3}},
        {"random blocks", {.causal = true, .block = 16, .random_blocks = 2, .random_seed = 5}},
    };
    for (size_t i = 0; i < sizeof MASKS / sizeof MASKS[0]; i++)
        for (int layout = 0; layout < FV_RING_LAYOUT_COUNT; layout++) {
            fv_ring_config config = causal(331, (fv_ring_layout)layout);
            config.attention.mask = MASKS[i].mask;
            check_case(MASKS[i].name, &config, 4);
            check_case(MASKS[i].name, &config, 7);
        }
}

static void any_shape(void **state) {
    (void)state;
    for (int layout = 0; layout < FV_RING_LAYOUT_COUNT; layout++) {
        fv_ring_config config = causal(200, (fv_ring_layout)layout);
        config.attention.n_batch = 2;
        config.attention.n_head = 6;
        config.attention.n_kv_head = 2;
        config.attention.d_head = 24;
        check_case("grouped heads", &config, 3);
        config.attention.layout = FV_POSITIONS_FIRST;
        check_case("positions first", &config, 4);
        static const double SLOPES[] = {0.5, 0.25, 0.125, 0.0625, 0.03125, 0};
        config.attention.slopes = SLOPES;
        check_case("slopes", &config, 4);
        config.attention.soft_cap = 1.5;
        check_case("slopes and a cap", &config, 3);
        config.attention.slopes = NULL;
        check_case("a cap", &config, 4);
        config.attention.soft_cap = 0;
        config.attention.score = FV_SCORE_EUCLIDEAN;
        config.attention.scale = 0.2;
        check_case("euclidean", &config, 4);
    }
}

// As many ranks as positions: each holds one row.
static void one_row_a_rank(void **state) {
    (void)state;
    for (int layout = 0; layout < FV_RING_LAYOUT_COUNT; layout++) {
        fv_ring_config config = causal(11, (fv_ring_layout)layout);
        for (int r = 0; r < 11; r++)
            assert_int_equal(fv_ring_rows((fv_ring_layout)layout, 11, 11, r), 1);
        check_case("one row", &config, 11);
    }
}

// --- who holds what ------------------------------------------------------------------------------

static void positions_are_shared_out(void **state) {
    (void)state;
    for (int layout = 0; layout < FV_RING_LAYOUT_COUNT; layout++)
        for (int n_ranks = 1; n_ranks < 20; n_ranks++)
            for (int64_t n = n_ranks; n < 100; n += 7) {
                int held[100] = {0};
                int64_t fewest = n, most = 0;
                for (int r = 0; r < n_ranks; r++) {
                    int64_t rows = fv_ring_rows((fv_ring_layout)layout, n, n_ranks, r);
                    fewest = rows < fewest ? rows : fewest;
                    most = rows > most ? rows : most;
                    for (int64_t i = 0; i < rows; i++)
                        held[fv_ring_position((fv_ring_layout)layout, n, n_ranks, r, i)]++;
                }
                for (int64_t i = 0; i < n; i++) assert_int_equal(held[i], 1);
                assert_true(most - fewest <= 2 && fewest >= 1);
            }
}

// Counted at once, as by walking all tiles.
static void pairs_without_walking(void **state) {
    (void)state;
    static const fv_attention_mask MASKS[] = {
        {0}, {.causal = true}, {.causal = true, .window = 37}, {.window = 50}, {.window = 1}};
    for (size_t i = 0; i < sizeof MASKS / sizeof MASKS[0]; i++)
        for (int layout = 0; layout < FV_RING_LAYOUT_COUNT; layout++)
            for (int n_ranks = 1; n_ranks < 7; n_ranks++) {
                fv_attention *plan;
                fv_ring_config config = causal(211, (fv_ring_layout)layout);
                config.attention.mask = MASKS[i];
                assert_int_equal(fv_attention_create(&config.attention, &plan, NULL), FV_OK);
                for (int q = 0; q < n_ranks; q++)
                    for (int k = 0; k < n_ranks; k++) {
                        attention_placement queries =
                            ring_placement((fv_ring_layout)layout, 211, n_ranks, q);
                        attention_placement keys =
                            ring_placement((fv_ring_layout)layout, 211, n_ranks, k);
                        assert_int_equal(ring_pairs(plan, &queries, &keys),
                                         tiles_count(plan, &queries, &keys).pairs);
                    }
                fv_attention_free(plan);
            }
}

// --- work and bytes ------------------------------------------------------------------------------

static int64_t spread_of_tiles(fv_ring_layout layout, int n_ranks, int64_t n) {
    fv_ring_config config = causal(n, layout);
    config.attention.n_head = 1;
    config.gradients = false;
    whole w = {.config = config, .n_ranks = n_ranks};
    for (int t = 0; t < N_TENSORS; t++) {
        w.tensors[t] = allocate(size_of(&w, t, n));
        memset(w.tensors[t], 0, size_of(&w, t, n) * sizeof(float));
    }
    member *members = run_ring(&w, 0, 0);
    int64_t fewest = INT64_MAX, most = 0;
    for (int r = 0; r < n_ranks; r++) {
        int64_t tiles = members[r].forward.work.tiles;
        fewest = tiles < fewest ? tiles : fewest;
        most = tiles > most ? tiles : most;
    }
    free_ring(members, n_ranks);
    free_whole(&w);
    return most - fewest;
}

static void zigzag_balances(void **state) {
    (void)state;
    static const int RANKS[] = {2, 4, 8};
    for (size_t i = 0; i < 3; i++) {
        assert_true(spread_of_tiles(FV_RING_ZIGZAG, RANKS[i], 4096) <= 1);
        // Rank r of a striped ring sees one key more of each block than rank r - 1: less than a
        // column of tiles.
        assert_true(spread_of_tiles(FV_RING_STRIPED, RANKS[i], 4096) <=
                    4096 / RANKS[i] / FV_TILE_QUERIES * RANKS[i]);
        assert_true(spread_of_tiles(FV_RING_CONTIGUOUS, RANKS[i], 4096) > 100);
    }
}

// All blocks visit all ranks: (N - 1) blocks of keys and values forward; backward those, and N of
// their gradients.
static void bytes_follow_the_formula(void **state) {
    (void)state;
    static const int RANKS[] = {2, 4, 8};
    for (size_t i = 0; i < 3; i++)
        for (int layout = 0; layout < FV_RING_LAYOUT_COUNT; layout++) {
            uint64_t n = 512, n_ranks = (uint64_t)RANKS[i], block = n / n_ranks * 2 * 2 * 16 * 4;
            fv_ring_config config = causal((int64_t)n, (fv_ring_layout)layout);
            config.attention.mask = (fv_attention_mask){0};
            config.attention.n_kv_head = 2;
            whole w = make_whole(&config, RANKS[i]);
            member *members = run_ring(&w, 0, 0);
            for (int r = 0; r < RANKS[i]; r++) {
                assert_int_equal(members[r].forward.bytes_sent, (n_ranks - 1) * block);
                assert_int_equal(members[r].backward.bytes_sent, (2 * n_ranks - 1) * block);
                // Keys and values, and their sums, in as many buffers as blocks travel steps, at
                // most two; one rank's share of the sums; a number a query.
                uint64_t buffers = n_ranks == 2 ? 1 : 2, heads = (uint64_t)config.attention.n_head;
                assert_int_equal(members[r].plan.memory_bytes,
                                 (2 * buffers + 1) * block + n / n_ranks * heads * 4);
            }
            free_ring(members, RANKS[i]);
            free_whole(&w);
        }
}

// Contiguous pieces of 64 with a causal window of 65: only the rank before is needed, and blocks
// stop behind it.
static void windows_skip_ranks(void **state) {
    (void)state;
    fv_ring_config config = causal(512, FV_RING_CONTIGUOUS);
    config.attention.mask.window = 65;
    whole w = make_whole(&config, 8);
    member *members = run_ring(&w, 0, 0);
    expect_equal("window", &w, members);
    for (int r = 0; r < 8; r++) {
        uint64_t block = 64 * 1 * 16 * 4 * 2;
        assert_int_equal(members[r].plan.n_steps, r == 0 ? 1 : 2);
        assert_int_equal(members[r].forward.bytes_sent, r == 7 ? 0 : block);
        // Keys and sums to the next rank, and sums home to the one before.
        assert_int_equal(members[r].backward.bytes_sent,
                         (r == 7 ? 0 : 2 * block) + (r == 0 ? 0 : block));
    }
    free_ring(members, 8);
    free_whole(&w);
}

// --- the network ---------------------------------------------------------------------------------

// A slower link delays every message, and what it delays is hidden behind work.
static void slow_links_wait(void **state) {
    (void)state;
    fv_ring_config config = causal(256, FV_RING_ZIGZAG);
    config.gradients = false;
    whole w = make_whole(&config, 4);
    member *members = run_ring(&w, 0.02, 1e12);
    for (int t = O; t <= O; t++) assert_true(difference(&w, members, t) <= TOLERANCE);
    for (int r = 0; r < 4; r++) {
        double travelled = 0;
        for (int i = 0; i < members[r].n_spans; i++)
            if (members[r].spans[i].activity == FV_RING_TRAVELS)
                travelled += members[r].spans[i].to - members[r].spans[i].from;
        assert_true(members[r].forward.seconds >= 3 * 0.02);
        assert_true(travelled >= 3 * 0.02);
    }
    free_ring(members, 4);
    free_whole(&w);
}

static void spans_add_up(void **state) {
    (void)state;
    fv_ring_config config = causal(512, FV_RING_ZIGZAG);
    whole w = make_whole(&config, 4);
    member *members = run_ring(&w, 0, 0);
    for (int r = 0; r < 4; r++) {
        const fv_ring_report *report = &members[r].forward;
        double spent[3] = {0};
        for (int i = 0; i < members[r].n_spans; i++) {
            const fv_ring_span *span = &members[r].spans[i];
            assert_true(span->from >= 0 && span->from <= span->to &&
                        span->to <= report->seconds + 1e-9);
            spent[span->activity] += span->to - span->from;
        }
        assert_true(fabs(spent[FV_RING_COMPUTES] - report->compute_seconds) < 1e-9);
        assert_true(fabs(spent[FV_RING_WAITS] - report->wait_seconds) < 1e-9);
    }
    free_ring(members, 4);
    free_whole(&w);
}

// A rank that gives up ends the others' waiting.
typedef struct waiter {
    fv_ring_transport transport;
    fv_status status;
} waiter;

static void *wait_in_vain(void *context) {
    waiter *w = context;
    char byte;
    w->transport.receive(w->transport.context, 0, 1, &byte, 1, NULL);
    w->status = w->transport.wait_receive(w->transport.context, 0, NULL);
    return NULL;
}

static void giving_up_ends_waiting(void **state) {
    (void)state;
    fv_ring_local *local;
    pthread_t thread;
    assert_int_equal(fv_ring_local_create(2, &local, NULL), FV_OK);
    waiter w = {.transport = fv_ring_local_transport(local, 0)};
    assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, &w), 0);
    fv_ring_local_abort(local);
    pthread_join(thread, NULL);
    assert_int_equal(w.status, FV_INTERRUPTED);
    fv_ring_local_free(local);
}

// --- the model -----------------------------------------------------------------------------------

// Without a network's time the model is counting: causal contiguous rings reach N / (2 N - 1).
static void the_model_counts_work(void **state) {
    (void)state;
    const fv_ring_machine machine = {.flops = 1e9, .bytes_per_second = 1e30, .hides = true};
    for (int n_ranks = 2; n_ranks <= 8; n_ranks *= 2)
        for (int gradients = 0; gradients < 2; gradients++) {
            fv_ring_forecast f;
            fv_ring_config config = causal(8192, FV_RING_CONTIGUOUS);
            config.gradients = gradients;
            assert_int_equal(fv_ring_predict(&config, n_ranks, &machine, &f, NULL), FV_OK);
            double efficiency = f.ideal_seconds / f.seconds;
            assert_true(fabs(efficiency - n_ranks / (2.0 * n_ranks - 1)) < 2e-3);
            config.layout = FV_RING_ZIGZAG;
            assert_int_equal(fv_ring_predict(&config, n_ranks, &machine, &f, NULL), FV_OK);
            assert_true(f.ideal_seconds / f.seconds > 0.999);
            double work = 4.0 * 16 * 2 * 8192 * 8193 / 2 * (gradients ? 3.5 : 1);
            assert_true(fabs(f.ideal_seconds * n_ranks * machine.flops / work - 1) < 1e-12);
        }
}

// A full mask on a network slower than the work: hidden, every step takes as long as the messages
// do; not hidden, their sum.
static void the_model_hides_or_adds(void **state) {
    (void)state;
    fv_ring_config config = causal(1024, FV_RING_CONTIGUOUS);
    config.attention.mask = (fv_attention_mask){0};
    config.attention.n_kv_head = 2;
    config.gradients = false;
    double work = 4.0 * 16 * 2 * 256 * 256 / 1e9, bytes = 2.0 * 256 * 2 * 16 * 4;
    fv_ring_machine machine = {.flops = 1e9, .latency = 1e-3, .bytes_per_second = 1e7};
    double travel = 2e-3 + bytes / 1e7;
    assert_true(travel > work);
    fv_ring_forecast f;
    assert_int_equal(fv_ring_predict(&config, 4, &machine, &f, NULL), FV_OK);
    assert_true(fabs(f.seconds - (4 * work + 3 * travel)) < 1e-9);
    machine.hides = true;
    assert_int_equal(fv_ring_predict(&config, 4, &machine, &f, NULL), FV_OK);
    assert_true(fabs(f.seconds - (work + 3 * travel)) < 1e-9);
    assert_true(fabs(f.compute_seconds - 4 * work) < 1e-9);
}

// --- mistakes ------------------------------------------------------------------------------------

static void expect_refusal(const fv_ring_config *config, int n_ranks, const char *text) {
    fv_ring_local *local;
    fv_ring *ring;
    fv_error error = {0};
    assert_int_equal(fv_ring_local_create(n_ranks, &local, NULL), FV_OK);
    fv_ring_transport transport = fv_ring_local_transport(local, 0);
    assert_int_equal(fv_ring_create(config, &transport, &ring, &error), FV_USAGE);
    assert_null(ring);
    if (strstr(error.text, text) == NULL) fail_msg("\"%s\"", error.text);
    fv_ring_local_free(local);
}

static void mistakes_are_refused(void **state) {
    (void)state;
    fv_ring_config config = causal(7, FV_RING_ZIGZAG);
    expect_refusal(&config, 8, "8 ranks cannot share 7 positions; there must be 1 to 7 ranks");
    config.attention.n_query = 5;
    expect_refusal(&config, 2, "n_query = n_key");
    config = causal(0, FV_RING_ZIGZAG);
    expect_refusal(&config, 1, "n_query");
    config = causal(10, FV_RING_ZIGZAG);
    config.attention.mask.window = -1;
    expect_refusal(&config, 2, "window");
    config.attention.mask = (fv_attention_mask){.causal = true, .block = 2, .selected = 2};
    expect_refusal(&config, 2, "selected blocks are chosen from means of the whole sequence");
    assert_int_equal(fv_ring_local_create(0, &(fv_ring_local *){NULL}, NULL), FV_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_ranks_any_length),
        cmocka_unit_test(any_mask),
        cmocka_unit_test(any_shape),
        cmocka_unit_test(one_row_a_rank),
        cmocka_unit_test(positions_are_shared_out),
        cmocka_unit_test(pairs_without_walking),
        cmocka_unit_test(zigzag_balances),
        cmocka_unit_test(bytes_follow_the_formula),
        cmocka_unit_test(windows_skip_ranks),
        cmocka_unit_test(slow_links_wait),
        cmocka_unit_test(spans_add_up),
        cmocka_unit_test(giving_up_ends_waiting),
        cmocka_unit_test(the_model_counts_work),
        cmocka_unit_test(the_model_hides_or_adds),
        cmocka_unit_test(mistakes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
