#include "eval/asks.h"

#include "store/store_db.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ASKS_READ                                                                                  \
    EVAL_ASKED_COLUMNS ", id, " EVAL_ORIGIN_COLUMNS ", " EVAL_LOAD_COLUMNS ", " EVAL_SPEED_COLUMNS \
                       ", " EVAL_LOGPROB_COLUMNS
#define ASKS_ESTIMATE "estimate" // of tokens of thought
#define ASKS_COUNTS   "class NOT IN ('error', 'truncated')"

// The rows of one question come one after the other, the best first: a known origin, an answer, and
// the limit of tokens that is asked for. What counts is ?11, of asks_whose.
#define ASKS_STATEMENTS(S)                                                                         \
    S(PUT, "INSERT OR REPLACE INTO asks (" EVAL_ASKED_COLUMNS ", " EVAL_ORIGIN_COLUMNS             \
           ", " EVAL_LOAD_COLUMNS ", " EVAL_SPEED_COLUMNS ", " EVAL_LOGPROB_COLUMNS                \
           ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "     \
           "?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, "      \
           "?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44)")                          \
    S(EACH, "SELECT " ASKS_READ " FROM asks WHERE model IN (?1, ?12) AND api = ?2 AND task = ?3 "  \
            "AND haystack = ?4 AND seed = ?5 AND length = ?6 AND ifnull(load, 0) = ?13 AND CASE "  \
            "WHEN endpoint IS NULL "                                                               \
            "THEN ?11 & 2 AND " ASKS_COUNTS " ELSE ?11 & 1 AND model = ?1 AND sampling = ?7 AND "  \
            "extra = ?8 AND (max_tokens = ?9 OR ?10 AND max_tokens BETWEEN 1 AND ?9 AND "          \
            "class NOT IN ('cut off', 'looping') AND " ASKS_COUNTS                                 \
            ") END ORDER BY depth, sample, endpoint IS "                                           \
            "NULL, NOT " ASKS_COUNTS ", max_tokens DESC, id DESC")                                 \
    S(ORIGINS, "SELECT endpoint, model_asked, model_returned FROM asks WHERE model = ?1 AND "      \
               "endpoint IS NOT NULL "                                                             \
               "AND " ASKS_COUNTS " GROUP BY 1, 2, 3 ORDER BY max(id) DESC")                       \
    S(LAST_SEED, "SELECT seed FROM asks WHERE model = ?1 AND api = ?2 ORDER BY id DESC LIMIT 1")   \
    S(GET, "SELECT " ASKS_READ " FROM asks WHERE id = ?1")                                         \
    S(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    S(COMMIT, "COMMIT")

enum {
#define STATEMENT_ENUM(name, sql) ASKS_##name,
    ASKS_STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        N_STATEMENTS
};

struct asks {
    sqlite3 *db; // NULL: nothing is there, and nothing will be
    sqlite3_stmt *statements[N_STATEMENTS];
    fv_store lock; // of store_lock.c: its path and descriptor alone
};

static sqlite3_stmt *prepared(asks *a, int statement) {
    static const char *const SQL[] = {
#define STATEMENT_SQL(name, sql) sql,
        ASKS_STATEMENTS(STATEMENT_SQL)
#undef STATEMENT_SQL
    };
    return a->db != NULL ? sql_statement(a->db, &a->statements[statement], SQL[statement]) : NULL;
}

static fv_status lock(asks *a, const char *folder, fv_error *error) {
    text_buffer path = {0};
    text_add(&path, "%s/eval.db", folder);
    if (path.failed) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    a->lock.path = path.data;
    return store_lock(&a->lock, error);
}

