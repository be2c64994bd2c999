// The selective scan over long sequences: who scans which channels of which positions.
//
// Threads take spans of neighbouring blocks of channels, of one sequence, over one segment of
// positions. Of a span the same chunk of every block is scanned before the next chunk, so that rows
// are read as they lie in memory: at 1024 channels a row of each array is a page, and going down
// the sequence block by block would turn the pages of four arrays once for every block (1.6 times
// the time at n = 4096).
//
// Segments are scanned as if nothing came before them. Since the scan is linear in its state, what
// did come before is added afterwards: the state at a segment's end is the one computed there plus
// the state before it, decayed over the segment by exp(A sum of the steps); and the outputs within
// get C times the decaying state, for as long as any of it is left.
#include "scan/scan_plan.h"

#include <fovea/machine.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { W = FV_SCAN_BLOCK, CHUNK = 32, SEGMENTS = 8, SHORTEST_SEGMENT = 2048 };
enum { PART = 32 }; // channels whose corrections are one piece of work
// Floats of a span's state: at 16 for a channel, 1024 channels, so that a chunk of them and the one
// that is fetched meanwhile fit the second-level cache.
enum { LARGEST_SPAN = 1 << 14 };

void fv_selective_scan_config_init(fv_selective_scan_config *config) {
    *config = (fv_selective_scan_config){
        .n_batch = 1, .n = 1, .n_channels = 1, .n_state = 16, .softplus = true};
}

// --- creation ----------------------------------------------------------------------------------

static fv_status check(const fv_selective_scan_config *c, fv_error *error) {
    const struct {
        const char *name;
        int64_t value, lowest, highest;
    } bounds[] = {{"n_batch", c->n_batch, 1, INT32_MAX},
                  {"n", c->n, 1, INT64_MAX},
                  {"n_channels", c->n_channels, 1, INT32_MAX},
                  {"n_state", c->n_state, 1, FV_SCAN_MAX_STATE},
                  {"chunk", c->chunk, 0, 4096},
                  {"segments", c->segments, 0, 65536},
                  {"n_threads", c->n_threads, 0, 4096}};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (bounds[i].value < bounds[i].lowest || bounds[i].value > bounds[i].highest)
            return fv_fail(error, FV_USAGE, "the scan's %s is %lld; it lies between %lld and %lld",
                           bounds[i].name, (long long)bounds[i].value, (long long)bounds[i].lowest,
                           (long long)bounds[i].highest);
    int64_t size;
    if (__builtin_mul_overflow(c->n_batch, c->n, &size) ||
        __builtin_mul_overflow(size, c->n_channels, &size) ||
        __builtin_mul_overflow(size, 64 * c->n_state, &size))
        return fv_fail(error, FV_USAGE,
                       "a scan of %lld sequences of %lld positions and %lld channels does not fit "
                       "into 64 bits",
                       (long long)c->n_batch, (long long)c->n, (long long)c->n_channels);
    return FV_OK;
}

// How many spans the blocks of a sequence make where each is shared out `others` times besides:
// enough for every thread; fewer and longer ones read memory better.
static int64_t spans_beside(const fv_selective_scan *scan, int64_t others) {
    int64_t n = (scan->n_threads + others - 1) / others;
    int64_t longest = LARGEST_SPAN / (scan->config.n_state * W);
    if (longest < 1) longest = 1;
    if (n * longest < scan->n_blocks) n = (scan->n_blocks + longest - 1) / longest;
    return n < scan->n_blocks ? n : scan->n_blocks;
}

// Cuts positions into chunks and segments, channels into blocks. The way back starts from the last
// state and knows no segments.
static void cut(fv_selective_scan *scan) {
    fv_selective_scan_config *c = &scan->config;
    if (c->chunk == 0) c->chunk = CHUNK;
    if (c->chunk > c->n) c->chunk = c->n;
    scan->n_blocks = (c->n_channels + W - 1) / W;
    scan->n_chunks = (c->n + c->chunk - 1) / c->chunk;
    if (c->segments == 0) {
        int64_t wanted = SEGMENTS / (c->n_batch * scan->n_blocks), most = c->n / SHORTEST_SEGMENT;
        c->segments = wanted < most ? wanted : most;
    }
    if (c->segments < 1) c->segments = 1;
    if (c->segments > scan->n_chunks) c->segments = scan->n_chunks;
    scan->chunks_per_segment = (scan->n_chunks + c->segments - 1) / c->segments;
    scan->n_segments = (scan->n_chunks + scan->chunks_per_segment - 1) / scan->chunks_per_segment;
    scan->n_spans = spans_beside(scan, c->n_batch * scan->n_segments);
    scan->n_back_spans = spans_beside(scan, c->n_batch);
}

