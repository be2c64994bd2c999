// Reads an experiment file. Each top-level key has one function; what they need to know of each
// other is the line on which a field was set, for messages about a whole configuration.
#include "base/yaml.h"
#include "config/config_refuse.h"
#include "config/synonym_lookup.h"
#include "lab/adaptive.h"
#include "lab/choose.h"
#include "lab/grid.h"
#include "lab/override.h"
#include "lab/sections.h"
#include "lab/spread.h"
#include "lab/sweep.h"
#include "lab/where.h"
#include "lab/yaml_options.h"
#include "probes/probes.h"

#include <fovea/config.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    fv_experiment *experiment;
    const char *path;
    fv_grid everywhere; // axes of `task`, `model` and `train`, which every grid has
    int *lines;         // [fields]: where each field was last set; 0: not in the file
    int choose_line;
    bool lineless; // messages name no line: nobody wrote them
    fv_error error;
} reader;

static fv_status fail(reader *r, int line, fv_status status, const char *format, ...)
    FV_PRINTF(4, 5);

static fv_status fail(reader *r, int line, fv_status status, const char *format, ...) {
    char message[896];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (line <= 0 || r->lineless) return fv_fail(&r->error, status, "%s: %s", r->path, message);
    return fv_fail(&r->error, status, "%s:%d: %s", r->path, line, message);
}

// Puts file and line in front of a message that knows neither.
static fv_status at(reader *r, int line, fv_status status) {
    if (status == FV_OK || status == FV_NO_MEMORY) return status;
    char message[896];
    snprintf(message, sizeof message, "%.895s", r->error.text);
    return fail(r, line, status, "%s", message);
}

static fv_status no_memory(reader *r) {
    return fv_fail(&r->error, FV_NO_MEMORY, "out of memory");
}

static fv_status require(reader *r, const yaml_value *value, yaml_kind kind, const char *example) {
    if (value->kind == kind) return FV_OK;
    return fail(r, value->line, FV_USAGE, "'%s' must be %s such as %s, not %s",
                value->key ? value->key : "the file", yaml_kind_text(kind), example,
                yaml_kind_text(value->kind));
}

// The field of a dotted key; *field stays NULL after a failure.
static fv_status find_field(reader *r, const yaml_value *value, const char *key,
                            const fv_field **field) {
    *field = fv_field_find(key);
    if (*field == NULL) return at(r, value->line, refuse_field(key, &r->error));
    int n;
    r->lines[*field - fv_fields(&n)] = value->line;
    return FV_OK;
}

// One field of `task`, `model` or `train`: a value of the base configuration, or an axis
// everywhere.
static fv_status read_field(reader *r, const yaml_value *section, const yaml_value *value) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", section->key, value->key);
    const fv_field *field;
    fv_status status = find_field(r, value, key, &field);
    if (status != FV_OK) return status;
    fv_axis axis;
    bool is_axis;
    status = axis_read(field, value, &axis, &is_axis, &r->error);
    if (status == FV_OK && is_axis) status = grid_put(&r->everywhere, &axis, &r->error);
    if (status == FV_OK && !is_axis)
        status = fv_config_set(r->experiment->base, field->key, axis.values[0], &r->error);
    axis_free(&axis);
    return at(r, value->line, status);
}

static fv_status read_section(reader *r, const yaml_value *section) {
    fv_status status = require(r, section, YAML_MAPPING, "{vocab_size: 100}");
    for (int i = 0; i < section->n && status == FV_OK; i++)
        status = read_field(r, section, &section->items[i]);
    return status;
}

// `drawn` is NULL in a grid that does not draw.
static fv_status add_axis(reader *r, fv_grid *grid, const yaml_value *value, const draws *drawn) {
    const fv_field *field;
    fv_status status = find_field(r, value, value->key, &field);
    if (status != FV_OK) return status;
    fv_axis axis;
    bool is_axis; // a single value is an axis of one point
    fv_adaptive *adaptive = r->experiment->adaptive;
    if (adaptive != NULL && spread_is_spaced(value))
        return at(r, value->line, adaptive_add_axis(adaptive, field, value, &r->error));
    if (drawn != NULL && spread_is_distribution(value)) {
        axis = (fv_axis){.field = field, .joint = true};
        status = spread_draw(&axis, value, drawn, &r->error);
    } else {
        status = axis_read(field, value, &axis, &is_axis, &r->error);
    }
    if (status == FV_OK) status = grid_put(grid, &axis, &r->error);
    axis_free(&axis);
    return at(r, value->line, status);
}

