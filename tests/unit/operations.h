// One call site for every kernel: it fills inputs of a given shape, calls the kernel, and keeps
// what went in and came out. Two calls of the same shape by different variants can then be
// compared, and a call can be repeated and timed.
//
// Arrays lie between guards of NaN, and so do the gaps between strided rows: a kernel that reads
// there makes NaN of its results, one that writes there is found out.
#ifndef TESTS_OPERATIONS_H
#define TESTS_OPERATIONS_H

#include "engine.h"

#include "base/clock.h"
#include "kernels/kernels.h"

enum { L = FV_LANES, GUARD = 64, MAX_ARRAYS = 24 };

typedef struct array {
    const char *name;
    float *data;             // [n], GUARD floats of NaN on both sides
    size_t n, width, stride; // of every `stride` floats the first `width` are used
    bool is_output;
    bool is_exact; // holds integers, or floats that must agree to the bit
    double floor;  // errors are taken relative to the largest magnitude, but not to less than this
} array;

typedef enum flag {
    BIAS = 1,       // bias, positions, centring: whatever a kernel has that may be absent
    ACCUMULATE = 2, // adds to what is there
    TRANSPOSED = 4, // weights read across; keys and values are the same rows
    GAPS = 8,       // strided rows with gaps between them
    HOSTILE = 16,   // magnitudes up to 1e4
    EQUAL = 32,     // all logits equal
    ALL_FLAGS = 63
} flag;

typedef struct shape {
    int rows, in, out; // as each operation says
    unsigned flags;
} shape;

typedef struct call {
    const kernel_set *kernels;
    shape shape;
    uint64_t random;
    int repeats; // of the kernel, to time it
    double seconds;
    int n_arrays;
    array arrays[MAX_ARRAYS];
} call;

static bool has(const call *c, flag f) {
    return (c->shape.flags & f) != 0;
}

#define TIMED(c, statement)                                                                        \
    do {                                                                                           \
        double begun_ = clock_now();                                                               \
        for (int repeat_ = 0; repeat_ < (c)->repeats; repeat_++) statement;                        \
        (c)->seconds = (clock_now() - begun_) / (c)->repeats;                                      \
    } while (0)

// [n_rows][width] with `gap` floats after each row, all NaN.
static array *add_array(call *c, const char *name, size_t n_rows, size_t width, size_t gap) {
    array *a = &c->arrays[c->n_arrays++];
    if (c->n_arrays > MAX_ARRAYS) fail_msg("too many arrays");
    *a = (array){.name = name, .width = width, .stride = width + gap, .n = n_rows * (width + gap)};
    size_t bytes = ((a->n + 2 * GUARD) * sizeof(float) + 63) / 64 * 64;
    float *memory = aligned_alloc(64, bytes);
    memset(memory, 0xff, bytes);
    a->data = memory + GUARD;
    return a;
}

static bool is_used(const array *a, size_t i) {
    return i % a->stride < a->width;
}

static array *fill(call *c, array *a, double magnitude) {
    for (size_t i = 0; i < a->n; i++)
        if (is_used(a, i)) a->data[i] = (float)(magnitude * noise(&c->random));
    return a;
}

// Whole numbers, so that scores of any size are exact in every variant.
static array *fill_whole(call *c, array *a, double magnitude) {
    fill(c, a, magnitude);
    for (size_t i = 0; i < a->n; i++)
        if (is_used(a, i)) a->data[i] = rintf(a->data[i]);
    return a;
}

static float *input(call *c, const char *name, size_t n_rows, size_t width, size_t gap) {
    return fill(c, add_array(c, name, n_rows, width, gap), 1)->data;
}

static int32_t *input_integers(call *c, const char *name, size_t n, int lowest, int end) {
    array *a = add_array(c, name, 1, n, 0);
    a->is_exact = true;
    int32_t *data = (int32_t *)(void *)a->data;
    for (size_t i = 0; i < n; i++) data[i] = lowest + noise_below(&c->random, end - lowest);
    return data;
}

static float *output(call *c, const char *name, size_t n_rows, size_t width, size_t gap,
                     double floor) {
    array *a = add_array(c, name, n_rows, width, gap);
    a->is_output = true;
    a->floor = floor;
    return a->data;
}

// An output that the kernel adds to.
static float *accumulator(call *c, const char *name, size_t n_rows, size_t width, size_t gap,
                          double floor) {
    float *data = output(c, name, n_rows, width, gap, floor);
    fill(c, &c->arrays[c->n_arrays - 1], 1);
    return data;
}

static size_t gap_of(const call *c) {
    return has(c, GAPS) ? 3 * L : 0;
}

// Rows [n_rows][features][16].
static kernel_rows rows_of(const call *c, float *data, int features) {
    return (kernel_rows){data, (ptrdiff_t)((size_t)features * L + gap_of(c))};
}

// shape.rows positions, shape.in tokens in the vocabulary (+ 1, at least 2).
static void op_draw(call *c) {
    int groups = 2, rows = c->shape.rows;
    int32_t *tokens = (int32_t *)(void *)output(c, "tokens", 1, (size_t)(groups * rows * L), 0, 0);
    c->arrays[c->n_arrays - 1].is_exact = true;
    kernel_draw a = {.seed = 0x123456789abcdefu,
                     .stream = 1,
                     .step = 77,
                     .first_sample = 48,
                     .n_groups = groups,
                     .n_rows = rows,
                     .vocab_size = (uint32_t)c->shape.in + 1,
                     .tokens = tokens};
    TIMED(c, c->kernels->draw(&a));
}

