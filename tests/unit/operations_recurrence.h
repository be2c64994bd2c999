// The operations of recurrences whose state is a matrix; a part of operations.h.

static int32_t *some_rows(call *c, int n_rows, int *n_outputs) {
    int32_t *at = input_integers(c, "rows", (size_t)n_rows, 0, 3);
    int every = 1 + noise_below(&c->random, 3);
    *n_outputs = 0;
    for (int t = 0; t < n_rows; t++) // all, some, or few of the positions, the last among them
        if (at[t] % every == 0 || t == n_rows - 1) at[(*n_outputs)++] = t;
    return at;
}

static kernel_rows filled_rows(call *c, const char *name, int n_rows, int n_features,
                               double magnitude) {
    array *a = add_array(c, name, (size_t)n_rows, (size_t)(n_features * L), gap_of(c));
    return rows_of(c, fill(c, a, magnitude)->data, n_features);
}

static kernel_rows output_rows(call *c, const char *name, int n_rows, int n_features,
                               double floor) {
    float *data = output(c, name, (size_t)n_rows, (size_t)(n_features * L), gap_of(c), floor);
    return rows_of(c, data, n_features);
}

// Numbers from 0 to 1; of HOSTILE ones a third are 0 and a third 1.
static kernel_rows shares(call *c, const char *name, int n_rows, int n_features) {
    kernel_rows rows = filled_rows(c, name, n_rows, n_features, 1);
    array *a = &c->arrays[c->n_arrays - 1];
    for (size_t i = 0; i < a->n; i++) {
        if (!is_used(a, i)) continue;
        a->data[i] = fabsf(a->data[i]);
        if (has(c, HOSTILE) && i % 3 > 0) a->data[i] = (float)(i % 3 - 1);
    }
    return rows;
}

// Two groups of shape.rows positions, keys of shape.in numbers (9 at most, which the reference walks
// again and again), up to six values, two heads with BIAS. ACCUMULATE replaces, TRANSPOSED shares keys.
static kernel_recurrence recurrence_arguments(call *c) {
    int rows = c->shape.rows, key = 1 + (c->shape.in - 1) % 9, value = 1 + c->shape.out % 6,
        n_outputs;
    kernel_recurrence a = {
        .n_groups = 2, .n_rows = rows, .n_key = key, .n_value = value, .scale = 0.5f};
    a.n_heads = has(c, BIAS) ? 2 : 1;
    a.replaces = has(c, ACCUMULATE);
    a.shared = has(c, TRANSPOSED);
    a.n_decay = c->shape.out % 3 == 0 ? 0 : c->shape.out % 3 == 1 ? 1 : key;
    a.rows = some_rows(c, rows, &n_outputs);
    a.n_outputs = n_outputs;
    int keys = (a.shared ? 1 : a.n_heads) * key;
    double length = 1 / sqrt(key); // the delta rule does not run away
    a.q = filled_rows(c, "q", 2 * n_outputs, keys, 1);
    a.k = filled_rows(c, "k", 2 * rows, keys, length);
    a.v = filled_rows(c, "v", 2 * rows, a.n_heads * value, has(c, HOSTILE) ? 1e4 : 1);
    if (a.n_decay > 0) a.decay = shares(c, "decay", 2 * rows, a.n_heads * a.n_decay);
    if (c->shape.rows % 2 > 0) a.rate = shares(c, "rate", 2 * rows, a.n_heads);
    if (c->shape.rows % 3 > 0) a.skip = input(c, "skip", 1, (size_t)a.n_heads, 0);
    return a;
}

static void op_recurrence(call *c) {
    kernel_recurrence a = recurrence_arguments(c);
    a.y = output_rows(c, "y", 2 * a.n_outputs, a.n_heads * a.n_value, 1);
    TIMED(c, c->kernels->recurrence(&a));
}

static void op_recurrence_gradient(call *c) {
    kernel_recurrence_gradient b = {.forward = recurrence_arguments(c)};
    const kernel_recurrence *a = &b.forward;
    int in = 2 * a->n_rows, out = 2 * a->n_outputs, keys = (a->shared ? 1 : a->n_heads) * a->n_key;
    double largest = has(c, HOSTILE) ? 1e4 : 1, root = sqrt(a->n_value * a->n_heads);
    b.dy = filled_rows(c, "dy", out, a->n_heads * a->n_value, 1);
    b.dq = output_rows(c, "dq", out, keys, largest * root);
    b.dk = output_rows(c, "dk", in, keys, largest * root);
    b.dv = output_rows(c, "dv", in, a->n_heads * a->n_value, 1);
    if (a->n_decay > 0)
        b.ddecay = output_rows(c, "ddecay", in, a->n_heads * a->n_decay, largest * root);
    if (a->rate.data) b.drate = output_rows(c, "drate", in, a->n_heads, largest * root);
    if (a->skip)
        b.dskip = accumulator(c, "dskip", 1, (size_t)a->n_heads, 0, largest * sqrt(out * L) * root);
    size_t scratch = (size_t)a->n_rows * (size_t)(a->n_key + 1) * FV_RECURRENCE_SCRATCH;
    b.scratch = add_array(c, "scratch", 1, scratch, 0)->data;
    c->n_arrays--; // of no interest once the call is over
    TIMED(c, c->kernels->recurrence_gradient(&b));
    free(b.scratch - GUARD);
}

