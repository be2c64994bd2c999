#include "eval/cells.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fv_answer_text(fv_answer answer) {
    static const char *const TEXTS[] = {
#define TEXT(name, text) text,
        FV_ANSWER_LIST(TEXT)
#undef TEXT
    };
    return (unsigned)answer < FV_N_ANSWERS ? TEXTS[answer] : "unknown answer";
}

bool fv_answer_counts(fv_answer answer) {
    return answer != FV_ANSWER_TRUNCATED && answer != FV_ANSWER_ERROR;
}

int fv_cell_asked(const fv_cell *cell) {
    return cell->n + cell->counts[FV_ANSWER_TRUNCATED] + cell->counts[FV_ANSWER_ERROR];
}

void fv_cell_count(fv_cell *cell, fv_answer answer, double score) {
    cell->counts[answer]++;
    if (!fv_answer_counts(answer)) return;
    cell->n++;
    cell->hits += answer == FV_ANSWER_FOUND;
    cell->score += (score - cell->score) / cell->n;
}

void fv_cell_otherwise(const fv_cell *cell, char *text, size_t size) {
    size_t used = 0;
    if (size > 0) *text = '\0';
    for (int a = 0; a < FV_N_ANSWERS && used < size; a++) {
        if (a == FV_ANSWER_FOUND || cell->counts[a] == 0) continue;
        int n = snprintf(text + used, size - used, "%s%s %d", used > 0 ? ", " : "",
                         fv_answer_text((fv_answer)a), cell->counts[a]);
        used += n > 0 ? (size_t)n : size;
    }
}

static bool same_place(const fv_cell *a, const fv_cell *b) {
    return a->length == b->length && strcmp(a->model, b->model) == 0 &&
           strcmp(a->settings, b->settings) == 0 && strcmp(a->task, b->task) == 0 &&
           strcmp(a->unit, b->unit) == 0 &&
           (a->depth == b->depth || (isnan(a->depth) && isnan(b->depth)));
}

const fv_cell *fv_cells_find(const fv_cells *cells, const fv_cell *place) {
    for (int i = 0; i < cells->n; i++)
        if (same_place(&cells->items[i], place)) return &cells->items[i];
    return NULL;
}

fv_status fv_cells_put(fv_cells *cells, const fv_cell *cell, fv_error *error) {
    const fv_cell *known = fv_cells_find(cells, cell);
    if (known != NULL) {
        cells->items[known - cells->items] = *cell;
        return FV_OK;
    }
    if (cells->n == cells->capacity) {
        int capacity = cells->capacity > 0 ? 2 * cells->capacity : 64;
        fv_cell *grown = realloc(cells->items, (size_t)capacity * sizeof *grown);
        if (grown == NULL)
            return fv_fail(error, FV_NO_MEMORY, "out of memory for %d cells", capacity);
        cells->items = grown;
        cells->capacity = capacity;
    }
    cells->items[cells->n++] = *cell;
    return FV_OK;
}

void fv_cells_free(fv_cells *cells) {
    if (cells == NULL) return;
    free(cells->items);
    *cells = (fv_cells){0};
}

static bool has_several_settings(const fv_cells *cells, const fv_cell *cell) {
    for (int i = 0; i < cells->n; i++)
        if (strcmp(cells->items[i].model, cell->model) == 0 &&
            strcmp(cells->items[i].settings, cell->settings) != 0)
            return true;
    return false;
}

fv_status cells_name_apart(const fv_cells *cells, fv_cells *named, fv_error *error) {
    *named = (fv_cells){0};
    for (int i = 0; i < cells->n; i++) {
        fv_cell cell = cells->items[i];
        bool apart = *cell.settings != '\0' && (strcmp(cell.settings, FV_SETTINGS_UNKNOWN) == 0 ||
                                                has_several_settings(cells, &cell));
        size_t n = strlen(cell.model);
        if (apart) snprintf(cell.model + n, sizeof cell.model - n, ", %s", cell.settings);
        fv_status status = fv_cells_put(named, &cell, error);
        if (status != FV_OK) {
            fv_cells_free(named);
            return status;
        }
    }
    return FV_OK;
}

json_t *cell_answers_json(const fv_cell *cell) {
    json_t *answers = json_object();
    for (int a = 0; a < FV_N_ANSWERS; a++)
        if (cell->counts[a] > 0)
            json_object_set_new(answers, fv_answer_text((fv_answer)a),
                                json_integer(cell->counts[a]));
    return answers;
}

static json_t *positive_json(double value) {
    return value > 0 ? json_real(value) : json_null();
}

static void add_speed(json_t *object, const fv_cell *cell) {
    const fv_speed *speed = &cell->speed;
    json_object_set_new(object, "first_token", positive_json(speed->first_token));
    json_object_set_new(object, "prefill", positive_json(speed->prefill));
    json_object_set_new(object, "decode", positive_json(speed->decode));
    json_object_set_new(object, "timed_by",
                        *speed->by != '\0' ? json_string(speed->by) : json_null());
    json_object_set_new(object, "thought_tokens", positive_json(cell->thought_tokens));
}

char *fv_cell_json(const fv_cell *cell) {
    double low, high;
    fv_wilson(cell->hits, cell->n, FV_Z95, &low, &high);
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:i, s:o, s:i, s:i, s:i, s:o, s:f, s:f, s:o, s:i, s:o, s:s}", "model",
        cell->model, "task", cell->task, "unit", cell->unit, "length", cell->length, "depth",
        isnan(cell->depth) ? json_null() : json_real(cell->depth), "asked", fv_cell_asked(cell),
        "n", cell->n, "hits", cell->hits, "rate",
        cell->n > 0 ? json_real((double)cell->hits / cell->n) : json_null(), "low", low, "high",
        high, "score", cell->n > 0 ? json_real(cell->score) : json_null(), "trained_length",
        cell->trained_length, "answers", cell_answers_json(cell), "settings", cell->settings);
    add_speed(object, cell);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(object);
    return text;
}
