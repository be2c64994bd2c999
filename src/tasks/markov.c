// A Markov chain: the next token depends on the task.markov_order ones before it, by a matrix P with a
// row for every choice of these.
//
//   x1 x2 ... xT -> x2 x3 ... x(T+1)      P(x(t+1) | x(t-m+1) ... x(t))
//
// task.transitions says what the matrix is: `uniform`, numbers uniform on (0, 1), rows then normalised;
// `circle`, a walk on a circle that hops back, on, or stays; `low_rank`, softmax(A B / sqrt(R)) with
// standard normal A [states, R] and B [R, V]; `zipf`, rank r of a permutation of each row's own has weight
// (r + 1)^-alpha; `file`, the array transitions [V^m, V] at task.path. What is drawn of it is drawn from
// task.rule_seed: all seeds of a sweep learn one matrix. Sequences start from the stationary distribution,
// so that every position is like the next.
//
// Bayes-optimal loss: the conditional entropy, of the next token given the m before it, under the stationary
// distribution; at positions that have seen fewer tokens, given these.
#include "tasks/array_file.h"
#include "tasks/markov_matrix.h"
#include "tasks/next_token.h"

#include <fovea/config.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

// Rows are drawn from task.rule_seed, each from a stream of its own. The stationary distribution is what
// a lazy walk, which stays with probability 1/2, comes to from the uniform one: that forgets where it
// began where the chain itself goes round in circles. Where a chain falls apart it is one of several.

// Matrices that nobody holds are kept while all of them have no more numbers than this.
enum { KEPT_NUMBERS = 1 << 23, MOST_WALKS = 20000 };

typedef struct key {
    int n_symbols, order, transitions, rank, rule_seed;
    double hop_back, hop_on, alpha;
    char digest[17];
} key;

