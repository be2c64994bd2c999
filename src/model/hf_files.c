// Folders of transformers, written and read.
#include "base/json.h"
#include "config/config_check.h"
#include "model/checkpoint_fields.h"
#include "model/hf.h"
#include "model/layers.h"

#include <errno.h>
#include <fovea/checkpoint.h>
#include <fovea/whole_file.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4200, MOST_FILES = 64 };

static const double EPSILON = 1e-5; // of Fovea's norms

static void join(char path[PATH_SIZE], const char *folder, const char *name) {
    snprintf(path, PATH_SIZE, "%s/%s", folder, name);
}

// --- one tensor of theirs -----------------------------------------------------------------------

// Their shape of the piece's tensor; returns the number of dimensions.
static int shape_of(const hf_piece *p, uint64_t shape[3]) {
    uint64_t rows = (uint64_t)p->rows, columns = (uint64_t)p->columns * (uint64_t)p->parts;
    if (p->n_dims == 1) {
        shape[0] = columns;
        return 1;
    }
    if (p->layout == HF_SPREAD) {
        shape[0] = rows, shape[1] = 1, shape[2] = columns;
        return 3;
    }
    shape[0] = p->layout == HF_TURNED ? columns : rows;
    shape[1] = p->layout == HF_TURNED ? rows : columns;
    return 2;
}

// Where element (row, column) of ours lies in theirs.
static size_t place(const hf_piece *p, size_t row, size_t column) {
    if (p->layout == HF_TURNED) return column * (size_t)p->rows + row;
    return (row * (size_t)p->parts + (size_t)p->part) * (size_t)p->columns + column;
}

// --- writing ------------------------------------------------------------------------------------

static void gather(const hf_piece *p, const fv_model *model, const float *params, float *out) {
    const fv_tensor *tensor = p->ours[0] != '\0' ? fv_model_tensor(model, p->ours) : NULL;
    const float *table = tensor != NULL                            ? params + tensor->offset
                         : strcmp(p->ours, "pos_embed.W_pos") == 0 ? fv_model_sinusoids(model)
                                                                   : NULL;
    if (table == NULL && p->absent == HF_ZEROS) return;
    for (size_t r = 0; r < (size_t)p->rows; r++)
        for (size_t c = 0; c < (size_t)p->columns; c++)
            out[place(p, r, c)] = table != NULL ? table[r * (size_t)p->columns + c] : 1;
}

// The tensors of all pieces, zeroed and filled, in `values`; returns how many.
static int fill_items(const fv_model *model, const float *params, const hf_piece *pieces, int n,
                      float *values, safetensors_item *items) {
    int n_items = 0;
    for (int i = 0; i < n; i++) {
        const hf_piece *p = &pieces[i];
        if (p->part == 0) {
            safetensors_item *item = &items[n_items++];
            item->name = p->theirs;
            item->n_dims = shape_of(p, item->shape);
            item->data = values;
            values += (size_t)p->rows * (size_t)p->columns * (size_t)p->parts;
        }
        gather(p, model, params, (float *)items[n_items - 1].data);
    }
    return n_items;
}

static fv_status write_tensors(const char *path, const fv_model *model, const float *params,
                               hf_family family, fv_error *error) {
    const fv_config *config = fv_model_config_of(model);
    int n;
    size_t total = 1;
    hf_piece *pieces = hf_pieces(config, family, &n);
    for (int i = 0; i < n; i++) total += (size_t)pieces[i].rows * (size_t)pieces[i].columns;
    float *values = calloc(total, sizeof *values);
    safetensors_item *items = calloc((size_t)n + 1, sizeof *items);
    json_t *metadata = json_pack("{s:s}", "format", "pt"); // what transformers asks for
    fv_status status = FV_OK;
    if (pieces == NULL || values == NULL || items == NULL || metadata == NULL ||
        !checkpoint_write_fields(config, metadata)) {
        status = fv_fail(error, FV_NO_MEMORY, "out of memory writing %s", path);
    } else {
        int n_items = fill_items(model, params, pieces, n, values, items);
        status = safetensors_write(path, metadata, items, n_items, error);
    }
    json_decref(metadata);
    free(items);
    free(values);
    free(pieces);
    return status;
}