// shape.rows positions of a longer sequence, shape.in features, shape.out + 1 tokens.
static kernel_embed embed_arguments(call *c) {
    int groups = 2, rows = c->shape.rows, width = c->shape.in, vocab = c->shape.out + 1;
    kernel_embed a = {.n_groups = groups, .n_rows = rows, .n_embd = width, .vocab_size = vocab};
    a.tokens_group_stride = (ptrdiff_t)(rows + 3) * L;
    a.tokens =
        input_integers(c, "tokens", (size_t)groups * (size_t)a.tokens_group_stride, 0, vocab);
    a.table = input(c, "table", 1, (size_t)(vocab * width), 0);
    if (has(c, BIAS)) a.positions = input(c, "positions", 1, (size_t)(rows * width), 0);
    return a;
}

static void op_embed(call *c) {
    kernel_embed a = embed_arguments(c);
    a.x = output(c, "x", 1, (size_t)(a.n_groups * a.n_rows * a.n_embd * L), 0, 0);
    c->arrays[c->n_arrays - 1].is_exact = true;
    TIMED(c, c->kernels->embed(&a));
}

static void op_embed_gradient(call *c) {
    kernel_embed_gradient a = {.forward = embed_arguments(c)};
    const kernel_embed *e = &a.forward;
    double floor = sqrt(e->n_groups * L);
    a.forward.x = input(c, "dx", 1, (size_t)(e->n_groups * e->n_rows * e->n_embd * L), 0);
    a.dtable = accumulator(c, "dtable", 1, (size_t)(e->vocab_size * e->n_embd), 0, floor);
    if (has(c, BIAS))
        a.dpositions = accumulator(c, "dpositions", 1, (size_t)(e->n_rows * e->n_embd), 0, floor);
    TIMED(c, c->kernels->embed_gradient(&a));
}

static void op_map(call *c) {
    int rows = c->shape.rows, in = c->shape.in, out = c->shape.out;
    double floor = sqrt(in);
    kernel_map a = {.n_rows = rows, .n_in = in, .n_out = out, .accumulate = has(c, ACCUMULATE)};
    a.x = rows_of(c, input(c, "x", (size_t)rows, (size_t)(in * L), gap_of(c)), in);
    a.w = input(c, "w", 1, (size_t)(in * out), 0);
    a.w_in = has(c, TRANSPOSED) ? 1 : out;
    a.w_out = has(c, TRANSPOSED) ? in : 1;
    if (has(c, BIAS)) a.bias = input(c, "bias", 1, (size_t)out, 0);
    float *y = a.accumulate ? accumulator(c, "y", (size_t)rows, (size_t)(out * L), gap_of(c), floor)
                            : output(c, "y", (size_t)rows, (size_t)(out * L), gap_of(c), floor);
    a.y = rows_of(c, y, out);
    TIMED(c, c->kernels->map(&a));
}

static void op_map_gradient(call *c) {
    int rows = c->shape.rows, in = c->shape.in, out = c->shape.out;
    kernel_map_gradient a = {.n_rows = rows, .n_in = in, .n_out = out};
    a.x = rows_of(c, input(c, "x", (size_t)rows, (size_t)(in * L), gap_of(c)), in);
    a.dy = rows_of(c, input(c, "dy", (size_t)rows, (size_t)(out * L), gap_of(c)), out);
    a.dw = accumulator(c, "dw", 1, (size_t)(in * out), 0, sqrt(rows * L));
    a.w_in = has(c, TRANSPOSED) ? 1 : out;
    a.w_out = has(c, TRANSPOSED) ? in : 1;
    TIMED(c, c->kernels->map_gradient(&a));
}

static kernel_distances distances_arguments(call *c) {
    int rows = c->shape.rows, in = c->shape.in, out = c->shape.out;
    kernel_distances a = {.n_rows = rows, .n_in = in, .n_out = out, .factor = 1.5f, .floor = 1e-3f};
    a.x = rows_of(c, input(c, "x", (size_t)rows, (size_t)(in * L), gap_of(c)), in);
    a.w = input(c, "w", 1, (size_t)(in * out), 0);
    a.w_in = has(c, TRANSPOSED) ? 1 : out;
    a.w_out = has(c, TRANSPOSED) ? in : 1;
    return a;
}

static void op_distances(call *c) {
    kernel_distances a = distances_arguments(c);
    int rows = a.n_rows, out = a.n_out;
    float *squares = output(c, "squares", (size_t)rows, (size_t)(out * L), gap_of(c), 1);
    a.squares = rows_of(c, squares, out);
    a.y = rows_of(c, output(c, "y", (size_t)rows, (size_t)(out * L), gap_of(c), 1), out);
    TIMED(c, c->kernels->distances(&a));
}

static void op_distances_gradient(call *c) {
    kernel_distances_gradient a = {.forward = distances_arguments(c)};
    kernel_distances *f = &a.forward;
    int rows = f->n_rows, in = f->n_in, out = f->n_out;
    // The same squares for every variant.
    float *squares = input(c, "squares", (size_t)rows, (size_t)(out * L), gap_of(c));
    f->squares = f->y = rows_of(c, squares, out);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < out * L; i++)
            f->squares.data[r * f->squares.stride + i] =
                1 + fabsf(f->squares.data[r * f->squares.stride + i]);
    a.dy = rows_of(c, accumulator(c, "dy", (size_t)rows, (size_t)(out * L), gap_of(c), 1), out);
    a.scale = input(c, "scale", 1, (size_t)(rows * L), 0);
    a.dx = rows_of(c, output(c, "dx", (size_t)rows, (size_t)(in * L), gap_of(c), sqrt(out)), in);
    a.dw = accumulator(c, "dw", 1, (size_t)(in * out), 0, sqrt(rows * L));
    TIMED(c, c->kernels->distances_gradient(&a));
}

