// Questions about documents of SQuAD's and HotpotQA's files: what is read, and the prompts of
// RULER's qa tasks made of it.
#include "served/source.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// Two articles, one paragraph in both of them, a question without an answer.
static const char SQUAD[] =
    "{\"version\": \"v2.0\", \"data\": ["
    "{\"title\": \"A\", \"paragraphs\": ["
    " {\"context\": \"Nora paints.\", \"qas\": ["
    "  {\"question\": \"Who paints?\", \"is_impossible\": false,"
    "   \"answers\": [{\"text\": \"Nora\", \"answer_start\": 0}, {\"text\": \"nora\"}]},"
    "  {\"question\": \"Who sings?\", \"is_impossible\": true, \"answers\": []}]},"
    " {\"context\": \"Otto \\\"bakes\\\".\", \"qas\": [{\"question\": \"Who bakes?\","
    "   \"answers\": [{\"text\": \"Otto\"}]}]},"
    " {\"context\": \"Mia rows.\", \"qas\": []}]},"
    "{\"title\": \"B\", \"paragraphs\": ["
    " {\"context\": \"Mia rows.\", \"qas\": []},"
    " {\"context\": \"Zoe runs.\", \"qas\": [{\"question\": \"Who runs?\","
    "   \"answers\": [{\"text\": \"Zoe\"}]}]},"
    " {\"context\": \"Ada reads.\", \"qas\": []}, {\"context\": \"Ben skis.\", \"qas\": []}]}]}";

static const char HOTPOTQA[] =
    "[{\"question\": \"Which rivers?\", \"answer\": \"yes\", \"context\": "
    "[[\"Rhine\", [\"It flows.\", \" North.\"]], [\"Elbe\", [\"It too.\"]]]},"
    " {\"question\": \"Which hills?\", \"answer\": \"Harz\", \"context\": "
    "[[\"Harz\", [\"A hill.\"]], [\"Elbe\", [\"It too.\"]]]}]";

static char folder[] = "/tmp/fovea-reading-XXXXXX";

static const char *write_file(const char *name, const char *text) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int make_folder(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    write_file("squad.json", SQUAD);
    write_file("hotpotqa.json", HOTPOTQA);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

// --- files -------------------------------------------------------------------------------------

static void assert_document(const reading *r, int number, const char *text) {
    char expected[64];
    const haystack *h = &r->documents;
    size_t n = h->raw_at[number + 1] - h->raw_at[number];
    snprintf(expected, sizeof expected, "%s\n\n", text);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(h->raw.data + h->raw_at[number], expected, n);
}

static void test_squad(void **state) {
    (void)state;
    fv_error error;
    reading *r;
    char *file;
    assert_int_equal(reading_open(folder, READING_SQUAD, &r, &file, &error), FV_OK);
    assert_non_null(strstr(file, "/squad.json"));
    static const char *const DOCUMENTS[] = {"Ada reads.",   "Ben skis.",       "Mia rows.",
                                            "Nora paints.", "Otto \"bakes\".", "Zoe runs."};
    assert_int_equal(r->documents.n_units, 6);
    for (int i = 0; i < 6; i++) assert_document(r, i, DOCUMENTS[i]);
    assert_int_equal(r->n_questions, 3);
    const reading_question *q = &r->questions[0];
    assert_string_equal(json_string_value(q->query), "Who paints?");
    assert_string_equal(reading_answer(q, 0), "Nora");
    assert_string_equal(reading_answer(q, 1), "nora");
    assert_null(reading_answer(q, 2));
    assert_int_equal(r->numbers[q->own], 3);
    assert_int_equal(q->n_more, 3);
    assert_int_equal(r->numbers[q->more + 2], 2); // the paragraph of both articles
    assert_int_equal(r->questions[2].n_more, 4);
    reading_free(r);
    free(file);
}

static void test_hotpotqa(void **state) {
    (void)state;
    fv_error error;
    reading *r;
    char *file;
    assert_int_equal(reading_open(folder, READING_HOTPOTQA, &r, &file, &error), FV_OK);
    assert_int_equal(r->documents.n_units, 3);
    assert_document(r, 0, "Elbe\nIt too.");
    assert_document(r, 2, "Rhine\nIt flows. North.");
    assert_int_equal(r->n_questions, 2);
    assert_int_equal(r->questions[1].n_own, 2);
    assert_int_equal(r->numbers[r->questions[1].own], 1);
    assert_string_equal(reading_answer(&r->questions[1], 0), "Harz");
    assert_null(reading_answer(&r->questions[1], 1));
    reading_free(r);
    free(file);
}

static void test_bad_files(void **state) {
    (void)state;
    static const struct {
        const char *text, *said;
        fv_status status;
    } BAD[] = {{"{", "is no JSON", FV_FORMAT},
               {"[]", "has no questions with answers; it must be SQuAD 2.0", FV_FORMAT},
               {"{\"data\": [{\"paragraphs\": [{\"qas\": [{\"question\": 1, \"answers\": 2}]}]}]}",
                "has no questions with answers", FV_FORMAT},
               {"{\"data\": 7}", "has no questions with answers", FV_FORMAT}};
    fv_error error;
    reading *r;
    char *file;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *path = write_file("bad.json", BAD[i].text);
        assert_int_equal(reading_open(path, READING_SQUAD, &r, &file, &error), BAD[i].status);
        assert_non_null(strstr(error.text, BAD[i].said));
        assert_null(r);
    }
    assert_int_equal(reading_open("/nowhere", READING_HOTPOTQA, &r, &file, &error), FV_NOT_FOUND);
    const char *path = write_file("bad.json", SQUAD);
    assert_int_equal(reading_open(path, READING_HOTPOTQA, &r, &file, &error), FV_FORMAT);
}

