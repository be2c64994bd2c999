// Every part of every group describes itself: help, an example, and fields that there are.
#include "config/part.h"
#include "engine.h"

static const fv_field *field_at(size_t offset) {
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++)
        if (fields[i].offset == offset) return &fields[i];
    return NULL;
}

static void check_part(const config_part *part, const char *key) {
    assert_non_null(part);
    assert_non_null(part->help);
    assert_non_null(part->example);
    assert_true(strchr(part->help, '\n') == NULL);
    assert_non_null(strstr(part->example, strchr(key, '.') + 1));
    for (int r = 0; r < FV_PART_READS && part->reads[r] != 0; r++)
        assert_non_null(field_at(part->reads[r]));
    for (int r = 0; r < FV_PART_RULES && part->rules[r].key != NULL; r++)
        assert_non_null(fv_field_find(part->rules[r].key));
}

static void check_group(const config_part *const *parts, int n, const char *key) {
    for (int i = 0; i < n; i++) {
        check_part(parts[i], key);
        assert_null(part_lacks(key, i));
    }
}

static void test_every_part(void **state) {
    (void)state;
#define CHECK(GROUP, key) check_group(FV_PARTS_OF_##GROUP, FV_##GROUP##_COUNT, key);
    FV_PART_GROUPS(CHECK)
#undef CHECK
}

// A field is read where a part that reads it is chosen, and refused where another one is.
static void test_reads(void **state) {
    (void)state;
    fv_config config;
    fv_config_init(&config);
    const fv_field *field = fv_field_find("task.gap_power");
    assert_false(config_reads(&config, field));
    check_ok(fv_config_set(&config, "task.name", "mqar", NULL));
    assert_true(config_reads(&config, field));
    const fv_field *rate = fv_field_find("train.embedding_rate");
    assert_true(config_reads(&config, rate));
    check_ok(fv_config_set(&config, "model.embedding", "fixed", NULL));
    assert_false(config_reads(&config, rate));
    check_ok(fv_config_set(&config, "model.positions", "learned", NULL));
    assert_true(config_reads(&config, rate));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_part),
                                       cmocka_unit_test(test_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
