// Answers that come in pieces: the same reply wherever the bytes are split, timed by when they
// came; and what llama.cpp's timings and usage say of speed and thought.
#include "served/reply_stream.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const thoughts_known THOUGHTS = {0};

static void near(double a, double b) {
    if (!(fabs(a - b) <= 1e-9 * fabs(b))) fail_msg("%.12g is not %.12g", a, b);
}

// Reads a body that comes in pieces which end at the places given.
static http_fault read_split(const char *body, size_t a, size_t b, wire_reply *reply, char *note) {
    reply_stream stream = {0};
    const size_t ends[] = {a, b, strlen(body)};
    size_t at = 0;
    *note = '\0';
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        reply_stream_feed(&stream, body + at, ends[i] - at, (double)(i + 1));
        at = ends[i];
    }
    http_fault fault = reply_stream_read(&stream, 200, &THOUGHTS, reply, note);
    reply_stream_free(&stream);
    return fault;
}

static void test_splits(void **state) {
    (void)state;
    static const char *const BODIES[] = {
        "\xef\xbb\xbf: hello\r\ndata: {\"model\":\"m\",\r\ndata: "
        "\"choices\":[{\"index\":0,\"delta\":{"
        "\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\nid: 7\r\nevent: x\r\ndata:{\"choices\":"
        "[{\"delta\":{\"content\":\"It \xc3\xa9\"}}]}\r\n\r\ndata: {\"choices\":[{\"index\":1,"
        "\"delta\":{\"content\":\"no\"}},{\"index\":0,\"delta\":{\"content\":\" is\"},"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\r\n"
        "\r\ndata: [DONE]\r\n\r\n",
        "\n\ndata: {\"model\":\"m\",\ndata: \"choices\":[{\"text\":\"It \xc3\xa9\"}]}\n\n"
        "data: {\"choices\":[{\"text\":\" is\",\"finish_reason\":\"stop\"}]}\n\ndata: \n\n"
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}",
    };
    for (size_t k = 0; k < sizeof BODIES / sizeof *BODIES; k++) {
        size_t n = strlen(BODIES[k]);
        for (size_t a = 0; a <= n; a++)
            for (size_t b = a; b <= n; b += 7) {
                wire_reply reply;
                char note[256];
                http_fault fault = read_split(BODIES[k], a, b, &reply, note);
                if (fault != HTTP_NONE) fail_msg("%zu, %zu: %s", a, b, note);
                assert_string_equal(reply.text, "It \xc3\xa9 is");
                assert_string_equal(reply.finish, "stop");
                assert_string_equal(reply.model, "m");
                assert_int_equal(reply.prompt_tokens, 9);
                assert_int_equal(reply.completion_tokens, 4);
                assert_true(reply.streamed);
                wire_reply_free(&reply);
            }
    }
}

static void test_beginnings(void **state) {
    (void)state;
    static const char *const STREAMS[] = {"data: x",
                                          "data:",
                                          ":",
                                          "event: e",
                                          "\r\n\ndata: 1",
                                          ("\xef\xbb\xbf"
                                           "data: x"),
                                          "retry: 1",
                                          "error: {}"};
    static const char *const OTHERS[] = {"",       "dat",      "{\"data:\": 1}", "[1]",
                                         "<html>", " data: x", "dates: x",       "\"data:\""};
    for (size_t i = 0; i < sizeof STREAMS / sizeof *STREAMS; i++)
        assert_true(event_stream_begins(STREAMS[i], strlen(STREAMS[i])));
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        assert_false(event_stream_begins(OTHERS[i], strlen(OTHERS[i])));
}

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *body, *note;
        http_fault fault;
    } CASES[] = {
        {"data: {\"choices\":[{\"delta\":{\"content\":\"It\"}}]}\n\n",
         "the stream ended before the answer did", HTTP_MALFORMED},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"It\"}}]}\n\ndata: {\"cho",
         "an event of the "
         "stream is no JSON",
         HTTP_MALFORMED},
        {"data: [DONE]\n\n", "the stream has no choices[0] with a delta or a text", HTTP_MALFORMED},
        {"data: {\"error\":{\"message\":\"maximum context length is 5\"}}\n\ndata: [DONE]\n\n",
         "HTTP 500: maximum context length is 5", HTTP_CONTEXT},
        {"error: {\"error\":{\"message\":\"out of slots\"}}\n\n", "HTTP 500: out of slots",
         HTTP_SERVER},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        wire_reply reply;
        char note[256];
        assert_int_equal(read_split(CASES[i].body, 5, 9, &reply, note), CASES[i].fault);
        assert_string_equal(note, CASES[i].note);
        assert_null(reply.text);
    }
}

