#include "cost/gguf_config.h"

#include "cost/families.h"
#include "cost/gguf_names.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

// --- architectures -----------------------------------------------------------------------------

// Some architectures have a key, or a tensor, only where they are another family's.
static const struct {
    const char *architecture, *key, *tensor, *family;
} CHOICES[] = {{"llama", "expert_count", NULL, "mixtral"},
               {"olmo2", "attention.sliding_window", NULL, "olmo3"},
               {"deepseek2", NULL, "exp_probs_b.bias", "deepseek_v3"}};

// --- keys --------------------------------------------------------------------------------------

static const struct {
    const char *architectures, *key, *fields;
} ROWS[] = {
#define ROW(architectures, key, fields) {architectures, key, fields},
    GGUF_KEYS(ROW)
#undef ROW
};
enum { N_ROWS = sizeof ROWS / sizeof ROWS[0] };

static const char *choose_family(const char *architecture, const gguf *file) {
    const char *family = NULL;
#define ENTRY(name, known)                                                                         \
    if (strcmp(architecture, name) == 0) family = known;
    GGUF_ARCHITECTURES(ENTRY)
#undef ENTRY
    for (size_t i = 0; i < sizeof CHOICES / sizeof CHOICES[0]; i++) {
        char key[96];
        if (strcmp(CHOICES[i].architecture, architecture) != 0) continue;
        snprintf(key, sizeof key, "%s.%s", architecture, CHOICES[i].key ? CHOICES[i].key : "");
        const json_t *value = json_object_get(file->pairs, key);
        if (CHOICES[i].key != NULL ? json_number_value(value) > 0
                                   : gguf_has(file, CHOICES[i].tensor))
            family = CHOICES[i].family;
    }
    return family;
}

// --- fields ------------------------------------------------------------------------------------

typedef struct mapper {
    const gguf *file;
    const char *architecture;
    json_t *fields, *origins;
    bool failed;
} mapper;

// A dot in its name leads into an object.
static void set_field(mapper *m, const char *name, size_t length, json_t *value) {
    char field[96];
    snprintf(field, sizeof field, "%.*s", (int)length, name);
    char *dot = strchr(field, '.');
    json_t *object = m->fields;
    if (dot != NULL) {
        *dot = '\0';
        object = json_object_get(m->fields, field);
        if (object == NULL && json_object_set_new(m->fields, field, json_object()) == 0)
            object = json_object_get(m->fields, field);
    }
    if (json_object_set(object, dot != NULL ? dot + 1 : field, value) != 0) m->failed = true;
}

static void set_fields(mapper *m, const char *names, json_t *value) {
    while (*names != '\0') {
        size_t n = strcspn(names, "|");
        set_field(m, names, n, value);
        names += n + (names[n] == '|');
    }
}

// Notes the fields as what the key became, and those that are derived from them.
static void add_origin(mapper *m, const char *names, json_t *origin) {
    while (*names != '\0') {
        size_t n = strcspn(names, "|");
        if (json_array_append_new(origin, json_stringn(names, n)) != 0) m->failed = true;
#define FOLLOW(field, derived)                                                                     \
    if (strlen(field) == n && memcmp(field, names, n) == 0) add_origin(m, derived, origin);
        GGUF_DERIVED(FOLLOW)
#undef FOLLOW
        names += n + (names[n] == '|');
    }
}

static void map_key(mapper *m, const char *key, const char *suffix, json_t *value) {
    json_t *origin = json_array();
    bool counts = true;
    for (int i = 0; i < N_ROWS; i++) {
        if (fnmatch(ROWS[i].architectures, m->architecture, 0) != 0 ||
            fnmatch(ROWS[i].key, suffix, 0) != 0)
            continue;
        counts = *ROWS[i].fields != '\0';
        set_fields(m, ROWS[i].fields, value);
        add_origin(m, ROWS[i].fields, origin);
        break;
    }
    if (origin == NULL || (counts && json_object_set(m->origins, key, origin) != 0))
        m->failed = true;
    json_decref(origin);
}

