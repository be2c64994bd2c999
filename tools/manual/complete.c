// Completions: the tables that stand in front of completion.bash, completion.zsh and
// completion.fish.
#include "manual.h"

#include <ctype.h>
#include <fovea/fields.h>
#include <fovea/topic.h>
#include <string.h>

// What an option's argument, or an operand, is called says what it is.
typedef enum argument_kind { TAKES_TEXT, TAKES_FILE, TAKES_FOLDER, TAKES_CHOICE } argument_kind;

static argument_kind kind_of(const char *argument) {
    bool lower = true;
    for (const char *c = argument; *c != '\0'; c++)
        lower &= islower((unsigned char)*c) || *c == '|';
    if (lower && strchr(argument, '|') != NULL) return TAKES_CHOICE;
    if (strncmp(argument, "DIR", 3) == 0) return TAKES_FOLDER;
    if (strncmp(argument, "FILE", 4) == 0 || strncmp(argument, "PATH", 4) == 0 ||
        strstr(argument, ".json") != NULL)
        return TAKES_FILE;
    return TAKES_TEXT;
}

// In single quotes, for all three shells; `special` characters get a backslash as well.
static void put_quoted(FILE *file, const char *text, const char *quote, const char *special) {
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs(quote, file);
            continue;
        }
        if (strchr(special, *text) != NULL) fputc('\\', file);
        fputc(*text, file);
    }
}

static void put_choices(FILE *file, const char *choices, const char *separator) {
    for (; *choices != '\0'; choices++)
        if (*choices == '|')
            fputs(separator, file);
        else
            fputc(*choices, file);
}

// A word of a synopsis, of those in "runs DIR [show RUN | delete RUN ...] [options]" DIR, show,
// RUN, delete and RUN. Returns what is left behind it, NULL at the end.
static const char *next_word(const char *synopsis, const char *verb, const char **word,
                             int *length) {
    static const char SEPARATORS[] = " []|.,\n";
    bool of_option = false;
    for (const char *c = synopsis; *(c += strspn(c, SEPARATORS)) != '\0';) {
        *word = c;
        *length = (int)strcspn(c, SEPARATORS);
        c += *length;
        if (strncmp(*word, "options", 7) == 0) {
            c += strcspn(c, "\n");
        } else if (**word == '-') {
            of_option = true;
        } else if (of_option) {
            of_option = false; // its argument
        } else if (strcspn(*word, "=") < (size_t)*length ||
                   (strncmp(*word, verb, strlen(verb)) == 0 && verb[*length] == '\0') ||
                   strncmp(*word, "fovea ", 6) == 0) {
            continue; // key=value, and the program and the verb themselves
        } else {
            return c;
        }
    }
    return NULL;
}

#define FOR_EACH_WORD(verb, word, length)                                                          \
    for (const verb_form *form = (verb)->forms; form < (verb)->forms + (verb)->n_forms; form++)    \
        for (const char *rest = form->synopsis;                                                    \
             (rest = next_word(rest, (verb)->name, &word, &length)) != NULL;)

// Words in small letters are typed as they stand; each is written behind a blank.
static void put_operands(FILE *file, const verb_page *verb) {
    const char *word;
    int length;
    FOR_EACH_WORD(verb, word, length)
    if (islower((unsigned char)*word)) fprintf(file, " %.*s", length, word);
}

// Words in capitals stand for a file, a folder, or what is named like one.
static bool takes_files(const verb_page *verb) {
    const char *word;
    int length;
    bool takes = false;
    FOR_EACH_WORD(verb, word, length)
    takes |= isupper((unsigned char)*word) != 0;
    return takes && strcmp(verb->name, "help") != 0;
}

static bool takes_overrides(const verb_page *verb) {
    bool takes = false;
    for (int i = 0; i < verb->n_forms; i++) takes |= verb->forms[i].overrides;
    return takes;
}

// An option that both forms of a verb have is listed once.
static bool listed_before(const verb_page *verb, const verb_form *form, const verb_option *option) {
    for (const verb_form *other = verb->forms; other < form; other++)
        for (int i = 0; i < other->n_options; i++)
            if (strcmp(other->options[i].name, option->name) == 0) return true;
    return false;
}