static void reserve(fv_selective_scan *scan) {
    const fv_selective_scan_config *c = &scan->config;
    size_t state = (size_t)c->n_state * W, blocks = (size_t)scan->n_blocks;
    size_t rows = (size_t)c->chunk * FV_SCAN_ROW, tasks = (size_t)c->n_batch * blocks;
    scan->state_size = state;
    scan->at_a = arena_reserve(&scan->arena, blocks * state, sizeof(float));
    scan->at_skip = arena_reserve(&scan->arena, blocks * W, sizeof(float));
    scan->at_bias = arena_reserve(&scan->arena, blocks * W, sizeof(float));
    scan->at_states = arena_reserve(&scan->arena, tasks * (size_t)(scan->n_segments + 1),
                                    2 * state * sizeof(float));
    scan->at_totals =
        arena_reserve(&scan->arena, tasks * (size_t)scan->n_segments, W * sizeof(float));
    // Of a worker: step, drive, sum, their gradients, a state, kept and lanes.
    size_t recurrence = (size_t)c->chunk * FV_SCAN_BACK * FV_LANES;
    scan->worker_size =
        6 * rows + state + 2 * recurrence + (2 * recurrence > state ? 2 * recurrence : state);
    scan->at_workers =
        arena_reserve(&scan->arena, (size_t)scan->n_threads, scan->worker_size * sizeof(float));
}

fv_status fv_selective_scan_create(const fv_selective_scan_config *config, fv_selective_scan **out,
                                   fv_error *error) {
    fv_status status = check(config, error);
    if (status != FV_OK) return status;
    fv_selective_scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a scan");
    scan->config = *config;
    scan->kernels = kernels_get();
    scan->n_threads = config->n_threads > 0 ? config->n_threads : fv_machine_cores();
    cut(scan);
    reserve(scan);
    status = arena_allocate(&scan->arena, error);
    if (status == FV_OK) status = pool_create(scan->n_threads, &scan->pool, error);
    if (status != FV_OK) {
        fv_selective_scan_free(scan);
        return status;
    }
    *out = scan;
    return FV_OK;
}

void fv_selective_scan_free(fv_selective_scan *scan) {
    if (scan == NULL) return;
    pool_free(scan->pool);
    arena_free(&scan->arena);
    arena_free(&scan->kept);
    arena_free(&scan->partial);
    free(scan);
}

size_t fv_selective_scan_bytes(const fv_selective_scan *scan) {
    return sizeof *scan + scan->arena.size + scan->kept.size + scan->partial.size;
}

// --- weights and states in blocks --------------------------------------------------------------

int scan_block_width(const fv_selective_scan *scan, int64_t block) {
    int64_t left = scan->config.n_channels - block * W;
    return left < W ? (int)left : W;
}

scan_span scan_span_of(const fv_selective_scan *scan, int64_t n_spans, int64_t index) {
    int64_t span = index % n_spans;
    return (scan_span){.batch = index / n_spans,
                       .first = span * scan->n_blocks / n_spans,
                       .end = (span + 1) * scan->n_blocks / n_spans};
}

void scan_pack(fv_selective_scan *scan, const fv_selective_scan_input *input) {
    int64_t n_state = scan->config.n_state;
    for (int64_t block = 0; block < scan->n_blocks; block++) {
        float *a = scan_a(scan, block), *skip = scan_skip(scan, block);
        float *bias = scan_bias(scan, block);
        for (int i = 0; i < scan_block_width(scan, block); i++) {
            int64_t channel = block * W + i;
            for (int64_t n = 0; n < n_state; n++)
                a[n * W + i] = input->A[channel * n_state + n] * 1.44269504f;
            skip[i] = input->D ? input->D[channel] : 0;
            bias[i] = input->bias ? input->bias[channel] : 0;
        }
    }
}

