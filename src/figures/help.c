#include <fovea/figure.h>

#include "figures/kind.h"

#include <stdlib.h>
#include <string.h>

// "`key` (number)"; a required one is said to be.
static void write_option(FILE *out, const figure_option *option) {
    fprintf(out, "| `%s` | ", option->key);
    if (option->type == FV_OPTION_CHOICE)
        for (const char *c = option->choices; *c; c++)
            fputs(*c == '|' ? " or " : (char[]){*c, 0}, out);
    else
        fputs(option_type_text(option->type), out);
    fprintf(out, "%s | %s |\n", option->required ? ", required" : "", option->help);
}

static void write_table(FILE *out, const figure_option *options, int n) {
    fputs("| option | value | meaning |\n| --- | --- | --- |\n", out);
    for (int i = 0; i < n; i++) write_option(out, &options[i]);
}

static void write_kind(FILE *out, const figure_kind *kind) {
    fprintf(out, "## %s: %s\n\n```yaml\nfigure: %s\n```\n\n", kind->name, kind->help,
            kind->example);
    write_table(out, kind->options, kind->n_options);
}

char *fv_figure_help(const char *name) {
    char *text = NULL;
    size_t size = 0;
    int n_kinds, n_common;
    const figure_kind *const *kinds = figure_kinds(&n_kinds);
    const figure_option *common = figure_common_options(&n_common);
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) return NULL;
    fputs("## Every figure\n\n", out);
    write_table(out, common, n_common);
    bool found = name == NULL;
    for (int i = 0; i < n_kinds; i++) {
        if (name != NULL && strcmp(name, kinds[i]->name) != 0) continue;
        found = true;
        fputc('\n', out);
        write_kind(out, kinds[i]);
    }
    if (fclose(out) == 0 && found) return text;
    free(text);
    return NULL;
}
