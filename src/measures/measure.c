// Evaluates measures with SQLite in memory. One connection with Fovea's functions and the last
// statements lives behind a mutex for the life of the process: a heat map asks for the same measure
// of thousands of records, and preparing would cost more than everything else together.
#include "measures/measure.h"

#include "base/text.h"
#include "config/record_config.h"
#include "config/synonym_lookup.h"

#include <fovea/config.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_CACHED = 64 };
static const char pointer_type[] = "fv_series";

typedef struct prepared {
    char *expression; // NULL: empty place
    measure_text text;
    sqlite3_stmt *statement;
    uint64_t used; // when, by the engine's clock
} prepared;

static struct engine {
    pthread_mutex_t mutex;
    sqlite3 *db;
    const fv_record *record; // being measured
    bool lost;               // a function spoke of what the run's divergence has put an end to
    uint64_t clock;
    prepared cache[N_CACHED];
} engine = {.mutex = PTHREAD_MUTEX_INITIALIZER};

// Reads the arguments into `call`. Returns false where the result is decided: an error, or NULL in
// and so NULL out.
static bool take_arguments(sqlite3_context *context, const measure_function *function, int n,
                           sqlite3_value **values, measure_call *call) {
    const char *type = function->arguments;
    int n_series = 0;
    for (int i = 0; i < n; i++, type++) {
        if (*type == '|') type++;
        if (*type == 's') {
            call->series[n_series] = sqlite3_value_pointer(values[i], pointer_type);
            if (call->series[n_series++] == NULL) {
                call->problem = "its argument must be a series";
                return true;
            }
        } else if (sqlite3_value_type(values[i]) == SQLITE_NULL) {
            sqlite3_result_null(context);
            return false;
        } else if (*type == 't' || *type == 'l') {
            call->text = (const char *)sqlite3_value_text(values[i]);
        } else {
            call->numbers[call->n_numbers++] = sqlite3_value_double(values[i]);
        }
    }
    return true;
}

// The last step that the call speaks of; infinite where that is the end of the run.
static double reach_of(const measure_function *function, const measure_call *call) {
    double last = -INFINITY;
    if (function->reach < FV_REACH_STEPS_0) return INFINITY;
    for (int i = function->reach - FV_REACH_STEPS_0; i < call->n_numbers; i++)
        last = fmax(last, call->numbers[i]);
    return isinf(last) ? INFINITY : last;
}

// Whether the function would speak of what a run no longer was when it diverged.
static bool is_lost(const measure_function *function, const measure_call *call, double result) {
    int diverged_at = fv_record_diverged_at(call->record);
    if (diverged_at < 0 || function->reach == FV_REACH_NONE) return false;
    if (isnan(result)) return true;
    return function->reach != FV_REACH_FOUND && reach_of(function, call) >= diverged_at;
}

static void evaluate(sqlite3_context *context, int n, sqlite3_value **values) {
    const measure_function *function = sqlite3_user_data(context);
    measure_call call = {.record = engine.record};
    if (!take_arguments(context, function, n, values, &call)) return;
    double result = call.problem == NULL ? function->evaluate(&call) : NAN;
    if (call.problem != NULL) {
        char message[128];
        snprintf(message, sizeof message, "%s: %s", function->name, call.problem);
        sqlite3_result_error(context, message, -1);
    } else if (isnan(result) || is_lost(function, &call, result)) {
        engine.lost |= is_lost(function, &call, result);
        sqlite3_result_null(context);
    } else {
        sqlite3_result_double(context, result);
    }
}

// The parser lets no table through; this is the second wall.
static int authorize(void *context, int action, const char *a, const char *b, const char *c,
                     const char *d) {
    (void)context, (void)a, (void)c, (void)d;
    if (action == SQLITE_SELECT) return SQLITE_OK;
    if (action == SQLITE_FUNCTION && measure_function_find(b, strlen(b))) return SQLITE_OK;
    return SQLITE_DENY;
}

static int give_up(void *context) {
    (void)context;
    return 1;
}