typedef struct entry {
    markov_matrix matrix; // first: a matrix is its entry
    key key;
    int users;
    struct entry *next;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry *entries;

int markov_symbols(const fv_task_config *config) {
    return config->vocab_size - config->bos;
}

static key key_of(const fv_task_config *c) {
    key k;
    memset(&k, 0, sizeof k); // compared byte by byte
    k.n_symbols = markov_symbols(c);
    k.order = c->markov_order;
    k.transitions = c->transitions;
    k.rule_seed = c->rule_seed;
    if (c->transitions == FV_TRANSITIONS_LOW_RANK) k.rank = c->matrix_rank;
    if (c->transitions == FV_TRANSITIONS_ZIPF) k.alpha = c->zipf_alpha;
    if (c->transitions == FV_TRANSITIONS_CIRCLE) {
        k.hop_back = c->hop_back;
        k.hop_on = c->hop_on;
    }
    if (c->transitions == FV_TRANSITIONS_FILE)
        snprintf(k.digest, sizeof k.digest, "%.16s", c->digest.value);
    return k;
}

static size_t n_states_of(const key *k) {
    size_t n = 1;
    for (int i = 0; i < k->order; i++) n *= (size_t)k->n_symbols;
    return n;
}

// --- rows --------------------------------------------------------------------------------------------

static void source(const key *k, random_source *random, uint32_t row, uint32_t what) {
    random_init(random, (uint64_t)k->rule_seed, FV_STREAM_RULE, row, what);
}

static void fill_uniform(const key *k, size_t state, double *row) {
    random_source random;
    source(k, &random, (uint32_t)state, 0);
    for (int j = 0; j < k->n_symbols; j++) row[j] = random_uniform(&random);
}

static void fill_circle(const key *k, size_t state, double *row) {
    int n = k->n_symbols, at = (int)(state % (size_t)n);
    memset(row, 0, (size_t)n * sizeof *row);
    row[(at + n - 1) % n] += k->hop_back;
    row[(at + 1) % n] += k->hop_on;
    row[at] += 1 - k->hop_back - k->hop_on;
}

// softmax(A B / sqrt R); column j of B is a source of its own.
static void fill_low_rank(const key *k, size_t state, double *row) {
    random_source random;
    double a[1024], largest = -INFINITY;
    source(k, &random, (uint32_t)state, 0);
    for (int r = 0; r < k->rank; r++) a[r] = random_normal(&random) / sqrt(k->rank);
    for (int j = 0; j < k->n_symbols; j++) {
        source(k, &random, (uint32_t)j, 1);
        row[j] = 0;
        for (int r = 0; r < k->rank; r++) row[j] += a[r] * random_normal(&random);
        largest = fmax(largest, row[j]);
    }
    for (int j = 0; j < k->n_symbols; j++) row[j] = exp(row[j] - largest);
}

static void fill_zipf(const key *k, size_t state, double *row) {
    random_source random;
    int32_t order[FV_MOST_DISTINCT];
    source(k, &random, (uint32_t)state, 0);
    draw_distinct(&random, k->n_symbols, k->n_symbols, order, 1);
    for (int j = 0; j < k->n_symbols; j++) row[order[j]] = pow(j + 1, -k->alpha);
}

static void normalise(double *row, int n) {
    double sum = 0;
    for (int j = 0; j < n; j++) sum += row[j];
    for (int j = 0; j < n; j++) row[j] /= sum;
}

// --- a matrix in a file --------------------------------------------------------------------------------

static fv_status read_file(const fv_task_config *config, array_read *a, char digest[17],
                           fv_error *error) {
    struct stat info;
    const char *path = config->path.value;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    *a = (array_read){.name = "transitions"};
    fv_status status = arrays_read(path, folder, a, 1, error);
    if (status != FV_OK) return status;
    if (!a->there || !a->real || a->n_dims != 2)
        return fv_fail(
            error, FV_FORMAT,
            "%s: needs the array transitions [V^order, V] of reals, a row for every state", path);
    size_t bytes = (size_t)array_width(a, 0) * sizeof *a->words;
    uint64_t hash = XXH3_64bits_withSeed(a->words, bytes, XXH3_64bits(a->shape, sizeof a->shape));
    snprintf(digest, 17, "%016" PRIx64, hash);
    return FV_OK;
}

static fv_status check_file(const fv_task_config *config, const key *k, const array_read *a,
                            const char *digest, fv_error *error) {
    const char *path = config->path.value;
    if (strcmp(digest, k->digest) != 0)
        return fv_fail(error, FV_USAGE,
                       "%s holds another matrix (digest %s) than is asked for (task.digest %s)",
                       path, digest, k->digest);
    if (a->shape[0] != n_states_of(k) || a->shape[1] != (uint64_t)k->n_symbols)
        return fv_fail(error, FV_USAGE,
                       "%s: transitions is [%" PRIu64 ", %" PRIu64
                       "]; task.markov_order %d of %d tokens needs [%zu, %d]",
                       path, a->shape[0], a->shape[1], k->order, k->n_symbols, n_states_of(k),
                       k->n_symbols);
    for (size_t i = 0; i < a->shape[0]; i++) {
        double sum = 0, lowest = 0;
        for (int j = 0; j < k->n_symbols; j++) {
            float p;
            memcpy(&p, &a->words[i * (size_t)k->n_symbols + (size_t)j], sizeof p);
            sum += (double)p;
            if (!(p >= 0)) lowest = -1;
        }
        if (lowest < 0 || !(fabs(sum - 1) <= 1e-3))
            return fv_fail(error, FV_USAGE,
                           "%s: row %zu of transitions is no distribution (its sum is %g); rows "
                           "hold numbers from 0 that add up to 1",
                           path, i, sum);
    }
    return FV_OK;
}

static fv_status fill_from_file(const fv_task_config *config, const key *k, double *shares,
                                fv_error *error) {
    array_read a;
    char digest[17];
    fv_status status = read_file(config, &a, digest, error);
    if (status == FV_OK) status = check_file(config, k, &a, digest, error);
    for (size_t i = 0; status == FV_OK && i < n_states_of(k) * (size_t)k->n_symbols; i++) {
        float p;
        memcpy(&p, &a.words[i], sizeof p);
        shares[i] = (double)p;
    }
    free(a.words);
    return status;
}

fv_status markov_settle(fv_config *whole, fv_error *error) {
    fv_task_config *config = &whole->task;
    bool reads = config->name == FV_TASK_MARKOV && config->transitions == FV_TRANSITIONS_FILE;
    if (!reads || config->path.value[0] == '\0') return FV_OK;
    array_read a;
    char digest[17] = "";
    fv_status status = read_file(config, &a, digest, error);
    if (status == FV_OK && config->digest.value[0] == '\0')
        snprintf(config->digest.value, sizeof config->digest.value, "%s", digest);
    key k = key_of(config);
    if (status == FV_OK) status = check_file(config, &k, &a, digest, error);
    free(a.words);
    return status;
}

// --- what follows from it ------------------------------------------------------------------------------

// One step of the lazy walk from p to q; how far they are apart.
static double walk(const markov_matrix *m, const double *shares, const double *p, double *q) {
    size_t V = (size_t)m->n_symbols, rest = m->n_states / V;
    for (size_t s = 0; s < m->n_states; s++) q[s] = p[s] / 2;
    for (size_t s = 0; s < m->n_states; s++) {
        const double *row = shares + s * V;
        double half = p[s] / 2;
        for (size_t j = 0; j < V && half > 0; j++) q[s % rest * V + j] += half * row[j];
    }
    double moved = 0;
    for (size_t s = 0; s < m->n_states; s++) moved += fabs(q[s] - p[s]);
    return moved;
}

static double entropy_of(const double *p, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] > 0) sum -= p[i] * log(p[i]);
    return sum;
}

