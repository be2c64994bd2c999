// Two displays behind one interface. On a terminal:
//
//   sticky-plateau  ━━━━━━━━━━━━━━━━━━━╸━━━━━━━━━  62 %   9 of 15 runs, 3 cached, 4 s left
//   perplexity  100 ┤⠑⢄
//                   │  ⠣⣀⣀⣀⣀⣀⣀⣀⡀
//    step 1840  12.4 ┤         ⠈⠑⢄⡀
//
// The curve is a cloud of everything the lab reports, (step, perplexity) in braille dots of 2 x 4 a
// character with a logarithmic y axis: a long run draws a line, a sweep of short runs fills in the
// shapes of its curves. It is redrawn in place, one write a time, and never hides the cursor, so
// that there is nothing to restore when the process is killed.
//
// Elsewhere (a pipe, a log file, TERM=dumb): one plain line every few seconds.
#include "progress.h"

#include "tool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    CURVE_ROWS = 4,
    MOST_COLUMNS = 120, // a wider terminal gets no wider display
    CURVE_LEFT = 20,    // columns before the curve: name, number, axis
    MOST_POINTS = 8192,
};
static const double redraw_seconds = 0.1, line_seconds = 5;

typedef struct point {
    int step;
    double perplexity;
} point;

struct progress {
    FILE *stream;
    bool quiet, live, unicode, colour;
    fv_lab_progress last;
    bool any;        // `last` holds something
    double drawn_at; // seconds on the monotonic clock
    int n_rows;      // of the live picture on the screen
    int row_widths[CURVE_ROWS + 1];
    int n_points, next_point;
    point points[MOST_POINTS]; // a ring: the newest overwrite the oldest
    char experiment[128];
    char unit[24];
};

static double now(void) {
    return tool_seconds(CLOCK_MONOTONIC);
}

// A locale that is not set at all (containers) says nothing; today's terminals then speak UTF-8.
static bool locale_is_utf8(void) {
    const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value == NULL || *value == '\0') continue;
        return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL ||
               strstr(value, "UTF8") != NULL;
    }
    return true;
}

progress *progress_create(FILE *stream, bool quiet) {
    progress *p = calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    p->stream = stream;
    p->quiet = quiet;
    p->live = isatty(fileno(stream)) && term != NULL && strcmp(term, "dumb") != 0;
    p->unicode = locale_is_utf8();
    p->colour = p->live && (no_colour == NULL || *no_colour == '\0');
    progress_set_unit(p, "runs");
    return p;
}

void progress_set_unit(progress *p, const char *unit) {
    if (p != NULL) snprintf(p->unit, sizeof p->unit, "%s", unit);
}

void progress_free(progress *p) {
    free(p);
}

// --- text that both displays share -------------------------------------------------------------

// "45 s", "3 min 20 s", "2 h 5 min"
static void write_duration(double seconds, char *text, size_t size) {
    long s = lround(seconds);
    if (seconds < 9.95)
        snprintf(text, size, "%.1f s", seconds);
    else if (s < 60)
        snprintf(text, size, "%ld s", s);
    else if (s < 3600)
        snprintf(text, size, "%ld min %ld s", s / 60, s % 60);
    else
        snprintf(text, size, "%ld h %ld min", s / 3600, s / 60 % 60);
}

// "9 of 15 runs, 3 cached, 1 diverged, 4 s left"
static void write_counts(const progress *p, char *text, size_t size) {
    const fv_lab_progress *last = &p->last;
    int n = snprintf(text, size, "%d of %d %s", last->n_done, last->n_runs, p->unit);
    if (last->n_cached > 0 && n < (int)size)
        n += snprintf(text + n, size - (size_t)n, ", %d cached", last->n_cached);
    if (last->diverged.n > 0 && n < (int)size)
        n += snprintf(text + n, size - (size_t)n, ", %d diverged", last->diverged.n);
    if (last->seconds_left >= 0 && last->n_done < last->n_runs && n < (int)size) {
        char left[32];
        write_duration(last->seconds_left, left, sizeof left);
        snprintf(text + n, size - (size_t)n, ", %s left", left);
    }
}

static double share_of(const fv_lab_progress *last) {
    if (last->n_done >= last->n_runs) return 1;
    return fmin(fmax(last->share, 0), 1);
}

// --- the live picture --------------------------------------------------------------------------

// One screenful, written at once so that it does not flicker.
typedef struct picture {
    char text[16384];
    size_t n;
    int n_rows, row_widths[CURVE_ROWS + 1];
} picture;

static void put(picture *to, const char *text) {
    size_t n = strlen(text);
    if (n >= sizeof to->text - to->n) return;
    memcpy(to->text + to->n, text, n);
    to->n += n;
}

static void put_paint(const progress *p, picture *to, const char *code) {
    if (!p->colour) return;
    put(to, "\033[");
    put(to, code);
    put(to, "m");
}