static void map_keys(mapper *m) {
    const char *key;
    json_t *value;
    size_t n = strlen(m->architecture);
    json_object_foreach(m->file->pairs, key, value) {
        if (strncmp(key, m->architecture, n) == 0 && key[n] == '.')
            map_key(m, key, key + n + 1, value);
    }
}

static void set_whole(mapper *m, const char *field, json_int_t value) {
    json_t *whole = json_integer(value);
    set_field(m, field, strlen(field), whole);
    json_decref(whole);
}

static void set_truth(mapper *m, const char *field, bool value) {
    set_field(m, field, strlen(field), value ? json_true() : json_false());
}

static void set_null(mapper *m, const char *field) {
    json_t *null = json_null();
    if (json_object_get(m->fields, field) == NULL) set_field(m, field, strlen(field), null);
}

static json_int_t field_of(const mapper *m, const char *field) {
    return json_integer_value(json_object_get(m->fields, field));
}

static bool has_any(const mapper *m, const char *tensors) {
    while (*tensors != '\0') {
        char name[64];
        size_t n = strcspn(tensors, "|");
        snprintf(name, sizeof name, "%.*s", (int)n, tensors);
        if (gguf_has(m->file, name)) return true;
        tensors += n + (tensors[n] == '|');
    }
    return false;
}

// What the tensors tell; a header without any tells nothing.
static void set_flags(mapper *m) {
    if (m->file->n_tensors == 0) return;
#define SET_FLAG(field, tensors) set_truth(m, field, has_any(m, tensors));
    GGUF_FLAGS(SET_FLAG)
#undef SET_FLAG
    set_truth(m, "tie_word_embeddings", !gguf_has(m->file, "output.weight"));
}

static void set_quotients(mapper *m) {
#define SET_QUOTIENT(field, over, under)                                                           \
    if (field_of(m, under) > 0 && field_of(m, over) % field_of(m, under) == 0 &&                   \
        field_of(m, over) > 0)                                                                     \
        set_whole(m, field, field_of(m, over) / field_of(m, under));
    GGUF_QUOTIENTS(SET_QUOTIENT)
#undef SET_QUOTIENT
}

// --- layers ------------------------------------------------------------------------------------

enum { MAX_BLOCKS = COST_MAX_LAYERS };

static json_int_t count_blocks(const mapper *m) {
    json_int_t n = field_of(m, "num_hidden_layers");
    return n > 0 && n <= MAX_BLOCKS ? n : 0;
}

// letters[i]: what block i is, by the tensors that it has: '*' attention, 'E' experts, '-' an MLP
// alone, 'M' a recurrence; of attention and an MLP, attention. Frees nothing; NULL without blocks.
static char *read_letters(const mapper *m) {
    json_int_t n = count_blocks(m);
    char *letters = n > 0 ? calloc((size_t)n + 1, 1) : NULL;
    if (letters == NULL) return NULL;
    memset(letters, 'M', (size_t)n);
    for (uint64_t t = 0; t < m->file->n_tensors; t++) {
        const char *name = m->file->tensors[t].name;
        char *rest;
        if (strncmp(name, "blk.", 4) != 0) continue;
        unsigned long i = strtoul(name + 4, &rest, 10);
        if (*rest != '.' || i >= (unsigned long)n) continue;
        bool attends = strncmp(rest, ".attn_q", 7) == 0 || strncmp(rest, ".attn_k", 7) == 0;
        if (attends)
            letters[i] = '*';
        else if (letters[i] != '*' && strncmp(rest, ".ffn_up_exps", 12) == 0)
            letters[i] = 'E';
        else if (letters[i] == 'M' && strncmp(rest, ".ffn_up.", 8) == 0)
            letters[i] = '-';
    }
    // Heads of keys a layer say the same where there are no tensors.
    const json_t *heads = json_object_get(m->fields, "num_key_value_heads");
    for (size_t i = 0; m->file->n_tensors == 0 && i < json_array_size(heads) && i < (size_t)n; i++)
        if (json_integer_value(json_array_get(heads, i)) > 0) letters[i] = '*';
    return letters;
}

