// What the tensors of a GGUF file weigh, and whether they are the parameters that were counted.
#include "cost/gguf_config.h"

#include "base/text.h"
#include "cost/formula.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TYPE = 64, MAX_PARTS = 1024 };

typedef struct weight {
    uint64_t numbers, routers, beyond; // of parameters; biases of routers; further layers' own
    uint64_t bytes, n_tensors;
    uint64_t of_type[MAX_TYPE]; // bytes
    bool too_large;
} weight;

static void add(weight *w, uint64_t *sum, uint64_t more) {
    if (__builtin_add_overflow(*sum, more, sum)) w->too_large = true;
}

static void weigh(const gguf *file, uint64_t n_blocks, weight *w) {
    for (uint64_t i = 0; i < file->n_tensors; i++) {
        const gguf_tensor *t = &file->tensors[i];
        bool block = strncmp(t->name, "blk.", 4) == 0;
        bool further = block && strtoul(t->name + 4, NULL, 10) >= n_blocks;
        bool rotary =
            strstr(t->name, "rope_freqs") != NULL || strstr(t->name, "rope_factors") != NULL;
        bool router = strstr(t->name, "exp_probs_b") != NULL;
        add(w, &w->bytes, t->bytes);
        add(w, &w->of_type[t->type % MAX_TYPE], t->bytes);
        if (!rotary) add(w, further ? &w->beyond : router ? &w->routers : &w->numbers, t->numbers);
    }
    w->n_tensors += file->n_tensors;
}

// --- files of several parts --------------------------------------------------------------------

// "a-00001-of-00003.gguf": where the number stands, NULL for another name.
static const char *part_number(const char *path) {
    size_t n = strlen(path);
    static const char SHAPE[] = "-00000-of-00000.gguf";
    if (n < sizeof SHAPE - 1) return NULL;
    const char *at = path + n - (sizeof SHAPE - 1);
    for (size_t i = 0; SHAPE[i] != '\0'; i++)
        if (SHAPE[i] == '0' ? at[i] < '0' || at[i] > '9' : at[i] != SHAPE[i]) return NULL;
    return at + 1;
}

// Adds the part number `part`, the first as 1; false where it cannot be read, with `why`.
static bool weigh_part(const char *path, const char *number, uint64_t part, uint64_t n_blocks,
                       weight *w, fv_error *why) {
    text_buffer name = {0};
    gguf file = {0};
    text_add(&name, "%.*s%05" PRIu64 "%s", (int)(number - path), path, part, number + 5);
    FILE *stream = name.failed ? NULL : fopen(name.data, "rb");
    bool read = false;
    if (stream == NULL) {
        fv_fail(why, FV_NOT_FOUND, "%s cannot be opened: %s", name.data != NULL ? name.data : "it",
                strerror(errno));
    } else {
        read = gguf_read(stream, name.data, UINT64_MAX, &file, why) == FV_OK;
        fclose(stream);
    }
    if (read) weigh(&file, n_blocks, w);
    gguf_free(&file);
    text_free(&name);
    return read;
}

// The other parts of a split file. False where some are missing, with why.
static bool weigh_parts(const char *path, const gguf *file, uint64_t n_blocks, weight *w,
                        fv_error *why) {
    json_int_t n = json_integer_value(json_object_get(file->pairs, "split.count"));
    json_int_t own = json_integer_value(json_object_get(file->pairs, "split.no"));
    const char *number = part_number(path);
    if (n < 2) return true;
    if (number == NULL || n > MAX_PARTS) {
        fv_fail(why, FV_NOT_FOUND,
                "it is one of %d parts, named otherwise than "
                "-00001-of-00003.gguf",
                (int)(n <= MAX_PARTS ? n : MAX_PARTS));
        return false;
    }
    for (json_int_t i = 0; i < n; i++)
        if (i != own && !weigh_part(path, number, (uint64_t)i + 1, n_blocks, w, why)) return false;
    return true;
}

// --- notes -------------------------------------------------------------------------------------

static void say_types(const weight *w, text_buffer *notes) {
    text_add(notes, "weights: %" PRIu64 " bytes in %" PRIu64 " tensors", w->bytes, w->n_tensors);
    const char *between = ": ";
    for (uint32_t t = 0; t < MAX_TYPE; t++) {
        if (w->of_type[t] == 0 || gguf_type_name(t) == NULL) continue;
        text_add(notes, "%s%" PRIu64 " %s", between, w->of_type[t], gguf_type_name(t));
        between = ", ";
    }
    text_add(notes, "\n");
}

static void say_count(const weight *w, const fv_cost *total, text_buffer *notes) {
    char digits[FV_COST_DIGITS];
    fv_cost_number counted = total->value[FV_COST_PARAMETERS], stored = w->numbers;
    fv_cost_number biases = total->value[FV_COST_ROUTER_BIAS];
    // Families that train the biases have them among the parameters.
    bool trained = biases == 0;
    stored += trained ? w->routers : 0;
    text_add(notes, "tensors: %s parameters", fv_cost_number_text(stored, digits));
    if (stored == counted)
        text_add(notes, ", as counted here");
    else
        text_add(
            notes, ", %s %s than counted here",
            fv_cost_number_text(stored > counted ? stored - counted : counted - stored, digits),
            stored > counted ? "more" : "fewer");
    if (w->beyond > 0)
        text_add(notes, "; %" PRIu64 " more of layers that predict further tokens", w->beyond);
    text_add(notes, "\n");
}

fv_status cost_gguf_weigh(const char *path, const gguf *file, fv_cost_model *model,
                          fv_error *error) {
    weight *w = calloc(1, sizeof *w);
    fv_cost_setting setting;
    fv_cost total;
    fv_error why = {0};
    text_buffer notes = {0};
    fv_cost_setting_init(&setting);
    fv_status status = fv_cost_total(model, &setting, &total, error);
    text_add(&notes, "%s", fv_cost_model_notes(model));
    if (w != NULL && status == FV_OK && file->n_tensors > 0) {
        weigh(file, model->n_layers - 2, w);
        if (!weigh_parts(path, file, model->n_layers - 2, w, &why)) {
            text_add(&notes, "weights: not all of them are there, so they are not weighed: %s\n",
                     why.text);
        } else if (!w->too_large) {
            say_types(w, &notes);
            say_count(w, &total, &notes);
            model->packed = total.value[FV_COST_PARAMETERS];
            model->packed_bytes = w->bytes;
        }
    }
    if (w == NULL || notes.failed) {
        text_free(&notes);
        free(w);
        return fv_fail(error, FV_NO_MEMORY, "out of memory for the tensors of %s", path);
    }
    free(w);
    free(model->notes);
    model->notes = notes.data;
    return status;
}
