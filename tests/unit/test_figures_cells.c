// Figures of cells: the numbers along their axes are short, have room, and are those asked for.
#include "figure_bench.h"

#include "figures/fit.h"

#include <fovea/eval.h>

// Draws the cells of all lengths and depths; the SVG of the figure `name`, the caller's to free.
static char *svg_of_cells(const char *name, const int *lengths, int n_lengths, const double *depths,
                          int n_depths, int trained) {
    char folder[] = "/tmp/fovea-cells-XXXXXX", path[64], command[64];
    fv_cells cells = {0};
    fv_error error = {0};
    assert_non_null(mkdtemp(folder));
    for (int l = 0; l < n_lengths; l++)
        for (int d = 0; d < n_depths; d++) {
            fv_cell cell = {.model = "m", .task = "kv", .unit = "pairs", .n = 10, .hits = l + d};
            cell.trained_length = trained;
            cell.length = lengths[l];
            cell.depth = depths[d];
            assert_int_equal(fv_cells_put(&cells, &cell, &error), FV_OK);
        }
    if (fv_cells_report(folder, "cells", &cells, &error) != FV_OK) fail_msg("%s", error.text);
    snprintf(path, sizeof path, "%s/%s.svg", folder, name);
    char *svg = read_text(path);
    assert_non_null(svg);
    fv_cells_free(&cells);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return svg;
}

// Where the text is anchored, across.
static double place_of(const char *svg, const char *text) {
    char element[64];
    double x;
    snprintf(element, sizeof element, ">%s<", text);
    const char *at = strstr(svg, element);
    if (at == NULL) fail_msg("the picture does not show \"%s\"", text);
    while (strncmp(at, "translate(", 10) != 0) at--;
    assert_int_equal(sscanf(at, "translate(%lf", &x), 1);
    return x;
}

// The numbers of depths end at their anchor; the axis's name stands left of the widest.
static void check_margin(const char *svg, const char *widest) {
    double left = place_of(svg, widest) - text_width(widest, 10.5);
    if (!(place_of(svg, "depth, %") < left)) fail_msg("\"%s\" runs into the axis's name", widest);
}

static void test_depths(void **state) {
    (void)state;
    const int lengths[] = {600, 700, 900};
    const double thirds[] = {0, 33.3333, 66.6667, 100}, near[] = {33.33331, 33.33332};
    char *svg = svg_of_cells("map", lengths, 3, thirds, 4, 0);
    assert_shows(svg, "33.3");
    assert_shows(svg, "66.7");
    check_margin(svg, "33.3");
    free(svg);
    svg = svg_of_cells("map", lengths, 3, near, 2, 0); // as many digits as tell them apart
    check_margin(svg, "33.33331");
    assert_shows(svg, "33.33332");
    free(svg);
    double fifty[50];
    for (int d = 0; d < 50; d++) fifty[d] = d * 100.0 / 49;
    svg = svg_of_cells("map", lengths, 3, fifty, 50, 0);
    assert_shows(svg, "4.08");
    assert_null(strstr(svg, ">4.08163<"));
    free(svg);
}

static void test_lengths(void **state) {
    (void)state;
    const int two[] = {800, 1600}, three[] = {600, 700, 900};
    const double depths[] = {0, 100};
    char *svg = svg_of_cells("lengths", two, 2, depths, 2, 0);
    assert_shows(svg, "800");
    assert_shows(svg, "1600");
    assert_null(strstr(svg, ">1000<"));
    free(svg);
    svg = svg_of_cells("lengths", three, 3, depths, 2, 0);
    assert_shows(svg, "600");
    assert_shows(svg, "700");
    assert_shows(svg, "900");
    free(svg);
    int many[80]; // which have no room: round numbers
    for (int l = 0; l < 80; l++) many[l] = 1001 + l;
    svg = svg_of_cells("lengths", many, 80, depths, 2, 0);
    assert_null(strstr(svg, ">1001<"));
    free(svg);
}

// The note speaks of a line that is there: between lengths trained on and longer ones.
static void test_trained(void **state) {
    (void)state;
    const int lengths[] = {600, 700, 900}, trained[] = {8, 600, 900};
    const double depths[] = {0, 100};
    for (int i = 0; i < 3; i++) {
        char *svg = svg_of_cells("map", lengths, 3, depths, 2, trained[i]);
        assert_int_equal(count(svg, "white line: the longest length trained on"), i == 1);
        free(svg);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depths),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_trained),
    };
    return cmocka_run_group_tests_name("figures_cells", tests, NULL, NULL);
}
