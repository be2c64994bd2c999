#include <fovea/status.h>

#include <stdarg.h>
#include <stdio.h>

const char *fv_status_text(fv_status status) {
    switch (status) {
#define TEXT(name, code, text)                                                                     \
    case FV_##name:                                                                                \
        return text;
        FV_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "unknown status";
}

fv_status(fv_fail)(fv_error *error, fv_status status, const char *format, ...) {
    if (error == NULL) return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}
