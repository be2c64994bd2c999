// Needles and the lost middle: intervals, cells, haystacks, prompts, tasks, scores, replies.
#include "served/haystack.h"
#include "served/repetition.h"
#include "served/score.h"
#include "served/served.h"
#include "served/source.h"
#include "served/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const thoughts_known THOUGHTS = {0}; // no other marks than the usual

static void near(double a, double b, double tolerance) {
    if (fabs(a - b) > tolerance) fail_msg("%.9g is not %.9g", a, b);
}

// --- intervals and cells -----------------------------------------------------------------------

// Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
static void test_wilson(void **state) {
    (void)state;
    double low, high;
    fv_wilson(81, 263, FV_Z95, &low, &high);
    near(low, 0.2553, 5e-5);
    near(high, 0.3662, 5e-5);
    fv_wilson(15, 148, FV_Z95, &low, &high);
    near(low, 0.0624, 5e-5);
    near(high, 0.1605, 5e-5);
    fv_wilson(0, 20, FV_Z95, &low, &high);
    assert_true(low == 0);
    near(high, 0.1611, 5e-5);
    fv_wilson(1, 29, FV_Z95, &low, &high);
    near(low, 0.0061, 5e-5);
    near(high, 0.1718, 5e-5);
    fv_wilson(0, 0, FV_Z95, &low, &high);
    assert_true(low == 0 && high == 1);
    // The defining equation holds at both ends.
    fv_wilson(7, 31, 1.5, &low, &high);
    near(fabs(7.0 / 31 - low), 1.5 * sqrt(low * (1 - low) / 31), 1e-12);
    near(fabs(7.0 / 31 - high), 1.5 * sqrt(high * (1 - high) / 31), 1e-12);
}

static fv_cell make_cell(const char *model, int length, double depth) {
    fv_cell cell = {.length = length, .depth = depth};
    snprintf(cell.model, sizeof cell.model, "%s", model);
    snprintf(cell.task, sizeof cell.task, "kv");
    snprintf(cell.unit, sizeof cell.unit, "tokens");
    return cell;
}

static void test_cells(void **state) {
    (void)state;
    fv_error error;
    fv_cells cells = {0}, back = {0};
    char folder[] = "/tmp/fovea-cells-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    fv_cell a = make_cell("it's \"m\"", 1000, 12.5), b = make_cell("n", 1000, NAN);
    fv_cell_count(&a, FV_ANSWER_FOUND, 1);
    fv_cell_count(&a, FV_ANSWER_PART, 0.25);
    fv_cell_count(&a, FV_ANSWER_ERROR, 0);
    fv_cell_count(&a, FV_ANSWER_TRUNCATED, 0);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.hits, 1);
    near(a.score, 0.625, 1e-15);
    assert_int_equal(fv_cells_put(&cells, &a, &error), FV_OK);
    assert_int_equal(fv_cells_put(&cells, &b, &error), FV_OK);
    b.n = b.hits = 3;
    assert_int_equal(fv_cells_put(&cells, &b, &error), FV_OK);
    assert_int_equal(cells.n, 2);
    assert_int_equal(fv_cells_load(folder, &back, &error), FV_NOT_FOUND);
    assert_int_equal(fv_cells_save(folder, &cells, &error), FV_OK);
    assert_int_equal(fv_cells_save(folder, &cells, &error), FV_OK);
    assert_int_equal(fv_cells_load(folder, &back, &error), FV_OK);
    assert_int_equal(back.n, 2);
    assert_string_equal(back.items[0].model, a.model);
    assert_memory_equal(back.items[0].counts, a.counts, sizeof a.counts);
    near(back.items[0].depth, 12.5, 0);
    assert_true(isnan(back.items[1].depth) && back.items[1].hits == 3);
    char *json = fv_cell_json(&back.items[1]);
    assert_non_null(strstr(json, "\"depth\":null"));
    assert_non_null(strstr(json, "\"rate\":1.0"));
    free(json);
    fv_cells_free(&cells);
    fv_cells_free(&back);
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

// --- haystacks ---------------------------------------------------------------------------------

static void test_escape(void **state) {
    (void)state;
    static const char HARD[] = "a\"b\\c\n\t\r\b\f\x01\x1f/\x7f \xc3\xa9\xf0\x9f\x8c\xb5";
    text_buffer out = {0};
    text_add_char(&out, '"');
    haystack_escape(&out, HARD, sizeof HARD - 1);
    text_add_char(&out, '"');
    json_t *read = json_loads(out.data, JSON_DECODE_ANY, NULL);
    assert_non_null(read);
    assert_string_equal(json_string_value(read), HARD);
    json_decref(read);
    text_free(&out);
}

