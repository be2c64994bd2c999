#include "probe/probe_cache.h"

#include "table.h"
#include "tool.h"

#include <fovea/activation_cache.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 16, MAX_COLUMNS = 12 }; // of a table for people

// --- the list ----------------------------------------------------------------------------------

static json_t *shape_json(const fv_hook *hook) {
    json_t *shape = json_array();
    for (int i = 0; i < hook->n_dims; i++)
        json_array_append_new(shape, json_integer(hook->shape[i]));
    return shape;
}

static void shape_text(const fv_hook *hook, char text[64]) {
    int length = 0;
    for (int i = 0; i < hook->n_dims; i++)
        length += snprintf(text + length, 64 - (size_t)length, "[%d]", hook->shape[i]);
}

static int list_json(const fv_hook *hooks, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:o}", "name", hooks[i].name, "shape", shape_json(&hooks[i])));
    return tool_print_json(json_pack("{s:o}", "activations", list));
}

static int list_text(const fv_hook *hooks, int n) {
    table t;
    table_init(&t, 2);
    table_add(&t, "activation");
    table_add(&t, "shape");
    for (int i = 0; i < n; i++) {
        char shape[64];
        shape_text(&hooks[i], shape);
        table_add(&t, "%s", hooks[i].name);
        table_add(&t, "%s", shape);
    }
    return table_show(&t);
}

static fv_status list(const probe_subject *s, bool json, int *exit_code, fv_error *error) {
    fv_hook *hooks;
    int n;
    fv_status status = fv_hooks_list(s->model, &hooks, &n, error);
    if (status != FV_OK) return status;
    *exit_code = json ? list_json(hooks, n) : list_text(hooks, n);
    free(hooks);
    return FV_OK;
}

// --- values ------------------------------------------------------------------------------------

// Nested as the shape says; `n` dimensions are left, and *values moves behind what was taken.
static json_t *values_json(const int *shape, int n, const float **values) {
    if (n == 0) return tool_number_json(*(*values)++);
    json_t *nested = json_array();
    for (int i = 0; i < *shape; i++)
        json_array_append_new(nested, values_json(shape + 1, n - 1, values));
    return nested;
}

static int print_json(const probe_subject *s, const fv_activations *a, const int32_t *tokens) {
    json_t *input = json_array(), *found = json_object();
    for (int t = 0; t < fv_model_sizes_of(s->model).context_length; t++)
        json_array_append_new(input, json_integer(tokens[t]));
    for (int i = 0; i < fv_activations_n(a); i++) {
        const fv_hook *hook = fv_activations_kept(a, i);
        const float *values = fv_activations_at(a, i);
        json_object_set_new(found, hook->name, values_json(hook->shape, hook->n_dims, &values));
    }
    json_t *step = s->step < 0 ? json_null() : json_integer(s->step);
    return tool_print_json(json_pack("{s:s, s:o, s:o, s:o}", "model", s->name, "step", step,
                                     "tokens", input, "activations", found));
}

// The last two dimensions as a table, with the indices of rows and columns.
static int print_matrix(const float *values, int rows, int columns) {
    int n = columns < MAX_COLUMNS ? columns : MAX_COLUMNS;
    table t;
    table_init(&t, n + 1);
    table_add(&t, "row");
    for (int c = 0; c < n; c++) table_add(&t, "%d", c);
    for (int r = 0; r < rows && r < MAX_ROWS; r++) {
        table_add(&t, "%d", r);
        for (int c = 0; c < n; c++)
            table_add(&t, "%.4g", (double)values[(size_t)r * (size_t)columns + (size_t)c]);
    }
    return table_show(&t);
}