// Puts the line of the field that a message blames in front of it.
static fv_status blame(reader *r, const fv_field *culprit, fv_status status) {
    int n;
    return at(r, culprit != NULL ? r->lines[culprit - fv_fields(&n)] : 0, status);
}

static fv_status plan(reader *r) {
    const fv_field *culprit;
    fv_status status = sweep_plan(r->experiment, &culprit, &r->error);
    return blame(r, culprit, status);
}

static fv_status check_readers(reader *r) {
    const fv_field *culprit;
    // The experiment is the reader's, which read_tree frees.
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    fv_status status = sweep_check_readers(r->experiment, &culprit, &r->error);
    return blame(r, culprit, status);
}

// An override may have replaced the values that make runs optional; a file alone means some of its
// own.
static fv_status check_optional(reader *r) {
    const fv_experiment *experiment = r->experiment;
    if (experiment->optional.n == 0 || experiment->n_left_out > 0) return FV_OK;
    return fail(r, experiment->optional.line, FV_USAGE,
                "'optional' names values that no run of the sweep has");
}

// All points that an adaptive sweep could reach are checked as a grid before its first round.
static fv_status begin_adaptive(reader *r, int line, fv_grid *grid) {
    fv_experiment *experiment = r->experiment;
    if (experiment->optional.n > 0)
        return fail(r, experiment->optional.line, FV_USAGE,
                    "an adaptive sweep chooses its runs itself and has no optional ones");
    fv_status status = adaptive_put_all(experiment->adaptive, grid, &r->error);
    if (status == FV_OK)
        status = adaptive_check_measure(experiment->adaptive, experiment->probes,
                                        experiment->n_probes, &r->error);
    if (status != FV_OK) return at(r, line, status);
    status = plan(r);
    return status == FV_OK ? adaptive_begin(experiment->adaptive, grid, &r->error) : status;
}

// The axes of one mapping of `sweep`; two keys are no fields: how often it draws, and that it is
// adaptive.
static fv_status read_axes(reader *r, const yaml_value *mapping, fv_grid *grid) {
    const yaml_value *random = yaml_value_member(mapping, "random");
    const yaml_value *adaptive = yaml_value_member(mapping, "adaptive");
    draws drawn;
    fv_status status = FV_OK;
    if (adaptive != NULL && (random != NULL || r->experiment->n_grids > 1))
        return fail(r, adaptive->line, FV_USAGE,
                    "an adaptive sweep is a single mapping without 'random'");
    if (adaptive != NULL)
        status =
            at(r, adaptive->line, adaptive_read(adaptive, &r->experiment->adaptive, &r->error));
    if (status == FV_OK && random != NULL)
        status = at(r, random->line, draws_read(random, &drawn, &r->error));
    bool draws_any = false;
    for (int i = 0; i < mapping->n && status == FV_OK; i++) {
        if (&mapping->items[i] == random || &mapping->items[i] == adaptive) continue;
        status = add_axis(r, grid, &mapping->items[i], random != NULL ? &drawn : NULL);
        draws_any |= spread_is_distribution(&mapping->items[i]);
    }
    if (status == FV_OK && adaptive != NULL) return begin_adaptive(r, adaptive->line, grid);
    if (status != FV_OK || random == NULL || draws_any) return status;
    return fail(r, random->line, FV_USAGE,
                "random: no field of this sweep is drawn; give one a distribution such as "
                "{range: [2, 64]}");
}

// One grid: the axes that all have, and those of `mapping` (which may be NULL) in front of their
// equals.
static fv_status read_grid(reader *r, const yaml_value *mapping, fv_grid *grid) {
    fv_status status = FV_OK;
    for (int i = 0; i < r->everywhere.n_axes && status == FV_OK; i++) {
        fv_axis copy;
        status = axis_copy(&r->everywhere.axes[i], &copy, &r->error);
        if (status == FV_OK) status = grid_put(grid, &copy, &r->error);
        axis_free(&copy);
    }
    if (mapping != NULL && status == FV_OK) status = read_axes(r, mapping, grid);
    return status;
}

