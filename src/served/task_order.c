// The same question and the same documents in three orders: does it help to put what matters most at
// the beginning and the end? Documents rank by the file's `score`, where all of a question's have
// one, else as they come in the file.
#include "served/qa_documents.h"

#include <stdlib.h>
#include <string.h>

typedef struct ranked {
    const json_t *document;
    double score;
    size_t place; // in the file
} ranked;

static int by_rank(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    if (a->score != b->score) return a->score < b->score ? 1 : -1;
    return (a->place > b->place) - (a->place < b->place);
}

// A number, or a number as a text, as retrievers write it.
static bool read_score(const json_t *document, double *score) {
    const json_t *value = json_object_get(document, "score");
    *score = json_number_value(value);
    return json_is_number(value) ||
           (json_is_string(value) && text_to_real(json_string_value(value), score));
}

static void rank(const json_t *contexts, ranked *all, size_t n) {
    bool scored = true;
    for (size_t i = 0; i < n; i++) {
        all[i] = (ranked){.document = json_array_get(contexts, i), .place = i};
        scored &= read_score(all[i].document, &all[i].score);
    }
    for (size_t i = 0; i < n && !scored; i++) all[i].score = 0;
    qsort(all, n, sizeof *all, by_rank);
}

// The one with the answer, the first of several, and the first others, n together, by their rank.
static void choose(const ranked *all, size_t n_all, const json_t **chosen, int n) {
    bool gold = false;
    int n_chosen = 0, n_others = 0;
    for (size_t i = 0; i < n_all && n_chosen < n; i++) {
        bool is_gold = qa_is_gold(all[i].document);
        if (is_gold ? gold : n_others == n - 1) continue;
        gold |= is_gold;
        n_others += !is_gold;
        chosen[n_chosen++] = all[i].document;
    }
}

// The first, third, fifth ... from the beginning on, the second, fourth ... from the end: the least
// important stand in the middle.
static void put_at_ends(const json_t *const *by_rank, const json_t **to, int n) {
    for (int i = 0; i < n; i++) to[i % 2 == 0 ? i / 2 : n - 1 - i / 2] = by_rank[i];
}

static void shuffle(const served_task *task, const served_sample_place *place,
                    const json_t **documents, int n) {
    random_source random;
    served_place_random(task, place, &random);
    for (int i = n - 1; i > 0; i--) {
        int other = (int)random_below(&random, (uint32_t)i + 1);
        const json_t *kept = documents[i];
        documents[i] = documents[other];
        documents[other] = kept;
    }
}

static fv_status build_order(const served_task *task, const served_source *source,
                             const served_sample_place *place, prompt *p, fv_error *error) {
    const json_t *line = qa_line(source, place->sample);
    const json_t *contexts = json_object_get(line, "ctxs");
    size_t n_all = json_array_size(contexts), n = (size_t)place->n_units;
    fv_status status = qa_check_size(line, place->n_units, error);
    if (status != FV_OK) return status;
    ranked *all = malloc(n_all * sizeof *all);
    const json_t **documents = malloc(2 * n * sizeof *documents), **ordered = documents;
    if (all != NULL && documents != NULL) {
        rank(contexts, all, n_all);
        choose(all, n_all, documents, place->n_units);
        if (strcmp(task->order, "ends") == 0)
            put_at_ends(documents, ordered = documents + n, place->n_units);
        if (strcmp(task->order, "shuffled") == 0) shuffle(task, place, documents, place->n_units);
        status = qa_add_prompt(p, line, ordered, place->n_units, error);
    } else {
        status = fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt");
    }
    free(all);
    free(documents);
    return status;
}

#define ORDER(title, about)                                                                        \
    const served_task served_task_qa_##title = {.name = "qa_" #title,                              \
                                                .help = "qa with its documents " about,            \
                                                .build = build_order,                              \
                                                .hay = EVAL_HAY_DOCUMENTS,                         \
                                                .metric = EVAL_SUBSPAN,                            \
                                                .max_tokens = 100,                                 \
                                                .unit = "documents",                               \
                                                .least_units = 1,                                  \
                                                .spread = 0.4,                                     \
                                                .order = #title};
// clang-format off
ORDER(ends, "from the most important at both ends to the least in the middle")
ORDER(rank, "from the most important to the least")
ORDER(shuffled, "in random order")
// clang-format on