static void test_not_text(void **state) {
    (void)state;
    assert_int_equal(haystack_not_text("caf\xc3\xa9\n", 6), 6);
    assert_int_equal(haystack_not_text("ab\0c", 4), 2);
    assert_int_equal(haystack_not_text("ab\xff", 3), 2);
    assert_int_equal(haystack_not_text("a\xc3", 2), 1);            // cut off
    assert_int_equal(haystack_not_text("\xc0\xaf", 2), 0);         // too long for what it says
    assert_int_equal(haystack_not_text("\xed\xa0\x80", 3), 0);     // half of a pair
    assert_int_equal(haystack_not_text("\xf4\x90\x80\x80", 4), 0); // beyond Unicode
    assert_int_equal(haystack_not_text("\xf4\x8f\xbf\xbf", 4), 4); // its last character
}

// No word is a part of another: an answer that is no hit must not look like one.
static void test_words(void **state) {
    (void)state;
    int n = served_n_words();
    assert_true(n > 50000);
    char(*adjective)[EVAL_VALUE_SIZE] = calloc((size_t)n, sizeof *adjective);
    char(*noun)[EVAL_VALUE_SIZE] = calloc((size_t)n, sizeof *noun);
    int n_adjectives = 0, n_nouns = 0;
    for (int i = 0; i < n; i++) {
        char word[EVAL_VALUE_SIZE];
        served_word(i, word, sizeof word);
        char *dash = strchr(word, '-');
        assert_non_null(dash);
        *dash = '\0';
        if (n_adjectives == 0 || strcmp(adjective[n_adjectives - 1], word) != 0)
            strcpy(adjective[n_adjectives++], word);
        if (n_adjectives == 1) strcpy(noun[n_nouns++], dash + 1);
    }
    assert_int_equal(n_adjectives * n_nouns, n);
    for (int i = 0; i < n_adjectives; i++)
        for (int k = 0; k < n_adjectives; k++) {
            size_t a = strlen(adjective[i]), b = strlen(adjective[k]);
            if (i != k && b >= a && strcmp(adjective[k] + b - a, adjective[i]) == 0)
                fail_msg("%s ends in %s", adjective[k], adjective[i]);
        }
    for (int i = 0; i < n_nouns; i++)
        for (int k = 0; k < n_nouns; k++)
            if (i != k && strncmp(noun[k], noun[i], strlen(noun[i])) == 0)
                fail_msg("%s begins with %s", noun[k], noun[i]);
    n = served_n_short_words();
    assert_true(n > 400);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            if (i != k && strstr(served_short_word(k), served_short_word(i)) != NULL)
                fail_msg("%s has %s in it", served_short_word(k), served_short_word(i));
    free(adjective);
    free(noun);
}

// --- prompts and tasks -------------------------------------------------------------------------

// A chat's messages are JSON, and their texts the prompt's.
static void check_chat(const prompt *p, const char *text) {
    char *json = prompt_chat(p);
    json_t *messages = json_loads(json, 0, NULL);
    assert_int_equal(json_array_size(messages), p->n_messages);
    for (int i = 0; i < p->n_messages; i++) {
        const json_t *message = json_array_get(messages, (size_t)i);
        const char *said = json_string_value(json_object_get(message, "content"));
        const char *role = json_string_value(json_object_get(message, "role"));
        assert_string_equal(role, i % 2 == 0 ? "user" : "assistant");
        assert_memory_equal(text, said, strlen(said));
        text += strlen(said);
    }
    assert_string_equal(text, "");
    json_decref(messages);
    free(json);
}

// Builds a sample and checks what holds for every prompt: pieces escape to the JSON of the text,
// the answers stand in it, and the same place builds the same.
static void check_sample(const served_task *task, const served_source *source,
                         const served_sample_place *place, bool answers_inside) {
    fv_error error;
    prompt p = {0}, again = {0};
    prompt_clear(&p);
    prompt_clear(&again);
    assert_int_equal(task->build(task, source, place, &p, &error), FV_OK);
    assert_int_equal(task->build(task, source, place, &again, &error), FV_OK);
    assert_true(p.hash == again.hash);
    char *text = prompt_text(&p, false), *input = prompt_text(&p, true);
    assert_int_equal(strlen(text), p.n_raw);
    assert_int_equal(strlen(input) + p.prefix.n, p.n_raw);
    text_buffer json = {0};
    text_add_char(&json, '"');
    for (int i = 0; i < p.n_pieces; i++)
        text_add_n(&json, prompt_piece_escaped(&p, i), p.pieces[i].n_escaped);
    text_add_char(&json, '"');
    assert_int_equal(json.n, p.n_escaped + 2);
    json_t *read = json_loads(json.data, JSON_DECODE_ANY, NULL);
    if (p.n_messages > 0)
        check_chat(&p, text);
    else
        assert_string_equal(json_string_value(read), text);
    assert_true(p.n_answers > 0);
    for (int i = 0; i < p.n_answers && answers_inside; i++)
        assert_non_null(strstr(input, p.answers[i]));
    json_decref(read);
    text_free(&json);
    free(text);
    free(input);
    prompt_free(&p);
    prompt_free(&again);
}

