// Numbers along axes and colour bars: round, readable, and what they say.
#include "figure_bench.h"

#include "figures/fit.h"
#include "figures/tics.h"

static char *tics_of(double low, double high, bool log, double length) {
    static char text[4000];
    figure_scale scale = {.low = low, .high = high, .log = log};
    FILE *out = fmemopen(text, sizeof text, "w");
    figure_tics tics;
    tics_find(&scale, length, true, &tics);
    scale_write(&scale, &tics, out, "x");
    fclose(out);
    return strstr(text, "tics (");
}

static void test_tics(void **state) {
    (void)state;
    assert_string_equal(tics_of(0, 3000, false, 420),
                        "tics ('0' 0, '500' 500, '1000' 1000, '1500' 1500, '2000' 2000, '2500' "
                        "2500, '3000' 3000)\n");
    assert_non_null(strstr(tics_of(0, 200000, false, 300), "'50k' 50000"));
    assert_string_equal(tics_of(0, 1.5e12, false, 240),
                        "tics ('0' 0, '0.5e12' 5e+11, '1e12' 1e+12, '1.5e12' 1.5e+12)\n");
    assert_string_equal(tics_of(0, 1000000, false, 140),
                        "tics ('0' 0, '0.5e6' 500000, '1e6' 1000000)\n");
    assert_non_null(strstr(tics_of(0, 999999, false, 140), "'500k' 500000"));
    assert_non_null(strstr(tics_of(-6e7, 0, false, 240), "'−4e7' -40000000"));
    assert_non_null(strstr(tics_of(2e6, 2e6 + 10, false, 300), "'2000002' 2000002"));
    assert_non_null(strstr(tics_of(1e6, 2e7, true, 300), "'2e6' 2000000"));
    assert_non_null(strstr(tics_of(-1.2, 1.2, false, 300), "'−1' -1"));
    assert_non_null(strstr(tics_of(1e-6, 1, true, 300), "'10⁻⁵' 1e-05"));
    // Ends that a double cannot step between must not hang.
    assert_non_null(tics_of(1e17, 1e17 + 16, false, 300));
}

