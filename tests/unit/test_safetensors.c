// The safetensors layer: what it writes it reads back, and nothing malformed passes.
#include "base/safetensors.h"
#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// --- headers in memory -------------------------------------------------------------------------

// The bytes of a file with this header and n_data bytes behind it; *size of them.
static uint8_t *file_bytes(const char *json, size_t n_data, size_t *size) {
    uint64_t length = strlen(json);
    *size = 8 + length + n_data;
    uint8_t *bytes = calloc(*size, 1);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, json, length);
    return bytes;
}

static fv_status parse(const char *json, size_t n_data, fv_error *error) {
    size_t size;
    uint8_t *bytes = file_bytes(json, n_data, &size);
    safetensors file;
    fv_status status = safetensors_parse("FILE", bytes, size, size, &file, error);
    safetensors_close(&file);
    free(bytes);
    return status;
}

#define ENTRY(name, dtype, shape, begin, end)                                                      \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end   \
    "]}"

static void accepts_what_the_format_allows(void **state) {
    (void)state;
    static const struct {
        const char *json;
        size_t n_data;
    } GOOD[] = {
        {"{}", 0},
        {"{}      ", 0},
        {"{\"__metadata__\":{\"key\":\"text\"}}", 0},
        {"{" ENTRY("a", "F32", "[2,3]", "0", "24") "}", 24},
        {"{" ENTRY("scalar", "F64", "[]", "0", "8") "}", 8},
        {"{" ENTRY("empty", "F32", "[0,7]", "0", "0") "," ENTRY("b", "I8", "[3]", "0", "3") "}", 3},
        {"{" ENTRY("b", "U8", "[1]", "2", "3") "," ENTRY("a", "BF16", "[1]", "0", "2") "}", 3},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        fv_error error = {0};
        if (parse(GOOD[i].json, GOOD[i].n_data, &error) != FV_OK)
            fail_msg("%s: %s", GOOD[i].json, error.text);
    }
}

static void refuses_every_malformed_header(void **state) {
    (void)state;
    static const struct {
        const char *json;
        size_t n_data;
        const char *says; // part of the message
    } BAD[] = {
        {"", 0, "header is empty"},
        {" {}", 0, "begin with '{'"},
        {"[]", 0, "begin with '{'"},
        {"{", 0, "valid safetensors"},
        {"{}x", 0, "valid safetensors"},
        {"{\"a\":1}", 0, "must have dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "must have dtype"},
        {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("a", "F32", "[1]", "0", "4") "}", 4,
         "duplicate"},
        {"{" ENTRY("a", "F31", "[1]", "0", "4") "}", 4, "dtype is unknown"},
        {"{" ENTRY("a", "F32", "[-1]", "0", "4") "}", 4, "shape"},
        {"{" ENTRY("a", "F32", "[1.0]", "0", "4") "}", 4, "shape"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296]", "0", "0") "}", 0, "shape"},
        {"{" ENTRY("a", "F32", "[4611686018427387904]", "0", "0") "}", 0, "shape"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "shape"},
        {"{" ENTRY("a", "F32", "[18446744073709551616]", "0", "4") "}", 4, "valid safetensors"},
        {"{" ENTRY("a", "F32", "[1]", "4", "0") "}", 4, "data_offsets"},
        {"{" ENTRY("a", "F32", "[1]", "-4", "0") "}", 4, "data_offsets"},
        {"{" ENTRY("a", "F32", "[1]", "0", "3") "}", 3, "differ in size"},
        {"{" ENTRY("a", "F32", "[1]", "1", "5") "}", 5, "does not begin where"},
        {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "2", "6") "}", 6,
         "does not begin where"},
        {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "5", "9") "}", 9,
         "does not begin where"},
        {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 7, "truncated"},
        {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 9, "bytes follow"},
        {"{\"__metadata__\":{\"key\":1}}", 0, "texts only"},
        {"{\"__metadata__\":[]}", 0, "object"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        fv_error error = {0};
        assert_int_equal(parse(BAD[i].json, BAD[i].n_data, &error), FV_FORMAT);
        if (strstr(error.text, BAD[i].says) == NULL)
            fail_msg("%s: expected '%s' in '%s'", BAD[i].json, BAD[i].says, error.text);
    }
}

static void refuses_lengths_that_the_file_cannot_hold(void **state) {
    (void)state;
    static const uint64_t LENGTHS[] = {0, 3, 16 << 20, (16 << 20) + 1, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        uint8_t bytes[10] = {[8] = '{', [9] = '}'};
        memcpy(bytes, &LENGTHS[i], 8);
        safetensors file;
        fv_error error;
        assert_int_equal(safetensors_parse("FILE", bytes, 10, 10, &file, &error), FV_FORMAT);
        safetensors_close(&file);
    }
    for (size_t n = 0; n < 8; n++) {
        uint8_t bytes[8] = {0};
        safetensors file;
        fv_error error;
        assert_int_equal(safetensors_parse("FILE", bytes, n, n, &file, &error), FV_FORMAT);
        safetensors_close(&file);
    }
}