#define FOR_EACH_OPTION(verb, form, o)                                                             \
    for (const verb_form *form = (verb)->forms; form < (verb)->forms + (verb)->n_forms; form++)    \
        for (const verb_option *o = form->options; o < form->options + form->n_options; o++)       \
            if (!listed_before(verb, form, o))

#define FOR_EACH_VERB(m, verb)                                                                     \
    for (const verb_page *verb = (m)->verbs; verb < (m)->verbs + (m)->n_verbs; verb++)

// A field's values, where they can be listed.
static void put_values(FILE *file, const fv_field *field, const char *before) {
    if (field->type == FV_TYPE_BOOL) fprintf(file, "%strue%sfalse", before, before);
    for (int i = 0; field->type == FV_TYPE_CHOICE && field->choices[i] != NULL; i++)
        fprintf(file, "%s%s", before, field->choices[i]);
}

// A shell function that prints the values of the field $1, as bash and zsh both read it.
static void put_fields(FILE *file) {
    int n;
    const fv_field *fields = fv_fields(&n);
    fputs("__fovea_lists='", file);
    for (int k = 0; k < FV_TOPIC_COUNT; k++)
        fprintf(file, "%s%s", k > 0 ? " " : "", fv_topic_text((fv_topic_kind)k, true));
    fputs("'\n__fovea_fields='", file);
    for (int i = 0; i < n; i++) fprintf(file, "%s%s", i > 0 ? " " : "", fields[i].key);
    fputs("'\n__fovea_values() {\n    case $1 in\n", file);
    for (int i = 0; i < n; i++) {
        if (fields[i].type != FV_TYPE_BOOL && fields[i].type != FV_TYPE_CHOICE) continue;
        fprintf(file, "    %s) echo", fields[i].key);
        put_values(file, &fields[i], " ");
        fputs(" ;;\n", file);
    }
    fputs("    esac\n}\n", file);
}

static void put_verb_lists(FILE *file, const manual *m) {
    fputs("__fovea_overrides='", file);
    FOR_EACH_VERB(m, verb) if (takes_overrides(verb)) fprintf(file, " %s", verb->name);
    fputs(" '\n__fovea_files='", file);
    FOR_EACH_VERB(m, verb) if (takes_files(verb)) fprintf(file, " %s", verb->name);
    fputs(" '\n__fovea_operands() {\n    case $1 in\n", file);
    FOR_EACH_VERB(m, verb) {
        fprintf(file, "    %s) echo", verb->name);
        put_operands(file, verb);
        fputs(" ;;\n", file);
    }
    fputs("    esac\n}\n", file);
}

void complete_write_bash(FILE *file, const manual *m) {
    fputs("# Made from fovea's own tables by its build.\n# shellcheck shell=bash\n"
          "__fovea_verbs='",
          file);
    FOR_EACH_VERB(m, verb) fprintf(file, "%s%s", verb == m->verbs ? "" : " ", verb->name);
    fputs("'\n__fovea_options() {\n    case $1 in\n", file);
    FOR_EACH_VERB(m, verb) {
        fprintf(file, "    %s) echo", verb->name);
        FOR_EACH_OPTION(verb, form, o) fprintf(file, " --%s", o->name);
        fputs(" ;;\n", file);
    }
    fputs("    esac\n}\n# What an option takes: file, folder, text, or its choices.\n"
          "__fovea_takes() {\n    case $1 in\n",
          file);
    FOR_EACH_VERB(m, verb) {
        FOR_EACH_OPTION(verb, form, o) {
            if (o->argument == NULL) continue;
            fprintf(file, "    '%s --%s') echo ", verb->name, o->name);
            switch (kind_of(o->argument)) {
            case TAKES_CHOICE:
                fputs("'choice ", file);
                put_choices(file, o->argument, " ");
                fputs("'", file);
                break;
            case TAKES_FILE:
                fputs("file", file);
                break;
            case TAKES_FOLDER:
                fputs("folder", file);
                break;
            case TAKES_TEXT:
                fputs("text", file);
                break;
            }
            fputs(" ;;\n", file);
        }
    }
    fputs("    esac\n}\n", file);
    put_verb_lists(file, m);
    put_fields(file);
}

