// The tables of eval.db as they are made today and were made before. A file of an older version is
// read through views of today's columns, and made anew by the first who writes to it.
#include "eval/db.h"

#include <fovea/eval.h>
#include <string.h>

const char *const EVAL_TABLE_NAMES[] = {
#define NAME(name, text, columns) text,
    EVAL_TABLES(NAME)
#undef NAME
};

// --- today ---------------------------------------------------------------------------------------

// `settings` is what was asked otherwise than usual, and FV_SETTINGS_UNKNOWN for cells of served
// models that were stored before it was noted.
#define MAKE_CELLS                                                                                 \
    "CREATE TABLE cells ("                                                                         \
    "  model TEXT NOT NULL, task TEXT NOT NULL, unit TEXT NOT NULL, length INTEGER NOT NULL,"      \
    "  depth REAL, n INTEGER NOT NULL, hits INTEGER NOT NULL, low REAL NOT NULL,"                  \
    "  high REAL NOT NULL, score REAL NOT NULL, trained_length INTEGER NOT NULL,"                  \
    "  answers TEXT NOT NULL, settings TEXT NOT NULL, first_token REAL, prefill REAL,"             \
    "  decode REAL, timed_by TEXT, thought_tokens REAL, digest TEXT);"                             \
    "CREATE UNIQUE INDEX cells_place ON cells"                                                     \
    "  (model, settings, task, unit, length, ifnull(depth, -1));"
#define MAKE_FITS                                                                                  \
    "CREATE TABLE fits ("                                                                          \
    "  model TEXT NOT NULL, api TEXT NOT NULL, task TEXT NOT NULL, haystack TEXT NOT NULL,"        \
    "  seed INTEGER NOT NULL, length INTEGER NOT NULL, units INTEGER NOT NULL,"                    \
    "  tokens INTEGER NOT NULL, counted TEXT NOT NULL, digest TEXT,"                               \
    "  PRIMARY KEY (model, api, task, haystack, seed, length));"

// A sample is known by everything above `class`: from these columns its prompt can be built again,
// and `prompt_hash` tells whether it came out the same. `units` is how many pieces of haystack the
// prompt has, which `fits` found for a length.
#define ASKED                                                                                      \
    "CREATE TABLE asks ("                                                                          \
    "  id INTEGER PRIMARY KEY,"                                                                    \
    "  model TEXT NOT NULL, api TEXT NOT NULL, task TEXT NOT NULL, haystack TEXT NOT NULL,"        \
    "  seed INTEGER NOT NULL, length INTEGER NOT NULL, unit TEXT NOT NULL, depth REAL,"            \
    "  sample INTEGER NOT NULL, units INTEGER NOT NULL, prompt_hash TEXT NOT NULL,"                \
    "  class TEXT NOT NULL, score REAL NOT NULL, expected TEXT NOT NULL, reply TEXT,"              \
    "  distractor TEXT, distractor_depth REAL, finish TEXT, error_kind TEXT, error TEXT,"          \
    "  http_status INTEGER, attempts INTEGER NOT NULL, prompt_tokens INTEGER,"                     \
    "  completion_tokens INTEGER, seconds REAL,"                                                   \
    "  asked TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),"

// Who answered, and what else the request said. All of them are NULL in rows that were stored
// before this was noted, and `server` and `model_returned` where the server does not tell.
// `in_flight` is how many requests were under way when it was sent, `load` how many should have
// been where loads are compared; then the same question is another one under another load. Speeds
// are seconds and tokens a second, NULL where not known; `timed_by` and `thought_by` say by what.
#define ANSWERED                                                                                   \
    "  endpoint TEXT, server TEXT, model_asked TEXT, model_returned TEXT, sampling TEXT,"          \
    "  extra TEXT, max_tokens INTEGER, fovea TEXT, in_flight INTEGER, load INTEGER,"               \
    "  first_token REAL, prefill REAL, decode REAL, timed_by TEXT, cached_tokens INTEGER,"         \
    "  thought_tokens INTEGER, thought_by TEXT,"
#define ASKS_PLACE                                                                                 \
    "CREATE UNIQUE INDEX asks_place ON asks"                                                       \
    "  (model, api, task, haystack, seed, length, unit, ifnull(depth, -1), sample,"                \
    "   ifnull(max_tokens, -1), ifnull(extra, ''), ifnull(sampling, ''), ifnull(load, 0));"

// Log-probabilities of the expected answer's tokens, a list, and their sum; NULL where not told.
#define MAKE_ASKS                                                                                  \
    ASKED ANSWERED "  answer_logprob REAL, answer_logprobs TEXT, digest TEXT);" ASKS_PLACE

// A damaged row's columns in the order of its table: c1 is its model. Its digest stands behind them.
#define MAKE_TOTALS                                                                                \
    "CREATE TABLE total (source TEXT NOT NULL, n INTEGER NOT NULL, digest TEXT);"                  \
    "INSERT INTO total VALUES ('cells', 0, NULL), ('fits', 0, NULL), ('asks', 0, NULL);"           \
    "CREATE TABLE damaged (source TEXT NOT NULL, row INTEGER, found TEXT NOT NULL,"                \
    "  c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, c20," \
    "  c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34, c35, c36, c37, c38, " \
    "c39,"                                                                                         \
    "  c40, c41, c42, c43, c44, c45, c46);"

const char EVAL_DB_SCHEMA[] = MAKE_CELLS MAKE_FITS MAKE_ASKS MAKE_TOTALS;

// --- before --------------------------------------------------------------------------------------

#define CELLS_BEFORE_3                                                                             \
    "model, task, unit, length, depth, n, hits, low, high, score, trained_length, answers"
