// What a call asks about: its options checked, a group for each task and length or file, a cell for
// each depth.
#include "served/served.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_ROUND = 8,  // samples before an interval is looked at
    MOST_DEPTHS = 512 // of one length
};

static fv_status check_tasks(const fv_served_options *o, fv_error *error) {
    fv_status status = FV_OK;
    for (int t = 0; t < o->n_tasks && status == FV_OK; t++)
        status = served_task_check(o->tasks[t], error);
    return status;
}

fv_status served_check(const fv_served_options *o, fv_error *error) {
    fv_status status = check_tasks(o, error);
    if (status == FV_OK && o->questions == NULL) status = served_check_sources(o, error);
    if (status != FV_OK) return status;
    if (o->n_depths > MOST_DEPTHS)
        return fv_fail(error, FV_USAGE, "%d depths are too many; ask up to %d", o->n_depths,
                       MOST_DEPTHS);
    if (o->questions == NULL && o->samples < 1)
        return fv_fail(error, FV_USAGE, "a cell needs 1 sample or more, not %d", o->samples);
    for (int d = 0; d < o->n_depths; d++)
        if (!(o->depths[d] >= 0 && o->depths[d] <= 100))
            return fv_fail(error, FV_USAGE, "a depth is a percentage from 0 to 100, not %g",
                           o->depths[d]);
    for (int l = 0; l < o->n_lengths; l++)
        if (o->lengths[l] < 1 || o->lengths[l] > 100000000)
            return fv_fail(error, FV_USAGE, "a length is from 1 to 100000000, not %d",
                           o->lengths[l]);
    for (int i = 0; i < o->n_loads; i++)
        for (int k = 0; k < i; k++)
            if (o->loads[k] == o->loads[i])
                return fv_fail(error, FV_USAGE,
                               "%d requests in flight are wanted twice; once will do", o->loads[i]);
    if (strcmp(o->api, "chat") != 0 && strcmp(o->api, "completions") != 0)
        return fv_fail(error, FV_USAGE, "--api is chat or completions, not '%s'", o->api);
    return FV_OK;
}

// A task whose haystack was chosen says so in tables and figures.
static void write_task_name(const served_group *g, const char *chosen, fv_cell *cell) {
    const char *base = chosen != NULL ? strrchr(chosen, '/') : NULL;
    if (g->data != NULL) {
        snprintf(cell->task, sizeof cell->task, "%.40s, data", g->task->name);
        return;
    }
    bool default_hay = chosen == NULL || g->hay == g->task->hay;
    if (g->hay == EVAL_HAY_TEXT && chosen != NULL) default_hay = false;
    snprintf(cell->task, sizeof cell->task, "%s%s%.20s", g->task->name, default_hay ? "" : ", ",
             default_hay                       ? ""
             : base != NULL && base[1] != '\0' ? base + 1
                                               : chosen);
    if (g->task->needles != EVAL_NEEDLE_TOLD || strstr(g->haystack, ", needle:") == NULL) return;
    size_t n = strlen(cell->task);
    snprintf(cell->task + n, sizeof cell->task - n, ", own needle");
}

static int by_falling(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a < b) - (a > b);
}