fv_status asks_open(const char *folder, bool writes, asks **out, fv_error *error) {
    asks *a = calloc(1, sizeof *a);
    *out = NULL;
    if (a == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    fv_status status = writes ? eval_make_folder(folder, error) : FV_OK;
    if (status == FV_OK && writes) status = lock(a, folder, error);
    if (status == FV_OK)
        status = eval_db_open(folder, writes ? EVAL_DB_WRITE : EVAL_DB_READ,
                              EVAL_TABLE_BIT(EVAL_ASKS), &a->db, error);
    if (status == FV_NOT_FOUND && !writes) status = FV_OK;
    if (status == FV_OK)
        *out = a;
    else
        asks_close(a);
    return status;
}

void asks_close(asks *a) {
    if (a == NULL) return;
    for (int i = 0; i < N_STATEMENTS; i++) sqlite3_finalize(a->statements[i]);
    sqlite3_close(a->db);
    store_unlock(&a->lock);
    free(a->lock.path);
    free(a);
}

fv_status asks_begin(asks *a, fv_error *error) {
    if (sql_done(prepared(a, ASKS_BEGIN))) return FV_OK;
    return eval_db_fail(a->db, "cannot be written", error);
}

fv_status asks_commit(asks *a, fv_error *error) {
    if (sql_done(prepared(a, ASKS_COMMIT))) return FV_OK;
    fv_status status = eval_db_fail(a->db, "cannot be written", error);
    if (!sqlite3_get_autocommit(a->db)) sqlite3_exec(a->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

const char *asks_timed_text(asks_timed_by by) {
    return by == ASKS_TIMED_BY_TIMINGS ? "timings" : by == ASKS_TIMED_BY_STREAM ? "stream" : NULL;
}

// --- rows --------------------------------------------------------------------------------------

static void bind_text(sqlite3_stmt *s, int column, const char *text) {
    if (text == NULL)
        sqlite3_bind_null(s, column);
    else
        sqlite3_bind_text(s, column, text, -1, SQLITE_STATIC);
}

static void bind_real(sqlite3_stmt *s, int column, double value) {
    if (isnan(value))
        sqlite3_bind_null(s, column);
    else
        sqlite3_bind_double(s, column, value);
}

static void bind_count(sqlite3_stmt *s, int column, int count) {
    if (count < 0)
        sqlite3_bind_null(s, column);
    else
        sqlite3_bind_int(s, column, count);
}

static void bind_key(sqlite3_stmt *s, const asks_key *key, const char *task, const char *hay) {
    bind_text(s, 1, key->model);
    bind_text(s, 2, key->api);
    bind_text(s, 3, task);
    bind_text(s, 4, hay);
    sqlite3_bind_int64(s, 5, (sqlite3_int64)key->seed);
}

static void bind_origin(sqlite3_stmt *s, const asks_origin *origin) {
    bind_text(s, 26, origin->endpoint);
    bind_text(s, 27, origin->server);
    bind_text(s, 28, origin->model);
    bind_text(s, 29, origin->returned);
    bind_text(s, 30, origin->sampling);
    bind_text(s, 31, origin->extra);
    bind_count(s, 32, origin->endpoint != NULL ? origin->max_tokens : -1);
    bind_text(s, 33, origin->fovea);
}

static void bind_positive(sqlite3_stmt *s, int column, double value) {
    bind_real(s, column, value > 0 ? value : NAN);
}

static void bind_speed(sqlite3_stmt *s, const asks_row *row) {
    bind_positive(s, 36, row->speed.first_token);
    bind_positive(s, 37, row->speed.prefill);
    bind_positive(s, 38, row->speed.decode);
    bind_text(s, 39, asks_timed_text(row->speed.by));
    bind_count(s, 40, row->cached_tokens);
    bind_count(s, 41, row->thought_tokens);
    const char *by = row->thought_estimated ? ASKS_ESTIMATE : "usage";
    bind_text(s, 42, row->thought_tokens >= 0 ? by : NULL);
}

static void bind_logprobs(sqlite3_stmt *s, const asks_row *row) {
    bind_real(s, 43, row->logprobs != NULL ? row->logprob : NAN);
    bind_text(s, 44, row->logprobs);
}

fv_status asks_put(asks *a, const asks_row *row, fv_error *error) {
    const asks_key key = {row->model, row->api, row->seed};
    sqlite3_stmt *s = prepared(a, ASKS_PUT);
    if (s == NULL) return eval_db_fail(a->db, "an answer cannot be stored", error);
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)row->prompt_hash);
    bind_key(s, &key, row->task, row->haystack);
    sqlite3_bind_int(s, 6, row->length);
    bind_text(s, 7, row->unit);
    bind_real(s, 8, row->depth);
    sqlite3_bind_int(s, 9, row->sample);
    sqlite3_bind_int(s, 10, row->n_units);
    bind_text(s, 11, hash);
    bind_text(s, 12, fv_answer_text(row->answer));
    sqlite3_bind_double(s, 13, row->score);
    bind_text(s, 14, row->expected);
    bind_text(s, 15, row->reply);
    bool distracted = row->distractor != NULL && *row->distractor != '\0';
    bind_text(s, 16, distracted ? row->distractor : NULL);
    bind_real(s, 17, distracted ? row->distractor_depth : NAN);
    bind_text(s, 18, row->finish);
    bind_text(s, 19, row->error_kind);
    bind_text(s, 20, row->error);
    sqlite3_bind_int(s, 21, row->http_status);
    sqlite3_bind_int(s, 22, row->attempts);
    bind_count(s, 23, row->prompt_tokens);
    bind_count(s, 24, row->completion_tokens);
    sqlite3_bind_double(s, 25, row->seconds);
    bind_origin(s, &row->origin);
    bind_count(s, 34, row->in_flight);
    bind_count(s, 35, row->load > 0 ? row->load : -1);
    bind_speed(s, row);
    bind_logprobs(s, row);
    if (sql_done(s)) return FV_OK;
    return eval_db_fail(a->db, "an answer cannot be stored", error);
}

static const char *column_text(sqlite3_stmt *s, int column) {
    return (const char *)sqlite3_column_text(s, column);
}

static int column_count(sqlite3_stmt *s, int column) {
    return sqlite3_column_type(s, column) == SQLITE_NULL ? -1 : sqlite3_column_int(s, column);
}

static double column_real(sqlite3_stmt *s, int column) {
    return sqlite3_column_type(s, column) == SQLITE_NULL ? NAN : sqlite3_column_double(s, column);
}

static fv_answer answer_of(const char *text) {
    for (int i = 0; i < FV_N_ANSWERS && text != NULL; i++)
        if (strcmp(text, fv_answer_text((fv_answer)i)) == 0) return (fv_answer)i;
    return FV_ANSWER_ERROR;
}

static void read_speed(sqlite3_stmt *s, asks_row *row) {
    const char *by = column_text(s, 39), *thought_by = column_text(s, 42);
    row->speed = (asks_speed){.first_token = sqlite3_column_double(s, 36),
                              .prefill = sqlite3_column_double(s, 37),
                              .decode = sqlite3_column_double(s, 38)};
    for (int k = ASKS_TIMED_BY_TIMINGS; k <= ASKS_TIMED_BY_STREAM && by != NULL; k++)
        if (strcmp(by, asks_timed_text((asks_timed_by)k)) == 0) row->speed.by = (asks_timed_by)k;
    row->cached_tokens = column_count(s, 40);
    row->thought_tokens = column_count(s, 41);
    row->thought_estimated = thought_by != NULL && strcmp(thought_by, ASKS_ESTIMATE) == 0;
}

// Whoever has the file can change it: numbers that count or index are checked.
static fv_status read_row(sqlite3_stmt *s, asks_row *row, fv_error *error) {
    const char *hash = column_text(s, 10);
    *row = (asks_row){.model = column_text(s, 0),
                      .api = column_text(s, 1),
                      .task = column_text(s, 2),
                      .haystack = column_text(s, 3),
                      .seed = (uint64_t)sqlite3_column_int64(s, 4),
                      .length = sqlite3_column_int(s, 5),
                      .unit = column_text(s, 6),
                      .depth = column_real(s, 7),
                      .sample = sqlite3_column_int(s, 8),
                      .n_units = sqlite3_column_int(s, 9),
                      .prompt_hash = strtoull(hash ? hash : "", NULL, 16),
                      .answer = answer_of(column_text(s, 11)),
                      .score = sqlite3_column_double(s, 12),
                      .expected = column_text(s, 13),
                      .reply = column_text(s, 14),
                      .distractor = column_text(s, 15),
                      .distractor_depth = column_real(s, 16),
                      .finish = column_text(s, 17),
                      .error_kind = column_text(s, 18),
                      .error = column_text(s, 19),
                      .http_status = sqlite3_column_int(s, 20),
                      .attempts = sqlite3_column_int(s, 21),
                      .prompt_tokens = column_count(s, 22),
                      .completion_tokens = column_count(s, 23),
                      .seconds = column_real(s, 24),
                      .id = sqlite3_column_int64(s, 25),
                      .origin = {.endpoint = column_text(s, 26),
                                 .server = column_text(s, 27),
                                 .model = column_text(s, 28),
                                 .returned = column_text(s, 29),
                                 .sampling = column_text(s, 30),
                                 .extra = column_text(s, 31),
                                 .max_tokens = sqlite3_column_int(s, 32),
                                 .fovea = column_text(s, 33)},
                      .in_flight = column_count(s, 34),
                      .load = sqlite3_column_int(s, 35),
                      .logprob = column_real(s, 43),
                      .logprobs = column_text(s, 44)};
    read_speed(s, row);
    if (row->length >= 1 && row->sample >= 0 && row->n_units >= 0) return FV_OK;
    return fv_fail(error, FV_STORE,
                   "row %lld of eval.db is damaged: length %d, sample %d, %d units; delete it, and "
                   "it is asked again",
                   (long long)row->id, row->length, row->sample, row->n_units);
}

static void bind_group(sqlite3_stmt *s, const asks_key *key, const asks_group *group) {
    bind_key(s, key, group->task, group->haystack);
    sqlite3_bind_int(s, 6, group->length);
    bind_text(s, 7, group->sampling);
    bind_text(s, 8, group->extra);
    sqlite3_bind_int(s, 9, group->max_tokens);
    sqlite3_bind_int(s, 10, group->same_prompts);
    sqlite3_bind_int(s, 11, group->whose);
    bind_text(s, 12, group->known_as);
    sqlite3_bind_int(s, 13, group->load);
}

fv_status asks_each(asks *a, const asks_key *key, const asks_group *group, asks_visit visit,
                    void *context, fv_error *error) {
    if (a->db == NULL) return FV_OK;
    sqlite3_stmt *s = prepared(a, ASKS_EACH);
    if (s == NULL) return eval_db_fail(a->db, "cannot be read", error);
    bind_group(s, key, group);
    int step = SQLITE_DONE, last_sample = -1;
    double last_depth = 0;
    fv_status status = FV_OK;
    while (status == FV_OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
        asks_row row;
        status = read_row(s, &row, error);
        if (status != FV_OK) break;
        bool same_depth = row.depth == last_depth || (isnan(row.depth) && isnan(last_depth));
        if (!same_depth || row.sample != last_sample) visit(context, &row);
        last_depth = row.depth;
        last_sample = row.sample;
    }
    if (status == FV_OK && step != SQLITE_DONE)
        status = eval_db_fail(a->db, "answers cannot be read", error);
    sqlite3_reset(s);
    return status;
}

fv_status asks_same_model(asks *a, const char *label, const asks_origin *origin, bool *same,
                          char *other, fv_error *error) {
    *same = true;
    *other = '\0';
    if (a->db == NULL) return FV_OK;
    sqlite3_stmt *s = prepared(a, ASKS_ORIGINS);
    if (s == NULL) return eval_db_fail(a->db, "cannot be read", error);
    bind_text(s, 1, label);
    int step = SQLITE_DONE, n = 0;
    bool found = false;
    while (!found && (step = sqlite3_step(s)) == SQLITE_ROW) {
        const char *endpoint = column_text(s, 0), *model = column_text(s, 1);
        const char *returned = column_text(s, 2);
        if (model == NULL) model = "";
        // A reply that names the model as it was asked tells nothing.
        if (returned != NULL && strcmp(returned, model) == 0) returned = NULL;
        found = strcmp(endpoint, origin->endpoint) == 0 && strcmp(model, origin->model) == 0 &&
                (origin->returned == NULL || returned == NULL ||
                 strcmp(origin->returned, returned) == 0);
        bool tells = origin->returned != NULL && returned != NULL;
        if (n++ == 0)
            snprintf(other, 512, "%.100s%s%.100s%s at %.256s", model, tells ? " (" : "",
                     tells ? returned : "", tells ? ")" : "", endpoint);
    }
    *same = found || n == 0;
    bool read = found || step == SQLITE_DONE;
    sqlite3_reset(s);
    return read ? FV_OK : eval_db_fail(a->db, "answers cannot be read", error);
}

fv_status asks_last_seed(asks *a, const char *label, const char *api, bool *found, uint64_t *seed,
                         fv_error *error) {
    *found = false;
    if (a->db == NULL) return FV_OK;
    sqlite3_stmt *s = prepared(a, ASKS_LAST_SEED);
    if (s == NULL) return eval_db_fail(a->db, "cannot be read", error);
    bind_text(s, 1, label);
    bind_text(s, 2, api);
    int step = sqlite3_step(s);
    *found = step == SQLITE_ROW;
    if (*found) *seed = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return *found || step == SQLITE_DONE ? FV_OK
                                         : eval_db_fail(a->db, "answers cannot be read", error);
}

fv_status asks_get(asks *a, int64_t id, asks_row *row, fv_error *error) {
    sqlite3_stmt *s = prepared(a, ASKS_GET);
    if (s == NULL && a->db != NULL) return eval_db_fail(a->db, "cannot be read", error);
    if (s != NULL) {
        sqlite3_reset(s);
        sqlite3_bind_int64(s, 1, id);
        if (sqlite3_step(s) == SQLITE_ROW) return read_row(s, row, error);
        sqlite3_reset(s);
    }
    return fv_fail(error, FV_NOT_FOUND,
                   "there is no row %lld in eval.db; 'sqlite3 DIR/eval.db \"SELECT id, class FROM "
                   "asks\"' lists them",
                   (long long)id);
}
