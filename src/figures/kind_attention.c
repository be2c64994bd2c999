// Attention patterns of sequences through training: a row of maps for each sequence, a column for each
// snapshot. In a map the query reads downwards and the key across; both are named by their tokens.
#include "base/text.h"
#include "figures/colour.h"
#include "figures/diverged.h"
#include "figures/gnuplot.h"
#include "figures/kind.h"
#include "figures/runs.h"
#include "figures/sheet.h"

#include <fovea/activation_cache.h>
#include <fovea/task.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_TOKENS = 128, // in a sequence
    MOST_MAPS = 64,
    USUAL_SEQUENCES = 3,
    USUAL_STEPS = 5,
};

static const figure_option options[] = {
    {"sequences", FV_OPTION_TEXTS, false, NULL,
     "the sequences, each a text of tokens with commas: [\"0,3,3,1\", \"2,1,0,0\"]; the first "
     "test sequences if not given"},
    {"samples", FV_OPTION_NUMBER, false, NULL, "how many test sequences: 3 if not given"},
    {"steps", FV_OPTION_TEXTS, false, NULL,
     "the snapshots nearest to these steps; at most five, evenly chosen, if not given"},
    {"layer", FV_OPTION_NUMBER, false, NULL, "which attention layer, from 0; 0 if not given"},
    {"head", FV_OPTION_NUMBER, false, NULL, "which head, from 0; 0 if not given"},
};

// What is drawn: the maps of one run.
typedef struct attention_maps {
    const fv_record *record;
    int T, layer, head;
    int n_sequences, n_steps;
    int32_t *tokens; // [n_sequences][T]
    int *snapshots;  // [n_steps], which of the record's
    float *patterns; // [n_sequences][n_steps][T][T], query and key
} attention_maps;

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory for a figure of attention");
}

// --- what is asked for --------------------------------------------------------------------------

static int whole(const figure_view *view, const char *key, int otherwise) {
    double value = fv_options_number(view->options, key, otherwise);
    return value >= 0 && value <= INT_MAX && value == floor(value) ? (int)value : -1;
}

// Heads of attention layer `layer`, 0 where there is no such layer.
static int heads_of(const fv_model *model, int layer, fv_hook *found, fv_error *error) {
    fv_hook *hooks;
    int n, n_head = 0;
    if (fv_hooks_list(model, &hooks, &n, error) != FV_OK) return -1;
    for (int i = 0; i < n; i++) {
        size_t length = strlen(hooks[i].name);
        static const char end[] = ".attn.hook_pattern";
        if (length < sizeof end || strcmp(hooks[i].name + length - (sizeof end - 1), end) != 0)
            continue;
        if (layer-- > 0) continue;
        *found = hooks[i];
        n_head = hooks[i].shape[0];
        break;
    }
    free(hooks);
    return n_head;
}

static fv_status check_layer(const figure_view *view, const fv_model *model, fv_error *error) {
    fv_hook hook = {0};
    int layer = whole(view, "layer", 0), head = whole(view, "head", 0);
    int n_head = layer < 0 ? 0 : heads_of(model, layer, &hook, error);
    if (n_head < 0) return FV_NO_MEMORY;
    if (n_head == 0)
        return figure_fail(view, "layer", error,
                           "the model has no attention layer %s; they count from 0",
                           fv_options_text(view->options, "layer", "0"));
    if (head < 0 || head >= n_head)
        return figure_fail(view, "head", error, "there is no head %s; the layer has %d, from 0",
                           fv_options_text(view->options, "head", "0"), n_head);
    return FV_OK;
}

// Whole numbers from 0 to `high` with commas between them, into values [most]: how many, -1 where the text is
// anything else.
static int read_whole(const char *text, long long high, int32_t *values, int most) {
    for (int n = 0; n < most;) {
        char number[24];
        long long value;
        size_t length = strcspn(text, ",");
        while (*text == ' ') text++, length--;
        if (length >= sizeof number) return -1;
        snprintf(number, sizeof number, "%.*s", (int)length, text);
        if (!text_to_int(number, &value) || value < 0 || value > high) return -1;
        values[n++] = (int32_t)value;
        if (text[length] == '\0') return n;
        text += length + 1;
    }
    return -1;
}

static fv_status check_sequence(const figure_view *view, const fv_model *model, const char *text,
                                int32_t *tokens, fv_error *error) {
    int T = fv_model_sizes_of(model).context_length, V = fv_model_sizes_of(model).vocab_size;
    int n = read_whole(text, V - 1, tokens, T);
    if (n == T) return FV_OK;
    return figure_fail(view, "sequences", error,
                       "\"%s\" is no sequence of the task: %d tokens from 0 to %d, with commas",
                       text, T, V - 1);
}