// The cells of a group: from deep to shallow, so that each prompt begins like the one before it up
// to its own needle.
static fv_status add_cells(fv_served *s, served_group *g, fv_error *error) {
    const fv_served_options *o = &s->options;
    double depths[MOST_DEPTHS] = {NAN};
    int n = 1;
    if (g->task->has_depth && (g->data != NULL || o->n_depths > 0)) {
        n = g->data != NULL ? g->data->n_depths : o->n_depths;
        memcpy(depths, g->data != NULL ? g->data->depths : o->depths, (size_t)n * sizeof *depths);
        qsort(depths, (size_t)n, sizeof *depths, by_falling);
    }
    g->first_cell = s->n_cells;
    for (int d = 0; d < n; d++) {
        if (d > 0 && depths[d] == depths[d - 1]) continue;
        served_cell *c = &s->cells[s->n_cells++];
        *c = (served_cell){.group = g, .cell = {.length = g->length, .depth = depths[d]}};
        snprintf(c->cell.model, sizeof c->cell.model, "%s", s->label);
        snprintf(c->cell.unit, sizeof c->cell.unit, "%s", g->task->unit);
        write_task_name(g, o->haystack, &c->cell);
        c->unknown = c->cell;
        snprintf(c->unknown.settings, sizeof c->unknown.settings, FV_SETTINGS_UNKNOWN);
        served_name_settings(s, g, &c->cell);
        c->target = o->interval > 0 && g->samples > FIRST_ROUND ? FIRST_ROUND : g->samples;
        c->state = calloc((size_t)g->samples, 1);
        if (c->state == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    g->n_cells = s->n_cells - g->first_cell;
    return FV_OK;
}

// "OPEN,CLOSE" of the options. Answers that are read otherwise are other answers: the marks are noted
// with what was asked beside the usual.
static fv_status read_marks(fv_served *s, served_group *g, fv_error *error) {
    const char *marks = s->options.thoughts, *comma = marks != NULL ? strchr(marks, ',') : NULL;
    if (marks == NULL) return FV_OK;
    if (comma == NULL || comma == marks || comma[1] == '\0' || strchr(comma + 1, ',') != NULL)
        return fv_fail(error, FV_USAGE,
                       "--thoughts takes the marks around a thought, OPEN,CLOSE, as in "
                       "'<plan>,</plan>', not '%s'",
                       marks);
    free(s->marks);
    s->marks = text_copy(marks);
    json_t *extra = json_loads(g->settings.extra, 0, NULL);
    char *text = NULL;
    if (json_object_set_new(extra, "thoughts", json_string(marks)) == 0)
        text = json_dumps(extra, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(extra);
    if (s->marks == NULL || text == NULL) {
        free(text);
        return fv_fail(error, FV_NO_MEMORY, "out of memory");
    }
    free(g->settings.extra);
    g->settings.extra = text;
    s->marks[comma - marks] = '\0';
    return FV_OK;
}

static void use_marks(fv_served *s) {
    for (int i = 0; i < s->n_groups && s->marks != NULL; i++) {
        s->groups[i].thoughts.open = s->marks;
        s->groups[i].thoughts.close = s->marks + strlen(s->marks) + 1;
    }
}

static fv_status make_group(fv_served *s, const served_task *task, const data_file *data,
                            int length, int load, fv_error *error) {
    const fv_served_options *o = &s->options;
    const source_options from = served_source_options(o);
    served_group *g = &s->groups[s->n_groups++];
    *g = (served_group){.task = task,
                        .data = data,
                        .samples = o->samples,
                        .length = length,
                        .load = load,
                        .max_tokens = o->max_tokens > 0 ? o->max_tokens : task->max_tokens};
    if (data != NULL && (g->samples == 0 || g->samples > data->n)) g->samples = data->n;
    fv_status status = data != NULL
                           ? source_data_name(data, &g->haystack, error)
                           : source_prepare(&s->source, task, &from, &g->hay, &g->haystack, error);
    // Asked again, the same prompt says nothing new.
    if (task->order != NULL && g->samples > (int)json_array_size(s->source.documents))
        g->samples = (int)json_array_size(s->source.documents);
    if (status == FV_OK) status = wire_settings_make(&g->settings, g->max_tokens, o->extra, error);
    if (status == FV_OK) status = read_marks(s, g, error);
    if (status != FV_OK) return status;
    http_hide(o->key, g->settings.extra,
              strlen(g->settings.extra)); // stored, and compared with what is
    http_hide(o->key, g->settings.sampling, strlen(g->settings.sampling));
    prompt p = {0}; // for its system message
    served_sample_place place = {.seed = o->seed, .length = length, .hay = g->hay, .depth = 50};
    place.n_units = task->least_units;
    prompt_clear(&p);
    status = task->build(task, &s->source, &place, &p, error);
    if (status == FV_OK && p.n_messages > 0 && strcmp(o->api, "chat") != 0)
        status = fv_fail(error, FV_USAGE,
                         "%s has chats of several messages, which --api completions has no form "
                         "for; ask them with --api chat",
                         task->name);
    if (status == FV_OK)
        status =
            wire_frame_make(&g->frame, strcmp(o->api, "chat") == 0 ? WIRE_CHAT : WIRE_COMPLETIONS,
                            o->model, p.system, g->max_tokens, o->extra, error);
    prompt_free(&p);
    return status == FV_OK ? add_cells(s, g, error) : status;
}

static fv_status make_room(fv_served *s, size_t n_groups, size_t n_depths, fv_error *error) {
    s->groups = calloc(n_groups, sizeof *s->groups);
    s->cells = calloc(n_groups * n_depths, sizeof *s->cells);
    if (s->groups != NULL && s->cells != NULL) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

// The files of questions, and how many depths one has at most.
static fv_status open_data(fv_served *s, size_t *n_depths, fv_error *error) {
    const fv_served_options *o = &s->options;
    char *about = NULL;
    fv_status status = data_files_open(o->questions, &s->data, &s->n_data, &about, error);
    if (about != NULL && o->on_note != NULL) o->on_note(o->context, about);
    free(about);
    *n_depths = 1;
    for (int i = 0; i < s->n_data; i++)
        if ((size_t)s->data[i]->n_depths > *n_depths) *n_depths = (size_t)s->data[i]->n_depths;
    if (status != FV_OK || *n_depths <= MOST_DEPTHS) return status;
    return fv_fail(error, FV_USAGE, "%s has %zu depths; up to %d can be asked", o->questions,
                   *n_depths, MOST_DEPTHS);
}

// A group for each data file, or each task and length.
static fv_status make_groups_under(fv_served *s, int load, fv_error *error) {
    const fv_served_options *o = &s->options;
    fv_status status = FV_OK;
    for (int i = 0; i < s->n_data && status == FV_OK; i++)
        status = make_group(s, &s->data[i]->task, s->data[i], s->data[i]->length, load, error);
    for (int t = 0; t < o->n_tasks && o->questions == NULL && status == FV_OK; t++)
        for (int l = 0; l < o->n_lengths && status == FV_OK; l++)
            status = make_group(s, served_task_find(o->tasks[t]), NULL, o->lengths[l], load, error);
    return status;
}

fv_status served_make_groups(fv_served *s, fv_error *error) {
    const fv_served_options *o = &s->options;
    fv_status status = FV_OK;
    size_t n_depths = o->n_depths > 0 ? (size_t)o->n_depths : 1;
    if (o->questions != NULL) status = open_data(s, &n_depths, error);
    size_t n_loads = o->n_loads > 0 ? (size_t)o->n_loads : 1;
    size_t n = o->questions != NULL ? (size_t)s->n_data : (size_t)o->n_tasks * (size_t)o->n_lengths;
    if (status == FV_OK) status = make_room(s, n * n_loads, n_depths, error);
    for (size_t l = 0; l < n_loads && status == FV_OK; l++)
        status = make_groups_under(s, o->n_loads > 0 ? o->loads[l] : 0, error);
    use_marks(s);
    return status;
}
