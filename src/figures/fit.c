#include "figures/fit.h"

#include <math.h>
#include <string.h>

static const char ellipsis[] = "…";

// --- widths ------------------------------------------------------------------------------------

uint32_t next_character(const char **text) {
    const unsigned char *at = (const unsigned char *)*text;
    if (*at == 0) return 0;
    int more = *at < 0x80 ? 0 : *at >= 0xf0 && *at < 0xf8 ? 3 : *at >= 0xe0 ? 2 : 1;
    bool whole = *at < 0x80 || (*at >= 0xc2 && *at < 0xf5);
    uint32_t character = more == 0 ? *at : *at & (0x3fu >> more);
    for (int i = 1; i <= more && whole; i++) {
        whole = (at[i] & 0xc0) == 0x80;
        character = character << 6 | (at[i] & 0x3f);
    }
    *text += whole ? more + 1 : 1;
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000}; // what needs so many bytes
    bool is_one = whole && character >= least[more] && character <= 0x10ffff &&
                  !(character >= 0xd800 && character <= 0xdfff);
    return is_one ? character : 0xfffd;
}

// Of the characters from ' ' to '~', in hundredths of the letters' size.
static const unsigned char ascii_widths[] = {
    32, 40, 46, 84, 64, 95, 78, 27, 39,  39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79,
    60, 79, 69, 63, 61, 73, 68, 99, 69,  61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63,
    63, 28, 28, 58, 28, 97, 63, 61, 63,  63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
};

// first, last, width in hundredths: what is not a letter of ordinary width
static const struct {
    uint32_t first, last;
    int width;
} ranges[] = {
    {0x0300, 0x036f, 0},     // combining marks
    {0x0483, 0x0489, 0},     // of Cyrillic
    {0x0591, 0x05bd, 0},     // points of Hebrew
    {0x064b, 0x065f, 0},     // and of Arabic
    {0x1100, 0x115f, 100},   // Hangul
    {0x1ab0, 0x1aff, 0},     // combining marks
    {0x1dc0, 0x1dff, 0},     //
    {0x200b, 0x200f, 0},     // zero width, directions
    {0x202a, 0x202e, 0},     //
    {0x2060, 0x206f, 0},     //
    {0x20d0, 0x20f0, 0},     // marks around symbols
    {0x2190, 0x2bff, 84},    // arrows, operators, shapes
    {0x2e80, 0xa4cf, 100},   // Chinese, Japanese
    {0xac00, 0xd7a3, 100},   // Korean
    {0xf900, 0xfaff, 100},   //
    {0xfe00, 0xfe0f, 0},     // variants
    {0xfe20, 0xfe2f, 0},     //
    {0xfe30, 0xfe6f, 100},   //
    {0xff00, 0xff60, 100},   // full width
    {0xffe0, 0xffe6, 100},   //
    {0x1f000, 0x1faff, 120}, // pictures
    {0x20000, 0x3fffd, 100}, // rare Chinese
    {0xe0000, 0xe01ef, 0},   // tags, variants
};

double character_width(uint32_t character) {
    if (character < 0x80)
        return character >= ' ' && character < 0x7f ? ascii_widths[character - ' '] / 100.0 : 0.32;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return ranges[i].width / 100.0;
    return 0.66;
}

double text_width(const char *text, double size) {
    double width = 0;
    for (uint32_t c; (c = next_character(&text)) != 0;) width += character_width(c);
    return width * size;
}

// --- lines -------------------------------------------------------------------------------------

// Where a line may end: at a space, and between characters that are written without spaces.
static bool breaks_after(uint32_t character) {
    return character == ' ' || (character >= 0x2e80 && character <= 0xd7a3) ||
           (character >= 0xff00 && character <= 0xff60) || character >= 0x1f000;
}

// The end of the line that starts at `text`; a word that is wider than a line is broken.
static const char *line_end(const char *text, double size, double width) {
    const char *at = text, *last = NULL;
    double used = 0;
    for (;;) {
        const char *next = at;
        uint32_t c = next_character(&next);
        if (c == 0) return at;
        double wide = character_width(c) * size;
        if (c != ' ' && used + wide > width && at > text) return last != NULL ? last : at;
        used += wide;
        at = next;
        if (breaks_after(c)) last = at;
    }
}

// The longest start of the line that leaves room for the ellipsis.
static size_t shorten(const char *line, double size, double width) {
    double used = text_width(ellipsis, size);
    for (const char *at = line, *next = line;; at = next) {
        uint32_t c = next_character(&next);
        used += character_width(c) * size;
        if (c == 0 || used > width) return (size_t)(at - line);
    }
}

static void add_line(figure_fitted *fitted, const char *start, const char *end) {
    double width = 0;
    while (end > start && end[-1] == ' ') end--;
    for (const char *at = start; at < end;) width += character_width(next_character(&at));
    fitted->lines[fitted->n].start = start;
    fitted->lines[fitted->n++].n = (size_t)(end - start);
    fitted->width = fmax(fitted->width, width * fitted->size);
}

figure_fitted text_fit(const char *text, double size, double least, double width, int most) {
    double natural = text_width(text, 1);
    figure_fitted fitted = {.size = natural * size <= width ? size
                                    : natural > 0           ? fmax(least, width / natural)
                                                            : size};
    if (most > FV_MOST_LINES) most = FV_MOST_LINES;
    if (natural * least > width) fitted.size = least;
    if (natural * fitted.size <= width * 1.0001 || most < 1) {
        add_line(&fitted, text, text + strlen(text));
        return fitted;
    }
    for (const char *at = text; *at != '\0' && !fitted.cut;) {
        const char *end = line_end(at, fitted.size, width);
        fitted.cut = fitted.n == most - 1 && *end != '\0';
        if (fitted.cut) end = at + shorten(at, fitted.size, width);
        add_line(&fitted, at, end);
        for (at = end; *at == ' ';) at++;
    }
    return fitted;
}

char *fitted_line(figure_scratch *scratch, const figure_fitted *fitted, int k) {
    return scratch_text(scratch, "%.*s%s", (int)fitted->lines[k].n, fitted->lines[k].start,
                        fitted->cut && k == fitted->n - 1 ? ellipsis : "");
}

double fitted_height(const figure_fitted *fitted) {
    return fitted->n * fitted->size * 1.3;
}

const char *text_cut(figure_scratch *scratch, const char *text, double size, double width) {
    figure_fitted fitted = text_fit(text, size, size, width, 1);
    return fitted.cut ? fitted_line(scratch, &fitted, 0) : text;
}
