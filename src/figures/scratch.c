#include "figures/scratch.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct scratch_block {
    struct scratch_block *next;
    max_align_t data[];
};

void *scratch_get(figure_scratch *scratch, size_t count, size_t size) {
    size_t head = sizeof(struct scratch_block);
    if (size != 0 && count > (SIZE_MAX - head) / size) return NULL;
    struct scratch_block *block = calloc(1, head + count * size);
    if (block == NULL) return NULL;
    block->next = scratch->blocks;
    scratch->blocks = block;
    return block->data;
}

char *scratch_text(figure_scratch *scratch, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : scratch_get(scratch, (size_t)length + 1, 1);
    if (text != NULL) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void scratch_free(figure_scratch *scratch) {
    while (scratch->blocks != NULL) {
        struct scratch_block *next = scratch->blocks->next;
        free(scratch->blocks);
        scratch->blocks = next;
    }
}
