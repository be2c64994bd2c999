#include "tasks/sequence_file.h"

#include "base/text.h"
#include "tasks/array_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

static fv_status no_memory(const char *path, fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for %s", path);
}

// --- what the arrays are --------------------------------------------------------------------------------

enum { TOKENS, TARGETS, TEST_TOKENS, TEST_TARGETS, INPUTS, TEST_INPUTS, N_ARRAYS };
static const char *const NAMES[N_ARRAYS] = {"tokens",       "targets", "test_tokens",
                                            "test_targets", "inputs",  "test_inputs"};

// What a sequence reads, training's or the test set's: tokens, or reals.
static int input_of(const array_read *a, bool test) {
    int tokens = test ? TEST_TOKENS : TOKENS, inputs = test ? TEST_INPUTS : INPUTS;
    return a[inputs].there ? inputs : tokens;
}

static fv_status check_type(const char *path, const array_read *a, fv_error *error) {
    bool inputs = strstr(a->name, "inputs") != NULL, tokens = strstr(a->name, "tokens") != NULL;
    if (!a->there) return FV_OK;
    if (tokens && a->real)
        return fv_fail(error, FV_FORMAT,
                       "%s: %s must be whole numbers, such as I32 or I64; reals "
                       "are read from inputs",
                       path, a->name);
    if (inputs && !a->real)
        return fv_fail(error, FV_FORMAT,
                       "%s: %s must be reals, F32 or F64; whole numbers are read from tokens", path,
                       a->name);
    bool fits = tokens ? a->n_dims == 2 : inputs ? a->n_dims >= 2 : a->n_dims <= (a->real ? 3 : 2);
    if (fits) return FV_OK;
    return fv_fail(error, FV_FORMAT, "%s: %s must have the shape %s, with at least one sequence",
                   path, a->name,
                   tokens    ? "[N, T]"
                   : inputs  ? "[N, T, k], or [N, k] for one position"
                   : a->real ? "[N, m] or [N, T, m]"
                             : "[N] or [N, T]");
}

// Positions of an input: reals of two dimensions have one.
static uint64_t length_of(const array_read *a) {
    return a->real && a->n_dims == 2 ? 1 : a->shape[1];
}
static uint64_t n_targets_of(const array_read *a) {
    int last = a->real ? 3 : 2; // dimensions where every position has one
    return a->n_dims == last ? a->shape[1] : 1;
}
// Reals of a position or target; 0: it is whole.
static uint64_t n_reals_of(const array_read *a) {
    return !a->real ? 0 : a->n_dims == 1 ? 1 : a->shape[a->n_dims - 1];
}

static fv_status check_there(const char *path, const array_read *a, fv_error *error) {
    if (a[TOKENS].there && a[INPUTS].there)
        return fv_fail(error, FV_FORMAT, "%s has tokens and inputs; a sequence has one of them",
                       path);
    bool reads = a[TOKENS].there || a[INPUTS].there;
    if (!reads || !a[TARGETS].there)
        return fv_fail(error, FV_FORMAT,
                       "%s has no %s; it needs tokens [N, T] and targets [N] or [N, T], or inputs "
                       "[N, T, k] in place of tokens",
                       path, reads ? "targets" : "tokens");
    bool test = a[input_of(a, true)].there;
    if (test != a[TEST_TARGETS].there)
        return fv_fail(error, FV_FORMAT, "%s has %s without %s", path,
                       NAMES[test ? input_of(a, true) : TEST_TARGETS],
                       NAMES[test ? TEST_TARGETS : TEST_TOKENS]);
    return FV_OK;
}

