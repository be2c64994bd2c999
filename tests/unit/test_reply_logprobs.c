// What of the log-probabilities of a reply is the expected answer's.
#include "base/text.h"
#include "served/reply_logprobs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// "12" 34 5: tokens of the reply, each with a log-probability and one other token.
static const char CONTENT[] =
    "{\"logprobs\":{\"content\":["
    "{\"token\":\"It is\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\" 777\",\"logprob\":-4}]},"
    "{\"token\":\" 12\",\"logprob\":-0.25,\"top_logprobs\":[{\"token\":\" 777\",\"logprob\":-2},"
    "{\"token\":\" 99\",\"logprob\":-3}]},"
    "{\"token\":\"34\",\"logprob\":-0.125,\"top_logprobs\":[{\"token\":\"55.\",\"logprob\":-1.5}]},"
    "{\"token\":\"?\",\"bytes\":[195],\"logprob\":-1},"
    "{\"token\":\"?\",\"bytes\":[169],\"logprob\":-2},"
    "{\"token\":\".\",\"logprob\":-9999}]}}";

static const char USUAL[] =
    "{\"logprobs\":{\"tokens\":[\"It is\",\" 12\",\"34\"],\"token_logprobs\":[null,-0.25,-0.125],"
    "\"top_logprobs\":[null,{\" 777\":-2,\" 99\":-3},{\"55.\":-1.5}]}}";

static json_t *take(const char *choice) {
    json_t *told = NULL, *read = json_loads(choice, 0, NULL);
    reply_logprobs_take(NULL, read, &told);
    json_decref(read);
    return told;
}

// The numbers as text, "" for none.
static void expect(const json_t *told, const char *reply, served_metric metric, const char *first,
                   const char *second, const char *wanted, double wanted_sum) {
    char *answers[] = {(char *)first, (char *)second};
    double sum;
    json_t *list = reply_logprobs_of(told, reply, metric, answers, second != NULL ? 2 : 1, &sum);
    char *text = list != NULL ? json_dumps(list, JSON_COMPACT) : text_copy("");
    assert_string_equal(text, wanted);
    if (list != NULL) assert_true(fabs(sum - wanted_sum) < 1e-12);
    free(text);
    json_decref(list);
}

static void test_content(void **state) {
    (void)state;
    json_t *told = take(CONTENT);
    assert_non_null(told);
    const char *reply = "It is 1234\xc3\xa9.";
    expect(told, reply, EVAL_MATCH_ALL, "1234", NULL, "[-0.25,-0.125]", -0.375);
    expect(told, reply, EVAL_MATCH_ALL, "1", NULL, "[-0.25]", -0.25);
    expect(told, reply, EVAL_MATCH_ALL, "34\xc3\xa9", NULL, "[-0.125,-1.0,-2.0]", -3.125);
    expect(told, reply, EVAL_MATCH_ALL, "IT IS", NULL, "[-0.5]", -0.5); // as answers are scored
    // Missed, but named: the likeliest place, and what differs in its last token.
    expect(told, reply, EVAL_MATCH_ALL, "777", NULL, "[-2.0]", -2);
    expect(told, reply, EVAL_MATCH_ALL, "1255", NULL, "[-0.25,-1.5]", -1.75);
    expect(told, reply, EVAL_MATCH_ALL, "1256", NULL, "", 0);
    expect(told, reply, EVAL_MATCH_ALL, "9955", NULL, "", 0); // 55 stands behind 12
    // Several answers: all of them, or any.
    expect(told, reply, EVAL_MATCH_ALL, "1234", "777", "[-0.25,-0.125,-2.0]", -2.375);
    expect(told, reply, EVAL_MATCH_ALL, "1234", "4711", "", 0);
    expect(told, reply, EVAL_MATCH_PART, "4711", "1234", "[-0.25,-0.125]", -0.375);
    expect(told, reply, EVAL_SUBSPAN, "99", "777", "[-2.0]", -2);
    expect(told, reply, EVAL_MRCR, "It is 12", "It", "[-0.5,-0.25]", -0.75);
    // A token of which nothing is told.
    expect(told, reply, EVAL_MATCH_ALL, "\xc3\xa9.", NULL, "", 0);
    json_decref(told);
}

static void test_usual(void **state) {
    (void)state;
    json_t *told = take(USUAL);
    expect(told, "It is 1234", EVAL_MATCH_ALL, "1234", NULL, "[-0.25,-0.125]", -0.375);
    expect(told, "It is 1234", EVAL_MATCH_ALL, "It", NULL, "", 0);
    expect(told, "It is 1234", EVAL_MATCH_ALL, "1255", NULL, "[-0.25,-1.5]", -1.75);
    json_decref(told);
}

// A value that was thought of before it is said.
static void test_thought(void **state) {
    (void)state;
    json_t *told =
        take("{\"logprobs\":{\"content\":[{\"token\":\"<think>12</think>\",\"logprob\":-3},"
             "{\"token\":\"12\",\"logprob\":-1}]}}");
    expect(told, "12", EVAL_MATCH_ALL, "12", NULL, "[-1.0]", -1);
    json_decref(told);
    // In pieces, and as llama.cpp told it before.
    json_t *pieces = NULL, *root = json_pack("{s:[{s:s, s:f}]}", "completion_probabilities",
                                             "token", "12", "logprob", -0.5);
    for (int i = 0; i < 2; i++) reply_logprobs_take(root, NULL, &pieces);
    expect(pieces, "1212", EVAL_MATCH_ALL, "1212", NULL, "[-0.5,-0.5]", -1);
    json_decref(pieces);
    json_decref(root);
}

// What nobody should send.
static void test_hostile(void **state) {
    (void)state;
    static const char *const CHOICES[] = {
        "{}",
        "{\"logprobs\":null}",
        "{\"logprobs\":7}",
        "{\"logprobs\":{\"content\":[]}}",
        "{\"logprobs\":{\"content\":[1,null,{\"token\":3,\"logprob\":\"x\"}]}}",
        "{\"logprobs\":{\"tokens\":[null,\"12\"],\"token_logprobs\":7,\"top_logprobs\":[[]]}}",
        "{\"logprobs\":{\"content\":[{\"token\":\"12\",\"logprob\":5}]}}"};
    for (size_t i = 0; i < sizeof CHOICES / sizeof *CHOICES; i++) {
        json_t *told = take(CHOICES[i]);
        assert_true((told == NULL) == (i < 4));
        expect(told, "12", EVAL_MATCH_ALL, "12", NULL, "", 0);
        expect(told, "", EVAL_MATCH_ALL, "", "", "", 0);
        json_decref(told);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_content), cmocka_unit_test(test_usual),
                                       cmocka_unit_test(test_thought),
                                       cmocka_unit_test(test_hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
