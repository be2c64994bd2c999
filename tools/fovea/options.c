#include "options.h"

#include "tool.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_wrapped(const char *text, int indent, int width) {
    int column = indent;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (column > indent && column + 1 + length > width) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const char *name, const char *argument, const char *help) {
    enum { HELP_COLUMN = 20, WIDTH = 100 };
    char left[64];
    snprintf(left, sizeof left, "  --%s%s%s", name, argument ? " " : "", argument ? argument : "");
    if (strlen(left) <= HELP_COLUMN - 2)
        printf("%-*s", HELP_COLUMN, left);
    else
        printf("%s\n%*s", left, HELP_COLUMN, "");
    print_wrapped(help, HELP_COLUMN, WIDTH);
}

static void print_help(const tool_usage *usage, const tool_option *options) {
    printf("Usage: fovea %s\n\n", usage->synopsis);
    print_wrapped(usage->about, 0, 100);
    printf("\nOptions:\n");
    for (const tool_option *o = options; o->name != NULL; o++)
        print_option(o->name, o->argument, o->help);
    print_option("help", NULL, "this text");
    printf("\nExample:\n");
    for (const char *line = usage->example; line != NULL && *line != '\0';) {
        int length = (int)strcspn(line, "\n");
        printf("  %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
}

static options_reader *at_help = print_help;

void options_read_by(options_reader *reader) {
    at_help = reader;
}

// A whole number may be written with a power of ten, as fields have it: 1e4, not 1.5 or 10000.0.
static bool read_number(const tool_option *option, const char *text, double *number) {
    char *end;
    errno = 0;
    *number = strtod(text, &end);
    const char *exponent = strpbrk(text, "eE");
    bool whole = exponent != NULL ? exponent[1] != '-' : strchr(text, '.') == NULL;
    if (option->type == OPTION_IS_INT && (!whole || *number != floor(*number))) return false;
    return end != text && *end == '\0' && text[strspn(text, "+-.0123456789eE")] == '\0' &&
           errno == 0 && *number >= option->lowest && *number <= option->highest;
}

static bool store_one_more(const char *verb, const tool_option *option, const char *text) {
    option_texts *texts = option->target;
    if (texts->n < OPTION_MOST_TEXTS) {
        texts->items[texts->n++] = text;
        return true;
    }
    tool_usage_error("%s: --%s may be given %d times at most", verb, option->name,
                     OPTION_MOST_TEXTS);
    return false;
}

// Stores the option's value; false after a message.
static bool store(const char *verb, const tool_option *option, const char *text) {
    double number;
    switch (option->type) {
    case OPTION_IS_FLAG:
        *(bool *)option->target = true;
        return true;
    case OPTION_IS_TEXT:
        *(const char **)option->target = text;
        return true;
    case OPTION_IS_TEXTS:
        return store_one_more(verb, option, text);
    case OPTION_IS_INT:
    case OPTION_IS_REAL:
        if (!read_number(option, text, &number)) {
            tool_usage_error("%s: --%s must be %s from %.15g to %.15g, not '%s'", verb,
                             option->name,
                             option->type == OPTION_IS_INT ? "a whole number" : "a number",
                             option->lowest, option->highest, text);
            return false;
        }
        if (option->type == OPTION_IS_INT) *(int *)option->target = (int)number;
        if (option->type == OPTION_IS_REAL) *(double *)option->target = number;
        return true;
    }
    return false;
}

static const tool_option *find_option(const tool_option *options, const char *name, size_t length) {
    for (const tool_option *o = options; o->name != NULL; o++)
        if (strlen(o->name) == length && memcmp(o->name, name, length) == 0) return o;
    return NULL;
}

bool options_have(const tool_option *options, const char *name) {
    return find_option(options, name, strlen(name)) != NULL;
}

// Always false.
static bool refuse_option(const char *verb, const tool_usage *usage, const char *name) {
    const char *elsewhere = usage->elsewhere != NULL ? usage->elsewhere(name) : NULL;
    if (elsewhere != NULL)
        tool_usage_error("%s: --%s %s", verb, name, elsewhere);
    else if (usage->overrides && strchr(name, '.') != NULL)
        tool_usage_error("%s has no option --%s; a field is changed by %s=VALUE, without dashes",
                         verb, name, name);
    else
        tool_usage_error("%s has no option --%s; see 'fovea %s --help'", verb, name, verb);
    return false;
}

// Takes the option at argv[*i] and, where it has one, its value; false after a message.
static bool take_option(int argc, char **argv, int *i, const tool_usage *usage,
                        const tool_option *options) {
    const char *name = argv[*i] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const tool_option *option = find_option(options, name, length);
    if (option == NULL) {
        argv[*i][2 + length] = '\0';
        return refuse_option(argv[0], usage, name);
    }
    if (option->type == OPTION_IS_FLAG && value != NULL) {
        tool_usage_error("%s: --%s takes no value", argv[0], option->name);
        return false;
    }
    if (option->type != OPTION_IS_FLAG && value == NULL) {
        if (*i + 1 >= argc) {
            tool_usage_error("%s: --%s needs a value (%s)", argv[0], option->name,
                             option->argument);
            return false;
        }
        value = argv[++*i];
    }
    return store(argv[0], option, value);
}

// Whether the argument reads "key=value", the key in the letters that dotted field names use.
static bool is_override(const char *argument) {
    size_t length = strspn(argument, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_.-");
    return length > 0 && argument[0] != '.' && argument[length] == '=';
}

// "train.seed = 1", "train.seed:1" and "train.seed" alone were meant to be overrides.
static void refuse_operand(const char *verb, const char *argument, const tool_usage *usage) {
    size_t key = strspn(argument, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    bool dotted = key > 0 && memchr(argument, '.', key) != NULL && strchr(argument, '/') == NULL;
    bool field = strncmp(argument, "task.", 5) == 0 || strncmp(argument, "model.", 6) == 0 ||
                 strncmp(argument, "train.", 6) == 0;
    if (usage->overrides && dotted && field)
        tool_usage_error("%s does not take '%s'; a field is changed by %.*s=VALUE, without blanks",
                         verb, argument, (int)key, argument);
    else
        tool_usage_error("%s does not take '%s': fovea %s", verb, argument, usage->synopsis);
}

static bool check_count(const char *verb, const tool_usage *usage, int n) {
    if (n < usage->min_operands) {
        tool_usage_error("%s needs %s: fovea %s", verb, n == 0 ? "an argument" : "more arguments",
                         usage->synopsis);
        return false;
    }
    return true;
}

bool options_parse(int argc, char **argv, const tool_usage *usage, const tool_option *options,
                   tool_operands *operands, int *exit_code) {
    *exit_code = EXIT_USAGE;
    // Operands gather at the front of argv, overrides behind them; both keep their order. An
    // override is first moved behind everything read so far, which never overtakes the reader.
    int n_operands = 0, n_overrides = 0;
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        char *argument = argv[i];
        if (!options_end && strcmp(argument, "--") == 0) {
            options_end = true;
        } else if (!options_end &&
                   (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)) {
            at_help(usage, options);
            *exit_code = EXIT_DONE;
            return false;
        } else if (!options_end && argument[0] == '-' && argument[1] == '-') {
            if (!take_option(argc, argv, &i, usage, options)) return false;
        } else if (!options_end && argument[0] == '-' && argument[1] != '\0') {
            tool_usage_error("%s has no option %s; options begin with two dashes, see 'fovea %s "
                             "--help'",
                             argv[0], argument, argv[0]);
            return false;
        } else if (usage->overrides && is_override(argument)) {
            argv[1 + n_operands + n_overrides++] = argument;
        } else if (usage->max_operands >= 0 && n_operands == usage->max_operands) {
            refuse_operand(argv[0], argument, usage);
            return false;
        } else {
            char **overrides = argv + 1 + n_operands;
            memmove(overrides + 1, overrides, (size_t)n_overrides * sizeof *overrides);
            argv[1 + n_operands++] = argument;
        }
    }
    if (!check_count(argv[0], usage, n_operands)) return false;
    operands->n = n_operands;
    operands->items = (const char **)argv + 1;
    operands->n_overrides = n_overrides;
    operands->overrides = (const char **)argv + 1 + n_operands;
    *exit_code = EXIT_DONE;
    return true;
}
