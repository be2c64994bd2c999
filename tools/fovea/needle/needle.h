// `fovea needle` and `fovea middle` have two halves each. With --endpoint (and for the files of
// served models: --show, --data, --questions, --score) they are about a served model, cmd_needle.c
// and cmd_middle.c. With an operand, a stored run or a checkpoint, they hand the whole command line
// to the half for models of the lab, needle_own.c. Both fill the table of cells of --out
// (fovea/eval.h), so that figures show own and served models side by side.
#ifndef FOVEA_TOOL_NEEDLE_H
#define FOVEA_TOOL_NEEDLE_H

#include <stdbool.h>

// `fovea needle RUN_OR_CHECKPOINT ...`; argv[0] is "needle". `elsewhere` says what to do with an
// option of served models (tool_usage). Returns the exit code.
int needle_own(int argc, char **argv, const char *(*elsewhere)(const char *option));

// `fovea middle RUN_OR_CHECKPOINT ...`; argv[0] is "middle".
int middle_own(int argc, char **argv, const char *(*elsewhere)(const char *option));

// Whether models of the lab have the option.
bool needle_own_reads(const char *option);

#endif
