#include "cost/quantization.h"

#include "cost/formula.h"
#include "cost/matrices.h"
#include "cost/module_list.h"
#include "cost/packing.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_GROUPS = 8, MAX_ASKED = 1 << 20, NVFP4_GROUP = 16, MXFP4_GROUP = 32, ALL_INPUTS = 0 };
#define Q "quantization_config."

// Matrices of the same packing: those that are targeted, and not left out.
typedef struct packing_group {
    cost_packing packing;
    bool all, experts_only;
    module_list targets; // where not all
} packing_group;

typedef struct quantization {
    const char *method;
    packing_group groups[MAX_GROUPS];
    int n;
    module_list left_out;
    bool head; // the unembedding too
} quantization;

// --- reading -----------------------------------------------------------------------------------

static packing_group *add_group(quantization *q, cost_packing packing) {
    q->groups[q->n] = (packing_group){.packing = packing, .all = true};
    return &q->groups[q->n++];
}

static bool says(cost_config *c, const char *key, const char *word) {
    const char *text = json_string_value(cost_config_find(c, key));
    return text != NULL && strcmp(text, word) == 0;
}

// Inputs that share a scale; -1 is all of them.
static uint64_t read_group_size(cost_config *c) {
    const json_t *size = cost_config_find(c, Q "group_size|" Q "q_group_size");
    if (json_is_integer(size) && json_integer_value(size) == -1) return ALL_INPUTS;
    return cost_config_size(c, Q "group_size|" Q "q_group_size", ALL_INPUTS);
}

static uint64_t read_bits(cost_config *c, const char *key) {
    uint64_t bits = cost_config_need(c, key);
    cost_config_expect(c, bits <= 16, key, "must be at most 16, not %d", (int)bits);
    return bits;
}

// The two widths of blocks, the outputs' first.
static void read_blocks(cost_config *c, const char *key, cost_packing *p) {
    const json_t *block = cost_config_list(c, key);
    json_int_t out = json_integer_value(json_array_get(block, 0));
    json_int_t in = json_integer_value(json_array_get(block, 1));
    cost_config_expect(c, json_array_size(block) == 2 && out > 0 && in > 0, key,
                       "must be two whole numbers from 1");
    p->group_out = out > 0 ? (uint64_t)out : 1;
    p->group_in = in > 0 ? (uint64_t)in : 1;
}

static void read_mxfp4(cost_config *c, quantization *q) {
    (void)c;
    add_group(q,
              (cost_packing){.bits = 4, .group_in = MXFP4_GROUP, .group_out = 1, .scale_bits = 8})
        ->experts_only = true;
}

static void read_fp8(cost_config *c, quantization *q) {
    cost_packing packing = {.bits = 8,
                            .scale_bits = says(c, Q "scale_fmt", "ue8m0") ? 8 : 32,
                            .matrix_bytes = says(c, Q "activation_scheme", "static") ? 4 : 0};
    if (cost_config_has(c, Q "weight_block_size")) read_blocks(c, Q "weight_block_size", &packing);
    if (says(c, Q "expert_dtype", "fp4")) read_mxfp4(c, q);
    add_group(q, packing);
}

static void read_fbgemm(cost_config *c, quantization *q) {
    (void)c;
    add_group(q, (cost_packing){.bits = 8, .group_out = 1, .scale_bits = 32});
}

static void read_awq(cost_config *c, quantization *q) {
    uint64_t bits = read_bits(c, Q "bits|" Q "w_bit");
    bool zeros = cost_config_flag(c, Q "zero_point");
    add_group(q, (cost_packing){.bits = bits,
                                .words_out = true,
                                .group_in = read_group_size(c),
                                .group_out = 1,
                                .scale_bits = 16,
                                .zero_bits = zeros ? bits : 0});
}

static void read_gptq(cost_config *c, quantization *q) {
    uint64_t bits = read_bits(c, Q "bits");
    q->head = cost_config_flag(c, Q "lm_head");
    add_group(q, (cost_packing){.bits = bits,
                                .words_in = true,
                                .group_in = read_group_size(c),
                                .group_out = 1,
                                .scale_bits = 16,
                                .zero_bits = bits,
                                .input_bytes = 4});
}

static void read_bitsandbytes(cost_config *c, quantization *q) {
    static const cost_packing EIGHT = {.bits = 8, .group_out = 1, .scale_bits = 32};
    static const cost_packing FOUR = {
        .bits = 4, .group_flat = 64, .scale_bits = 32, .matrix_bytes = 16 * 4};
    static const cost_packing DOUBLE = {.bits = 4,
                                        .group_flat = 64,
                                        .scale_bits = 8,
                                        .scale_group = 256,
                                        .matrix_bytes = (16 + 256 + 1) * 4};
    bool eight = cost_config_flag(c, Q "load_in_8bit|" Q "_load_in_8bit");
    bool four = cost_config_flag(c, Q "load_in_4bit|" Q "_load_in_4bit");
    cost_config_expect(c, !eight || !four, Q "load_in_4bit",
                       "must be the opposite of load_in_8bit");
    if (!eight && !four) return; // as the library loads it
    bool twice = four && cost_config_flag(c, Q "bnb_4bit_use_double_quant");
    add_group(q, eight ? EIGHT : twice ? DOUBLE : FOUR);
}

