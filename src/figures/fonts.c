#include "figures/fonts.h"

#include "base/system.h"
#include "figures/fit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// --- sets of characters ------------------------------------------------------------------------

enum { N_CHARACTERS = 0x110000, N_BYTES = N_CHARACTERS / CHAR_BIT };

typedef unsigned char characters; // [N_BYTES], a bit each

static bool has(const characters *set, uint32_t c) {
    return set[c / CHAR_BIT] >> c % CHAR_BIT & 1;
}

static void add(characters *set, uint32_t c) {
    set[c / CHAR_BIT] |= (characters)(1u << c % CHAR_BIT);
}

// Adds what a list of ranges, "20-7e a0-17f 192", has.
static void add_ranges(characters *set, const char *list) {
    while (*list != '\0') {
        char *end;
        unsigned long first = strtoul(list, &end, 16), last = first;
        if (end == list) return;
        if (*end == '-') last = strtoul(end + 1, &end, 16);
        for (unsigned long c = first; c <= last && c < N_CHARACTERS; c++) add(set, (uint32_t)c);
        list = end + strspn(end, " ");
    }
}

// Adds the characters of the script beyond ASCII.
static void collect(const char *script, size_t length, characters *set) {
    for (const char *at = script; at < script + length;) {
        uint32_t c = next_character(&at);
        if (c == 0) break;
        if (c >= 0x80) add(set, c);
    }
}

// --- fontconfig --------------------------------------------------------------------------------

static pid_t start(char *const arguments[], int out) {
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    if (posix_spawn_file_actions_init(&actions) != 0) return -1;
    int failed = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!failed)
        failed =
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed =
            posix_spawnp(&child, arguments[0], &actions, NULL, arguments, system_environment());
    posix_spawn_file_actions_destroy(&actions);
    return failed ? -1 : child;
}

// What the program prints; NULL where it cannot be run or fails.
static char *ask(figure_scratch *scratch, char *const arguments[]) {
    FILE *out = tmpfile();
    if (out == NULL) return NULL;
    fcntl(fileno(out), F_SETFD, FD_CLOEXEC);
    int status = -1;
    pid_t child = start(arguments, fileno(out));
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    char *text = NULL;
    off_t size = lseek(fileno(out), 0, SEEK_END);
    if (status == 0 && size >= 0) text = scratch_get(scratch, (size_t)size + 1, 1);
    if (text != NULL && pread(fileno(out), text, (size_t)size, 0) != size) text = NULL;
    fclose(out);
    return text;
}

// Adds the characters of all fonts that outlines can be taken from: of other formats the renderer
// of the PNG knows nothing.
static bool add_all_fonts(figure_scratch *scratch, characters *set) {
    char *text = ask(scratch, (char *[]){"fc-list", "-f", "%{fontformat} %{charset}\n", ":", NULL});
    if (text == NULL) return false;
    for (char *rest = text, *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        char *list = strchr(line, ' ');
        if (list != NULL && (strncmp(line, "TrueType ", 9) == 0 || strncmp(line, "CFF ", 4) == 0))
            add_ranges(set, list + 1);
    }
    return true;
}

// Adds the characters of the font that stands for Sans, which a GIF is drawn from.
static bool add_usual_font(figure_scratch *scratch, characters *set) {
    char *text = ask(scratch, (char *[]){"fc-match", "-f", "%{charset}", "Sans", NULL});
    if (text != NULL) add_ranges(set, text);
    return text != NULL;
}

// Takes out what a GIF's renderer cannot read: it knows three bytes of UTF-8 at most.
static void keep_three_bytes(characters *set) {
    memset(set + 0x10000 / CHAR_BIT, 0, N_BYTES - 0x10000 / CHAR_BIT);
}

// Of the characters `wanted`, how many the set has.
static int n_common(const characters *set, const characters *wanted) {
    int n = 0;
    for (uint32_t c = 0; c < N_CHARACTERS; c++) n += has(wanted, c) && has(set, c);
    return n;
}

// The file of the font that has ASCII and most of `wanted`, where it has more than the usual font,
// whose characters are in `known`, and which then are its own; else NULL.
static const char *better_font(figure_scratch *scratch, const characters *wanted,
                               characters *known) {
    char *text =
        ask(scratch, (char *[]){"fc-list", "-f", "%{charset}\t%{file}\n", ":charset=20-7e", NULL});
    characters *set = scratch_get(scratch, N_BYTES, 1);
    const char *best = NULL;
    if (text == NULL || set == NULL) return NULL;
    for (char *rest = text, *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        char *file = strchr(line, '\t');
        if (file == NULL || strchr(file, '\'') != NULL) continue;
        memset(set, 0, N_BYTES);
        add_ranges(set, line);
        keep_three_bytes(set);
        if (n_common(set, wanted) <= n_common(known, wanted)) continue;
        memcpy(known, set, N_BYTES);
        best = file + 1;
    }
    return best;
}

