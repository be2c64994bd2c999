#include "lab/grid.h"

#include "config/as_written.h"
#include "lab/spread.h"

#include <fovea/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fv_status no_memory(fv_error *error) {
    return fv_fail(error, FV_NO_MEMORY, "out of memory");
}

// Takes ownership of `value`, which may be NULL without memory. The array grows at powers of two.
static fv_status push(fv_axis *axis, char *value, fv_error *error) {
    if (value == NULL) return no_memory(error);
    if (axis->n == GRID_MAX_RUNS) {
        free(value);
        return fv_fail(error, FV_USAGE, "%s has more than %d values", axis->field->key,
                       GRID_MAX_RUNS);
    }
    if ((axis->n & (axis->n - 1)) == 0) {
        size_t capacity = axis->n == 0 ? 1 : 2 * (size_t)axis->n;
        char **values = realloc(axis->values, capacity * sizeof *values);
        if (values == NULL) {
            free(value);
            return no_memory(error);
        }
        axis->values = values;
    }
    axis->values[axis->n++] = value;
    return FV_OK;
}

fv_status axis_push(fv_axis *axis, const char *yaml, fv_error *error) {
    fv_config scratch;
    fv_config_init(&scratch);
    fv_status status = fv_config_set(&scratch, axis->field->key, yaml, error);
    if (status != FV_OK) return status;
    int length = fv_config_get(&scratch, axis->field, NULL, 0);
    char *value = malloc((size_t)length + 1);
    if (value != NULL) fv_config_get(&scratch, axis->field, value, (size_t)length + 1);
    return push(axis, value, error);
}

fv_status range_check(const fv_field *field, const char *scalar, long long first, long long last,
                      fv_error *error) {
    if (first > last)
        return fv_fail(error, FV_USAGE, "%s: the range %s runs backwards; write %lld..%lld",
                       field->key, scalar, last, first);
    if (first >= field->lowest && last <= field->highest) return FV_OK;
    return fv_fail(error, FV_USAGE, "%s must be whole numbers from %.10g to %.10g, not '%s'",
                   field->key, field->lowest, field->highest, scalar);
}

static fv_status push_range(fv_axis *axis, const char *scalar, long long first, long long last,
                            fv_error *error) {
    const fv_field *field = axis->field;
    fv_status status = range_check(field, scalar, first, last, error);
    if (status != FV_OK) return status;
    if (last - first >= GRID_MAX_RUNS)
        return fv_fail(error, FV_USAGE, "%s: the range %s has more than %d values", field->key,
                       scalar, GRID_MAX_RUNS);
    for (long long i = first; i <= last && status == FV_OK; i++) {
        char value[24];
        snprintf(value, sizeof value, "%lld", i);
        status = push(axis, text_copy(value), error);
    }
    return status;
}

static fv_status push_yaml(fv_axis *axis, const yaml_value *value, bool *is_range,
                           fv_error *error) {
    long long first, last;
    *is_range = axis->field->type == FV_TYPE_INT && value->kind == YAML_SCALAR && !value->quoted &&
                text_to_range(value->scalar, &first, &last);
    if (*is_range) return push_range(axis, value->scalar, first, last, error);
    text_buffer yaml = {0};
    yaml_value_write(value, &yaml);
    fv_status status = yaml.failed ? no_memory(error) : axis_push(axis, yaml.data, error);
    text_free(&yaml);
    return status;
}

// Whether the value lists several values of the field. A list of single values is one value of a
// field that is a list itself.
static bool lists_values(const fv_field *field, const yaml_value *value) {
    if (value->kind != YAML_LIST) return false;
    if (!field_is_list(field)) return true;
    for (int i = 0; i < value->n; i++)
        if (value->items[i].kind != YAML_LIST) return false;
    return value->n > 0;
}