// Between [state][channels] of one sequence and a block's [state][W].
static void load_state(const fv_selective_scan *scan, const float *from, int64_t block, float *to) {
    memset(to, 0, scan->state_size * sizeof *to);
    for (int64_t n = 0; from && n < scan->config.n_state; n++)
        memcpy(to + n * W, from + n * scan->config.n_channels + block * W,
               (size_t)scan_block_width(scan, block) * sizeof *to);
}

static void save_state(const fv_selective_scan *scan, const float *from, int64_t block, float *to) {
    for (int64_t n = 0; n < scan->config.n_state; n++)
        memcpy(to + n * scan->config.n_channels + block * W, from + n * W,
               (size_t)scan_block_width(scan, block) * sizeof *to);
}

scan_worker scan_worker_of(const fv_selective_scan *scan, int worker) {
    const fv_selective_scan_config *c = &scan->config;
    size_t rows = (size_t)c->chunk * FV_SCAN_ROW;
    size_t recurrence = (size_t)c->chunk * FV_SCAN_BACK * FV_LANES;
    float *p =
        (float *)arena_at(&scan->arena, scan->at_workers) + (size_t)worker * scan->worker_size;
    scan_worker w = {.step = p, .drive = p + rows, .sum = p + 2 * rows};
    w.dsum = p + 3 * rows;
    w.ddrive = p + 4 * rows;
    w.dstep = p + 5 * rows;
    w.state = p + 6 * rows;
    w.kept = w.state + scan->state_size;
    w.lanes = w.kept + 2 * recurrence;
    return w;
}

kernel_scan_chunk scan_chunk(const fv_selective_scan *scan, const fv_selective_scan_input *input,
                             const scan_worker *w, int64_t batch, int64_t block, int64_t chunk) {
    const fv_selective_scan_config *c = &scan->config;
    int64_t first = chunk * c->chunk, left = c->n - first;
    int64_t row = (batch * c->n + first) * c->n_channels + block * W;
    int64_t maps = (batch * c->n + first) * c->n_state;
    return (kernel_scan_chunk){.n = (int)(left < c->chunk ? left : c->chunk),
                               .width = scan_block_width(scan, block),
                               .n_state = (int)c->n_state,
                               .softplus = c->softplus,
                               .u = input->u + row,
                               .delta = input->delta + row,
                               .z = input->z ? input->z + row : NULL,
                               .row = c->n_channels,
                               .a = scan_a(scan, block),
                               .skip = scan_skip(scan, block),
                               .bias = scan_bias(scan, block),
                               .b = input->B + maps,
                               .c = input->C + maps,
                               .state = w->state,
                               .step = w->step,
                               .drive = w->drive,
                               .sum = w->sum};
}

void scan_look_ahead(const fv_selective_scan *scan, const scan_span *span, int64_t block, int64_t i,
                     int64_t next, kernel_scan_chunk *chunk) {
    const fv_selective_scan_config *c = &scan->config;
    if (next < 0 || (next + 1) * c->chunk > c->n) return;
    int64_t end = span->end * W < c->n_channels ? span->end * W : c->n_channels;
    chunk->ahead = (next - i) * c->chunk * c->n_channels - (block - span->first) * W;
    chunk->ahead_lines = (int)((end - span->first * W + FV_LANES - 1) / FV_LANES);
    chunk->ahead_first = (int)((block - span->first) * (W / FV_LANES) * c->chunk);
}

// --- forward -----------------------------------------------------------------------------------

typedef struct forward_pass {
    fv_selective_scan *scan;
    const fv_selective_scan_input *input;
    float *y, *final;
    bool keep;
} forward_pass;

static void finish_chunk(const forward_pass *pass, const kernel_scan_chunk *chunk) {
    kernel_scan_chunk c = *chunk;
    c.y = pass->y + (chunk->u - pass->input->u);
    pass->scan->kernels->long_scan(&c);
}

// From a state of zero, or the initial one in the first segment.
static void begin_segment(const forward_pass *pass, int64_t batch, int64_t block, int64_t segment) {
    fv_selective_scan *scan = pass->scan;
    int64_t task = batch * scan->n_blocks + block;
    const float *initial = segment == 0 ? pass->input->initial : NULL;
    if (initial) initial += batch * scan->config.n_state * scan->config.n_channels;
    load_state(scan, initial, block, scan_state(scan, task, segment));
    memset(scan_total(scan, task, segment), 0, W * sizeof(float));
}