static fv_status write_config(const char *path, const fv_config *config, hf_family family,
                              fv_error *error) {
    char *text = hf_config_write(config, family);
    if (text == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory writing %s", path);
    fv_whole_file file;
    fv_status status = fv_whole_file_open(&file, path, error);
    if (status == FV_OK) {
        fprintf(file.stream, "%s\n", text);
        status = fv_whole_file_close(&file, 1, error);
    }
    free(text);
    return status;
}

fv_status fv_checkpoint_write_hf(const char *folder, const fv_model *model, const float *params,
                                 fv_error *error) {
    char path[PATH_SIZE];
    hf_family family;
    fv_status status = hf_family_of(fv_model_config_of(model), &family, error);
    if (status == FV_OK) status = fv_folder_make(folder, NULL, error);
    if (status != FV_OK) return status;
    join(path, folder, "model.safetensors");
    status = write_tensors(path, model, params, family, error);
    join(path, folder, "config.json");
    return status == FV_OK ? write_config(path, fv_model_config_of(model), family, error) : status;
}

// --- the files of a folder ----------------------------------------------------------------------

typedef struct folder {
    const char *path;
    json_t *config;
    int n_files;
    safetensors files[MOST_FILES];
    bool *used[MOST_FILES]; // [n_tensors] of each file
} folder;

static void close_folder(folder *f) {
    json_decref(f->config);
    for (int i = 0; i < f->n_files; i++) {
        safetensors_close(&f->files[i]);
        free(f->used[i]);
    }
}

static fv_status read_json(const char *path, json_t **json, fv_error *error) {
    FILE *file = fopen(path, "rb");
    json_error_t why;
    if (file == NULL && errno == ENOENT)
        return fv_fail(error, FV_NOT_FOUND, "there is no file %s", path);
    if (file == NULL) return fv_fail(error, FV_IO, "cannot open %s: %s", path, strerror(errno));
    *json = json_read_file(file, JSON_REJECT_DUPLICATES, &why);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed) return fv_fail(error, FV_IO, "cannot read %s", path);
    if (*json == NULL)
        return fv_fail(error, FV_FORMAT, "%s:%d: it is no JSON: %s", path, why.line, why.text);
    if (json_is_object(*json)) return FV_OK;
    return fv_fail(error, FV_FORMAT, "%s must be an object", path);
}

static fv_status open_file(folder *f, const char *name, fv_error *error) {
    char path[PATH_SIZE];
    join(path, f->path, name);
    safetensors *file = &f->files[f->n_files];
    *file = (safetensors){.file = -1};
    f->used[f->n_files++] = NULL;
    fv_status status = safetensors_open(path, file, error);
    if (status == FV_OK) status = safetensors_map(file, error);
    if (status != FV_OK) return status;
    f->used[f->n_files - 1] = calloc((size_t)file->n_tensors + 1, sizeof(bool));
    return f->used[f->n_files - 1] != NULL
               ? FV_OK
               : fv_fail(error, FV_NO_MEMORY, "out of memory reading %s", path);
}

static bool is_open(const folder *f, const char *name) {
    for (int i = 0; i < f->n_files; i++) {
        const char *slash = strrchr(f->files[i].path, '/');
        if (strcmp(slash != NULL ? slash + 1 : f->files[i].path, name) == 0) return true;
    }
    return false;
}