static void test_tasks(void **state) {
    (void)state;
    fv_error error;
    const served_task *task;
    for (int t = 0; (task = served_task_at(t)) != NULL; t++) {
        assert_int_equal(served_task_check(served_task_name(t), NULL), FV_OK);
        served_source source = {0};
        const source_options options = {.haystack = "noise",
                                        .needles =
                                            FOVEA_SOURCE_DIR "/tests/unit/data/needles.jsonl",
                                        .seed = 42,
                                        .longest = 4096};
        served_sample_place place = {.seed = 42, .length = 4096, .depth = NAN};
        char *name = NULL;
        if (strncmp(task->name, "qa", 2) == 0) continue; // test_reading.c
        assert_int_equal(source_prepare(&source, task, &options, &place.hay, &name, &error), FV_OK);
        bool inside = strcmp(task->name, "classic") != 0 && task->metric != EVAL_MRCR;
        for (place.sample = 0; place.sample < 5; place.sample++) {
            static const int UNITS[] = {0, 1, 40, 2000}; // beyond the least a task asks for
            for (int u = 0; u < 4; u++) {
                place.n_units = task->least_units + UNITS[u];
                place.depth = u == 0 ? NAN : 100.0 * (u - 1) / 2;
                check_sample(task, &source, &place, inside);
            }
        }
        free(name);
        source_free(&source);
    }
}

static double depth_of(const char *text, const char *value) {
    const char *at = strstr(text, value);
    return at == NULL ? -1 : 100.0 * (double)(at - text) / (double)strlen(text);
}

static void test_depth(void **state) {
    (void)state;
    fv_error error;
    const served_task *task = served_task_find("niah_single_1");
    served_source source = {0};
    const source_options options = {.seed = 1, .longest = 10000};
    served_sample_place place = {.seed = 1, .length = 10000, .n_units = 1000};
    char *name;
    assert_int_equal(source_prepare(&source, task, &options, &place.hay, &name, &error), FV_OK);
    for (place.depth = 0; place.depth <= 100; place.depth += 12.5) {
        prompt p = {0};
        prompt_clear(&p);
        assert_int_equal(task->build(task, &source, &place, &p, &error), FV_OK);
        char *text = prompt_text(&p, true);
        near(depth_of(text, p.answers[0]), place.depth, 0.5);
        near(100 * prompt_find(&p, p.answers[0]), depth_of(text, p.answers[0]), 0.5);
        assert_true(prompt_find(&p, "7654321x") < 0);
        free(text);
        prompt_free(&p);
    }
    free(name);
    source_free(&source);
}

// The words of RULER's prompt, to the letter.
static void test_ruler_prompt(void **state) {
    (void)state;
    fv_error error;
    const served_task *task = served_task_find("niah_single_1");
    served_source source = {0};
    const source_options options = {.seed = 42, .longest = 100};
    served_sample_place place = {.seed = 42, .length = 100, .n_units = 1, .depth = 0};
    char *name, expected[1024], key[64];
    prompt p = {0};
    prompt_clear(&p);
    assert_int_equal(source_prepare(&source, task, &options, &place.hay, &name, &error), FV_OK);
    assert_int_equal(task->build(task, &source, &place, &p, &error), FV_OK);
    char *text = prompt_text(&p, false);
    assert_int_equal(sscanf(strstr(text, "numbers for ") + 12, "%63s", key), 1);
    snprintf(
        expected, sizeof expected,
        "A special magic number is hidden within the following text. Make sure to memorize it. "
        "I will quiz you about the number afterwards.\n"
        "One of the special magic numbers for %s is: %s.\n"
        "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back "
        "again.\n"
        "What is the special magic number for %s mentioned in the provided text? The special "
        "magic number for %s mentioned in the provided text is",
        key, p.answers[0], key, key);
    assert_string_equal(text, expected);
    free(text);
    free(name);
    prompt_free(&p);
    source_free(&source);
}