static void op_bias_gradient(call *c) {
    int rows = c->shape.rows, out = c->shape.out;
    kernel_rows dy = rows_of(c, input(c, "dy", (size_t)rows, (size_t)(out * L), gap_of(c)), out);
    float *db = accumulator(c, "db", 1, (size_t)out, 0, sqrt(rows * L));
    TIMED(c, c->kernels->bias_gradient(rows, out, dy, db));
}

// How many keys each query sees: a causal triangle, the end of one, or any increasing numbers.
static int *choose_keys(call *c, int n_queries) {
    int *n_keys = (int *)(void *)input_integers(c, "n_keys", (size_t)n_queries, 0, 3);
    int pattern = noise_below(&c->random, 3), first = 1 + noise_below(&c->random, 12);
    for (int i = 0; i < n_queries; i++) {
        int more = n_keys[i];
        if (pattern == 0) n_keys[i] = i + 1;
        if (pattern == 1) n_keys[i] = i + first;
        if (pattern == 2) n_keys[i] = i == 0 ? first : n_keys[i - 1] + more;
    }
    return n_keys;
}

// Half of the shapes see a window, and half of those sinks as well.
static void choose_window(call *c, kernel_attend *a) {
    int window = 1 + noise_below(&c->random, 12), sinks = noise_below(&c->random, 7);
    bool has_window = noise01(&c->random) < 0.5, has_sinks = noise01(&c->random) < 0.5;
    if (!has_window) return;
    int *first = (int *)(void *)input_integers(c, "first_key", (size_t)a->n_queries, 0, 1);
    for (int i = 0; i < a->n_queries; i++)
        first[i] = a->n_keys[i] > window ? a->n_keys[i] - window : 0;
    a->first_key = first;
    if (has_sinks) a->n_sinks = sinks;
}

// Rows [groups][rows][features][16] of one head among others: the gap holds the others' features.
static kernel_attend_rows attend_rows(const call *c, float *data, int rows, int features) {
    ptrdiff_t row = (ptrdiff_t)((size_t)features * L + gap_of(c));
    return (kernel_attend_rows){data, row, rows * row};
}

static kernel_attend_rows attend_input(call *c, const char *name, int rows, int features,
                                       double magnitude) {
    array *a = add_array(c, name, (size_t)(2 * rows), (size_t)(features * L), gap_of(c));
    if (magnitude > 1)
        fill_whole(c, a, magnitude);
    else
        fill(c, a, magnitude);
    return attend_rows(c, a->data, rows, features);
}

// The largest magnitude of queries and keys; together they make scores of up to 1e4.
static double attend_magnitude(const call *c) {
    return has(c, HOSTILE) ? floor(100 / sqrt(c->shape.in)) : 1;
}

// Every score of the list has its share of the shapes.
static kernel_score choose_score(const call *c) {
    if (has(c, HOSTILE)) return FV_KERNEL_DOT; // whose large scores are exact
    int flags = has(c, BIAS) + has(c, EQUAL);  // for which attention has no other use
    return (kernel_score)((c->shape.rows + c->shape.in + c->shape.out + flags) % FV_N_SCORES);
}

// Half of the shapes have softmax, every other normaliser of the list its share of the rest.
static kernel_normaliser choose_normaliser(shape s) {
    int i = s.rows + 2 * s.in + 3 * s.out + (int)(s.flags / 8);
    return i % 2 ? FV_NORMALISE_SOFTMAX : (kernel_normaliser)(i / 2 % FV_N_NORMALISERS);
}

// Every third shape multiplies its scores: in hostile ones by a number that leaves them exact.
static void choose_stretch(call *c, kernel_attend *a) {
    if ((c->shape.rows + c->shape.in) % 3 != 0) return;
    float *stretch = input(c, "stretch", 1, (size_t)(2 * a->n_queries * L), 0);
    for (int i = 0; i < 2 * a->n_queries * L; i++)
        stretch[i] = !has(c, HOSTILE) ? stretch[i] + (stretch[i] > 0 ? 0.5f : -0.5f)
                     : stretch[i] > 0 ? 2
                                      : -1;
    a->stretch = (kernel_attend_rows){stretch, L, (ptrdiff_t)a->n_queries * L};
}

// Every fourth shape keeps some of the keys alone, the last that a query sees among them.
static void choose_kept(call *c, kernel_attend *a) {
    if ((c->shape.in + c->shape.out) % 4 != 0) return;
    size_t n = (size_t)(2 * a->n_queries * a->n_rows_keys);
    uint16_t *kept = (uint16_t *)(void *)input_integers(c, "kept", n, 0, 0x10000);
    for (size_t i = 0; i < (size_t)(2 * a->n_queries); i++) {
        int last = a->n_keys[i % (size_t)a->n_queries] - 1;
        if (last >= 0) kept[i * (size_t)a->n_rows_keys + (size_t)last] = 0xffff;
    }
    a->kept = kept;
}

// Positions with gaps and a sink, of some shapes.
static void choose_shaping(call *c, kernel_attend *a) {
    static const float sink = 0.4f;
    static int at[512];
    for (int i = 0; i < 512; i++) at[i] = 2 * i + i / 3;
    if (has(c, HOSTILE) || a->n_queries > 512 || a->n_rows_keys > 512) return;
    if (c->shape.in % 4 == 2) {
        a->bias = 0.03f;
        a->query_at = a->key_at = at;
    }
    if (c->shape.out % 3 != 0 || a->normaliser != FV_NORMALISE_SOFTMAX || a->stretch.data) return;
    a->sink = &sink;
    a->sink_p = output(c, "sink_p", 1, (size_t)(2 * a->n_queries * L), 0, 1);
}

