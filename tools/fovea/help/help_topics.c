#include "help/help_topics.h"

#include "tool.h"

#include <ctype.h>
#include <fovea/eval.h>
#include <fovea/fields.h>
#include <fovea/topic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAMES = 22 }; // columns of names in lists

// --- one topic ---------------------------------------------------------------------------------

// The lines of an example, the first behind `label`.
static void print_example(fv_topic_kind kind, const fv_topic *t, const char *label, int indent) {
    const char *command = kind == FV_TOPIC_FIELD ? "fovea run FILE " : "";
    for (const char *line = t->example; *line != '\0'; label = "") {
        int n = (int)strcspn(line, "\n");
        printf("%-*s%s%.*s\n", indent, label, command, n, line);
        line += n + (line[n] == '\n');
    }
}

static void print_key(const fv_topic *key) {
    printf("  %-*s %s (%s)\n", NAMES - 3, key->name, key->help, key->takes);
}

// The keys of a kind of figure, behind those of every figure.
static void print_keys(const char *kind) {
    fv_topic key;
    printf("  keys of every figure\n");
    for (int i = 0; fv_topic_at(FV_TOPIC_KEY, i, &key); i++)
        if (*key.of == '\0') print_key(&key);
    printf("  its own keys\n");
    for (int i = 0; fv_topic_at(FV_TOPIC_KEY, i, &key); i++)
        if (strcmp(key.of, kind) == 0) print_key(&key);
}

static void print_field(const fv_topic *t) {
    printf("%s: %s\n  takes    %s\n", t->name, t->help, t->takes);
    printf("  default  %s\n", fv_field_find(t->name)->default_text);
    if (*t->read_by != '\0') printf("  read by  %s\n", t->read_by);
    print_example(FV_TOPIC_FIELD, t, "  example", 11);
}

static void print_topic(fv_topic_kind kind, const fv_topic *t) {
    if (kind == FV_TOPIC_FIELD) {
        print_field(t);
        return;
    }
    const char *of = kind == FV_TOPIC_KEY && *t->of != '\0' ? t->of : NULL;
    const char *one = fv_topic_text(kind, false), *article = strchr("aeiou", *one) ? "an" : "a";
    printf("%s%s%s%s, %s %s%s%s: %s\n", t->name, kind == FV_TOPIC_MEASURE && *t->takes ? "(" : "",
           kind == FV_TOPIC_MEASURE ? t->takes : "",
           kind == FV_TOPIC_MEASURE && *t->takes ? ")" : "", article, one, of ? " of kind " : "",
           of ? of : "", t->help);
    if (kind == FV_TOPIC_KEY) printf("  takes    %s\n", t->takes);
    if (kind == FV_TOPIC_FIGURE) print_keys(t->name);
    print_example(kind, t, "  example", 11);
}

// "figure" of figures: what stands before a line and names a list.
static int word_of(fv_topic_kind kind, const char **word) {
    *word = fv_topic_text(kind, true);
    return (int)strlen(*word) - 1;
}

static void print_line(fv_topic_kind kind, const fv_topic *t) {
    char name[96];
    const char *word;
    int n = word_of(kind, &word);
    snprintf(name, sizeof name, "%s%s%s", t->of, *t->of ? "." : "", t->name);
    printf("  %.*s%*s %-*s %s\n", n, word, 8 - n, "", NAMES, name, t->help);
}

// --- lists -------------------------------------------------------------------------------------

// Writes questions and asks nobody. What hides in texts may do without.
static void print_served_example(int i) {
    bool documents = strstr(fv_eval_task_help(i), "--documents") != NULL;
    printf("fovea needle --data ruler --task %s --lengths 4000 --samples 2 %s\n",
           fv_eval_task_name(i), documents ? "--documents FILE" : "--haystack noise");
}

static void list_served_tasks(void) {
    printf("\nTasks of served models:\n");
    for (int i = 0; fv_eval_task_name(i) != NULL; i++) {
        printf("%-*s %s\n%*s ", NAMES, fv_eval_task_name(i), fv_eval_task_help(i), NAMES, "");
        print_served_example(i);
    }
}

static int list(fv_topic_kind kind) {
    fv_topic t;
    for (int i = 0; fv_topic_at(kind, i, &t); i++) {
        char name[512];
        bool call = kind == FV_TOPIC_MEASURE && *t.takes != '\0';
        snprintf(name, sizeof name, "%s%s%s%s%s%s", t.of, *t.of ? "." : "", t.name, call ? "(" : "",
                 call ? t.takes : "", call ? ")" : "");
        if (kind == FV_TOPIC_FIELD) {
            printf("%-22s %-12s %s\n", t.name, fv_field_find(t.name)->default_text, t.help);
            continue;
        }
        if (strlen(name) > NAMES) printf("%s\n%-*s %s\n", name, NAMES, "", t.help);
        if (strlen(name) <= NAMES) printf("%-*s %s\n", NAMES, name, t.help);
        print_example(kind, &t, "", NAMES + 1);
    }
    if (kind == FV_TOPIC_TASK) list_served_tasks();
    if (kind == FV_TOPIC_FIGURE) printf("\n'fovea help KIND' lists the keys of a kind.\n");
    return EXIT_DONE;
}

static bool find_kind(const char *word, fv_topic_kind *kind) {
    const char *list;
    for (int k = 0; k < FV_TOPIC_COUNT; k++) {
        *kind = (fv_topic_kind)k;
        int n = word_of(*kind, &list);
        bool begins = strncmp(word, list, (size_t)n) == 0;
        if (begins && (word[n] == '\0' || strcmp(word + n, "s") == 0)) return true;
    }
    return false;
}

