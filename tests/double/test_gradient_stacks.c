// Gradients of random stacks of parts: for each tensor the derivative along a direction of its own,
// half its gradient and half random, against central differences in double precision.
//
// A stack that has a kink where it is measured (a rectifier, a choice of keys) has no derivative there:
// differences of two widths then disagree with each other, and the stack is drawn anew. How many were is
// counted, and few may be: one whose gradient is wrong has differences that agree.
//
// FOVEA_STACKS says how many (500; make gradients: 10,000), FOVEA_STACK_SEED which.
#include "../unit/configurations.h"
#include "../unit/fault.h"
#include "../unit/stacks.h"

#include "model/layers.h"

enum { L = FV_LANES, LONGEST = 12, USUAL = 500 };

static const double TOLERANCE = 1e-6; // of a tensor's derivative, or of 1e-4 of the largest one
static const double WIDTH = 1e-4;
// Of a loss near 1 differences of this width are good to 1e-11.
static const double LEAST = 1e-5;

// Wide stacks take most of the time and say little more: one in 64 of them is kept.
static void draw_words(char words[1024], uint64_t *random) {
    int width;
    do {
        stack_draw_words(words, random, LONGEST);
        const char *at = strstr(words, "model.n_embd=");
        width = at != NULL ? atoi(at + strlen("model.n_embd=")) : 0;
    } while (width > 16 && noise_below(random, 64) > 0);
}

typedef struct rig {
    fv_model *model;
    const kernel_set *kernels;
    memory_arena workspace;
    model_worker_layers layers;
    double *params, *gradient, *direction;
} rig;

static void rig_open(rig *r, const char *words, uint64_t *random) {
    fv_config config = configure(words);
    config.train.batch_size = L;
    r->kernels = kernels_get();
    check_ok(model_plan(&config, NULL, 1, &r->model, NULL));
    check_ok(worker_layers_create(r->model, &r->layers, NULL));
    r->workspace = r->model->plan;
    check_ok(arena_allocate(&r->workspace, NULL));
    size_t n = r->model->n_params;
    float *initial = malloc(n * sizeof *initial);
    r->params = malloc(n * sizeof *r->params);
    r->gradient = calloc(n, sizeof *r->gradient);
    r->direction = malloc(n * sizeof *r->direction);
    fv_model_init_params(r->model, 11, initial);
    for (int i = 0; i < r->model->n_tensors; i++)
        for (size_t k = 0; k < r->model->tensors[i].size; k++) {
            size_t at = r->model->tensors[i].offset + k;
            bool learned = param_is_learned(&r->model->params[i], k);
            r->params[at] = initial[at] + (learned ? 0.2 * noise(random) : 0);
        }
    free(initial);
}

static void rig_close(rig *r) {
    worker_layers_free(&r->layers);
    arena_free(&r->workspace);
    free(r->params);
    free(r->gradient);
    free(r->direction);
    fv_model_free(r->model);
}

// The mean loss of a batch; with `gradient` also its gradient.
static double run(const rig *r, double *gradient) {
    const fv_model *model = r->model;
    int n = model->data.n_loss * L;
    model_tile tile = {.model = model,
                       .kernels = r->kernels,
                       .workspace = &r->workspace,
                       .n_groups = 1,
                       .params = r->params,
                       .gradient = gradient,
                       .weight = 1.0 / n,
                       .own = r->layers.own};
    data_batch(&model->data, FV_STREAM_TRAIN, 0, 0, 1, L, arena_at(&r->workspace, model->tokens),
               arena_at(&r->workspace, model->targets));
    tile_run(&tile);
    const double *losses = tile_buffer(&tile, model->losses);
    double loss = 0;
    for (int i = 0; i < n; i++) loss += losses[i];
    return loss / n;
}

// Of the loss along the direction of a tensor, by the five-point difference.
static double difference(const rig *r, const fv_tensor *tensor, double width) {
    static const double weights[] = {1, -8, 0, 8, -1};
    double sum = 0, *at = r->params + tensor->offset, *kept = malloc(tensor->size * sizeof *kept);
    memcpy(kept, at, tensor->size * sizeof *kept);
    for (int k = 0; k < 5; k++) {
        if (weights[k] == 0) continue;
        for (size_t i = 0; i < tensor->size; i++)
            at[i] = kept[i] + (k - 2) * width * r->direction[tensor->offset + i];
        sum += weights[k] * run(r, NULL);
    }
    memcpy(at, kept, tensor->size * sizeof *kept);
    free(kept);
    return sum / (12 * width);
}

