// What a model thinks aloud before it answers. Servers that do not take thoughts out of the content
// leave them between marks of the model's own; a value that stands there is no answer.
#ifndef FOVEA_SERVED_THOUGHTS_H
#define FOVEA_SERVED_THOUGHTS_H

#include <stdbool.h>
#include <stddef.h>

// Takes thoughts out of the n bytes of `text`, which end with a zero, and returns the bytes left.
// Everything before a closing mark without an opening one goes, too: templates often open the
// thought in the prompt. *open: a thought does not close; it goes as far as the text does.
size_t thoughts_remove(char *text, size_t n, bool *open);

#endif
