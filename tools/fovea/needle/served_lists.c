#include "needle/served_lists.h"

#include "number_list.h"
#include "progress.h"
#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int read_lengths(const served_request *r, served_lists *l) {
    int n = number_list_whole(r->lengths, 1, 100000000, l->lengths, SERVED_MOST_LIST);
    l->options.n_lengths = n;
    l->options.lengths = l->lengths;
    if (n > 0) return EXIT_DONE;
    return tool_usage_error("%s: lengths are whole numbers with commas, as in 1000,2000,4000, not "
                            "'%s'",
                            r->verb, r->lengths);
}

// One number is no axis: its answers count whatever they were asked under.
static int read_loads(const served_request *r, served_lists *l) {
    enum { MOST_IN_FLIGHT = 1024 };
    int n = number_list_whole(r->concurrency, 1, MOST_IN_FLIGHT, l->loads, SERVED_MOST_LIST);
    if (n < 1)
        return tool_usage_error("%s: --concurrency is a whole number from 1 to %d, or several with "
                                "commas as in 1,16,64, not '%s'",
                                r->verb, MOST_IN_FLIGHT, r->concurrency);
    l->options.in_flight = l->loads[0];
    l->options.loads = l->loads;
    l->options.n_loads = n > 1 ? n : 0;
    if (n == 1 || r->predictions == NULL) return EXIT_DONE;
    return tool_usage_error("%s: --predictions writes the answers under one load; give one number "
                            "to --concurrency",
                            r->verb);
}

static int read_depths(const served_request *r, served_lists *l) {
    int n = number_list(r->depths, l->depths, SERVED_MOST_LIST);
    l->options.n_depths = n;
    l->options.depths = l->depths;
    if (n < 0)
        return tool_usage_error("%s: depths are percentages with commas or a range, as in 0,50,100 "
                                "or 0..100, not '%s'",
                                r->verb, r->depths);
    for (int i = 0; i < n; i++)
        if (l->depths[i] < 0 || l->depths[i] > 100)
            return tool_usage_error("%s: a depth is a percentage from 0 to 100, not %g", r->verb,
                                    l->depths[i]);
    return EXIT_DONE;
}

static bool has_depth(const char *task) {
    for (int i = 0; fv_eval_task_name(i) != NULL; i++)
        if (strcmp(fv_eval_task_name(i), task) == 0) return fv_eval_task_has_depth(i);
    return true; // the name is refused later
}

// What no task has is not asked for in vain.
static int check_depths(const served_request *r, const served_lists *l) {
    bool any = false;
    for (int t = 0; t < l->options.n_tasks; t++) any |= has_depth(l->tasks[t]);
    if (any || !r->depths_given) return EXIT_DONE;
    return tool_usage_error("%s: %s has no depth; leave out --depths", r->verb, l->tasks[0]);
}

// Whether `all` means a task: its lengths are tokens, and what it needs of the user's is there.
static bool is_of_all(const served_request *r, int i) {
    const char *name = fv_eval_task_name(i);
    if (strcmp(fv_eval_task_unit(i), "tokens") != 0) return false;
    if (strcmp(name, "latent") == 0) return r->needles != NULL;
    if (strncmp(name, "mrcr_", 5) == 0) return false; // chats, for which RULER has no form
    return r->documents != NULL || strncmp(name, "qa_", 3) != 0;
}

// "a,b"; "all" is every task that can be asked for.
static int read_tasks(const served_request *r, served_lists *l) {
    int n = 0;
    l->options.tasks = l->tasks;
    l->task_text = strdup(r->tasks);
    if (l->task_text == NULL) return tool_usage_error("out of memory");
    if (strcmp(r->tasks, "all") == 0) {
        for (int i = 0; fv_eval_task_name(i) != NULL; i++)
            if (is_of_all(r, i)) l->tasks[n++] = fv_eval_task_name(i);
    } else {
        for (char *name = strtok(l->task_text, ","); name != NULL && n < 64;
             name = strtok(NULL, ","))
            l->tasks[n++] = name;
    }
    l->options.n_tasks = n;
    if (n > 0) return EXIT_DONE;
    return tool_usage_error("%s: --task needs the name of a task", r->verb);
}

static void on_progress(void *context, int n_done, int n_failed, int n_all, double seconds,
                        double seconds_left) {
    (void)n_failed;
    const fv_lab_progress now = {.n_runs = n_all,
                                 .n_done = n_done,
                                 .share = n_all > 0 ? (double)n_done / n_all : 1,
                                 .seconds = seconds,
                                 .seconds_left = seconds_left,
                                 .experiment = "needle",
                                 .perplexity = NAN};
    progress_update(context, &now);
}

static void on_note(void *context, const char *text) {
    char line[512];
    progress_clear(context);
    snprintf(line, sizeof line, "%s", text);
    fv_printable(line, sizeof line);
    fprintf(stderr, "%s\n", line);
}

static const char *environment(const char *name) {
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? text : NULL;
}

// As curl does.
static const char *certificates(const served_request *r) {
    if (r->cacert != NULL) return r->cacert;
    const char *file = environment("CURL_CA_BUNDLE");
    return file != NULL ? file : environment("SSL_CERT_FILE");
}

void served_lists_free(served_lists *l) {
    request_headers_free(&l->headers);
    free(l->task_text);
}

int served_lists_read(const served_request *r, served_lists *l) {
    const char *key = environment("FOVEA_API_KEY");
    if (key == NULL) key = environment("OPENAI_API_KEY");
    *l = (served_lists){.options = {.folder = r->out,
                                    .api = r->api,
                                    .key = key,
                                    .cacert = certificates(r),
                                    .extra = r->extra,
                                    .thoughts = r->thoughts,
                                    .logprobs = r->logprobs || r->against != NULL,
                                    .same_model = r->same_model,
                                    .reuse_unknown = r->reuse_unknown,
                                    .haystack = r->haystack,
                                    .documents = r->documents,
                                    .needles = r->needles,
                                    .needle = r->needle,
                                    .question = r->question,
                                    .answer = r->answer,
                                    .questions = r->questions,
                                    .seed = (uint64_t)r->seed,
                                    .max_tokens = r->max_tokens,
                                    .samples = r->samples > 0         ? r->samples
                                               : r->questions != NULL ? 0
                                                                      : 10,
                                    .interval = r->interval,
                                    .retries = r->retries,
                                    .timeout = r->timeout,
                                    .retry_wait = r->retry_wait,
                                    .interrupted = &tool_interrupted,
                                    .on_progress = on_progress,
                                    .on_note = r->quiet ? NULL : on_note,
                                    .dry = r->dry}};
    int exit_code = request_headers_read(r->verb, &r->headers, &l->headers);
    l->options.headers = (const char *const *)l->headers.lines;
    l->options.n_headers = l->headers.n;
    l->options.secrets = (const char *const *)l->headers.secrets;
    l->options.n_secrets = l->headers.n_secrets;
    if (exit_code == EXIT_DONE) exit_code = read_tasks(r, l);
    if (exit_code == EXIT_DONE) exit_code = read_lengths(r, l);
    if (exit_code == EXIT_DONE) exit_code = read_depths(r, l);
    if (exit_code == EXIT_DONE) exit_code = check_depths(r, l);
    if (exit_code == EXIT_DONE) exit_code = read_loads(r, l);
    return exit_code;
}