static void put_zsh_option(FILE *file, const verb_option *o) {
    fprintf(file, "            '--%s%s[", o->name, o->argument != NULL ? "=" : "");
    put_quoted(file, o->help, "'\\''", "[]\\");
    fputc(']', file);
    if (o->argument != NULL) {
        fputc(':', file);
        put_quoted(file, o->argument, "'\\''", ":");
        fputc(':', file);
        switch (kind_of(o->argument)) {
        case TAKES_CHOICE:
            fputc('(', file);
            put_choices(file, o->argument, " ");
            fputc(')', file);
            break;
        case TAKES_FILE:
            fputs("_files", file);
            break;
        case TAKES_FOLDER:
            fputs("_files -/", file);
            break;
        case TAKES_TEXT:
            fputc(' ', file);
            break;
        }
    }
    fputs("'\n", file);
}

void complete_write_zsh(FILE *file, const manual *m) {
    fputs("#compdef fovea\n# Made from fovea's own tables by its build.\n__fovea_verbs=(\n", file);
    FOR_EACH_VERB(m, verb) {
        fprintf(file, "    '%s:", verb->name);
        put_quoted(file, verb->help, "'\\''", ":\\");
        fputs("'\n", file);
    }
    fputs(")\n__fovea_options() {\n    case $1 in\n", file);
    FOR_EACH_VERB(m, verb) {
        fprintf(file, "    %s)\n        reply=(\n", verb->name);
        FOR_EACH_OPTION(verb, form, o) put_zsh_option(file, o);
        fputs("        ) ;;\n", file);
    }
    fputs("    esac\n}\n", file);
    put_verb_lists(file, m);
    put_fields(file);
}

static void put_fish_option(FILE *file, const verb_page *verb, const verb_option *o) {
    fprintf(file, "complete -c fovea -n '__fish_seen_subcommand_from %s' -l %s", verb->name,
            o->name);
    if (o->argument != NULL) {
        switch (kind_of(o->argument)) {
        case TAKES_CHOICE:
            fputs(" -x -a '", file);
            put_choices(file, o->argument, " ");
            fputc('\'', file);
            break;
        case TAKES_FILE:
            fputs(" -r -F", file);
            break;
        case TAKES_FOLDER:
            fputs(" -x -a '(__fish_complete_directories)'", file);
            break;
        case TAKES_TEXT:
            fputs(" -x", file);
            break;
        }
    }
    fputs(" -d '", file);
    put_quoted(file, o->help, "\\'", "\\");
    fputs("'\n", file);
}

void complete_write_fish(FILE *file, const manual *m) {
    fputs("# Made from fovea's own tables by its build.\nset -g __fovea_lists", file);
    for (int k = 0; k < FV_TOPIC_COUNT; k++)
        fprintf(file, " %s", fv_topic_text((fv_topic_kind)k, true));
    fputs("\nset -g __fovea_fields", file);
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) {
        char before[128];
        snprintf(before, sizeof before, " %s=", fields[i].key);
        if (fields[i].type == FV_TYPE_BOOL || fields[i].type == FV_TYPE_CHOICE)
            put_values(file, &fields[i], before);
        else
            fputs(before, file);
    }
    fputs("\nset -g __fovea_overrides", file);
    FOR_EACH_VERB(m, verb) if (takes_overrides(verb)) fprintf(file, " %s", verb->name);
    fputc('\n', file);
    FOR_EACH_VERB(m, verb) {
        fprintf(file, "complete -c fovea -f -n __fish_use_subcommand -a %s -d '", verb->name);
        put_quoted(file, verb->help, "\\'", "\\");
        fprintf(file, "'\ncomplete -c fovea %s-n '__fish_seen_subcommand_from %s' -a '",
                takes_files(verb) ? "" : "-f ", verb->name);
        put_operands(file, verb);
        fputs("'\n", file);
        FOR_EACH_OPTION(verb, form, o) put_fish_option(file, verb, o);
    }
}
