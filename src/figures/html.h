// Pieces of HTML: text that cannot break out of it, and pictures that live inside it.
#ifndef FOVEA_FIGURES_HTML_H
#define FOVEA_FIGURES_HTML_H

#include <fovea/status.h>
#include <stdio.h>

// Writes `text` with & < > " ' escaped: safe between tags and inside quoted attributes.
void html_text(FILE *html, const char *text);

// Writes the SVG file at `path` as an element of the page. Its ids and the references to them get
// `prefix` in front, because several pictures of one page would otherwise share theirs; gnuplot's
// own titles, which browsers show as tool tips, give way to `title` and those of hot spots.
fv_status html_svg(FILE *html, const char *path, const char *prefix, const char *title,
                   fv_error *error);

// Writes an image element that holds the file's bytes. `type` is "image/gif" or the like.
fv_status html_image(FILE *html, const char *path, const char *type, const char *title,
                     fv_error *error);

// The whole file, with a zero behind it; the caller frees *bytes.
fv_status html_read_file(const char *path, char **bytes, size_t *length, fv_error *error);

#endif
