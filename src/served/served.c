// What a call will ask: the options checked, the haystacks built, the lengths counted, the stored
// answers read. served_ask.c does the asking.
#include "served/served.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_ROUND = 8,  // samples before an interval is looked at
    MOST_DEPTHS = 512 // of one length
};

// --- options -----------------------------------------------------------------------------------

fv_status served_connect(const fv_served_options *o, int in_flight, size_t most_read, http **out,
                         fv_error *error) {
    const http_options options = {.in_flight = in_flight,
                                  .retries = o->retries,
                                  .timeout = o->timeout,
                                  .wait = o->retry_wait,
                                  .headers = o->headers,
                                  .n_headers = o->n_headers,
                                  .secrets = o->secrets,
                                  .n_secrets = o->n_secrets,
                                  .cacert = o->cacert,
                                  .key = o->key,
                                  .most_read = most_read,
                                  .say = o->on_note,
                                  .context = o->context};
    return http_create(&options, out, error);
}

static fv_status check_tasks(const fv_served_options *o, fv_error *error) {
    fv_status status = FV_OK;
    for (int t = 0; t < o->n_tasks && status == FV_OK; t++)
        status = served_task_check(o->tasks[t], error);
    return status;
}

static fv_status check(const fv_served_options *o, fv_error *error) {
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

// --- groups and cells --------------------------------------------------------------------------

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

static fv_status make_groups(fv_served *s, fv_error *error) {
    const fv_served_options *o = &s->options;
    fv_status status = FV_OK;
    size_t n_depths = o->n_depths > 0 ? (size_t)o->n_depths : 1;
    if (o->questions != NULL) status = open_data(s, &n_depths, error);
    size_t n_loads = o->n_loads > 0 ? (size_t)o->n_loads : 1;
    size_t n = o->questions != NULL ? (size_t)s->n_data : (size_t)o->n_tasks * (size_t)o->n_lengths;
    if (status == FV_OK) status = make_room(s, n * n_loads, n_depths, error);
    for (size_t l = 0; l < n_loads && status == FV_OK; l++)
        status = make_groups_under(s, o->n_loads > 0 ? o->loads[l] : 0, error);
    return status;
}

// --- what is stored ----------------------------------------------------------------------------

fv_status served_open_asks(fv_served *s, bool writes, fv_error *error) {
    asks_close(s->asks);
    s->asks = NULL;
    return asks_open(s->options.folder, writes, &s->asks, error);
}

served_sample_place served_place(const fv_served *s, const served_cell *cell, int sample,
                                 int n_units) {
    const served_group *g = cell->group;
    return (served_sample_place){.seed = s->options.seed,
                                 .sample = sample,
                                 .length = g->length,
                                 .n_units = n_units,
                                 .depth = cell->cell.depth,
                                 .hay = g->hay};
}

fv_served_fault *served_count_fault(fv_served *s, const char *kind, const char *note) {
    fv_served_fault *fault = NULL;
    for (int i = 0; i < s->n_faults && fault == NULL; i++)
        if (strcmp(s->faults[i].kind, kind) == 0) fault = &s->faults[i];
    if (fault == NULL) {
        fv_served_fault *grown = realloc(s->faults, ((size_t)s->n_faults + 1) * sizeof *grown);
        if (grown == NULL) return NULL;
        s->faults = grown;
        fault = &grown[s->n_faults++];
        *fault = (fv_served_fault){.lasting = strcmp(kind, SERVED_LENGTH_SHORT) == 0};
        snprintf(fault->kind, sizeof fault->kind, "%s", kind);
    }
    snprintf(fault->note, sizeof fault->note, "%s", note);
    return fault;
}

typedef struct loader {
    fv_served *served;
    const served_group *group;
    double seconds;
    int n;
} loader;

static served_cell *cell_of(const loader *l, const asks_row *row) {
    for (int i = 0; i < l->group->n_cells; i++) {
        served_cell *c = &l->served->cells[l->group->first_cell + i];
        if (isnan(row->depth) ? isnan(c->cell.depth) : row->depth == c->cell.depth) return c;
    }
    return NULL;
}

static void load_row(void *context, const asks_row *row) {
    loader *l = context;
    fv_served *s = l->served;
    served_cell *c = cell_of(l, row);
    if (c == NULL) return;
    bool counts = fv_answer_counts(row->answer);
    fv_cell_count(&c->cell, row->answer, row->score);
    if (counts && row->sample < l->group->samples) c->state[row->sample] = SAMPLE_ANSWERED;
    if (counts) {
        s->n_other_prompts += !served_follows(c, row);
        s->n_stored++;
        speeds_add(&c->speeds, row);
        c->n_reused += row->origin.endpoint == NULL;
        if (row->origin.server != NULL)
            snprintf(s->server_before, sizeof s->server_before, "%.150s", row->origin.server);
        l->seconds += row->seconds > 0 ? row->seconds : 0;
        l->n++;
    } else {
        fv_served_fault *fault = served_count_fault(s, row->error_kind ? row->error_kind : "error",
                                                    row->error ? row->error : "");
        if (fault != NULL) fault->n++;
    }
}

static void load_unknown(void *context, const asks_row *row) {
    loader *l = context;
    served_cell *c = cell_of(l, row);
    if (c == NULL) return;
    fv_cell_count(&c->unknown, row->answer, row->score);
    bool wanted = row->sample < c->target && c->state[row->sample] != SAMPLE_ANSWERED;
    l->served->n_unknown += wanted;
}

static void forget(fv_cell *cell) {
    cell->n = cell->hits = 0;
    cell->score = 0;
    memset(cell->counts, 0, sizeof cell->counts);
}

asks_whose served_counted(const fv_served *s) {
    return s->options.reuse_unknown ? ASKS_ANYONES : ASKS_KNOWN;
}

fv_status served_load(fv_served *s, fv_error *error) {
    loader l = {.served = s};
    s->n_stored = s->n_unknown = s->n_other_prompts = 0;
    for (int i = 0; i < s->n_faults; i++) s->faults[i].n = 0;
    for (int i = 0; i < s->n_cells; i++) {
        forget(&s->cells[i].cell);
        forget(&s->cells[i].unknown);
        s->cells[i].n_reused = 0;
        speeds_forget(&s->cells[i].speeds);
    }
    for (int i = 0; i < s->n_groups; i++) {
        l.group = &s->groups[i];
        const asks_group counted = served_asks_group(s, l.group, served_counted(s));
        const asks_group unknown = served_asks_group(s, l.group, ASKS_UNKNOWN);
        fv_status status = asks_each(s->asks, &s->key, &counted, load_row, &l, error);
        if (status == FV_OK)
            status = asks_each(s->asks, &s->key, &unknown, load_unknown, &l, error);
        if (status != FV_OK) return status;
    }
    s->mean_seconds = l.n > 0 ? l.seconds / l.n : 0;
    return FV_OK;
}

bool served_wants_more(const fv_served *s, const served_cell *c) {
    double low, high;
    if (s->options.interval <= 0 || c->target >= c->group->samples) return false;
    fv_wilson(c->cell.hits, c->cell.n, FV_Z95, &low, &high);
    return high - low > s->options.interval;
}

int served_count_missing(const fv_served *s) {
    int n = 0;
    for (int i = 0; i < s->n_cells; i++) {
        const served_cell *c = &s->cells[i];
        for (int k = 0; k < c->target; k++) n += c->state[k] == SAMPLE_MISSING;
    }
    return n;
}

// --- the interface -----------------------------------------------------------------------------

// A load that cannot be brought about is refused: its cells would be about another.
static fv_status choose_in_flight(fv_served *s, fv_error *error) {
    int wanted = s->options.in_flight;
    for (int i = 0; i < s->options.n_loads; i++)
        if (i == 0 || s->options.loads[i] > wanted) wanted = s->options.loads[i];
    s->options.in_flight = http_most_in_flight(wanted *= s->ends.n);
    if (s->options.n_loads == 0 || s->options.in_flight == wanted) return FV_OK;
    return fv_fail(
        error, FV_USAGE,
        "descriptors are enough for %d requests in flight, not for %d; raise 'ulimit -n'",
        s->options.in_flight, wanted);
}

// Of those endpoints that are asked; 0 where none says.
static int shortest_context(const endpoints *e) {
    int least = 0;
    for (int i = 0; i < e->n; i++) {
        int context = e->items[i].server.context;
        if (!e->items[i].out && context > 0 && (least == 0 || context < least)) least = context;
    }
    return least;
}

fv_status fv_served_open(const fv_served_options *options, fv_served **out, fv_error *error) {
    *out = NULL;
    fv_status status = check(options, error);
    if (status != FV_OK) return status;
    fv_served *s = calloc(1, sizeof *s);
    if (s == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    s->options = *options;
    status = endpoints_read(options, &s->ends, error);
    if (status == FV_OK) status = choose_in_flight(s, error);
    if (status == FV_OK) status = served_name(s, error);
    if (status == FV_OK) status = make_groups(s, error);
    use_marks(s);
    if (status == FV_OK) status = served_open_asks(s, false, error);
    if (status == FV_OK && options->prompts_of != NULL) status = served_follow(s, error);
    if (status == FV_OK) status = served_check_label(s, error);
    if (status == FV_OK) s->context = shortest_context(&s->ends);
    if (status == FV_OK) status = served_load(s, error);
    if (status == FV_OK) status = served_check_prompts(s, error);
    if (status == FV_OK) status = served_measure_lengths(s, error);
    // A server that had to be waited for tells only now what it is.
    const server_told *first = status == FV_OK ? &endpoints_first(&s->ends)->server : NULL;
    if (status == FV_OK && first->answers && !first->ready) status = served_check_label(s, error);
    if (status == FV_OK)
        *out = s;
    else
        fv_served_close(s);
    return status;
}

void fv_served_close(fv_served *s) {
    if (s == NULL) return;
    for (int i = 0; i < s->n_groups; i++) {
        free(s->groups[i].haystack);
        wire_frame_free(&s->groups[i].frame);
        wire_settings_free(&s->groups[i].settings);
        length_rule_free(&s->groups[i].rule);
    }
    for (int i = 0; i < s->n_cells; i++) {
        free(s->cells[i].state);
        speeds_free(&s->cells[i].speeds);
        free(s->cells[i].led);
    }
    free(s->groups);
    free(s->cells);
    free(s->faults);
    free(s->label);
    free(s->marks);
    endpoints_free(&s->ends);
    source_free(&s->source);
    data_files_close(s->data, s->n_data);
    asks_close(s->asks);
    free(s);
}

// The tokens of missing samples, and those of them that stood at the beginning of the prompt asked
// before: the deepest needle of a haystack comes first, and the others repeat it up to their own.
static void plan_group(const fv_served *s, const served_group *g, fv_served_plan *plan) {
    int n_before = plan->n_requests;
    for (int k = 0; k < g->samples; k++) {
        bool first = true;
        for (int i = 0; i < g->n_cells; i++) {
            const served_cell *c = &s->cells[g->first_cell + i];
            int most = s->options.interval > 0 ? g->samples : c->target;
            if (k >= most || c->state[k] != SAMPLE_MISSING) continue;
            plan->n_requests++;
            bool counted = strcmp(g->task->unit, "tokens") == 0;
            plan->n_beyond += s->context > 0 && counted && g->length > s->context;
            plan->prompt_tokens += g->rule.tokens;
            plan->answer_tokens += g->max_tokens;
            if (!first) plan->shared_tokens += g->rule.tokens * c->cell.depth / 100;
            first = false;
        }
    }
    int in_flight = g->load > 0 ? g->load * s->ends.n : s->options.in_flight;
    plan->seconds += (plan->n_requests - n_before) * s->mean_seconds / in_flight;
}

// A load that has fewer requests than itself is never reached.
static int idle_load(const fv_served *s) {
    int idle = 0;
    for (int l = 0; l < s->options.n_loads; l++) {
        int load = s->options.loads[l], n = 0;
        for (int i = 0; i < s->n_groups; i++) {
            fv_served_plan of_group = {0};
            if (s->groups[i].load == load && *s->groups[i].left_out == '\0')
                plan_group(s, &s->groups[i], &of_group);
            n += of_group.n_requests;
        }
        if (n > 0 && n < load * s->ends.n && load > idle) idle = load;
    }
    return idle;
}

void fv_served_plan_make(const fv_served *s, fv_served_plan *plan) {
    *plan = (fv_served_plan){.n_cells = s->n_cells,
                             .n_stored = s->n_stored,
                             .n_unknown = s->n_unknown,
                             .context = s->context,
                             .in_flight = s->options.in_flight,
                             .idle_load = idle_load(s),
                             .counted = s->counted,
                             .estimated = s->estimated};
    for (int i = 0; i < s->n_groups; i++)
        if (*s->groups[i].left_out == '\0') plan_group(s, &s->groups[i], plan);
    if (s->mean_seconds == 0) plan->seconds = -1;
}

fv_status fv_served_cells(fv_served *s, fv_cells *cells, fv_error *error) {
    fv_status status = served_load(s, error);
    for (int i = 0; i < s->n_cells && status == FV_OK; i++) {
        fv_cell cell = s->cells[i].cell;
        speeds_of(&s->cells[i].speeds, &cell);
        if (s->cells[i].n_reused > 0) served_name_reused(&cell);
        status = fv_cells_put(cells, &cell, error);
    }
    return status;
}

fv_status fv_served_unknown(fv_served *s, fv_cells *cells, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < s->n_cells && status == FV_OK; i++)
        if (s->cells[i].unknown.n > 0) status = fv_cells_put(cells, &s->cells[i].unknown, error);
    return status;
}

bool fv_served_provenance_of(const fv_served *s, int cell, fv_served_provenance *out) {
    if (cell < 0 || cell >= s->n_cells) return false;
    const served_cell *c = &s->cells[cell];
    const asks_origin origin = served_origin(s, c->group, endpoints_first(&s->ends));
    const char *before = *s->server_before != '\0' ? s->server_before : NULL;
    *out = (fv_served_provenance){
        s->label,          s->ends.names,   origin.server ? origin.server : before,
        origin.model,      origin.sampling, origin.extra,
        origin.max_tokens, c->n_reused,     c->group->load};
    return true;
}

const fv_served_fault *fv_served_faults(const fv_served *s, int *n) {
    *n = s->n_faults;
    return s->faults;
}

static const char *text_or_nothing(const char *text) {
    return text != NULL ? text : "";
}

const char *fv_eval_task_name(int i) {
    return i >= 0 && served_task_at(i) != NULL ? served_task_name(i) : NULL;
}

const char *fv_eval_task_help(int i) {
    return i >= 0 && served_task_at(i) != NULL ? text_or_nothing(served_task_at(i)->help) : NULL;
}

const char *fv_eval_task_unit(int i) {
    return i >= 0 && served_task_at(i) != NULL ? text_or_nothing(served_task_at(i)->unit) : NULL;
}

bool fv_eval_task_has_depth(int i) {
    return i >= 0 && served_task_at(i) != NULL && served_task_at(i)->has_depth;
}