// --- scores ------------------------------------------------------------------------------------

static void test_metrics(void **state) {
    (void)state;
    char *three[] = {"Alpha", "beta", "Gamma"}, *articles[] = {"The United States"};
    near(served_score_reply(EVAL_MATCH_ALL, "ALPHA, gamma", three, 3), 2.0 / 3, 1e-15);
    near(served_score_reply(EVAL_MATCH_PART, "x gamma", three, 3), 1, 0);
    near(served_score_reply(EVAL_MATCH_PART, "nothing", three, 3), 0, 0);
    // Beyond ASCII, as RULER's own scorer has it; bytes that are no text are only themselves.
    char *accents[] = {("\xc3\x89"
                        "cole"),
                       "\xce\xa9\xce\xbc\xce\xad\xce\xb3\xce\xb1", "\xd0\x9c\xd0\xbe"};
    near(served_score_reply(EVAL_MATCH_ALL,
                            "l'\xc3\xa9"
                            "COLE \xcf\x89\xce\xbc\xce\xad\xce\xb3\xce\xb1 \xd0\xbc\xd0\x9e",
                            accents, 3),
         1, 0);
    char *broken[] = {"\xc3", "\xe2\x82"};
    near(served_score_reply(EVAL_MATCH_ALL, "a\xc3 \xe2\x82", broken, 2), 1, 0);
    near(served_score_reply(EVAL_MATCH_ALL, "a\xe3 \xe2\x83", broken, 2), 0, 0);
    near(served_score_reply(EVAL_SUBSPAN, "In the united, states!\nno", articles, 1), 1, 0);
    near(served_score_reply(EVAL_SUBSPAN, "no\nunited states", articles, 1), 0, 0);
}

static fv_answer judge_as(const char *reply, bool cut, bool loops, const char *distractor) {
    fv_error error;
    const served_task *task = served_task_find("niah_multikey_2");
    served_source source = {0};
    const source_options options = {.seed = 3, .longest = 1000};
    served_sample_place place = {.seed = 3, .length = 1000, .n_units = 30, .depth = 50};
    char *name;
    prompt p = {0};
    served_verdict verdict;
    prompt_clear(&p);
    assert_int_equal(source_prepare(&source, task, &options, &place.hay, &name, &error), FV_OK);
    assert_int_equal(task->build(task, &source, &place, &p, &error), FV_OK);
    char *text = prompt_text(&p, true), other[8] = "", said[256];
    sscanf(strstr(text, " is: ") + 5, "%7[0-9]", other);
    snprintf(said, sizeof said, reply, *distractor ? other : p.answers[0]);
    served_judge(task, &p, said, cut, loops, &verdict);
    if (verdict.answer == FV_ANSWER_DISTRACTOR) {
        assert_string_equal(verdict.distractor, other);
        near(verdict.distractor_depth, depth_of(text, other), 2);
    }
    free(text);
    free(name);
    prompt_free(&p);
    source_free(&source);
    return verdict.answer;
}

static fv_answer judged(const char *reply, bool cut, const char *distractor) {
    return judge_as(reply, cut, false, distractor);
}

static bool repeats(const char *before, const char *piece, int n) {
    text_buffer text = {0};
    text_add(&text, "%s", before);
    for (int i = 0; i < n; i++) text_add(&text, "%s", piece);
    bool found = ends_in_repetition(text.data, text.n);
    text_free(&text);
    return found;
}

static void test_repetition(void **state) {
    (void)state;
    assert_false(ends_in_repetition("", 0));
    assert_true(repeats("", "a", 64));
    assert_false(repeats("", "a", 63));
    assert_true(repeats("It is hard to say. ", "But wait. ", 7));
    assert_false(repeats("It is hard to say. ", "But wait. ", 6));
    assert_true(repeats("", "a piece of thirty-two characters", 4));
    assert_false(repeats("", "a piece of thirty-two characters", 3));
    assert_false(repeats("a piece of thirty-two characters and more ", "1 2 3 4 5 6 7 8 9 ", 3));
    // The last time is cut short; what follows a loop ends it.
    assert_true(repeats("one two three four one two three four one two three four one two thr",
                        "ee four one tw", 1));
    assert_false(repeats("one two three four one two three four one two three four one two thr",
                         "ee four. So", 1));
    // A long one ends in time, and a piece may be long.
    assert_true(repeats("x", "ab", 1000000));
    text_buffer piece = {0};
    for (int i = 0; i < 3000; i++) text_add(&piece, "%d,", i);
    assert_true(repeats("", piece.data, 4));
    assert_false(repeats("", piece.data, 3));
    text_free(&piece);
}

