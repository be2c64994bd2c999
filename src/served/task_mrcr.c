// A long chat of requests and answers, among them several requests of one kind; the i-th answer to
// that kind is to be repeated (MRCR, Vodrahalli et al., arXiv 2409.12640, in the form of openai/mrcr).
// The answers are drawn words, so that nothing but the chat tells them, and their likeness is
// theirs alone. Unlike there the answer that is asked for stands at the depth that a grid wants.
#include "served/served_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_WORDS = 60, MOST_NEEDLES = 8 };

static const char *const FORMS[] = {"poem", "letter", "riddle", "speech",
                                    "song", "fable",  "toast",  "recipe"};
enum { N_FORMS = sizeof FORMS / sizeof *FORMS };

// "Write a FORM about TOPIC."
typedef struct kind {
    const char *form, *topic;
} kind;

static kind draw_kind(random_source *random) {
    kind k = {FORMS[random_below(random, N_FORMS)], NULL};
    k.topic = served_short_word((int)random_below(random, (uint32_t)served_n_short_words()));
    return k;
}

static bool same(kind a, kind b) {
    return a.form == b.form && a.topic == b.topic;
}

static void draw_text(random_source *random, text_buffer *text) {
    text->n = 0;
    for (int i = 0; i < N_WORDS; i++) {
        int word = (int)random_below(random, (uint32_t)served_n_short_words());
        text_add(text, "%s%s", i > 0 ? " " : "", served_short_word(word));
    }
    text_add_char(text, '.');
}

// Which of n places are of the asked kind, `asked` and n_needles - 1 others; returns how many stand
// before it.
static int draw_places(random_source *random, int n, int n_needles, int asked, bool *is_needle) {
    int before = 0;
    memset(is_needle, 0, (size_t)n * sizeof *is_needle);
    is_needle[asked] = true;
    for (int drawn = 1; drawn < n_needles;) {
        int at = (int)random_below(random, (uint32_t)n);
        if (is_needle[at]) continue;
        is_needle[at] = true;
        before += at < asked;
        drawn++;
    }
    return before;
}

static void add_message(prompt *p, const char *role, const text_buffer *text) {
    prompt_message(p, role);
    p->failed |= text->failed;
    if (text->data != NULL) prompt_add_n(p, text->data, text->n);
}

// The chat; *answer becomes what the asked request was answered.
static void add_chat(random_source *random, int n, const bool *is_needle, int asked, kind needle,
                     prompt *p, text_buffer *answer) {
    text_buffer request = {0}, text = {0};
    for (int i = 0; i < n && !p->failed; i++) {
        kind k = needle;
        while (!is_needle[i] && same(k, needle)) k = draw_kind(random);
        request.n = 0;
        text_add(&request, "Write a %s about %s.", k.form, k.topic);
        draw_text(random, &text);
        add_message(p, "user", &request);
        add_message(p, "assistant", &text);
        if (i == asked) text_add_n(answer, text.data, text.n);
    }
    text_free(&request);
    text_free(&text);
}

static const char *ordinal(int n) {
    return n == 1 ? "st" : n == 2 ? "nd" : n == 3 ? "rd" : "th";
}

static fv_status build_mrcr(const served_task *task, const served_source *source,
                            const served_sample_place *place, prompt *p, fv_error *error) {
    (void)source;
    int n = place->n_units;
    random_source random;
    text_buffer answer = {0};
    char begin[11];
    bool *is_needle = malloc((size_t)n * sizeof *is_needle);
    if (is_needle == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt");
    served_place_random(task, place, &random);
    for (size_t i = 0; i < sizeof begin - 1; i++)
        begin[i] = "0123456789abcdefghijklmnopqrstuvwxyz"[random_below(&random, 36)];
    begin[sizeof begin - 1] = '\0';
    kind needle = draw_kind(&random);
    int asked = isnan(place->depth) ? (int)random_below(&random, (uint32_t)n)
                                    : (int)lround((n - 1) * place->depth / 100);
    int rank = 1 + draw_places(&random, n, task->n_keys, asked, is_needle);
    text_add(&answer, "%s", begin);
    add_chat(&random, n, is_needle, asked, needle, p, &answer);
    free(is_needle);
    prompt_message(p, "user");
    prompt_add(p,
               "Prepend %s to the %d%s (1 indexed) %s about %s. Do not include any other text in "
               "your response.",
               begin, rank, ordinal(rank), needle.form, needle.topic);
    p->failed |= answer.failed;
    if (answer.data != NULL) prompt_answer(p, answer.data);
    prompt_answer(p, begin);
    text_free(&answer);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

// n_keys: how many requests are of the asked kind.
#define MRCR(needles)                                                                              \
    const served_task served_task_mrcr_##needles = {                                               \
        .name = "mrcr_" #needles,                                                                  \
        .help = "which of " #needles " answers of one kind in a chat is to be repeated",           \
        .build = build_mrcr,                                                                       \
        .hay = EVAL_HAY_NONE,                                                                      \
        .n_keys = needles,                                                                         \
        .has_depth = true,                                                                         \
        .max_tokens = 400,                                                                         \
        .unit = "tokens",                                                                          \
        .metric = EVAL_MRCR,                                                                       \
        .least_units = 2 * (needles)};
MRCR(2)
MRCR(4)
MRCR(8)