static int count_sequences(const figure_view *view) {
    const fv_option *given = fv_options_find(view->options, "sequences");
    return given != NULL ? given->n_values : whole(view, "samples", USUAL_SEQUENCES);
}

static fv_status check_sequences(const figure_view *view, const fv_model *model, fv_error *error) {
    const fv_option *given = fv_options_find(view->options, "sequences");
    int32_t tokens[MOST_TOKENS];
    if (given != NULL && fv_options_find(view->options, "samples") != NULL)
        return figure_fail(view, "samples", error,
                           "`samples` counts test sequences; with `sequences` there are none");
    fv_status status = FV_OK;
    for (int i = 0; given != NULL && i < given->n_values && status == FV_OK; i++)
        status = check_sequence(view, model, given->values[i], tokens, error);
    if (status == FV_OK && count_sequences(view) < 1)
        return figure_fail(view, "samples", error, "`samples` must be a whole number from 1");
    return status;
}

static fv_status check_steps(const figure_view *view, fv_error *error) {
    const fv_option *given = fv_options_find(view->options, "steps");
    int last = -1;
    for (int i = 0; given != NULL && i < given->n_values; i++) {
        int32_t step;
        if (read_whole(given->values[i], INT_MAX, &step, 1) != 1)
            return figure_fail(view, "steps", error, "\"%s\" is no step", given->values[i]);
        if (step <= last)
            return figure_fail(view, "steps", error, "steps must increase, %d stands behind %d",
                               step, last);
        last = step;
    }
    int n = given != NULL ? given->n_values : USUAL_STEPS;
    if (count_sequences(view) <= MOST_MAPS / n) return FV_OK;
    return figure_fail(view, NULL, error,
                       "%d sequences at %d steps are too many maps to read; at most %d",
                       count_sequences(view), n, MOST_MAPS);
}

// Sequences of reals have no activations to read.
static fv_status check_tokens(const figure_view *view, const fv_model *model, fv_error *error) {
    static const char *const names[] = {"blocks.*.attn.hook_pattern"};
    fv_activations *seen;
    fv_error cause;
    fv_status status =
        fv_activations_create(model, names, 1, FV_KEEP_ALL_POSITIONS, 1, &seen, &cause);
    if (status == FV_OK) fv_activations_free(seen);
    return status == FV_OK ? FV_OK : figure_fail(view, NULL, error, "%s", cause.text);
}

static fv_status check(const figure_view *view, fv_error *error) {
    const fv_config *config = view->runs.configs[0];
    fv_status status = runs_check_alike(view, NULL, 0, error);
    if (status != FV_OK) return status;
    fv_model *model;
    status = fv_model_create(config, &model, error);
    if (status != FV_OK) return status;
    int T = fv_model_sizes_of(model).context_length;
    if (T > MOST_TOKENS)
        status =
            figure_fail(view, NULL, error,
                        "sequences of %d tokens are too long to draw; at most %d", T, MOST_TOKENS);
    if (status == FV_OK) status = check_layer(view, model, error);
    if (status == FV_OK) status = check_tokens(view, model, error);
    if (status == FV_OK) status = check_sequences(view, model, error);
    if (status == FV_OK) status = check_steps(view, error);
    fv_model_free(model);
    return status;
}

// --- reading ------------------------------------------------------------------------------------

// The i-th of the steps asked for, which check has read before.
static int given_step(const fv_option *given, int i) {
    int32_t step = 0;
    read_whole(given->values[i], INT_MAX, &step, 1);
    return step;
}

// Each snapshot once, in order.
static void choose_snapshots(const figure_view *view, attention_maps *maps) {
    const fv_option *given = fv_options_find(view->options, "steps");
    int n = maps->record->n_snapshots, n_wanted = given != NULL ? given->n_values : USUAL_STEPS;
    for (int i = 0; i < n_wanted; i++) {
        int last = maps->n_steps > 0 ? maps->snapshots[maps->n_steps - 1] : -1;
        int s = given != NULL ? runs_snapshot(maps->record, given_step(given, i))
                              : (int)lround((double)i * (n - 1) / (n_wanted - 1));
        if (s > last) maps->snapshots[maps->n_steps++] = s;
    }
}