static void set_types(mapper *m, const char *letters, const char *attends, const char *other) {
    json_t *types = json_array();
    for (const char *l = letters; *l != '\0'; l++)
        if (json_array_append_new(types, json_string(*l == '*' ? attends : other)) != 0)
            m->failed = true;
    set_field(m, "layer_types", strlen("layer_types"), types);
    json_decref(types);
}

// The first of a letter, and the next behind it, as an offset and a period.
static void set_turn(mapper *m, const char *marks, char mark, const char *period,
                     const char *offset) {
    const char *first = strchr(marks, mark);
    const char *next = first != NULL ? strchr(first + 1, mark) : NULL;
    if (first == NULL) return;
    set_whole(m, offset, first - marks);
    set_whole(m, period, next != NULL ? next - first : (json_int_t)strlen(marks));
}

// 'E' where a block has experts, whatever else it has.
static void mark_experts(const mapper *m, char *letters) {
    size_t n = strlen(letters);
    memset(letters, '.', n);
    for (uint64_t t = 0; t < m->file->n_tensors; t++) {
        const char *name = m->file->tensors[t].name;
        if (strncmp(name, "blk.", 4) != 0 || strstr(name, ".ffn_up_exps") == NULL) continue;
        unsigned long i = strtoul(name + 4, NULL, 10);
        if (i < n) letters[i] = 'E';
    }
}

// Which layers are what, in the words of the family.
static void set_layers(mapper *m) {
    char *letters = read_letters(m);
    if (letters == NULL) return;
    const char *a = m->architecture;
    if (strcmp(a, "granitehybrid") == 0) set_types(m, letters, "attention", "mamba");
    if (strcmp(a, "lfm2") == 0) set_types(m, letters, "full_attention", "conv");
    if (strncmp(a, "nemotron_h", 10) == 0) {
        json_t *pattern = json_string(letters);
        set_fields(m, "hybrid_override_pattern", pattern);
        json_decref(pattern);
    }
    if (strcmp(a, "jamba") == 0) {
        set_turn(m, letters, '*', "attn_layer_period", "attn_layer_offset");
        mark_experts(m, letters);
        set_turn(m, letters, 'E', "expert_layer_period", "expert_layer_offset");
    }
    free(letters);
}

// A pattern of windows: a truth for each layer, or every so many.
static void set_windows(mapper *m) {
    json_t *pattern = json_object_get(m->fields, "sliding_pattern");
    if (json_is_integer(pattern)) set_fields(m, "sliding_window_pattern", pattern);
    if (json_array_size(pattern) > 0) {
        json_t *types = json_array();
        for (size_t i = 0; i < json_array_size(pattern); i++)
            json_array_append_new(types, json_string(json_is_true(json_array_get(pattern, i))
                                                         ? "sliding_attention"
                                                         : "full_attention"));
        set_fields(m, "layer_types", types);
        json_decref(types);
    }
    // Without a key there is no window; but for Gemma 2's first files, which left it out.
    if (strcmp(m->architecture, "gemma2") != 0) set_null(m, "sliding_window");
}

// --- the rest ----------------------------------------------------------------------------------

// Whose layers are of kinds that the tensors or other keys tell: one may have no heads or no MLP.
static bool is_hybrid(const mapper *m) {
    static const char *const HYBRIDS[] = {"granitehybrid", "lfm2*",       "nemotron_h*",
                                          "jamba",         "kimi-linear", "qwen3*"};
    for (size_t i = 0; i < sizeof HYBRIDS / sizeof HYBRIDS[0]; i++)
        if (fnmatch(HYBRIDS[i], m->architecture, 0) == 0) return true;
    return false;
}

// A list of one number for each layer is that number. Of hybrids some layers have none of it (0).
static void flatten(mapper *m, const char *field) {
    const json_t *list = json_object_get(m->fields, field);
    json_int_t most = 0;
    bool hybrid = is_hybrid(m);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t value = json_integer_value(json_array_get(list, i));
        bool other = value != 0 ? most != 0 && value != most : !hybrid;
        if (other) return; // the family may know such a list
        if (value != 0) most = value;
    }
    if (most != 0) set_whole(m, field, most);
}