// Piece (batch, span, segment).
static void scan_segment(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    fv_selective_scan *scan = pass->scan;
    int64_t segment = piece % scan->n_segments;
    scan_span span = scan_span_of(scan, scan->n_spans, piece / scan->n_segments);
    scan_worker w = scan_worker_of(scan, worker);
    for (int64_t block = span.first; block < span.end; block++)
        begin_segment(pass, span.batch, block, segment);
    int64_t first = segment * scan->chunks_per_segment, end = first + scan->chunks_per_segment;
    if (end > scan->n_chunks) end = scan->n_chunks;
    for (int64_t i = first; i < end; i++)
        for (int64_t block = span.first; block < span.end; block++) {
            int64_t task = span.batch * scan->n_blocks + block;
            kernel_scan_chunk chunk = scan_chunk(scan, pass->input, &w, span.batch, block, i);
            chunk.state = scan_state(scan, task, segment);
            chunk.total = scan_total(scan, task, segment);
            scan_look_ahead(scan, &span, block, i, i + 1 < end ? i + 1 : -1, &chunk);
            if (pass->keep)
                memcpy(scan_kept(scan, task, i), chunk.state, scan->state_size * sizeof(float));
            finish_chunk(pass, &chunk);
        }
}

// The state before each segment but the first, of one block: state[s] becomes it for s > 0.
static void join_segments(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    fv_selective_scan *scan = pass->scan;
    int64_t task = piece, block = task % scan->n_blocks, batch = task / scan->n_blocks;
    const float *a = scan_a(scan, block);
    (void)worker;
    for (int64_t s = 1; s < scan->n_segments; s++) {
        const float *before = scan_before(scan, task, s), *total = scan_total(scan, task, s);
        float *after = scan_before(scan, task, s + 1);
        if (s == 1)
            memcpy(scan_before(scan, task, 1), scan_state(scan, task, 0),
                   scan->state_size * sizeof(float));
        for (size_t i = 0; i < scan->state_size; i++)
            after[i] = kernel_flush(kernel_exp2_share(a[i] * total[i % W]) * before[i] +
                                        scan_state(scan, task, s)[i],
                                    FV_LEAST);
    }
    if (pass->final)
        save_state(scan,
                   scan->n_segments > 1 ? scan_before(scan, task, scan->n_segments)
                                        : scan_state(scan, task, 0),
                   block, pass->final + batch * scan->config.n_state * scan->config.n_channels);
}

// The channels of a chunk from `first` on, PART of them at most.
static kernel_scan_chunk part_of(kernel_scan_chunk c, int first) {
    float **const blocks[] = {&c.state, &c.step, &c.drive, &c.sum};
    const float **const inputs[] = {&c.u, &c.delta, &c.a, &c.skip, &c.bias};
    for (int i = 0; i < 4; i++) *blocks[i] += first;
    for (int i = 0; i < 5; i++) *inputs[i] += first;
    if (c.z) c.z += first;
    c.width = c.width - first < PART ? c.width - first : PART;
    return c;
}

// The largest magnitude; a NaN where there is one, as without their sign the bits of floats are in
// the order of the floats, with infinity and then the NaNs above all others.
static float largest(const float *x, int64_t n_state) {
    int32_t most = 0, bits;
    float magnitude;
    for (int64_t n = 0; n < n_state; n++)
        for (int i = 0; i < PART; i++) {
            memcpy(&bits, &x[n * W + i], sizeof bits);
            bits &= 0x7fffffff;
            most = bits > most ? bits : most;
        }
    memcpy(&magnitude, &most, sizeof magnitude);
    return magnitude;
}

static void add_part(const float *x, int64_t n_state, float *to) {
    for (int64_t n = 0; n < n_state; n++)
        for (int i = 0; i < PART; i++) to[n * W + i] += x[n * W + i];
}

