// Fuzzes the reader of config.json files: whatever the bytes, the file is read or refused with one
// sentence, and what was read has costs that add up, or that are said not to fit.
#include <fovea/cost.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_layers(const fv_cost_model *model, const fv_cost_setting *setting,
                         const fv_cost *total) {
    fv_cost sum = {{0}}, *layers = calloc(fv_cost_n_layers(model), sizeof *layers);
    if (layers == NULL || fv_cost_layers(model, setting, layers, NULL) != FV_OK) abort();
    for (uint64_t l = 0; l < fv_cost_n_layers(model); l++)
        for (int q = 0; q < FV_COST_COUNT; q++) sum.value[q] += layers[l].value[q];
    free(layers);
    for (int q = 0; q < FV_COST_COUNT; q++)
        if (sum.value[q] != total->value[q]) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint64_t TOKENS[] = {1, 4096, 1000003, UINT64_MAX / 3};
    fv_error error = {0};
    fv_cost_model *model;
    fv_status status = fv_cost_model_parse("INPUT", (const char *)data, size, &model, &error);
    if ((status == FV_OK) != (model != NULL)) abort();
    if (status != FV_OK && error.text[0] == '\0') abort();
    for (size_t i = 0; model != NULL && i < sizeof TOKENS / sizeof TOKENS[0]; i++) {
        fv_cost_setting setting;
        fv_cost total;
        fv_cost_setting_init(&setting);
        setting.tokens = TOKENS[i];
        if (fv_cost_total(model, &setting, &total, &error) == FV_OK && i < 2)
            check_layers(model, &setting, &total);
        if (i == 0) fv_cost_largest_context(model, &setting, (uint64_t)1 << 34);
    }
    for (int p = 0; model != NULL && p < fv_cost_n_parts(model); p++) {
        fv_cost_setting setting;
        fv_cost_setting_init(&setting);
        free(fv_cost_formula(model, p, (fv_cost_quantity)(size % FV_COST_COUNT), &setting, true));
    }
    fv_cost_model_free(model);
    return 0;
}