static void set_limits(sqlite3 *db) {
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 100000);
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, sizeof((measure_text *)0)->sql);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 200);
    sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 16);
    sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, FV_MEASURE_MAX_NAMES);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_progress_handler(db, 100000, give_up, NULL);
    sqlite3_set_authorizer(db, authorize, NULL);
}

static fv_status open_engine(fv_error *error) {
    if (engine.db != NULL) return FV_OK;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    int n;
    const measure_function *functions = measure_functions(&n);
    for (int i = 0; i < n && rc == SQLITE_OK; i++)
        if (functions[i].evaluate != NULL)
            rc = sqlite3_create_function_v2(db, functions[i].name, -1, SQLITE_UTF8,
                                            (void *)(uintptr_t)&functions[i], evaluate, NULL, NULL,
                                            NULL);
    if (rc != SQLITE_OK) {
        sqlite3_close(db);
        return fv_fail(error, rc == SQLITE_NOMEM ? FV_NO_MEMORY : FV_STORE,
                       "SQLite cannot evaluate measures: %s", sqlite3_errstr(rc));
    }
    set_limits(db);
    engine.db = db;
    return FV_OK;
}

static void forget(prepared *p) {
    sqlite3_finalize(p->statement);
    free(p->expression);
    p->statement = NULL;
    p->expression = NULL;
}

// Fills the place; leaves it empty on failure.
static fv_status prepare(prepared *p, const char *expression, fv_error *error) {
    fv_status status = measure_parse(expression, &p->text, error);
    if (status != FV_OK) return status;
    int rc = sqlite3_prepare_v3(engine.db, p->text.sql, -1, SQLITE_PREPARE_PERSISTENT,
                                &p->statement, NULL);
    if (rc == SQLITE_NOMEM) return fv_fail(error, FV_NO_MEMORY, "no memory for a measure");
    if (rc != SQLITE_OK)
        return fv_fail(error, FV_USAGE, "measure '%s' is no expression: %s", expression,
                       sqlite3_errmsg(engine.db));
    p->expression = text_copy(expression);
    if (p->expression != NULL) return FV_OK;
    forget(p);
    return fv_fail(error, FV_NO_MEMORY, "no memory for a measure");
}

static fv_status find_prepared(const char *expression, prepared **found, fv_error *error) {
    prepared *oldest = &engine.cache[0];
    for (prepared *p = engine.cache; p < engine.cache + N_CACHED; p++) {
        if (p->expression != NULL && strcmp(p->expression, expression) == 0) {
            p->used = ++engine.clock;
            *found = p;
            return FV_OK;
        }
        if (p->used < oldest->used) oldest = p;
    }
    forget(oldest);
    oldest->used = ++engine.clock;
    *found = oldest;
    return prepare(oldest, expression, error);
}

// "effective_rank.W_Q" in "effective_rank.blocks.0.attn.W_Q": every part, in order.
static bool contains_parts(const char *name, const char *wanted) {
    while (*wanted != '\0') {
        size_t n = strcspn(wanted, ".");
        while (*name != '\0' && !(strcspn(name, ".") == n && strncmp(name, wanted, n) == 0)) {
            name += strcspn(name, ".");
            if (*name == '.') name++;
        }
        if (*name == '\0') return false;
        name += n;
        if (*name == '.') name++;
        wanted += n;
        if (*wanted == '.') wanted++;
    }
    return true;
}

const fv_series *series_called(const fv_record *record, const char *name) {
    const fv_series *found = fv_record_find(record, name);
    if (found != NULL) return found;
    for (int i = 0; i < record->n_series; i++) {
        if (!contains_parts(record->series[i].name, name)) continue;
        if (found != NULL) return NULL;
        found = &record->series[i];
    }
    return found;
}

static fv_status no_such_series(const fv_record *record, const char *name, fv_error *error) {
    text_buffer list = {0};
    for (int i = 0; i < record->n_series; i++)
        text_add(&list, "%s%s", i > 0 ? ", " : "", record->series[i].name);
    fv_status status =
        fv_fail(error, FV_USAGE, "no single series of the run is called '%s'; it has %s", name,
                list.data ? list.data : "none");
    text_free(&list);
    return status;
}

