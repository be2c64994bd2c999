// What a model thinks aloud before it answers. Servers that do not take thoughts out of the content
// leave them between marks of the model's own; a value that stands there is no answer.
#ifndef FOVEA_SERVED_THOUGHTS_H
#define FOVEA_SERVED_THOUGHTS_H

#include <stdbool.h>
#include <stddef.h>

// What is known of a model's thoughts beside the usual marks. Starts as {0}.
typedef struct thoughts_known {
    const char *open, *close; // one more pair of marks, or NULL
    bool begun;               // its prompts end inside a thought: the template opens one
} thoughts_known;

// What was found in a text.
typedef struct thoughts_found {
    bool open;  // a thought does not close; it goes as far as the text does
    bool begun; // one closes that was not opened in it
} thoughts_found;

// Takes thoughts out of the n bytes of `text`, which end with a zero, and returns the bytes left.
// Everything before a closing mark without an opening one goes, too. `cut`: the text ends at the
// limit of tokens; where the prompt has begun a thought that does not close, all of it is thought.
size_t thoughts_remove(char *text, size_t n, const thoughts_known *known, bool cut,
                       thoughts_found *found);

// Whether a prompt ends in an opening mark.
bool thoughts_begin(const char *prompt, size_t n, const thoughts_known *known);

#endif