static fv_status check_arrays(const char *path, const array_read *a, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < N_ARRAYS && status == FV_OK; i++) status = check_type(path, &a[i], error);
    if (status == FV_OK) status = check_there(path, a, error);
    if (status != FV_OK) return status;
    const array_read *in = &a[input_of(a, false)], *out = &a[TARGETS];
    uint64_t T = length_of(in), n_loss = n_targets_of(out);
    for (int test = 0; test < 2; test++) {
        const array_read *x = &a[input_of(a, test)], *y = &a[test ? TEST_TARGETS : TARGETS];
        if (!x->there) continue;
        bool same = n_reals_of(x) == n_reals_of(in) && n_reals_of(y) == n_reals_of(out);
        bool fits = x->shape[0] == y->shape[0] && length_of(x) == T && n_targets_of(y) == n_loss;
        if (!same)
            return fv_fail(error, FV_FORMAT,
                           "%s: the test set has other numbers of reals a position or target than "
                           "the training set",
                           path);
        if (!fits || (n_loss != 1 && n_loss != T))
            return fv_fail(
                error, FV_FORMAT,
                "%s: %s has %" PRIu64 " sequences of %" PRIu64 ", and %s %" PRIu64 " of %" PRIu64
                "; both must have N, of T = %" PRIu64 " tokens and 1 or T targets",
                path, x->name, x->shape[0], length_of(x), y->name, y->shape[0], n_targets_of(y), T);
    }
    return FV_OK;
}

// --- rows of both sets, one after the other, and what is known of them ----------------------------------

static void look(sequence_extreme *lowest, sequence_extreme *highest, int32_t value, int64_t i) {
    if (value < lowest->value) *lowest = (sequence_extreme){value, i};
    if (value > highest->value) *highest = (sequence_extreme){value, i};
}

static bool is_finite(int32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return isfinite(value);
}

static fv_status look_at(const char *path, sequence_file *file, const int32_t *row, size_t i,
                         double *n_targets, fv_error *error) {
    for (int t = 0; t < file->n_in; t++) {
        if (file->n_inputs == 0)
            look(&file->lowest_token, &file->highest_token, row[t], (int64_t)i);
        else if (!is_finite(row[t]))
            return fv_fail(error, FV_FORMAT, "%s: an input of sequence %zu is not finite", path, i);
    }
    for (int t = file->n_in; t < file->n_in + file->n_out; t++) {
        if (file->n_outputs == 0) {
            look(&file->lowest_target, &file->highest_target, row[t], (int64_t)i);
            *n_targets += row[t] >= 0;
        } else if (!is_finite(row[t])) {
            return fv_fail(error, FV_FORMAT, "%s: a target of sequence %zu is not finite", path, i);
        }
    }
    if (file->n_outputs > 0) *n_targets += file->n_loss;
    return FV_OK;
}

static void find_shape(const array_read *a, sequence_file *file) {
    const array_read *in = &a[input_of(a, false)], *test = &a[input_of(a, true)];
    file->n = (int)in->shape[0];
    file->n_test = test->there ? (int)test->shape[0] : 0;
    file->n_tokens = (int)length_of(in);
    file->n_loss = (int)n_targets_of(&a[TARGETS]);
    file->n_inputs = (int)n_reals_of(in);
    file->n_outputs = (int)n_reals_of(&a[TARGETS]);
    file->n_in = file->n_tokens * (file->n_inputs > 0 ? file->n_inputs : 1);
    file->n_out = file->n_loss * (file->n_outputs > 0 ? file->n_outputs : 1);
    file->lowest_token.value = file->lowest_target.value = INT32_MAX;
    file->highest_token.value = file->highest_target.value = INT32_MIN;
}

static void find_digest(sequence_file *file, size_t bytes) {
    const uint64_t sizes[] = {(uint64_t)file->n,        (uint64_t)file->n_test,
                              (uint64_t)file->n_tokens, (uint64_t)file->n_loss,
                              (uint64_t)file->n_inputs, (uint64_t)file->n_outputs};
    size_t n = file->n_inputs + file->n_outputs > 0 ? 6 : 4; // of whole numbers as ever
    uint64_t hash = XXH3_64bits_withSeed(file->rows, bytes, XXH3_64bits(sizes, n * sizeof *sizes));
    snprintf(file->digest, sizeof file->digest, "%016" PRIx64, hash);
}