static void test_classes(void **state) {
    (void)state;
    assert_int_equal(judged("It is %s.", false, ""), FV_ANSWER_FOUND);
    assert_int_equal(judged("It is %s.", true, ""), FV_ANSWER_FOUND);
    assert_int_equal(judged("It is %s.", false, "other"), FV_ANSWER_DISTRACTOR);
    assert_int_equal(judged("It is 12%s34.", false, "other"), FV_ANSWER_WRONG);
    assert_int_equal(judged("A blue house%.0s", false, ""), FV_ANSWER_WRONG);
    assert_int_equal(judged("I\xe2\x80\x99m sorry%.0s", false, ""), FV_ANSWER_REFUSAL);
    assert_int_equal(judged("It is not mentioned%.0s", false, ""), FV_ANSWER_REFUSAL);
    assert_int_equal(judged(" \n%.0s", false, ""), FV_ANSWER_EMPTY);
    assert_int_equal(judged(" \n%.0s", true, ""), FV_ANSWER_CUT);
    assert_int_equal(judged("Let me see%.0s", true, ""), FV_ANSWER_CUT);
    // A value that was given is one, however often.
    assert_int_equal(judge_as("It is %s.", true, true, ""), FV_ANSWER_FOUND);
    assert_int_equal(judge_as("It is %s.", true, true, "other"), FV_ANSWER_DISTRACTOR);
    assert_int_equal(judge_as("A blue house%.0s", true, true, ""), FV_ANSWER_LOOPING);
    assert_int_equal(judge_as("I cannot%.0s", true, true, ""), FV_ANSWER_LOOPING);
    assert_int_equal(judge_as("%.0s", true, true, ""), FV_ANSWER_LOOPING);
    // A value of the asked form is an answer, however the reply goes on.
    assert_int_equal(judged("It is 12%s34, that is%.0s", true, "other"), FV_ANSWER_CUT);
    assert_int_equal(judged("It is 7654321. So the text%.0s", true, ""), FV_ANSWER_WRONG);
    assert_int_equal(judged("7654321%.0s", true, ""), FV_ANSWER_WRONG);
    assert_int_equal(judged("It is 765432%.0s", true, ""), FV_ANSWER_CUT);
    assert_int_equal(judged("It is %s, that is", true, "other"), FV_ANSWER_DISTRACTOR);
}

// What is cut off and what is wrong of replies that ran to the limit, by the form of answers.
static void test_forms(void **state) {
    (void)state;
    static const struct {
        const char *task, *reply;
        fv_answer answer;
    } CASES[] = {{"vt", "The variables are QWERT, and", FV_ANSWER_WRONG},
                 {"vt", "The variables are QWER", FV_ANSWER_CUT},
                 {"vt", "VAR assignment: QWERTY", FV_ANSWER_CUT},
                 {"cwe", "1. zzz 2. yyy 3. xx", FV_ANSWER_WRONG},
                 {"cwe", "To count the words, I", FV_ANSWER_CUT},
                 {"cwe", "1. zz", FV_ANSWER_CUT},
                 {"fwe", "Counting all of them, maybe", FV_ANSWER_CUT},
                 {"kv", "12345678-1234-4234-8234-123456789abc", FV_ANSWER_WRONG},
                 {"kv", "12345678-1234-4234-8234-12345678", FV_ANSWER_CUT}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        prompt p = {0};
        served_verdict verdict;
        prompt_clear(&p);
        prompt_answer(&p, "not in any of them");
        served_judge(served_task_find(CASES[i].task), &p, CASES[i].reply, true, false, &verdict);
        if (verdict.answer != CASES[i].answer)
            fail_msg("%s, '%s' is %s", CASES[i].task, CASES[i].reply,
                     fv_answer_text(verdict.answer));
        prompt_free(&p);
    }
    prompt p = {0};
    served_verdict verdict;
    prompt_clear(&p);
    prompt_add(&p, "qwerty asdfgh ...");
    prompt_answer(&p, "yxcvbn");
    served_judge(served_task_find("fwe"), &p, "asdfgh, and", true, false, &verdict);
    assert_int_equal(verdict.answer, FV_ANSWER_WRONG);
    prompt_free(&p);
}

// --- the wire ----------------------------------------------------------------------------------

static http_fault read_reply(const char *body, int status, wire_reply *reply, char *note) {
    *note = '\0';
    return wire_read(body, strlen(body), status, &THOUGHTS, reply, note);
}

