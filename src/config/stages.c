#include "config/stages.h"

#include "config/as_written.h"
#include "config/config_check.h"
#include "config/config_readers.h"

#include <fovea/config.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FIELDS = 32 };

// What a run has from its beginning to its end: the shapes of its parameters, how it is watched, and what
// it begins with.
static const char *const FIXED[] = {
    "task.vocab_size",   "task.context_length", "task.path",
    "task.digest",       "train.steps",         "train.stages",
    "train.from",        "train.from_digest",   "train.log_every",
    "train.probe_every", "train.snapshots",     "train.snapshot_every",
    "train.stop_metric", "train.context_ranks", NULL,
};

bool stages_may_change(const fv_field *field) {
    for (const char *const *key = FIXED; *key != NULL; key++)
        if (strcmp(field->key, *key) == 0) return false;
    return strncmp(field->key, "model.", strlen("model.")) != 0;
}

typedef struct change {
    const fv_field *field;
    const yaml_value *value;
} change;

typedef struct stage {
    int at;
    bool reset;
    int n;
    change changes[MOST_FIELDS];
} stage;

// --- reading ------------------------------------------------------------------------------------

static fv_status add_change(stage *s, const char *key, const yaml_value *value, fv_error *error) {
    const fv_field *field = fv_field_find(key);
    if (field == NULL)
        return fv_fail(
            error, FV_USAGE,
            "train.stages: '%.60s' is neither at, reset nor a field; the nearest is '%s'", key,
            fv_field_nearest(key));
    if (!stages_may_change(field))
        return fv_fail(
            error, FV_USAGE,
            "train.stages: %s is the same in the whole run; a stage changes other fields "
            "of task and train",
            field->key);
    for (int i = 0; i < s->n; i++)
        if (s->changes[i].field == field)
            return fv_fail(error, FV_USAGE, "train.stages: %s is given twice in one stage", key);
    if (s->n == MOST_FIELDS)
        return fv_fail(error, FV_USAGE, "train.stages: more than %d fields in one stage",
                       MOST_FIELDS);
    s->changes[s->n++] = (change){field, value};
    return FV_OK;
}

// {train: {learning_rate: 1}} says the same as {train.learning_rate: 1}.
static fv_status add_section(stage *s, const yaml_value *section, fv_error *error) {
    fv_status status = FV_OK;
    for (int i = 0; i < section->n && status == FV_OK; i++) {
        char key[128];
        snprintf(key, sizeof key, "%.60s.%.60s", section->key, section->items[i].key);
        status = add_change(s, key, &section->items[i], error);
    }
    return status;
}

static fv_status read_member(stage *s, const yaml_value *member, fv_error *error) {
    bool plain = member->kind == YAML_SCALAR && !member->quoted;
    if (strcmp(member->key, "at") == 0) {
        long long at;
        if (plain && text_to_int(member->scalar, &at) && at >= 1 && at < INT_MAX) {
            s->at = (int)at;
            return FV_OK;
        }
        return fv_fail(error, FV_USAGE, "train.stages: at must be a step from 1 on, not %.40s",
                       plain ? member->scalar : "that");
    }
    if (strcmp(member->key, "reset") == 0) {
        s->reset = plain && strcmp(member->scalar, "true") == 0;
        if (s->reset || (plain && strcmp(member->scalar, "false") == 0)) return FV_OK;
        return fv_fail(error, FV_USAGE, "train.stages: reset must be true or false, not %.40s",
                       member->kind == YAML_SCALAR ? member->scalar : "that");
    }
    bool section = strcmp(member->key, "task") == 0 || strcmp(member->key, "train") == 0;
    if (section && member->kind == YAML_MAPPING) return add_section(s, member, error);
    return add_change(s, member->key, member, error);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const change *)a)->field->key, ((const change *)b)->field->key);
}