// shape.rows queries, shape.in key features, shape.out value features.
static kernel_attend attend_arguments(call *c) {
    int n = c->shape.rows, d_key = c->shape.in;
    int d_value = has(c, TRANSPOSED) ? d_key : c->shape.out;
    kernel_attend a = {.n_groups = 2, .n_queries = n, .d_key = d_key, .d_value = d_value};
    a.n_keys = choose_keys(c, n);
    choose_window(c, &a);
    a.n_rows_keys = a.n_keys[n - 1];
    a.scale = has(c, HOSTILE) ? 1 : 0.7f;
    a.score = choose_score(c);
    if (score_is_metric(a.score)) a.scale /= (float)d_key; // distances grow with the width
    a.power = 3;
    a.floor = 0.05f;
    a.normaliser = choose_normaliser(c->shape);
    a.alpha = c->shape.in % 2 ? 1.5f : 1.2f + 0.8f / (float)c->shape.out;
    choose_stretch(c, &a);
    choose_kept(c, &a);
    a.q = attend_input(c, "q", n, d_key, attend_magnitude(c));
    a.k = a.v = attend_input(c, "k", a.n_rows_keys, d_key, attend_magnitude(c));
    if (!has(c, TRANSPOSED)) a.v = attend_input(c, "v", a.n_rows_keys, d_value, 1);
    a.p = attend_rows(c, NULL, n, a.n_rows_keys);
    a.p.data = output(c, "p", (size_t)(2 * n), (size_t)(a.n_rows_keys * L), gap_of(c), 1);
    a.slopes = a.p;
    bool capped = !has(c, HOSTILE) && !score_is_metric(a.score) && c->shape.rows % 3 == 1;
    a.cap = capped ? 1.5f : 0;
    if (score_is_metric(a.score) || capped)
        a.slopes.data =
            output(c, "slopes", (size_t)(2 * n), (size_t)(a.n_rows_keys * L), gap_of(c), 1);
    choose_shaping(c, &a);
    a.z = attend_rows(c, NULL, n, d_value);
    a.z.data = output(c, "z", (size_t)(2 * n), (size_t)(d_value * L), gap_of(c), 1);
    return a;
}

// Zeroes what a kernel may leave as it likes.
static void clear_unspecified(const kernel_attend *a) {
    for (int g = 0; g < a->n_groups; g++)
        for (int i = 0; i < a->n_queries; i++)
            for (int j = 0; j < a->n_rows_keys * L; j++) {
                ptrdiff_t at = g * a->p.group_stride + i * a->p.row_stride + j;
                if (!attend_sees(a, i, j / L)) a->p.data[at] = a->slopes.data[at] = 0;
            }
}

static void op_attend(call *c) {
    kernel_attend a = attend_arguments(c);
    TIMED(c, c->kernels->attend(&a));
    clear_unspecified(&a);
}

static void op_attend_gradient(call *c) {
    kernel_attend_gradient a = {.forward = attend_arguments(c), .overwrite = !has(c, ACCUMULATE)};
    const kernel_attend *f = &a.forward;
    int n = f->n_queries, n_keys = f->n_rows_keys;
    double slope = sqrt(f->d_value) * attend_magnitude(c) * sqrt(n);
    float *(*make)(call *, const char *, size_t, size_t, size_t, double) =
        has(c, ACCUMULATE) ? accumulator : output;
    // Whether a key has just a little weight or none decides its slope: the same for every variant.
    c->kernels->attend(f); // leaves what nobody sees at 0, where the reference does not write
    if (f->normaliser != FV_NORMALISE_SOFTMAX) kernels_available()[0]->attend(f);
    a.dz = attend_input(c, "dz", n, f->d_value, 1);
    a.dq = attend_rows(
        c, output(c, "dq", (size_t)(2 * n), (size_t)(f->d_key * L), gap_of(c), slope), n, f->d_key);
    a.dk = a.dv = attend_rows(
        c, make(c, "dk", (size_t)(2 * n_keys), (size_t)(f->d_key * L), gap_of(c), slope), n_keys,
        f->d_key);
    if (!has(c, TRANSPOSED))
        a.dv = attend_rows(
            c, make(c, "dv", (size_t)(2 * n_keys), (size_t)(f->d_value * L), gap_of(c), sqrt(n)),
            n_keys, f->d_value);
    if (normaliser_has_alpha(f->normaliser))
        a.dalpha = accumulator(c, "dalpha", 1, 1, 0, 10 * sqrt(n * L * f->d_value));
    if (f->stretch.data) {
        double largest = attend_magnitude(c) * attend_magnitude(c) * f->d_key;
        a.dstretch = f->stretch;
        a.dstretch.data = output(c, "dstretch", 1, (size_t)(2 * n * L), 0, largest);
    }
    if (f->sink) a.dsink = accumulator(c, "dsink", 1, 1, 0, slope);
    if (score_has_power(f->score)) a.dlog_power = accumulator(c, "dlog_power", 1, 1, 0, slope);
    a.scratch = add_array(c, "scratch", 1, (size_t)(n * n_keys * L), 0)->data;
    c->n_arrays--; // of no interest once the call is over, but the guards above it are
    TIMED(c, c->kernels->attend_gradient(&a));
    clear_unspecified(f);
    free(a.scratch - GUARD);
}