static void test_replies(void **state) {
    (void)state;
    wire_reply reply;
    char note[256];
    assert_int_equal(
        read_reply("{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":"
                   "\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}",
                   200, &reply, note),
        HTTP_NONE);
    assert_string_equal(reply.text, "hi");
    assert_int_equal(reply.prompt_tokens, 7);
    wire_reply_free(&reply);
    assert_int_equal(read_reply("{\"choices\":[{\"text\":\"yo\",\"finish_reason\":\"length\"}]}",
                                200, &reply, note),
                     HTTP_NONE);
    assert_string_equal(reply.text, "yo");
    assert_string_equal(reply.finish, "length");
    assert_int_equal(reply.prompt_tokens, -1);
    wire_reply_free(&reply);
    assert_int_equal(
        read_reply("{\"choices\":[{\"message\":{\"content\":null}}]}", 200, &reply, note),
        HTTP_NONE);
    assert_string_equal(reply.text, "");
    wire_reply_free(&reply);
    static const struct {
        const char *body;
        int status;
        http_fault fault;
    } BAD[] = {
        {"", 200, HTTP_MALFORMED},
        {"{\"choices\":[", 200, HTTP_MALFORMED},
        {"[]", 200, HTTP_MALFORMED},
        {"{\"choices\":[]}", 200, HTTP_MALFORMED},
        {"{\"choices\":[{}]}", 200, HTTP_MALFORMED},
        {"{\"choices\":[{\"message\":{\"content\":3}}]}", 200, HTTP_MALFORMED},
        {"{\"error\":{\"message\":\"overloaded\"}}", 200, HTTP_SERVER},
        {"{\"error\":{\"message\":\"slow\"}}", 429, HTTP_BUSY},
        {"<html>", 502, HTTP_SERVER},
        {"{\"error\":{\"message\":\"bad key\"}}", 401, HTTP_KEY},
        {"{\"object\":\"error\",\"message\":\"This model's maximum context length is 9\"}", 400,
         HTTP_CONTEXT},
        {"{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context "
         "size\"}}",
         400, HTTP_CONTEXT},
        {"{\"error\":{\"message\":\"The model `x` does not exist\"}}", 404, HTTP_MODEL},
        {"{\"detail\":\"unknown model\"}", 400, HTTP_MODEL},
        {"{\"error\":{\"message\":\"temperature\"}}", 400, HTTP_REFUSED},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (read_reply(BAD[i].body, BAD[i].status, &reply, note) != BAD[i].fault)
            fail_msg("%s with %d is not '%s'", BAD[i].body, BAD[i].status,
                     http_fault_text(BAD[i].fault));
}

static void test_frames(void **state) {
    (void)state;
    fv_error error;
    wire_frame frame;
    assert_int_equal(wire_frame_make(&frame, WIRE_CHAT, "a\"b", "be \"brief\"", 5,
                                     "{\"temperature\":null,\"max_completion_tokens\":9}", &error),
                     FV_OK);
    text_buffer body = {0};
    text_add(&body, "%sHELLO%s", frame.head_system, frame.tails[0]);
    json_t *read = json_loads(body.data, 0, NULL);
    const json_t *messages = json_object_get(read, "messages");
    assert_string_equal(json_string_value(json_object_get(read, "model")), "a\"b");
    assert_int_equal(json_array_size(messages), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(messages, 1), "content")),
                        "HELLO");
    assert_null(json_object_get(read, "max_tokens"));
    assert_null(json_object_get(read, "temperature"));
    assert_int_equal(json_integer_value(json_object_get(read, "max_completion_tokens")), 9);
    json_decref(read);
    text_free(&body);
    wire_frame_free(&frame);
    assert_int_equal(wire_frame_make(&frame, WIRE_CHAT, "m", NULL, 5, "[1]", &error), FV_USAGE);
    assert_int_equal(wire_frame_make(&frame, WIRE_CHAT, "m", NULL, 5, "{oops", &error), FV_USAGE);
}