static fv_status read_sequences(const figure_view *view, const fv_model *model,
                                attention_maps *maps, fv_error *error) {
    const fv_option *given = fv_options_find(view->options, "sequences");
    if (given != NULL) {
        fv_status status = FV_OK;
        for (int i = 0; i < maps->n_sequences && status == FV_OK; i++)
            status = check_sequence(view, model, given->values[i],
                                    maps->tokens + (size_t)i * (size_t)maps->T, error);
        return status;
    }
    int n_loss;
    fv_model_loss_positions(model, &n_loss);
    int32_t *targets =
        scratch_get(view->scratch, (size_t)maps->n_sequences * (size_t)n_loss, sizeof *targets);
    if (targets == NULL) return no_memory(error);
    return fv_model_test_sequences(model, fv_task_seed(maps->record->config), 0, maps->n_sequences,
                                   maps->tokens, targets, error);
}

static fv_status read_patterns(const fv_model *model, attention_maps *maps, fv_error *error) {
    fv_hook hook = {0};
    if (heads_of(model, maps->layer, &hook, error) < 1) return FV_NO_MEMORY;
    const char *const name = hook.name;
    fv_activations *seen;
    fv_status status = fv_activations_create(model, &name, 1, FV_KEEP_ALL_POSITIONS,
                                             maps->n_sequences, &seen, error);
    if (status != FV_OK) return status;
    size_t size = (size_t)maps->T * (size_t)maps->T;
    for (int s = 0; s < maps->n_steps; s++) {
        fv_activations_fill(seen, maps->record->snapshots[maps->snapshots[s]].params, maps->tokens,
                            maps->n_sequences);
        for (int i = 0; i < maps->n_sequences; i++)
            memcpy(maps->patterns + (size_t)(i * maps->n_steps + s) * size,
                   fv_activations_get(seen, name) +
                       ((size_t)i * (size_t)hook.shape[0] + (size_t)maps->head) * size,
                   size * sizeof *maps->patterns);
    }
    fv_activations_free(seen);
    return FV_OK;
}

static fv_status read_maps(const figure_view *view, attention_maps *maps, fv_error *error) {
    const fv_record *record = view->runs.records[0];
    fv_model *model;
    *maps = (attention_maps){.record = record,
                             .layer = whole(view, "layer", 0),
                             .head = whole(view, "head", 0),
                             .n_sequences = count_sequences(view)};
    fv_status status = fv_model_create(record->config, &model, error);
    if (status != FV_OK) return status;
    maps->T = fv_model_sizes_of(model).context_length;
    size_t n_maps = MOST_MAPS, T = (size_t)maps->T;
    maps->tokens = scratch_get(view->scratch, (size_t)maps->n_sequences * T, sizeof *maps->tokens);
    maps->snapshots = scratch_get(view->scratch, n_maps, sizeof *maps->snapshots);
    maps->patterns = scratch_get(view->scratch, n_maps * T * T, sizeof *maps->patterns);
    if (maps->tokens == NULL || maps->snapshots == NULL || maps->patterns == NULL)
        status = no_memory(error);
    else if (record->n_snapshots == 0 || record->n_params != fv_model_n_params(model))
        status = figure_fail(view, NULL, error,
                             "run %s was stored without the parameters that are drawn", record->id);
    if (status == FV_OK) choose_snapshots(view, maps);
    if (status == FV_OK) status = read_sequences(view, model, maps, error);
    if (status == FV_OK) status = read_patterns(model, maps, error);
    fv_model_free(model);
    return status;
}

// --- drawing ------------------------------------------------------------------------------------

static const float *map_at(const attention_maps *maps, int i) {
    return maps->patterns + (size_t)i * (size_t)maps->T * (size_t)maps->T;
}

// Keys behind the query stay white: they are not seen.
static void draw_cells(const attention_maps *maps, const float *pattern, figure_panel *panel) {
    panel_block_begin(panel);
    for (int q = 0; q < maps->T; q++)
        for (int k = 0; k <= q; k++) {
            float weight = pattern[q * maps->T + k];
            unsigned colour = isfinite(weight) ? colour_scale(weight) : FV_MISSING;
            fprintf(panel->script, "%d %d %g %g %g %g %u\n", k, q, k - 0.5, k + 0.5, q - 0.5,
                    q + 0.5, colour);
        }
    panel_block_end(panel, "using 1:2:3:4:5:6:7 with boxxyerror fillstyle solid noborder "
                           "lc rgb variable notitle");
}

