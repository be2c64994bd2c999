// What each operating system has in a way of its own: system_linux.c, and system_posix.c for all
// others, which asks for no more than POSIX has. Linux builds that too with -DFOVEA_POSIX among the
// compiler's flags.
#ifndef BASE_SYSTEM_H
#define BASE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#if defined(__linux__) && !defined(FOVEA_POSIX)
#define SYSTEM_LINUX 1
#else
#define SYSTEM_LINUX 0
#endif

// Processors that this process may use; 1 or more.
int system_cores(void);

// What the processor calls itself, or what kind it is.
void system_cpu_name(char *name, size_t size);

// A file for reading and writing that has no name, gone with its last descriptor and closed in
// programs that are started: in memory where that can be had, so that no full disk can cut what is
// written. NULL, and errno, where none can be made.
FILE *system_unnamed_file(void);

// pipe(2) whose ends are closed in programs that are started. 0, or -1 and errno.
int system_pipe(int ends[2]);

// Whether the folder is known to lie on another machine.
bool system_is_on_network(const char *path);

// Advice: memory that is used as a whole, in pages as large as there are.
void system_prefer_large_pages(void *memory, size_t size);

// The environment of programs that are started.
char **system_environment(void);

#endif
