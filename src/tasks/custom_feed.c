#include "tasks/custom.h"

#include <fovea/config.h>
#include <fovea/custom_task.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// A piece is at most so many tokens, and no more than 64 steps. Sequences depend on it.
enum { L = 16, DEPTH = 3, PIECE_TOKENS = 1 << 18, PIECE_STEPS = 64, DRAWN_AT_ONCE = 256 };

// --- the tasks that the process knows ------------------------------------------------------------

typedef struct known {
    fv_custom_task task;
    struct known *next;
    char name[FV_MAX_TEXT];
} known;

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
static known *all_known;

static known **find(const char *name, int version) {
    known **at = &all_known;
    while (*at != NULL && ((*at)->task.version != version || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

fv_status fv_custom_task_add(const fv_custom_task *task, fv_error *error) {
    size_t length = strlen(task->name);
    if (length == 0 || length >= FV_MAX_TEXT || task->version < 0)
        return fv_fail(
            error, FV_USAGE,
            "a task's name must have 1 to %d bytes and its version be 0 or more, not '%.100s' "
            "and %d",
            FV_MAX_TEXT - 1, task->name, task->version);
    pthread_mutex_lock(&known_lock);
    known **at = find(task->name, task->version);
    if (*at == NULL) *at = calloc(1, sizeof **at);
    known *entry = *at;
    if (entry != NULL) {
        memcpy(entry->name, task->name, length + 1);
        entry->task = *task;
        entry->task.name = entry->name;
    }
    pthread_mutex_unlock(&known_lock);
    return entry != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory");
}

void fv_custom_task_remove(const char *name, int version) {
    pthread_mutex_lock(&known_lock);
    known **at = find(name, version), *gone = *at;
    if (gone != NULL) *at = gone->next;
    pthread_mutex_unlock(&known_lock);
    free(gone);
}

static bool look_up(const fv_task_config *config, fv_custom_task *task) {
    pthread_mutex_lock(&known_lock);
    known *found = *find(config->custom.value, config->custom_version);
    if (found != NULL) *task = found->task;
    pthread_mutex_unlock(&known_lock);
    return found != NULL;
}

fv_status custom_check_known(const fv_task_config *config, fv_error *error) {
    fv_custom_task task;
    if (look_up(config, &task)) return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "the task %.200s (version %d) belongs to the program that defines it, such as a "
                   "fv.Task in Python; this one can show its runs and not train them",
                   config->custom.value, config->custom_version);
}

// --- calls -----------------------------------------------------------------------------------------

// What every call of one task has in common.
typedef struct source {
    fv_custom_task task;
    fv_custom_batch shape;
    int n_in, n_out; // words of a sequence, and of its targets
} source;

static fv_status source_init(source *s, const fv_task_config *config, uint64_t seed, int n_loss,
                             fv_error *error) {
    fv_status status = custom_check_known(config, error);
    if (status != FV_OK) return status;
    look_up(config, &s->task);
    s->shape = (fv_custom_batch){.seed = seed,
                                 .n_tokens = config->context_length,
                                 .n_targets = n_loss,
                                 .vocab_size = config->vocab_size,
                                 .n_inputs = config->inputs,
                                 .n_outputs = config->outputs};
    s->n_in = s->shape.n_tokens * (config->inputs > 0 ? config->inputs : 1);
    s->n_out = n_loss * (config->outputs > 0 ? config->outputs : 1);
    return FV_OK;
}

static fv_status check_numbers(const source *s, const int32_t *numbers, int n_numbers, int n,
                               int lowest, const char *what, fv_error *error) {
    for (size_t i = 0; i < (size_t)n * (size_t)n_numbers; i++)
        if (numbers[i] < lowest || numbers[i] >= s->shape.vocab_size)
            return fv_fail(error, FV_USAGE,
                           "task %.100s: %s %d of sequence %zu, position %zu, is outside 0 to %d "
                           "(task.vocab_size %d)%s",
                           s->task.name, what, numbers[i], i / (size_t)n_numbers,
                           i % (size_t)n_numbers, s->shape.vocab_size - 1, s->shape.vocab_size,
                           lowest < 0 ? "; -1 is no target" : "");
    return FV_OK;
}

static fv_status check_reals(const source *s, const int32_t *words, int n_words, int n,
                             const char *what, fv_error *error) {
    for (size_t i = 0; i < (size_t)n * (size_t)n_words; i++) {
        float value;
        memcpy(&value, &words[i], sizeof value);
        if (!isfinite(value))
            return fv_fail(error, FV_USAGE,
                           "task %.100s: number %zu of the %s of sequence %zu is %g; all must be "
                           "finite",
                           s->task.name, i % (size_t)n_words, what, i / (size_t)n_words,
                           (double)value);
    }
    return FV_OK;
}

static fv_status call(const source *s, int stream, uint64_t index, int n, int32_t *tokens,
                      int32_t *targets, fv_error *error) {
    fv_custom_batch batch = s->shape;
    batch.stream = stream;
    batch.index = index;
    batch.n = n;
    batch.tokens = tokens;
    batch.targets = targets;
    fv_status status = s->task.batch(s->task.context, &batch, error);
    if (status == FV_OK)
        status = s->shape.n_inputs > 0 ? check_reals(s, tokens, s->n_in, n, "inputs", error)
                                       : check_numbers(s, tokens, s->n_in, n, 0, "token", error);
    if (status == FV_OK)
        status = s->shape.n_outputs > 0
                     ? check_reals(s, targets, s->n_out, n, "targets", error)
                     : check_numbers(s, targets, s->n_out, n, -1, "target", error);
    return status;
}

// --- the thread that calls -------------------------------------------------------------------------

typedef struct piece {
    int32_t *lanes; // of each step [G][T][16] tokens, then [G][n_loss][16] targets
    int *n_targets; // [steps]
} piece;

struct custom_feed {
    source source;
    int batch_size, n_groups, steps; // of a piece
    int n_pieces;                    // of the whole run
    piece pieces[DEPTH];
    int32_t *tokens, *targets; // a piece as the task writes it
    int made, taken;           // pieces that are there, and that are no longer needed; by `lock`
    bool busy;                 // a piece is being made
    fv_error failure;
    int step, piece; // that was taken last; the trainer's
    custom_feed *next;
};

typedef struct request { // of a thread that waits for it
    const source *source;
    int stream, n;
    uint64_t index;
    int32_t *tokens, *targets;
    fv_status status;
    fv_error *error;
    bool done;
    struct request *next;
} request;

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER; // of the thread
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of what follows
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_t caller;
static int n_users;
static custom_feed *feeds;
static request *requests;

static size_t step_size(const custom_feed *f) {
    return (size_t)f->n_groups * L * (size_t)(f->source.n_in + f->source.n_out);
}

// One step's rows into lanes; what a batch lacks to whole groups are sequences without a target.
static int put_step(const custom_feed *f, const int32_t *tokens, const int32_t *targets,
                    int32_t *lanes) {
    int n_tokens = f->source.n_in, n_loss = f->source.n_out, n_targets = 0;
    int each = f->source.shape.n_outputs > 0 ? f->source.shape.n_outputs : 1;
    int32_t *behind = lanes + (size_t)f->n_groups * L * (size_t)n_tokens;
    for (int s = 0; s < f->n_groups * L; s++) {
        int32_t *token = lanes + (size_t)(s / L) * L * (size_t)n_tokens + s % L;
        int32_t *target = behind + (size_t)(s / L) * L * (size_t)n_loss + s % L;
        bool there = s < f->batch_size;
        for (int t = 0; t < n_tokens; t++)
            token[t * L] = there ? tokens[(size_t)s * (size_t)n_tokens + (size_t)t] : 0;
        for (int t = 0; t < n_loss; t++) {
            target[t * L] = there ? targets[(size_t)s * (size_t)n_loss + (size_t)t] : -1;
            n_targets +=
                t % each == 0 && (each > 1 || f->source.shape.n_outputs > 0 ? target[t * L] != -1
                                                                            : target[t * L] >= 0);
        }
    }
    return n_targets;
}

static fv_status make_piece(custom_feed *f, int index, fv_error *error) {
    int n = f->steps * f->batch_size;
    fv_status status = call(&f->source, 0, (uint64_t)index, n, f->tokens, f->targets, error);
    piece *p = &f->pieces[index % DEPTH];
    for (int i = 0; i < f->steps && status == FV_OK; i++) {
        size_t first = (size_t)i * (size_t)f->batch_size;
        p->n_targets[i] = put_step(f, f->tokens + first * (size_t)f->source.n_in,
                                   f->targets + first * (size_t)f->source.n_out,
                                   p->lanes + (size_t)i * step_size(f));
        if (p->n_targets[i] == 0)
            status = fv_fail(error, FV_USAGE,
                             "task %.100s: no sequence of step %d has a target; -1 is no target",
                             f->source.task.name, index * f->steps + i);
    }
    return status;
}

// The feed that has least in store.
static custom_feed *choose(void) {
    custom_feed *chosen = NULL;
    for (custom_feed *f = feeds; f != NULL; f = f->next) {
        bool wants = f->made < f->n_pieces && f->made - f->taken < DEPTH;
        if (!wants || f->failure.status != FV_OK) continue;
        if (chosen == NULL || f->made - f->taken < chosen->made - chosen->taken) chosen = f;
    }
    return chosen;
}

static void serve(request *r) {
    requests = r->next;
    pthread_mutex_unlock(&lock);
    r->status = call(r->source, r->stream, r->index, r->n, r->tokens, r->targets, r->error);
    pthread_mutex_lock(&lock);
    r->done = true;
}

static void feed_one(custom_feed *f) {
    fv_error error = {0};
    f->busy = true;
    int index = f->made;
    pthread_mutex_unlock(&lock);
    fv_status status = make_piece(f, index, &error);
    pthread_mutex_lock(&lock);
    f->busy = false;
    if (status == FV_OK) {
        f->made++;
    } else {
        f->failure = error;
        f->failure.status = status;
    }
}

static void *run_caller(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lock);
    while (n_users > 0) {
        custom_feed *f = choose();
        if (requests == NULL && f == NULL) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        if (requests != NULL)
            serve(requests);
        else
            feed_one(f);
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

// A process that was forked has none of these threads, and nobody that waits for them.
static void before_fork(void) {
    pthread_mutex_lock(&lock);
}
static void after_fork(void) {
    pthread_mutex_unlock(&lock);
}
static void begin_in_child(void) {
    n_users = 0;
    feeds = NULL;
    requests = NULL;
    pthread_mutex_init(&life, NULL);
    pthread_cond_init(&changed, NULL);
    pthread_mutex_unlock(&lock);
}
static void watch_forks(void) {
    pthread_atfork(before_fork, after_fork, begin_in_child);
}

static fv_status caller_start(fv_error *error) {
    static pthread_once_t watched = PTHREAD_ONCE_INIT;
    pthread_once(&watched, watch_forks);
    pthread_mutex_lock(&lock);
    bool is_caller = n_users > 0 && pthread_equal(pthread_self(), caller);
    pthread_mutex_unlock(&lock);
    if (is_caller)
        return fv_fail(error, FV_USAGE,
                       "the function that makes a task's sequences asks for those of a task of the "
                       "calling program: it would wait for itself");
    pthread_mutex_lock(&life);
    pthread_mutex_lock(&lock);
    bool first = n_users++ == 0;
    pthread_mutex_unlock(&lock);
    int problem = first ? pthread_create(&caller, NULL, run_caller, NULL) : 0;
    if (problem != 0) {
        pthread_mutex_lock(&lock);
        n_users--;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_unlock(&life);
    if (problem == 0) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "no thread can be started: %s", strerror(problem));
}

static void caller_stop(void) {
    pthread_mutex_lock(&life);
    pthread_mutex_lock(&lock);
    bool last = --n_users == 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (last) pthread_join(caller, NULL);
    pthread_mutex_unlock(&life);
}

// --- some sequences at once ------------------------------------------------------------------------

static fv_status ask(request *r) {
    fv_status status = caller_start(r->error);
    if (status != FV_OK) return status;
    pthread_mutex_lock(&lock);
    r->next = requests;
    requests = r;
    pthread_cond_broadcast(&changed);
    while (!r->done) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    caller_stop();
    return r->status;
}

// Of the pieces of DRAWN_AT_ONCE that make up a stream, those of the sequences asked for.
static fv_status draw_pieces(const source *s, random_stream stream, uint64_t first, int n,
                             int32_t *piece_tokens, int32_t *piece_targets, int32_t *rows,
                             fv_error *error) {
    size_t n_tokens = (size_t)s->n_in, n_loss = (size_t)s->n_out;
    fv_status status = FV_OK;
    for (int done = 0; done < n && status == FV_OK;) {
        uint64_t at = first + (uint64_t)done, index = at / DRAWN_AT_ONCE;
        request r = {.source = s,
                     .stream = stream == FV_STREAM_TEST,
                     .n = DRAWN_AT_ONCE,
                     .index = index,
                     .tokens = piece_tokens,
                     .targets = piece_targets,
                     .error = error};
        status = ask(&r);
        for (uint64_t i = at % DRAWN_AT_ONCE; i < DRAWN_AT_ONCE && done < n && status == FV_OK;
             i++) {
            memcpy(rows, piece_tokens + i * n_tokens, n_tokens * sizeof *rows);
            memcpy(rows + n_tokens, piece_targets + i * n_loss, n_loss * sizeof *rows);
            rows += n_tokens + n_loss;
            done++;
        }
    }
    return status;
}

fv_status custom_draw(const fv_task_config *config, uint64_t seed, random_stream stream, int n_loss,
                      uint64_t first, int n, int32_t *rows, fv_error *error) {
    source s;
    fv_status status = source_init(&s, config, seed, n_loss, error);
    if (status != FV_OK) return status;
    size_t n_tokens = (size_t)s.n_in;
    int32_t *tokens = malloc(DRAWN_AT_ONCE * n_tokens * sizeof *tokens);
    int32_t *targets = malloc(DRAWN_AT_ONCE * (size_t)s.n_out * sizeof *targets);
    if (tokens == NULL || targets == NULL)
        status =
            fv_fail(error, FV_NO_MEMORY, "out of memory for sequences of %zu tokens", n_tokens);
    else
        status = draw_pieces(&s, stream, first, n, tokens, targets, rows, error);
    free(tokens);
    free(targets);
    return status;
}

// --- feeds -----------------------------------------------------------------------------------------

static void free_memory(custom_feed *f) {
    for (int i = 0; i < DEPTH; i++) {
        free(f->pieces[i].lanes);
        free(f->pieces[i].n_targets);
    }
    free(f->tokens);
    free(f->targets);
    free(f);
}

static bool allocate(custom_feed *f) {
    size_t n = (size_t)f->steps * (size_t)f->batch_size;
    f->tokens = malloc(n * (size_t)f->source.n_in * sizeof *f->tokens);
    f->targets = malloc(n * (size_t)f->source.n_out * sizeof *f->targets);
    bool there = f->tokens != NULL && f->targets != NULL;
    for (int i = 0; i < DEPTH; i++) {
        piece *p = &f->pieces[i];
        p->lanes = malloc((size_t)f->steps * step_size(f) * sizeof *p->lanes);
        p->n_targets = malloc((size_t)f->steps * sizeof *p->n_targets);
        there = there && p->lanes != NULL && p->n_targets != NULL;
    }
    return there;
}

fv_status custom_feed_create(const fv_task_config *config, uint64_t seed, int n_loss,
                             int batch_size, int n_steps, custom_feed **out, fv_error *error) {
    custom_feed *f = calloc(1, sizeof *f);
    if (f == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a task's sequences");
    fv_status status = source_init(&f->source, config, seed, n_loss, error);
    long most = status == FV_OK ? PIECE_TOKENS / ((long)batch_size * f->source.n_in) : 1;
    f->steps = most < 1 ? 1 : most < PIECE_STEPS ? (int)most : PIECE_STEPS;
    f->batch_size = batch_size;
    f->n_groups = (batch_size + L - 1) / L;
    f->n_pieces = (n_steps + f->steps - 1) / f->steps;
    f->piece = -1;
    if (status == FV_OK && !allocate(f))
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for %d steps of a task's sequences",
                         f->steps);
    if (status == FV_OK) status = caller_start(error);
    if (status != FV_OK) {
        free_memory(f);
        return status;
    }
    pthread_mutex_lock(&lock);
    f->next = feeds;
    feeds = f;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    *out = f;
    return FV_OK;
}

void custom_feed_free(custom_feed *f) {
    if (f == NULL) return;
    pthread_mutex_lock(&lock);
    custom_feed **at = &feeds;
    while (*at != f) at = &(*at)->next;
    *at = f->next;
    while (f->busy) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    caller_stop();
    free_memory(f);
}

fv_status custom_feed_take(custom_feed *f, int step, fv_error *error) {
    int index = step / f->steps;
    f->step = step;
    if (index == f->piece) return FV_OK;
    pthread_mutex_lock(&lock);
    f->taken = index;
    pthread_cond_broadcast(&changed);
    while (f->made <= index && f->failure.status == FV_OK) pthread_cond_wait(&changed, &lock);
    bool there = f->made > index;
    if (!there && error != NULL) *error = f->failure;
    fv_status status = there ? FV_OK : f->failure.status;
    pthread_mutex_unlock(&lock);
    if (there) f->piece = index;
    return status;
}

static const int32_t *step_lanes(const custom_feed *f) {
    return f->pieces[f->piece % DEPTH].lanes + (size_t)(f->step % f->steps) * step_size(f);
}

void custom_feed_copy(const custom_feed *f, int first_group, int n_groups, int32_t *tokens,
                      int32_t *targets) {
    size_t n_tokens = (size_t)f->source.n_in * L;
    size_t n_loss = (size_t)f->source.n_out * L;
    const int32_t *lanes = step_lanes(f), *behind = lanes + (size_t)f->n_groups * n_tokens;
    memcpy(tokens, lanes + (size_t)first_group * n_tokens,
           (size_t)n_groups * n_tokens * sizeof *tokens);
    memcpy(targets, behind + (size_t)first_group * n_loss,
           (size_t)n_groups * n_loss * sizeof *targets);
}

int custom_feed_targets(const custom_feed *f) {
    return f->pieces[f->piece % DEPTH].n_targets[f->step % f->steps];
}
