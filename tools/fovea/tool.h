// What all verbs share: exit codes, error messages, Ctrl-C, and configurations as JSON.
#ifndef FOVEA_TOOL_H
#define FOVEA_TOOL_H

#include <fovea/chart.h>
#include <fovea/fields.h>
#include <jansson.h>
#include <time.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

// Prints "fovea: <message>" to stderr and returns the exit code of the error's status: EXIT_USAGE
// where the caller can put it right (usage, a malformed, missing or newer file), else EXIT_FAILED.
int tool_fail(const fv_error *error);

// The same for an allocation of the tool's own.
int tool_no_memory(void);

// The same for a message of the tool's own, always EXIT_USAGE.
int tool_usage_error(const char *format, ...) FV_PRINTF(1, 2);

// One line on stderr that is no error, made printable as those are.
void tool_note(const char *format, ...) FV_PRINTF(1, 2);

// Becomes 1 at the first SIGINT, SIGTERM or SIGHUP after tool_catch_interrupts(), which ends what
// is drawn too; a second signal ends the process at once.
extern volatile int tool_interrupted;
void tool_catch_interrupts(void);

// Seconds on a clock, as CLOCK_MONOTONIC or CLOCK_THREAD_CPUTIME_ID.
double tool_seconds(clockid_t clock);

// Every field under its dotted key: numbers, booleans, texts and lists. NULL without memory.
json_t *tool_config_json(const fv_config *config);

// A number as JSON, null where it is not finite (JSON has no NaN).
json_t *tool_number_json(double value);

// Says on stderr what a reader should be told of the pictures at `path`: a line each; NULL:
// nothing.
void tool_tell_remark(const char *path, const char *remark);

// Draws folder/NAME.svg and .png and says so on stderr. Fails as fv_chart_draw does.
fv_status tool_draw(const fv_chart *chart, const char *folder, const char *name, fv_error *error);

// Prints one JSON Lines object to stdout, flushes, and releases `object`. Returns EXIT_DONE, or
// EXIT_FAILED with a message where stdout cannot be written or `object` is NULL.
int tool_print_json(json_t *object);

#endif