// Larger models lie in several files, which an index names.
static fv_status open_files(folder *f, fv_error *error) {
    char path[PATH_SIZE];
    struct stat info;
    join(path, f->path, "model.safetensors.index.json");
    if (stat(path, &info) != 0) return open_file(f, "model.safetensors", error);
    json_t *index = NULL;
    fv_status status = read_json(path, &index, error);
    const char *tensor;
    json_t *name;
    json_object_foreach(json_object_get(index, "weight_map"), tensor, name) {
        const char *text = json_string_value(name);
        if (text == NULL || text[0] == '\0' || strchr(text, '/') != NULL)
            status = fv_fail(error, FV_FORMAT, "%s: the file of '%.64s' is no name", path, tensor);
        else if (!is_open(f, text) && f->n_files == MOST_FILES)
            status = fv_fail(error, FV_FORMAT, "%s names more than %d files", path, MOST_FILES);
        else if (!is_open(f, text))
            status = open_file(f, text, error);
        if (status != FV_OK) break;
    }
    json_decref(index);
    if (status == FV_OK && f->n_files == 0)
        return fv_fail(error, FV_FORMAT, "%s: its weight_map names no file", path);
    return status;
}

bool fv_checkpoint_is_hf(const char *path) {
    char config[PATH_SIZE];
    struct stat info;
    join(config, path, "config.json");
    return stat(config, &info) == 0 && S_ISREG(info.st_mode);
}

// --- the configuration --------------------------------------------------------------------------

// A folder that Fovea wrote has the configuration among its metadata, and it holds where config.json still
// says the same.
static fv_status read_own(const folder *f, bool *own, fv_config *config, fv_error *error) {
    hf_family family;
    fv_error why = {0};
    *own = safetensors_metadata(&f->files[0], "fovea_version") != NULL;
    if (!*own) return FV_OK;
    fv_status status = checkpoint_read_fields(&f->files[0], config, error);
    if (status != FV_OK) return status;
    char *text =
        hf_family_of(config, &family, &why) == FV_OK ? hf_config_write(config, family) : NULL;
    json_t *written = text != NULL ? json_loads(text, 0, NULL) : NULL;
    *own = written != NULL && json_equal(written, f->config);
    json_decref(written);
    free(text);
    return FV_OK;
}

static fv_status set_task(fv_config *config, int length, int most, fv_error *error) {
    char text[24];
    if (length == 0) length = most < 65536 ? most : 65536;
    if (length > most && config->model.positions == FV_POSITIONS_LEARNED)
        return fv_fail(error, FV_USAGE, "%d positions are more than the model's table has: %d",
                       length, most);
    snprintf(text, sizeof text, "%d", length);
    fv_status status = fv_config_set(config, "task.name", length < 3 ? "copy" : "needle", error);
    if (status == FV_OK && length < 3) status = fv_config_set(config, "task.offset", "0", error);
    return status == FV_OK ? fv_config_set(config, "task.context_length", text, error) : status;
}

// *scale is what the residual stream is multiplied by.
static fv_status read_config(const folder *f, int length, fv_config *config, hf_family *family,
                             double *scale, fv_error *error) {
    char path[PATH_SIZE];
    bool own;
    *scale = 1;
    fv_status status = read_own(f, &own, config, error);
    if (status == FV_OK && own) return hf_family_of(config, family, error);
    if (status != FV_OK) return status;
    hf_given hf;
    fv_config_init(config);
    join(path, f->path, "config.json");
    status = hf_config_read(path, f->config, config, &hf, error);
    if (status == FV_OK) status = set_task(config, length, hf.length, error);
    if (status != FV_OK) return status;
    *family = hf.family;
    *scale = hf.epsilon == EPSILON ? 1 : sqrt(EPSILON / hf.epsilon);
    // The unembedding is not scaled, and must be a table of its own then.
    if (*scale != 1) status = fv_config_set(config, "model.tied", "false", error);
    const fv_field *culprit;
    fv_error why = {0};
    if (status == FV_OK && config_check(config, &culprit, &why) != FV_OK)
        status = fv_fail(error, FV_USAGE, "%s: %s", path, why.text);
    return status;
}

