#include "figures/spots.h"

#include "figures/html.h"

#include <fovea/whole_file.h>
#include <stdlib.h>
#include <string.h>

static void write_spot(FILE *svg, const hot_spot *spot) {
    fprintf(svg,
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"transparent\">"
            "<title>",
            spot->box.left, spot->box.top, spot->box.right - spot->box.left,
            spot->box.bottom - spot->box.top);
    html_text(svg, spot->text);
    fputs("</title></rect>\n", svg);
}

fv_status spots_write(const char *path, const hot_spots *spots, fv_error *error) {
    char *bytes;
    size_t length;
    fv_whole_file file = {0};
    if (spots->n == 0) return FV_OK;
    fv_status status = html_read_file(path, &bytes, &length, error);
    if (status != FV_OK) return status;
    char *end = NULL;
    for (char *at = bytes; (at = strstr(at, "</svg>")) != NULL; at++) end = at;
    if (end == NULL)
        status = fv_fail(error, FV_FORMAT, "%s: is no SVG file", path);
    else
        status = fv_whole_file_open(&file, path, error);
    if (status == FV_OK) {
        fwrite(bytes, 1, (size_t)(end - bytes), file.stream);
        fputs(FV_SPOTS_START "\n", file.stream);
        for (int i = 0; i < spots->n; i++) write_spot(file.stream, &spots->items[i]);
        fputs("</g>\n</svg>\n", file.stream);
        status = fv_whole_file_close(&file, true, error);
    }
    free(bytes);
    return status;
}