fv_status axis_read(const fv_field *field, const yaml_value *value, fv_axis *axis, bool *is_axis,
                    fv_error *error) {
    *axis = (fv_axis){.field = field};
    bool is_range = false;
    bool is_spaced = !field_is_written(field) && spread_is_spaced(value);
    *is_axis = is_spaced || lists_values(field, value);
    if (!field_is_written(field) && spread_is_distribution(value))
        return fv_fail(error, FV_USAGE,
                       "%s: values are drawn only in a sweep that says how many, as in {random: "
                       "200, %s: {range: [2, 64]}}",
                       field->key, field->key);
    if (is_spaced) return spread_steps(axis, value, error);
    if (!*is_axis) {
        fv_status status = push_yaml(axis, value, &is_range, error);
        *is_axis = is_range;
        axis->n_items = value->kind == YAML_LIST ? value->n : 0;
        return status;
    }
    if (value->n == 0)
        return fv_fail(error, FV_USAGE,
                       "%s: an empty list leaves nothing to run; give at least one value",
                       field->key);
    fv_status status = FV_OK;
    for (int i = 0; i < value->n && status == FV_OK; i++)
        status = push_yaml(axis, &value->items[i], &is_range, error);
    return status;
}

fv_status axis_copy(const fv_axis *axis, fv_axis *copy, fv_error *error) {
    *copy = (fv_axis){.field = axis->field, .n_items = axis->n_items, .joint = axis->joint};
    fv_status status = FV_OK;
    for (int i = 0; i < axis->n && status == FV_OK; i++)
        status = push(copy, text_copy(axis->values[i]), error);
    return status;
}

void axis_free(fv_axis *axis) {
    for (int i = 0; i < axis->n; i++) free(axis->values[i]);
    free(axis->values);
    *axis = (fv_axis){0};
}

static fv_axis *find_axis(const fv_grid *grid, const fv_field *field) {
    for (int i = 0; i < grid->n_axes; i++)
        if (grid->axes[i].field == field) return &grid->axes[i];
    return NULL;
}

const fv_axis *grid_axis(const fv_grid *grid, const fv_field *field) {
    return find_axis(grid, field);
}

fv_status grid_put(fv_grid *grid, fv_axis *axis, fv_error *error) {
    fv_axis *place = find_axis(grid, axis->field);
    if (place != NULL) {
        axis_free(place);
    } else {
        fv_axis *axes = realloc(grid->axes, ((size_t)grid->n_axes + 1) * sizeof *axes);
        if (axes == NULL) {
            axis_free(axis);
            return no_memory(error);
        }
        grid->axes = axes;
        place = &axes[grid->n_axes++];
    }
    *place = *axis;
    *axis = (fv_axis){0};
    return FV_OK;
}

void grid_remove(fv_grid *grid, const fv_field *field) {
    fv_axis *axis = find_axis(grid, field);
    if (axis == NULL) return;
    axis_free(axis);
    size_t behind = (size_t)(grid->axes + grid->n_axes - (axis + 1));
    memmove(axis, axis + 1, behind * sizeof *axis);
    grid->n_axes--;
}

void grid_free(fv_grid *grid) {
    for (int i = 0; i < grid->n_axes; i++) axis_free(&grid->axes[i]);
    free(grid->axes);
    *grid = (fv_grid){0};
}

int grid_joint_size(const fv_grid *grid) {
    for (int i = 0; i < grid->n_axes; i++)
        if (grid->axes[i].joint) return grid->axes[i].n;
    return 1;
}

int grid_size(const fv_grid *grid) {
    long long size = grid_joint_size(grid);
    for (int i = 0; i < grid->n_axes && size <= GRID_MAX_RUNS; i++)
        if (!grid->axes[i].joint) size *= grid->axes[i].n;
    return size <= GRID_MAX_RUNS ? (int)size : GRID_MAX_RUNS + 1;
}

void grid_set(const fv_grid *grid, int point, fv_config *config) {
    for (int i = grid->n_axes - 1; i >= 0; i--) {
        const fv_axis *axis = &grid->axes[i];
        if (axis->joint) continue;
        fv_config_set(config, axis->field->key, axis->values[point % axis->n], NULL);
        point /= axis->n;
    }
    for (int i = 0; i < grid->n_axes; i++) {
        const fv_axis *axis = &grid->axes[i];
        if (axis->joint) fv_config_set(config, axis->field->key, axis->values[point], NULL);
    }
}
