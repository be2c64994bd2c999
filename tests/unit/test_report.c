// report.html and claims.json: whole, self-contained, and nothing in an experiment file gets out of
// its place.
#include "figures/html.h"

#include <dirent.h>
#include <fovea/figure.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/fovea-report-XXXXXX";

static char *path_in(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_bytes(const char *path, const char *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(bytes, 1, n, file);
    fclose(file);
}

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = calloc(1, 1 << 20);
    size_t n = fread(bytes, 1, (1 << 20) - 1, file);
    (void)n;
    fclose(file);
    return bytes;
}

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part)) n++;
    return n;
}

static const char svg[] =
    "<?xml version=\"1.0\"?>\n<svg \n viewBox=\"0 0 400 300\"\n "
    "xmlns=\"http://www.w3.org/2000/svg\">\n"
    "<title>Gnuplot</title><desc>Produced by GNUPLOT</desc>"
    "<defs><circle id='dot' r='1'/><use href='#dot' id=\"other\"/></defs>"
    "<g clip-path=\"url(#clip)\"><title>gnuplot_plot_1</title><text>say id=\"dot\" here</text></g>"
    "</svg>\n";

static char *html_of_svg(const char *prefix) {
    char *text = NULL;
    size_t size;
    FILE *html = open_memstream(&text, &size);
    write_bytes(path_in("a.svg"), svg, strlen(svg));
    assert_int_equal(html_svg(html, path_in("a.svg"), prefix, "a \"b\" <c>", NULL), FV_OK);
    fclose(html);
    return text;
}

static void test_inlined_svg(void **state) {
    (void)state;
    char *text = html_of_svg("p1-");
    assert_memory_equal(text, "<svg role=\"img\" aria-label=\"a &quot;b&quot; &lt;c&gt;\"", 51);
    assert_non_null(strstr(text, "max-width:400px"));
    assert_non_null(strstr(text, "id='p1-dot'"));
    assert_non_null(strstr(text, "href='#p1-dot' id=\"p1-other\""));
    assert_non_null(strstr(text, "url(#p1-clip)"));
    assert_non_null(strstr(text, ">say id=\"dot\" here<")); // text is not touched
    assert_null(strstr(text, "<?xml"));
    assert_null(strstr(text, "Gnuplot"));
    assert_null(strstr(text, "gnuplot_plot_1"));
    free(text);
}

static void test_image(void **state) {
    (void)state;
    // RFC 4648, section 10.
    static const char *const plain[] = {"f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (int i = 0; i < 6; i++) {
        char *text = NULL, wanted[100];
        size_t size;
        FILE *html = open_memstream(&text, &size);
        write_bytes(path_in("a.gif"), plain[i], strlen(plain[i]));
        assert_int_equal(html_image(html, path_in("a.gif"), "image/gif", "t", NULL), FV_OK);
        fclose(html);
        snprintf(wanted, sizeof wanted, "src=\"data:image/gif;base64,%s\"", coded[i]);
        assert_non_null(strstr(text, wanted));
        free(text);
    }
}

// --- the whole page ----------------------------------------------------------------------------

static fv_judgement judgement(const char *id, fv_verdict verdict, double median) {
    return (fv_judgement){.id = (char *)id,
                          .source = "a source",
                          .statement = "x < y & \"z\" <script>alert(1)</script>",
                          .published = "0.5",
                          .measured = "median 0.51",
                          .verdict = verdict,
                          .note = "4 of 5 seeds",
                          .n_seeds = 5,
                          .n_agree = 4,
                          .median = median,
                          .lowest = 0.25,
                          .highest = 0.75};
}

static fv_experiment *experiment_of(const char *yaml) {
    fv_experiment *experiment;
    fv_error error = {0};
    write_bytes(path_in("try.yaml"), yaml, strlen(yaml));
    if (fv_experiment_read(path_in("try.yaml"), NULL, 0, &experiment, &error) != FV_OK)
        fail_msg("%s", error.text);
    return experiment;
}

