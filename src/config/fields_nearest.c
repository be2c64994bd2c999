// The field that a key means which is none: another library's name, a part of a name, a name in the
// wrong section, or a name misspelt. A key that names a section is looked for there first.
#include "base/text.h"
#include "config/synonym_lookup.h"

#include <fovea/fields.h>
#include <limits.h>
#include <string.h>

static const char *behind_dot(const char *key) {
    const char *dot = strchr(key, '.');
    return dot ? dot + 1 : key;
}

// Whether the letters of `name` stand in `longer`, in their order and with the same first one.
static bool abbreviates(const char *name, const char *longer) {
    if (strlen(name) < 3 || *name != *longer) return false;
    while (*name != '\0' && (longer = strchr(longer, *name)) != NULL) name++, longer++;
    return *name == '\0';
}

// The distance to the nearest of the parts that underscores separate.
static int part_distance(const char *name, const char *field_name) {
    int nearest = INT_MAX;
    char part[64];
    for (size_t n; *field_name != '\0'; field_name += n + (field_name[n] == '_')) {
        n = strcspn(field_name, "_");
        if (n < 4 || n >= sizeof part) continue;
        memcpy(part, field_name, n);
        part[n] = '\0';
        int distance = text_distance(name, part);
        if (distance < nearest) nearest = distance;
    }
    return nearest;
}

static bool is_choice(const char *name, const fv_field *field) {
    for (int i = 0; field->choices != NULL && field->choices[i] != NULL; i++)
        if (strcmp(field->choices[i], name) == 0) return true;
    return false;
}

// A right name is no mistake however long, what the field may be two ("adam"), a part of a name one
// ("vocab" means task.vocab_size), and so is its spelling where another library's name for the
// field is meant ("lrr").
static int name_distance(const char *name, const fv_field *field) {
    const char *field_name = behind_dot(field->key);
    if (strcmp(name, field_name) == 0) return 0;
    if (strlen(name) >= 3 && strstr(field_name, name) != NULL) return 1;
    if (is_choice(name, field)) return 2;
    int distance = text_distance(name, field_name);
    int part = part_distance(name, field_name);
    if (part <= (int)strlen(name) / 3 && part + 1 < distance) distance = part + 1;
    if (abbreviates(name, field_name) && distance > 2) distance = 2;
    int meant = synonym_distance("field", field->key, name);
    return meant < distance ? meant : distance;
}

// Whether the key is of another section than the field. A section that is none but for its spelling
// says nothing.
static bool is_elsewhere(const char *key, const fv_field *field) {
    static const char *const SECTIONS[] = {"task", "model", "train", NULL};
    size_t n = (size_t)(behind_dot(key) - key);
    char section[16];
    if (n == 0 || n > sizeof section) return false;
    memcpy(section, key, n - 1);
    section[n - 1] = '\0';
    const char *meant = text_nearest(section, SECTIONS);
    size_t length = strlen(meant);
    return text_distance(section, meant) <= 1 &&
           (strncmp(meant, field->key, length) != 0 || field->key[length] != '.');
}

// Another section is as bad as a letter and a half. The whole key may have lost its point.
static int field_distance(const char *key, const fv_field *field) {
    int by_name = 2 * name_distance(behind_dot(key), field) + 3 * is_elsewhere(key, field);
    int whole = strchr(key, '.') == NULL ? 2 * text_distance(key, field->key) : by_name;
    return whole < by_name ? whole : by_name;
}

static bool is_name(const char *key, const fv_field *field) {
    return strcmp(behind_dot(key), behind_dot(field->key)) == 0;
}

const char *fv_field_nearest(const char *key) {
    char plain[128];
    text_plain(key, plain, sizeof plain);
    int n, nearest = 0, lowest = INT_MAX;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) {
        int distance = field_distance(plain, &fields[i]);
        if (distance < lowest) nearest = i, lowest = distance;
    }
    const char *meant = synonym_of("section", plain);
    if (meant != NULL) return meant;
    meant = synonym_of("field", plain);
    return meant != NULL && !is_name(plain, &fields[nearest]) ? meant : fields[nearest].key;
}
