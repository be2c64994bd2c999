#include "cost/stored.h"

#include "base/json.h"
#include "base/safetensors.h"
#include "base/text.h"
#include "cost/formula.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What the files say.
typedef struct stored_weights {
    char name[256];          // of the file, or of the first of several
    uint64_t bytes, numbers; // 0: not said
    int n_files;
    fv_error unread; // why the first that could not be read was not; "": none
} stored_weights;

// --- finding -----------------------------------------------------------------------------------

static bool ends_with(const char *name, const char *ending) {
    size_t n = strlen(name), e = strlen(ending);
    return n > e && strcmp(name + n - e, ending) == 0;
}

static int is_index(const struct dirent *entry) {
    return ends_with(entry->d_name, ".safetensors.index.json");
}

static int is_tensors(const struct dirent *entry) {
    return ends_with(entry->d_name, ".safetensors");
}

typedef void (*visitor)(const char *path, const char *name, stored_weights *found);

// Calls `visit` for the files that `choose` takes, in alphabetical order; false for none.
static bool visit_files(const char *folder, int (*choose)(const struct dirent *), visitor visit,
                        stored_weights *found, bool *failed) {
    struct dirent **entries;
    int n = scandir(folder, &entries, choose, alphasort);
    for (int i = 0; i < n; i++) {
        text_buffer path = {0};
        text_add(&path, "%s/%s", folder, entries[i]->d_name);
        *failed = *failed || path.failed;
        if (!path.failed) visit(path.data, entries[i]->d_name, found);
        text_free(&path);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    return n > 0;
}

// --- reading -----------------------------------------------------------------------------------

static uint64_t whole(const json_t *value) {
    double real = json_number_value(value);
    return real >= 1 && real < 1e18 ? (uint64_t)real : 0;
}

static void begin(const char *name, stored_weights *found) {
    if (found->n_files++ == 0) snprintf(found->name, sizeof found->name, "%s", name);
}

static void read_index(const char *path, const char *name, stored_weights *found) {
    if (found->n_files > 0) return;
    begin(name, found);
    FILE *file = fopen(path, "r");
    json_error_t why;
    json_t *root = file != NULL ? json_read_file(file, 0, &why) : NULL;
    const json_t *metadata = json_object_get(root, "metadata");
    found->bytes = whole(json_object_get(metadata, "total_size"));
    found->numbers = whole(json_object_get(metadata, "total_parameters"));
    if (found->bytes == 0 && found->numbers == 0)
        fv_fail(&found->unread, FV_FORMAT, "it has no metadata.total_size");
    json_decref(root);
    if (file != NULL) fclose(file);
}

static bool is_real(safetensors_dtype dtype) {
    return dtype == SAFETENSORS_F16 || dtype == SAFETENSORS_BF16 || dtype == SAFETENSORS_F32 ||
           dtype == SAFETENSORS_F64;
}

static void read_header(const char *path, const char *name, stored_weights *found) {
    safetensors file;
    begin(name, found);
    if (found->unread.text[0] != '\0') return;
    if (safetensors_open(path, &file, &found->unread) == FV_OK)
        for (int t = 0; t < file.n_tensors; t++) {
            const safetensors_tensor *tensor = &file.tensors[t];
            uint64_t numbers = 1;
            for (int d = 0; d < tensor->n_dims; d++) numbers *= tensor->shape[d];
            found->bytes += tensor->end - tensor->begin;
            found->numbers += is_real(tensor->dtype) ? numbers : 0;
        }
    safetensors_close(&file);
}

// --- comparing ---------------------------------------------------------------------------------

static void add_difference(text_buffer *notes, fv_cost_number stored, fv_cost_number counted,
                           const char *unit) {
    char more[FV_COST_DIGITS];
    bool above = stored > counted;
    fv_cost_number_text(above ? stored - counted : counted - stored, more);
    text_add(notes, ", %s %s %s than counted here\n", more, unit, above ? "more" : "fewer");
}

// Biases of routers stand in the files too, in four bytes or as all others.
static bool agrees(fv_cost_number stored, fv_cost_number counted, fv_cost_number biases,
                   fv_cost_number plain) {
    return stored == counted || stored == counted + plain * biases ||
           stored == counted + 4 * biases;
}

static void compare(const stored_weights *found, const fv_cost_model *model, const fv_cost *total,
                    text_buffer *notes) {
    uint64_t plain = model->stored_bytes > 0 ? model->stored_bytes : 2;
    fv_cost_number biases = total->value[FV_COST_ROUTER_BIAS];
    fv_cost_number numbers = total->value[FV_COST_PARAMETERS];
    fv_cost_number bytes = fv_cost_weight_bytes(model, (double)plain);
    bool count = found->numbers > 0 && model->packed == 0;
    text_add(notes, "%s%s: ", found->name, found->n_files > 1 ? " and its like" : "");
    if (found->unread.text[0] != '\0') {
        text_add(notes, "it checks nothing: %s\n", found->unread.text);
    } else if (count) {
        text_add(notes, "%" PRIu64 " parameters", found->numbers);
        if (agrees(found->numbers, numbers, biases, 1))
            text_add(notes, ", as counted here\n");
        else
            add_difference(notes, found->numbers, numbers, "parameters");
    } else {
        text_add(notes, "%" PRIu64 " bytes", found->bytes);
        if (agrees(found->bytes, bytes, biases, plain))
            text_add(notes, ", as counted here with %" PRIu64 " a parameter%s\n", plain,
                     model->packed > 0 ? " that is not packed" : "");
        else
            add_difference(notes, found->bytes, bytes, "bytes");
    }
}

fv_status cost_check_stored(const char *folder, fv_cost_model *model, fv_error *error) {
    stored_weights found = {0};
    fv_cost_setting setting;
    fv_cost total;
    bool failed = false;
    fv_cost_setting_init(&setting);
    if (!visit_files(folder, is_index, read_index, &found, &failed) &&
        !visit_files(folder, is_tensors, read_header, &found, &failed) && !failed)
        return FV_OK;
    fv_status status = fv_cost_total(model, &setting, &total, error);
    text_buffer notes = {0};
    text_add(&notes, "%s", fv_cost_model_notes(model));
    if (status == FV_OK && !failed) compare(&found, model, &total, &notes);
    if (failed || notes.failed) {
        text_free(&notes);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for notes about %s", folder);
    }
    free(model->notes);
    model->notes = notes.data;
    return status;
}