static fv_status read_stage(const yaml_value *mapping, stage *s, fv_error *error) {
    *s = (stage){0};
    if (mapping->kind != YAML_MAPPING)
        return fv_fail(error, FV_USAGE,
                       "train.stages must be a list of mappings, as in [{at: 1000, "
                       "train.learning_rate: 1e-4}]; it has %s",
                       yaml_kind_text(mapping->kind));
    fv_status status = FV_OK;
    for (int i = 0; i < mapping->n && status == FV_OK; i++)
        status = read_member(s, &mapping->items[i], error);
    if (status == FV_OK && s->at == 0)
        return fv_fail(error, FV_USAGE,
                       "train.stages: a stage says with `at` from which step on it holds, as in "
                       "{at: 1000, train.learning_rate: 1e-4}");
    if (status == FV_OK && s->n == 0 && !s->reset)
        return fv_fail(error, FV_USAGE,
                       "train.stages: the stage at step %d changes nothing; give it a field or "
                       "reset: true",
                       s->at);
    qsort(s->changes, (size_t)s->n, sizeof *s->changes, by_key);
    return status;
}

// --- one form -----------------------------------------------------------------------------------

static fv_status set_change(fv_config *config, const change *c, fv_error *error) {
    text_buffer yaml = {0};
    yaml_value_write(c->value, &yaml);
    fv_error why = {0};
    fv_status status = yaml.failed ? fv_fail(error, FV_NO_MEMORY, "out of memory")
                                   : fv_config_set(config, c->field->key, yaml.data, &why);
    if (status != FV_OK && !yaml.failed) fv_fail(error, status, "train.stages: %.900s", why.text);
    text_free(&yaml);
    return status;
}

static fv_status write_stage(const stage *s, text_buffer *out, fv_error *error) {
    text_add(out, "{at: %d%s", s->at, s->reset ? ", reset: true" : "");
    fv_config config;
    fv_config_init(&config);
    for (int i = 0; i < s->n; i++) {
        const change *c = &s->changes[i];
        fv_status status = set_change(&config, c, error);
        if (status != FV_OK) return status;
        char value[FV_VALUE_SIZE];
        fv_config_get(&config, c->field, value, sizeof value);
        text_add(out, ", %s: %s", c->field->key, value);
    }
    text_add_char(out, '}');
    return FV_OK;
}

fv_status stages_write(const fv_field *field, const yaml_value *given, text_buffer *out,
                       fv_error *error) {
    (void)field;
    yaml_value alone = {.kind = YAML_LIST, .n = 1, .items = (yaml_value *)given};
    const yaml_value *list = given->kind == YAML_LIST ? given : &alone;
    int before = 0;
    text_add_char(out, '[');
    for (int i = 0; i < list->n; i++) {
        stage s;
        fv_status status = read_stage(&list->items[i], &s, error);
        if (status == FV_OK && s.at <= before)
            status = fv_fail(error, FV_USAGE,
                             "train.stages: the stage at step %d stands behind one at step %d; "
                             "stages are in the order of their steps",
                             s.at, before);
        if (i > 0) text_add(out, ", ");
        if (status == FV_OK) status = write_stage(&s, out, error);
        if (status != FV_OK) return status;
        before = s.at;
    }
    text_add_char(out, ']');
    return FV_OK;
}

// --- what they make of a configuration ------------------------------------------------------------

bool stages_any(const fv_config *config) {
    return strcmp(config->train.stages.value, "[]") != 0;
}

static void leave_stages(fv_config *config) {
    memset(&config->train.stages, 0, sizeof config->train.stages);
    memcpy(config->train.stages.value, "[]", 2);
}

fv_status stages_at(const fv_config *config, int step, fv_config *there, stage_now *now,
                    fv_error *error) {
    *now = (stage_now){.next = INT_MAX};
    *there = *config;
    if (!stages_any(config)) return FV_OK;
    leave_stages(there);
    const char *text = config->train.stages.value;
    yaml_value *list;
    fv_status status = yaml_value_read(text, strlen(text), NULL, &list, error);
    for (int i = 0; status == FV_OK && i < list->n; i++) {
        stage s;
        status = read_stage(&list->items[i], &s, error);
        if (status != FV_OK) break;
        if (s.at > step) {
            now->next = s.at;
            break;
        }
        now->first = s.at;
        now->reset = s.reset;
        for (int k = 0; k < s.n && status == FV_OK; k++)
            status = set_change(there, &s.changes[k], error);
    }
    yaml_value_free(list);
    return status;
}

// --- one more -------------------------------------------------------------------------------------

static void leave_out(stage *s, const fv_field *field) {
    int n = 0;
    for (int i = 0; i < s->n; i++)
        if (s->changes[i].field != field) s->changes[n++] = s->changes[i];
    s->n = n;
}

