// The gradient of the long scan. A thread takes a span of blocks of one sequence: from the last
// chunk to the first it takes the states that forward kept, runs the chunk of each block once more
// keeping every state, and goes back through it. B and C are shared by all channels: every block
// sums its part, and the parts are added in the order of the blocks.
#include "scan/scan_plan.h"

#include <string.h>

enum { W = FV_SCAN_BLOCK };

typedef struct backward_pass {
    fv_selective_scan *scan;
    const fv_selective_scan_input *input;
    const float *dy;
    const fv_selective_scan_gradient *gradient;
} backward_pass;

// A task's sums: dA [state][W], dD [W], dbias [W], then dB and dC [n][state].
static size_t task_size(const fv_selective_scan *scan) {
    return scan->state_size + 2 * W + 2 * (size_t)(scan->config.n * scan->config.n_state);
}

static float *task_sums(const fv_selective_scan *scan, int64_t task) {
    size_t padded = (task_size(scan) + 15) / 16 * 16;
    return (float *)arena_at(&scan->partial, 0) + (size_t)task * padded;
}

static void clear_sums(const fv_selective_scan *scan, int64_t task) {
    memset(task_sums(scan, task), 0, task_size(scan) * sizeof(float));
    memset(scan_dstate(scan, task), 0, scan->state_size * sizeof(float));
}

static void run_chunk(const backward_pass *pass, const scan_worker *w, const scan_span *span,
                      int64_t block, int64_t i) {
    fv_selective_scan *scan = pass->scan;
    const fv_selective_scan_config *c = &scan->config;
    int64_t task = span->batch * scan->n_blocks + block, maps = i * c->chunk * c->n_state;
    float *da = task_sums(scan, task), *dskip = da + scan->state_size, *dbias = dskip + W;
    float *db = dbias + W, *dc = db + c->n * c->n_state;
    kernel_scan_chunk chunk = scan_chunk(scan, pass->input, w, span->batch, block, i);
    ptrdiff_t at = chunk.u - pass->input->u;
    scan_look_ahead(scan, span, block, i, i - 1, &chunk);
    memcpy(w->state, scan_kept(scan, task, i), scan->state_size * sizeof *w->state);
    scan->kernels->long_scan_gradient(&(scan_chunk_gradient){
        .forward = chunk,
        .dy = pass->dy + at,
        .du = pass->gradient->du + at,
        .ddelta = pass->gradient->ddelta + at,
        .dz = pass->input->z && pass->gradient->dz ? pass->gradient->dz + at : NULL,
        .dstate = scan_dstate(scan, task),
        .da = da,
        .dskip = dskip,
        .dbias = dbias,
        .db = db + maps,
        .dc = dc + maps,
        .dsum = w->dsum,
        .ddrive = w->ddrive,
        .dstep = w->dstep,
        .kept = w->kept,
        .lanes = w->lanes});
}

static void run_span(void *context, int piece, int worker) {
    const backward_pass *pass = context;
    fv_selective_scan *scan = pass->scan;
    scan_span span = scan_span_of(scan, scan->n_back_spans, piece);
    scan_worker w = scan_worker_of(scan, worker);
    for (int64_t block = span.first; block < span.end; block++)
        clear_sums(scan, span.batch * scan->n_blocks + block);
    for (int64_t i = scan->n_chunks - 1; i >= 0; i--)
        for (int64_t block = span.first; block < span.end; block++)
            run_chunk(pass, &w, &span, block, i);
}

// Gradients of the channels' own weights, added over sequences.
static void add_weights(const backward_pass *pass, int64_t task) {
    const fv_selective_scan *scan = pass->scan;
    const fv_selective_scan_gradient *g = pass->gradient;
    int64_t block = task % scan->n_blocks, n_state = scan->config.n_state;
    const float *da = task_sums(scan, task), *dskip = da + scan->state_size, *dbias = dskip + W;
    for (int i = 0; i < scan_block_width(scan, block); i++) {
        int64_t channel = block * W + i;
        for (int64_t n = 0; n < n_state; n++) g->dA[channel * n_state + n] += da[n * W + i];
        if (g->dD) g->dD[channel] += dskip[i];
        if (g->dbias) g->dbias[channel] += dbias[i];
    }
}

static void add_tasks(const backward_pass *pass) {
    const fv_selective_scan *scan = pass->scan;
    const fv_selective_scan_config *c = &scan->config;
    const fv_selective_scan_gradient *g = pass->gradient;
    size_t channels = (size_t)c->n_channels, maps = (size_t)(c->n * c->n_state);
    memset(g->dA, 0, channels * (size_t)c->n_state * sizeof *g->dA);
    if (g->dD) memset(g->dD, 0, channels * sizeof *g->dD);
    if (g->dbias) memset(g->dbias, 0, channels * sizeof *g->dbias);
    memset(g->dB, 0, (size_t)c->n_batch * maps * sizeof *g->dB);
    memset(g->dC, 0, (size_t)c->n_batch * maps * sizeof *g->dC);
    for (int64_t task = 0; task < c->n_batch * scan->n_blocks; task++) {
        add_weights(pass, task);
        const float *from = task_sums(scan, task) + scan->state_size + 2 * W;
        float *db = g->dB + (size_t)(task / scan->n_blocks) * maps;
        float *dc = g->dC + (size_t)(task / scan->n_blocks) * maps;
        for (size_t i = 0; i < maps; i++) {
            db[i] += from[i];
            dc[i] += from[maps + i];
        }
    }
}

fv_status fv_selective_scan_backward(fv_selective_scan *scan, const fv_selective_scan_input *input,
                                     const float *dy, const fv_selective_scan_gradient *gradient,
                                     fv_error *error) {
    if (!scan->is_kept)
        return fv_fail(error, FV_USAGE,
                       "the scan's gradient needs the states of a forward pass "
                       "with `keep`, and the last one kept none");
    int64_t tasks = scan->config.n_batch * scan->n_blocks;
    if (scan->partial.base == NULL) {
        scan->partial = (memory_arena){0};
        arena_reserve(&scan->partial, (size_t)tasks,
                      (task_size(scan) + 15) / 16 * 16 * sizeof(float));
        fv_status status = arena_allocate(&scan->partial, error);
        if (status != FV_OK) return status;
    }
    backward_pass pass = {scan, input, dy, gradient};
    pool_run(scan->pool, (int)(scan->config.n_batch * scan->n_back_spans), run_span, &pass);
    add_tasks(&pass);
    return FV_OK;
}