// shape.rows rows of shape.in units, of which shape.out are kept: equal ranks, and some that do not stand
// for choice.
static void op_select(call *c) {
    int rows = c->shape.rows, in = c->shape.in;
    size_t n = (size_t)(rows * in * L);
    float *ranks = input(c, "ranks", 1, n, 0);
    for (size_t i = 0; i < n; i++) {
        ranks[i] = has(c, EQUAL) ? rintf(4 * fabsf(ranks[i])) / 4 : fabsf(ranks[i]);
        if (noise_below(&c->random, 5) == 0) ranks[i] = -1;
    }
    float *kept = output(c, "kept", 1, (size_t)(rows * in + 1) / 2, 0, 0);
    c->arrays[c->n_arrays - 1].is_exact = true;
    memset(kept, 0, (size_t)((rows * in + 1) / 2) * sizeof *kept);
    kernel_select a = {.n_rows = rows,
                       .n_units = in,
                       .k = c->shape.out,
                       .ranks = ranks,
                       .kept = (uint16_t *)(void *)kept};
    TIMED(c, c->kernels->select(&a));
}

// Two groups of shape.rows queries, of which the first sees one key alone.
static kernel_stretch stretch_arguments(call *c) {
    int rows = c->shape.rows;
    size_t n = (size_t)(2 * rows);
    float *log_n = input(c, "log_n", 1, (size_t)rows, 0);
    for (int i = 0; i < rows; i++) log_n[i] = i == 0 ? 0 : logf((float)(i + 1));
    array *raw = add_array(c, "raw", n, 2 * L, gap_of(c));
    return (kernel_stretch){.n_groups = 2,
                            .n_rows = rows,
                            .log_n = log_n,
                            .raw = rows_of(c, fill(c, raw, has(c, HOSTILE) ? 1e4 : 3)->data, 2)};
}

static void op_stretch(call *c) {
    kernel_stretch a = stretch_arguments(c);
    a.stretch = rows_of(c, output(c, "stretch", (size_t)(2 * a.n_rows), L, gap_of(c), 1), 1);
    TIMED(c, c->kernels->stretch(&a));
}

static void op_stretch_gradient(call *c) {
    kernel_stretch_gradient a = {.forward = stretch_arguments(c)};
    size_t n = (size_t)(2 * a.forward.n_rows);
    a.forward.stretch = rows_of(c, input(c, "dstretch", n, L, gap_of(c)), 1);
    a.draw = rows_of(c, output(c, "draw", n, 2 * L, gap_of(c), 1), 2);
    TIMED(c, c->kernels->stretch_gradient(&a));
}

// shape.rows rows of shape.in + 1 classes; every fifth target is absent.
static void op_cross_entropy(call *c) {
    int rows = c->shape.rows, classes = c->shape.in + 1;
    kernel_cross_entropy a = {.n_rows = rows, .vocab_size = classes, .weight = 0.01f};
    size_t n = (size_t)(rows * L);
    int32_t *targets = input_integers(c, "targets", n, 0, classes);
    for (size_t i = 0; i < n; i++)
        if (noise01(&c->random) < 0.2) targets[i] = -1;
    a.targets = targets;
    a.logits = output(c, "logits", 1, n * (size_t)classes, 0, a.weight);
    array *logits = &c->arrays[c->n_arrays - 1];
    fill(c, logits, has(c, EQUAL) ? 0 : has(c, HOSTILE) ? 1e4 : 3);
    a.losses = output(c, "losses", 1, n, 0, 1);
    if (has(c, BIAS)) a.correct = output(c, "correct", 1, n, 0, 1);
    if (has(c, ACCUMULATE)) a.inverse = output(c, "inverse", 1, n, 0, a.weight);
    if (!a.inverse) logits->is_output = false; // may be left in any state
    TIMED(c, c->kernels->cross_entropy(&a));
    // Only the gradient, logits times inverse, has a meaning.
    for (size_t i = 0; i < n * (size_t)classes; i++)
        a.logits[i] =
            a.inverse ? a.logits[i] * a.inverse[i / ((size_t)classes * L) * L + i % L] : 0;
}

// Widths of a chain: 1 to 4 where shape.in is even, each of its own where shape.out is odd.
static kernel_chain chain_arguments(call *c) {
    int rows = c->shape.rows, in = c->shape.in, mid = c->shape.out, out = c->shape.in + 1;
    if (in % 2 == 0) in = 1 + in / 2 % 4;
    if (mid % 2 == 0) mid = out = in;
    bool across = has(c, TRANSPOSED);
    kernel_chain a = {.n_rows = rows,
                      .n_in = in,
                      .n_mid = mid,
                      .n_out = out,
                      .w1_in = mid,
                      .w1_out = 1,
                      .w2_in = across ? 1 : out,
                      .w2_out = across ? mid : 1,
                      .accumulate = has(c, ACCUMULATE)};
    a.x = rows_of(c, input(c, "x", (size_t)rows, (size_t)(in * L), gap_of(c)), in);
    a.w1 = input(c, "w1", 1, (size_t)(in * mid), 0);
    a.w2 = input(c, "w2", 1, (size_t)(mid * out), 0);
    return a;
}

static void op_chain(call *c) {
    kernel_chain a = chain_arguments(c);
    double between = sqrt(a.n_in);
    size_t n = (size_t)a.n_rows;
    a.mid = rows_of(c, output(c, "mid", n, (size_t)(a.n_mid * L), gap_of(c), between), a.n_mid);
    float *(*make)(call *, const char *, size_t, size_t, size_t, double) =
        a.accumulate ? accumulator : output;
    a.y = rows_of(c, make(c, "y", n, (size_t)(a.n_out * L), gap_of(c), between * sqrt(a.n_mid)),
                  a.n_out);
    TIMED(c, c->kernels->chain(&a));
}

