// Lists of numbers as options take them: "0,25,50", "0..100" (eleven values), "0..100:5" (five).
#ifndef FOVEA_TOOL_NUMBER_LIST_H
#define FOVEA_TOOL_NUMBER_LIST_H

// How many finite numbers the text lists, written to values [most]; -1 where it is no such list, or
// a longer one.
int number_list(const char *text, double *values, int most);

// The same for whole numbers from `low` to `high`.
int number_list_whole(const char *text, int low, int high, int *values, int most);

#endif
