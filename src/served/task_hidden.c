// A sentence hidden in texts and a question about it: the first needle in a haystack, and needles
// that share no word with their question, so that to find one is to understand it (NoLiMa, Modarressi
// et al., arXiv 2502.05167).
#include "served/served_task.h"
#include "served/told_needles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// One sample's needle, its words drawn.
typedef struct hidden {
    const json_t *row;
    char key[EVAL_VALUE_SIZE], value[EVAL_VALUE_SIZE];
    prompt_insert inserts[1 + TOLD_MOST_DISTRACTORS]; // the needle among its distractors
    char *texts[1 + TOLD_MOST_DISTRACTORS];
    int n;
} hidden;

static char *fill(const hidden *h, const json_t *text) {
    const char *plain = json_string_value(text);
    return plain != NULL ? told_needles_fill(plain, h->key, h->value) : NULL;
}

// Hides a text, with line breaks around it where `apart` is set.
static void hide(hidden *h, const json_t *text, int at, bool apart, prompt *p) {
    text_buffer whole = {0};
    char *filled = fill(h, text);
    text_add(&whole, "%s%s%s", apart ? "\n" : "", filled ? filled : "", apart ? "\n" : "");
    p->failed |= filled == NULL || whole.failed;
    free(filled);
    h->texts[h->n] = whole.data;
    h->inserts[h->n++] = (prompt_insert){at, whole.data ? whole.data : ""};
}

static int by_place(const void *left, const void *right) {
    const prompt_insert *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

// Draws what is to be drawn, and where everything stands: the needle at its depth, distractors
// anywhere.
static void hide_all(hidden *h, const served_task *task, const served_sample_place *place,
                     bool apart, prompt *p) {
    random_source random;
    double depth = place->depth;
    size_t i;
    const json_t *text;
    served_place_random(task, place, &random);
    if (isnan(depth)) served_draw_depths(&random, 1, &depth);
    served_draw(&random, EVAL_WORDS, h->key);
    served_draw(&random, EVAL_NUMBERS, h->value);
    hide(h, json_object_get(h->row, "needle"), (int)(place->n_units * (depth / 100)), apart, p);
    json_array_foreach(json_object_get(h->row, "distractors"), i, text) {
        hide(h, text, (int)random_below(&random, (uint32_t)place->n_units + 1), apart, p);
    }
    qsort(h->inserts, (size_t)h->n, sizeof *h->inserts, by_place);
}

static void add_question(const hidden *h, prompt *p) {
    char *question = fill(h, json_object_get(h->row, "question"));
    p->failed |= question == NULL;
    if (question != NULL) prompt_add_n(p, question, strlen(question));
    free(question);
}

static fv_status finish(hidden *h, prompt *p, fv_error *error) {
    size_t i;
    const json_t *text;
    prompt_end(p, "");
    json_array_foreach(json_object_get(h->row, "answers"), i, text) {
        char *answer = fill(h, text);
        p->failed |= answer == NULL;
        if (answer != NULL) prompt_answer(p, answer);
        free(answer);
    }
    for (int k = 0; k < h->n; k++) free(h->texts[k]);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

static void add_texts(const hidden *h, const served_source *source,
                      const served_sample_place *place, prompt *p) {
    const haystack *hay = &source->hay[place->hay];
    prompt_add_context(p, hay, haystack_offset(hay, place->seed, place->sample), place->n_units,
                       h->inserts, h->n);
}

static fv_status build_classic(const served_task *task, const served_source *source,
                               const served_sample_place *place, prompt *p, fv_error *error) {
    hidden h = {.row = source->needle};
    hide_all(&h, task, place, true, p);
    p->system = "You are a helpful AI bot that answers questions for a user. Keep your response "
                "short and direct";
    add_texts(&h, source, place, p);
    prompt_add(p, "\n\n");
    add_question(&h, p);
    prompt_add(p, " Don't give information outside the document or repeat your findings");
    return finish(&h, p, error);
}

static fv_status build_latent(const served_task *task, const served_source *source,
                              const served_sample_place *place, prompt *p, fv_error *error) {
    size_t n = json_array_size(source->needles);
    hidden h = {.row = json_array_get(source->needles, (size_t)place->sample % n)};
    hide_all(&h, task, place, false, p);
    prompt_add(p, "You will answer a question based on the following book snippet:\n\n");
    add_texts(&h, source, place, p);
    prompt_add(p, "\n\nUse the information provided in the book snippet to answer the question. "
                  "Your answer should be short and based on either explicitly stated facts or "
                  "strong, logical inferences.\n\nQuestion: ");
    add_question(&h, p);
    prompt_add(p, "\n\nReturn only the final answer with no additional explanation or reasoning.");
    return finish(&h, p, error);
}

// The first needle in a haystack (github.com/gkamradt/LLMTest_NeedleInAHaystack).
const served_task served_task_classic = {
    .name = "classic",
    .help = "the sandwich in San Francisco, the first needle in a haystack, or --needle",
    .build = build_classic,
    .any_hay = true,
    .hay = EVAL_HAY_TEXT,
    .needles = EVAL_NEEDLE_TOLD,
    .has_depth = true,
    .max_tokens = 300,
    .unit = "tokens",
    .least_units = 1,
};

const served_task served_task_latent = {
    .name = "latent",
    .help = "a needle of --needles that shares no word with its question, in texts",
    .build = build_latent,
    .any_hay = true,
    .hay = EVAL_HAY_TEXT,
    .needles = EVAL_NEEDLES_FILE,
    .metric = EVAL_MATCH_PART,
    .has_depth = true,
    .max_tokens = 128,
    .unit = "tokens",
    .least_units = 1,
};
