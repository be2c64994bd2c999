// Where experiment files are: folders named after posts, each with one file a figure.
#ifndef FOVEA_TOOL_POSTS_H
#define FOVEA_TOOL_POSTS_H

// Sorted paths; released with path_list_free.
typedef struct path_list {
    int n;
    char **items;
} path_list;

void path_list_free(path_list *list);

// The experiment files of a post in the order of their names, or of every post where `post` is
// "all". `post` may also be the path of a folder. The posts are looked for in $FOVEA_EXPERIMENTS,
// ./experiments, beside the program, and where Fovea is installed. Returns an exit code and prints
// what is wrong; an unknown post names those that exist.
int posts_find(const char *post, path_list *files);

#endif
