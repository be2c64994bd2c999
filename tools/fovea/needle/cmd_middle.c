// `fovea middle`: what a model loses in the middle of its context. This half asks served models;
// without --endpoint the operands are models of the lab.
#include "needle/ask_served.h"
#include "needle/needle.h"
#include "needle/orders.h"
#include "tool.h"
#include "verbs.h"

#include <stddef.h>
#include <string.h>

static const char *of_the_lab(const char *option) {
    if (strcmp(option, "lengths") == 0) return "is --sizes for served models";
    return needle_own_reads(option)
               ? "is for models of the lab: give a run or a checkpoint and no --endpoint"
               : NULL;
}

#define MIDDLE_OPTIONS(r, order)                                                                   \
    OPTION_TEXT("task", &(r).tasks, "NAME,...",                                                    \
                "kv (if not given), kv_query_aware, or qa with --documents"),                      \
        OPTION_TEXT("sizes", &(r).lengths, "N,N,...",                                              \
                    "pairs of the JSON object, or documents; 75,140,300 if not given"),            \
        OPTION_TEXT("depths", &(r).depths, "D,D,...",                                              \
                    "places of the answer, percent, or a range; 0..100:5 (five places) if not "    \
                    "given"),                                                                      \
        OPTION_TEXT("order", &(order), "ORDER,...",                                                \
                    "of qa asks each question with its documents in these orders and compares "    \
                    "them: ends (the most important at the beginning and the end), rank, "         \
                    "shuffled"),                                                                   \
        OPTION_TEXT(                                                                               \
            "documents", &(r).documents, "FILE",                                                   \
            "JSON Lines {question, answers, ctxs: [{title, text, isgold}]} for the task qa, "      \
            "as lost-in-the-middle has them, packed with gzip or not"),                            \
        SERVED_OPTIONS(r)

static const char *of_served_models(const char *option) {
    served_request r;
    const char *order;
    const tool_option options[] = {MIDDLE_OPTIONS(r, order), OPTION_END};
    return options_have(options, option) ? "is for served models: give --endpoint URL" : NULL;
}

static int middle_served(int argc, char **argv) {
    served_request r = {SERVED_USUAL,  .verb = "middle",        .out = "out/needle",
                        .tasks = "kv", .lengths = "75,140,300", .depths = "0..100:5"};
    const char *order = NULL;
    char tasks[ORDERS_TEXT];
    const tool_option options[] = {MIDDLE_OPTIONS(r, order), OPTION_END};
    const tool_usage usage = {
        .synopsis = "middle --endpoint URL --model NAME [options]",
        .about =
            "Asks a served model for one value of a JSON object, or a question about one of many "
            "documents, with the answer at the start, in the middle, at the end: the "
            "lost-in-the-middle curve. Answers are stored as they come: the same command asks only "
            "what is missing. For models of the lab: fovea middle RUN|CHECKPOINT [options].",
        .example = "fovea middle --endpoint http://localhost:8000 --model llama --sizes 75,140\n"
                   "fovea middle --endpoint http://localhost:8000 --model llama --task qa "
                   "--documents nq-20.jsonl --sizes 10,20 --samples 100\n"
                   "fovea middle --endpoint http://localhost:8000 --model llama --task qa "
                   "--documents nq-20.jsonl --sizes 20 --samples 500 --order ends,rank,shuffled",
        .min_operands = 0,
        .max_operands = 0,
        .elsewhere = of_the_lab};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    r.depths_given = served_has_option(argc, argv, "depths");
    if (order != NULL) {
        exit_code = orders_read(order, r.tasks, tasks);
        if (exit_code != EXIT_DONE) return exit_code;
        r.tasks = tasks;
    }
    return served_run(&r);
}

int cmd_middle(int argc, char **argv) {
    bool served = served_has_option(argc, argv, "endpoint") ||
                  served_has_option(argc, argv, "serve") ||
                  served_has_option(argc, argv, "model") || argc == 1 ||
                  (argc == 2 && served_has_option(argc, argv, "help"));
    return served ? middle_served(argc, argv) : middle_own(argc, argv, of_served_models);
}
