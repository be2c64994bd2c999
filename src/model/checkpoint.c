#include "base/safetensors.h"
#include "config/config_check.h"
#include "model/checkpoint_fields.h"
#include "model/checkpoint_lens.h"
#include "model/layers.h"

#include <fovea/checkpoint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

fv_status fv_checkpoint_transformerlens(const fv_config *config, bool widen, fv_error *error) {
    const char *obstacle = checkpoint_obstacle(config, widen);
    if (obstacle == NULL) return FV_OK;
    return fv_fail(error, FV_USAGE, "TransformerLens cannot represent this model: %s", obstacle);
}

// --- metadata ----------------------------------------------------------------------------------

static bool set_text(json_t *object, const char *key, const char *text) {
    return json_object_set_new(object, key, json_string(text)) == 0;
}

bool checkpoint_write_fields(const fv_config *config, json_t *metadata) {
    bool made = set_text(metadata, "fovea_version", FOVEA_VERSION);
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; made && i < n; i++) {
        char text[FV_VALUE_SIZE];
        fv_config_get(config, &fields[i], text, sizeof text);
        made = set_text(metadata, fields[i].key, text);
    }
    return made;
}

// Every field of the configuration as text, and what other programs want to know. NULL without
// memory.
static json_t *make_metadata(const fv_config *config, const checkpoint_map *map, bool widened,
                             bool representable) {
    json_t *metadata = json_object();
    bool made = set_text(metadata, "format", "fovea") &&
                set_text(metadata, "widened", widened ? "true" : "false") &&
                checkpoint_write_fields(config, metadata);
    if (made && representable) {
        json_t *object = checkpoint_lens_config(config, map);
        char *text = object != NULL ? json_dumps(object, JSON_REAL_PRECISION(6)) : NULL;
        made = text != NULL && set_text(metadata, "transformer_lens", text);
        free(text);
        json_decref(object);
    }
    if (made) return metadata;
    json_decref(metadata);
    return NULL;
}

// --- writing -----------------------------------------------------------------------------------

static int heads(const checkpoint_entry *entry) {
    return entry->heads > 0 ? entry->heads : 1;
}
static int rows(const checkpoint_entry *entry) {
    return entry->rows > 0 ? entry->rows : 1;
}

// Where element (head, row, column) of the source lies in the model's array and in the file's
// tensor.
static size_t source_at(const checkpoint_entry *entry, int head, int row, int column) {
    return entry->offset + (size_t)head * entry->head_stride + (size_t)row * entry->row_stride +
           (size_t)column * entry->column_stride;
}

static size_t file_at(const checkpoint_entry *entry, int head, int row, int column) {
    size_t r = (size_t)head * (size_t)rows(entry) + (size_t)(entry->row + row);
    return r * (size_t)entry->columns + (size_t)(entry->column + column);
}

// Fills a zeroed tensor of the file.
static void gather(const checkpoint_entry *entry, const fv_model *model, const float *params,
                   float *out) {
    if (entry->source == SOURCE_ZEROS) return;
    for (int h = 0; h < heads(entry); h++)
        for (int r = 0; r < entry->n_rows; r++)
            for (int c = 0; c < entry->n_columns; c++) {
                size_t from = source_at(entry, h, r, c);
                out[file_at(entry, h, r, c)] = entry->source == SOURCE_POSITIONS
                                                   ? (float)model->fixed_positions[from]
                                                   : params[from];
            }
}

static void scatter(const checkpoint_entry *entry, const float *in, float *params) {
    for (int h = 0; h < heads(entry); h++)
        for (int r = 0; r < entry->n_rows; r++)
            for (int c = 0; c < entry->n_columns; c++)
                params[source_at(entry, h, r, c)] = in[file_at(entry, h, r, c)];
}

// Room for n floats, and for one where n is 0.
static float *new_floats(size_t n) {
    return calloc(n > 0 ? n : 1, sizeof(float));
}

