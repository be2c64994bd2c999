// The field table of fields.def as rows that can be walked.
#include "base/text.h"

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

#define INT_CHOICES     NULL
#define REAL_CHOICES    NULL
#define BOOL_CHOICES    NULL
#define INTS_CHOICES    NULL
#define TEXT_CHOICES    NULL
#define NAMES_CHOICES   NULL
#define FACTORS_CHOICES NULL
#define STAGES_CHOICES  NULL
#define LAYERS_CHOICES  LAYER_CHOICES

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
