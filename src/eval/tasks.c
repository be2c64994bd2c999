#include "eval/task.h"

#include <math.h>
#include <string.h>

// RULER's tasks (github.com/NVIDIA/RULER, scripts/data) by their names there and with their
// prompts, the first needle in a haystack (github.com/gkamradt/LLMTest_NeedleInAHaystack), and the
// two tasks of "Lost in the Middle" (Liu et al., arXiv 2307.03172).
#define NIAH(name, hay, key, value, keys, values, queries, help)                                   \
    {                                                                                              \
        name, help, eval_build_niah, EVAL_HAY_##hay, EVAL_##key, EVAL_##value, keys, values,       \
            queries, (values) * (queries) == 1, 128, "tokens", EVAL_MATCH_ALL, 1, true, 0, false   \
    }
static const eval_task TASKS[] = {
    NIAH("niah_single_1", NOISE, WORDS, NUMBERS, 1, 1, 1, "a number in repeated sentences"),
    NIAH("niah_single_2", TEXT, WORDS, NUMBERS, 1, 1, 1, "a number in the texts of --haystack"),
    NIAH("niah_single_3", TEXT, WORDS, UUIDS, 1, 1, 1, "a uuid in the texts of --haystack"),
    NIAH("niah_multikey_1", TEXT, WORDS, NUMBERS, 4, 1, 1, "one of four needles in texts"),
    NIAH("niah_multikey_2", NEEDLES, WORDS, NUMBERS, 1, 1, 1, "a needle among needles alone"),
    NIAH("niah_multikey_3", UUID_NEEDLES, UUIDS, UUIDS, 1, 1, 1, "a uuid among uuids alone"),
    NIAH("niah_multivalue", TEXT, WORDS, NUMBERS, 1, 4, 1, "four values of one key in texts"),
    NIAH("niah_multiquery", TEXT, WORDS, NUMBERS, 4, 1, 4, "four keys asked for at once"),
    {"vt", "which variables got a value, through a chain of assignments", eval_build_chain,
     EVAL_HAY_NOISE, EVAL_WORDS, EVAL_NUMBERS, 1, 1, 1, false, 30, "tokens", EVAL_MATCH_ALL, 5,
     false, 0, false},
    {"cwe", "the ten most common words of a list", eval_build_common, EVAL_HAY_NOISE, EVAL_WORDS,
     EVAL_WORDS, 1, 1, 1, false, 120, "tokens", EVAL_MATCH_ALL, 1, false, 0, false},
    {"fwe", "the three most frequent words of a coded text", eval_build_frequent, EVAL_HAY_NOISE,
     EVAL_WORDS, EVAL_WORDS, 1, 1, 1, false, 50, "tokens", EVAL_MATCH_ALL, 200, false, 0, false},
    {"classic", "the sandwich in San Francisco, the first needle in a haystack", eval_build_classic,
     EVAL_HAY_TEXT, EVAL_WORDS, EVAL_WORDS, 1, 1, 1, true, 300, "tokens", EVAL_MATCH_ALL, 1, false,
     0, false},
    {"kv", "the value of a key in a JSON object of uuids", eval_build_kv, EVAL_HAY_PAIRS,
     EVAL_UUIDS, EVAL_UUIDS, 1, 1, 1, true, 100, "pairs", EVAL_MATCH_ALL, 2, true, 0, false},
    {"kv_query_aware", "the same, the key named before the object too", eval_build_kv,
     EVAL_HAY_PAIRS, EVAL_UUIDS, EVAL_UUIDS, 1, 1, 1, true, 100, "pairs", EVAL_MATCH_ALL, 2, true,
     0, false},
    {"qa", "a question about one of the documents of --documents", eval_build_documents,
     EVAL_HAY_NOISE, EVAL_WORDS, EVAL_WORDS, 1, 1, 1, true, 100, "documents", EVAL_SUBSPAN, 1,
     false, 0.4, false},
};
enum { N_TASKS = sizeof TASKS / sizeof *TASKS };

const eval_task *eval_tasks(int *n) {
    *n = N_TASKS;
    return TASKS;
}

const eval_task *eval_task_find(const char *name) {
    for (int i = 0; i < N_TASKS; i++)
        if (strcmp(TASKS[i].name, name) == 0) return &TASKS[i];
    return NULL;
}

bool eval_task_fits(const eval_task *task) {
    return !task->as_is && strcmp(task->unit, "tokens") == 0;
}

void eval_place_random(const eval_task *task, const eval_place *place, fv_random *random) {
    int64_t depth = isnan(place->depth) ? -1 : llround(1000 * place->depth);
    eval_random(random, place->seed, task->name, (int64_t)place->length << 20 | (depth & 0xfffff),
                place->sample);
}
