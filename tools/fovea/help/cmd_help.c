// `fovea help`: the verbs, what help_topics.c finds, docs/fields.md and docs/parts.md.
#include "help/help_topics.h"
#include "options.h"
#include "tool.h"
#include "verbs.h"

#include <fovea/parts_table.h>
#include <fovea/topic.h>
#include <stdio.h>
#include <string.h>

static int help_verbs(void) {
    printf("Fovea, a laboratory for sparse attention.\n\nUsage: fovea VERB ...\n\nVerbs:\n");
#define VERB_HELP(verb, help) printf("  %-10s %s\n", #verb, help);
    VERB_LIST(VERB_HELP)
#undef VERB_HELP
    printf("\n'fovea VERB --help' explains a verb, 'fovea help WORD' what experiment files are "
           "made of.\n"
           "'fovea help LIST' prints a list, one of" HELP_KINDS ".\n"
           "'fovea help fields' lists the fields, 'fovea --version' prints the version.\n");
    return EXIT_DONE;
}

static void print_markdown_text(const char *text) {
    for (; *text != '\0'; text++) {
        if (strchr("|*_<", *text) != NULL) putchar('\\');
        putchar(*text);
    }
}

static int help_markdown(void) {
    printf("# Configuration fields\n\n"
           "Made by `fovea help --markdown` from `include/fovea/fields.def`. "
           "[experiments.md](experiments.md) says\nwhere fields are written and how they are "
           "swept.\n");
    fv_topic field;
    const char *before = "";
    for (int i = 0; fv_topic_at(FV_TOPIC_FIELD, i, &field); i++) {
        int length = (int)strcspn(field.name, ".") + 1;
        if (strncmp(field.name, before, (size_t)length) != 0)
            printf("\n## %.*s\n\n| field | takes | default | meaning | read by |\n"
                   "| --- | --- | --- | --- | --- |\n",
                   length - 1, field.name);
        before = field.name;
        printf("| `%s` | %s | `%s` | ", field.name, field.takes,
               fv_field_find(field.name)->default_text);
        print_markdown_text(field.help);
        printf(" | ");
        print_markdown_text(field.read_by);
        printf(" |\n");
    }
    return EXIT_DONE;
}

static int help_parts(void) {
    static fv_part_row row;
    printf("# Parts of a model\n\n"
           "Made by `fovea help --parts`, which tries each part in a small model: a mark is what "
           "has just "
           "been seen,\na blank has its reason below.\n\n");
#define TRIED(NAME, heading, tried) printf("- %s: %s\n", heading, tried);
    FV_CAPABILITY_LIST(TRIED)
#undef TRIED
    printf("\n| part |");
#define HEADING(NAME, heading, tried) printf(" %s |", heading);
    FV_CAPABILITY_LIST(HEADING)
#undef HEADING
    printf("\n|");
    for (int c = 0; c <= FV_N_CAPABILITIES; c++) printf(" --- |");
    for (int i = 0; fv_part_row_at(i, &row); i++) {
        printf("\n| `%s` |", row.part);
        for (int c = 0; c < FV_N_CAPABILITIES; c++) printf(row.can[c] ? " x |" : "  |");
    }
    static const char *const headings[] = {
#define TEXT(NAME, heading, tried) heading,
        FV_CAPABILITY_LIST(TEXT)
#undef TEXT
    };
    printf("\n\n## Blanks\n\n");
    for (int i = 0; fv_part_row_at(i, &row); i++)
        for (int c = 0; c < FV_N_CAPABILITIES; c++)
            if (!row.can[c]) printf("- `%s`, %s: %s\n", row.part, headings[c], row.why_not[c]);
    return EXIT_DONE;
}

static int help_text(const char *text) {
    if (text != NULL) return puts(text) < 0 ? EXIT_FAILED : EXIT_DONE;
    fprintf(stderr, "fovea: out of memory\n");
    return EXIT_FAILED;
}

static int help_about(const char *name) {
    char *help[] = {NULL, "--help", NULL};
#define VERB_HELP(verb, text)                                                                      \
    if (strcmp(name, #verb) == 0) {                                                                \
        help[0] = (char *)#verb;                                                                   \
        return cmd_##verb(2, help);                                                                \
    }
    VERB_LIST(VERB_HELP)
#undef VERB_HELP
    return help_topics(NULL, name);
}

int cmd_help(int argc, char **argv) {
    bool markdown = false, parts = false, json = false, schema = false;
    const tool_option options[] = {
        OPTION_FLAG("markdown", &markdown, "prints docs/fields.md, the table of all fields"),
        OPTION_FLAG("parts", &parts, "prints docs/parts.md, what each part of a model can do"),
        OPTION_FLAG("json", &json, "prints all of it as one JSON object, for programs"),
        OPTION_FLAG(
            "schema", &schema,
            "prints a JSON schema of experiment files, by which editors complete and check"),
        OPTION_END};
    const tool_usage usage = {
        .synopsis = "help [VERB | WORD | LIST [WORD]] [--markdown | --parts | --json | --schema]",
        .about = "Explains a verb, or whatever is called WORD or speaks of it, also by what other "
                 "libraries call it. A LIST (one of" HELP_KINDS
                 ") is printed whole, with an example each.",
        .example = "fovea help task.vocab_size\n"
                   "fovea help lr\n"
                   "fovea help measures\n"
                   "fovea help figures heatmap\n"
                   "fovea help --schema",
        .max_operands = 2};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    if (markdown) return help_markdown();
    if (parts) return help_parts();
    if (json) return help_text(fv_topics_json());
    if (schema) return help_text(fv_experiment_schema());
    if (operands.n == 0) return help_verbs();
    if (operands.n == 2) return help_topics(operands.items[0], operands.items[1]);
    return help_about(operands.items[0]);
}
