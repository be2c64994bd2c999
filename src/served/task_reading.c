// RULER's qa tasks: a question about one of many documents (SQuAD), or about two of them
// (HotpotQA). The question's own documents stand among others: first those that its file puts
// beside them, then any.
//
// Documents differ in length, and questions in their own documents: a unit of haystack is so many
// bytes of documents, and a prompt has as many documents as fit into its units. That keeps the
// prompts of one length alike, and all of them within it.
#include "served/served_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNIT_BYTES = 64,
    PATIENCE = 16 // documents too long for what is left, before a prompt is full
};

// What a prompt's documents are drawn from and how many bytes they may have.
typedef struct choice {
    const reading *r;
    int *documents; // [capacity]
    int n, capacity;
    bool *taken; // [n_units of the haystack]
    size_t bytes, budget;
    int misses; // documents that were too long
} choice;

static size_t size_of(const reading *r, int document) {
    return r->documents.raw_at[document + 1] - r->documents.raw_at[document];
}

static bool add(choice *c, int document) {
    if (c->n == c->capacity) {
        int capacity = c->capacity > 0 ? 2 * c->capacity : 64;
        int *grown = realloc(c->documents, (size_t)capacity * sizeof *grown);
        if (grown == NULL) return false;
        c->documents = grown;
        c->capacity = capacity;
    }
    c->documents[c->n++] = document;
    c->taken[document] = true;
    c->bytes += size_of(c->r, document);
    return true;
}

// Adds documents of a list in random order; `again` those that are there already.
static bool add_some(choice *c, random_source *random, int *list, int n, bool again) {
    for (int i = 0; i < n && c->misses < PATIENCE; i++) {
        int j = i + (int)random_below(random, (uint32_t)(n - i)), drawn = list[j];
        list[j] = list[i];
        list[i] = drawn;
        if (c->taken[drawn] && !again) continue;
        if (c->bytes + size_of(c->r, drawn) > c->budget)
            c->misses++;
        else if (!add(c, drawn))
            return false;
    }
    return true;
}

// Its own documents, those beside them, others; where there are no more, all of them again.
static bool choose(choice *c, const reading_question *q, random_source *random) {
    int n_all = c->r->documents.n_units;
    const int *numbers = c->r->numbers;
    int *list = malloc((size_t)(n_all > q->n_more ? n_all : q->n_more) * sizeof *list);
    bool good = list != NULL;
    for (int i = 0; i < q->n_own && good; i++)
        if (!c->taken[numbers[q->own + i]]) good = add(c, numbers[q->own + i]);
    if (good && q->n_more > 0) {
        memcpy(list, numbers + q->more, (size_t)q->n_more * sizeof *list);
        good = add_some(c, random, list, q->n_more, false);
    }
    for (int i = 0; i < n_all && good; i++) list[i] = i;
    for (bool again = false; good && c->misses < PATIENCE; again = true)
        good = add_some(c, random, list, n_all, again);
    free(list);
    return good;
}

// The first of them, the only one of its own, stands at a depth; else wherever chance puts it.
static void arrange(choice *c, random_source *random, double depth) {
    if (isnan(depth)) {
        served_shuffle(random, c->documents, c->n);
        return;
    }
    int own = c->documents[0], at = (int)lround((c->n - 1) * depth / 100);
    served_shuffle(random, c->documents + 1, c->n - 1);
    memmove(c->documents, c->documents + 1, (size_t)at * sizeof own);
    c->documents[at] = own;
}

static void write_prompt(const choice *c, const reading_question *q, prompt *p) {
    static const char TASK[] = "Answer the question based on the given documents. Only give me the "
                               "answer and do not output any other words.\n\n";
    prompt_add(p, "%sThe following are given documents.\n\n", TASK);
    for (int i = 0; i < c->n; i++) {
        prompt_add(p, "Document %d:\n", i + 1);
        prompt_add_units(p, &c->r->documents, c->documents[i], 1);
    }
    prompt_add(p, "%sQuestion: ", TASK);
    prompt_add_n(p, json_string_value(q->query), json_string_length(q->query));
    prompt_end(p, " Answer:");
    const char *answer;
    for (size_t i = 0; (answer = reading_answer(q, i)) != NULL; i++) prompt_answer(p, answer);
}

static fv_status build_reading(const served_task *task, const served_source *source,
                               const served_sample_place *place, prompt *p, fv_error *error) {
    const reading *r = source->readings[task->reading];
    const reading_question *q = &r->questions[place->sample % r->n_questions];
    const haystack *h = &r->documents;
    random_source random; // the same at every depth: prompts that share their documents
    served_random(&random, place->seed, task->name, -1, place->sample);
    choice c = {.r = r, .taken = calloc((size_t)h->n_units, sizeof *c.taken)};
    c.budget = (size_t)UNIT_BYTES * (size_t)place->n_units;
    p->failed |= c.taken == NULL || !choose(&c, q, &random);
    if (!p->failed) {
        arrange(&c, &random, task->has_depth ? place->depth : NAN);
        write_prompt(&c, q, p);
    }
    free(c.taken);
    free(c.documents);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

const served_task served_task_qa_1 = {
    .name = "qa_1",
    .help = "a question about one of SQuAD's documents, --documents",
    .build = build_reading,
    .hay = EVAL_HAY_READING,
    .reading = READING_SQUAD,
    .metric = EVAL_MATCH_PART,
    .has_depth = true,
    .max_tokens = 32,
    .unit = "tokens",
    .least_units = 1,
    .spread = 0.1,
};

const served_task served_task_qa_2 = {
    .name = "qa_2",
    .help = "a question about two of HotpotQA's documents, --documents",
    .build = build_reading,
    .hay = EVAL_HAY_READING,
    .reading = READING_HOTPOTQA,
    .metric = EVAL_MATCH_PART,
    .max_tokens = 32,
    .unit = "tokens",
    .least_units = 1,
    .spread = 0.1,
};
