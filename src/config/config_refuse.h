// Why a value or a key is refused, in one sentence that says what would be right.
#ifndef CONFIG_CONFIG_REFUSE_H
#define CONFIG_CONFIG_REFUSE_H

#include <fovea/fields.h>

// "task.vocab_size must be a whole number from 2 to 1000000, not '1'"; `what` is what it must be.
// Behind it stands what was meant, where the value looks like something known.
fv_status refuse_value(const fv_field *field, const char *what, const char *given, bool quoted,
                       fv_error *error);

// The same with "KIND from LOWEST to HIGHEST", and with "KIND A, B, C" of the field's choices.
fv_status refuse_number(const fv_field *field, const char *kind, const char *given, bool quoted,
                        fv_error *error);
fv_status refuse_choice(const fv_field *field, const char *kind, const char *given,
                        fv_error *error);

// A field that is a list was given something else than single values in one list.
fv_status refuse_list(const fv_field *field, fv_error *error);

// A key that is no field's: names the nearest, or says that there is no such thing.
fv_status refuse_field(const char *key, fv_error *error);

#endif