// Piece (batch, block, segment - 1, part of the block): adds what the state before the segment does
// in it, until that has decayed to nothing beside the rounding of what is there: NaN and infinity
// never do. In parts, so that the threads share it even where there is but one block.
static void correct_segment(void *context, int piece, int worker) {
    const forward_pass *pass = context;
    fv_selective_scan *scan = pass->scan;
    int first_channel = piece % (W / PART) * PART;
    int64_t n = scan->n_segments - 1, n_state = scan->config.n_state, index = piece / (W / PART);
    int64_t segment = 1 + index % n, task = index / n;
    int64_t block = task % scan->n_blocks, batch = task / scan->n_blocks;
    if (first_channel >= scan_block_width(scan, block)) return;
    scan_worker w = scan_worker_of(scan, worker);
    memcpy(w.state, scan_before(scan, task, segment), scan->state_size * sizeof(float));
    const float *state = w.state + first_channel;
    float negligible = largest(state, n_state) * 0x1p-40f;
    int64_t first = segment * scan->chunks_per_segment, end = first + scan->chunks_per_segment;
    for (int64_t i = first; i < end && i < scan->n_chunks; i++) {
        float left = largest(state, n_state);
        if (isfinite(left) && left <= negligible) break;
        if (pass->keep) add_part(state, n_state, scan_kept(scan, task, i) + first_channel);
        kernel_scan_chunk chunk = scan_chunk(scan, pass->input, &w, batch, block, i);
        chunk.correction = true;
        chunk = part_of(chunk, first_channel);
        finish_chunk(pass, &chunk);
    }
}

static fv_status keep_states(fv_selective_scan *scan, fv_error *error) {
    if (scan->kept.base) return FV_OK;
    size_t tasks = (size_t)(scan->config.n_batch * scan->n_blocks);
    scan->kept = (memory_arena){0};
    arena_reserve(&scan->kept, tasks * (size_t)scan->n_chunks, scan->state_size * sizeof(float));
    return arena_allocate(&scan->kept, error);
}

static fv_status check_input(const fv_selective_scan_input *input, fv_error *error) {
    if (input->u && input->delta && input->A && input->B && input->C) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "the scan's input lacks u, delta, A, B or C; only D, bias, z "
                   "and initial may be NULL");
}

fv_status fv_selective_scan_forward(fv_selective_scan *scan, const fv_selective_scan_input *input,
                                    float *y, float *final, bool keep, fv_error *error) {
    fv_status status = check_input(input, error);
    scan->is_kept = false;
    if (status == FV_OK && keep) status = keep_states(scan, error);
    if (status != FV_OK) return status;
    forward_pass pass = {scan, input, y, final, keep};
    int tasks = (int)(scan->config.n_batch * scan->n_blocks), n = (int)scan->n_segments;
    scan_pack(scan, input);
    int spans = (int)(scan->config.n_batch * scan->n_spans);
    pool_run(scan->pool, spans * n, scan_segment, &pass);
    pool_run(scan->pool, tasks, join_segments, &pass);
    if (n > 1) pool_run(scan->pool, tasks * (n - 1) * (W / PART), correct_segment, &pass);
    scan->is_kept = keep;
    return FV_OK;
}

// --- one position ------------------------------------------------------------------------------

typedef struct step_pass {
    fv_selective_scan *scan;
    const fv_selective_scan_input *input;
    float *state, *y;
} step_pass;

static void step_block(void *context, int piece, int worker) {
    const step_pass *pass = context;
    fv_selective_scan *scan = pass->scan;
    const fv_selective_scan_config *c = &scan->config;
    int64_t block = piece % scan->n_blocks, batch = piece / scan->n_blocks;
    float *state = pass->state + batch * c->n_state * c->n_channels;
    scan_worker w = scan_worker_of(scan, worker);
    load_state(scan, state, block, w.state);
    kernel_scan_chunk chunk = scan_chunk(scan, pass->input, &w, 0, block, 0);
    int64_t at = batch * c->n_channels;
    chunk.n = 1;
    chunk.u += at;
    chunk.delta += at;
    if (chunk.z) chunk.z += at;
    chunk.b += batch * c->n_state;
    chunk.c += batch * c->n_state;
    chunk.y = pass->y + at + block * W;
    scan->kernels->long_scan(&chunk);
    save_state(scan, w.state, block, state);
}

fv_status fv_selective_scan_step(fv_selective_scan *scan, const fv_selective_scan_input *input,
                                 float *state, float *y, fv_error *error) {
    fv_status status = check_input(input, error);
    if (status != FV_OK) return status;
    step_pass pass = {scan, input, state, y};
    scan_pack(scan, input);
    pool_run(scan->pool, (int)(scan->config.n_batch * scan->n_blocks), step_block, &pass);
    return FV_OK;
}
