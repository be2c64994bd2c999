// Needles: "One of the special magic numbers for quiet-otter is: 1234567." somewhere in a haystack,
// and a question for it at the end.
#include "served/served_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NEEDLES = 4 };

typedef struct needle {
    char key[EVAL_VALUE_SIZE], value[EVAL_VALUE_SIZE], text[HAYSTACK_NEEDLE_SIZE];
    int at; // the unit before which it stands
} needle;

static bool taken(const needle *needles, int n, const char *key) {
    for (int i = 0; i < n; i++)
        if (strcmp(needles[i].key, key) == 0) return true;
    return false;
}

// n_keys keys with n_values values each; the first n_queries keys are asked for.
static int make_needles(const served_task *task, const served_sample_place *place,
                        random_source *random, needle *needles) {
    int n = 0;
    double depths[MOST_NEEDLES];
    for (int k = 0; k < task->n_keys; k++) {
        char key[EVAL_VALUE_SIZE];
        do served_draw(random, task->key, key);
        while (taken(needles, n, key));
        for (int v = 0; v < task->n_values; v++, n++) {
            memcpy(needles[n].key, key, sizeof key);
            served_draw(random, task->value, needles[n].value);
            haystack_needle(task->value, key, needles[n].value, needles[n].text);
        }
    }
    served_draw_depths(random, n, depths);
    if (task->has_depth && !isnan(place->depth)) depths[0] = place->depth;
    for (int i = 0; i < n; i++) needles[i].at = (int)(place->n_units * (depths[i] / 100));
    return n;
}

static int by_place(const void *left, const void *right) {
    const prompt_insert *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

// "a", "a, and b", "a, b, and c"
static void join_keys(const needle *needles, int n, text_buffer *out) {
    for (int i = 0; i < n; i++)
        text_add(out, "%s%s%s", i > 0 ? ", " : "", i > 0 && i == n - 1 ? "and " : "",
                 needles[i].key);
}

static fv_status build_niah(const served_task *task, const served_source *source,
                            const served_sample_place *place, prompt *p, fv_error *error) {
    const haystack *h = &source->hay[place->hay];
    needle needles[MOST_NEEDLES];
    prompt_insert inserts[MOST_NEEDLES];
    random_source random;
    served_place_random(task, place, &random);
    int n = make_needles(task, place, &random, needles);
    int n_asked = task->n_queries * task->n_values;
    for (int i = 0; i < n; i++) inserts[i] = (prompt_insert){needles[i].at, needles[i].text};
    qsort(inserts, (size_t)n, sizeof *inserts, by_place);

    text_buffer query = {0}, prefix = {0};
    if (task->n_values > 1)
        text_add(&query, "%s", needles[0].key);
    else
        join_keys(needles, task->n_queries, &query);
    char kind[16]; // the singular where one value is asked for
    bool one = n_asked == 1;
    snprintf(kind, sizeof kind, "%s", served_kind_text(task->value));
    if (one) kind[strlen(kind) - 1] = '\0';
    prompt_add(p,
               "%s special magic %s %s hidden within the following text. Make sure to memorize it. "
               "I will quiz you about the %s afterwards.\n",
               one ? "A" : "Some", kind, one ? "is" : "are", kind);
    prompt_add_context(p, h, haystack_offset(h, place->seed, place->sample), place->n_units,
                       inserts, n);
    prompt_add(p, "\nWhat %s special magic %s for %s mentioned in the provided text?",
               one ? "is the" : "are all the", kind, query.data ? query.data : "");
    text_add(&prefix, " The special magic %s for %s mentioned in the provided text %s", kind,
             query.data ? query.data : "", one ? "is" : "are");
    prompt_end(p, prefix.data ? prefix.data : "");
    for (int i = 0; i < n_asked; i++) prompt_answer(p, needles[i].value);
    p->failed |= query.failed || prefix.failed;
    text_free(&query);
    text_free(&prefix);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

// RULER's (github.com/NVIDIA/RULER, scripts/data), by their names there and with their prompts.
#define NIAH(title, haystack, keys, values, n_key, n_value, n_query, about)                        \
    const served_task served_task_##title = {.name = #title,                                       \
                                             .help = about,                                        \
                                             .build = build_niah,                                  \
                                             .hay = EVAL_HAY_##haystack,                           \
                                             .any_hay = true,                                      \
                                             .key = EVAL_##keys,                                   \
                                             .value = EVAL_##values,                               \
                                             .n_keys = n_key,                                      \
                                             .n_values = n_value,                                  \
                                             .n_queries = n_query,                                 \
                                             .has_depth = (n_value) * (n_query) == 1,              \
                                             .max_tokens = 128,                                    \
                                             .unit = "tokens",                                     \
                                             .least_units = 1,                                     \
                                             .form = EVAL_FORM_VALUE,                              \
                                             .distracts = true};
// clang-format off
NIAH(niah_single_1, NOISE, WORDS, NUMBERS, 1, 1, 1, "a number in repeated sentences")
NIAH(niah_single_2, TEXT, WORDS, NUMBERS, 1, 1, 1, "a number in the texts of --haystack")
NIAH(niah_single_3, TEXT, WORDS, UUIDS, 1, 1, 1, "a uuid in the texts of --haystack")
NIAH(niah_multikey_1, TEXT, WORDS, NUMBERS, 4, 1, 1, "one of four needles in texts")
NIAH(niah_multikey_2, NEEDLES, WORDS, NUMBERS, 1, 1, 1, "a needle among needles alone")
NIAH(niah_multikey_3, UUID_NEEDLES, UUIDS, UUIDS, 1, 1, 1, "a uuid among uuids alone")
NIAH(niah_multivalue, TEXT, WORDS, NUMBERS, 1, 4, 1, "four values of one key in texts")
NIAH(niah_multiquery, TEXT, WORDS, NUMBERS, 4, 1, 4, "four keys asked for at once")
// clang-format on