// Whoever writes an empty grid has lost its fields; a file without `sweep` is one run.
static fv_status fail_no_cells(reader *r, const yaml_value *grid) {
    return fail(r, grid->line, FV_USAGE,
                "'sweep' has a grid of zero cells; give it fields, as in {train.seed: 0..4}, or "
                "leave 'sweep' out for a single run");
}

static fv_status read_grids(reader *r, const yaml_value *sweep) {
    bool several = sweep != NULL && sweep->kind == YAML_LIST;
    if (several && sweep->n == 0) return fail_no_cells(r, sweep);
    int n = several ? sweep->n : 1;
    fv_experiment *experiment = r->experiment;
    experiment->grids = calloc((size_t)n, sizeof *experiment->grids);
    if (experiment->grids == NULL) return no_memory(r);
    experiment->n_grids = n;
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        const yaml_value *mapping = several ? &sweep->items[i] : sweep;
        if (mapping != NULL) status = require(r, mapping, YAML_MAPPING, "{train.seed: 0..4}");
        if (status == FV_OK && mapping != NULL && mapping->n == 0)
            status = fail_no_cells(r, mapping);
        if (status == FV_OK) status = read_grid(r, mapping, &experiment->grids[i]);
    }
    return status;
}

static bool is_always_measured(const char *name) {
    const char *const *metrics = fv_field_find("train.stop_metric")->choices;
    for (int i = 0; metrics[i] != NULL; i++)
        if (strcmp(name, metrics[i]) == 0) return i != FV_METRIC_NONE;
    return false;
}

static fv_status add_probe(reader *r, const yaml_value *name) {
    fv_experiment *experiment = r->experiment;
    if (name->kind != YAML_SCALAR)
        return fail(r, name->line, FV_USAGE, "'probes' must list names, not %s",
                    yaml_kind_text(name->kind));
    if (is_always_measured(name->scalar)) return FV_OK;
    const fv_probe *probe = fv_probe_find(name->scalar);
    if (probe == NULL)
        return fail(r, name->line, FV_USAGE, "there is no probe '%.100s'; the nearest is '%s'",
                    name->scalar, fv_probe_nearest(name->scalar));
    fv_error why;
    if (probes_check(name->scalar, &why) != FV_OK)
        return fail(r, name->line, FV_USAGE, "%s", why.text);
    for (int i = 0; i < experiment->n_probes; i++)
        if (experiment->probes[i] == probe) return FV_OK;
    experiment->probes[experiment->n_probes++] = probe;
    return FV_OK;
}

static fv_status read_probes(reader *r, const yaml_value *list) {
    fv_status status = require(r, list, YAML_LIST, "[effective_rank]");
    if (status != FV_OK) return status;
    int n_known; // more than these cannot be distinct
    fv_probes(&n_known);
    r->experiment->probes = calloc((size_t)n_known + 1, sizeof *r->experiment->probes);
    if (r->experiment->probes == NULL) return no_memory(r);
    for (int i = 0; i < list->n && status == FV_OK; i++) status = add_probe(r, &list->items[i]);
    return status;
}

// A mapping, or a list of them.
static fv_status read_mappings(reader *r, const yaml_value *value, fv_options **all, int *n_all) {
    bool several = value->kind == YAML_LIST;
    int n = several ? value->n : 1;
    *all = calloc(n > 0 ? (size_t)n : 1, sizeof **all);
    if (*all == NULL) return no_memory(r);
    fv_status status = FV_OK;
    for (int i = 0; i < n && status == FV_OK; i++) {
        *n_all = i + 1;
        status = options_read(r->path, several ? &value->items[i] : value, &(*all)[i], &r->error);
    }
    return status;
}

static fv_status read_source(reader *r, const yaml_value *value) {
    fv_status status = require(r, value, YAML_SCALAR, "\"Sparse attention 1, figure 2\"");
    if (status != FV_OK) return status;
    r->experiment->source = text_copy(value->scalar);
    return r->experiment->source != NULL ? FV_OK : no_memory(r);
}

static fv_status read_figure(reader *r, const yaml_value *value) {
    return read_mappings(r, value, &r->experiment->figures, &r->experiment->n_figures);
}

