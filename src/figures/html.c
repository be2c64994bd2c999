#include "figures/html.h"

#include "figures/spots.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void html_text(FILE *html, const char *text) {
    for (; text != NULL && *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", html);
            break;
        case '<':
            fputs("&lt;", html);
            break;
        case '>':
            fputs("&gt;", html);
            break;
        case '"':
            fputs("&quot;", html);
            break;
        case '\'':
            fputs("&#39;", html);
            break;
        default:
            fputc(*text, html);
        }
    }
}

fv_status html_read_file(const char *path, char **bytes, size_t *length, fv_error *error) {
    size_t capacity = 0;
    *bytes = NULL;
    *length = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL) return fv_fail(error, FV_IO, "%s: cannot be read: %s", path, strerror(errno));
    fv_status status = FV_OK;
    for (size_t n = 1; n > 0 && status == FV_OK;) {
        if (capacity - *length < 2) {
            capacity = capacity ? 2 * capacity : 1 << 16;
            char *grown = realloc(*bytes, capacity);
            if (grown == NULL)
                status = fv_fail(error, FV_NO_MEMORY, "out of memory while reading %s", path);
            else
                *bytes = grown;
        }
        if (status != FV_OK) break;
        n = fread(*bytes + *length, 1, capacity - *length - 1, file);
        *length += n;
    }
    if (status == FV_OK && ferror(file))
        status = fv_fail(error, FV_IO, "%s: cannot be read: %s", path, strerror(errno));
    fclose(file);
    if (status == FV_OK) {
        (*bytes)[*length] = '\0';
        return FV_OK;
    }
    free(*bytes);
    *bytes = NULL;
    return status;
}

// --- SVG ---------------------------------------------------------------------------------------

// The text before an id, inside a tag.
static const char *const id_starts[] = {" id=\"",  " id='", "\tid=\"", "\tid='", "href=\"#",
                                        "href='#", "url(#", "url('#",  "url(\"#"};

static size_t id_start(const char *at) {
    for (size_t i = 0; i < sizeof id_starts / sizeof *id_starts; i++) {
        size_t n = strlen(id_starts[i]);
        if (strncmp(at, id_starts[i], n) == 0) return n;
    }
    return 0;
}

// The end of the element `name` (without attributes) that starts at `at`, or NULL.
static const char *element_end(const char *at, const char *name) {
    size_t n = strlen(name);
    if (*at != '<' || strncmp(at + 1, name, n) != 0 || at[n + 1] != '>') return NULL;
    char close[16];
    snprintf(close, sizeof close, "</%s>", name);
    const char *end = strstr(at, close);
    return end ? end + strlen(close) : NULL;
}

// Without gnuplot's own titles and descriptions; tool tips stay.
static void write_svg(FILE *html, const char *svg, const char *prefix) {
    bool in_tag = false;
    const char *spots = strstr(svg, FV_SPOTS_START);
    for (const char *at = svg; *at != '\0';) {
        const char *skip = spots == NULL || at < spots ? element_end(at, "title") : NULL;
        if (skip == NULL) skip = element_end(at, "desc");
        if (skip != NULL) {
            at = skip;
            continue;
        }
        if (*at == '<') in_tag = true;
        if (*at == '>') in_tag = false;
        size_t n = in_tag ? id_start(at) : 0;
        if (n > 0) {
            fwrite(at, 1, n, html);
            fputs(prefix, html);
            at += n;
        } else {
            fputc(*at++, html);
        }
    }
}

fv_status html_svg(FILE *html, const char *path, const char *prefix, const char *title,
                   fv_error *error) {
    char *bytes;
    size_t length;
    fv_status status = html_read_file(path, &bytes, &length, error);
    if (status != FV_OK) return status;
    const char *svg = strstr(bytes, "<svg");
    if (svg == NULL) {
        free(bytes);
        return fv_fail(error, FV_FORMAT, "%s: is no SVG file", path);
    }
    int width = 0, height = 0;
    const char *box = strstr(svg, "viewBox=\"0 0 ");
    if (box != NULL) sscanf(box, "viewBox=\"0 0 %d %d\"", &width, &height);
    fputs("<svg role=\"img\" aria-label=\"", html);
    html_text(html, title);
    fputc('"', html);
    if (width > 0) fprintf(html, " style=\"max-width:%dpx\"", width);
    write_svg(html, svg + strlen("<svg"), prefix);
    free(bytes);
    return FV_OK;
}

// --- other images ------------------------------------------------------------------------------

static void write_base64(FILE *html, const unsigned char *bytes, size_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16;
        if (i + 1 < length) group |= (unsigned)bytes[i + 1] << 8;
        if (i + 2 < length) group |= bytes[i + 2];
        fputc(digits[group >> 18], html);
        fputc(digits[group >> 12 & 63], html);
        fputc(i + 1 < length ? digits[group >> 6 & 63] : '=', html);
        fputc(i + 2 < length ? digits[group & 63] : '=', html);
    }
}

fv_status html_image(FILE *html, const char *path, const char *type, const char *title,
                     fv_error *error) {
    char *bytes;
    size_t length;
    fv_status status = html_read_file(path, &bytes, &length, error);
    if (status != FV_OK) return status;
    fprintf(html, "<img alt=\"");
    html_text(html, title);
    fprintf(html, "\" src=\"data:%s;base64,", type);
    write_base64(html, (const unsigned char *)bytes, length);
    fputs("\">", html);
    free(bytes);
    return FV_OK;
}