#define PIECE(key, text) "data: {\"choices\":[{\"delta\":{\"" key "\":\"" text "\"}}]}\n\n"
#define USAGE(more)                                                                                \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":21" more "}}"    \
    "\n\n"
#define ENDED "data: [DONE]\n\n"

// Pieces at the seconds 0.5, 1.5 and 2.5; at the last the rest.
static void read_timed(const char *a, const char *b, const char *c, const char *rest,
                       wire_reply *reply) {
    reply_stream stream = {0};
    const char *parts[] = {a, b, c, rest};
    char note[256];
    for (int i = 0; i < 4; i++)
        reply_stream_feed(&stream, parts[i], strlen(parts[i]), i < 3 ? i + 0.5 : 9);
    assert_int_equal(reply_stream_read(&stream, 200, &THOUGHTS, reply, note), HTTP_NONE);
    reply_stream_free(&stream);
}

static void test_speed(void **state) {
    (void)state;
    wire_reply r;
    // A role is no token; a thought is one.
    read_timed(PIECE("content", ""), PIECE("reasoning_content", "Hm, "), PIECE("content", "It"),
               USAGE("") ENDED, &r);
    assert_string_equal(r.text, "It");
    assert_int_equal(r.speed.by, ASKS_TIMED_BY_STREAM);
    near(r.speed.first_token, 1.5);
    near(r.speed.prefill, 900 / 1.5);
    near(r.speed.decode, 20);
    assert_true(r.thought_estimated && r.thought_tokens == 14); // 4 of 6 bytes of 21 tokens
    wire_reply_free(&r);
    // What a cache had was not read; what usage says of thoughts counts.
    read_timed(PIECE("reasoning", "Hm"), PIECE("content", "It"), "",
               USAGE(",\"prompt_tokens_details\":{\"cached_tokens\":400},"
                     "\"completion_tokens_details\":{\"reasoning_tokens\":3}") ENDED,
               &r);
    near(r.speed.first_token, 0.5);
    near(r.speed.prefill, 1000);
    assert_true(!r.thought_estimated && r.thought_tokens == 3 && r.cached_tokens == 400);
    wire_reply_free(&r);
    // All at one moment: held back on the way.
    read_timed("", PIECE("content", "It") PIECE("content", " is"), "", USAGE("") ENDED, &r);
    assert_int_equal(r.speed.by, ASKS_TIMED_BY_NOBODY);
    assert_true(r.speed.first_token == 0 && r.speed.prefill == 0 && r.thought_tokens == -1);
    wire_reply_free(&r);
    // llama.cpp's rates, and the wait that the client sees.
    read_timed(PIECE("content", "It"), PIECE("content", " is"), "",
               "data: {\"choices\":[],\"timings\":{\"prompt_n\":50,\"prompt_ms\":100,"
               "\"predicted_n\":5,\"predicted_ms\":80,\"cache_n\":6}}\n\n" ENDED,
               &r);
    assert_int_equal(r.speed.by, ASKS_TIMED_BY_TIMINGS);
    near(r.speed.first_token, 0.5);
    near(r.speed.prefill, 500);
    near(r.speed.decode, 50);
    assert_int_equal(r.cached_tokens, 6);
    wire_reply_free(&r);
}

static void test_timings(void **state) {
    (void)state;
    static const struct {
        const char *timings;
        double first, prefill, decode;
    } CASES[] = {
        {"{\"prompt_n\":50,\"prompt_ms\":100,\"predicted_n\":1,\"predicted_ms\":0.001}", 0.1, 500,
         0},
        {"{\"prompt_n\":50,\"prompt_ms\":100,\"cache_n\":50}", 0.1, 500, 0},
        {"{\"prompt_n\":50,\"prompt_ms\":100,\"cache_n\":51}", 0.1, 0, 0},
        {"{\"prompt_n\":0,\"prompt_ms\":100,\"predicted_n\":3,\"predicted_ms\":1000}", 0.1, 0, 2},
        {"{\"prompt_n\":50,\"prompt_ms\":0}", 0, 0, 0},
        {"{\"prompt_n\":\"50\",\"prompt_ms\":\"x\"}", 0, 0, 0},
        {"{}", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        asks_speed speed = {0};
        json_t *timings = json_loads(CASES[i].timings, 0, NULL);
        reply_speed_from_timings(timings, &speed);
        json_decref(timings);
        near(speed.first_token, CASES[i].first);
        near(speed.prefill, CASES[i].prefill);
        near(speed.decode, CASES[i].decode);
        assert_int_equal(speed.by != ASKS_TIMED_BY_NOBODY, CASES[i].first > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits),  cmocka_unit_test(test_beginnings),
        cmocka_unit_test(test_faults),  cmocka_unit_test(test_speed),
        cmocka_unit_test(test_timings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