static void write_values(const attention_maps *maps, const float *pattern, figure_panel *panel) {
    double side = panel->width / maps->T;
    for (int q = 0; q < maps->T && side >= 30; q++)
        for (int k = 0; k <= q; k++) {
            float weight = pattern[q * maps->T + k];
            char text[16];
            if (!isfinite(weight)) continue;
            snprintf(text, sizeof text, "%.2f", weight);
            panel_text(panel, (k + 0.5) * side, (q + 0.5) * side, 'c', 10,
                       weight < 0.6F ? 0xffffff : FV_INK, text);
        }
}

// The tokens along an axis, every second, third ... where they would touch.
static void write_tokens(const attention_maps *maps, int sequence, const char *axis, double length,
                         FILE *script) {
    int every = (int)ceil((*axis == 'x' ? 24.0 : 14.0) * maps->T / length);
    scale_write_tics(script, axis);
    fprintf(script, "set %srange [%g:%g]\nset %stics (", axis, *axis == 'y' ? maps->T - 0.5 : -0.5,
            *axis == 'y' ? -0.5 : maps->T - 0.5, axis);
    for (int t = 0; t < maps->T; t += every)
        fprintf(script, "%s\"%d\" %d", t > 0 ? ", " : "",
                maps->tokens[(size_t)sequence * (size_t)maps->T + (size_t)t], t);
    fputs(")\n", script);
}

static fv_status draw_map(const figure_view *view, const attention_maps *maps,
                          const figure_sheet *sheet, int sequence, int s, fv_error *error) {
    figure_panel panel;
    int i = sequence * maps->n_steps + s;
    const char *title =
        scratch_text(view->scratch, "step %d", maps->record->snapshots[maps->snapshots[s]].step);
    if (title == NULL || panel_begin(&panel, sheet, i, title) != FV_OK) return no_memory(error);
    const figure_scale scale = {.low = 0, .high = 1};
    fprintf(panel.script, "unset grid\nunset colorbox\nset border 0 linecolor rgb '#%06x'\n",
            FV_QUIET);
    write_tokens(maps, sequence, "x", panel.width, panel.script);
    write_tokens(maps, sequence, "y", panel.height, panel.script);
    panel_below(&panel, sheet->xlabel);
    if (s == 0) panel_upright(&panel, 'l', sheet->ylabel);
    draw_cells(maps, map_at(maps, i), &panel);
    write_values(maps, map_at(maps, i), &panel);
    if (s == maps->n_steps - 1)
        panel_colour_bar(&panel, &scale, NULL, colour_scale, sheet->bar_label);
    fv_status status = panel_end(&panel) == FV_OK ? FV_OK : no_memory(error);
    panel_drop(&panel);
    return status;
}

// "layer 0, head 1, train.seed 3", as far as there is a choice.
static const char *note_of(const figure_view *view, const attention_maps *maps) {
    double seed = fv_config_number(maps->record->config, fv_field_find("train.seed"));
    const char *where =
        scratch_text(view->scratch, "attention layer %d, head %d", maps->layer, maps->head);
    const char *text = view->runs.n > 1 && where != NULL
                           ? scratch_text(view->scratch, "%s; seed %.0f, the first of %d", where,
                                          seed, view->runs.n)
                           : where;
    return diverged_note(view, text);
}

static fv_status draw(figure_view *view, fv_error *error) {
    attention_maps maps;
    fv_status status = read_maps(view, &maps, error);
    if (status != FV_OK) return status;
    double side = fmin(fmax(20.0 * maps.T, 130), 260);
    figure_sheet sheet = {.script = view->script,
                          .n = maps.n_sequences * maps.n_steps,
                          .columns = maps.n_steps,
                          .panel_width = side,
                          .panel_height = side,
                          .pad_left = 58,
                          .pad_right = 14,
                          .bar = FV_SHEET_BAR + 26,
                          .bar_label = "attention",
                          .xlabel = "key",
                          .ylabel = "query",
                          .title = fv_options_text(view->options, "title", NULL),
                          .note = note_of(view, &maps),
                          .panel_title = "step 0000000"};
    sheet_plan(&sheet);
    sheet_begin(&sheet);
    for (int q = 0; q < maps.n_sequences; q++)
        for (int s = 0; s < maps.n_steps && status == FV_OK; s++)
            status = draw_map(view, &maps, &sheet, q, s, error);
    sheet_end(&sheet);
    view->width = sheet.width;
    view->height = sheet.height;
    return status;
}

const figure_kind figure_attention = {
    .name = "attention",
    .help = "what sequences attend to, through training",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .example = "{kind: attention, sequences: [\"0,3,3,1\", \"2,1,0,0\"], steps: [0, 100, 500], "
               "seed: 0}",
    .needs = "train: {steps: 500, snapshots: [0, 100, 500]}",
    .check = check,
    .draw = draw,
};
