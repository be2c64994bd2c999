// Status codes and error messages. Functions that can fail return fv_status and take an fv_error,
// which receives one sentence: what was wrong, where, and what would be right.
#ifndef FOVEA_STATUS_H
#define FOVEA_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FV_API                   __attribute__((visibility("default")))
#define FV_PRINTF(string, first) __attribute__((format(printf, string, first)))
#else
#define FV_API
#define FV_PRINTF(format, first)
#endif

// name, code, text
#define FV_STATUS_LIST(X)                                                                          \
    X(OK, 0, "success")                                                                            \
    X(NO_MEMORY, -1, "out of memory")                                                              \
    X(USAGE, -2, "wrong usage")                                                                    \
    X(FORMAT, -3, "malformed file")                                                                \
    X(IO, -4, "input or output failed")                                                            \
    X(NOT_FOUND, -5, "not found")                                                                  \
    X(NEWER, -6, "made by a newer version")                                                        \
    X(STORE, -7, "run store failed")                                                               \
    X(INTERRUPTED, -8, "interrupted")                                                              \
    X(MISSING_PROGRAM, -9, "a needed program is missing")

typedef enum fv_status {
#define FV_STATUS_ENUM(name, code, text) FV_##name = code,
    FV_STATUS_LIST(FV_STATUS_ENUM)
#undef FV_STATUS_ENUM
} fv_status;

typedef struct fv_error {
    fv_status status;
    char text[1024];
} fv_error;

// Replaces the control characters of a text, in place, by what C writes for them, as in \n or \x1b:
// names, addresses and replies from outside end no line and steer no terminal. What then does not
// fit into `size` bytes is cut.
FV_API void fv_printable(char *text, size_t size);

// The constant text of a status, never NULL.
FV_API const char *fv_status_text(fv_status status);

// Writes the formatted message, made printable, and the status into `error` (which may be NULL) and
// returns the status, so that a caller can write `return fv_fail(error, FV_FORMAT, "%s:%d: ...",
// path, line)`.
FV_API fv_status fv_fail(fv_error *error, fv_status status, const char *format, ...)
    FV_PRINTF(3, 4);
#ifdef __clang_analyzer__ // which cannot see that the status comes back as it went in
#define fv_fail(error, status, ...) ((void)fv_fail(error, status, __VA_ARGS__), (status))
#endif

#ifdef __cplusplus
}
#endif
#endif
