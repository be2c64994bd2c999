// `fovea needle`: a needle in a haystack, by depth and length. This half asks served models, and
// reads and writes their files; without any of these options the operands are models of the lab.
#include "needle/ask_served.h"
#include "needle/needle.h"
#include "tool.h"
#include "verbs.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct needle_request {
    served_request served;
    const char *data, *score, *preset;
    const char *set; // that `freeze` writes
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
        OPTION_TEXT(                                                                               \
            "needles", &(r).served.needles, "FILE",                                                \
            "for latent: JSON Lines {needle, question, answers: [text], distractors: [text]}, a "  \
            "line for each needle, in turns"),                                                     \
        OPTION_TEXT("needle", &(r).served.needle, "TEXT",                                          \
                    "for classic: what is hidden in place of the sandwich; {key} is a drawn word " \
                    "and {value} a drawn number, here and in --question and --answer"),            \
        OPTION_TEXT("question", &(r).served.question, "TEXT", "what is asked about --needle"),     \
        OPTION_TEXT("answer", &(r).served.answer, "TEXT",                                          \
                    "what must stand in a reply to --question, 'a|b' for both; {value} if not "    \
                    "given"),                                                                      \
        SERVED_OPTIONS((r).served),                                                                \
        OPTION_INT(                                                                                \
            "show", &(r).show, "ROW", 0, 2147483647,                                               \
            "prints the exact prompt of a row of the table asks in --out, and what came of "       \
            "it"),                                                                                 \
        OPTION_TEXT(                                                                               \
            "data", &(r).data, "DIR",                                                              \
            "writes RULER's data files DIR/LENGTH/TASK/validation.jsonl instead of asking; "       \
            "lengths are estimated without --endpoint. With a file instead of a folder, a set "    \
            "that 'fovea needle freeze' wrote: asks what it has, with its depths"),                \
        OPTION_TEXT("questions", &(r).served.questions, "PATH",                                    \
                    "asks what a file has as it is, packed with gzip or not: RULER's data (or a "  \
                    "folder of TASK/validation.jsonl), rows of MRCR, chats {messages, answers}; "  \
                    "all of it, or --samples of each"),                                            \
        OPTION_TEXT("preset", &(r).preset, "256k|512k|1m|2m",                                      \
                    "a few questions of that length, for a check in CI: niah_single_1 and "        \
                    "niah_multikey_2 at depths 10, 50 and 90, 4, 3, 2 or 1 of each; options that " \
                    "are given go before"),                                                        \
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
} MODES[] = {
    {"tasks", ""},
    {"show", " out "},
    {"score", " json quiet "},
    {"data", " task lengths samples seed max-tokens haystack documents needles needle question "
             "answer endpoint model retries "
             "retry-wait timeout quiet "},
    {"freeze", " task lengths depths samples seed max-tokens haystack documents needles needle "
               "question answer endpoint model api "
               "extra header cacert retries retry-wait timeout quiet json preset "}};

static bool is_mode(const needle_request *r, const char *mode, int argc, char **argv) {
    if (strcmp(mode, "freeze") == 0) return r->set != NULL;
    return strcmp(mode, "data") == 0 ? r->data != NULL : served_has_option(argc, argv, mode);
}

static int refuse_unread(const needle_request *r, int argc, char **argv,
                         const tool_option *options) {
    for (size_t m = 0; m < sizeof MODES / sizeof *MODES; m++) {
        if (!is_mode(r, MODES[m].mode, argc, argv)) continue;
        const char *dashes = r->set != NULL ? "" : "--";
        for (const tool_option *o = options; o->name != NULL; o++) {
            char word[64];
            snprintf(word, sizeof word, " %s ", o->name);
            bool reads =
                strcmp(o->name, MODES[m].mode) == 0 || strstr(MODES[m].reads, word) != NULL;
            if (!reads && served_has_option(argc, argv, o->name))
                return tool_usage_error("needle: --%s does not go with %s%s; leave one of them out",
                                        o->name, dashes, MODES[m].mode);
        }
        return EXIT_DONE;
    }
    return EXIT_DONE;
}

// Whether --data names a file of questions and not a folder to write to.
static bool is_file(const char *path) {
    struct stat file;
    const char *end = strrchr(path, '.');
    if (stat(path, &file) == 0) return S_ISREG(file.st_mode);
    return end != NULL && (strcmp(end, ".gz") == 0 || strcmp(end, ".jsonl") == 0);
}

