// Muon (Jordan et al., 2024): the momentum of a matrix, made orthogonal, is its update. AdamW updates
// all else, at a learning rate of its own.
//
//     m = mu m + (1 - mu) g,   u = mu m + (1 - mu) g         Nesterov's look ahead
//     x = u / |u|,  then five times  x = a x + (b s + c s^2) x  with  s = x x^T
//     w = w - rate decay w - rate sqrt(max(1, n_out / n_in)) x
//
// with a = 3.4445, b = -4.7750, c = 2.0315: the polynomial lifts every singular value to about 1 (0.7
// to 1.2), which is enough. As in torch.optim.Muon, but in single precision.
//
// Matrices are the linear maps inside layers that have two rows and two columns at least: not
// embeddings, positions and unembedding, and not what is stored in two dimensions and is no map, as
// mamba's filters, decays and time steps. Heads that stand side by side are one matrix.
//
// One thread computes it, in an order that depends on shapes alone.
#include "base/arena.h"
#include "model/layers.h"
#include "train/optimizer.h"

#include <fovea/config.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ITERATIONS = 5 };
static const real A = (real)3.4445, B = (real)-4.7750, C = (real)2.0315;
static const double LEAST_NORM = 1e-7;

typedef struct matrix {
    size_t offset;
    int n_in, n_out;
} matrix;

// Scratch holds matrices of the largest size.
typedef struct muon {
    int n_matrices;
    matrix *matrices;
    memory_arena memory;
    real *momentum;   // [n]
    real *adam_scale; // [n]: rate_scale, and 0 for what AdamW leaves alone
    real *update;     // of the matrix at work, and five for making it orthogonal
    real *x, *turned, *square, *poly, *next;
} muon;

// --- which matrices -----------------------------------------------------------------------------

static bool is_matrix(const fv_model *model, int i) {
    const fv_tensor *tensor = &model->tensors[i];
    init_kind init = model->params[i].init;
    bool map = init == FV_INIT_LINEAR || init == FV_INIT_OUTPUT;
    return map && tensor->n_dims == 2 && tensor->shape[0] > 1 && tensor->shape[1] > 1;
}

// The matrices of all layers, embedding and head left out; returns how many there are.
static int find_matrices(const fv_model *model, matrix *matrices) {
    int n = 0;
    for (int l = 1; l < model->n_layers - 1; l++) {
        const model_layer *layer = &model->layers[l];
        for (int i = layer->first_tensor; i < layer->first_tensor + layer->n_tensors; i++) {
            if (!is_matrix(model, i)) continue;
            const fv_tensor *tensor = &model->tensors[i];
            if (matrices != NULL)
                matrices[n] = (matrix){tensor->offset, tensor->shape[0], tensor->shape[1]};
            n++;
        }
    }
    return n;
}

static const char REFUSAL[] = "train.optimizer muon makes matrices orthogonal, and the layers of "
                              "this model (%s, model.n_embd "
                              "%d) have only vectors; use adamw";

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_model_config *model = &c->config->model;
    bool any = false;
    for (int l = 0; l < model->layers.n; l++) any |= !layer_type_of(model->layers.kind[l])->is_norm;
    if (any && model->n_embd > 1) return FV_OK;
    char layers[256];
    fv_config_get(c->config, fv_field_find("model.layers"), layers, sizeof layers);
    return check_refuse(c, "train.optimizer", REFUSAL, layers, model->n_embd);
}

// --- its memory ---------------------------------------------------------------------------------

static fv_status reserve(train_optimizer *o, muon *m, fv_error *error) {
    size_t largest = 0, widest = 0, offsets[8];
    for (int i = 0; i < m->n_matrices; i++) {
        size_t rows = (size_t)m->matrices[i].n_in, columns = (size_t)m->matrices[i].n_out;
        size_t less = rows < columns ? rows : columns;
        if (rows * columns > largest) largest = rows * columns;
        if (less * less > widest) widest = less * less;
    }
    const size_t sizes[8] = {o->n, o->n, largest, largest, largest, widest, widest, largest};
    for (int i = 0; i < 8; i++) offsets[i] = arena_reserve(&m->memory, sizes[i], sizeof(real));
    fv_status status = arena_allocate(&m->memory, error);
    if (status != FV_OK) return status;
    real **const arrays[8] = {&m->momentum, &m->adam_scale, &m->update, &m->x,
                              &m->turned,   &m->square,     &m->poly,   &m->next};
    for (int i = 0; i < 8; i++) *arrays[i] = arena_at(&m->memory, offsets[i]);
    return FV_OK;
}

static void set_scale(const train_optimizer *o, const muon *m) {
    for (size_t i = 0; i < o->n; i++) m->adam_scale[i] = o->rate_scale ? o->rate_scale[i] : 1;
    for (int i = 0; i < m->n_matrices; i++) {
        const matrix *w = &m->matrices[i];
        size_t size = (size_t)w->n_in * (size_t)w->n_out;
        memset(m->adam_scale + w->offset, 0, size * sizeof *m->adam_scale);
    }
}

static void destroy(train_optimizer *o) {
    muon *m = o->own;
    if (m == NULL) return;
    arena_free(&m->memory);
    free(m->matrices);
    free(m);
    o->own = NULL;
}

