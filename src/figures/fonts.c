#include "figures/fonts.h"

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

extern char **environ;

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
        uint32_t c = fv_next_character(&at);
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
    if (!failed) failed = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed ? -1 : child;
}

// What the program prints; NULL where it cannot be run or fails.
static char *ask(fv_scratch *scratch, char *const arguments[]) {
    FILE *out = tmpfile();
    if (out == NULL) return NULL;
    fcntl(fileno(out), F_SETFD, FD_CLOEXEC);
    int status = -1;
    pid_t child = start(arguments, fileno(out));
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    char *text = NULL;
    off_t size = lseek(fileno(out), 0, SEEK_END);
    if (status == 0 && size >= 0) text = fv_scratch_get(scratch, (size_t)size + 1, 1);
    if (text != NULL && pread(fileno(out), text, (size_t)size, 0) != size) text = NULL;
    fclose(out);
    return text;
}

// Adds the characters of all fonts that outlines can be taken from: of other formats the renderer
// of the PNG knows nothing.
static bool add_all_fonts(fv_scratch *scratch, characters *set) {
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
static bool add_usual_font(fv_scratch *scratch, characters *set) {
    char *text = ask(scratch, (char *[]){"fc-match", "-f", "%{charset}", "Sans", NULL});
    if (text != NULL) add_ranges(set, text);
    return text != NULL;
}

// The file of a font that has all of `wanted` and ASCII, or NULL.
static char *font_with(fv_scratch *scratch, const characters *wanted) {
    size_t room = 64;
    for (uint32_t c = 0x80; c < N_CHARACTERS; c++) room += has(wanted, c) ? 8 : 0;
    char *pattern = fv_scratch_get(scratch, room, 1);
    if (pattern == NULL) return NULL;
    char *at = stpcpy(pattern, ":charset=20-7e");
    for (uint32_t c = 0x80; c < N_CHARACTERS; c++)
        if (has(wanted, c)) at += sprintf(at, " %x", c);
    char *text = ask(scratch, (char *[]){"fc-list", "-f", "%{file}\n", pattern, NULL});
    if (text == NULL || *text == '\0' || strpbrk(text, "'") != NULL) return NULL;
    text[strcspn(text, "\n")] = '\0';
    return text;
}

// --- the script --------------------------------------------------------------------------------

// "学, 习 and 率": up to eight of the characters.
static char *name_some(fv_scratch *scratch, const char *script, const characters *missing) {
    enum { MOST = 8 };
    characters *named = fv_scratch_get(scratch, N_BYTES, 1);
    char *text = fv_scratch_text(scratch, "%s", "");
    int n = 0;
    for (const char *at = script, *start = at; named != NULL && text != NULL; start = at) {
        uint32_t c = fv_next_character(&at);
        if (c == 0) break;
        if (!has(missing, c) || has(named, c)) continue;
        add(named, c);
        if (n++ < MOST)
            text = fv_scratch_text(scratch, "%s%s%.*s", text, n > 1 ? " " : "", (int)(at - start),
                                   start);
    }
    if (text != NULL && n > MOST) text = fv_scratch_text(scratch, "%s and %d more", text, n - MOST);
    return text;
}

// Replaces what is missing by a sign of its own, or by nothing where it only joins another
// character.
static bool replace(fv_scratch *scratch, const char *sign, const characters *missing,
                    fv_drawable *drawable) {
    const char *from = drawable->script, *end = from + drawable->length;
    char *text = fv_scratch_get(scratch, 2 * drawable->length + 1, 1), *to = text;
    if (text == NULL) return false;
    for (const char *start = from; start < end; start = from) {
        uint32_t c = fv_next_character(&from);
        if (c == 0) break;
        if (!has(missing, c)) {
            memcpy(to, start, (size_t)(from - start));
            to += from - start;
        } else if (fv_character_width(c) > 0) {
            to = stpcpy(to, sign);
        }
    }
    drawable->script = text;
    drawable->length = (size_t)(to - text);
    return true;
}

// A GIF's script with a font that has all that is wanted; false where there is none.
static bool use_other_font(fv_scratch *scratch, const characters *wanted, fv_drawable *drawable) {
    char *file = font_with(scratch, wanted);
    char *text = file == NULL ? NULL
                              : fv_scratch_text(scratch, "set termoption font '%s,11'\n%.*s", file,
                                                (int)drawable->length, drawable->script);
    if (text == NULL) return false;
    drawable->script = text;
    drawable->length = strlen(text);
    return true;
}

static bool is_subset(const characters *set, const characters *of) {
    for (size_t i = 0; i < N_BYTES; i++)
        if (set[i] & ~of[i]) return false;
    return true;
}

fv_status fv_fonts_drawable(fv_scratch *scratch, fv_picture picture, const char *script,
                            size_t length, fv_drawable *drawable, fv_error *error) {
    bool gif = picture == FV_PICTURE_GIF;
    const char *name = gif ? "GIF" : "PNG";
    *drawable = (fv_drawable){.script = script, .length = length};
    characters *wanted = fv_scratch_get(scratch, N_BYTES, 1);
    characters *known = fv_scratch_get(scratch, N_BYTES, 1);
    if (wanted == NULL || known == NULL)
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a picture");
    if (picture == FV_PICTURE_SVG) return FV_OK;
    if (!(gif ? add_usual_font(scratch, known) : add_all_fonts(scratch, known))) return FV_OK;
    collect(script, length, wanted);
    if (!has(known, 'a')) {
        drawable->remark = fv_scratch_text(
            scratch,
            "this machine has no font, and the %s no text; install one, for example the "
            "package fonts-dejavu-core",
            name);
        return FV_OK;
    }
    if (gif) // its renderer reads three bytes of UTF-8 at most
        memset(known + 0x10000 / CHAR_BIT, 0, N_BYTES - 0x10000 / CHAR_BIT);
    if (is_subset(wanted, known) || (gif && use_other_font(scratch, wanted, drawable)))
        return FV_OK;
    characters *missing = wanted;
    const char *sign = has(known, 0x25a1) ? "□" : "?";
    for (size_t i = 0; i < N_BYTES; i++) missing[i] &= (characters)~known[i];
    char *names = name_some(scratch, script, missing);
    if (names == NULL || !replace(scratch, sign, missing, drawable))
        return fv_fail(error, FV_NO_MEMORY, "out of memory for a picture");
    drawable->remark =
        fv_scratch_text(scratch, "no font of this machine has %s: the %s shows %s instead%s", names,
                        name, sign, gif ? "" : ", the SVG has the characters");
    return FV_OK;
}