static void read_modelopt(cost_config *c, quantization *q) {
    if (says(c, Q "quant_algo", "NVFP4"))
        add_group(q, (cost_packing){.bits = 4,
                                    .group_in = NVFP4_GROUP,
                                    .group_out = 1,
                                    .scale_bits = 8,
                                    .matrix_bytes = 8});
    else if (says(c, Q "quant_algo", "FP8"))
        add_group(q, (cost_packing){.bits = 8, .scale_bits = 32, .matrix_bytes = 4});
    else
        q->method = NULL;
}

// --- compressed-tensors --------------------------------------------------------------------------

static void read_strategy(cost_config *c, cost_packing *p) {
    uint64_t group = cost_config_size(c, "weights.group_size", 0);
    bool grouped = says(c, "weights.strategy", "group") ||
                   says(c, "weights.strategy", "tensor_group") ||
                   !cost_config_has(c, "weights.strategy");
    p->group_in = grouped ? group : ALL_INPUTS;
    p->group_out = !says(c, "weights.strategy", "tensor");
    if (says(c, "weights.strategy", "block")) read_blocks(c, "weights.block_structure", p);
}

// One of config_groups, which is read as if it stood alone. Integers are packed to words unless
// their inputs are quantised too, for which the library keeps eight bits as they are; inputs that
// are not quantised anew for every token have a scale of their own.
static cost_packing read_scheme(cost_config *c) {
    cost_packing p = {.bits = read_bits(c, "weights.num_bits"), .scale_bits = 16};
    bool real = says(c, "weights.type", "float"), inputs = cost_config_has(c, "input_activations");
    bool fixed = inputs && json_is_false(cost_config_find(c, "input_activations.dynamic"));
    cost_config_find(c, "input_activations");
    read_strategy(c, &p);
    p.zero_bits = cost_config_flag(c, "weights.symmetric") ? 0 : p.bits;
    if (real && p.bits == 4) {
        bool microscaled = p.group_in == MXFP4_GROUP;
        p.scale_bits = 8;
        p.matrix_bytes = microscaled ? 0 : 4 + (inputs ? 4 : 0);
    } else if (!real && (p.bits < 8 || !inputs)) {
        p.words_in = true;
        p.matrix_bytes = 16;
    } else if (fixed) {
        p.matrix_bytes = 2;
    }
    return p;
}

static bool targets_all(const json_t *targets) {
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const char *text = json_string_value(json_array_get(targets, i));
        if (text != NULL && strcmp(text, "Linear") == 0) return true;
    }
    return json_array_size(targets) == 0;
}

static void read_group(cost_config *c, quantization *q, json_t *group) {
    static const cost_default DEFAULTS[] = {
        {"weights.num_bits", 8}, {"weights.group_size", COST_NONE}, {"weights.symmetric", 1}, {0}};
    cost_config inner = *c;
    inner.fields = group;
    inner.defaults[0] = DEFAULTS;
    inner.source = "QuantizationArgs";
    packing_group *added = add_group(q, read_scheme(&inner));
    const json_t *targets = cost_config_list(&inner, "targets");
    added->all = targets_all(targets);
    if (!added->all) added->targets = module_list_read(targets);
    c->missing = inner.missing;
    c->notes = inner.notes;
    c->status = inner.status;
}

static void read_compressed(cost_config *c, quantization *q) {
    json_t *groups = cost_config_find(c, Q "config_groups");
    const char *key;
    json_t *group;
    q->head = true;                           // unless `ignore` names it
    json_object_foreach(groups, key, group) { // none, where the cache alone is packed
        if (!json_is_object(group)) continue;
        cost_config_expect(c, q->n < MAX_GROUPS, Q "config_groups", "must hold at most %d groups",
                           MAX_GROUPS);
        if (q->n < MAX_GROUPS) read_group(c, q, group);
    }
}

// --- methods -------------------------------------------------------------------------------------

// X(quant_method, reader, class of the defaults).
static const struct {
    const char *name;
    void (*read)(cost_config *c, quantization *q);
    const char *source;
} METHODS[] = {
    {"mxfp4", read_mxfp4, "Mxfp4Config"},
    {"fp8", read_fp8, "FineGrainedFP8Config"},
    {"fbgemm_fp8", read_fbgemm, "FbgemmFp8Config"},
    {"awq", read_awq, "AwqConfig"},
    {"gptq", read_gptq, "GPTQConfig"},
    {"bitsandbytes", read_bitsandbytes, "BitsAndBytesConfig"},
    {"compressed-tensors", read_compressed, "CompressedTensorsConfig"},
    {"modelopt", read_modelopt, "modelopt"},
};

static const cost_default DEFAULTS[] = {{Q "bits", 4},
                                        {Q "group_size", 128},
                                        {Q "zero_point", 1},
                                        {Q "lm_head", 0},
                                        {Q "load_in_4bit", 0},
                                        {Q "load_in_8bit", 0},
                                        {Q "bnb_4bit_use_double_quant", 0},
                                        {0}};