static fv_status read_claims(reader *r, const yaml_value *value) {
    fv_status status = require(r, value, YAML_LIST, "- statement: ...");
    if (status != FV_OK) return status;
    return read_mappings(r, value, &r->experiment->claims, &r->experiment->n_claims);
}

// Which runs wait until they are asked for: {task.n_pairs: 32}.
static fv_status read_optional(reader *r, const yaml_value *value) {
    fv_options *optional = &r->experiment->optional;
    fv_status status = options_read(r->path, value, optional, &r->error);
    for (int i = 0; i < optional->n && status == FV_OK; i++)
        status = at(r, optional->items[i].line,
                    where_check(&optional->items[i], optional->items[i].key, &r->error));
    return status;
}

static fv_status read_choose(reader *r, const yaml_value *value) {
    r->choose_line = value->line;
    return at(r, value->line, choose_read(value, &r->experiment->choose, &r->error));
}

// A value of its own for the field that is chosen would be read by nobody.
static fv_status check_choose(reader *r) {
    fv_experiment *experiment = r->experiment;
    int n;
    if (experiment->choose == NULL) return FV_OK;
    const fv_field *field = choose_field(experiment->choose);
    int line = r->lines[field - fv_fields(&n)];
    if (line > 0)
        return fail(r, line, FV_USAGE, "%s is chosen for each arm by `choose`; leave it out here",
                    field->key);
    if (experiment->adaptive != NULL)
        return fail(r, r->choose_line, FV_USAGE,
                    "an adaptive sweep chooses its runs itself and has no `choose`");
    return at(r, r->choose_line, choose_check(experiment, &r->error));
}

// `sweep` is read last, once the axes that all grids share are known.
static fv_status remember_sweep(reader *r, const yaml_value *value) {
    (void)r;
    (void)value;
    return FV_OK;
}

static const struct {
    const char *key;
    fv_status (*read)(reader *r, const yaml_value *value);
} SECTIONS[] = {
#define SECTION(key, read, help, example) {#key, read},
    SECTION_LIST(SECTION)
#undef SECTION
};
enum { N_SECTIONS = sizeof SECTIONS / sizeof SECTIONS[0] };

// A field at the top of the file, or what is one elsewhere: "lr: 1e-3".
static const fv_field *stray_field(const yaml_value *value) {
    const char *nearest = fv_field_nearest(value->key), *name = strchr(nearest, '.') + 1;
    bool single = value->kind == YAML_SCALAR || strchr(value->key, '.') != NULL;
    bool meant = strcmp(name, value->key) == 0 || strcmp(nearest, value->key) == 0 ||
                 synonym_of("field", value->key) != NULL;
    return single && meant ? fv_field_find(nearest) : NULL;
}

static fv_status refuse_key(reader *r, const yaml_value *value) {
    const char *keys[N_SECTIONS + 1] = {NULL};
    for (int i = 0; i < N_SECTIONS; i++) keys[i] = SECTIONS[i].key;
    const fv_field *field = stray_field(value);
    if (field != NULL)
        return fail(r, value->line, FV_USAGE,
                    "there is no key '%.100s'; the nearest is %s, which is written '%.*s: {%s: "
                    "...}'",
                    value->key, field->key, (int)strcspn(field->key, "."), field->key,
                    strchr(field->key, '.') + 1);
    if (synonym_absent(value->key) != NULL)
        return fail(r, value->line, FV_USAGE, "there is no key '%.100s': %s", value->key,
                    synonym_absent(value->key));
    return fail(r, value->line, FV_USAGE, "there is no key '%.100s'; the nearest is '%s'",
                value->key, synonym_nearest("key", value->key, keys));
}

static fv_status read_top(reader *r, const yaml_value *root) {
    if (root->kind != YAML_MAPPING)
        return fail(r, root->line, FV_USAGE,
                    "an experiment is a mapping that begins like 'task: {name: copy}', not %s",
                    yaml_kind_text(root->kind));
    fv_status status = FV_OK;
    for (int i = 0; i < root->n && status == FV_OK; i++) {
        const yaml_value *value = &root->items[i];
        int s = 0;
        while (s < N_SECTIONS && strcmp(SECTIONS[s].key, value->key) != 0) s++;
        status = s < N_SECTIONS ? SECTIONS[s].read(r, value) : refuse_key(r, value);
    }
    if (status != FV_OK) return status;
    return read_grids(r, yaml_value_member(root, "sweep"));
}

