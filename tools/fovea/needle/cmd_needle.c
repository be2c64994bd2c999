// `fovea needle`: a needle in a haystack, by depth and length. This half asks served models, and
// reads and writes their files; without any of these options the operands are models of the lab.
#include "needle/ask_served.h"
#include "needle/needle.h"
#include "tool.h"
#include "verbs.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct needle_request {
    served_request served;
    const char *data, *score;
    int show;
    bool tasks;
} needle_request;

static int list_tasks(void) {
    for (int i = 0; fv_eval_task_name(i) != NULL; i++)
        printf("%-16s %s; lengths in %s\n", fv_eval_task_name(i), fv_eval_task_help(i),
               fv_eval_task_unit(i));
    return EXIT_DONE;
}

static const char *of_the_lab(const char *option) {
    return needle_own_reads(option)
               ? "is for models of the lab: give a run or a checkpoint and no --endpoint"
               : NULL;
}

#define NEEDLE_OPTIONS(r)                                                                          \
    OPTION_TEXT("task", &(r).served.tasks, "NAME,...",                                             \
                "tasks with commas, or all; --tasks lists them; niah_single_1 if not given"),      \
        OPTION_FLAG("tasks", &(r).tasks, "lists the tasks and ends"),                              \
        OPTION_TEXT(                                                                               \
            "lengths", &(r).served.lengths, "N,N,...",                                             \
            "of prompt and answer, in the server's own tokens; 1000,2000,4000,8000 if not "        \
            "given"),                                                                              \
        OPTION_TEXT("depths", &(r).served.depths, "D,D,...",                                       \
                    "percent of the prompt before the needle, or a range as in 0..100:5; 0..100 "  \
                    "(eleven depths) if not given"),                                               \
        OPTION_TEXT("haystack", &(r).served.haystack, "H",                                         \
                    "noise, needle, or a folder of text files, in place of the task's own"),       \
        OPTION_TEXT(                                                                               \
            "documents", &(r).served.documents, "PATH",                                            \
            "for qa_1 SQuAD's JSON file, for qa_2 HotpotQA's; for both a folder of squad.json "    \
            "and hotpotqa.json, as RULER's scripts leave it"),                                     \
        SERVED_OPTIONS((r).served),                                                                \
        OPTION_INT(                                                                                \
            "show", &(r).show, "ROW", 0, 2147483647,                                               \
            "prints the exact prompt of a row of the table asks in --out, and what came of "       \
            "it"),                                                                                 \
        OPTION_TEXT(                                                                               \
            "data", &(r).data, "DIR",                                                              \
            "writes RULER's data files DIR/LENGTH/TASK/validation.jsonl instead of asking; "       \
            "lengths are estimated without --endpoint"),                                           \
        OPTION_TEXT("questions", &(r).served.questions, "PATH",                                    \
                    "asks what a file has as it is, packed with gzip or not: RULER's data (or a "  \
                    "folder of TASK/validation.jsonl), rows of MRCR, chats {messages, answers}; "  \
                    "all of it, or --samples of each"),                                            \
        OPTION_TEXT("score", &(r).score, "PATH",                                                   \
                    "scores prediction files of RULER, one or a folder of them, or rows of MRCR "  \
                    "with a `response`, with their metrics")

static const char *of_served_models(const char *option) {
    needle_request r;
    const tool_option options[] = {NEEDLE_OPTIONS(r), OPTION_END};
    return options_have(options, option)
               ? "is for served models: give --endpoint URL, or --data DIR to write their questions"
               : NULL;
}

// What does not ask reads little else.
static const struct {
    const char *mode, *reads;
} MODES[] = {{"tasks", ""},
             {"show", " out "},
             {"score", " json quiet "},
             {"data",
              " task lengths samples seed max-tokens haystack documents endpoint model retries "
              "retry-wait timeout quiet "}};

static int refuse_unread(int argc, char **argv, const tool_option *options) {
    for (size_t m = 0; m < sizeof MODES / sizeof *MODES; m++) {
        if (!served_has_option(argc, argv, MODES[m].mode)) continue;
        for (const tool_option *o = options; o->name != NULL; o++) {
            char word[64];
            snprintf(word, sizeof word, " %s ", o->name);
            bool reads =
                strcmp(o->name, MODES[m].mode) == 0 || strstr(MODES[m].reads, word) != NULL;
            if (!reads && served_has_option(argc, argv, o->name))
                return tool_usage_error("needle: --%s does not go with --%s; leave one of them out",
                                        o->name, MODES[m].mode);
        }
        return EXIT_DONE;
    }
    return EXIT_DONE;
}

static int needle_served(int argc, char **argv) {
    needle_request r = {.served = {SERVED_USUAL, .verb = "needle", .out = "out/needle",
                                   .tasks = "niah_single_1", .lengths = "1000,2000,4000,8000",
                                   .depths = "0..100"},
                        .show = -1};
    const tool_option options[] = {NEEDLE_OPTIONS(r), OPTION_END};
    const tool_usage usage = {
        .synopsis = "needle --endpoint URL --model NAME [options]",
        .about = "Asks a served model for what is hidden in a long prompt, by depth and length. "
                 "Answers are stored as they come: the same command asks only what is missing. The "
                 "key of the server comes from FOVEA_API_KEY or OPENAI_API_KEY. For models of the "
                 "lab: fovea needle RUN|CHECKPOINT [options]; 'fovea needle RUN --help' explains.",
        .example =
            "fovea needle --endpoint http://localhost:8000 --model llama --lengths "
            "4096,8192,16384,32768 --dry-run\n"
            "fovea needle --endpoint http://localhost:8080 --model any --task "
            "niah_single_2,niah_multikey_2,vt --haystack ~/essays --interval 0.2 --samples 100\n"
            "fovea needle --show 17 --out out/needle\n"
            "fovea needle --data ruler --task all --haystack ~/essays --lengths 4096 --samples "
            "500\n"
            "fovea needle --endpoint http://localhost:8000 --model llama --questions ruler/4096 "
            "--predictions ruler/pred\n"
            "fovea needle --score ruler/pred",
        .min_operands = 0,
        .max_operands = 0,
        .elsewhere = of_the_lab};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    exit_code = refuse_unread(argc, argv, options);
    if (exit_code != EXIT_DONE) return exit_code;
    r.served.depths_given = served_has_option(argc, argv, "depths");
    if (r.tasks) return list_tasks();
    if (r.show >= 0) return served_show(&r.served, r.show);
    if (r.score != NULL) return served_score(&r.served, r.score);
    static const char *const BUILT[] = {"task",     "lengths",   "depths",
                                        "haystack", "documents", "data"};
    for (size_t i = 0; i < sizeof BUILT / sizeof *BUILT && r.served.questions != NULL; i++)
        if (served_has_option(argc, argv, BUILT[i]))
            return tool_usage_error("needle: --questions asks what its files have; leave out --%s",
                                    BUILT[i]);
    if (r.data != NULL) return served_write_data(&r.served, r.data);
    return served_run(&r.served);
}

int cmd_needle(int argc, char **argv) {
    static const char *const SERVED[] = {"endpoint", "show",  "data", "questions",
                                         "score",    "tasks", "model"};
    for (size_t i = 0; i < sizeof SERVED / sizeof *SERVED; i++)
        if (served_has_option(argc, argv, SERVED[i])) return needle_served(argc, argv);
    // Alone, --help is about both halves.
    if (argc == 1 || (argc == 2 && served_has_option(argc, argv, "help")))
        return needle_served(argc, argv);
    return needle_own(argc, argv, of_served_models);
}
