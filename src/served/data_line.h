// A line of a file of questions: what it says of its question, and the prompt that it makes.
#ifndef FOVEA_SERVED_DATA_LINE_H
#define FOVEA_SERVED_DATA_LINE_H

#include "base/json_lines.h"
#include "served/served_task.h"

// Lines by their members:
//   RULER   {index, input, outputs, length, answer_prefix}; all outputs must stand in a reply
//   MRCR    {prompt, answer, random_string_to_prepend, n_needles, ...} (openai/mrcr), where the prompt
//           is the JSON text of a chat's messages
//   CHAT    {messages: [{role, content}], answers: [text], ...}; one of the answers must, or all of
//           `outputs`
//   FROZEN  what `fovea needle freeze` wrote (frozen.h)
typedef enum data_form { DATA_RULER, DATA_MRCR, DATA_CHAT, DATA_FROZEN } data_form;

data_form data_form_of(const json_t *line);

// What a line says beside its prompt.
typedef struct data_question {
    char task[48]; // "": the file says it
    int tokens;    // as the line counts them, or else a quarter of its bytes
    int length;    // what it is asked as; 0: the file says it
    int sample;
    double depth;   // percent, NAN for none
    int max_tokens; // of the answer; 0: what is usual
    served_metric metric;
} data_question;

// FV_FORMAT for a line that is none of its form's; the message says where and what it should be.
fv_status data_line_read(data_form form, const json_line *line, data_question *question,
                         fv_error *error);

// Appends the prompt and its answers. The line must have been read before; it must live as long as
// the prompt where it has a system message beside its input. FV_NO_MEMORY.
fv_status data_line_build(data_form form, const json_t *line, prompt *p, fv_error *error);

// The name of a metric in files, and the metric of a name; false where there is none.
const char *data_metric_text(served_metric metric);
bool data_metric_of(const char *text, served_metric *metric);

#endif