static int bind_field(sqlite3_stmt *statement, int i, const fv_field *field,
                      const fv_config *config) {
    char value[FV_VALUE_SIZE];
    if (field->type == FV_TYPE_INT || field->type == FV_TYPE_REAL || field->type == FV_TYPE_BOOL)
        return sqlite3_bind_double(statement, i, fv_config_number(config, field));
    fv_config_get(config, field, value, sizeof value);
    return sqlite3_bind_text(statement, i, value, -1, SQLITE_TRANSIENT);
}

static fv_status bind_names(const prepared *p, const fv_record *record, fv_error *error) {
    for (int i = 0; i < p->text.n_names; i++) {
        const measure_name *name = &p->text.names[i];
        int rc;
        if ((name->field != NULL || name->quantity != NULL) &&
            record_check_configs(&record, 1, error) != FV_OK)
            return FV_USAGE;
        if (name->field != NULL) {
            rc = bind_field(p->statement, i + 1, name->field, record->config);
        } else if (name->quantity != NULL) {
            double value = name->quantity->value(record);
            rc = isnan(value) ? sqlite3_bind_null(p->statement, i + 1)
                              : sqlite3_bind_double(p->statement, i + 1, value);
        } else {
            static const fv_series nothing; // what a run that diverged at once has left
            const fv_series *series = series_called(record, name->text);
            if (series == NULL && record->outcome == FV_OUTCOME_DIVERGED) series = &nothing;
            if (series == NULL) return no_such_series(record, name->text, error);
            rc = sqlite3_bind_pointer(p->statement, i + 1, (void *)(uintptr_t)series, pointer_type,
                                      NULL);
        }
        if (rc != SQLITE_OK) return fv_fail(error, FV_NO_MEMORY, "no memory for a measure");
    }
    return FV_OK;
}

static fv_status read_result(const prepared *p, double *value, fv_error *error) {
    int rc = sqlite3_step(p->statement);
    if (rc != SQLITE_ROW)
        return fv_fail(error, rc == SQLITE_NOMEM ? FV_NO_MEMORY : FV_USAGE, "measure '%s': %s",
                       p->expression, sqlite3_errmsg(engine.db));
    switch (sqlite3_column_type(p->statement, 0)) {
    case SQLITE_NULL:
        *value = NAN;
        return FV_OK;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT:
        *value = sqlite3_column_double(p->statement, 0);
        return FV_OK;
    default:
        return fv_fail(error, FV_USAGE, "measure '%s' is a text; it must be a number",
                       p->expression);
    }
}

fv_status fv_measure(const char *expression, const fv_record *record, double *value,
                     fv_error *error) {
    prepared *p = NULL;
    pthread_mutex_lock(&engine.mutex);
    fv_status status = open_engine(error);
    if (status == FV_OK) status = find_prepared(expression, &p, error);
    if (status == FV_OK) status = bind_names(p, record, error);
    if (status == FV_OK) {
        engine.record = record;
        engine.lost = false;
        // What may be spent on one evaluation SQLite counts over all of a statement's.
        sqlite3_stmt_status(p->statement, SQLITE_STMTSTATUS_VM_STEP, 1);
        status = read_result(p, value, error);
        if (engine.lost) *value = NAN; // whatever coalesce and the like made of it
        engine.record = NULL;
        sqlite3_reset(p->statement);
    }
    if (p != NULL && p->statement != NULL) sqlite3_clear_bindings(p->statement);
    pthread_mutex_unlock(&engine.mutex);
    return status;
}

bool measure_is_step(const char *expression) {
    static const char *const names[] = {"first_below", "first_above", "emergence",
                                        "emergence_below"};
    measure_text parsed;
    if (measure_parse(expression, &parsed, NULL) != FV_OK) return false;
    const measure_quantity *quantity = measure_quantity_find(expression);
    if (quantity != NULL) return quantity->is_step;
    if (parsed.whole == NULL) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], parsed.whole->name) == 0) return true;
    return false;
}

