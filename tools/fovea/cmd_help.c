// `fovea help`: the verbs, one field or all of them, and docs/fields.md. Everything said about
// fields comes from their table.
#include "options.h"
#include "tool.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static int help_verbs(void) {
    printf("Fovea, a laboratory for sparse attention.\n\nUsage: fovea VERB ...\n\nVerbs:\n");
#define VERB_HELP(verb, help) printf("  %-10s %s\n", #verb, help);
    VERB_LIST(VERB_HELP)
#undef VERB_HELP
    printf("\n'fovea VERB --help' explains a verb, 'fovea help FIELD' a configuration field,\n"
           "'fovea help fields' lists the fields, 'fovea --version' prints the version.\n");
    return EXIT_DONE;
}

static const char *type_text(const fv_field *field) {
    switch (field->type) {
    case FV_TYPE_INT:
        return "whole number";
    case FV_TYPE_REAL:
        return "number";
    case FV_TYPE_BOOL:
        return "true or false";
    case FV_TYPE_CHOICE:
        return "one of";
    case FV_TYPE_INTS:
        return "list of whole numbers";
    case FV_TYPE_LAYERS:
        return "list of";
    }
    return "";
}

// "whole number, 2 to 1000000" or "one of none, learned, sinusoidal".
static void print_type(const fv_field *field) {
    printf("%s", type_text(field));
    if (field->choices != NULL) {
        for (int i = 0; field->choices[i] != NULL; i++)
            printf("%s %s", i > 0 ? "," : "", field->choices[i]);
    } else if (field->type != FV_TYPE_BOOL) {
        printf(", %.10g to %.10g", field->lowest, field->highest);
    }
}

static int help_field(const fv_field *field) {
    printf("%s: %s\n", field->key, field->help);
    printf("  takes    ");
    print_type(field);
    printf("\n  default  %s\n", field->default_text);
    const char *example = field->type == FV_TYPE_CHOICE ? field->choices[0] : field->default_text;
    bool quoted = field->type == FV_TYPE_INTS || field->type == FV_TYPE_LAYERS;
    printf("  example  fovea run FILE %s=%s%s%s\n", field->key, quoted ? "'" : "", example,
           quoted ? "'" : "");
    return EXIT_DONE;
}

static int help_fields(void) {
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++)
        printf("%-22s %-12s %s\n", fields[i].key, fields[i].default_text, fields[i].help);
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
           "Made by `fovea help --markdown` from `include/fovea/fields.h`. "
           "[experiments.md](experiments.md) says\nwhere fields are written and how they are "
           "swept.\n");
    int n;
    const fv_field *fields = fv_fields(&n);
    size_t section = 0; // length of the section's name in the previous key
    for (int i = 0; i < n; i++) {
        size_t length = strcspn(fields[i].key, ".");
        if (i == 0 || length != section || strncmp(fields[i].key, fields[i - 1].key, length) != 0)
            printf(
                "\n## %.*s\n\n| field | takes | default | meaning |\n| --- | --- | --- | --- |\n",
                (int)length, fields[i].key);
        section = length;
        printf("| `%s` | ", fields[i].key);
        print_type(&fields[i]);
        printf(" | `%s` | ", fields[i].default_text);
        print_markdown_text(fields[i].help);
        printf(" |\n");
    }
    return EXIT_DONE;
}

// A field by its dotted key, or by the part behind the dot.
static const fv_field *find_field(const char *name) {
    const fv_field *field = fv_field_find(name);
    if (field != NULL || strchr(name, '.') != NULL) return field;
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(strchr(fields[i].key, '.') + 1, name) == 0) return &fields[i];
    return NULL;
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
    if (strcmp(name, "fields") == 0) return help_fields();
    const fv_field *field = find_field(name);
    if (field != NULL) return help_field(field);
    return tool_usage_error("there is no verb or field '%s'; the nearest field is %s", name,
                            fv_field_nearest(name));
}

int cmd_help(int argc, char **argv) {
    bool markdown = false;
    const tool_option options[] = {
        OPTION_FLAG("markdown", &markdown, "prints docs/fields.md, the table of all fields"),
        OPTION_END};
    const tool_usage usage = {.synopsis = "help [VERB | FIELD | fields] [--markdown]",
                              .about =
                                  "Explains a verb, one configuration field, or lists all fields.",
                              .example = "fovea help task.vocab_size",
                              .max_operands = 1};
    tool_operands operands;
    int exit_code;
    if (!options_parse(argc, argv, &usage, options, &operands, &exit_code)) return exit_code;
    if (markdown) return help_markdown();
    if (operands.n == 0) return help_verbs();
    return help_about(operands.items[0]);
}
