// Fuzzes what reads a server's reply: whatever comes over the wire is an answer or a fault with a
// note, and every answer has a class. The first byte chooses the HTTP status.
#include "served/reply_stream.h"
#include "served/score.h"
#include "served/wire.h"

#include <stdlib.h>
#include <string.h>

static const thoughts_known THOUGHTS = {0};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const char *text) {
    char *answers[] = {"1234567", "quiet-otter"};
    prompt p = {.answers = answers, .n_answers = 2};
    const served_task *task;
    for (int t = 0; (task = served_task_at(t)) != NULL; t++) {
        served_verdict verdict;
        served_judge(task, &p, text, t % 2, t % 4 == 3, &verdict);
        if ((unsigned)verdict.answer >= FV_N_ANSWERS || !(verdict.score >= 0 && verdict.score <= 1))
            abort();
    }
}

// The same bytes as a stream, split where their first one says.
static void read_stream(const char *body, size_t n, int status, size_t split) {
    char note[sizeof((http_call *)0)->note] = "";
    wire_reply reply;
    reply_stream stream = {0};
    size_t first = n > 0 ? split % n : 0;
    reply_stream_feed(&stream, body, first, 1);
    reply_stream_feed(&stream, body + first, n - first, 2);
    http_fault fault = reply_stream_read(&stream, status, &THOUGHTS, &reply, note);
    if ((fault == HTTP_NONE) != (reply.text != NULL)) abort();
    if (memchr(note, '\0', sizeof note) == NULL) abort();
    if (reply.speed.prefill < 0 || reply.speed.decode < 0 || reply.thought_tokens < -1) abort();
    wire_reply_free(&reply);
    reply_stream_free(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int STATUSES[] = {200, 400, 401, 404, 413, 429, 500};
    char note[sizeof((http_call *)0)->note] = "";
    wire_reply reply;
    if (size < 1) return 0;
    char *body = malloc(size);
    if (body == NULL) return 0;
    memcpy(body, data + 1, size - 1);
    body[size - 1] = '\0'; // as the buffer of a reply ends
    int status = STATUSES[data[0] % (sizeof STATUSES / sizeof *STATUSES)];
    http_fault fault = wire_read(body, size - 1, status, &THOUGHTS, &reply, note);
    if ((fault == HTTP_NONE) != (reply.text != NULL)) abort();
    if (memchr(note, '\0', sizeof note) == NULL) abort();
    if (fault == HTTP_NONE) judge(reply.text);
    wire_reply_free(&reply);
    read_stream(body, size - 1, status, data[0]);
    free(body);
    return 0;
}