// HOSTILE: dmid is mid.
static void op_chain_gradient(call *c) {
    kernel_chain_gradient a = {.forward = chain_arguments(c), .accumulate = has(c, BIAS)};
    kernel_chain *f = &a.forward;
    size_t n = (size_t)f->n_rows;
    double back = sqrt(f->n_out), summed = sqrt((double)n * L);
    float *mid = output(c, "mid", n, (size_t)(f->n_mid * L), gap_of(c), back);
    fill(c, &c->arrays[c->n_arrays - 1], 1);
    f->mid = a.dmid = rows_of(c, mid, f->n_mid);
    if (!has(c, HOSTILE))
        a.dmid = rows_of(c, output(c, "dmid", n, (size_t)(f->n_mid * L), 0, back), f->n_mid);
    if (!has(c, HOSTILE)) a.dmid.stride = (ptrdiff_t)f->n_mid * L;
    a.dy = rows_of(c, input(c, "dy", n, (size_t)(f->n_out * L), gap_of(c)), f->n_out);
    float *(*make)(call *, const char *, size_t, size_t, size_t, double) =
        a.accumulate ? accumulator : output;
    a.dx = rows_of(c, make(c, "dx", n, (size_t)(f->n_in * L), gap_of(c), back * sqrt(f->n_mid)),
                   f->n_in);
    a.dw1 = accumulator(c, "dw1", 1, (size_t)(f->n_in * f->n_mid), 0, summed * back);
    a.dw2 = accumulator(c, "dw2", 1, (size_t)(f->n_mid * f->n_out), 0, summed);
    TIMED(c, c->kernels->chain_gradient(&a));
}

// shape.rows rows of shape.in features, or of 1 to 4 where shape.in is even, and shape.out + 1 classes;
// every fifth target is absent.
static void op_readout(call *c) {
    int rows = c->shape.rows, classes = c->shape.out + 1;
    int in = c->shape.in % 2 == 0 ? 1 + c->shape.in / 2 % 4 : c->shape.in;
    size_t n = (size_t)(rows * L), wide = (size_t)(in * L);
    bool across = has(c, TRANSPOSED);
    kernel_readout a = {.n_rows = rows,
                        .n_in = in,
                        .n_out = classes,
                        .weight = 0.01f,
                        .w_in = across ? 1 : classes,
                        .w_out = across ? in : 1};
    int32_t *targets = input_integers(c, "targets", n, 0, classes);
    for (size_t i = 0; i < n; i++)
        if (noise01(&c->random) < 0.2) targets[i] = -1;
    a.targets = targets;
    a.x = rows_of(c, input(c, "x", (size_t)rows, wide, gap_of(c)), in);
    array *w = add_array(c, "w", 1, (size_t)(in * classes), 0);
    // Large logits would leave the same choice to the last bit of each variant.
    a.w = fill(c, w, has(c, EQUAL) ? 0 : has(c, HOSTILE) ? 20 : 1)->data;
    a.losses = output(c, "losses", 1, n, 0, 1);
    if (has(c, BIAS)) a.correct = output(c, "correct", 1, n, 0, 1);
    float *scratch[3];
    const size_t sizes[3] = {n * (size_t)classes, n, (size_t)rows * wide};
    for (int i = 0; i < 3; i++) scratch[i] = add_array(c, "scratch", 1, sizes[i], 0)->data;
    c->n_arrays -= 3; // of no interest once the call is over, but the guards above them are
    a.logits = scratch[0];
    a.inverse = scratch[1];
    a.scaled = scratch[2];
    if (has(c, ACCUMULATE)) {
        a.dx = output(c, "dx", (size_t)rows, wide, 0, a.weight);
        a.dw = accumulator(c, "dw", 1, (size_t)(in * classes), 0, sqrt(rows * L) * a.weight);
    }
    TIMED(c, c->kernels->readout(&a));
    for (int i = 0; i < 3; i++) free(scratch[i] - GUARD);
}

// shape.rows rows of shape.in features; BIAS centres.
static kernel_norm norm_arguments(call *c) {
    int rows = c->shape.rows, in = c->shape.in;
    kernel_norm a = {.n_rows = rows, .n_features = in, .center = has(c, BIAS)};
    array *x = add_array(c, "x", (size_t)rows, (size_t)(in * L), gap_of(c));
    a.x = rows_of(c, fill(c, x, has(c, HOSTILE) ? 1e4 : 1)->data, in);
    a.w = input(c, "w", 1, (size_t)in, 0);
    if (a.center) a.b = input(c, "b", 1, (size_t)in, 0);
    a.y = rows_of(c, output(c, "y", (size_t)rows, (size_t)(in * L), gap_of(c), 1), in);
    if (a.center) a.mean = output(c, "mean", 1, (size_t)(rows * L), 0, 1);
    a.rstd = output(c, "rstd", 1, (size_t)(rows * L), 0, 0);
    return a;
}

static void op_norm(call *c) {
    kernel_norm a = norm_arguments(c);
    TIMED(c, c->kernels->norm(&a));
}

static void op_norm_gradient(call *c) {
    kernel_norm_gradient a = {.forward = norm_arguments(c)};
    int rows = c->shape.rows, in = c->shape.in;
    kernels_available()[0]->norm(&a.forward); // the same mean and rstd for every variant
    a.dy = rows_of(c, input(c, "dy", (size_t)rows, (size_t)(in * L), gap_of(c)), in);
    float largest = 0;
    for (int i = 0; i < rows * L; i++) largest = fmaxf(largest, a.forward.rstd[i]);
    a.dx =
        rows_of(c, output(c, "dx", (size_t)rows, (size_t)(in * L), gap_of(c), (double)largest), in);
    a.dw = accumulator(c, "dw", 1, (size_t)in, 0, sqrt(rows * L));
    if (a.forward.center) a.db = accumulator(c, "db", 1, (size_t)in, 0, sqrt(rows * L));
    TIMED(c, c->kernels->norm_gradient(&a));
}