const char *const *measure_logged(void) {
    static const char *const names[] = {
        "loss",          "perplexity",    "accuracy", "test_loss", "test_perplexity",
        "test_accuracy", "learning_rate", NULL};
    return names;
}

static bool is_training_series(const char *name) {
    for (const char *const *logged = measure_logged(); *logged != NULL; logged++)
        if (strcmp(*logged, name) == 0) return true;
    return false;
}

static bool is_measured(const char *name, const fv_probe *const *probes, int n_probes) {
    if (is_training_series(name)) return true;
    size_t length = strcspn(name, ".[");
    for (int i = 0; i < n_probes; i++)
        if (strlen(probes[i]->name) == length && strncmp(probes[i]->name, name, length) == 0)
            return true;
    return false;
}

// What other libraries call a metric is a metric; NULL.
static const char *metric_meant(const char *name, char held_out[64]) {
    const char *metric = synonym_of("train.stop_metric", name);
    snprintf(held_out, 64, "test%.50s", strchr(name, '_') ? strchr(name, '_') : "");
    bool validates = strncmp(name, "val", 3) == 0 || strncmp(name, "eval", 4) == 0;
    return metric == NULL && validates && is_training_series(held_out) ? held_out : metric;
}

void measure_hint_series(const char *name, char hint[MEASURE_HINT]) {
    char held_out[64], plain[64];
    text_plain(name, plain, sizeof plain);
    const char *metric = metric_meant(name, held_out), *probe = fv_probe_nearest(name);
    const char *near = text_nearest(name, measure_logged());
    int to_metric = text_distance(plain, near), to_probe = text_distance(plain, probe);
    int most = (int)strlen(plain) / 2;
    bool known = synonym_of("probe", name) != NULL;
    if (metric == NULL && !known && to_metric <= to_probe && to_metric <= most) metric = near;
    if (metric != NULL)
        snprintf(hint, MEASURE_HINT, "; the nearest metric is %s", metric);
    else if (known || to_probe <= most || strstr(probe, plain) != NULL)
        snprintf(hint, MEASURE_HINT, "; the nearest probe is %s", probe);
    else
        snprintf(hint, MEASURE_HINT, "; 'fovea help probes' lists the probes");
}

static fv_status refuse_series(const char *expression, const char *name, fv_error *error) {
    char hint[MEASURE_HINT];
    measure_hint_series(name, hint);
    return fv_fail(error, FV_USAGE,
                   "measure '%s': '%s' is neither logged by training nor a series of the file's "
                   "probes%s",
                   expression, name, hint);
}

bool measure_reads_logged(const char *expression) {
    measure_text parsed;
    if (measure_parse(expression, &parsed, NULL) != FV_OK) return false;
    for (int i = 0; i < parsed.n_names; i++) {
        const measure_name *name = &parsed.names[i];
        if (name->field == NULL && name->quantity == NULL && is_training_series(name->text))
            return true;
    }
    return false;
}

fv_status fv_measure_check(const char *expression, const fv_probe *const *probes, int n_probes,
                           fv_error *error) {
    measure_text parsed;
    fv_status status = measure_parse(expression, &parsed, error);
    if (status != FV_OK) return status;
    fv_config defaults;
    fv_config_init(&defaults);
    fv_record empty;
    fv_record_init(&empty);
    empty.config = &defaults;
    fv_series series[FV_MEASURE_MAX_NAMES] = {{{0}, 0, 0, NULL, NULL}};
    empty.series = series;
    for (int i = 0; i < parsed.n_names; i++) {
        const char *name = parsed.names[i].text;
        if (parsed.names[i].field != NULL || parsed.names[i].quantity != NULL) continue;
        if (!is_measured(name, probes, n_probes)) return refuse_series(expression, name, error);
        snprintf(series[empty.n_series++].name, sizeof series[0].name, "%s", name);
    }
    double value;
    return fv_measure(expression, &empty, &value, error);
}