// --- prompts -----------------------------------------------------------------------------------

static char *build(const char *task_name, int n_units, int sample, double depth) {
    fv_error error;
    const served_task *task = served_task_find(task_name);
    const source_options options = {.documents = folder, .seed = 42, .longest = 4096};
    served_sample_place place = {
        .seed = 42, .sample = sample, .length = 4096, .n_units = n_units, .depth = depth};
    served_source source = {0};
    prompt p = {0};
    char *name;
    prompt_clear(&p);
    assert_int_equal(source_prepare(&source, task, &options, &place.hay, &name, &error), FV_OK);
    source_origin origin;
    source_from_name(name, &origin);
    assert_string_equal(strrchr(origin.documents, '/'),
                        task->reading == READING_SQUAD ? "/squad.json" : "/hotpotqa.json");
    assert_int_equal(task->build(task, &source, &place, &p, &error), FV_OK);
    char *text = prompt_text(&p, false);
    prompt_free(&p);
    source_free(&source);
    free(name);
    return text;
}

#define ANSWER                                                                                     \
    "Answer the question based on the given documents. Only give me the answer and do not output " \
    "any other words.\n\n"

// The words of RULER's prompt, to the letter.
static void test_prompt(void **state) {
    (void)state;
    char *text = build("qa_1", 0, 0, NAN);
    assert_string_equal(text, ANSWER "The following are given documents.\n\nDocument 1:\nNora "
                                     "paints.\n\n" ANSWER "Question: Who paints? Answer:");
    free(text);
}

static int count(const char *text, const char *part) {
    int n = 0;
    for (; (text = strstr(text, part)) != NULL; text++) n++;
    return n;
}

static void test_depths(void **state) {
    (void)state;
    for (int sample = 0; sample < 6; sample++) {
        static const char *const GOLD[] = {"Nora paints.", "Otto \"bakes\".", "Zoe runs."};
        const char *gold = GOLD[sample % 3];
        char expected[64];
        char *start = build("qa_1", 1, sample, 0), *end = build("qa_1", 1, sample, 100);
        int n = count(start, "Document ");
        assert_in_range(n, 4, 5); // 64 bytes of 11 to 15 each
        snprintf(expected, sizeof expected, "Document 1:\n%s\n\n", gold);
        assert_non_null(strstr(start, expected));
        snprintf(expected, sizeof expected, "Document %d:\n%s\n\nAnswer", n, gold);
        assert_non_null(strstr(end, expected));
        assert_int_equal(count(end, gold), 1);
        assert_int_equal(strlen(start), strlen(end)); // the same documents
        free(start);
        free(end);
    }
}

// The article's other paragraphs come before those of other articles; when all documents are in
// the prompt, they come again.
static void test_choice(void **state) {
    (void)state;
    for (int sample = 0; sample < 20; sample++) {
        char *article = build("qa_1", 1, 3 * sample, NAN), *many = build("qa_1", 12, sample, NAN);
        assert_int_equal(count(article, "Nora") + count(article, "Otto") + count(article, "Mia"),
                         3);
        assert_int_equal(count(article, "Document "), 5);
        assert_in_range(count(many, "Document "), 55, 69);
        assert_in_range(count(many, "Zoe runs."), 8, 12);
        free(article);
        free(many);
    }
}

static void test_own_documents(void **state) {
    (void)state;
    char *text = build("qa_2", 0, 0, NAN);
    assert_int_equal(count(text, "Document "), 2);
    assert_int_equal(count(text, "Rhine\nIt flows. North."), 1);
    assert_int_equal(count(text, "Elbe\nIt too."), 1);
    assert_non_null(strstr(text, "Question: Which rivers? Answer:"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_squad),        cmocka_unit_test(test_hotpotqa),
        cmocka_unit_test(test_bad_files),    cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_depths),       cmocka_unit_test(test_choice),
        cmocka_unit_test(test_own_documents)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
