#include "figures/picture.h"

#include <stdint.h>
#include <string.h>

// A walk over bytes: a step beyond the end ends it.
typedef struct walk {
    const unsigned char *at, *end;
} walk;

static bool step(walk *w, size_t n) {
    if (n > (size_t)(w->end - w->at)) return false;
    w->at += n;
    return true;
}

static bool starts_with(const walk *w, const char *bytes, size_t n) {
    return n <= (size_t)(w->end - w->at) && memcmp(w->at, bytes, n) == 0;
}

static bool is_whole_svg(walk w) {
    static const char START[] = "<?xml", END[] = "</svg>";
    size_t n = strlen(END);
    while (w.end > w.at && strchr(" \t\r\n", w.end[-1]) != NULL && w.end[-1] != 0) w.end--;
    if (!starts_with(&w, START, strlen(START)) || (size_t)(w.end - w.at) < n) return false;
    return memcmp(w.end - n, END, n) == 0;
}

// Signature, then chunks of (length, type, data, checksum); IEND is the last and has no data.
static bool is_whole_png(walk w) {
    static const char SIGNATURE[] = "\x89PNG\r\n\x1a\n", END[] = "\0\0\0\0IEND\xae\x42\x60\x82";
    if (!starts_with(&w, SIGNATURE, strlen(SIGNATURE)) || !step(&w, strlen(SIGNATURE)))
        return false;
    while (w.end - w.at >= 12) {
        if (starts_with(&w, END, sizeof END - 1)) return w.end - w.at == sizeof END - 1;
        uint32_t length = (uint32_t)w.at[0] << 24 | (uint32_t)w.at[1] << 16 |
                          (uint32_t)w.at[2] << 8 | (uint32_t)w.at[3];
        if (!step(&w, (size_t)length + 12)) return false;
    }
    return false;
}

// The colours that a GIF's flags announce, three bytes each.
static size_t table_size(unsigned flags) {
    return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

// Sub-blocks of (length, data), the last of length 0.
static bool step_over_blocks(walk *w) {
    while (w->at < w->end) {
        unsigned length = *w->at;
        if (!step(w, (size_t)length + 1)) return false;
        if (length == 0) return true;
    }
    return false;
}

// Header and global colours, then extensions and images; the trailer ends it.
static bool is_whole_gif(walk w) {
    enum { HEADER = 13, EXTENSION = 0x21, IMAGE = 0x2c, TRAILER = 0x3b };
    if (!starts_with(&w, "GIF8", 4) || w.end - w.at < HEADER) return false;
    size_t colours = table_size(w.at[10]);
    if (!step(&w, HEADER + colours)) return false;
    while (w.at < w.end) {
        unsigned kind = *w.at;
        if (kind == TRAILER) return w.end - w.at == 1;
        if (kind == IMAGE) {
            if (w.end - w.at < 10) return false;
            colours = table_size(w.at[9]);
            if (!step(&w, 10 + colours + 1)) return false; // and the size of its codes
        } else if (kind != EXTENSION || !step(&w, 2)) {
            return false;
        }
        if (!step_over_blocks(&w)) return false;
    }
    return false;
}

bool picture_is_whole(figure_picture picture, const char *bytes, size_t n) {
    const walk w = {(const unsigned char *)bytes, (const unsigned char *)bytes + n};
    switch (picture) {
    case FV_PICTURE_SVG:
        return is_whole_svg(w);
    case FV_PICTURE_PNG:
        return is_whole_png(w);
    case FV_PICTURE_GIF:
        return is_whole_gif(w);
    }
    return false;
}
