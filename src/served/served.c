// A call: what it asks about (served_groups.c), what of that is stored, how long its prompts are
// (served_lengths.c). served_ask.c does the asking.
#include "served/served.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// Everything up to where a server is needed.
static fv_status open_stored(fv_served *s, fv_error *error) {
    const fv_served_options *o = &s->options;
    fv_status status = endpoints_read(o, &s->ends, error);
    if (status == FV_OK) status = choose_in_flight(s, error);
    if (status == FV_OK) status = served_name(s, error);
    if (status == FV_OK) status = served_make_groups(s, error);
    if (status == FV_OK) status = served_open_asks(s, false, error);
    if (status == FV_OK && o->prompts_of != NULL) status = served_follow(s, error);
    return status;
}

fv_status fv_served_stored(const fv_served_options *options, bool *all, fv_error *error) {
    *all = false;
    fv_status status = served_check(options, error);
    if (status != FV_OK) return status;
    fv_served *s = calloc(1, sizeof *s);
    if (s == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    s->options = *options;
    s->options.stored_only = true;
    s->options.on_note = NULL; // whoever asks then tells
    status = open_stored(s, error);
    if (status == FV_OK) status = served_load(s, error);
    // Whoever says that two are one model must have a server there.
    *all = status == FV_OK && !options->same_model && served_count_missing(s) == 0;
    for (int i = 0; i < s->n_cells && *all; i++) *all = !served_wants_more(s, &s->cells[i]);
    fv_served_close(s);
    return status;
}

fv_status fv_served_open(const fv_served_options *options, fv_served **out, fv_error *error) {
    *out = NULL;
    fv_status status = served_check(options, error);
    if (status != FV_OK) return status;
    fv_served *s = calloc(1, sizeof *s);
    if (s == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory");
    s->options = *options;
    status = open_stored(s, error);
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
