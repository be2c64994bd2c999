// Command-line options: each verb describes its options in one table, which drives parsing, checks
// and the --help text.
//
//   int cmd_bench(int argc, char **argv) {
//       bool json = false;
//       int repeats = 5;
//       const char *out = NULL;
//       const tool_option options[] = {
//           OPTION_TEXT("out", &out, "DIR", "folder to write to"),
//           OPTION_INT("repeats", &repeats, "N", 1, 1000, "timings taken of each case"),
//           OPTION_FLAG("json", &json, "JSON Lines on stdout, everything else on stderr"),
//           OPTION_END};
//       const tool_usage usage = {.synopsis = "bench WHAT [options]",
//                            .about = "Times the kernels against this machine's own limits.",
//                            .example = "fovea bench train --json",
//                            .min_operands = 1, .max_operands = 1};
//       tool_operands operands;
//       int exit_code;
//       if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
//       ... operands.items[0] ...
//   }
#ifndef FOVEA_TOOL_OPTIONS_H
#define FOVEA_TOOL_OPTIONS_H

#include <stdbool.h>

typedef enum tool_option_type {
    OPTION_IS_FLAG,
    OPTION_IS_TEXT,
    OPTION_IS_TEXTS,
    OPTION_IS_INT,
    OPTION_IS_REAL
} tool_option_type;

// The values of an option that may be given again and again. They lie in argv.
enum { OPTION_MOST_TEXTS = 16 };
typedef struct option_texts {
    const char *items[OPTION_MOST_TEXTS];
    int n;
} option_texts;

// `--name` (flag), `--name VALUE` or `--name=VALUE`. `target` keeps its value where the option is
// not given, so that it holds the default beforehand.
typedef struct tool_option {
    const char *name; // without dashes
    tool_option_type type;
    void *target;         // bool *, const char **, option_texts *, int * or double *
    const char *argument; // how --help names the value
    double lowest, highest;
    const char *help;
} tool_option;

#define OPTION_FLAG(name, target, help)                                                            \
    { name, OPTION_IS_FLAG, (bool *){target}, 0, 0, 0, help }
#define OPTION_TEXT(name, target, argument, help)                                                  \
    { name, OPTION_IS_TEXT, (const char **){target}, argument, 0, 0, help }
#define OPTION_TEXTS(name, target, argument, help)                                                 \
    { name, OPTION_IS_TEXTS, (option_texts *){target}, argument, 0, 0, help }
#define OPTION_INT(name, target, argument, lowest, highest, help)                                  \
    { name, OPTION_IS_INT, (int *){target}, argument, lowest, highest, help }
#define OPTION_REAL(name, target, argument, lowest, highest, help)                                 \
    { name, OPTION_IS_REAL, (double *){target}, argument, lowest, highest, help }
#define OPTION_END                                                                                 \
    { 0, OPTION_IS_FLAG, 0, 0, 0, 0, 0 }

typedef struct tool_usage {
    const char *synopsis; // "run FILE [key=value ...] [options]", begins with the verb
    const char *about;    // one or more sentences
    const char *example;  // one or more command lines, each ended by a newline but the last
    int min_operands, max_operands; // max_operands < 0: any number
    bool overrides;                 // key=value arguments are taken as overrides, not operands
    // Of a verb that works in two ways, each with options of its own: what to do where an option is
    // the other way's, "is for served models: give --endpoint URL"; NULL where it is nobody's.
    const char *(*elsewhere)(const char *option);
} tool_usage;

// What is not an option. The arrays lie inside argv, whose order changes.
typedef struct tool_operands {
    int n;
    const char **items;
    int n_overrides;
    const char **overrides; // "task.vocab_size=4"
} tool_operands;

// Parses argv[1..]; "--" ends the options. Returns false where the verb must return *exit_code at
// once: after --help (printed on stdout, 0) and after wrong usage (one sentence on stderr, 2).
bool options_parse(int argc, char **argv, const tool_usage *usage, const tool_option *options,
                   tool_operands *operands, int *exit_code);

// Whether the table has an option of that name.
bool options_have(const tool_option *options, const char *name);

// What is done with the tables of a verb at --help: they are printed, unless a reader is set. The
// program that makes the manual pages (tools/manual) sets one. They live as long as the call.
typedef void options_reader(const tool_usage *usage, const tool_option *options);
void options_read_by(options_reader *reader);

#endif