static int print_activation(const fv_hook *hook, const float *values) {
    int columns = hook->shape[hook->n_dims - 1], rows = hook->shape[hook->n_dims - 2];
    int n = hook->n_dims > 2 ? hook->shape[0] : 1, exit_code = EXIT_DONE;
    bool whole = n <= MAX_ROWS && rows <= MAX_ROWS && columns <= MAX_COLUMNS;
    char shape[64];
    shape_text(hook, shape);
    printf("\n%s %s%s\n", hook->name, shape, whole ? "" : ", its beginning (--json has all)");
    for (int i = 0; i < n && i < MAX_ROWS && exit_code == EXIT_DONE; i++) {
        if (hook->n_dims > 2) printf("[%d]\n", i);
        exit_code =
            print_matrix(values + (size_t)i * (size_t)rows * (size_t)columns, rows, columns);
    }
    return exit_code;
}

static int print_text(const probe_subject *s, const fv_activations *a, const int32_t *tokens) {
    printf("%s", s->name);
    if (s->step >= 0) printf(", step %d", s->step);
    printf("\ninput");
    for (int t = 0; t < fv_model_sizes_of(s->model).context_length; t++) printf(" %d", tokens[t]);
    putchar('\n');
    int exit_code = EXIT_DONE;
    for (int i = 0; i < fv_activations_n(a) && exit_code == EXIT_DONE; i++)
        exit_code = print_activation(fv_activations_kept(a, i), fv_activations_at(a, i));
    return exit_code;
}

// --- the request -------------------------------------------------------------------------------

// Cuts a list at its commas, in place; returns how many names there are.
static int cut(char *list, const char **names) {
    int n = 0;
    for (char *name = strtok(list, ","); name != NULL; name = strtok(NULL, ","))
        names[n++] = name + strspn(name, " ");
    return n;
}

static fv_status create(const probe_subject *s, const char *list, fv_activations **a,
                        fv_error *error) {
    size_t length = strlen(list);
    char *copy = malloc(length + 1);
    const char **names = calloc(length + 1, sizeof *names);
    fv_status status = FV_OK;
    if (copy == NULL || names == NULL) {
        status = fv_fail(error, FV_NO_MEMORY, "no memory for the names of activations");
    } else {
        memcpy(copy, list, length + 1);
        int n = cut(copy, names);
        status = n > 0
                     ? fv_activations_create(s->model, names, n, FV_KEEP_ALL_POSITIONS, 1, a, error)
                     : fv_fail(error, FV_USAGE,
                               "--cache takes names of activations with commas, as in "
                               "blocks.0.attn.hook_pattern, or 'list'");
    }
    free(copy);
    free(names);
    return status;
}

static fv_status show(const probe_subject *s, const probe_cache_request *r, fv_activations *a,
                      const int32_t *tokens, int *exit_code, fv_error *error) {
    fv_activations_fill(a, s->params, tokens, 1);
    if (r->out == NULL) {
        *exit_code = r->json ? print_json(s, a, tokens) : print_text(s, a, tokens);
        return FV_OK;
    }
    fv_status status = fv_activations_write(a, r->out, tokens, error);
    if (status == FV_OK) tool_note("%s: %d activations", r->out, fv_activations_n(a));
    return status;
}

fv_status probe_cache_tell(const probe_subject *s, const probe_cache_request *r, int *exit_code,
                           fv_error *error) {
    if (strcmp(r->names, "list") == 0) return list(s, r->json, exit_code, error);
    int n_loss;
    fv_model_loss_positions(s->model, &n_loss);
    int32_t *tokens = calloc((size_t)fv_model_sizes_of(s->model).context_length, sizeof *tokens);
    int32_t *targets = calloc((size_t)n_loss, sizeof *targets);
    fv_activations *a = NULL;
    fv_status status = FV_OK;
    if (tokens == NULL || targets == NULL)
        status = fv_fail(error, FV_NO_MEMORY, "no memory for the input");
    if (status == FV_OK) status = probe_input(s, r->tokens, r->n_tokens, tokens, targets, error);
    if (status == FV_OK) status = create(s, r->names, &a, error);
    if (status == FV_OK) status = show(s, r, a, tokens, exit_code, error);
    fv_activations_free(a);
    free(targets);
    free(tokens);
    return status;
}
