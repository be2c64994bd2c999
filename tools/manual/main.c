// fovea_manual FOLDER SOURCES DATE: writes the manual pages and completions below FOLDER. The parts
// of completions that are no tables come from SOURCES, the folder of this file. Run by the build.
#include "manual.h"
#include "options.h"
#include "verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static manual all;

static void fail(const char *what, const char *path) {
    fprintf(stderr, "fovea_manual: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static char *copy(const char *text) {
    char *copied = text != NULL ? strdup(text) : NULL;
    if (text != NULL && copied == NULL) fail("no memory for", text);
    return copied;
}

// The verb's own tables, at its --help: they become a form of the last page, once.
static void take_form(const tool_usage *usage, const tool_option *options) {
    verb_page *page = &all.verbs[all.n_verbs - 1];
    for (int i = 0; i < page->n_forms; i++)
        if (strcmp(page->forms[i].synopsis, usage->synopsis) == 0) return;
    verb_form *form = &page->forms[page->n_forms++];
    form->synopsis = copy(usage->synopsis);
    form->about = copy(usage->about);
    form->example = copy(usage->example);
    form->overrides = usage->overrides;
    for (const tool_option *o = options; o->name != NULL; o++) {
        if (form->n_options == MAX_OPTIONS - 1) {
            fprintf(stderr, "fovea_manual: %s has more than %d options: raise MAX_OPTIONS\n",
                    page->name, MAX_OPTIONS - 1);
            exit(1);
        }
        form->options[form->n_options++] =
            (verb_option){copy(o->name), copy(o->help), copy(o->argument)};
    }
    form->options[form->n_options++] =
        (verb_option){copy("help"), copy("prints a summary of this page"), NULL};
}

static void read_verb(const char *name, const char *help, int (*run)(int argc, char **argv)) {
    all.verbs[all.n_verbs++] = (verb_page){.name = name, .help = help};
    char *alone[] = {(char *)name, "--help", NULL};
    run(2, alone);
    char *of_own_models[] = {(char *)name, "--help", "RUN", NULL};
    run(3, of_own_models);
}

static FILE *create(const char *folder, const char *subfolder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, subfolder);
    if (mkdir(path, 0777) != 0 && errno != EEXIST) fail("cannot make", path);
    snprintf(path, sizeof path, "%s/%s/%s", folder, subfolder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) fail("cannot write", path);
    return file;
}

static void finish(FILE *file, const char *name) {
    bool written = fflush(file) == 0 && !ferror(file);
    if (fclose(file) != 0 || !written) fail("cannot write", name);
}

static void write_pages(const char *folder) {
    char name[128];
    FILE *file = create(folder, "man1", "fovea.1");
    man_write_tool(file, &all);
    finish(file, "fovea.1");
    for (int i = 0; i < all.n_verbs; i++) {
        snprintf(name, sizeof name, "fovea-%s.1", all.verbs[i].name);
        file = create(folder, "man1", name);
        man_write_verb(file, &all, &all.verbs[i]);
        finish(file, name);
    }
    file = create(folder, "man5", "fovea-fields.5");
    man_write_fields(file, &all);
    finish(file, "fovea-fields.5");
}

static void write_completion(const char *folder, const char *sources, const char *shell,
                             const char *name, void (*tables)(FILE *, const manual *)) {
    char path[4096];
    snprintf(path, sizeof path, "%s/completion.%s", sources, shell);
    FILE *logic = fopen(path, "r");
    if (logic == NULL) fail("cannot read", path);
    FILE *file = create(folder, shell, name);
    tables(file, &all);
    for (int c = fgetc(logic); c != EOF; c = fgetc(logic)) fputc(c, file);
    fclose(logic);
    finish(file, name);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: fovea_manual FOLDER SOURCES DATE\n", stderr);
        return 2;
    }
    const char *folder = argv[1], *sources = argv[2];
    all.date = argv[3];
    options_read_by(take_form);
#define READ_VERB(verb, help) read_verb(#verb, help, cmd_##verb);
    VERB_LIST(READ_VERB)
#undef READ_VERB
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) fail("cannot make", folder);
    write_pages(folder);
    write_completion(folder, sources, "bash", "fovea", complete_write_bash);
    write_completion(folder, sources, "zsh", "_fovea", complete_write_zsh);
    write_completion(folder, sources, "fish", "fovea.fish", complete_write_fish);
    return 0;
}
