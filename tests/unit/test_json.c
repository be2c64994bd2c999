// JSON beyond the letter of the format, and texts that begin with a byte order mark.
#include "base/json.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static json_t *read_text(const char *text, size_t n) {
    json_error_t why;
    json_t *root = json_read(text, n, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) fail_msg("'%.*s': %s", (int)n, text, why.text);
    return root;
}

static void test_mended(void **state) {
    (void)state;
    // What is read, and the member "a" of it as jansson writes it.
#define ROW(text, value)                                                                           \
    { text, sizeof text - 1, value }
    static const struct {
        const char *text;
        size_t n;
        const char *value;
    } ROWS[] = {
        ROW("\xef\xbb\xbf{\"a\": 1}", "1"),
        ROW("{\"a\": NaN}", "\"NaN\""),
        ROW("{\"a\": [-Infinity, Infinity,1]}", "[\"-Infinity\",\"Infinity\",1]"),
        ROW("{\"a\": 123456789012345678901234567890}", "\"123456789012345678901234567890\""),
        ROW("{\"a\": 9223372036854775807}", "9223372036854775807"),
        ROW("{\"a\": -1e999, \"b\": NaN}", "\"-1e999\""),
        ROW("{\"a\": [1e-5, true, false, null], \"b\": NaN}", "[1e-5,true,false,null]"),
        ROW("{\"a\": \"x\\u0000y\"}", "\"x\xef\xbf\xbdy\""),
        ROW("{\"a\": \"x\0y\"}", "\"x\xef\xbf\xbdy\""),
        ROW("{\"a\": \"\\ud83d\"}", "\"\xef\xbf\xbd\""),
        ROW("{\"a\": \"\\udc00\\ud83d.\"}", "\"\xef\xbf\xbd\xef\xbf\xbd.\""),
        ROW("{\"a\": \"\\ud83d\\ude00\", \"b\": NaN}", "\"\xf0\x9f\x98\x80\""),
        ROW("{\"a\": \"\xff\xc3\xa9\"}", "\"\xef\xbf\xbd\xc3\xa9\""),
        ROW("{\"a\": \"NaN \\\"NaN\\\\\", \"b\": NaN}", "\"NaN \\\"NaN\\\\\""),
        ROW("{\"a\": \"two\nlines\"}", "\"two\\nlines\""),
        ROW("{\"b\\u0000\": 1, \"a\": 2}", "2"),
    };
#undef ROW
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        json_t *root = read_text(ROWS[i].text, ROWS[i].n);
        char *value = json_dumps(json_object_get(root, "a"),
                                 JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        assert_string_equal(value, ROWS[i].value);
        free(value);
        json_decref(root);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
        int line;
    } ROWS[] = {
        {"{\"a\": 1,\n\"a\": NaN}", "duplicate", 2},
        {"{\"a\": NaN,\n\"b\": oops}", "oops", 2},
        {"{\"a\": \"open\n}", "newline", 1},
        {"{\"a\": \"\\ud83d", "premature", 1},
        {"{\"a\": \"\\", "invalid escape", 1},
        {"{\"a\": --1}", "invalid", 1},
        {"", "expected", 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        json_error_t why;
        assert_null(json_read(ROWS[i].text, strlen(ROWS[i].text), JSON_REJECT_DUPLICATES, &why));
        if (strstr(why.text, ROWS[i].why) == NULL) fail_msg("%zu: %s", i, why.text);
        assert_int_equal(why.line, ROWS[i].line);
    }
    json_error_t why;
    assert_null(json_read("\xff\xfe{\0}\0", 6, 0, &why));
    assert_string_equal(why.text, "it is UTF-16 text; save it as UTF-8");
}

static void test_marks(void **state) {
    (void)state;
    assert_int_equal(text_mark("\xef\xbb\xbf", 3), 3);
    assert_int_equal(text_mark("\xef\xbb", 2), 0);
    assert_string_equal(text_wide("\xfe\xff\0a", 4), "UTF-16");
    assert_string_equal(text_wide("a\0b\0", 4), "UTF-16");
    assert_string_equal(text_wide("\0a\0b", 4), "UTF-16");
    assert_string_equal(text_wide("\xff\xfe\0\0a\0\0\0", 8), "UTF-32");
    assert_null(text_wide("a", 1));
    assert_null(text_wide("ab\0c", 4));
    assert_null(text_wide("\xef\xbb\xbf"
                          "a",
                          4));
}

static void test_file(void **state) {
    (void)state;
    json_error_t why;
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs("\xef\xbb\xbf[Infinity, 2]", file);
    rewind(file);
    json_t *root = json_read_file(file, 0, &why);
    assert_int_equal(json_integer_value(json_array_get(root, 1)), 2);
    json_decref(root);
    fclose(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mended),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