static void test_addresses(void **state) {
    (void)state;
    fv_error error;
    static const struct {
        const char *endpoint, *root, *base;
    } GOOD[] = {
        {"http://h:1", "http://h:1", "http://h:1/v1"},
        {"http://h:1/", "http://h:1", "http://h:1/v1"},
        {"http://h:1/v1", "http://h:1", "http://h:1/v1"},
        {"http://h:1/v1/", "http://h:1", "http://h:1/v1"},
        {"http://h:1/v1/chat/completions", "http://h:1", "http://h:1/v1"},
        {"http://h:1/api/v3", "http://h:1/api", "http://h:1/api/v3"},
        {"http://h:1/v1beta/openai/", "http://h:1/v1beta/openai", "http://h:1/v1beta/openai"},
        {"http://h:1/chat/completions", "http://h:1", "http://h:1"},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        address at;
        char url[128];
        snprintf(url, sizeof url, "%s/chat/completions", GOOD[i].base);
        assert_int_equal(address_read(GOOD[i].endpoint, true, &at, &error), FV_OK);
        assert_string_equal(at.root, GOOD[i].root);
        assert_string_equal(at.base, GOOD[i].base);
        assert_string_equal(at.url, url);
        address_free(&at);
    }
    address at;
    assert_int_equal(
        address_read("https://H/d/chat/completions?api-version=1&a=b", true, &at, &error), FV_OK);
    assert_string_equal(at.url, "https://H/d/chat/completions?api-version=1&a=b");
    assert_string_equal(at.root, "https://H/d");
    assert_string_equal(at.base, "https://H/d");
    assert_string_equal(at.query, "?api-version=1&a=b");
    assert_string_equal(at.identity, "https://h/d?api-version=1&a=b");
    char *label = address_label(&at, "m");
    assert_string_equal(label, "m at h/d");
    free(label);
    address_free(&at);
    assert_int_equal(address_read("http://h?x=1", true, &at, &error), FV_OK);
    assert_string_equal(at.url, "http://h/v1/chat/completions?x=1");
    address_free(&at);
    assert_int_equal(address_read("https://h/x/v1/completions", false, &at, &error), FV_OK);
    assert_string_equal(at.url, "https://h/x/v1/completions");
    assert_string_equal(at.root, "https://h/x");
    address_free(&at);
    static const char *const BAD[] = {"localhost:8000",
                                      "",
                                      "ftp://h",
                                      "http://",
                                      "http://u:p@h/",
                                      "http://h/?a=b&api_key=1",
                                      "http://h/v1/completions"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(address_read(BAD[i], true, &at, &error), FV_USAGE);
}

// What is an answer in what servers send, and whether it was cut off.
static void test_answers(void **state) {
    (void)state;
    static const struct {
        const char *message, *text;
        bool cut;
    } ROWS[] = {
        {"\"content\": \"<think>not 7</think>\\n\\nIt is 8.\"", "\n\nIt is 8.", false},
        {"\"content\": \"not 7</think>It is 8.\"", "It is 8.", false},
        {"\"content\": \"<think>a</think>b<THINK>c</think>d\"", "bd", false},
        {"\"content\": \"<think>is it 7? or\"", "", true},
        {"\"content\": \"8 <thinking>or 7\"", "8 ", true},
        {"\"content\": \"[THINK]7[/THINK]8\"", "8", false},
        {"\"content\": \"<|channel|>analysis<|message|>7<|end|>8<|end|>\"", "8<|end|>", false},
        {"\"content\": [{\"type\": \"thinking\", \"text\": \"7\"}, {\"type\": \"text\", "
         "\"text\": \"It is\"}, {\"type\": \"text\", \"text\": \" 8\"}]",
         "It is 8", false},
        {"\"content\": [\"8\", {\"text\": {\"value\": \"9\"}}]", "89", false},
        {"\"content\": []", "", false},
        {"\"content\": null, \"refusal\": \"I can't.\"", "I can't.", false},
        {"\"content\": \"8\\u0000\\ud83d\"", "8\xef\xbf\xbd\xef\xbf\xbd", false},
        {"\"content\": \"8\", \"logprobs\": [-Infinity, NaN]", "8", false},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char body[1024], note[256];
        wire_reply reply;
        int n =
            snprintf(body, sizeof body, "{\"created\": 1e400, \"choices\": [{\"message\": {%s}}]}",
                     ROWS[i].message);
        http_fault fault = wire_read(body, (size_t)n, 200, &THOUGHTS, &reply, note);
        if (fault != HTTP_NONE) fail_msg("%s: %s", ROWS[i].message, note);
        assert_string_equal(reply.text, ROWS[i].text);
        assert_int_equal(reply.cut, ROWS[i].cut);
        wire_reply_free(&reply);
    }
    char note[256];
    wire_reply reply;
    static const char CUT[] = "{\"choices\": [{\"text\": \"8\", \"finish_reason\": "
                              "\"MAX_TOKENS\"}]}";
    assert_int_equal(wire_read(CUT, strlen(CUT), 200, &THOUGHTS, &reply, note), HTTP_NONE);
    assert_true(reply.cut);
    wire_reply_free(&reply);
    static const char LIST[] = "[{\"error\": {\"message\": \"no such thing\"}}]";
    assert_int_equal(wire_read(LIST, strlen(LIST), 404, &THOUGHTS, &reply, note), HTTP_MODEL);
    assert_string_equal(note, "HTTP 404: no such thing");
}

// --- a folder of texts -------------------------------------------------------------------------

static fv_status read_text_as(const char *text, size_t n, haystack *h, fv_error *error) {
    char folder[] = "/tmp/fovea-texts-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.txt", folder);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(text, 1, n, file), n);
    fclose(file);
    fv_status status = haystack_read(h, folder, error);
    unlink(path);
    rmdir(folder);
    return status;
}

