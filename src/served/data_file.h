// RULER's data files, TASK/validation.jsonl with lines {index, input, outputs, length,
// answer_prefix}, of its own scripts or of fv_ruler_write: questions that are asked as they are.
// Lines are read when they are asked; a file of long prompts is larger than memory should be.
#ifndef FOVEA_SERVED_DATA_FILE_H
#define FOVEA_SERVED_DATA_FILE_H

#include "served/served_task.h"

#include <stdio.h>

typedef struct data_file {
    served_task task; // first, so that its builder finds the file
    char name[48];    // of the task
    char *path;
    FILE *file;
    long *at; // [n], where each line begins
    int n, capacity;
    int length; // as the path names it, ".../4096/...", or of the longest prompt
    uint64_t digest;
} data_file;

// The file at `path`, or those of a folder: PATH/TASK/validation.jsonl. The task is named by the
// file's folder, or where it is no validation.jsonl by the file itself. FV_NOT_FOUND, FV_FORMAT.
fv_status data_files_open(const char *path, data_file ***files, int *n, fv_error *error);
void data_files_close(data_file **files, int n);

// Line i. The caller frees *line.
fv_status data_file_line(const data_file *data, int i, json_t **line, fv_error *error);

#endif