// --- parameters ---------------------------------------------------------------------------------

static float half_to_float(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
                  : exponent == 0 ? ldexpf((float)fraction, -24)
                                  : ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -value : value;
}

static float number_at(const uint8_t *bytes, safetensors_dtype dtype, size_t i) {
    float value;
    uint16_t bits;
    if (dtype == SAFETENSORS_F32) {
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        return value;
    }
    memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
    if (dtype == SAFETENSORS_F16) return half_to_float(bits);
    uint32_t wide = (uint32_t)bits << 16;
    memcpy(&value, &wide, sizeof value);
    return value;
}

typedef struct found {
    const safetensors *file;
    const safetensors_tensor *tensor;
} found;

// By its name, or as files of the model without its head have it, without what stands before the first dot.
static found look_up(folder *f, const char *name) {
    const char *dot = strchr(name, '.');
    const char *names[] = {name, dot != NULL ? dot + 1 : name};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < f->n_files; i++) {
            const safetensors_tensor *tensor = safetensors_find(&f->files[i], names[k]);
            if (tensor == NULL) continue;
            f->used[i][tensor - f->files[i].tensors] = true;
            return (found){&f->files[i], tensor};
        }
    return (found){0};
}

static fv_status check_tensor(const hf_piece *p, const found *t, fv_error *error) {
    uint64_t shape[3];
    int n = shape_of(p, shape);
    bool fits = t->tensor->n_dims == n;
    bool table = p->layout == HF_FIRST_ROWS;
    for (int i = 0; fits && i < n; i++)
        fits = table && i == 0 ? t->tensor->shape[0] >= shape[0] : t->tensor->shape[i] == shape[i];
    if (!fits)
        return fv_fail(error, FV_FORMAT,
                       "%s: tensor '%s' is not of the shape that config.json gives it",
                       t->file->path, p->theirs);
    safetensors_dtype dtype = t->tensor->dtype;
    if (dtype == SAFETENSORS_F32 || dtype == SAFETENSORS_F16 || dtype == SAFETENSORS_BF16)
        return FV_OK;
    return fv_fail(error, FV_USAGE,
                   "%s: tensor '%s' is neither F32, F16 nor BF16, the types that Fovea reads",
                   t->file->path, p->theirs);
}

static void take(const hf_piece *p, const found *t, float scale, float *out) {
    const uint8_t *bytes = safetensors_bytes(t->file, t->tensor);
    for (size_t r = 0; r < (size_t)p->rows; r++)
        for (size_t c = 0; c < (size_t)p->columns; c++)
            out[r * (size_t)p->columns + c] =
                scale * number_at(bytes, t->tensor->dtype, place(p, r, c));
}

// One piece into the parameters; with `params` NULL only checks that it is there.
static fv_status read_piece(folder *f, const hf_piece *p, const fv_model *model, double scale,
                            float *params, fv_error *error) {
    const char *name = p->theirs;
    found t = look_up(f, name);
    // What ties the embeddings has one table for both.
    if (t.tensor == NULL && strcmp(name, "lm_head.weight") == 0) {
        static const char *const TABLES[] = {"model.embed_tokens.weight", "transformer.wte.weight",
                                             "backbone.embeddings.weight"};
        for (int i = 0; i < 3 && t.tensor == NULL && scale != 1; i++) t = look_up(f, TABLES[i]);
    }
    if (t.tensor == NULL && p->optional) return FV_OK;
    if (t.tensor == NULL)
        return fv_fail(error, FV_FORMAT, "%s lacks the tensor '%s'", f->files[0].path, name);
    fv_status status = check_tensor(p, &t, error);
    const fv_tensor *tensor = p->ours[0] != '\0' ? fv_model_tensor(model, p->ours) : NULL;
    if (status != FV_OK || tensor == NULL || params == NULL) return status;
    take(p, &t, p->in_stream || p->normed ? (float)scale : 1, params + tensor->offset);
    return FV_OK;
}

