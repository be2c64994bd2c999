// What the prompts of a call are made from, as its options say.
#include "served/served.h"

source_options served_source_options(const fv_served_options *o) {
    source_options from = {.haystack = o->haystack,
                           .documents = o->documents,
                           .needles = o->needles,
                           .needle = o->needle,
                           .question = o->question,
                           .answer = o->answer,
                           .seed = o->seed,
                           .longest = 1};
    for (int l = 0; l < o->n_lengths; l++)
        if (o->lengths[l] > from.longest) from.longest = o->lengths[l];
    return from;
}

fv_status served_check_sources(const fv_served_options *o, fv_error *error) {
    bool reads_documents = false, takes_haystack = false, reads_needles = false, is_told = false;
    for (int t = 0; t < o->n_tasks; t++) {
        const served_task *task = served_task_find(o->tasks[t]);
        if (task == NULL) continue;
        reads_documents |= task->hay == EVAL_HAY_DOCUMENTS || task->hay == EVAL_HAY_READING;
        takes_haystack |= source_takes_haystack(task);
        reads_needles |= task->needles == EVAL_NEEDLES_FILE;
        is_told |= task->needles == EVAL_NEEDLE_TOLD;
    }
    if (o->documents != NULL && !reads_documents)
        return fv_fail(error, FV_USAGE, "%s asks about no documents; leave out --documents",
                       o->tasks[0]);
    if (o->needles != NULL && !reads_needles)
        return fv_fail(error, FV_USAGE,
                       "%s has needles of its own; leave out --needles, or ask --task latent",
                       o->tasks[0]);
    if ((o->needle != NULL || o->question != NULL || o->answer != NULL) && !is_told)
        return fv_fail(
            error, FV_USAGE,
            "%s has a needle of its own; leave out --needle, --question and --answer, or "
            "ask --task classic",
            o->tasks[0]);
    if (o->haystack != NULL && !takes_haystack)
        return fv_fail(error, FV_USAGE, "%s has a haystack of its own alone; leave out --haystack",
                       o->tasks[0]);
    return FV_OK;
}