// The joint entropies of the first k symbols of a state give those of the next one given fewer than
// `order`; p is overwritten by its own marginals.
static void find_entropies(markov_matrix *m, const double *shares, double *p) {
    size_t V = (size_t)m->n_symbols;
    double joint[MARKOV_MOST_ORDER + 1] = {0};
    m->entropy[m->order] = 0;
    for (size_t s = 0; s < m->n_states; s++)
        m->entropy[m->order] += p[s] * entropy_of(shares + s * V, V);
    size_t n = m->n_states;
    for (int k = m->order; k >= 1; k--) {
        joint[k] = entropy_of(p, n);
        n /= V;
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < V; j++) sum += p[i * V + j];
            p[i] = sum;
        }
    }
    for (int k = 0; k < m->order; k++) m->entropy[k] = joint[k + 1] - joint[k];
}

static void accumulate(double *p, size_t n) {
    for (size_t i = 1; i < n; i++) p[i] += p[i - 1];
}

static fv_status find_rest(markov_matrix *m, fv_error *error) {
    double *p = malloc(m->n_states * sizeof *p), *q = malloc(m->n_states * sizeof *q);
    if (p != NULL && q != NULL) {
        for (size_t s = 0; s < m->n_states; s++) p[s] = 1 / (double)m->n_states;
        for (int i = 0; i < MOST_WALKS && walk(m, m->cumulative, p, q) > 1e-13; i++) {
            double *other = p;
            p = q;
            q = other;
        }
        memcpy(m->start, p, m->n_states * sizeof *p);
        find_entropies(m, m->cumulative, p);
        accumulate(m->start, m->n_states);
        for (size_t s = 0; s < m->n_states; s++)
            accumulate(m->cumulative + s * (size_t)m->n_symbols, (size_t)m->n_symbols);
    }
    bool there = p != NULL && q != NULL;
    free(p);
    free(q);
    return there ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory for a transition matrix");
}

// --- all of them -----------------------------------------------------------------------------------------

static void entry_free(entry *e) {
    if (e == NULL) return;
    free(e->matrix.cumulative);
    free(e->matrix.start);
    free(e);
}