static fv_status create(train_optimizer *o, const fv_model *model, fv_error *error) {
    int n = find_matrices(model, NULL);
    if (n == 0) {
        char layers[256];
        fv_config_get(&model->config, fv_field_find("model.layers"), layers, sizeof layers);
        return fv_fail(error, FV_USAGE, REFUSAL, layers, model->config.model.n_embd);
    }
    muon *m = o->own = calloc(1, sizeof *m);
    if (m != NULL) m->matrices = calloc((size_t)n, sizeof *m->matrices);
    if (m == NULL || m->matrices == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for an optimizer");
    m->n_matrices = find_matrices(model, m->matrices);
    fv_status status = reserve(o, m, error);
    if (status == FV_OK) set_scale(o, m);
    return status;
}

// --- the update ---------------------------------------------------------------------------------

// c [n][m] = a [n][k] b [k][m], row by row of b: plain loops over neighbours, which every instruction
// set rounds alike.
static void multiply(int n, int k, int m, const real *restrict a, const real *restrict b,
                     real *restrict c) {
    for (int i = 0; i < n; i++) {
        real *restrict row = c + (size_t)i * (size_t)m;
        memset(row, 0, (size_t)m * sizeof *row);
        for (int l = 0; l < k; l++) {
            real factor = a[(size_t)i * (size_t)k + (size_t)l];
            const real *restrict from = b + (size_t)l * (size_t)m;
            for (int j = 0; j < m; j++) row[j] += factor * from[j];
        }
    }
}

static void transpose(int n, int m, const real *restrict a, real *restrict out) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++)
            out[(size_t)j * (size_t)n + (size_t)i] = a[(size_t)i * (size_t)m + (size_t)j];
}

// One step of the iteration for x [n][m], n <= m, into next.
static void iterate(const muon *w, int n, int m, const real *x, real *next) {
    size_t side = (size_t)n * (size_t)n, size = (size_t)n * (size_t)m;
    transpose(n, m, x, w->turned);
    multiply(n, m, n, x, w->turned, w->square);
    multiply(n, n, n, w->square, w->square, w->poly);
    for (size_t i = 0; i < side; i++) w->poly[i] = B * w->square[i] + C * w->poly[i];
    multiply(n, n, m, w->poly, x, next);
    for (size_t i = 0; i < size; i++) next[i] += A * x[i];
}

// The orthogonal part of u [rows][columns] in its place, by way of its transpose where it is tall.
static void orthogonalise(const muon *w, int rows, int columns, real *u) {
    size_t size = (size_t)rows * (size_t)columns;
    bool tall = rows > columns;
    int n = tall ? columns : rows, m = tall ? rows : columns;
    double square = 0;
    for (size_t i = 0; i < size; i++) square += (double)u[i] * (double)u[i];
    double norm = sqrt(square);
    real inverse = (real)(1 / (norm < LEAST_NORM ? LEAST_NORM : norm));
    real *x = w->x, *next = w->next;
    if (tall)
        transpose(rows, columns, u, x);
    else
        memcpy(x, u, size * sizeof *x);
    for (size_t i = 0; i < size; i++) x[i] *= inverse;
    for (int i = 0; i < ITERATIONS; i++) {
        iterate(w, n, m, x, next);
        real *swap = x;
        x = next;
        next = swap;
    }
    if (tall)
        transpose(n, m, x, u);
    else
        memcpy(u, x, size * sizeof *x);
}

static void update_matrix(const train_optimizer *o, const muon *m, const matrix *w, double rate,
                          const real *gradient) {
    real mu = (real)o->config->muon_momentum;
    size_t size = (size_t)w->n_in * (size_t)w->n_out;
    real *momentum = m->momentum + w->offset, *params = o->params + w->offset;
    for (size_t i = 0; i < size; i++) {
        momentum[i] = kernel_flush(momentum[i] + (1 - mu) * (gradient[i] - momentum[i]), FV_LEAST);
        m->update[i] = gradient[i] + mu * (momentum[i] - gradient[i]);
    }
    orthogonalise(m, w->n_in, w->n_out, m->update);
    if (o->rate_scale) rate *= (double)o->rate_scale[w->offset];
    double wide = (double)w->n_out / w->n_in;
    real step = (real)(rate * sqrt(wide > 1 ? wide : 1));
    real kept = (real)(1 - rate * o->config->weight_decay);
    for (size_t i = 0; i < size; i++)
        params[i] = kernel_flush(kept * params[i] - step * m->update[i], FV_LEAST);
}

static void update(const train_optimizer *o, const kernel_set *kernels, int step, double rate,
                   const real *gradient) {
    const muon *m = o->own;
    fv_train_config rest = *o->config;
    rest.learning_rate = rest.rest_rate;
    double rest_rate = schedule_rate(&rest, step);
    train_optimizer others = *o;
    others.rate_scale = m->adam_scale;
    adam_update(&others, kernels, step, rest_rate, rest_rate * rest.weight_decay, gradient);
    for (int i = 0; i < m->n_matrices; i++)
        update_matrix(o, m, &m->matrices[i], rate, gradient + m->matrices[i].offset);
}

static real *carried(const train_optimizer *o) {
    return ((const muon *)o->own)->momentum;
}

const optimizer_type optimizer_muon = {
    .part = {.help = "orthogonalised momentum for the matrices of layers, AdamW for all else",
             .example = "train: {optimizer: muon, learning_rate: 0.02}",
             .reads = {FV_READS(train.muon_momentum), FV_READS(train.rest_rate),
                       FV_READS(train.beta1), FV_READS(train.beta2), FV_READS(train.epsilon)},
             .check = check},
    .create = create,
    .free = destroy,
    .carried = carried,
    .step = update,
    .decoupled = true,
};