// shape.rows rows of two heads with shape.in + 1 features, the first of them in pairs.
static void op_rotate(call *c) {
    int rows = c->shape.rows, width = c->shape.in + 1, pairs = (width + 1) / 2 / 2 + 1;
    bool halves = c->shape.out % 2 == 0;
    if (2 * pairs > width) pairs = width / 2;
    kernel_rotate a = {.n_groups = 1,
                       .n_rows = rows,
                       .n_heads = 2,
                       .n_pairs = pairs,
                       .head_width = width,
                       .step = halves ? 1 : 2,
                       .apart = halves ? pairs : 1,
                       .back = has(c, BIAS)};
    const float *from = input(c, "from", (size_t)rows, (size_t)(2 * width * L), 0);
    a.x = output(c, "x", (size_t)rows, (size_t)(2 * width * L), 0, 1);
    a.cosines = input(c, "cosines", 1, (size_t)(rows * pairs), 0);
    a.sines = input(c, "sines", 1, (size_t)(rows * pairs), 0);
    memcpy(a.x, from, (size_t)(rows * 2 * width * L) * sizeof *a.x);
    TIMED(c, c->kernels->rotate(&a));
}

// shape.rows * shape.in gates of shape.out features.
static kernel_sigmoid_gate sigmoid_gate_arguments(call *c) {
    size_t n = (size_t)(c->shape.rows * c->shape.in), width = (size_t)c->shape.out;
    return (kernel_sigmoid_gate){.n_gates = n,
                                 .width = c->shape.out,
                                 .g = input(c, "g", n, L, 0),
                                 .x = input(c, "x", n, width * L, 0)};
}

static void op_sigmoid_gate(call *c) {
    kernel_sigmoid_gate a = sigmoid_gate_arguments(c);
    a.y = output(c, "y", a.n_gates, (size_t)a.width * L, 0, 1);
    TIMED(c, c->kernels->sigmoid_gate(&a));
}

static void op_sigmoid_gate_gradient(call *c) {
    kernel_sigmoid_gate_gradient a = {.forward = sigmoid_gate_arguments(c)};
    size_t n = a.forward.n_gates, width = (size_t)a.forward.width;
    a.dy = input(c, "dy", n, width * L, 0);
    a.dx = output(c, "dx", n, width * L, 0, 1);
    a.dg = output(c, "dg", n, L, 0, sqrt((double)width));
    TIMED(c, c->kernels->sigmoid_gate_gradient(&a));
}

// Every activation of the list has its share of the shapes.
static kernel_activation choose_activation(const call *c) {
    return (kernel_activation)((c->shape.rows + c->shape.in + c->shape.out) % FV_N_ACTIVATIONS);
}

// shape.rows * shape.in * 16 numbers.
static void op_activate(call *c) {
    size_t n = (size_t)(c->shape.rows * c->shape.in * L);
    array *x = fill(c, add_array(c, "x", 1, n, 0), has(c, HOSTILE) ? 1e4 : 6);
    float *y = output(c, "y", 1, n, 0, 1);
    kernel_activation kind = choose_activation(c);
    TIMED(c, c->kernels->activate(kind, n, x->data, y));
}

static void op_activate_gradient(call *c) {
    size_t n = (size_t)(c->shape.rows * c->shape.in * L);
    array *x = fill(c, add_array(c, "x", 1, n, 0), has(c, HOSTILE) ? 1e4 : 6);
    float *dy = input(c, "dy", 1, n, 0), *dx = output(c, "dx", 1, n, 0, 1);
    kernel_activation kind = choose_activation(c);
    TIMED(c, c->kernels->activate_gradient(kind, n, x->data, dy, dx));
}

static kernel_gate gate_arguments(call *c, bool writes) {
    size_t n = (size_t)(c->shape.rows * c->shape.in * L);
    array *x = fill(c, add_array(c, "x", 1, n, 0), has(c, HOSTILE) ? 1e4 : 6);
    kernel_gate a = {.kind = choose_activation(c), .n = n, .x = x->data};
    a.u = input(c, "u", 1, n, 0);
    if (writes) a.y = output(c, "y", 1, n, 0, 1);
    return a;
}

static void op_gate(call *c) {
    kernel_gate a = gate_arguments(c, true);
    TIMED(c, c->kernels->gate(&a));
}

static void op_gate_gradient(call *c) {
    kernel_gate_gradient a = {.forward = gate_arguments(c, false)};
    a.dy = input(c, "dy", 1, a.forward.n, 0);
    a.dx = output(c, "dx", 1, a.forward.n, 0, 1);
    a.du = output(c, "du", 1, a.forward.n, 0, 1);
    TIMED(c, c->kernels->gate_gradient(&a));
}

static void op_scale_rows(call *c) {
    int rows = c->shape.rows, in = c->shape.in;
    kernel_rows x = rows_of(c, input(c, "x", (size_t)rows, (size_t)(in * L), gap_of(c)), in);
    float *scale = input(c, "scale", 1, (size_t)(rows * L), 0);
    kernel_rows y = rows_of(c, output(c, "y", (size_t)rows, (size_t)(in * L), gap_of(c), 0), in);
    c->arrays[c->n_arrays - 1].is_exact = true;
    TIMED(c, c->kernels->scale_rows(rows, in, x, scale, y));
}