static fv_status override(reader *r, const char *text) {
    int n;
    const fv_field *field;
    fv_status status = override_apply(r->experiment, text, &field, &r->error);
    if (status == FV_OK) r->lines[field - fv_fields(&n)] = 0;
    return status;
}

// "experiments/post/sticky-plateau.yaml" -> "sticky-plateau"
static char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return text_copy_n(name, dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name));
}

static fv_status start(reader *r, const char *path) {
    int n;
    fv_fields(&n);
    r->path = path;
    r->lines = calloc((size_t)n, sizeof *r->lines);
    fv_experiment *experiment = r->experiment = calloc(1, sizeof *r->experiment);
    if (experiment != NULL) experiment->base = malloc(sizeof *experiment->base);
    if (r->lines == NULL || experiment == NULL || experiment->base == NULL) return no_memory(r);
    fv_config_init(experiment->base);
    experiment->path = text_copy(path);
    experiment->name = name_of(path);
    if (experiment->path == NULL || experiment->name == NULL) return no_memory(r);
    return FV_OK;
}

// Reads the experiment of a YAML tree.
static fv_status read_tree(const char *path, const yaml_value *root, bool lineless,
                           const char *const *overrides, int n_overrides,
                           fv_experiment **experiment, fv_error *error) {
    reader r = {.lineless = lineless};
    fv_status status = start(&r, path);
    if (status == FV_OK) status = read_top(&r, root);
    for (int i = 0; i < n_overrides && status == FV_OK; i++) status = override(&r, overrides[i]);
    if (status == FV_OK && r.experiment->source == NULL &&
        (r.experiment->source = text_copy("")) == NULL)
        status = no_memory(&r);
    if (status == FV_OK) status = check_readers(&r);
    if (status == FV_OK) status = plan(&r);
    if (status == FV_OK && n_overrides == 0) status = check_optional(&r);
    if (status == FV_OK) status = check_choose(&r);
    grid_free(&r.everywhere);
    free(r.lines);
    if (status == FV_OK) {
        *experiment = r.experiment;
        return FV_OK;
    }
    fv_experiment_free(r.experiment);
    return fv_fail(error, status, "%s", r.error.text);
}

fv_status fv_experiment_read(const char *path, const char *const *overrides, int n_overrides,
                             fv_experiment **experiment, fv_error *error) {
    *experiment = NULL;
    yaml_value *root = NULL;
    fv_status status = yaml_value_read_file(path, &root, error);
    if (status == FV_OK)
        status = read_tree(path, root, false, overrides, n_overrides, experiment, error);
    if (status == FV_OK && n_overrides > 0) {
        (*experiment)->overridden = true;
        if ((*experiment)->n_claims > 0)
            status = read_tree(path, root, false, NULL, 0, &(*experiment)->published, error);
        if (status == FV_NO_MEMORY) {
            fv_experiment_free(*experiment);
            *experiment = NULL;
        } else {
            status = FV_OK; // a file that only its overrides make right
        }
    }
    yaml_value_free(root);
    return status;
}

fv_status fv_experiment_parse(const char *name, const char *yaml, size_t size,
                              fv_experiment **experiment, fv_error *error) {
    *experiment = NULL;
    yaml_value *root = NULL;
    fv_status status = yaml_value_read(yaml, size, name, &root, error);
    if (status == FV_OK) status = read_tree(name, root, true, NULL, 0, experiment, error);
    yaml_value_free(root);
    return status;
}

void fv_experiment_free(fv_experiment *experiment) {
    if (experiment == NULL) return;
    fv_experiment_free(experiment->published);
    for (int i = 0; i < experiment->n_grids; i++) grid_free(&experiment->grids[i]);
    for (int i = 0; i < experiment->n_figures; i++) options_free(&experiment->figures[i]);
    for (int i = 0; i < experiment->n_claims; i++) options_free(&experiment->claims[i]);
    free(experiment->grids);
    free(experiment->figures);
    free(experiment->claims);
    free(experiment->probes);
    free(experiment->order);
    free(experiment->left_out);
    options_free(&experiment->optional);
    adaptive_free(experiment->adaptive);
    choose_free(experiment->choose);
    free(experiment->base);
    free(experiment->source);
    free(experiment->name);
    free(experiment->path);
    free(experiment);
}
