#include "served/served_task.h"

#include <math.h>
#include <string.h>

// RULER's tasks (github.com/NVIDIA/RULER, scripts/data) by their names there and with their
// prompts, the first needle in a haystack (github.com/gkamradt/LLMTest_NeedleInAHaystack), and the
// two tasks of "Lost in the Middle" (Liu et al., arXiv 2307.03172).
#define NIAH(title, haystack, keys, values, n_key, n_value, n_query, about)                        \
    {                                                                                              \
        .name = title, .help = about, .build = eval_build_niah, .hay = EVAL_HAY_##haystack,        \
        .key = EVAL_##keys, .value = EVAL_##values, .n_keys = n_key, .n_values = n_value,          \
        .n_queries = n_query, .has_depth = (n_value) * (n_query) == 1, .max_tokens = 128,          \
        .unit = "tokens", .least_units = 1, .distracts = true                                      \
    }
#define KV(title, about)                                                                           \
    {                                                                                              \
        .name = title, .help = about, .build = eval_build_kv, .hay = EVAL_HAY_PAIRS,               \
        .key = EVAL_UUIDS, .value = EVAL_UUIDS, .has_depth = true, .max_tokens = 100,              \
        .unit = "pairs", .least_units = 2, .distracts = true                                       \
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
    {.name = "vt",
     .help = "which variables got a value, through a chain of assignments",
     .build = eval_build_chain,
     .max_tokens = 30,
     .unit = "tokens",
     .least_units = 5},
    {.name = "cwe",
     .help = "the ten most common words of a list",
     .build = eval_build_common,
     .max_tokens = 120,
     .unit = "tokens",
     .least_units = 1},
    {.name = "fwe",
     .help = "the three most frequent words of a coded text",
     .build = eval_build_frequent,
     .max_tokens = 50,
     .unit = "tokens",
     .least_units = 200},
    {.name = "qa_1",
     .help = "a question about one of SQuAD's documents, --documents",
     .build = eval_build_reading,
     .reading = READING_SQUAD,
     .metric = EVAL_MATCH_PART,
     .has_depth = true,
     .max_tokens = 32,
     .unit = "tokens",
     .least_units = 1,
     .spread = 0.1},
    {.name = "qa_2",
     .help = "a question about two of HotpotQA's documents, --documents",
     .build = eval_build_reading,
     .reading = READING_HOTPOTQA,
     .metric = EVAL_MATCH_PART,
     .max_tokens = 32,
     .unit = "tokens",
     .least_units = 1,
     .spread = 0.1},
    {.name = "classic",
     .help = "the sandwich in San Francisco, the first needle in a haystack",
     .build = eval_build_classic,
     .hay = EVAL_HAY_TEXT,
     .has_depth = true,
     .max_tokens = 300,
     .unit = "tokens",
     .least_units = 1},
    KV("kv", "the value of a key in a JSON object of uuids"),
    KV("kv_query_aware", "the same, the key named before the object too"),
    {.name = "qa",
     .help = "a question about one of the documents of --documents",
     .build = eval_build_documents,
     .metric = EVAL_SUBSPAN,
     .has_depth = true,
     .max_tokens = 100,
     .unit = "documents",
     .least_units = 1,
     .spread = 0.4},
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
