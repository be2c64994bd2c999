// The operations of a Mamba layer; a part of operations.h.

// Two groups of shape.rows positions and shape.in features; shape.out taps.
static kernel_conv conv_arguments(call *c) {
    int rows = c->shape.rows, in = c->shape.in, width = 1 + c->shape.out % FV_CONV_MAX_WIDTH;
    size_t n = (size_t)(2 * rows * in * L);
    kernel_conv a = {.n_groups = 2,
                     .n_rows = rows,
                     .n_features = in,
                     .width = width,
                     .plain = has(c, ACCUMULATE)};
    array *x = add_array(c, "x", 1, n, 0), *w = add_array(c, "w", 1, (size_t)(in * width), 0);
    array *b = add_array(c, "b", 1, (size_t)in, 0);
    if (has(c, HOSTILE)) // whole numbers: large sums that cancel are exact
        fill_whole(c, x, 1e4), fill_whole(c, w, 3), fill_whole(c, b, 10);
    else
        fill(c, x, 1), fill(c, w, 1), fill(c, b, 1);
    a.x = x->data;
    a.w = w->data;
    a.b = b->data;
    a.y = output(c, "y", 1, n, 0, 1);
    return a;
}

static void op_conv(call *c) {
    kernel_conv a = conv_arguments(c);
    TIMED(c, c->kernels->conv(&a));
}

static void op_conv_gradient(call *c) {
    kernel_conv_gradient a = {.forward = conv_arguments(c)};
    const kernel_conv *f = &a.forward;
    size_t n = (size_t)(2 * f->n_rows * f->n_features * L);
    double largest = has(c, HOSTILE) ? 1e4 : 1, root = sqrt(2 * f->n_rows * L);
    c->n_arrays--; // y is not touched
    free(f->y - GUARD);
    a.forward.y = NULL;
    a.dx = output(c, "dx", 1, n, 0, 1);
    a.dw = accumulator(c, "dw", 1, (size_t)(f->n_features * f->width), 0, largest * root);
    a.db = accumulator(c, "db", 1, (size_t)f->n_features, 0, root);
    float *dy = output(c, "dy", 1, n, 0, 1); // ends as the gradient before SiLU
    fill(c, &c->arrays[c->n_arrays - 1], 1);
    a.dy = dy;
    TIMED(c, c->kernels->conv_gradient(&a));
}

// Two groups of shape.rows positions, shape.out numbers in a state, and up to seven channels: these
// are only repeated, and the reference takes an exponential for every number of every state.
static kernel_scan scan_arguments(call *c) {
    int rows = c->shape.rows, in = 1 + (c->shape.in - 1) % 7, state = c->shape.out;
    int32_t *at = input_integers(c, "rows", (size_t)rows, 0, 3);
    int n_outputs = 0, every = 1 + noise_below(&c->random, 3);
    for (int t = 0; t < rows; t++) // all, some, or few of the positions, the last among them
        if (at[t] % every == 0 || t == rows - 1) at[n_outputs++] = t;
    size_t n_in = (size_t)(2 * rows * in * L), n_out = (size_t)(2 * n_outputs * in * L);
    kernel_scan a = {.n_groups = 2, .n_rows = rows, .n_outputs = n_outputs, .n_channels = in};
    a.n_state = state;
    a.rows = at;
    float *decay = input(c, "a", 1, (size_t)(in * state), 0);
    for (int i = 0; i < in * state; i++) decay[i] = -fabsf(decay[i]) - 0.01f;
    a.a = decay;
    a.skip = input(c, "skip", 1, (size_t)in, 0);
    a.bias = input(c, "bias", 1, (size_t)in, 0);
    a.u = input(c, "u", 1, n_in, 0);
    a.raw = fill(c, add_array(c, "raw", 1, n_in, 0), has(c, HOSTILE) ? 1e4 : 3)->data;
    a.b = rows_of(c, input(c, "b", (size_t)(2 * rows), (size_t)(state * L), gap_of(c)), state);
    a.c = input(c, "c", 1, (size_t)(2 * n_outputs * state * L), 0);
    a.z = fill(c, add_array(c, "z", 1, n_out, 0), has(c, HOSTILE) ? 100 : 3)->data;
    a.delta = output(c, "delta", 1, n_in, 0, 0);
    a.sum = output(c, "sum", 1, n_out, 0, 1);
    a.y = output(c, "y", 1, n_out, 0, 1);
    return a;
}

static void op_scan(call *c) {
    kernel_scan a = scan_arguments(c);
    TIMED(c, c->kernels->scan(&a));
}

static void op_scan_gradient(call *c) {
    kernel_scan_gradient a = {.forward = scan_arguments(c)};
    const kernel_scan *f = &a.forward;
    int rows = f->n_rows, n = f->n_channels, state = f->n_state, outputs = f->n_outputs;
    size_t n_in = (size_t)(2 * rows * n * L), n_out = (size_t)(2 * outputs * n * L);
    // The same steps and sums for every variant, and on every processor.
    kernels_named("portable")->scan(f);
    double root = sqrt(state) * sqrt(n);
    a.dy = input(c, "dy", 1, n_out, 0);
    a.du = output(c, "du", 1, n_in, 0, root);
    a.draw = output(c, "draw", 1, n_in, 0, root);
    a.dz = output(c, "dz", 1, n_out, 0, 1);
    float *db = output(c, "db", (size_t)(2 * rows), (size_t)(state * L), gap_of(c), root);
    a.db = rows_of(c, db, state);
    a.dc = output(c, "dc", 1, (size_t)(2 * outputs * state * L), 0, root);
    a.da = accumulator(c, "da", 1, (size_t)(n * state), 0, sqrt(rows * L));
    double gate = has(c, HOSTILE) ? 100 : 1; // as large as z makes what is summed
    a.dskip = accumulator(c, "dskip", 1, (size_t)n, 0, gate * sqrt(rows * L));
    a.scratch = add_array(c, "scratch", 1, (size_t)(rows * FV_SCAN_SCRATCH * L), 0)->data;
    c->n_arrays--; // of no interest once the call is over, but the guards above it are
    TIMED(c, c->kernels->scan_gradient(&a));
    free(a.scratch - GUARD);
}