// Where sentences end, written as a bar in place of the separator.
static void test_sentences(void **state) {
    (void)state;
    static const char *const ROWS[][2] = {
        {"One. Two!\tThree?", "One.|Two!|Three?"},
        {"Version 1.5 of it. Done", "Version 1.5 of it.|Done"},
        {"A line\r\nof two.\r\n\r\nNext\r\n", "A line of two.|Next"},
        {"\xef\xbb\xbfMarked. Text.", "Marked.|Text."},
        {"開館。雨！晴？", "開館。|雨！|晴？"},
        {"「行く。」と言う。次", "「行く。」|と言う。|次"},
        {"本当！？はい｡ﾊｲ", "本当！？|はい｡|ﾊｲ"},
        {"约３．５元．好", "约３．５元．|好"},
        {"中文。\nEnglish. 中", "中文。|English.|中"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        haystack h;
        fv_error error;
        assert_int_equal(read_text_as(ROWS[i][0], strlen(ROWS[i][0]), &h, &error), FV_OK);
        char cut[256] = "";
        for (int u = 0; u < h.n_units; u++)
            snprintf(cut + strlen(cut), sizeof cut - strlen(cut), "%s%.*s", u > 0 ? "|" : "",
                     (int)(h.raw_at[u + 1] - h.raw_at[u] - h.n_separator),
                     h.raw.data + h.raw_at[u]);
        assert_string_equal(cut, ROWS[i][1]);
        haystack_free(&h);
    }
    haystack h;
    fv_error error;
    assert_int_equal(read_text_as("\xff\xfeO\0n\0e\0", 8, &h, &error), FV_FORMAT);
    assert_non_null(strstr(error.text, "a.txt is UTF-16 text; save it as UTF-8"));
}

// --- RULER's files -----------------------------------------------------------------------------

static void test_ruler_scores(void **state) {
    (void)state;
    fv_error error;
    char folder[] = "/tmp/fovea-ruler-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/niah_multikey_1.jsonl", folder);
    FILE *file = fopen(path, "w");
    fputs("{\"index\":0,\"pred\":\" AB\\u0007c "
          "\",\"input\":\"\",\"outputs\":[\"ab\",\"zz\"],\"others\":{},"
          "\"truncation\":-1,\"length\":-1}\n"
          "{\"index\":1,\"pred\":\"\\n\\t\",\"outputs\":[\"1\"]}\n"
          "{\"index\":2,\"pred\":\"x 17 y\",\"outputs\":[\"17\"]}\n",
          file);
    fclose(file);
    snprintf(path, sizeof path, "%s/qa_1.jsonl", folder);
    file = fopen(path, "w");
    fputs("\xef\xbb\xbf{\"pred\":\"Paris\",\"outputs\":[\"rome\",\"paris\"]}\n", file);
    fclose(file);
    fv_ruler_score *scores;
    int n;
    assert_int_equal(fv_ruler_score_files(folder, true, &scores, &n, &error), FV_OK);
    assert_int_equal(n, 2);
    near(scores[0].score, 50, 0);
    assert_int_equal(scores[0].nulls, 1);
    near(scores[1].score, 100, 0);
    free(scores);
    char text[256] = "";
    snprintf(path, sizeof path, "%s/summary.csv", folder);
    file = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(text,
                        "0,1,2\nTasks,niah_multikey_1,qa_1\nScore,50.0,100.0\nNulls,1/3,0/1\n");
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson),    cmocka_unit_test(test_cells),
        cmocka_unit_test(test_escape),    cmocka_unit_test(test_not_text),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_tasks),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_ruler_prompt),
        cmocka_unit_test(test_metrics),   cmocka_unit_test(test_repetition),
        cmocka_unit_test(test_classes),   cmocka_unit_test(test_forms),
        cmocka_unit_test(test_replies),   cmocka_unit_test(test_frames),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_sentences), cmocka_unit_test(test_ruler_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