// Buffers that older versions wrote beside the parameters.
static bool is_buffer(const char *name) {
    static const char *const ENDS[] = {".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"};
    size_t length = strlen(name);
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(ENDS[i]);
        if (length >= n && strcmp(name + length - n, ENDS[i]) == 0) return true;
    }
    return strcmp(name, "lm_head.weight") == 0; // written although it is tied
}

static fv_status check_unused(const folder *f, fv_error *error) {
    for (int i = 0; i < f->n_files; i++)
        for (int t = 0; t < f->files[i].n_tensors; t++) {
            const char *name = f->files[i].tensors[t].name;
            if (!f->used[i][t] && !is_buffer(name))
                return fv_fail(
                    error, FV_FORMAT,
                    "%s: tensor '%.64s' has no place in the model that config.json describes",
                    f->files[i].path, name);
        }
    return FV_OK;
}

static fv_status read_params(folder *f, const fv_model *model, hf_family family, double scale,
                             float **params, fv_error *error) {
    int n;
    hf_piece *pieces = hf_pieces(fv_model_config_of(model), family, &n);
    fv_status status =
        pieces != NULL ? FV_OK : fv_fail(error, FV_NO_MEMORY, "out of memory reading %s", f->path);
    for (int i = 0; i < n && status == FV_OK; i++)
        status = read_piece(f, &pieces[i], model, scale, NULL, error);
    if (status == FV_OK) status = check_unused(f, error);
    if (status == FV_OK) {
        *params = calloc(fv_model_n_params(model) + 1, sizeof **params);
        if (*params == NULL)
            status = fv_fail(error, FV_NO_MEMORY, "no memory for the %zu parameters of %s",
                             fv_model_n_params(model), f->path);
    }
    for (int i = 0; i < n && status == FV_OK; i++)
        status = read_piece(f, &pieces[i], model, scale, *params, error);
    free(pieces);
    return status;
}

// Planning takes memory in proportion to the vocabulary: before that, a file must hold a table of it.
static fv_status check_table(folder *f, const fv_config *config, hf_family family,
                             fv_error *error) {
    static const char *const TABLES[] = {[HF_GPT2] = "transformer.wte.weight",
                                         [HF_LLAMA] = "model.embed_tokens.weight",
                                         [HF_QWEN3] = "model.embed_tokens.weight",
                                         [HF_MAMBA] = "backbone.embeddings.weight"};
    hf_piece table = {
        .rows = config->task.vocab_size, .columns = config->model.n_embd, .n_dims = 2, .parts = 1};
    snprintf(table.theirs, sizeof table.theirs, "%s", TABLES[family]);
    found t = look_up(f, table.theirs);
    if (t.tensor == NULL)
        return fv_fail(error, FV_FORMAT, "%s lacks the tensor '%s'", f->files[0].path,
                       table.theirs);
    return check_tensor(&table, &t, error);
}

fv_status fv_checkpoint_read_hf(const char *path, int length, fv_config *config, fv_model **model,
                                float **params, fv_error *error) {
    char name[PATH_SIZE];
    folder *f = calloc(1, sizeof *f);
    hf_family family = HF_GPT2;
    double scale = 1;
    *model = NULL;
    *params = NULL;
    if (f == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory reading %s", path);
    f->path = path;
    join(name, path, "config.json");
    fv_status status = read_json(name, &f->config, error);
    if (status == FV_OK) status = open_files(f, error);
    if (status == FV_OK) status = read_config(f, length, config, &family, &scale, error);
    if (status == FV_OK) status = check_table(f, config, family, error);
    if (status == FV_OK) status = fv_model_create(config, model, error);
    if (status == FV_OK) status = read_params(f, *model, family, scale, params, error);
    close_folder(f);
    free(f);
    if (status != FV_OK) {
        fv_model_free(*model);
        free(*params);
        *model = NULL;
        *params = NULL;
    }
    return status;
}
