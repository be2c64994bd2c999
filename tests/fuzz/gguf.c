// Fuzzes the reader of GGUF headers and what the cost model makes of them: whatever the bytes, they
// are read or refused with one sentence, the same whether their number is known or not, and what
// was read has costs that add up.
#include "base/gguf.h"

#include <fovea/cost.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// As from a file, or as from a pipe.
static fv_status read_header(const uint8_t *data, size_t size, bool sized, uint64_t *n) {
    gguf header;
    fv_error error = {0};
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    if (file == NULL) abort();
    fv_status status = gguf_read(file, "INPUT", sized ? size : UINT64_MAX, &header, &error);
    *n = header.n_tensors;
    if (status != FV_OK && error.text[0] == '\0') abort();
    for (uint64_t i = 0; status == FV_OK && i < header.n_tensors; i++)
        if (gguf_type_name(header.tensors[i].type) == NULL) abort();
    gguf_free(&header);
    fclose(file);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4 || memcmp(data, "GGUF", 4) != 0) return 0; // that is config_json's
    uint64_t sized, piped;
    fv_status status = read_header(data, size, true, &sized);
    // A file that is too short is noticed earlier where its size is known.
    if (read_header(data, size, false, &piped) != status) abort();
    if (status == FV_OK && sized != piped) abort();
    fv_error error = {0};
    fv_cost_model *model;
    status = fv_cost_model_parse("INPUT", (const char *)data, size, &model, &error);
    if ((status == FV_OK) != (model != NULL)) abort();
    if (status != FV_OK && error.text[0] == '\0') abort();
    if (model != NULL) {
        fv_cost_setting setting;
        fv_cost total;
        fv_cost_setting_init(&setting);
        if (fv_cost_total(model, &setting, &total, &error) != FV_OK) abort();
    }
    fv_cost_model_free(model);
    return 0;
}