// shape.rows rows of shape.in features.
static kernel_decay decay_arguments(call *c) {
    int rows = c->shape.rows, n = c->shape.in;
    kernel_decay a = {.n_rows = rows, .n_features = n, .negative = has(c, TRANSPOSED)};
    array *factor = fill(c, add_array(c, "factor", 1, (size_t)n, 0), 2);
    for (int f = 0; f < n; f++) factor->data[f] = -fabsf(factor->data[f]) - 0.01f;
    a.factor = factor->data;
    if (has(c, BIAS)) a.bias = input(c, "bias", 1, (size_t)n, 0);
    a.x = filled_rows(c, "x", rows, n, has(c, HOSTILE) ? 1e4 : 4);
    a.step = output_rows(c, "step", rows, n, 0);
    a.decay = output_rows(c, "decay", rows, n, 1);
    return a;
}

static void op_decay(call *c) {
    kernel_decay a = decay_arguments(c);
    TIMED(c, c->kernels->decay(&a));
}

static void op_decay_gradient(call *c) {
    kernel_decay_gradient b = {.forward = decay_arguments(c)};
    int rows = c->shape.rows, n = c->shape.in;
    kernels_named("portable")->decay(&b.forward); // the same for every variant
    b.ddecay = filled_rows(c, "ddecay", rows, n, 1);
    if (has(c, ACCUMULATE)) b.dstep = filled_rows(c, "dstep", rows, n, 1);
    b.dx = output_rows(c, "dx", rows, n, 1);
    double root = sqrt(rows * L);
    b.dfactor = accumulator(c, "dfactor", 1, (size_t)n, 0, root);
    if (has(c, BIAS)) b.dbias = accumulator(c, "dbias", 1, (size_t)n, 0, root);
    TIMED(c, c->kernels->decay_gradient(&b));
}

static kernel_ratio ratio_arguments(call *c) {
    int rows = c->shape.rows, n = c->shape.in;
    kernel_ratio a = {.n_rows = rows, .n_features = n};
    a.x = shares(c, "x", rows, n + 1);
    for (int r = 0; r < rows; r++) // what is counted is not next to nothing
        for (int l = 0; l < L; l++) a.x.data[r * a.x.stride + n * L + l] += 0.5f;
    a.y = output_rows(c, "y", rows, n, 1);
    return a;
}

static void op_ratio(call *c) {
    kernel_ratio a = ratio_arguments(c);
    TIMED(c, c->kernels->ratio(&a));
}

static void op_ratio_gradient(call *c) {
    kernel_ratio_gradient b = {.forward = ratio_arguments(c)};
    kernels_named("portable")->ratio(&b.forward);
    b.dy = filled_rows(c, "dy", c->shape.rows, c->shape.in, 1);
    b.dx = output_rows(c, "dx", c->shape.rows, c->shape.in + 1, sqrt(c->shape.in));
    TIMED(c, c->kernels->ratio_gradient(&b));
}

// Keys of shape.in numbers, a row of columns for every two of shape.rows. ACCUMULATE replaces.
static void op_state_step(call *c) {
    int key = c->shape.in, columns = (1 + c->shape.rows / 2) * L;
    kernel_state_step a = {
        .n_key = key, .n_columns = columns, .rate = 0.75f, .replaces = has(c, ACCUMULATE)};
    a.n_decay = c->shape.out % 3 == 0 ? 0 : c->shape.out % 3 == 1 ? 1 : key;
    if (a.n_decay > 0) a.decay = shares(c, "decay", 1, (a.n_decay + L - 1) / L).data;
    a.k = fill(c, add_array(c, "k", 1, (size_t)key, 0), 1 / sqrt(key))->data;
    if (has(c, BIAS)) a.q = input(c, "q", 1, (size_t)key, 0);
    a.v = input(c, "v", 1, (size_t)columns, 0);
    a.state = accumulator(c, "state", (size_t)key, (size_t)columns, 0, 1);
    if (a.q) a.y = output(c, "y", 1, (size_t)columns, 0, sqrt(key));
    if (c->shape.out % 2) a.room = add_array(c, "scratch", 2, (size_t)columns, 0)->data;
    TIMED(c, c->kernels->state_step(&a));
    if (a.room == NULL) return;
    c->n_arrays--; // it may hold anything
    free(a.room - GUARD);
}