// --- the script --------------------------------------------------------------------------------

// "学, 习 and 率": up to eight of the characters.
static char *name_some(figure_scratch *scratch, const char *script, const characters *missing) {
    enum { MOST = 8 };
    characters *named = scratch_get(scratch, N_BYTES, 1);
    char *text = scratch_text(scratch, "%s", "");
    int n = 0;
    for (const char *at = script, *start = at; named != NULL && text != NULL; start = at) {
        uint32_t c = next_character(&at);
        if (c == 0) break;
        if (!has(missing, c) || has(named, c)) continue;
        add(named, c);
        if (n++ < MOST)
            text =
                scratch_text(scratch, "%s%s%.*s", text, n > 1 ? " " : "", (int)(at - start), start);
    }
    if (text != NULL && n > MOST) text = scratch_text(scratch, "%s and %d more", text, n - MOST);
    return text;
}

// Replaces what is missing by a sign of its own, or by nothing where it only joins another
// character.
static bool replace(figure_scratch *scratch, const char *sign, const characters *missing,
                    figure_drawable *drawable) {
    const char *from = drawable->script, *end = from + drawable->length;
    char *text = scratch_get(scratch, 2 * drawable->length + 1, 1), *to = text;
    if (text == NULL) return false;
    for (const char *start = from; start < end; start = from) {
        uint32_t c = next_character(&from);
        if (c == 0) break;
        if (!has(missing, c)) {
            memcpy(to, start, (size_t)(from - start));
            to += from - start;
        } else if (character_width(c) > 0) {
            to = stpcpy(to, sign);
        }
    }
    drawable->script = text;
    drawable->length = (size_t)(to - text);
    return true;
}

// Sets a GIF's script in the font that has most of what is wanted.
static fv_status use_best_font(figure_scratch *scratch, const characters *wanted, characters *known,
                               figure_drawable *drawable) {
    const char *file = better_font(scratch, wanted, known);
    if (file == NULL) return FV_OK;
    char *text = scratch_text(scratch, "set termoption font '%s,11'\n%.*s", file,
                              (int)drawable->length, drawable->script);
    if (text == NULL) return FV_NO_MEMORY;
    drawable->script = text;
    drawable->length = strlen(text);
    return FV_OK;
}

static bool is_subset(const characters *set, const characters *of) {
    for (size_t i = 0; i < N_BYTES; i++)
        if (set[i] & ~of[i]) return false;
    return true;
}

fv_status fonts_drawable(figure_scratch *scratch, figure_picture picture, const char *script,
                         size_t length, figure_drawable *drawable, fv_error *error) {
    bool gif = picture == FV_PICTURE_GIF;
    const char *name = gif ? "GIF" : "PNG";
    *drawable = (figure_drawable){.script = script, .length = length};
    characters *wanted = scratch_get(scratch, N_BYTES, 1);
    characters *known = scratch_get(scratch, N_BYTES, 1);
    if (wanted == NULL || known == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a picture");
    if (picture == FV_PICTURE_SVG) return FV_OK;
    if (!(gif ? add_usual_font(scratch, known) : add_all_fonts(scratch, known))) return FV_OK;
    collect(script, length, wanted);
    if (!has(known, 'a')) {
        drawable->remark = scratch_text(
            scratch,
            "this machine has no font, and the %s no text; install one, for example the "
            "package fonts-dejavu-core",
            name);
        return FV_OK;
    }
    if (gif) keep_three_bytes(known);
    if (gif && !is_subset(wanted, known) &&
        use_best_font(scratch, wanted, known, drawable) != FV_OK)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a picture");
    if (is_subset(wanted, known)) return FV_OK;
    characters *missing = wanted;
    const char *sign = has(known, 0x25a1) ? "□" : "?";
    for (size_t i = 0; i < N_BYTES; i++) missing[i] &= (characters)~known[i];
    char *names = name_some(scratch, script, missing);
    if (names == NULL || !replace(scratch, sign, missing, drawable))
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a picture");
    drawable->remark =
        gif ? scratch_text(scratch,
                           "a GIF is drawn from one font, and the best of this machine does "
                           "not show %s: the GIF has %s instead",
                           names, sign)
            : scratch_text(scratch,
                           "no font of this machine has %s: the PNG shows %s instead, the SVG "
                           "has the characters",
                           names, sign);
    return FV_OK;
}