// A key of latent attention is its rotary part and the rest; newer files give the widths behind
// the compression beside those of the cache.
static void set_latent(mapper *m) {
    json_int_t key = field_of(m, "key_length_mla"), rope = field_of(m, "qk_rope_head_dim");
    if (key == 0) key = field_of(m, "key_length");
    if (key > rope && rope > 0) set_whole(m, "qk_nope_head_dim", key - rope);
    if (field_of(m, "v_head_dim_mla") > 0)
        set_whole(m, "v_head_dim", field_of(m, "v_head_dim_mla"));
    set_null(m, "q_lora_rank");
}

static void set_vocab(mapper *m) {
    json_t *tokens = json_object_get(m->file->pairs, "tokenizer.ggml.tokens");
    if (field_of(m, "vocab_size") > 0) return;
    for (uint64_t t = 0; t < m->file->n_tensors; t++)
        if (strcmp(m->file->tensors[t].name, "token_embd.weight") == 0)
            set_whole(m, "vocab_size", (json_int_t)(m->file->tensors[t].dims[1] & INT64_MAX));
    json_int_t length = json_integer_value(json_object_get(tokens, "length"));
    if (field_of(m, "vocab_size") == 0 && length > 0) set_whole(m, "vocab_size", length);
}

// Layers that predict further tokens stand behind the others and are counted with them.
static void leave_out_predictors(mapper *m) {
    char key[96];
    snprintf(key, sizeof key, "%s.nextn_predict_layers", m->architecture);
    json_int_t more = json_integer_value(json_object_get(m->file->pairs, key));
    json_int_t n = field_of(m, "num_hidden_layers");
    if (more > 0 && more < n) set_whole(m, "num_hidden_layers", n - more);
    json_object_del(m->origins, key);
}

static void derive(mapper *m) {
    leave_out_predictors(m);
    set_layers(m);
    set_windows(m);
    flatten(m, "num_key_value_heads");
    flatten(m, "num_attention_heads");
    flatten(m, "intermediate_size");
    set_vocab(m);
    set_flags(m);
    set_quotients(m);
    set_latent(m);
    if (strcmp(m->architecture, "lfm2") == 0) set_truth(m, "block_auto_adjust_ff_dim", false);
    if (strcmp(m->architecture, "granitehybrid") == 0 && field_of(m, "num_local_experts") == 0) {
        set_whole(m, "num_local_experts", 0);
        if (field_of(m, "shared_intermediate_size") == 0)
            set_whole(m, "shared_intermediate_size", field_of(m, "intermediate_size"));
    }
}

static const char *known_architectures(void) {
#define NAME(name, family) ", " name
    return &(GGUF_ARCHITECTURES(NAME))[2];
#undef NAME
}

fv_status cost_gguf_fields(const char *name, const gguf *file, json_t **fields, json_t **origins,
                           fv_error *error) {
    const char *architecture =
        json_string_value(json_object_get(file->pairs, "general.architecture"));
    *fields = *origins = NULL;
    if (architecture == NULL)
        return fv_fail(error, FV_FORMAT,
                       "%s: it has no general.architecture, which names its "
                       "family: one of %s",
                       name, known_architectures());
    const char *family = choose_family(architecture, file);
    if (family == NULL)
        return fv_fail(error, FV_USAGE, "%s: the architecture '%.60s' is not known; known are %s",
                       name, architecture, known_architectures());
    mapper m = {file, architecture, json_object(), json_object(), false};
    *fields = m.fields;
    *origins = m.origins;
    json_t *type = json_string(family);
    set_fields(&m, "model_type", type);
    json_decref(type);
    map_keys(&m);
    derive(&m);
    if (!m.failed) return FV_OK;
    return fv_fail(error, FV_NO_MEMORY, "out of memory for the keys of %s", name);
}
