// The field table of fields.def as rows that can be walked.
#include "base/text.h"
#include "config/synonym_lookup.h"

#include <fovea/config.h>
#include <pthread.h>
#include <string.h>

// The texts of every list: LOSS_CHOICES, TASK_CHOICES, ...
#define FV_CHOICES(LIST)            static const char *const LIST##_CHOICES[] = {
#define FV_CHOICE(LIST, NAME, text) text,
#define FV_CHOICES_END(LIST)                                                                       \
    NULL                                                                                           \
    }                                                                                              \
    ;
#include <fovea/fields.def>
#define FV_PARTS(GROUP)            static const char *const GROUP##_CHOICES[] = {
#define FV_PART(GROUP, NAME, name) #name,
#define FV_PARTS_END(GROUP)                                                                        \
    NULL                                                                                           \
    }                                                                                              \
    ;
#include <fovea/fields.def>

#define INT_CHOICES    NULL
#define REAL_CHOICES   NULL
#define BOOL_CHOICES   NULL
#define INTS_CHOICES   NULL
#define LAYERS_CHOICES LAYER_CHOICES

#define PLACE(section, name) offsetof(fv_config, section) + offsetof(fv_##section##_config, name)

static const fv_field FIELDS[] = {
#define FV_FIELD(section, name, TYPE, default_text, lowest, highest, help)                         \
    {#section "." #name, FV_TYPE_##TYPE, default_text,        lowest, highest,                     \
     TYPE##_CHOICES,     help,           PLACE(section, name)},
#define FV_CHOICE_FIELD(section, name, LIST, default_text, help)                                   \
    {#section "." #name, FV_TYPE_CHOICE, default_text,        0, 0,                                \
     LIST##_CHOICES,     help,           PLACE(section, name)},
#include <fovea/fields.def>
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

const fv_field *fv_fields(int *n) {
    *n = N_FIELDS;
    return FIELDS;
}

// Places of fields by the hash of their keys, the next free one where two meet: sweeps and stores
// look fields up millions of times.
enum { N_SLOTS = 512 };
_Static_assert(2 * N_FIELDS < N_SLOTS, "the slots are at most half full");
static short slots[N_SLOTS]; // place + 1; 0: free
static pthread_once_t filled = PTHREAD_ONCE_INIT;

static unsigned slot_of(const char *key) {
    return (unsigned)(text_hash(TEXT_HASH_START, key) % N_SLOTS);
}

static void fill_slots(void) {
    for (int i = 0; i < N_FIELDS; i++) {
        unsigned slot = slot_of(FIELDS[i].key);
        while (slots[slot] != 0) slot = (slot + 1) % N_SLOTS;
        slots[slot] = (short)(i + 1);
    }
}

const fv_field *fv_field_find(const char *key) {
    pthread_once(&filled, fill_slots);
    for (unsigned slot = slot_of(key); slots[slot] != 0; slot = (slot + 1) % N_SLOTS)
        if (strcmp(FIELDS[slots[slot] - 1].key, key) == 0) return &FIELDS[slots[slot] - 1];
    return NULL;
}

static const char *behind_dot(const char *key) {
    const char *dot = strchr(key, '.');
    return dot ? dot + 1 : key;
}

// A right name in the wrong section, or without one, is one mistake however far the spelling is,
// and so is a part of a name: "vocab" means task.vocab_size.
static int field_distance(const char *key, const fv_field *field) {
    const char *name = behind_dot(key), *field_name = behind_dot(field->key);
    bool same_section = strncmp(key, field->key, (size_t)(field_name - field->key)) == 0;
    if (strcmp(name, field_name) == 0) return same_section ? 0 : 1;
    if (strlen(name) >= 3 && strstr(field_name, name) != NULL) return same_section ? 1 : 2;
    int whole = text_distance(key, field->key);
    int alone = 1 + text_distance(name, field_name);
    return whole < alone ? whole : alone;
}

static bool is_name(const char *key, const fv_field *field) {
    return strcmp(behind_dot(key), behind_dot(field->key)) == 0;
}

const char *fv_field_nearest(const char *key) {
    char plain[128];
    text_plain(key, plain, sizeof plain);
    int nearest = 0;
    for (int i = 1; i < N_FIELDS; i++)
        if (field_distance(plain, &FIELDS[i]) < field_distance(plain, &FIELDS[nearest]))
            nearest = i;
    const char *meant = synonym_of("section", plain);
    if (meant != NULL) return meant;
    meant = synonym_of("field", plain);
    return meant != NULL && !is_name(plain, &FIELDS[nearest]) ? meant : FIELDS[nearest].key;
}