// shape.in * 16 parameters at step shape.rows; ACCUMULATE decays, BIAS has rates of its own.
static void op_adam(call *c) {
    size_t n = (size_t)(c->shape.in * L);
    kernel_adam a = {.n = n, .share1 = 0.1f, .share2 = 0.001f, .epsilon = 1e-8f};
    a.rate = (float)(0.01 / (1 - pow(0.9, c->shape.rows)));
    a.root_correction = (float)(1 / sqrt(1 - pow(0.999, c->shape.rows)));
    a.decay = has(c, ACCUMULATE) ? 0.01f : 0;
    a.gradient = fill(c, add_array(c, "gradient", 1, n, 0), has(c, HOSTILE) ? 1e4 : 1)->data;
    if (has(c, BIAS)) a.rate_scale = input(c, "rate_scale", 1, n, 0);
    a.params = accumulator(c, "params", 1, n, 0, 1);
    a.m = accumulator(c, "m", 1, n, 0, 1);
    a.v = accumulator(c, "v", 1, n, 0, 1e-3);
    for (size_t i = 0; i < n; i++) a.v[i] = fabsf(a.v[i]);
    TIMED(c, c->kernels->adam(&a));
}

#include "operations_recurrence.h"
#include "operations_scan.h"

// kernel, tolerance of its results relative to the largest of them
#define OPERATIONS(X)                                                                              \
    X(draw, 0)                                                                                     \
    X(embed, 0)                                                                                    \
    X(embed_gradient, 2e-6)                                                                        \
    X(map, 2e-6)                                                                                   \
    X(map_gradient, 2e-6)                                                                          \
    X(chain, 4e-6)                                                                                 \
    X(chain_gradient, 4e-6)                                                                        \
    X(distances, 4e-6)                                                                             \
    X(distances_gradient, 4e-6)                                                                    \
    X(bias_gradient, 2e-6)                                                                         \
    X(attend, 2e-6)                                                                                \
    X(attend_gradient, 4e-6)                                                                       \
    X(select, 0)                                                                                   \
    X(stretch, 1e-5)                                                                               \
    X(stretch_gradient, 1e-5)                                                                      \
    X(rotate, 2e-6)                                                                                \
    X(sigmoid_gate, 2e-6)                                                                          \
    X(sigmoid_gate_gradient, 4e-6)                                                                 \
    X(cross_entropy, 2e-6)                                                                         \
    X(readout, 2e-5)                                                                               \
    X(norm, 4e-6)                                                                                  \
    X(norm_gradient, 4e-6)                                                                         \
    X(activate, 2e-6)                                                                              \
    X(activate_gradient, 4e-6)                                                                     \
    X(gate, 2e-6)                                                                                  \
    X(gate_gradient, 4e-6)                                                                         \
    X(scale_rows, 0)                                                                               \
    X(adam, 2e-6)                                                                                  \
    X(conv, 2e-6)                                                                                  \
    X(conv_gradient, 4e-6)                                                                         \
    X(scan, 4e-6)                                                                                  \
    X(scan_gradient, 4e-6)                                                                         \
    X(recurrence, 4e-6)                                                                            \
    X(recurrence_gradient, 8e-6)                                                                   \
    X(decay, 4e-6)                                                                                 \
    X(decay_gradient, 4e-6)                                                                        \
    X(ratio, 2e-6)                                                                                 \
    X(ratio_gradient, 4e-6)                                                                        \
    X(state_step, 4e-6)

typedef struct operation {
    const char *name;
    double tolerance;
    void (*run)(call *);
} operation;

static const operation operations[] = {
#define OPERATION(name, tolerance) {#name, tolerance, op_##name},
    OPERATIONS(OPERATION)
#undef OPERATION
};
enum { N_OPERATIONS = sizeof operations / sizeof *operations };

static inline call make_call(const operation *o, const kernel_set *kernels, shape s) {
    call c = {.kernels = kernels, .shape = s, .random = 19, .repeats = 1};
    o->run(&c);
    return c;
}

static inline void call_free(call *c) {
    for (int i = 0; i < c->n_arrays; i++) free(c->arrays[i].data - GUARD);
}

static inline bool is_guard(const float *p) {
    uint32_t bits;
    memcpy(&bits, p, sizeof bits);
    return bits == 0xffffffffu;
}

// Whether guards and gaps of an array still hold what they held.
static inline bool is_contained(const array *a) {
    for (int i = 0; i < GUARD; i++)
        if (!is_guard(a->data - 1 - i) || !is_guard(a->data + a->n + i)) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!is_used(a, i) && !is_guard(a->data + i)) return false;
    return true;
}

static inline bool same_bits(const array *a, const array *b) {
    return memcmp(a->data, b->data, a->n * sizeof *a->data) == 0;
}

// The error of one array against the same array of the truth.
static inline double array_error(const array *truth, const array *a) {
    if (!is_contained(a)) return INFINITY;
    if (!a->is_output || a->is_exact) return same_bits(truth, a) ? 0 : INFINITY;
    double largest = a->floor, error = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!is_used(a, i)) continue;
        double wanted = (double)truth->data[i], difference = fabs(wanted - (double)a->data[i]);
        if (!isfinite(difference)) return INFINITY;
        largest = fmax(largest, fabs(wanted));
        error = fmax(error, difference);
    }
    return error > 0 ? error / largest : 0;
}

// The oracle of parity: the largest error in any output; infinite where an input changed, something
// was written beside an array, or a result is not finite. *worst names the array.
static inline double call_error(const call *truth, const call *c, const char **worst) {
    double largest = -1;
    for (int i = 0; i < c->n_arrays; i++) {
        double error = array_error(&truth->arrays[i], &c->arrays[i]);
        if (!(error <= largest)) {
            largest = error;
            *worst = c->arrays[i].name;
        }
    }
    return largest;
}

// The oracle of bit identity.
static inline bool call_same_bits(const call *a, const call *b) {
    for (int i = 0; i < a->n_arrays; i++)
        if (!same_bits(&a->arrays[i], &b->arrays[i])) return false;
    return true;
}

#endif
