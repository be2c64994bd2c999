// Files of questions that are asked as they are: RULER's data, TASK/validation.jsonl, of its own
// scripts or of fv_ruler_write; rows of MRCR and other chats; frozen sets (data_line.h has the
// lines). Lines are read when they are asked; a file of long prompts is larger than memory should
// be.
#ifndef FOVEA_SERVED_DATA_FILE_H
#define FOVEA_SERVED_DATA_FILE_H

#include "served/data_line.h"

#include <stdio.h>

// The questions of one task at one length: of a file of RULER's all of it, of others a part.
typedef struct data_file {
    served_task task; // first, so that its builder finds the file
    char name[48];    // of the task
    char *path;
    FILE *file;       // of the first part of a file; the others share it
    bool shares_file; //
    data_form form;
    char *system;   // message, or NULL
    double *depths; // [n_depths], those of each sample; NAN where there are none
    int n_depths, depths_capacity;
    long *at; // [n][n_depths], where each line begins
    int n_lines, capacity;
    int n;      // samples
    int length; // as the path names it, ".../4096/...", or its lines do, or of the longest prompt
    uint64_t digest;
} data_file;

// The file at `path`, by parts, or those of a folder: PATH/TASK/validation.jsonl. The task is named
// by the lines, or by the file's folder, or where it is no validation.jsonl by the file itself.
// *about, where it is not NULL, says what a frozen set has, NULL for other files; the caller frees
// it. FV_NOT_FOUND, FV_FORMAT.
fv_status data_files_open(const char *path, data_file ***files, int *n, char **about,
                          fv_error *error);
void data_files_close(data_file **files, int n);

// The line of a sample; that of the nearest depth where it has several. The caller frees *line.
fv_status data_file_line(const data_file *data, int sample, double depth, json_t **line,
                         fv_error *error);

#endif
