// Manual pages, in the macros of man(7).
#include "manual.h"

#include <ctype.h>
#include <fovea/fields.h>
#include <fovea/machine.h>
#include <string.h>

// Characters that roff would take for its own.
static void put_char(FILE *file, char c) {
    static const struct {
        char c;
        const char *roff;
    } ESCAPES[] = {{'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"},
                   {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"}};
    for (size_t i = 0; i < sizeof ESCAPES / sizeof *ESCAPES; i++)
        if (ESCAPES[i].c == c) {
            fputs(ESCAPES[i].roff, file);
            return;
        }
    fputc(c, file);
}

static void put_word(FILE *file, const char *word, int length) {
    if (*word == '.') fputs("\\&", file);
    for (int i = 0; i < length; i++) put_char(file, word[i]);
}

// Running text behind `column` characters: lines are filled, and a sentence begins on a line of its
// own.
static void put_text_behind(FILE *file, int column, const char *text) {
    enum { WIDTH = 72 };
    bool sentence_ends = false;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        bool begins = sentence_ends && isupper((unsigned char)*text);
        if (column > 0 && (begins || column + 1 + length > WIDTH)) {
            fputc('\n', file);
            column = 0;
        } else if (column > 0) {
            fputc(' ', file);
            column++;
        }
        put_word(file, text, length);
        column += length;
        sentence_ends = length > 0 && text[length - 1] == '.';
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

static void put_text(FILE *file, const char *text) {
    put_text_behind(file, 0, text);
}

// Lines as they are; `indent` characters of each but the first are left out where they are blank.
static void put_lines(FILE *file, const char *lines, const char *prefix) {
    for (bool first = true; *lines != '\0'; first = false) {
        if (!first) lines += strspn(lines, " ");
        int length = (int)strcspn(lines, "\n");
        bool named = strncmp(lines, "fovea ", 6) == 0 || strncmp(lines, "mpirun ", 7) == 0;
        if (!named) fputs(prefix, file);
        put_word(file, lines, length);
        fputc('\n', file);
        lines += length + (lines[length] == '\n');
    }
}

static void put_title(FILE *file, const manual *m, const char *name, int section) {
    fputs(".TH ", file);
    for (; *name != '\0'; name++) put_char(file, (char)toupper((unsigned char)*name));
    fprintf(file, " %d %s \"fovea %s\" Fovea\n", section, m->date, fv_version());
}

static void put_options(FILE *file, const verb_form *form) {
    fputs(".SH OPTIONS\n", file);
    for (const verb_option *o = form->options; o < form->options + form->n_options; o++) {
        fputs(".TP\n.B \\-\\-", file);
        put_word(file, o->name, (int)strlen(o->name));
        if (o->argument != NULL) {
            fputs(" \\fI", file);
            put_word(file, o->argument, (int)strlen(o->argument));
            fputs("\\fR", file);
        }
        fputc('\n', file);
        put_text(file, o->help);
    }
}

static void put_exit_status(FILE *file) {
    fputs(".SH EXIT STATUS\n0 where all was done, 1 where something failed, 2 after wrong usage.\n",
          file);
}

static void put_see_also(FILE *file, const manual *m, const char *but) {
    fputs(".SH SEE ALSO\n", file);
    if (but != NULL) fputs(".BR fovea (1),\n", file);
    for (int i = 0; i < m->n_verbs; i++)
        if (but == NULL || strcmp(m->verbs[i].name, but) != 0)
            fprintf(file, ".BR fovea\\-%s (1),\n", m->verbs[i].name);
    fputs(".BR fovea\\-fields (5)\n", file);
}

void man_write_verb(FILE *file, const manual *m, const verb_page *verb) {
    char title[64];
    snprintf(title, sizeof title, "fovea-%s", verb->name);
    put_title(file, m, title, 1);
    fprintf(file, ".SH NAME\nfovea\\-%s \\-", verb->name);
    put_text_behind(file, (int)strlen(verb->name) + 12, verb->help);
    fputs(".SH SYNOPSIS\n.nf\n", file);
    for (int i = 0; i < verb->n_forms; i++) put_lines(file, verb->forms[i].synopsis, "fovea ");
    fputs(".fi\n", file);
    for (const verb_form *form = verb->forms; form < verb->forms + verb->n_forms; form++) {
        if (verb->n_forms > 1) {
            fputs(".SH ", file);
            for (const char *c = form == verb->forms ? "SERVED MODELS" : "OWN MODELS"; *c; c++)
                put_char(file, *c);
            fputc('\n', file);
        } else {
            fputs(".SH DESCRIPTION\n", file);
        }
        put_text(file, form->about);
        put_options(file, form);
        if (form->example != NULL) {
            fputs(".SH EXAMPLES\n.nf\n", file);
            put_lines(file, form->example, "");
            fputs(".fi\n", file);
        }
    }
    put_exit_status(file);
    put_see_also(file, m, verb->name);
}

void man_write_tool(FILE *file, const manual *m) {
    put_title(file, m, "fovea", 1);
    fputs(".SH NAME\nfovea \\- a laboratory for sparse attention\n"
          ".SH SYNOPSIS\n.nf\nfovea \\fIVERB\\fR ...\nfovea \\-\\-version\n.fi\n"
          ".SH DESCRIPTION\n",
          file);
    put_text(file,
             "Trains tiny attention models, draws and judges what published experiments claim "
             "of them, and computes, distributes and judges attention over long contexts. "
             "Each verb has a page of its own.");
    fputs(".SH VERBS\n", file);
    for (const verb_page *verb = m->verbs; verb < m->verbs + m->n_verbs; verb++) {
        fprintf(file, ".TP\n.BR fovea\\-%s (1)\n", verb->name);
        put_text(file, verb->help);
    }
    put_exit_status(file);
    put_see_also(file, m, NULL);
}

static void put_takes(FILE *file, const fv_field *field) {
    if (field->type == FV_TYPE_BOOL) {
        fputs("true or false", file);
    } else if (field->type == FV_TYPE_TEXT) {
        fputs("a text", file);
    } else if (field->type == FV_TYPE_NAMES) {
        fputs("a list of patterns of names", file);
    } else if (field->type == FV_TYPE_FACTORS) {
        fputs("a mapping from patterns of names to numbers", file);
    } else if (field->type == FV_TYPE_STAGES) {
        fputs("a list of mappings, each with a step and fields", file);
    } else if (field->choices != NULL) {
        fputs(field->type == FV_TYPE_LAYERS ? "a list of" : "one of", file);
        for (int i = 0; field->choices[i] != NULL; i++) {
            fputs(i > 0 ? ",\n" : "\n", file);
            put_word(file, field->choices[i], (int)strlen(field->choices[i]));
        }
    } else {
        char range[96];
        snprintf(range, sizeof range, "%s from %.10g to %.10g",
                 field->type == FV_TYPE_REAL   ? "a number"
                 : field->type == FV_TYPE_INTS ? "a list of whole numbers"
                                               : "a whole number",
                 field->lowest, field->highest);
        put_word(file, range, (int)strlen(range));
    }
}

void man_write_fields(FILE *file, const manual *m) {
    put_title(file, m, "fovea-fields", 5);
    fputs(".SH NAME\nfovea\\-fields \\- configuration fields of experiments\n"
          ".SH DESCRIPTION\n",
          file);
    put_text(file, "Fields stand in experiment files, and as KEY=VALUE behind the verbs that take "
                   "them; lists and ranges make a grid.");
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; i < n; i++) {
        int length = (int)strcspn(fields[i].key, ".");
        if (i == 0 || strncmp(fields[i].key, fields[i - 1].key, (size_t)length + 1) != 0) {
            fputs(".SH ", file);
            for (int c = 0; c < length; c++)
                put_char(file, (char)toupper((unsigned char)fields[i].key[c]));
            fputc('\n', file);
        }
        fputs(".TP\n.B ", file);
        put_word(file, fields[i].key, (int)strlen(fields[i].key));
        fputc('\n', file);
        put_text(file, fields[i].help);
        fputs(".br\nTakes ", file);
        put_takes(file, &fields[i]);
        fputs(";\ndefault ", file);
        put_word(file, fields[i].default_text, (int)strlen(fields[i].default_text));
        fputs(".\n", file);
    }
    fputs(".SH SEE ALSO\n.BR fovea (1),\n.BR fovea\\-run (1)\n", file);
}