// The first that the file has.
static json_t *find_left_out(cost_config *c) {
    return cost_config_list(c, Q "modules_to_not_convert|" Q "ignored_layers|" Q
                                 "llm_int8_skip_modules|" Q "ignore|" Q "exclude_modules");
}

static bool read_method(cost_config *c, quantization *q) {
    const char *name = json_string_value(cost_config_find(c, Q "quant_method"));
    if (name == NULL && cost_config_has(c, Q "load_in_4bit|" Q "load_in_8bit"))
        name = "bitsandbytes"; // files from before there were others
    for (size_t i = 0; name != NULL && i < sizeof METHODS / sizeof METHODS[0]; i++) {
        if (strcmp(name, METHODS[i].name) != 0) continue;
        const cost_default *defaults = c->defaults[0];
        const char *source = c->source;
        c->defaults[0] = DEFAULTS;
        c->source = METHODS[i].source;
        q->method = name;
        METHODS[i].read(c, q);
        q->left_out = module_list_read(find_left_out(c));
        c->defaults[0] = defaults;
        c->source = source;
        if (q->method != NULL) return true;
    }
    cost_config_note(c,
                     "quantization_config: the method %.60s is not known here; its weights are "
                     "counted as if they were not packed",
                     name != NULL ? name : "is not named, and");
    return false;
}

// --- counting ------------------------------------------------------------------------------------

static const packing_group *group_of(const quantization *q, const cost_matrix *m, int64_t layer) {
    if (m->role == MATRIX_ROUTER || (m->role == MATRIX_HEAD && !q->head)) return NULL;
    if (module_list_has(&q->left_out, m->module, layer)) return NULL;
    for (int g = 0; g < q->n; g++) {
        const packing_group *group = &q->groups[g];
        if (group->experts_only && m->role != MATRIX_EXPERT) continue;
        if (group->all || module_list_has(&group->targets, m->module, layer)) return group;
    }
    return NULL;
}

static void count_part(const quantization *q, fv_cost_model *model, const cost_part *part,
                       int64_t layer) {
    for (const cost_matrix *m = cost_matrices(part->kind); m->module != NULL; m++) {
        const packing_group *group = group_of(q, m, layer);
        if (group == NULL) continue;
        cost_matrix_size size = cost_matrix_measure(part, m);
        fv_cost_number numbers = formula_multiply(size.in, formula_multiply(size.out, size.count));
        fv_cost_number bytes =
            formula_multiply(size.count, cost_packing_bytes(&group->packing, size.in, size.out));
        model->packed = formula_add(model->packed, numbers);
        model->packed_bytes = formula_add(model->packed_bytes, bytes);
    }
}

static void count(const quantization *q, fv_cost_model *model) {
    for (uint64_t l = 0; l < model->n_layers; l++) {
        const cost_layer *layer = &model->layers[l];
        bool block = l > 0 && l + 1 < model->n_layers;
        for (int i = 0; i < layer->n; i++)
            if (layer->owns[i])
                count_part(q, model, &model->parts[layer->parts[i]], block ? (int64_t)l - 1 : -1);
    }
}

static bool is_bounded(const quantization *q, const fv_cost_model *model) {
    size_t n = q->left_out.n;
    for (int g = 0; g < q->n; g++) n += q->groups[g].targets.n;
    return n == 0 || model->n_layers <= MAX_ASKED / n;
}

static void say(cost_config *c, const quantization *q, const fv_cost_model *model) {
    char packed[FV_COST_DIGITS], bytes[FV_COST_DIGITS];
    cost_config_note(c,
                     "quantization_config: %s packs %s parameters into %s bytes with their "
                     "scales; the others take --bytes each",
                     q->method, fv_cost_number_text(model->packed, packed),
                     fv_cost_number_text(model->packed_bytes, bytes));
    if (q->left_out.unread != NULL)
        cost_config_note(c,
                         "quantization_config: its list of modules holds %.80s, which is not "
                         "understood and changes nothing here",
                         q->left_out.unread);
}

void cost_read_quantization(cost_config *c, fv_cost_model *model) {
    quantization q = {0};
    const json_t *about = cost_config_find(c, "quantization_config");
    if (about == NULL || c->status != FV_OK || c->missing.n > 0) return;
    cost_config_expect(c, json_is_object(about), "quantization_config", "must be an object, not %s",
                       json_is_string(about)  ? "a text"
                       : json_is_array(about) ? "a list"
                                              : "a number");
    if (c->status == FV_OK && read_method(c, &q)) {
        cost_config_expect(c, is_bounded(&q, model), "quantization_config",
                           "lists too many modules for %d layers", (int)model->n_layers - 2);
        if (c->status == FV_OK && c->missing.n == 0) {
            count(&q, model);
            say(c, &q, model);
        }
    }
    if (q.left_out.failed) c->notes.failed = true;
    for (int g = 0; g < q.n; g++) {
        if (q.groups[g].targets.failed) c->notes.failed = true;
        module_list_free(&q.groups[g].targets);
    }
    module_list_free(&q.left_out);
}