static void bounds_the_work_of_hostile_headers(void **state) {
    (void)state;
    // 8 MB of brackets and commas would become hundreds of megabytes of JSON values.
    size_t n = 8 << 20;
    char *json = malloc(n + 1);
    strcpy(json, "{\"a\":[");
    for (size_t i = 6; i < n; i++) json[i] = i % 2 ? ',' : '0';
    json[n] = '\0';
    fv_error error;
    assert_int_equal(parse(json, 0, &error), FV_FORMAT);
    assert_non_null(strstr(error.text, "can need"));
    free(json);
}

// --- files -------------------------------------------------------------------------------------

static int make_folder(void **state) {
    (void)state;
    return folder_make("x.safetensors");
}

static fv_status write_two(const char *to, fv_error *error) {
    static const float Z[] = {1, 2, 3, 4, 5, 6}, A[] = {-0.0f, 1e-45f, 3e38f};
    safetensors_item items[] = {{"z", 2, {2, 3}, Z}, {"a", 1, {3}, A}};
    json_t *metadata = json_pack("{s:s, s:s}", "format", "fovea", "quote", "\"\\ \n");
    fv_status status = safetensors_write(to, metadata, items, 2, error);
    json_decref(metadata);
    return status;
}

static void reads_back_what_it_wrote(void **state) {
    (void)state;
    fv_error error = {0};
    assert_int_equal(write_two(path, &error), FV_OK);
    safetensors file;
    assert_int_equal(safetensors_open(path, &file, &error), FV_OK);
    assert_int_equal(file.n_tensors, 2);
    assert_string_equal(file.tensors[0].name, "a"); // the reference writer sorts by name
    assert_int_equal(file.data % 8, 0);
    assert_string_equal(safetensors_metadata(&file, "quote"), "\"\\ \n");
    assert_null(safetensors_metadata(&file, "missing"));
    assert_null(safetensors_find(&file, "missing"));
    const safetensors_tensor *z = safetensors_find(&file, "z");
    assert_non_null(z);
    assert_int_equal(z->n_dims, 2);
    assert_int_equal(z->shape[0], 2);
    assert_int_equal(z->shape[1], 3);
    float values[6];
    assert_int_equal(safetensors_read(&file, z, values, &error), FV_OK);
    for (int i = 0; i < 6; i++) assert_true(values[i] == (float)(i + 1));
    safetensors_close(&file);
}

static void refuses_every_truncation(void **state) {
    (void)state;
    fv_error error;
    assert_int_equal(write_two(path, &error), FV_OK);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    uint8_t bytes[1024];
    size_t size = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    assert_true(size > 0 && size < sizeof bytes);
    for (size_t n = 0; n <= size; n++) {
        assert_int_equal(truncate(path, (off_t)(size - n)), 0);
        safetensors file;
        fv_status status = safetensors_open(path, &file, &error);
        safetensors_close(&file);
        assert_int_equal(status, n == 0 ? FV_OK : FV_FORMAT);
    }
}

static void explains_files_that_are_not_there(void **state) {
    (void)state;
    safetensors file;
    fv_error error;
    assert_int_equal(safetensors_open("/nonexistent/x", &file, &error), FV_NOT_FOUND);
    safetensors_close(&file);
    assert_int_equal(safetensors_open(folder, &file, &error), FV_FORMAT);
    safetensors_close(&file);
    assert_int_equal(write_two("/nonexistent/x", &error), FV_IO);
    assert_int_equal(write_two("/dev/null/x", &error), FV_IO);
}

static void refuses_to_write_sizes_that_overflow(void **state) {
    (void)state;
    safetensors_item item = {"a", 2, {UINT64_MAX / 2, 8}, NULL};
    json_t *metadata = json_object();
    fv_error error;
    assert_int_not_equal(safetensors_write(path, metadata, &item, 1, &error), FV_OK);
    json_decref(metadata);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_the_format_allows),
        cmocka_unit_test(refuses_every_malformed_header),
        cmocka_unit_test(refuses_lengths_that_the_file_cannot_hold),
        cmocka_unit_test(bounds_the_work_of_hostile_headers),
        cmocka_unit_test(reads_back_what_it_wrote),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(explains_files_that_are_not_there),
        cmocka_unit_test(refuses_to_write_sizes_that_overflow),
    };
    return cmocka_run_group_tests_name("safetensors", tests, make_folder, remove_folder);
}