static void test_report(void **state) {
    (void)state;
    fv_experiment *experiment =
        experiment_of("source: \"A & B <b>\"\ntask: {vocab_size: 7}\nmodel: {n_embd: 2}\n"
                      "sweep: {train.seed: 0..4, task.context_length: [3, 9]}\n");
    fv_judgement judgements[] = {judgement("try/a", FV_REPRODUCED, 0.5),
                                 judgement("try/b", FV_REPRODUCED, 0.5),
                                 judgement("try/c", FV_NOT_REPRODUCED, NAN)};
    write_bytes(path_in("a.svg"), svg, strlen(svg));
    write_bytes(path_in("a.gif"), "GIF89a", 6);
    fv_drawn figures[] = {{.title = "first", .svg = path_in("a.svg")},
                          {.title = "A & B <b>", .svg = path_in("a.svg")},
                          {.title = "moving", .gif = path_in("a.gif")}};
    fv_report_part part = {.experiment = experiment,
                           .figures = figures,
                           .n_figures = 3,
                           .judgements = judgements,
                           .n_judgements = 3,
                           .n_runs = 10,
                           .wall_seconds = 12.5};
    fv_error error = {0};
    if (fv_report_write(path_in("report.html"), "T <i>", &part, 1, &error) != FV_OK)
        fail_msg("%s", error.text);
    char *html = read_text(path_in("report.html"));

    assert_non_null(strstr(html, "<h1>T &lt;i&gt;</h1>"));
    assert_non_null(strstr(html, "1 experiment, 3 claims, 10 runs, 12.5 s of training"));
    assert_non_null(strstr(html, "<b>2</b>reproduced"));
    assert_non_null(strstr(html, "<b>0</b>partly"));
    assert_non_null(strstr(html, "<b>1</b>not reproduced"));
    assert_int_equal(count(html, "badge good\">reproduced<"), 2);
    assert_int_equal(count(html, "badge bad\">not reproduced<"), 1);
    assert_int_equal(count(html, "&lt;script&gt;alert(1)&lt;/script&gt;"), 3);
    assert_null(strstr(html, "<script"));
    // The configuration: what differs from the defaults and the sweep, nothing else.
    assert_non_null(strstr(html, "<td>task.vocab_size</td><td>7</td>"));
    assert_non_null(strstr(html, "<td>task.context_length</td><td>3, 9</td>"));
    assert_null(strstr(html, "<td>model.n_embd</td>"));
    // Figures: ids are unique, a title that repeats the heading is not a caption.
    assert_int_equal(count(html, "<svg"), 2);
    assert_int_equal(count(html, "id='p1f1-dot'"), 1);
    assert_int_equal(count(html, "id='p1f2-dot'"), 1);
    assert_int_equal(count(html, "<figcaption>"), 2);
    assert_non_null(strstr(html, "data:image/gif;base64,R0lGODlh"));
    // Nothing is loaded: the only address is the name space of SVG.
    assert_int_equal(count(html, "http"), count(html, "xmlns=\"http://www.w3.org/2000/svg\""));
    assert_non_null(strstr(html, "</html>"));
    free(html);
    fv_experiment_free(experiment);
}

static int n_files(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

// A figure that is gone fails the report, and the old report stays as it was.
static void test_report_is_whole(void **state) {
    (void)state;
    fv_experiment *experiment = experiment_of("source: s\n");
    fv_drawn figure = {.title = "t", .svg = path_in("gone.svg")};
    fv_report_part part = {.experiment = experiment, .figures = &figure, .n_figures = 1};
    fv_error error = {0};
    write_bytes(path_in("report.html"), "old", 3);
    int before = n_files();
    assert_int_equal(fv_report_write(path_in("report.html"), "T", &part, 1, &error), FV_IO);
    assert_non_null(strstr(error.text, "gone.svg"));
    char *html = read_text(path_in("report.html"));
    assert_string_equal(html, "old");
    free(html);
    assert_int_equal(n_files(), before);
    assert_int_equal(fv_report_write(path_in("no/report.html"), "T", NULL, 0, &error), FV_IO);
    fv_experiment_free(experiment);
}

static void test_claims_json(void **state) {
    (void)state;
    fv_judgement judgements[] = {judgement("try/a", FV_PARTLY, 0.5),
                                 judgement("try/b", FV_NOT_REPRODUCED, NAN)};
    int undecided[] = {0, 3};
    judgements[1].undecided = undecided;
    judgements[1].n_undecided = 2;
    assert_int_equal(fv_claims_write_json(path_in("claims.json"), judgements, 2, NULL), FV_OK);
    json_t *list = json_load_file(path_in("claims.json"), 0, NULL);
    assert_int_equal(json_array_size(list), 2);
    const json_t *first = json_array_get(list, 0);
    static const char *const keys[] = {"id",       "source",  "statement", "published",
                                       "measured", "verdict", "note"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(json_is_string(json_object_get(first, keys[i])));
    assert_string_equal(json_string_value(json_object_get(first, "verdict")), "partly");
    assert_string_equal(json_string_value(json_object_get(first, "statement")),
                        judgements[0].statement);
    assert_int_equal(json_integer_value(json_object_get(first, "n_agree")), 4);
    assert_true(json_real_value(json_object_get(first, "median")) == 0.5);
    assert_true(json_is_null(json_object_get(json_array_get(list, 1), "median")));
    assert_int_equal(json_array_size(json_object_get(first, "undecided")), 0);
    assert_true(json_is_array(json_object_get(first, "undecided")));
    const json_t *seeds = json_object_get(json_array_get(list, 1), "undecided");
    assert_int_equal(json_array_size(seeds), 2);
    assert_int_equal(json_integer_value(json_array_get(seeds, 1)), 3);
    json_decref(list);
    fv_error error = {0};
    assert_int_equal(fv_claims_write_json(path_in("no/claims.json"), judgements, 2, &error), FV_IO);
    assert_non_null(strstr(error.text, "no/claims.json"));
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inlined_svg), cmocka_unit_test(test_image),
        cmocka_unit_test(test_report),      cmocka_unit_test(test_report_is_whole),
        cmocka_unit_test(test_claims_json),
    };
    return cmocka_run_group_tests_name("report", tests, make_folder, remove_folder);
}