#define MAKE_CELLS_2                                                                               \
    "CREATE TABLE cells ("                                                                         \
    "  model TEXT NOT NULL, task TEXT NOT NULL, unit TEXT NOT NULL, length INTEGER NOT NULL,"      \
    "  depth REAL, n INTEGER NOT NULL, hits INTEGER NOT NULL, low REAL NOT NULL,"                  \
    "  high REAL NOT NULL, score REAL NOT NULL, trained_length INTEGER NOT NULL,"                  \
    "  answers TEXT NOT NULL, digest TEXT);"                                                       \
    "CREATE UNIQUE INDEX cells_place ON cells (model, task, unit, length, ifnull(depth, -1));"
#define ASKS_BEFORE_3 EVAL_ASKED_COLUMNS ", asked"
#define MAKE_ASKS_2                                                                                \
    ASKED " digest TEXT);"                                                                         \
          "CREATE UNIQUE INDEX asks_place ON asks"                                                 \
          "  (model, api, task, haystack, seed, length, unit, ifnull(depth, -1), sample);"

// A model of the lab knows what it was trained for.
#define CELLS_FROM_2                                                                               \
    CELLS_BEFORE_3 ", CASE trained_length WHEN 0 THEN '" FV_SETTINGS_UNKNOWN                       \
                   "' ELSE '' END AS settings, NULL AS first_token, NULL AS prefill, "             \
                   "NULL AS decode, NULL AS timed_by, NULL AS thought_tokens"
#define ASKS_FROM_2                                                                                \
    ASKS_BEFORE_3                                                                                  \
    ", NULL AS endpoint, NULL AS server, NULL AS model_asked, NULL AS model_returned, "            \
    "NULL AS sampling, NULL AS extra, NULL AS max_tokens, NULL AS fovea, "                         \
    "NULL AS in_flight, NULL AS load, NULL AS first_token, NULL AS prefill, NULL AS decode, "      \
    "NULL AS timed_by, NULL AS cached_tokens, NULL AS thought_tokens, NULL AS thought_by, "        \
    "NULL AS answer_logprob, NULL AS answer_logprobs"

// 3 differs from today in the table asks alone.
#define ASKS_OF_3                                                                                  \
    EVAL_ASKED_COLUMNS ", asked, " EVAL_ORIGIN_COLUMNS ", " EVAL_LOAD_COLUMNS                      \
                       ", " EVAL_SPEED_COLUMNS
#define MAKE_ASKS_3 ASKED ANSWERED " digest TEXT);" ASKS_PLACE
#define ASKS_FROM_3 ASKS_OF_3 ", NULL AS answer_logprob, NULL AS answer_logprobs"

typedef struct edition {
    const char *columns, *schema;
    const char *values; // what its rows are today
} edition;

enum { EDITION_BEFORE_3, EDITION_3, EDITION_TODAY, N_EDITIONS };

#define CELLS_TODAY                                                                                \
    { EVAL_CELLS_COLUMNS, MAKE_CELLS, EVAL_CELLS_COLUMNS }
#define FITS_TODAY                                                                                 \
    { EVAL_FITS_COLUMNS, MAKE_FITS, EVAL_FITS_COLUMNS }

static const edition TABLES[EVAL_N_TABLES][N_EDITIONS] = {
    [EVAL_CELLS] = {{CELLS_BEFORE_3, MAKE_CELLS_2, CELLS_FROM_2}, CELLS_TODAY, CELLS_TODAY},
    [EVAL_FITS] = {FITS_TODAY, FITS_TODAY, FITS_TODAY},
    [EVAL_ASKS] = {{ASKS_BEFORE_3, MAKE_ASKS_2, ASKS_FROM_2},
                   {ASKS_OF_3, MAKE_ASKS_3, ASKS_FROM_3},
                   {EVAL_ASKS_COLUMNS, MAKE_ASKS, EVAL_ASKS_COLUMNS}}};

static const edition *edition_of(eval_table table, int version) {
    return &TABLES[table][version < 3    ? EDITION_BEFORE_3
                          : version == 3 ? EDITION_3
                                         : EDITION_TODAY];
}

const char *eval_table_columns(eval_table table, int version) {
    return edition_of(table, version)->columns;
}

const char *eval_table_schema(eval_table table, int version) {
    return version < EVAL_DB_FIRST_WITH_DIGESTS ? NULL : edition_of(table, version)->schema;
}

const char *eval_table_values(eval_table table, int version) {
    return edition_of(table, version)->values;
}

fv_status eval_db_make_totals(sqlite3 *db, int version, fv_error *error) {
    text_buffer sql = {0};
    if (version < EVAL_DB_FIRST_WITH_DIGESTS) text_add_n(&sql, MAKE_TOTALS, strlen(MAKE_TOTALS));
    for (int c = version == 2 ? 28 : 45; c <= 46 && version >= 2; c++)
        text_add(&sql, "ALTER TABLE damaged ADD COLUMN c%d;", c);
    return eval_db_execute(db, &sql, error);
}

// Names without a schema mean temporary views first. SQLite writes nothing for them.
fv_status eval_db_view_as_new(sqlite3 *db, int version, fv_error *error) {
    text_buffer sql = {0};
    text_add(&sql, "PRAGMA temp_store = MEMORY;");
    for (int t = 0; t < EVAL_N_TABLES; t++)
        text_add(&sql, "CREATE TEMP VIEW %s AS SELECT rowid AS rowid, %s%s FROM main.%s;",
                 EVAL_TABLE_NAMES[t], t == EVAL_ASKS ? "id, " : "",
                 eval_table_values((eval_table)t, version), EVAL_TABLE_NAMES[t]);
    return eval_db_execute(db, &sql, error);
}
