// `fovea bench`: the kernels' times against this machine's own limits.
#include "bench/bench.h"
#include "bench/train_cases.h"
#include "options.h"
#include "tool.h"
#include "verbs.h"

#include <string.h>

// X(name, function), in the order of `bench all`.
#define BENCH_LIST(X)                                                                              \
    X(train, bench_train)                                                                          \
    X(converged, bench_converged)                                                                  \
    X(scan, bench_scan)                                                                            \
    X(recurrence, bench_recurrence)                                                                \
    X(attention, bench_attention)                                                                  \
    X(ring, bench_ring)                                                                            \
    X(crossover, bench_crossover)

// Benchmarks have cases of their own: a field that somebody asks for is in one of `bench train`, or in none.
static int refuse_field(const char *bench, const char *word) {
    if (strchr(word, '=') == NULL)
        return tool_usage_error("bench takes one benchmark, '%s', and not '%s' too", bench, word);
    const char *part = strncmp(word, "model.", 6) == 0 ? word + 6 : word;
    for (size_t i = 0; i < n_train_cases; i++)
        if (train_cases[i].part != NULL && strcmp(train_cases[i].part, part) == 0)
            return tool_usage_error("bench %s has cases of its own and does not take %s; "
                                    "`fovea bench train --case '%s'` times a step with it",
                                    bench, word, train_cases[i].name);
    return tool_usage_error("bench %s has cases of its own and does not take %s, which none of "
                            "bench train has alone either; a run's time a step is in `fovea runs`",
                            bench, word);
}

int cmd_bench(int argc, char **argv) {
    bench_options bench = {.seconds = 1};
    const tool_option options[] = {
        OPTION_TEXT("case", &bench.only, "NAME",
                    "time this case, and the one it is compared with; a wrong name lists all"),
        OPTION_REAL("seconds", &bench.seconds, "S", 0.001, 3600, "time spent on each case (1)"),
        OPTION_TEXT("cpu", &bench.cpu, "SET",
                    "train: with these kernels, or with 'all' that this CPU runs, in turns"),
        OPTION_FLAG("full", &bench.full, "the largest cases too, which take minutes to hours"),
        OPTION_INT("max-n", &bench.max_n, "N", 256, 131072,
                   "crossover: the longest sequence (32768, with --full 131072)"),
        OPTION_TEXT("out", &bench.out, "DIR", "crossover: folder for its figure"),
        OPTION_FLAG("json", &bench.json, "JSON Lines on stdout, everything else on stderr"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "bench train|converged|scan|recurrence|attention|ring|crossover|all [options]",
        .about =
            "Times the kernels against this machine's own limits, measured in the same run; "
            "`converged` compares steps late in a training with early ones; `crossover` finds "
            "the length from which on each alternative to dense attention is the faster layer.",
        .example = "fovea bench train --json\n"
                   "fovea bench train --case 'last V100 d2 C4 B256' --seconds 5\n"
                   "fovea bench train --cpu all\n"
                   "fovea bench attention --full\n"
                   "fovea bench crossover --max-n 8192 --out figures",
        .min_operands = 1,
        .max_operands = 2};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    const char *what = operands.items[0];
    bool all = strcmp(what, "all") == 0, found = false;
    if (operands.n > 1) return refuse_field(what, operands.items[1]);
    if ((bench.max_n > 0 || bench.out) && strcmp(what, "crossover") != 0)
        return tool_usage_error("--max-n and --out belong to `fovea bench crossover`, not to '%s'",
                                what);
    if (bench.cpu && strcmp(what, "train") != 0)
        return tool_usage_error("--cpu belongs to `fovea bench train`, not to '%s'; the "
                                "environment variable FOVEA_CPU names kernels everywhere",
                                what);
    if (all && bench.only)
        return tool_usage_error("--case names a case of one benchmark; name that one, not 'all'");
    exit_code = EXIT_DONE;
#define RUN(name, function)                                                                        \
    if (exit_code == EXIT_DONE && (all || strcmp(what, #name) == 0)) {                             \
        found = true;                                                                              \
        exit_code = function(&bench);                                                              \
    }
    BENCH_LIST(RUN)
#undef RUN
#define NAME(name, function) #name ", "
    if (!found)
        return tool_usage_error("there is no benchmark '%s'; there are " BENCH_LIST(NAME) "and all",
                                what);
#undef NAME
    return exit_code;
}