static int use_preset(needle_request *r, int argc, char **argv) {
    static const struct {
        const char *name, *length;
        int samples;
    } PRESETS[] = {
        {"256k", "262144", 4}, {"512k", "524288", 3}, {"1m", "1048576", 2}, {"2m", "2097152", 1}};
    size_t i = 0, n = sizeof PRESETS / sizeof *PRESETS;
    while (i < n && strcmp(r->preset, PRESETS[i].name) != 0) i++;
    if (i == n)
        return tool_usage_error("needle: --preset is 256k, 512k, 1m or 2m, not '%s'", r->preset);
    if (!served_has_option(argc, argv, "task")) r->served.tasks = "niah_single_1,niah_multikey_2";
    if (!served_has_option(argc, argv, "lengths")) r->served.lengths = PRESETS[i].length;
    if (!served_has_option(argc, argv, "depths")) r->served.depths = "10,50,90";
    if (r->served.samples == 0) r->served.samples = PRESETS[i].samples;
    return EXIT_DONE;
}

// What is neither an option nor one's value: "freeze SET".
static int read_operands(needle_request *r, const tool_operands *operands) {
    bool freezes = operands->n > 0 && strcmp(operands->items[0], "freeze") == 0;
    if (operands->n > 0 && !freezes)
        return tool_usage_error("needle: '%s' is too much: a served model is named by --endpoint "
                                "and --model; a run or checkpoint of the lab stands in front",
                                operands->items[0]);
    if (freezes && operands->n < 2)
        return tool_usage_error("needle freeze: name the file to write, as in 'fovea needle freeze "
                                "set.jsonl.gz'");
    if (freezes) r->set = operands->items[1];
    return EXIT_DONE;
}

// What a file of questions has is not built.
static int refuse_built(int argc, char **argv) {
    static const char *const BUILT[] = {"task",   "lengths", "depths", "haystack", "documents",
                                        "preset", "needles", "needle", "question", "answer"};
    const char *asked = served_has_option(argc, argv, "questions") ? "questions" : "data";
    for (size_t i = 0; i < sizeof BUILT / sizeof *BUILT; i++)
        if (served_has_option(argc, argv, BUILT[i]))
            return tool_usage_error("needle: --%s asks what its files have; leave out --%s", asked,
                                    BUILT[i]);
    if (served_has_option(argc, argv, "data") && strcmp(asked, "data") != 0)
        return tool_usage_error("needle: --questions asks what its files have; leave out --data");
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
            "fovea needle --endpoint http://localhost:8001 --model q4 --against "
            "http://localhost:8000 --against-model f16 --noise --fail-if-worse\n"
            "fovea needle --show 17 --out out/needle\n"
            "fovea needle --data ruler --task all --haystack ~/essays --lengths 4096 --samples "
            "500\n"
            "fovea needle --endpoint http://localhost:8000 --model llama --questions ruler/4096 "
            "--predictions ruler/pred\n"
            "fovea needle --score ruler/pred\n"
            "fovea needle freeze set.jsonl.gz --task niah_multikey_2 --lengths 4096 --depths "
            "0,50,100\n"
            "fovea needle --endpoint http://localhost:8000 --model llama --data set.jsonl.gz",
        .min_operands = 0,
        .max_operands = 2,
        .elsewhere = of_the_lab};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    exit_code = read_operands(&r, &operands);
    if (exit_code == EXIT_DONE && r.data != NULL && r.set == NULL && is_file(r.data)) {
        if (r.served.questions == NULL) r.served.questions = r.data;
        r.data = NULL;
    }
    if (exit_code == EXIT_DONE) exit_code = refuse_unread(&r, argc, argv, options);
    if (exit_code == EXIT_DONE && r.served.questions != NULL) exit_code = refuse_built(argc, argv);
    if (exit_code == EXIT_DONE && r.preset != NULL) exit_code = use_preset(&r, argc, argv);
    if (exit_code != EXIT_DONE) return exit_code;
    r.served.depths_given = served_has_option(argc, argv, "depths");
    if (r.tasks) return list_tasks();
    if (r.show >= 0) return served_show(&r.served, r.show);
    if (r.score != NULL) return served_score(&r.served, r.score);
    if (r.set != NULL) return served_freeze(&r.served, r.set);
    if (r.data != NULL) return served_write_data(&r.served, r.data);
    return served_run(&r.served);
}

int cmd_needle(int argc, char **argv) {
    static const char *const SERVED[] = {"endpoint", "show",  "data",   "questions", "score",
                                         "tasks",    "model", "preset", "serve"};
    if (argc > 1 && strcmp(argv[1], "freeze") == 0) return needle_served(argc, argv);
    // A set of sequences is asked of the run that stands in front.
    bool run_first = argc > 1 && *argv[1] != '-' && !served_has_option(argc, argv, "endpoint");
    if (run_first && served_has_option(argc, argv, "data"))
        return needle_own(argc, argv, of_served_models);
    for (size_t i = 0; i < sizeof SERVED / sizeof *SERVED; i++)
        if (served_has_option(argc, argv, SERVED[i])) return needle_served(argc, argv);
    // Alone, --help is about both halves.
    if (argc == 1 || (argc == 2 && served_has_option(argc, argv, "help")))
        return needle_served(argc, argv);
    return needle_own(argc, argv, of_served_models);
}