// --- words -------------------------------------------------------------------------------------

// The kinds that a search goes through.
typedef struct search {
    int first, end;
} search;

// A field is also known by the part of its key behind the dot.
static bool is_called(fv_topic_kind kind, const fv_topic *t, const char *word) {
    const char *dot = kind == FV_TOPIC_FIELD ? strchr(t->name, '.') : NULL;
    return strcasecmp(t->name, word) == 0 || (dot != NULL && strcasecmp(dot + 1, word) == 0);
}

static bool mentions(const char *text, const char *word) {
    size_t n = strlen(word);
    for (; *text != '\0'; text++)
        if (strncasecmp(text, word, n) == 0) return true;
    return false;
}

static int print_called(const search *in, const char *word) {
    fv_topic t;
    int n = 0;
    for (int k = in->first; k < in->end; k++)
        for (int i = 0; fv_topic_at((fv_topic_kind)k, i, &t); i++)
            if (is_called((fv_topic_kind)k, &t, word)) {
                if (n++ > 0) putchar('\n');
                print_topic((fv_topic_kind)k, &t);
            }
    return n;
}

// What is meant by a word of another library.
static int print_meant(const search *in, const char *word) {
    fv_topic t;
    int n = 0;
    for (int k = in->first; k < in->end; k++) {
        const char *name = fv_topic_meant((fv_topic_kind)k, word);
        for (int i = 0; name != NULL && fv_topic_at((fv_topic_kind)k, i, &t); i++)
            if (strcmp(t.name, name) == 0) {
                printf("%s'%s' is %s here.\n", n++ > 0 ? "\n" : "", word, name);
                print_topic((fv_topic_kind)k, &t);
                break;
            }
    }
    return n;
}

static int print_served(const char *word) {
    for (int i = 0; fv_eval_task_name(i) != NULL; i++)
        if (strcasecmp(fv_eval_task_name(i), word) == 0) {
            printf("%s, a task of served models: %s\n  example  ", word, fv_eval_task_help(i));
            print_served_example(i);
            return 1;
        }
    return 0;
}

// Everything else that speaks of the word, a line each, behind `headline`.
static int print_mentions(const search *in, const char *word, const char *headline) {
    fv_topic t;
    int n = 0;
    for (int k = in->first; k < in->end; k++)
        for (int i = 0; fv_topic_at((fv_topic_kind)k, i, &t); i++) {
            bool found = mentions(t.name, word) || mentions(t.help, word) ||
                         (k == FV_TOPIC_FIELD && mentions(t.takes, word));
            const char *meant = fv_topic_meant((fv_topic_kind)k, word);
            if (!found || is_called((fv_topic_kind)k, &t, word)) continue;
            if (meant != NULL && strcmp(meant, t.name) == 0) continue;
            if (n++ == 0) printf("%s", headline);
            print_line((fv_topic_kind)k, &t);
        }
    for (int i = 0; in->end == FV_TOPIC_COUNT && fv_eval_task_name(i) != NULL; i++) {
        if (!mentions(fv_eval_task_name(i), word) && !mentions(fv_eval_task_help(i), word))
            continue;
        if (strcasecmp(fv_eval_task_name(i), word) == 0) continue;
        if (n++ == 0) printf("%s", headline);
        printf("  %-8s %-*s %s\n", "served", NAMES, fv_eval_task_name(i), fv_eval_task_help(i));
    }
    return n;
}

// Names what is near, of every kind that was searched.
static int refuse_word(const search *in, const char *word) {
    char near[400] = "";
    size_t n = 0;
    for (int k = in->first; k < in->end && n < sizeof near; k++) {
        const char *name = fv_topic_nearest((fv_topic_kind)k, word);
        if (name == NULL) continue;
        n += (size_t)snprintf(near + n, sizeof near - n, "%s the %s %s",
                              n > 0 ? "," : "; near it is", fv_topic_text((fv_topic_kind)k, false),
                              name);
    }
    if (in->end - in->first == 1)
        return tool_usage_error("there is no %s '%.100s'%s; 'fovea help %s' lists them",
                                fv_topic_text((fv_topic_kind)in->first, false), word, near,
                                fv_topic_text((fv_topic_kind)in->first, true));
    return tool_usage_error("nothing is called '%.100s' or speaks of it%s; 'fovea help' says what "
                            "is explained",
                            word, n > 0 ? near : ", and no name is near");
}

static int help_word(const search *in, const char *word) {
    int n = print_called(in, word);
    if (in->end == FV_TOPIC_COUNT) n += print_served(word);
    if (n == 0) n = print_meant(in, word);
    if (n == 0 && fv_topic_absent(word) != NULL) {
        printf("There is no '%s': %s.\n", word, fv_topic_absent(word));
        n++;
    }
    n += print_mentions(in, word, n > 0 ? "\nAlso:\n" : "");
    if (n > 0) return EXIT_DONE;
    return refuse_word(in, word);
}

int help_topics(const char *kind, const char *word) {
    fv_topic_kind one;
    if (kind != NULL && !find_kind(kind, &one))
        return tool_usage_error(
            "there is no kind '%s' of what help explains; the kinds are" HELP_KINDS, kind);
    if (kind != NULL) return help_word(&(search){(int)one, (int)one + 1}, word);
    const search all = {0, FV_TOPIC_COUNT};
    if (!find_kind(word, &one)) return help_word(&all, word);
    // A section of the same name is what the list says.
    const search named = {0, FV_TOPIC_SECTION};
    if (print_called(&named, word) > 0) putchar('\n'); // model.layers, and the layers
    return list(one);
}