// Every axis can be read: numbers at two places or more, whatever it spans.
static void test_log_tics(void **state) {
    (void)state;
    const double ends[][2] = {
        {2.2, 4.6},    {2.1, 4.9},      {5.1, 9.9},   {5, 10},      {1, 2},        {3.01, 3.02},
        {95, 105},     {0.9, 1.1},      {1e-6, 3e-6}, {3e7, 8e7},   {1, 9},        {1.5, 200},
        {1e-30, 1e30}, {1e-300, 1e300}, {1e-12, 1},   {7e-5, 7e-4}, {12345, 12346}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (double length = 120; length <= 440; length += 160) {
            char *text = tics_of(ends[i][0], ends[i][1], true, length);
            int tics = count(text, "' "), empty = count(text, "'' ");
            if (tics - empty < 2)
                fail_msg("%g to %g on %g pixels: %s", ends[i][0], ends[i][1], length, text);
        }
    assert_non_null(strstr(tics_of(2.2, 4.6, true, 300), "'2.5' 2.5"));
    assert_non_null(strstr(tics_of(5, 10, true, 300), "'7' 7"));
}

// --- every magnitude ---------------------------------------------------------------------------

static const char *const superscripts[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};

// "10⁻⁵", "−0.5e12", "50k" as C reads numbers.
static double number_of(const char *text) {
    char plain[100] = "", *at = plain;
    bool raised = false;
    for (const char *c = text; *c;) {
        size_t n = 1;
        char digit = 0;
        for (int d = 0; d < 10; d++) {
            size_t bytes = strlen(superscripts[d]);
            if (strncmp(c, superscripts[d], bytes) != 0) continue;
            digit = (char)('0' + d);
            n = bytes;
        }
        bool minus = strncmp(c, "⁻", 3) == 0;
        if ((digit != 0 || minus) && !raised) { // a power of the 10 before
            assert_string_equal(plain, "10");
            at = stpcpy(plain, "1e");
            raised = true;
        }
        if (strncmp(c, "−", 3) == 0 || minus) digit = '-', n = 3;
        at = *c == 'k' ? stpcpy(at, "e3") : (*at++ = digit != 0 ? digit : *c, at);
        *at = '\0';
        c += n;
    }
    char *end;
    double value = strtod(plain, &end);
    if (*end != '\0') fail_msg("%s is no number", text);
    return value;
}

// Numbers say where they stand, each once, without touching; a factor before a power of ten is
// below 10.
static void check_numbers(double low, double high, bool log, double length, bool across) {
    figure_scale scale = {.low = low, .high = high, .log = log};
    figure_tics tics;
    double free_from = -INFINITY;
    int n = 0;
    tics_find(&scale, length, across, &tics);
    for (int i = 0; i < tics.n; i++) {
        const figure_tic *tic = &tics.items[i];
        if (tic->text[0] == '\0') continue;
        double size = fmax(fabs(tic->value), log ? 0 : high - low);
        if (!(fabs(number_of(tic->text) - tic->value) <= 1e-5 * size))
            fail_msg("%s stands at %.9g", tic->text, tic->value);
        const char *e = strchr(tic->text, 'e');
        if (e != NULL && fabs(number_of(tic->text)) / pow(10, atoi(e + 1)) > 9.9999)
            fail_msg("%s from %g to %g", tic->text, low, high);
        if (strstr(tic->text, "e-0") != NULL || strstr(tic->text, "e+") != NULL)
            fail_msg("%s is C's way to write it", tic->text);
        double half = 0.5 * (across ? text_width(tic->text, FV_TIC_SIZE) : FV_TIC_SIZE);
        double at = length * scale_place(&scale, tic->value);
        if (at - half < free_from) fail_msg("%s touches, from %g to %g", tic->text, low, high);
        free_from = at + half;
        n++;
    }
    if (n < 2) fail_msg("%d numbers from %g to %g on %g pixels", n, low, high, length);
}

static void test_every_magnitude(void **state) {
    (void)state;
    static const double spans[][2] = {{0, 1},      {0, 1.5},   {0, 2.4},      {0, 9.99},   {-3, 7},
                                      {-9.9, 0.1}, {1.2, 1.9}, {9.96, 10.04}, {0.99, 1.01}};
    for (int e = -290; e <= 290; e += abs(e) < 20 ? 1 : 7)
        for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
            for (double length = 230; length <= 520; length += 145) {
                double low = spans[i][0] * pow(10, e), high = spans[i][1] * pow(10, e);
                check_numbers(low, high, false, length, false);
                check_numbers(low, high, false, length, true);
                if (low <= 0 || e > 250) continue;
                check_numbers(low, high, true, length, false);
                check_numbers(low, high * pow(10, i), true, length, false);
                check_numbers(low, high * pow(10, 5 * i), true, length, true);
            }
}

// What an axis writes is of one kind: all decades as powers, or all written out.
static void test_one_way_of_writing(void **state) {
    (void)state;
    const char *text = tics_of(0.007, 500000, true, 420);
    assert_non_null(strstr(text, "'10⁴'"));
    assert_non_null(strstr(text, "'10⁰'"));
    assert_null(strstr(text, "'100'"));
    text = tics_of(0.012, 1.2, true, 200);
    assert_non_null(strstr(text, "'0.1'"));
    assert_null(strstr(text, "10⁻¹"));
    text = tics_of(1e5, 3e6, true, 400);
    assert_non_null(strstr(text, "'1e6'"));
    assert_non_null(strstr(text, "'2e5'"));
}

// Rows and steps have no halves.
static void test_whole_numbers(void **state) {
    (void)state;
    figure_scale scale = {.low = -0.24, .high = 3.24, .whole = true};
    figure_tics tics;
    tics_find(&scale, 420, false, &tics);
    assert_int_equal(tics.n, 4);
    for (int i = 0; i < 4; i++) assert_true(tics.items[i].value == i);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        int digits;
        const char *text;
    } cases[] = {{0, 6, "0"},     {1e13, 6, "1e13"},     {1e-5, 2, "1e-5"},
                 {100, 2, "100"}, {123456, 3, "123456"}, {-0.25, 6, "−0.25"},
                 {1e6, 6, "1e6"}, {2.5e-7, 3, "2.5e-7"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[FV_NUMBER_TEXT];
        number_text(cases[i].value, cases[i].digits, text);
        assert_string_equal(text, cases[i].text);
    }
}

// The names of axes keep away from wide numbers.
static void test_room_for_wide_numbers(void **state) {
    (void)state;
    assert_true(tics_width(&(figure_scale){.low = 1, .high = 1.0001}, 230) > 40);
    assert_true(tics_width(&(figure_scale){.low = 0, .high = 1}, 230) < 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tics),
        cmocka_unit_test(test_log_tics),
        cmocka_unit_test(test_every_magnitude),
        cmocka_unit_test(test_one_way_of_writing),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_room_for_wide_numbers),
    };
    return cmocka_run_group_tests_name("figures_tics", tests, NULL, NULL);
}
