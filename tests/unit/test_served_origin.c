// Whose answer it is, and how it was asked: the identity of an address, the label made of it, and
// what of a request shapes an answer, however the user wrote these. Cells of several settings stand
// apart in figures.
#include "eval/cells.h"
#include "served/address.h"
#include "served/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_addresses(void **state) {
    (void)state;
    static const struct {
        const char *endpoint, *identity, *label;
    } CASES[] = {
        {"http://localhost:8000", "http://localhost:8000/v1", "m at localhost:8000"},
        {"http://LocalHost:8000/", "http://localhost:8000/v1", "m at localhost:8000"},
        {"http://localhost:8000/v1/completions", "http://localhost:8000/v1", "m at localhost:8000"},
        {"http://localhost:80", "http://localhost/v1", "m at localhost"},
        {"http://localhost:8080", "http://localhost:8080/v1", "m at localhost:8080"},
        {"http://localhost:443", "http://localhost:443/v1", "m at localhost:443"},
        {"https://api.Example.com:443/V3", "https://api.example.com/V3", "m at api.example.com/V3"},
        {"https://h/v1beta/openai", "https://h/v1beta/openai", "m at h/v1beta/openai"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        address at;
        fv_error error;
        assert_int_equal(address_read(CASES[i].endpoint, false, &at, &error), FV_OK);
        assert_string_equal(at.identity, CASES[i].identity);
        char *label = address_label(&at, "m");
        assert_string_equal(label, CASES[i].label);
        free(label);
        address_free(&at);
    }
    address at;
    fv_error error;
    static const char *const REFUSED[] = {"http://me:secret@h", "http://h/v1?key=secret"};
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++)
        assert_int_equal(address_read(REFUSED[i], true, &at, &error), FV_USAGE);
}

static void test_settings(void **state) {
    (void)state;
    static const struct {
        const char *extra, *sampling, *kept;
        int max_tokens;
    } CASES[] = {
        {NULL, "{\"temperature\":0.0}", "{}", 128},
        {"{ }", "{\"temperature\":0.0}", "{}", 128},
        {"{\"top_k\": 1, \"a\": {\"d\": 1, \"c\": 2}}", "{\"temperature\":0.0,\"top_k\":1}",
         "{\"a\":{\"c\":2,\"d\":1},\"top_k\":1}", 128},
        {"{\"temperature\": null, \"seed\": 7}", "{\"seed\":7}",
         "{\"seed\":7,\"temperature\":null}", 128},
        {"{\"max_tokens\": 9}", "{\"temperature\":0.0}", "{\"max_tokens\":9}", 9},
        {"{\"max_tokens\": null}", "{\"temperature\":0.0}", "{\"max_tokens\":null}", 0},
        {"{\"max_completion_tokens\": 500}", "{\"temperature\":0.0}",
         "{\"max_completion_tokens\":500}", 500},
    };
    fv_error error;
    wire_settings settings;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_int_equal(wire_settings_make(&settings, 128, CASES[i].extra, &error), FV_OK);
        assert_string_equal(settings.sampling, CASES[i].sampling);
        assert_string_equal(settings.extra, CASES[i].kept);
        assert_int_equal(settings.max_tokens, CASES[i].max_tokens);
        wire_settings_free(&settings);
    }
    assert_int_equal(wire_settings_make(&settings, 128, "[1]", &error), FV_USAGE);
}

static fv_cell cell_of(const char *model, const char *settings, int length) {
    fv_cell cell = {.length = length, .n = 4};
    snprintf(cell.model, sizeof cell.model, "%s", model);
    snprintf(cell.settings, sizeof cell.settings, "%s", settings);
    return cell;
}

static void test_names(void **state) {
    (void)state;
    const fv_cell cells[] = {cell_of("a", "", 8), cell_of("a", "max_tokens 9", 8),
                             cell_of("b", "completions", 8), cell_of("b", "completions", 16),
                             cell_of("c", FV_SETTINGS_UNKNOWN, 8)};
    static const char *const NAMES[] = {"a", "a, max_tokens 9", "b", "b", "c, server unknown"};
    fv_cells all = {0}, named;
    fv_error error;
    enum { N = sizeof cells / sizeof *cells };
    for (int i = 0; i < N; i++) assert_int_equal(fv_cells_put(&all, &cells[i], &error), FV_OK);
    assert_int_equal(all.n, N); // other settings are another cell
    assert_int_equal(cells_name_apart(&all, &named, &error), FV_OK);
    for (int i = 0; i < N; i++) assert_string_equal(named.items[i].model, NAMES[i]);
    fv_cells_free(&named);
    fv_cells_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
