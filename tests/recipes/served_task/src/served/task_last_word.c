// The last word of a list: nothing to search for, but the end to be found.
#include "served/served_task.h"

static fv_status build(const served_task *task, const served_source *source,
                       const served_sample_place *place, prompt *p, fv_error *error) {
    (void)source;
    random_source random;
    char word[EVAL_VALUE_SIZE] = "";
    served_place_random(task, place, &random);
    prompt_add(p, "Read this list of words.\n");
    for (int i = 0; i < place->n_units; i++) {
        served_word((int)random_below(&random, (uint32_t)served_n_words()), word, sizeof word);
        prompt_add(p, "%s ", word);
    }
    prompt_add(p, "\nQuestion: What is the last word of the list?");
    prompt_end(p, " Answer: The last word is");
    prompt_answer(p, word);
    return p->failed ? fv_fail(error, FV_NO_MEMORY, "out of memory for a prompt") : FV_OK;
}

const served_task served_task_last_word = {
    .name = "last_word",
    .help = "the last word of a list",
    .build = build,
    .hay = EVAL_HAY_NONE,
    .max_tokens = 16,
    .unit = "tokens",
    .least_units = 1,
};
