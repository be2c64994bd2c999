// The two tasks of "Lost in the Middle": a value of a JSON object, a question about one of many
// documents.
#include "served/qa_documents.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The place of the answer among n: the first at depth 0, the last at 100.
static int place_of(const served_task *task, const served_sample_place *place, int n) {
    random_source random;
    served_random(&random, place->seed, task->name, -1, place->sample);
    if (isnan(place->depth)) return (int)random_below(&random, (uint32_t)n);
    return (int)lround((n - 1) * place->depth / 100);
}

static fv_status build_kv(const served_task *task, const served_source *source,
                          const served_sample_place *place, prompt *p, fv_error *error) {
    const haystack *h = &source->hay[EVAL_HAY_PAIRS];
    char key[EVAL_VALUE_SIZE], value[EVAL_VALUE_SIZE], pair[2 * EVAL_VALUE_SIZE + 8];
    random_source random;
    served_place_random(task, place, &random);
    served_draw(&random, EVAL_UUIDS, key);
    served_draw(&random, EVAL_UUIDS, value);
    snprintf(pair, sizeof pair, "\"%s\": \"%s\"", key, value);
    prompt_add(p, "Extract the value corresponding to the specified key in the JSON object below."
                  "\n\n");
    if (strcmp(task->name, "kv_query_aware") == 0) prompt_add(p, "Key: \"%s\"\n\n", key);
    prompt_add(p, "JSON data:\n{");
    prompt_insert insert = {place_of(task, place, place->n_units), pair};
    prompt_add_context(p, h, haystack_offset(h, place->seed, place->sample), place->n_units - 1,
                       &insert, 1);
    prompt_add(p, "}\n\nKey: \"%s\"\n", key);
    prompt_end(p, "Corresponding value:");
    prompt_answer(p, value);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

// --- documents ---------------------------------------------------------------------------------

static fv_status build_documents(const served_task *task, const served_source *source,
                                 const served_sample_place *place, prompt *p, fv_error *error) {
    const json_t *line = qa_line(source, place->sample), *gold = NULL;
    const json_t *contexts = json_object_get(line, "ctxs");
    size_t n = json_array_size(contexts), at = 0;
    fv_status status = qa_check_size(line, place->n_units, error);
    if (status != FV_OK) return status;
    const json_t **documents = malloc((size_t)place->n_units * sizeof *documents);
    if (documents == NULL) return fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt");
    for (size_t i = 0; i < n && gold == NULL; i++)
        if (qa_is_gold(json_array_get(contexts, i))) gold = json_array_get(contexts, i);
    int gold_at = place_of(task, place, place->n_units);
    for (int i = 0; i < place->n_units; i++) {
        while (i != gold_at && qa_is_gold(json_array_get(contexts, at))) at++;
        documents[i] = i == gold_at ? gold : json_array_get(contexts, at++);
    }
    status = qa_add_prompt(p, line, documents, place->n_units, error);
    free(documents);
    return status;
}

// The two of "Lost in the Middle" (Liu et al., arXiv 2307.03172).
#define KV(title, about)                                                                           \
    const served_task served_task_##title = {.name = #title,                                       \
                                             .help = about,                                        \
                                             .build = build_kv,                                    \
                                             .hay = EVAL_HAY_PAIRS,                                \
                                             .key = EVAL_UUIDS,                                    \
                                             .value = EVAL_UUIDS,                                  \
                                             .has_depth = true,                                    \
                                             .max_tokens = 100,                                    \
                                             .unit = "pairs",                                      \
                                             .least_units = 2,                                     \
                                             .form = EVAL_FORM_VALUE,                              \
                                             .distracts = true};
// clang-format off
KV(kv, "the value of a key in a JSON object of uuids")
KV(kv_query_aware, "the same, the key named before the object too")
// clang-format on

const served_task served_task_qa = {
    .name = "qa",
    .help = "a question about one of the documents of --documents",
    .build = build_documents,
    .hay = EVAL_HAY_DOCUMENTS,
    .metric = EVAL_SUBSPAN,
    .has_depth = true,
    .max_tokens = 100,
    .unit = "documents",
    .least_units = 1,
    .spread = 0.4,
};
