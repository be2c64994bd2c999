#include "tool.h"

#include <fovea/config.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tool_fail(const fv_error *error) {
    fprintf(stderr, "fovea: %s\n", error->text);
    switch (error->status) {
    case FV_USAGE:
    case FV_FORMAT:
    case FV_NOT_FOUND:
    case FV_NEWER:
        return EXIT_USAGE;
    default:
        return EXIT_FAILED;
    }
}

int tool_no_memory(void) {
    const fv_error error = {FV_NO_MEMORY, "out of memory"};
    return tool_fail(&error);
}

int tool_usage_error(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fv_printable(text, sizeof text);
    fprintf(stderr, "fovea: %s\n", text);
    return EXIT_USAGE;
}

void tool_note(const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fv_printable(text, sizeof text);
    fprintf(stderr, "%s\n", text);
}

double tool_seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

volatile int tool_interrupted = 0;

// `timeout` and shells send one signal twice, to the process and to its group.
static const double SAME_SIGNAL_SECONDS = 0.2;

static void on_signal(int number) {
    static double first;
    double now = tool_seconds(CLOCK_MONOTONIC);
    if (!tool_interrupted) first = now;
    if (now - first > SAME_SIGNAL_SECONDS) { // whoever asks again does not want to wait
        fv_drawing_abandon();
        signal(number, SIG_DFL);
        raise(number);
    }
    tool_interrupted = 1;
}

void tool_catch_interrupts(void) {
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    // nohup has it ignored, for a purpose.
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    // A reader that has gone is an output that cannot be written, not the end of a sweep.
    signal(SIGPIPE, SIG_IGN);
    fv_drawing_interrupt(&tool_interrupted);
}

json_t *tool_number_json(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *layers_json(const fv_layers *layers) {
    json_t *list = json_array();
    for (int i = 0; i < layers->n; i++) {
        char text[FV_LAYER_SIZE];
        fv_layer_text(layers, i, text, sizeof text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static json_t *ints_json(const fv_ints *ints) {
    json_t *list = json_array();
    for (int i = 0; i < ints->n; i++) json_array_append_new(list, json_integer(ints->value[i]));
    return list;
}

static json_t *field_json(const fv_config *config, const fv_field *field) {
    const void *value = (const char *)config + field->offset;
    switch (field->type) {
    case FV_TYPE_INT:
        return json_integer(*(const int *)value);
    case FV_TYPE_REAL:
        return tool_number_json(*(const double *)value);
    case FV_TYPE_BOOL:
        return json_boolean(*(const bool *)value);
    case FV_TYPE_CHOICE:
        return json_string(field->choices[*(const int *)value]);
    case FV_TYPE_INTS:
        return ints_json(value);
    case FV_TYPE_LAYERS:
        return layers_json(value);
    case FV_TYPE_TEXT:
    case FV_TYPE_NAMES:
    case FV_TYPE_FACTORS:
    case FV_TYPE_STAGES:
        return json_string(value);
    }
    return NULL;
}

json_t *tool_config_json(const fv_config *config) {
    json_t *object = json_object();
    int n;
    const fv_field *fields = fv_fields(&n);
    for (int i = 0; object != NULL && i < n; i++) {
        if (json_object_set_new(object, fields[i].key, field_json(config, &fields[i])) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

void tool_tell_remark(const char *path, const char *remark) {
    for (const char *line = remark; line != NULL && *line != '\0';) {
        size_t n = strcspn(line, "\n");
        tool_note("fovea: %s: %.*s", path, (int)n, line);
        line += line[n] == '\n' ? n + 1 : n;
    }
}

fv_status tool_draw(const fv_chart *chart, const char *folder, const char *name, fv_error *error) {
    fv_drawn drawn;
    fv_status status = fv_chart_draw(chart, folder, name, &drawn, error);
    if (status != FV_OK) return status;
    tool_note("%s and %s", drawn.svg, drawn.png);
    tool_tell_remark(drawn.svg, drawn.remark);
    fv_drawn_free(&drawn);
    return FV_OK;
}

int tool_print_json(json_t *object) {
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);
    bool done = text != NULL && puts(text) >= 0 && fflush(stdout) == 0;
    free(text);
    if (done) return EXIT_DONE;
    fputs("fovea: the JSON output cannot be written\n", stderr);
    return EXIT_FAILED;
}