static fv_status put_stage(const stage *s, text_buffer *out, fv_error *error) {
    if (s->n == 0 && !s->reset) return FV_OK;
    if (out->n > 1) text_add(out, ", ");
    return write_stage(s, out, error);
}

static fv_status put_all(const yaml_value *list, stage one, text_buffer *out, fv_error *error) {
    const change set = one.changes[0];
    fv_status status = FV_OK;
    for (int i = 0; i < list->n && status == FV_OK; i++) {
        stage s;
        status = read_stage(&list->items[i], &s, error);
        if (status != FV_OK) return status;
        if (s.at >= one.at) leave_out(&s, set.field);
        if (s.at == one.at) {
            one = s;
            one.changes[one.n++] = set;
            qsort(one.changes, (size_t)one.n, sizeof *one.changes, by_key);
            continue;
        }
        if (s.at > one.at && one.n > 0) {
            status = put_stage(&one, out, error);
            one.n = 0;
        }
        if (status == FV_OK) status = put_stage(&s, out, error);
    }
    return status == FV_OK && one.n > 0 ? put_stage(&one, out, error) : status;
}

fv_status stages_set(fv_config *config, int step, const char *key, const char *value,
                     fv_error *error) {
    const char *text = config->train.stages.value;
    const yaml_value scalar = {.kind = YAML_SCALAR, .scalar = (char *)(uintptr_t)value};
    stage one = {.at = step};
    yaml_value *list = NULL;
    text_buffer out = {0};
    fv_status status = add_change(&one, key, &scalar, error);
    if (status == FV_OK) status = yaml_value_read(text, strlen(text), NULL, &list, error);
    text_add_char(&out, '[');
    if (status == FV_OK) status = put_all(list, one, &out, error);
    text_add_char(&out, ']');
    if (status == FV_OK && out.failed) status = fv_fail(error, FV_NO_MEMORY, "out of memory");
    if (status == FV_OK) status = fv_config_set(config, "train.stages", out.data, error);
    yaml_value_free(list);
    text_free(&out);
    return status;
}

// --- checks ---------------------------------------------------------------------------------------

// A field that nothing reads in the stage that sets it.
static fv_status check_reads(const fv_config *there, const stage *s, fv_error *error) {
    for (int i = 0; i < s->n; i++) {
        const fv_field *field = s->changes[i].field;
        if (config_reads(there, field)) continue;
        char readers[512];
        config_readers_text(field, readers, sizeof readers);
        return fv_fail(error, FV_USAGE,
                       "train.stages: nothing reads %s in the stage at step %d; it is read by %s",
                       field->key, s->at, readers);
    }
    return FV_OK;
}

static fv_status check_stage(const fv_config *config, const stage *s, fv_error *error) {
    const fv_field *culprit;
    fv_config there;
    stage_now now;
    fv_error why = {0};
    if (s->at >= config->train.steps)
        return fv_fail(error, FV_USAGE,
                       "train.stages: a stage begins at step %d, and the run has %d (train.steps)",
                       s->at, config->train.steps);
    fv_status status = stages_at(config, s->at, &there, &now, error);
    if (status != FV_OK) return status;
    if (config_check(&there, &culprit, &why) != FV_OK)
        return fv_fail(error, FV_USAGE, "train.stages: in the stage at step %d, %.800s", s->at,
                       why.text);
    return check_reads(&there, s, error);
}

fv_status stages_check(const fv_config *config, const fv_field **culprit, fv_error *error) {
    if (!stages_any(config)) return FV_OK;
    *culprit = fv_field_find("train.stages");
    if (config->train.context_ranks > 1)
        return fv_fail(error, FV_USAGE,
                       "train.stages are not carried from rank to rank; leave train.context_ranks "
                       "at 1");
    const char *text = config->train.stages.value;
    yaml_value *list;
    fv_status status = yaml_value_read(text, strlen(text), NULL, &list, error);
    for (int i = 0; status == FV_OK && i < list->n; i++) {
        stage s;
        status = read_stage(&list->items[i], &s, error);
        if (status == FV_OK) status = check_stage(config, &s, error);
    }
    yaml_value_free(list);
    return status;
}