// A unit vector for a tensor: half its gradient and half random, nothing where it is not learned.
static void choose_direction(const rig *r, int i, uint64_t *random) {
    const fv_tensor *tensor = &r->model->tensors[i];
    double *d = r->direction + tensor->offset, square = 0, slopes = 0;
    const double *g = r->gradient + tensor->offset;
    for (size_t k = 0; k < tensor->size; k++) {
        d[k] = param_is_learned(&r->model->params[i], k) ? noise(random) : 0;
        square += d[k] * d[k];
        slopes += g[k] * g[k];
    }
    double size = 0;
    for (size_t k = 0; k < tensor->size; k++) {
        d[k] = (square > 0 ? d[k] / sqrt(square) : 0) + (slopes > 0 ? g[k] / sqrt(slopes) : 0);
        size += d[k] * d[k];
    }
    for (size_t k = 0; k < tensor->size; k++) d[k] /= size > 0 ? sqrt(size) : 1;
}

typedef enum outcome { RIGHT, WRONG, KINKED } outcome;

static outcome check_tensor(const rig *r, int i, double floor, double *error) {
    const fv_tensor *tensor = &r->model->tensors[i];
    double slope = 0;
    for (size_t k = 0; k < tensor->size; k++)
        slope += r->gradient[tensor->offset + k] * r->direction[tensor->offset + k];
    double wide = difference(r, tensor, WIDTH), scale = fmax(fabs(slope), floor);
    *error = fabs(wide - slope) / scale;
    if (*error <= TOLERANCE) return RIGHT;
    // Narrow enough to pass a kink by, or to leave what bends behind.
    double narrow = difference(r, tensor, WIDTH / 64);
    if (fabs(narrow - slope) <= 30 * TOLERANCE * scale) return RIGHT;
    return fabs(narrow - wide) > 30 * TOLERANCE * scale ? KINKED : WRONG;
}

static outcome check_stack(rig *r, uint64_t *random, const char **worst, double *error) {
    double largest = 0;
    memset(r->gradient, 0, r->model->n_params * sizeof *r->gradient);
    memset(r->workspace.base, 0xff, r->workspace.size);
    run(r, r->gradient);
    for (int i = 0; i < r->model->n_tensors; i++) {
        const fv_tensor *tensor = &r->model->tensors[i];
        double square = 0;
        for (size_t k = 0; k < tensor->size; k++)
            square += r->gradient[tensor->offset + k] * r->gradient[tensor->offset + k];
        largest = fmax(largest, sqrt(square));
    }
    for (int i = 0; i < r->model->n_tensors; i++) {
        choose_direction(r, i, random);
        outcome found = check_tensor(r, i, fmax(1e-4 * largest, LEAST), error);
        *worst = r->model->tensors[i].name;
        if (found != RIGHT) return found;
    }
    return RIGHT;
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void test_stacks(void **state) {
    (void)state;
    int n = (int)number_of("FOVEA_STACKS", USUAL), redrawn = 0;
    uint64_t random = number_of("FOVEA_STACK_SEED", 1);
    for (int done = 0; done < n;) {
        char words[1024];
        const char *worst;
        double error;
        rig r;
        draw_words(words, &random);
        rig_open(&r, words, &random);
        outcome found = check_stack(&r, &random, &worst, &error);
        rig_close(&r);
        if (found == WRONG) fail_msg("%s: gradient of %s is off by %g", words, worst, error);
        done += found == RIGHT;
        redrawn += found == KINKED;
        if (redrawn > 20 + done) fail_msg("%d of %d stacks were drawn anew", redrawn, done);
    }
    printf("%d stacks, %d drawn anew\n", n, redrawn);
    assert_true(redrawn <= n / 10 + 5);
}

// A slip in a kernel of the backward pass is seen in some stack.
static void test_planted_slips(void **state) {
    (void)state;
    static const char *const backward[] = {"map_gradient", "norm_gradient", "attend_gradient",
                                           "activate_gradient"};
    fault faults[N_FAULTS];
    faults_plant(kernels_get(), faults);
    for (int i = 0; i < N_FAULTS; i++) {
        bool listed = false, caught = false;
        for (int k = 0; k < 4; k++) listed |= strcmp(faults[i].kernel, backward[k]) == 0;
        listed &= strcmp(faults[i].name, "forgets the sinks") != 0; // few sequences reach that far
        uint64_t random = 5;
        for (int draws = 0; listed && !caught && draws < 60; draws++) {
            char words[1024];
            const char *worst;
            double error;
            rig r;
            draw_words(words, &random);
            rig_open(&r, words, &random);
            r.kernels = &faults[i].kernels;
            caught = check_stack(&r, &random, &worst, &error) == WRONG;
            rig_close(&r);
        }
        if (listed && !caught) fail_msg("%s (%s) passes", faults[i].kernel, faults[i].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stacks),
                                       cmocka_unit_test(test_planted_slips)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