static fv_status join(const char *path, const array_read *a, sequence_file *file, fv_error *error) {
    find_shape(a, file);
    size_t n_in = (size_t)file->n_in, n_out = (size_t)file->n_out, size = n_in + n_out, bytes;
    size_t n = (size_t)file->n + (size_t)file->n_test;
    if (__builtin_mul_overflow(n, size * sizeof *file->rows, &bytes) ||
        (file->rows = malloc(bytes)) == NULL)
        return no_memory(path, error);
    double targets[2] = {0, 0};
    fv_status status = FV_OK;
    for (size_t i = 0; i < n && status == FV_OK; i++) {
        bool test = i >= (size_t)file->n;
        size_t k = test ? i - (size_t)file->n : i;
        int32_t *row = file->rows + i * size;
        const array_read *y = &a[test ? TEST_TARGETS : TARGETS];
        memcpy(row, a[input_of(a, test)].words + k * n_in, n_in * sizeof *row);
        memcpy(row + n_in, y->words + k * n_out, n_out * sizeof *row);
        status = look_at(path, file, row, i, &targets[test], error);
    }
    if (status != FV_OK) return status;
    file->n_targets = targets[0] / file->n;
    file->n_test_targets = file->n_test > 0 ? targets[1] / file->n_test : 0;
    if (targets[0] == 0 || (file->n_test > 0 && targets[1] == 0))
        return fv_fail(error, FV_FORMAT, "%s: no sequence of %s has a target; -1 is no target",
                       path, NAMES[targets[0] == 0 ? TARGETS : TEST_TARGETS]);
    find_digest(file, bytes);
    return FV_OK;
}

static fv_status load(const char *path, bool folder, sequence_file *file, fv_error *error) {
    array_read arrays[N_ARRAYS];
    for (int i = 0; i < N_ARRAYS; i++) arrays[i] = (array_read){.name = NAMES[i]};
    fv_status status = arrays_read(path, folder, arrays, N_ARRAYS, error);
    if (status == FV_OK) status = check_arrays(path, arrays, error);
    if (status == FV_OK) status = join(path, arrays, file, error);
    for (int i = 0; i < N_ARRAYS; i++) free(arrays[i].words);
    return status;
}

// --- those that were read --------------------------------------------------------------------------------

typedef struct entry {
    struct entry *next;
    char *path;
    dev_t device;
    ino_t inode;
    off_t size; // sums over the files of a folder
    int64_t changed;
    sequence_file file;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry *entries;

static void add_file(entry *e, const struct stat *info) {
    e->size += info->st_size;
    int64_t changed = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
    e->changed = changed > e->changed ? changed : e->changed;
}

// What tells one state of the data from another.
static fv_status identify(const char *path, entry *e, bool *folder, fv_error *error) {
    struct stat info;
    if (stat(path, &info) != 0)
        return fv_fail(error, errno == ENOENT ? FV_NOT_FOUND : FV_IO, "%s: %s", path,
                       strerror(errno));
    e->device = info.st_dev;
    e->inode = info.st_ino;
    *folder = S_ISDIR(info.st_mode);
    if (!*folder) add_file(e, &info);
    for (int i = 0; i < N_ARRAYS && *folder; i++) {
        text_buffer name = {0};
        text_add(&name, "%s/%s.npy", path, NAMES[i]);
        if (!name.failed && stat(name.data, &info) == 0) add_file(e, &info);
        text_free(&name);
    }
    return FV_OK;
}

static entry *find(const entry *wanted, const char *path) {
    for (entry *e = entries; e != NULL; e = e->next)
        if (e->device == wanted->device && e->inode == wanted->inode && e->size == wanted->size &&
            e->changed == wanted->changed && strcmp(e->path, path) == 0)
            return e;
    return NULL;
}

static fv_status get(const char *path, const sequence_file **file, fv_error *error) {
    entry wanted = {0}, *e;
    bool folder;
    fv_status status = identify(path, &wanted, &folder, error);
    if (status != FV_OK) return status;
    if ((e = find(&wanted, path)) == NULL) {
        e = calloc(1, sizeof *e);
        if (e != NULL) {
            *e = wanted;
            e->path = text_copy(path);
        }
        if (e == NULL || e->path == NULL) {
            free(e);
            return no_memory(path, error);
        }
        status = load(path, folder, &e->file, error);
        if (status != FV_OK) {
            free(e->file.rows);
            free(e->path);
            free(e);
            return status;
        }
        e->next = entries;
        entries = e;
    }
    *file = &e->file;
    return FV_OK;
}

fv_status sequence_file_get(const char *path, const sequence_file **file, fv_error *error) {
    *file = NULL;
    pthread_mutex_lock(&lock);
    fv_status status = get(path, file, error);
    pthread_mutex_unlock(&lock);
    return status;
}