static int terminal_columns(const progress *p) {
    struct winsize size;
    int columns = 80;
    if (ioctl(fileno(p->stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) columns = size.ws_col;
    return columns;
}

static void put_bar(const progress *p, picture *to, double share, int width) {
    int halves = (int)lround(share * 2 * width);
    put_paint(p, to, "34");
    for (int i = 0; i < width; i++) {
        bool full = halves >= 2 * i + 2, half = halves == 2 * i + 1;
        if (!full && !half && (i == 0 || halves >= 2 * i)) put_paint(p, to, "90");
        if (p->unicode)
            put(to, half ? "╸" : full || p->colour ? "━" : " ");
        else
            put(to, full || half ? "#" : ".");
        if (half) put_paint(p, to, "90");
    }
    put_paint(p, to, "0");
}

static void put_first_row(const progress *p, picture *to, int columns) {
    char counts[160], percent[16];
    write_counts(p, counts, sizeof counts);
    snprintf(percent, sizeof percent, "%3.0f %%", floor(100 * share_of(&p->last)));
    int name = (int)strlen(p->experiment);
    int rest = 2 + (int)strlen(percent) + 3 + (int)strlen(counts);
    if (name + 12 + rest > columns) name = columns - 12 - rest;
    if (name < 0) name = 0;
    int bar = columns - name - 2 - rest;
    if (bar > 40) bar = 40;
    char row[160];
    snprintf(row, sizeof row, "%.*s  ", name, p->experiment);
    put(to, row);
    int width = name + 2;
    if (bar >= 4) {
        put_bar(p, to, share_of(&p->last), bar);
        width += bar;
    }
    char tail[200];
    snprintf(tail, sizeof tail, "  %s   %s", percent, counts);
    int room = columns - width;
    if (room < 0) room = 0;
    snprintf(row, sizeof row, "%.*s", room, tail);
    put(to, row);
    to->row_widths[to->n_rows++] = width + (int)strlen(row);
}

// Sets the braille dot in column x and row y of a canvas `columns` characters wide.
static void set_dot(unsigned char *cells, int columns, int x, int y) {
    static const unsigned char dots[4][2] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x < 0 || y < 0 || x >= 2 * columns || y >= 4 * CURVE_ROWS) return;
    cells[(y / 4) * columns + x / 2] |= dots[y % 4][x % 2];
}

typedef struct range {
    double low, high; // perplexity
    int last_step;
} range;

static range range_of(const progress *p) {
    range r = {INFINITY, -INFINITY, 1};
    for (int i = 0; i < p->n_points; i++) {
        r.low = fmin(r.low, p->points[i].perplexity);
        r.high = fmax(r.high, p->points[i].perplexity);
        if (p->points[i].step > r.last_step) r.last_step = p->points[i].step;
    }
    if (r.high < r.low * 1.05) r.high = r.low * 1.05;
    return r;
}

// Neighbouring reports of one run are joined; jumps (to another run) are not.
static void draw_curve(const progress *p, const range *r, unsigned char *cells, int columns) {
    int before_x = -1, before_y = -1, oldest = p->n_points < MOST_POINTS ? 0 : p->next_point;
    for (int i = 0; i < p->n_points; i++) {
        const point *at = &p->points[(oldest + i) % MOST_POINTS];
        double up = log(at->perplexity / r->low) / log(r->high / r->low);
        int x = (int)lround((2.0 * columns - 1) * at->step / r->last_step);
        int y = (int)lround((4.0 * CURVE_ROWS - 1) * (1 - up));
        set_dot(cells, columns, x, y);
        int steps = x - before_x, jump = abs(y - before_y);
        if (before_x >= 0 && steps > 0 && steps <= 10 && jump <= 8)
            for (int s = 1; s < steps || s < jump; s++) {
                int n = steps > jump ? steps : jump;
                set_dot(cells, columns, before_x + (x - before_x) * s / n,
                        before_y + (y - before_y) * s / n);
            }
        before_x = x;
        before_y = y;
    }
}

static void put_braille(picture *to, unsigned char dots) {
    unsigned code = 0x2800u + dots;
    const char bytes[4] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
                           (char)(0x80 | (code & 0x3f)), 0};
    put(to, dots ? bytes : " ");
}