static fv_status make(const fv_task_config *config, const key *k, entry **out, fv_error *error) {
    entry *e = *out = calloc(1, sizeof *e);
    if (e == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a transition matrix");
    e->key = *k;
    markov_matrix *m = &e->matrix;
    m->n_symbols = k->n_symbols;
    m->order = k->order;
    m->n_states = n_states_of(k);
    size_t V = (size_t)m->n_symbols;
    m->cumulative = malloc(m->n_states * V * sizeof *m->cumulative);
    m->start = malloc(m->n_states * sizeof *m->start);
    if (m->cumulative == NULL || m->start == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a transition matrix");
    static void (*const fills[])(const key *, size_t, double *) = {
        [FV_TRANSITIONS_UNIFORM] = fill_uniform,
        [FV_TRANSITIONS_CIRCLE] = fill_circle,
        [FV_TRANSITIONS_LOW_RANK] = fill_low_rank,
        [FV_TRANSITIONS_ZIPF] = fill_zipf,
        [FV_TRANSITIONS_FILE] = NULL,
    };
    fv_status status = FV_OK;
    if (k->transitions == FV_TRANSITIONS_FILE)
        status = fill_from_file(config, k, m->cumulative, error);
    for (size_t s = 0; s < m->n_states && status == FV_OK; s++) {
        if (fills[k->transitions] != NULL) fills[k->transitions](k, s, m->cumulative + s * V);
        normalise(m->cumulative + s * V, m->n_symbols);
    }
    return status == FV_OK ? find_rest(m, error) : status;
}

// Those that nobody holds, the oldest first, while there is too much.
static void tidy(void) {
    size_t total = 0;
    for (entry **at = &entries; *at != NULL;) {
        entry *e = *at;
        total += e->matrix.n_states * (size_t)e->matrix.n_symbols;
        if (e->users > 0 || total <= KEPT_NUMBERS) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        entry_free(e);
    }
}

static fv_status take(const fv_task_config *config, entry **out, fv_error *error) {
    key k = key_of(config);
    for (entry *e = entries; e != NULL; e = e->next)
        if (memcmp(&e->key, &k, sizeof k) == 0) {
            *out = e;
            return FV_OK;
        }
    fv_status status = make(config, &k, out, error);
    if (status != FV_OK) {
        entry_free(*out);
        *out = NULL;
        return status;
    }
    (*out)->next = entries;
    entries = *out;
    return FV_OK;
}

fv_status markov_matrix_take(const fv_task_config *config, const markov_matrix **matrix,
                             fv_error *error) {
    entry *e = NULL;
    pthread_mutex_lock(&lock);
    fv_status status = take(config, &e, error);
    if (status == FV_OK) e->users++;
    tidy();
    pthread_mutex_unlock(&lock);
    *matrix = e != NULL ? &e->matrix : NULL;
    return status;
}

void markov_matrix_release(const markov_matrix *matrix) {
    if (matrix == NULL) return;
    pthread_mutex_lock(&lock);
    for (entry *e = entries; e != NULL; e = e->next)
        if (&e->matrix == matrix) e->users--;
    tidy();
    pthread_mutex_unlock(&lock);
}

size_t markov_draw(const double *cumulative, size_t n, double u) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cumulative[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static fv_status own_create(const fv_task_config *config, const void **own, fv_error *error) {
    const markov_matrix *matrix;
    fv_status status = markov_matrix_take(config, &matrix, error);
    *own = matrix;
    return status;
}

static void own_free(const void *own) {
    markov_matrix_release(own);
}

static void fill(const task_fill *fill) {
    const markov_matrix *m = fill->own;
    size_t V = (size_t)m->n_symbols, rest = m->n_states / V;
    size_t state = markov_draw(m->start, m->n_states, random_uniform(fill->random));
    int n = next_token_drawn(fill->config);
    size_t digit = rest; // of the oldest symbol
    for (int i = 0; i < m->order && i < n; i++, digit /= V)
        next_token_put(fill, i, (int32_t)(state / digit % V));
    for (int i = m->order; i < n; i++) {
        size_t next = markov_draw(m->cumulative + state * V, V, random_uniform(fill->random));
        next_token_put(fill, i, (int32_t)next);
        state = state % rest * V + next;
    }
}

static double loss_after(const fv_task_config *config, const void *context, int seen) {
    const markov_matrix *m = context;
    (void)config;
    return m->entropy[seen < m->order ? seen : m->order];
}

static double bayes_loss(const fv_task_config *config) {
    const markov_matrix *m;
    if (markov_matrix_take(config, &m, NULL) != FV_OK) return NAN;
    double loss = next_token_loss(config, loss_after, m);
    markov_matrix_release(m);
    return loss;
}

static fv_status check_path(const config_checking *c) {
    const fv_task_config *task = &c->config->task;
    if (task->path.value[0] == '\0')
        return check_refuse(c, "task.path",
                            "task.transitions file needs task.path, a safetensors file or a folder "
                            "with transitions.npy");
    if (task->digest.value[0] != '\0') return FV_OK;
    return check_refuse(c, "task.path",
                        "task.path %.100s has not been read; an experiment reads it",
                        task->path.value);
}

static fv_status check(const config_checking *c, int i) {
    (void)i;
    const fv_task_config *task = &c->config->task;
    double numbers = pow(markov_symbols(task), task->markov_order + 1);
    if (markov_symbols(task) < 2)
        return check_refuse(c, "task.vocab_size",
                            "task.vocab_size %d with task.bos leaves one token; it needs 3 or more",
                            task->vocab_size);
    if (numbers > MARKOV_MOST_NUMBERS)
        return check_refuse(
            c, "task.markov_order",
            "task.markov_order %d of %d tokens has a matrix of %.3g numbers; it can "
            "have %d",
            task->markov_order, markov_symbols(task), numbers, MARKOV_MOST_NUMBERS);
    if (task->hop_back + task->hop_on > 1)
        return check_refuse(c, "task.hop_on",
                            "task.hop_back %g and task.hop_on %g add up to more than 1",
                            task->hop_back, task->hop_on);
    return task->transitions == FV_TRANSITIONS_FILE ? check_path(c) : FV_OK;
}

const task_type task_markov = {
    .part = {.help = "the next token of a Markov chain, of a matrix that task.transitions names",
             .example = "task: {name: markov, transitions: low_rank, matrix_rank: 4, vocab_size: "
                        "32, context_length: 8, loss: all}",
             .reads = {FV_READS(task.markov_order), FV_READS(task.transitions),
                       FV_READS(task.hop_back), FV_READS(task.hop_on), FV_READS(task.matrix_rank),
                       FV_READS(task.rule_seed), FV_READS(task.loss), FV_READS(task.bos),
                       FV_READS(task.path), FV_READS(task.digest)},
             .rules = {{"task.hop_back", {{"task.transitions", 1 << FV_TRANSITIONS_CIRCLE}}},
                       {"task.hop_on", {{"task.transitions", 1 << FV_TRANSITIONS_CIRCLE}}},
                       {"task.matrix_rank", {{"task.transitions", 1 << FV_TRANSITIONS_LOW_RANK}}},
                       {"task.path",
                        {{"task.transitions", 1 << FV_TRANSITIONS_FILE},
                         {"task.name", (uint64_t)1 << FV_TASK_FILE}}},
                       {"task.digest",
                        {{"task.transitions", 1 << FV_TRANSITIONS_FILE},
                         {"task.name", (uint64_t)1 << FV_TASK_FILE}}}},
             .check = check},
    .own_create = own_create,
    .own_free = own_free,
    .loss_positions = next_token_positions,
    .fill = fill,
    .distance = next_token_distance,
    .bayes_loss = bayes_loss,
};
