#include "eval/cells.h"
#include "eval/db.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A cell that is evaluated again keeps its row: figures keep their order and colours.
static const char PUT[] =
    "INSERT INTO cells (" EVAL_CELLS_COLUMNS
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) "
    "ON CONFLICT (model, settings, task, unit, length, ifnull(depth, -1)) DO UPDATE SET n = ?6, "
    "hits = ?7, "
    "low = ?8, high = ?9, score = ?10, trained_length = ?11, answers = ?12, first_token = ?14, "
    "prefill = ?15, decode = ?16, timed_by = ?17, thought_tokens = ?18";
static const char GET[] = "SELECT model, task, unit, length, depth, n, hits, score, "
                          "trained_length, answers, settings, first_token, prefill, decode, "
                          "timed_by, thought_tokens FROM cells NOT INDEXED ORDER BY rowid";

// NULL where not known.
static void bind_positive(sqlite3_stmt *statement, int column, double value) {
    if (value > 0)
        sqlite3_bind_double(statement, column, value);
    else
        sqlite3_bind_null(statement, column);
}

static void bind_speed(sqlite3_stmt *statement, const fv_cell *cell) {
    bind_positive(statement, 14, cell->speed.first_token);
    bind_positive(statement, 15, cell->speed.prefill);
    bind_positive(statement, 16, cell->speed.decode);
    sqlite3_bind_null(statement, 17);
    if (*cell->speed.by != '\0')
        sqlite3_bind_text(statement, 17, cell->speed.by, -1, SQLITE_STATIC);
    bind_positive(statement, 18, cell->thought_tokens);
}

static bool put(sqlite3_stmt *statement, const fv_cell *cell) {
    double low, high;
    json_t *counts = cell_answers_json(cell);
    char *answers = json_dumps(counts, JSON_COMPACT);
    json_decref(counts);
    if (answers == NULL) return false;
    fv_wilson(cell->hits, cell->n, FV_Z95, &low, &high);
    sqlite3_bind_text(statement, 1, cell->model, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, cell->task, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, cell->unit, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 4, cell->length);
    sqlite3_bind_null(statement, 5);
    if (!isnan(cell->depth)) sqlite3_bind_double(statement, 5, cell->depth);
    sqlite3_bind_int(statement, 6, cell->n);
    sqlite3_bind_int(statement, 7, cell->hits);
    sqlite3_bind_double(statement, 8, low);
    sqlite3_bind_double(statement, 9, high);
    sqlite3_bind_double(statement, 10, cell->score);
    sqlite3_bind_int(statement, 11, cell->trained_length);
    sqlite3_bind_text(statement, 12, answers, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 13, cell->settings, -1, SQLITE_STATIC);
    bind_speed(statement, cell);
    bool done = sql_done(statement);
    free(answers);
    return done;
}

fv_status fv_cells_save(const char *folder, const fv_cells *cells, fv_error *error) {
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    fv_status status = eval_make_folder(folder, error);
    if (status == FV_OK)
        status = eval_db_open(folder, EVAL_DB_WRITE, EVAL_TABLE_BIT(EVAL_CELLS), &db, error);
    if (status != FV_OK) return status;
    bool done = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db, PUT, -1, &statement, NULL) == SQLITE_OK;
    for (int i = 0; i < cells->n && done; i++) done = put(statement, &cells->items[i]);
    done = done && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (!done) status = eval_db_fail(db, "cells cannot be saved", error);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return status;
}

static void read_counts(const char *text, fv_cell *cell) {
    json_t *answers = text != NULL ? json_loads(text, 0, NULL) : NULL;
    for (int a = 0; a < FV_N_ANSWERS; a++)
        cell->counts[a] =
            (int)json_integer_value(json_object_get(answers, fv_answer_text((fv_answer)a)));
    json_decref(answers);
}

static void read_text(sqlite3_stmt *row, int column, char *text, size_t size) {
    const char *value = (const char *)sqlite3_column_text(row, column);
    snprintf(text, size, "%s", value ? value : "");
}

static void read_cell(sqlite3_stmt *row, fv_cell *cell) {
    *cell = (fv_cell){
        .length = sqlite3_column_int(row, 3),
        .depth = sqlite3_column_type(row, 4) == SQLITE_NULL ? NAN : sqlite3_column_double(row, 4),
        .n = sqlite3_column_int(row, 5),
        .hits = sqlite3_column_int(row, 6),
        .score = sqlite3_column_double(row, 7),
        .trained_length = sqlite3_column_int(row, 8),
        .speed = {.first_token = sqlite3_column_double(row, 11),
                  .prefill = sqlite3_column_double(row, 12),
                  .decode = sqlite3_column_double(row, 13)},
        .thought_tokens = sqlite3_column_double(row, 15)};
    read_text(row, 0, cell->model, sizeof cell->model);
    read_text(row, 1, cell->task, sizeof cell->task);
    read_text(row, 2, cell->unit, sizeof cell->unit);
    read_text(row, 10, cell->settings, sizeof cell->settings);
    read_text(row, 14, cell->speed.by, sizeof cell->speed.by);
    read_counts((const char *)sqlite3_column_text(row, 9), cell);
}

fv_status fv_cells_load(const char *folder, fv_cells *cells, fv_error *error) {
    sqlite3 *db;
    sqlite3_stmt *row = NULL;
    fv_status status = eval_db_open(folder, EVAL_DB_READ, EVAL_TABLE_BIT(EVAL_CELLS), &db, error);
    if (status != FV_OK) return status;
    int step = sqlite3_prepare_v2(db, GET, -1, &row, NULL);
    while (step == SQLITE_OK || step == SQLITE_ROW) {
        if (step == SQLITE_ROW) {
            fv_cell cell;
            read_cell(row, &cell);
            status = fv_cells_put(cells, &cell, error);
            if (status != FV_OK) break;
        }
        step = sqlite3_step(row);
    }
    if (status == FV_OK && step != SQLITE_DONE)
        status = eval_db_fail(db, "cells cannot be read", error);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return status;
}
