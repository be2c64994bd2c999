#include "served/reply_speed.h"

#include <math.h>

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

double reply_speed_prefill(double n_read, double n_cached, double seconds) {
    return n_read > 0 && n_read >= n_cached && seconds > 0 ? n_read / seconds : 0;
}

// Its time of the answer begins with the first token: one token takes none of it.
void reply_speed_from_timings(const json_t *timings, asks_speed *speed) {
    double n_read = number(timings, "prompt_n"), read_ms = number(timings, "prompt_ms");
    double n_said = number(timings, "predicted_n"), said_ms = number(timings, "predicted_ms");
    if (!(read_ms > 0)) return;
    speed->by = ASKS_TIMED_BY_TIMINGS;
    speed->first_token = read_ms / 1000;
    speed->prefill = reply_speed_prefill(n_read, number(timings, "cache_n"), read_ms / 1000);
    if (n_said > 1 && said_ms > 0) speed->decode = 1000 * (n_said - 1) / said_ms;
}

static int count(const json_t *object, const char *key) {
    const json_t *n = json_object_get(object, key);
    json_int_t value = json_is_integer(n) ? json_integer_value(n) : -1;
    return value >= 0 && value <= 1000000000 ? (int)value : -1;
}

int reply_thought_tokens(const json_t *usage, int completion_tokens, size_t n_thought,
                         size_t n_said, bool *estimated) {
    int n = count(json_object_get(usage, "completion_tokens_details"), "reasoning_tokens");
    if (n < 0) n = count(usage, "reasoning_tokens"); // SGLang's
    *estimated = n_thought > 0 && n <= 0 && completion_tokens >= 0;
    if (!*estimated) return n;
    return (int)lround((double)completion_tokens * (double)n_thought /
                       ((double)n_thought + (double)n_said));
}

int reply_cached_tokens(const json_t *usage, const json_t *timings) {
    int n = count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    return n >= 0 ? n : count(timings, "cache_n");
}