static void fill_items(const fv_model *model, const float *params, const checkpoint_map *map,
                       float *values, safetensors_item *items) {
    for (size_t i = 0; i < map->n; i++) {
        const checkpoint_entry *entry = &map->entries[i];
        items[i].name = entry->name;
        items[i].n_dims = checkpoint_entry_shape(entry, items[i].shape);
        items[i].data = values;
        gather(entry, model, params, values);
        values += checkpoint_entry_size(entry);
    }
}

static fv_status write_tensors(const char *path, const fv_model *model, const float *params,
                               const checkpoint_map *map, json_t *metadata, fv_error *error) {
    size_t total = 0;
    for (size_t i = 0; i < map->n; i++) total += checkpoint_entry_size(&map->entries[i]);
    float *values = new_floats(total);
    safetensors_item *items = calloc(map->n + 1, sizeof *items);
    fv_status status = FV_OK;
    if (metadata == NULL || values == NULL || items == NULL) {
        status = fv_fail(error, FV_NO_MEMORY, "out of memory writing %s", path);
    } else {
        fill_items(model, params, map, values, items);
        status = safetensors_write(path, metadata, items, (int)map->n, error);
    }
    free(items);
    free(values);
    return status;
}

fv_status fv_checkpoint_write(const char *path, const fv_model *model, const float *params,
                              bool widen, fv_error *error) {
    const fv_config *config = fv_model_config_of(model);
    bool widened = widen && checkpoint_is_laid_out_anew(config);
    bool representable = checkpoint_obstacle(config, widen) == NULL;
    fv_status status = FV_OK;
    if (widen) status = fv_checkpoint_transformerlens(config, widen, error);
    if (status != FV_OK) return status;
    checkpoint_map map;
    status = checkpoint_map_create(model, widen, &map, error);
    if (status != FV_OK) return status;
    json_t *metadata = make_metadata(config, &map, widened, representable);
    status = write_tensors(path, model, params, &map, metadata, error);
    json_decref(metadata);
    checkpoint_map_free(&map);
    return status;
}

// --- reading -----------------------------------------------------------------------------------

// Fields of a later version would change what the model computes: a key that looks like a field and
// is none is refused.
static fv_status check_known(const safetensors *file, fv_error *error) {
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(file->header, "__metadata__"), key, value) {
        if (strchr(key, '.') != NULL && fv_field_find(key) == NULL)
            return fv_fail(error, FV_NEWER,
                           "%s has the field '%.64s', which this version of Fovea does not know; "
                           "use the version that wrote it",
                           file->path, key);
    }
    return FV_OK;
}

static fv_status read_config(const safetensors *file, fv_config *config, fv_error *error) {
    const char *format = safetensors_metadata(file, "format");
    const char *widened = safetensors_metadata(file, "widened");
    if (format == NULL || strcmp(format, "fovea") != 0)
        return fv_fail(error, FV_FORMAT,
                       "%s was not written by Fovea: its metadata lack \"format\": \"fovea\"",
                       file->path);
    if (widened == NULL || strcmp(widened, "false") != 0)
        return fv_fail(
            error, FV_FORMAT,
            "%s is widened for TransformerLens; Fovea reads checkpoints exported without "
            "--widen",
            file->path);
    return checkpoint_read_fields(file, config, error);
}

fv_status checkpoint_read_fields(const safetensors *file, fv_config *config, fv_error *error) {
    fv_config_init(config);
    fv_status status = check_known(file, error);
    int n;
    const fv_field *fields = fv_fields(&n);
    fv_error cause = {0};
    for (int i = 0; status == FV_OK && i < n; i++) {
        const char *text = safetensors_metadata(file, fields[i].key);
        if (text != NULL && fv_config_set(config, fields[i].key, text, &cause) != FV_OK)
            status = fv_fail(error, FV_FORMAT, "%s: %s", file->path, cause.text);
    }
    const fv_field *culprit;
    if (status == FV_OK && config_check(config, &culprit, &cause) != FV_OK)
        status = fv_fail(error, FV_FORMAT, "%s: %s", file->path, cause.text);
    return status;
}