static void put_curve(const progress *p, picture *to, int columns) {
    unsigned char cells[CURVE_ROWS * MOST_COLUMNS] = {0};
    int width = columns - CURVE_LEFT - 1;
    if (width > 80) width = 80;
    range r = range_of(p);
    draw_curve(p, &r, cells, width);
    for (int row = 0; row < CURVE_ROWS; row++) {
        char name[32] = "", number[16] = "", left[64];
        if (row == 0) snprintf(name, sizeof name, "perplexity");
        if (row == 0) snprintf(number, sizeof number, "%.4g", r.high);
        if (row == CURVE_ROWS - 1) snprintf(name, sizeof name, "to %d", r.last_step);
        if (row == CURVE_ROWS - 1) snprintf(number, sizeof number, "%.4g", r.low);
        snprintf(left, sizeof left, "%-10.10s %7.7s ", name, number);
        put(to, "\r\n");
        put_paint(p, to, "90");
        put(to, left);
        put(to, *number ? "┤" : "│");
        put_paint(p, to, "0");
        put_paint(p, to, "36");
        for (int c = 0; c < width; c++) put_braille(to, cells[row * width + c]);
        put_paint(p, to, "0");
        to->row_widths[to->n_rows++] = CURVE_LEFT + width;
    }
}

// Moves to where the picture began and clears everything below. Rows that a narrower window has
// wrapped since count as several.
static void put_return(const progress *p, picture *to, int columns) {
    int up = -1;
    for (int i = 0; i < p->n_rows; i++)
        up += p->row_widths[i] > columns ? (p->row_widths[i] + columns - 1) / columns : 1;
    char code[32];
    if (up > 0) {
        snprintf(code, sizeof code, "\033[%dA", up);
        put(to, code);
    }
    if (up >= 0) put(to, "\r\033[J");
}

static void redraw(progress *p) {
    int columns = terminal_columns(p);
    picture *to = calloc(1, sizeof *to);
    if (to == NULL) return;
    put_return(p, to, columns);
    int usable = columns - 1 < MOST_COLUMNS ? columns - 1 : MOST_COLUMNS;
    put_first_row(p, to, usable);
    if (p->unicode && p->n_points > 1 && usable >= CURVE_LEFT + 20) put_curve(p, to, usable);
    fwrite(to->text, 1, to->n, p->stream);
    fflush(p->stream);
    p->n_rows = to->n_rows;
    memcpy(p->row_widths, to->row_widths, sizeof p->row_widths);
    free(to);
}

void progress_clear(progress *p) {
    if (p == NULL || p->n_rows == 0) return;
    picture *to = calloc(1, sizeof *to);
    if (to == NULL) return;
    put_return(p, to, terminal_columns(p));
    fwrite(to->text, 1, to->n, p->stream);
    fflush(p->stream);
    p->n_rows = 0;
    p->drawn_at = 0;
    free(to);
}

// --- the plain lines ---------------------------------------------------------------------------

static void write_line(progress *p) {
    char counts[160];
    write_counts(p, counts, sizeof counts);
    fprintf(p->stream, "%s: %.0f %%, %s\n", p->experiment, floor(100 * share_of(&p->last)), counts);
    fflush(p->stream);
}

// --- the interface -----------------------------------------------------------------------------

static void remember(progress *p, const fv_lab_progress *report) {
    bool same = p->any && p->n_points > 0 && p->last.step == report->step &&
                p->last.perplexity == report->perplexity;
    p->last = *report;
    p->any = true;
    snprintf(p->experiment, sizeof p->experiment, "%s",
             report->experiment ? report->experiment : "");
    p->last.experiment = p->experiment;
    if (same || !isfinite(report->perplexity) || report->perplexity <= 0 || report->step < 0)
        return;
    p->points[p->next_point] = (point){report->step, report->perplexity};
    p->next_point = (p->next_point + 1) % MOST_POINTS;
    if (p->n_points < MOST_POINTS) p->n_points++;
}

void progress_update(progress *p, const fv_lab_progress *report) {
    if (p == NULL || p->quiet) return;
    double time = now();
    if (!p->any) p->drawn_at = p->live ? 0 : time; // plain lines start after some seconds
    remember(p, report);
    if (time - p->drawn_at < (p->live ? redraw_seconds : line_seconds)) return;
    p->drawn_at = time;
    if (p->live)
        redraw(p);
    else
        write_line(p);
}

void progress_finish(progress *p) {
    if (p == NULL || !p->any) return;
    progress_clear(p);
    const fv_lab_progress *last = &p->last;
    char time[32];
    write_duration(last->seconds, time, sizeof time);
    if (last->n_done < last->n_runs)
        fprintf(p->stream, "%s: %d of %d %s in %s", p->experiment, last->n_done, last->n_runs,
                p->unit, time);
    else
        fprintf(p->stream, "%s: %d %.*s in %s", p->experiment, last->n_runs,
                (int)strlen(p->unit) - (last->n_runs == 1), p->unit, time);
    if (last->n_cached > 0) fprintf(p->stream, ", %d cached", last->n_cached);
    char diverged[128];
    if (fv_divergence_text(&last->diverged, diverged, sizeof diverged) > 0)
        fprintf(p->stream, "; %s", diverged);
    fputc('\n', p->stream);
    fflush(p->stream);
    p->any = false;
    p->n_points = p->next_point = 0;
    p->drawn_at = 0;
}