// The tensor of the file, if it has the wanted type and shape.
static fv_status find_tensor(const safetensors *file, const char *name, int n_dims,
                             const uint64_t *shape, const safetensors_tensor **found,
                             fv_error *error) {
    const safetensors_tensor *tensor = safetensors_find(file, name);
    if (tensor == NULL)
        return fv_fail(error, FV_FORMAT, "%s lacks the tensor '%s'", file->path, name);
    bool fits = tensor->dtype == SAFETENSORS_F32 && tensor->n_dims == n_dims;
    for (int i = 0; fits && i < n_dims; i++) fits = tensor->shape[i] == shape[i];
    if (!fits)
        return fv_fail(error, FV_FORMAT,
                       "%s: tensor '%s' is not F32 of the shape that its configuration gives it",
                       file->path, name);
    *found = tensor;
    return FV_OK;
}

// Planning a model takes memory in proportion to its vocabulary and context: before that, the file
// must hold tables of these sizes.
static fv_status check_tables(const safetensors *file, const fv_config *config, fv_error *error) {
    const safetensors_tensor *found;
    uint64_t d = (uint64_t)config->model.n_embd;
    int n_inputs = task_inputs(&config->task);
    bool direct = config->model.embedding == FV_EMBEDDING_DIRECT; // has no table
    uint64_t tokens[2] = {(uint64_t)(n_inputs > 0 ? n_inputs : config->task.vocab_size), d};
    uint64_t positions[2] = {(uint64_t)config->task.context_length, d};
    fv_status status = direct ? FV_OK : find_tensor(file, "embed.W_E", 2, tokens, &found, error);
    if (status == FV_OK) status = find_tensor(file, "pos_embed.W_pos", 2, positions, &found, error);
    return status;
}

// Reads the entry's tensor into `buffer`, which holds it, and spreads it over the parameters; with
// `params` NULL only checks it.
static fv_status read_entry(const safetensors *file, const checkpoint_entry *entry, float *buffer,
                            float *params, fv_error *error) {
    if (entry->source != SOURCE_PARAMS) return FV_OK;
    uint64_t shape[3];
    int n_dims = checkpoint_entry_shape(entry, shape);
    const safetensors_tensor *tensor = NULL;
    fv_status status = find_tensor(file, entry->name, n_dims, shape, &tensor, error);
    if (status != FV_OK || params == NULL) return status;
    status = safetensors_read(file, tensor, buffer, error);
    if (status == FV_OK) scatter(entry, buffer, params);
    return status;
}

static fv_status read_params(const safetensors *file, const fv_model *model, float **params,
                             fv_error *error) {
    checkpoint_map map;
    fv_status status = checkpoint_map_create(model, false, &map, error);
    size_t largest = 0;
    for (size_t i = 0; status == FV_OK && i < map.n; i++) {
        size_t size = checkpoint_entry_size(&map.entries[i]);
        if (size > largest) largest = size;
        status = read_entry(file, &map.entries[i], NULL, NULL, error);
    }
    float *buffer = NULL;
    if (status == FV_OK) {
        buffer = new_floats(largest);
        *params = new_floats(fv_model_n_params(model));
        if (buffer == NULL || *params == NULL)
            status = fv_fail(error, FV_NO_MEMORY, "out of memory reading %s", file->path);
    }
    for (size_t i = 0; status == FV_OK && i < map.n; i++)
        status = read_entry(file, &map.entries[i], buffer, *params, error);
    free(buffer);
    checkpoint_map_free(&map);
    return status;
}

fv_status fv_checkpoint_read(const char *path, fv_config *config, fv_model **model, float **params,
                             fv_error *error) {
    safetensors file;
    *model = NULL;
    *params = NULL;
    fv_status status = safetensors_open(path, &file, error);
    if (status == FV_OK) status = read_config(&file, config, error);
    if (status == FV_OK) status = check_tables(&file, config, error);
    if (status == FV_OK) status = fv_model_create(config, model, error);
    if (status == FV_OK) status = read_params(&file, *model, params, error);
    safetensors_close(&file);
    if (status != FV_OK) {
        fv_model_free(*model);
        free(*params);
        *model = NULL;
        *params = NULL;
    }
    return status;
}
